"""SOCKS4 and SOCKS4a on the wire."""
import socket
import struct
import time

from harness import SANITIZED, check, equal, wait_until
from origins import Echo, Full, Keep, Refused
from wire import (check_echo, ended, gone, socks4, take, take_all, through)

GRANTED = 0x5a
REJECTED = 0x5b


def answer(sock):
    """The code of a reply; its first byte is 0 (S4-1)."""
    reply = take(sock, 8)
    equal(reply[0], 0, "first byte of the reply")
    return reply[1]


def test_connect(t):
    server = t.server(Echo)
    sock = t.socket(t.socks().address)
    sock.sendall(socks4("127.0.0.1", server.port, "me"))
    reply = take(sock, 8)
    server.wait_accepted()
    host, port = server.peers[0]
    equal(reply, b"\0\x5a" + struct.pack(">H", port) + socket.inet_aton(host),
          "reply")
    check_echo(sock)


def test_names(t):
    """S4-2, S4-7: IPv6 only by its literal name."""
    four = t.server(Echo)
    six = t.server(Echo, "::1")
    proxy = t.socks()
    for host, server in ((b"localhost", four), (b"127.0.0.1", four),
                         (b"::1", six), (b"[::1]", six), (b"localhost", six)):
        sock = t.socket(proxy.address)
        sock.sendall(socks4(host, server.port))
        equal(answer(sock), GRANTED, f"code for {host!r}")
        check_echo(sock)


def test_every_4a_marker(t):
    server = t.server(Echo)
    proxy = t.socks()
    for last in (1, 2, 128, 255):
        sock = t.socket(proxy.address)
        sock.sendall(b"\x04\x01" + struct.pack(">H", server.port) +
                     bytes((0, 0, 0, last)) + b"\0localhost\0")
        equal(answer(sock), GRANTED, f"code for 0.0.0.{last}")
        check_echo(sock)


def test_split_at_every_byte(t):
    server = t.server(Keep)
    proxy = t.socks()
    for message in (socks4("127.0.0.1", server.port, "user"),
                    socks4("localhost", server.port, "user")):
        sock = t.socket(proxy.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in message + b"payload":
            sock.send(bytes((part,)))
            time.sleep(0.001)
        equal(answer(sock), GRANTED, "code")
        sock.shutdown(socket.SHUT_WR)
        ended(sock)
    equal(server.wait_seen(2), [b"payload"] * 2, "what arrived")


def test_cut_in_two_at_every_byte(t):
    server = t.server(Keep)
    proxy = t.socks()
    message = socks4("localhost", server.port, "user") + b"payload"
    for cut in range(1, len(message)):
        sock = t.socket(proxy.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(message[:cut])
        time.sleep(0.002)
        sock.sendall(message[cut:])
        equal(answer(sock), GRANTED, f"code, cut at {cut}")
        sock.shutdown(socket.SHUT_WR)
        ended(sock)
        sock.close()
    equal(server.wait_seen(len(message) - 1),
          [b"payload"] * (len(message) - 1), "what arrived")


def test_payload_with_the_request(t):
    server = t.server(Keep)
    sock = t.socket(t.socks().address)
    sock.sendall(socks4("localhost", server.port) + b"early\0bytes")
    sock.shutdown(socket.SHUT_WR)
    equal(answer(sock), GRANTED, "code")
    ended(sock)
    equal(server.wait_seen(), [b"early\0bytes"], "what arrived")


def test_refused(t):
    port = t.server(Refused).port
    proxy = t.socks()
    for host in ("127.0.0.1", "localhost"):
        sock = t.socket(proxy.address)
        sock.sendall(socks4(host, port))
        equal(answer(sock), REJECTED, f"code for {host}")
        ended(sock)


def test_timeout(t):
    full = t.server(Full)
    sock = t.socket(t.socks("--connect-timeout", "1").address)
    sock.sendall(socks4("127.0.0.1", full.port))
    equal(answer(sock), REJECTED, "code")
    ended(sock)


def test_user_of_255_bytes(t):
    server = t.server(Echo)
    proxy = t.socks()
    for length in (255, 256, 1000):
        sock = t.socket(proxy.address)
        sock.sendall(socks4("127.0.0.1", server.port, b"u" * length))
        equal(answer(sock), GRANTED, f"code for {length} bytes")
        check_echo(sock)


def test_user_of_64_kib_is_refused(t):
    """9.15: it ends, and costs no memory."""
    proxy = t.socks()
    check_echo(through(t, proxy, t.server(Echo)))
    before = proxy.pss()
    for _ in range(20):
        sock = t.socket(proxy.address)
        try:
            sock.sendall(b"\x04\x01\0\x50\x7f\0\0\1" + b"u" * 65536)
            got = take_all(sock)
        except ConnectionError:
            got = b""
        check(got in (b"", b"\0\x5b" + bytes(6)), f"answer {got!r}")
        sock.close()
    check(SANITIZED or proxy.pss() - before < (1 << 20),
          "it grew by a megabyte")
    check_echo(through(t, proxy, t.server(Echo)))


def test_name_over_255_bytes_is_refused(t):
    proxy = t.socks()
    sock = t.socket(proxy.address)
    try:
        sock.sendall(socks4(b"n" * 300, 80))
        got = take_all(sock)
    except ConnectionError:
        got = b""
    check(got[:2] in (b"", b"\0\x5b"), f"answer {got!r}")


def test_names_that_cannot_be(t):
    proxy = t.socks()
    for name in (b"", b"local host", b"localhost\n", b"::1%lo", b"[::1"):
        sock = t.socket(proxy.address)
        sock.sendall(socks4(name, 80))
        got = take_all(sock)
        check(got[:2] in (b"", b"\0\x5b"), f"answer {got!r} for {name!r}")
        sock.close()


def test_commands_that_are_not_there(t):
    """BIND, Tor's RESOLVE, and none at all."""
    proxy = t.socks()
    for command in (0, 2, 3, 0xf0, 0xff):
        sock = t.socket(proxy.address)
        sock.sendall(socks4("localhost", 80, command=command))
        got = take_all(sock)
        equal(got[:2], b"\0\x5b", f"answer to command {command}")
        equal(len(got), 8, "length of the answer")
        sock.close()


def test_address_zero_is_not_4a(t):
    """S4-2: no name follows 0.0.0.0, so what comes is payload."""
    sock = t.socket(t.socks().address)
    sock.sendall(b"\x04\x01\0\x01" + bytes(4) + b"\0")
    got = take(sock, 8)
    equal(got[0], 0, "first byte")
    check(got[1] in (GRANTED, REJECTED), f"answer {got!r}")


def test_client_leaves_in_the_handshake(t):
    server = t.server(Echo)
    proxy = t.socks()
    message = socks4("localhost", server.port, "user")
    for cut in range(1, len(message)):
        sock = t.socket(proxy.address)
        sock.sendall(message[:cut])
        sock.close()
    proxy.sessions(len(message) - 1)
    check_echo(through(t, proxy, server))


def test_not_where_users_are_required(t):
    """S4-6: what a client claims is not who it is."""
    users = t.file("users", "me:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n")
    server = t.server(Echo)
    proxy = t.socks("--users", users)
    sock = t.socket(proxy.address)
    sock.sendall(socks4("127.0.0.1", server.port, "me"))
    got = take_all(sock)
    check(got[:2] in (b"\0\x5b", b"\0\x5d"), f"answer {got!r}")
    equal(len(got), 8, "length of the answer")
    equal(server.accepted, 0, "connections made")


def test_wrong_version_after_the_first_byte(t):
    """A SOCKS5 request behind a SOCKS4 one is payload, nothing else."""
    server = t.server(Keep)
    sock = t.socket(t.socks().address)
    sock.sendall(socks4("127.0.0.1", server.port) + b"\x05\x01\x00")
    equal(answer(sock), GRANTED, "code")
    sock.shutdown(socket.SHUT_WR)
    gone(sock)
    wait_until(lambda: server.seen == [b"\x05\x01\x00"], "the payload")
