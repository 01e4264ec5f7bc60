"""HTTP CONNECT on the same port."""
import socket
import time

from harness import check, equal, matches
from origins import Echo, Full, Keep, Refused
from wire import (check_echo, connect, ended, gone, take_all, take_head,
                  through)


def ask(t, proxy, request):
    """(status, head, sock)."""
    sock = t.socket(proxy.address)
    sock.sendall(request)
    status, head = take_head(sock)
    return status, head.decode(), sock


def test_connect(t):
    server = t.server(Echo)
    proxy = t.socks()
    for version in ("1.1", "1.0"):
        status, head, sock = ask(
            t, proxy, connect("127.0.0.1", server.port, version=version))
        equal(status, 200, "status")
        check("content-length" not in head.lower(), "a length: " + head)
        check("transfer-encoding" not in head.lower(), "chunks: " + head)
        check_echo(sock)


def test_names_and_v6(t):
    four = t.server(Echo)
    six = t.server(Echo, "::1")
    proxy = t.socks()
    for host, server in (("localhost", four), ("::1", six),
                         ("localhost", six), ("LocalHost", four)):
        status, head, sock = ask(t, proxy, connect(host, server.port))
        equal(status, 200, f"status for {host}")
        check_echo(sock)


def test_split_at_every_byte(t):
    """9.16."""
    server = t.server(Keep)
    sock = t.socket(t.socks().address)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for part in connect("localhost", server.port) + b"payload":
        sock.send(bytes((part,)))
        time.sleep(0.001)
    equal(take_head(sock)[0], 200, "status")
    sock.shutdown(socket.SHUT_WR)
    ended(sock)
    equal(server.wait_seen(), [b"payload"], "what arrived")


def test_cut_in_two_at_every_byte(t):
    server = t.server(Keep)
    proxy = t.socks()
    message = connect("localhost", server.port) + b"payload"
    for cut in range(1, len(message)):
        sock = t.socket(proxy.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(message[:cut])
        time.sleep(0.001)
        sock.sendall(message[cut:])
        equal(take_head(sock)[0], 200, f"status, cut at {cut}")
        sock.shutdown(socket.SHUT_WR)
        ended(sock)
        sock.close()
    equal(server.wait_seen(len(message) - 1),
          [b"payload"] * (len(message) - 1), "what arrived")


def test_pipelined_payload(t):
    server = t.server(Keep)
    status, head, sock = ask(t, t.socks(), connect(
        "127.0.0.1", server.port, headers=("User-Agent: x", "X-Y: z")) +
        b"\x16\x03\x01 early")
    equal(status, 200, "status")
    sock.shutdown(socket.SHUT_WR)
    ended(sock)
    equal(server.wait_seen(), [b"\x16\x03\x01 early"], "what arrived")


def test_lines_that_end_with_lf_alone(t):
    server = t.server(Echo)
    request = connect("127.0.0.1", server.port).replace(b"\r\n", b"\n")
    status, head, sock = ask(t, t.socks(), request)
    equal(status, 200, "status")
    check_echo(sock)


def test_failures(t):
    """Table 6."""
    port = t.server(Refused).port
    full = t.server(Full)
    proxy = t.socks("--connect-timeout", "1", "--deny", "denied.example")
    for host, to, wanted in (("127.0.0.1", port, 502),
                             ("127.0.0.1", full.port, 504),
                             ("denied.example", 80, 403)):
        status, head, sock = ask(t, proxy, connect(host, to))
        equal(status, wanted, f"status for {host}:{to}")
        take_all(sock)


def test_plain_get_is_told_what_the_port_speaks(t):
    proxy = t.socks()
    for request in (b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n",
                    b"GET / HTTP/1.1\r\nHost: localhost\r\n",
                    b"POST http://localhost/ HTTP/1.0\r\n",
                    b"OPTIONS * HTTP/1.1\r\n"):
        status, head, sock = ask(t, proxy, request + b"\r\n")
        equal(status, 501, "status")
        text = take_all(sock).decode()
        matches("SOCKS", head + text, "the answer")
        length = matches(r"(?i)content-length: (\d+)", head, "the head")[1]
        equal(len(text), int(length), "length of the text")
        sock.close()
    status, head, sock = ask(t, proxy,
                             b"HEAD http://localhost/ HTTP/1.1\r\n\r\n")
    equal(status, 501, "status of HEAD")


def test_malformed(t):
    proxy = t.socks()
    for request in (b"CONNECT localhost HTTP/1.1\r\n\r\n",
                    b"CONNECT localhost:99999 HTTP/1.1\r\n\r\n",
                    b"CONNECT localhost:0x50 HTTP/1.1\r\n\r\n",
                    b"CONNECT :80 HTTP/1.1\r\n\r\n",
                    b"CONNECT [::1:80 HTTP/1.1\r\n\r\n",
                    b"CONNECT local\0host:80 HTTP/1.1\r\n\r\n",
                    b"CONNECT\r\n\r\n",
                    b"NONSENSE\r\n\r\n"):
        sock = t.socket(proxy.address)
        sock.sendall(request)
        try:
            got = take_all(sock)
        except ConnectionError:
            got = b""
        check(got == b"" or b" 400 " in got.split(b"\r\n")[0],
              f"answer {got!r} to {request!r}")
        sock.close()


def test_head_without_end(t):
    """At most 8 KiB, then it is over; nothing is kept."""
    proxy = t.socks()
    sock = t.socket(proxy.address)
    try:
        sock.sendall(b"CONNECT localhost:80 HTTP/1.1\r\n")
        for _ in range(1000):
            sock.sendall(b"X-Header: " + b"y" * 90 + b"\r\n")
        got = take_all(sock)
    except ConnectionError:
        got = b""
    check(got == b"" or b" 400 " in got or b" 431 " in got, f"answer {got!r}")
    check_echo(through(t, proxy, t.server(Echo)))


def test_no_smuggling_by_a_second_request(t):
    """What follows the head goes to the target, as it is."""
    server = t.server(Keep)
    second = b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n"
    status, head, sock = ask(t, t.socks(),
                             connect("127.0.0.1", server.port) + second)
    equal(status, 200, "status")
    sock.shutdown(socket.SHUT_WR)
    gone(sock)
    equal(server.wait_seen(), [second], "what arrived")


def test_log_says_http(t):
    server = t.server(Echo)
    proxy = t.socks()
    status, head, sock = ask(t, proxy, connect("127.0.0.1", server.port))
    sock.close()
    matches("http", proxy.session()["proto"], "proto")
