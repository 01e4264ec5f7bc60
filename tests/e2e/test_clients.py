"""How clients that cannot be run here speak: their bytes, in their pieces,
with what they insist on in the answers."""
import socket

from harness import check, equal
from origins import Echo, Keep, Source
from wire import (GREETED, GREETING, WITH_PASSWORD, check_echo, ended, gone,
                  password, socks4, socks5, take, take_all, take_reply)


def client(t, proxy):
    sock = t.socket(proxy.address)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def test_java(t):
    """Offers 00 and 02 always; a request in small writes. On anything but a
    5 as first byte it would go on with SOCKS4 on the same socket (9.14)."""
    server = t.server(Echo)
    sock = client(t, t.socks())
    sock.sendall(b"\x05\x02\x00\x02")
    equal(take(sock, 2), GREETED, "method")
    request = socks5("localhost", server.port)
    for part in (request[:4], request[4:5], request[5:-2], request[-2:-1],
                 request[-1:]):
        sock.sendall(part)
    equal(take_reply(sock)[0], 0, "reply")
    check_echo(sock)


def test_java_never_falls_back(t):
    """Whatever it is refused for, the answer's first byte is 5; and a SOCKS4
    request that comes behind a SOCKS5 greeting goes nowhere."""
    users = t.file("users", "me:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n")
    server = t.server(Echo)
    proxy = t.socks("--users", users)
    sock = client(t, proxy)
    sock.sendall(b"\x05\x02\x00\x02")
    equal(take(sock, 2), b"\x05\x02", "method")
    sock.sendall(password("user.name", ""))
    answer = take_all(sock)
    equal(len(answer), 2, "length of the answer")
    equal(answer[0], 1, "version of the answer")
    check(answer[1] != 0, "an empty password was taken")
    for offer in (b"\x05\x01\x00", b"\x05\x00"):
        sock = client(t, proxy)
        sock.sendall(offer)
        equal(take(sock, 2), b"\x05\xff", "method")
        try:
            sock.sendall(socks4("127.0.0.1", server.port))
            gone(sock)
        except ConnectionError:
            pass
    equal(server.accepted, 0, "connections made")


def test_chromium(t):
    """Names always, for literals too; reads five bytes of the reply and then
    the rest; idle preconnects that are closed unused."""
    server = t.server(Echo)
    proxy = t.socks()
    idle = [client(t, proxy) for _ in range(8)]
    for host in ("localhost", "127.0.0.1"):
        sock = client(t, proxy)
        sock.sendall(GREETING)
        equal(take(sock, 2), GREETED, "method")
        sock.sendall(socks5(host, server.port, as_name=True))
        head = take(sock, 5)
        equal(head[:3], b"\x05\0\0", "start of the reply")
        check(head[3] in (1, 4), "address type")
        take(sock, 5 if head[3] == 1 else 17)
        check_echo(sock)
    for sock in idle:
        sock.close()
    proxy.sessions(len(idle))


def test_firefox_with_a_user(t):
    """02 and nothing else, although nobody asked for it."""
    server = t.server(Echo)
    sock = client(t, t.socks())
    sock.sendall(WITH_PASSWORD)
    equal(take(sock, 2), b"\x05\x02", "method")
    sock.sendall(password("me", "secret"))
    equal(take(sock, 2), b"\x01\x00", "answer")
    sock.sendall(socks5("localhost", server.port))
    equal(take_reply(sock)[0], 0, "reply")
    check_echo(sock)


def test_go(t):
    """00 and 02 with credentials; wants the reserved byte 0 and any bound
    address."""
    server = t.server(Echo)
    sock = client(t, t.socks())
    sock.sendall(b"\x05\x02\x00\x02")
    equal(take(sock, 2), GREETED, "method")
    sock.sendall(socks5("127.0.0.1", server.port))
    equal(take_reply(sock)[0], 0, "reply")
    check_echo(sock)


def test_openssh_nc(t):
    """-X 5, and -X 4 with 0.0.0.1 for names; -X connect speaks HTTP 1.0 and
    wants HTTP/1.0 or 1.1 200."""
    server = t.server(Echo)
    proxy = t.socks()
    sock = client(t, proxy)
    sock.sendall(GREETING)
    equal(take(sock, 2), GREETED, "method")
    sock.sendall(socks5("localhost", server.port))
    equal(take(sock, 4), b"\x05\0\0\x01", "start of the reply")
    take(sock, 6)
    check_echo(sock)
    sock = client(t, proxy)
    sock.sendall(f"CONNECT localhost:{server.port} HTTP/1.0\r\n\r\n".encode())
    line = b""
    while not line.endswith(b"\r\n"):
        line += take(sock, 1)
    check(line.startswith((b"HTTP/1.0 200 ", b"HTTP/1.1 200 ")),
          f"first line {line!r}")


def test_tor_client(t):
    """Payload right behind the request, before any answer; credentials that
    only keep flows apart; RESOLVE is refused, and one may ask it by 4a."""
    server = t.server(Keep)
    proxy = t.socks()
    sock = client(t, proxy)
    sock.sendall(WITH_PASSWORD + password("flow-1", "0") +
                 socks5("localhost", server.port) + b"GET / HTTP/1.0\r\n\r\n")
    equal(take(sock, 4), b"\x05\x02\x01\x00", "method and answer")
    equal(take_reply(sock)[0], 0, "reply")
    sock.shutdown(socket.SHUT_WR)
    ended(sock)
    equal(server.wait_seen(), [b"GET / HTTP/1.0\r\n\r\n"], "what arrived")
    sock = client(t, proxy)
    sock.sendall(socks4("localhost", 0, command=0xf0))
    equal(take_all(sock)[:2], b"\0\x5b", "answer to RESOLVE by 4a")


def test_redsocks(t):
    """Addresses always; a connection at a time, in two writes."""
    server = t.server(Source, b"banner")
    sock = client(t, t.socks())
    sock.sendall(b"\x05\x02\x00\x02")
    equal(take(sock, 2), GREETED, "method")
    sock.sendall(socks5("127.0.0.1", server.port))
    equal(take_reply(sock)[0], 0, "reply")
    equal(take_all(sock), b"banner", "what the server said")


def test_hev_pipeline(t):
    """Greeting, password and request in one segment, the rest later."""
    server = t.server(Echo)
    sock = client(t, t.socks())
    sock.sendall(WITH_PASSWORD + password("u", "p") +
                 socks5("127.0.0.1", server.port))
    equal(take(sock, 4), b"\x05\x02\x01\x00", "method and answer")
    equal(take_reply(sock)[0], 0, "reply")
    check_echo(sock)


def test_wininet(t):
    """SOCKS4 with a logon name that has bytes of any kind."""
    server = t.server(Echo)
    proxy = t.socks("--log-format", "json", listeners=0)
    line = proxy.wait_line("listening on")
    port = int(line.split("listening on ")[1].split(" ")[0].split(":")[1])
    proxy.where = f"127.0.0.1:{port}"
    sock = client(t, proxy)
    sock.sendall(socks4("127.0.0.1", server.port,
                        "DOMAIN\\J\xfcrgen \"x\"\n".encode("latin1")))
    equal(take(sock, 8)[:2], b"\0\x5a", "reply")
    check_echo(sock)


def test_port_scanners_and_other_strangers(t):
    """TLS, SSH, a proxy's PROXY line, nothing but zeros: the end, no answer
    that could be taken for another protocol's."""
    proxy = t.socks()
    for text in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                 b"\x00" * 64, b"\r\n\r\n", b"help\r\n",
                 b"\x80\x2e\x01\x03\x01", bytes(range(128, 256))):
        sock = client(t, proxy)
        sock.sendall(text)
        gone(sock)
