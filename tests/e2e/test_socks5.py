"""SOCKS5 on the wire: every byte of what culvert answers, and when."""
import hashlib
import socket
import time

from harness import check, equal, free_port, wait_until
from origins import (Echo, Full, Keep, Sink, Source, Refused, reset)
from wire import (GREETED, GREETING, WITH_PASSWORD, check_echo, ended, gone,
                  open_socks5, password, refusal, socks5, socks5_reply, take,
                  take_all, take_reply, through)


def test_reply_names_the_local_end_v4(t):
    server = t.server(Echo)
    sock = t.socket(t.socks().address)
    sock.sendall(GREETING)
    equal(take(sock, 2), GREETED, "method")
    sock.sendall(socks5("127.0.0.1", server.port))
    reply = take(sock, 10)
    server.wait_accepted()
    equal(reply, socks5_reply(0, *server.peers[0]), "reply")
    check_echo(sock)


def test_reply_names_the_local_end_v6(t):
    server = t.server(Echo, "::1")
    sock = t.socket(t.socks().address)
    sock.sendall(GREETING + socks5("::1", server.port))
    equal(take(sock, 2), GREETED, "method")
    reply = take(sock, 22)
    server.wait_accepted()
    equal(reply, socks5_reply(0, *server.peers[0][:2]), "reply")
    check_echo(sock)


def test_listener_on_v6(t):
    server = t.server(Echo)
    proxy = t.culvert("-D", "[::1]:0")
    equal(proxy.host, "::1", "listening address")
    check_echo(through(t, proxy, server))


def test_split_at_every_byte(t):
    """S5-12: the same bytes, one at a time, and then the payload."""
    server = t.server(Keep)
    proxy = t.socks()
    for message in (socks5("127.0.0.1", server.port),
                    socks5("localhost", server.port),
                    socks5("127.0.0.1", server.port, as_name=True)):
        sock = t.socket(proxy.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in GREETING:
            sock.send(bytes((part,)))
            time.sleep(0.001)
        equal(take(sock, 2), GREETED, "method")
        for part in message + b"payload":
            sock.send(bytes((part,)))
            time.sleep(0.001)
        equal(take_reply(sock)[0], 0, "reply")
        sock.shutdown(socket.SHUT_WR)
        ended(sock)
    equal(server.wait_seen(3), [b"payload"] * 3, "what arrived")


def test_cut_in_two_at_every_byte(t):
    server = t.server(Keep)
    proxy = t.socks()
    message = GREETING + socks5("localhost", server.port) + b"payload"
    for cut in range(1, len(message)):
        sock = t.socket(proxy.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(message[:cut])
        time.sleep(0.002)
        sock.sendall(message[cut:])
        equal(take(sock, 2), GREETED, f"method, cut at {cut}")
        equal(take_reply(sock)[0], 0, f"reply, cut at {cut}")
        sock.shutdown(socket.SHUT_WR)
        ended(sock)
        sock.close()
    equal(server.wait_seen(len(message) - 1),
          [b"payload"] * (len(message) - 1), "what arrived")


def test_all_in_one_write(t):
    """Greeting, password, request and payload, as tunnels that pipeline send
    them: the payload arrives once."""
    server = t.server(Keep)
    sock = t.socket(t.socks().address)
    sock.sendall(GREETING + socks5("127.0.0.1", server.port) + b"early bytes")
    sock.shutdown(socket.SHUT_WR)
    equal(take(sock, 2), GREETED, "method")
    equal(take_reply(sock)[0], 0, "reply")
    ended(sock)
    equal(server.wait_seen(), [b"early bytes"], "what arrived")


def test_early_payload_larger_than_any_buffer(t):
    server = t.server(Sink)
    data = bytes(range(256)) * 4096 * 2
    proxy = t.socks()
    sock = t.socket(proxy.address)
    t.defer(sock.close)
    head = GREETING + socks5("localhost", server.port)
    sock.sendall(head + data[:50000])
    equal(take(sock, 2), GREETED, "method")
    equal(take_reply(sock)[0], 0, "reply")
    sock.sendall(data[50000:])
    sock.shutdown(socket.SHUT_WR)
    equal(take_all(sock).decode(), hashlib.sha256(data).hexdigest(), "sum")


def test_server_that_speaks_first(t):
    server = t.server(Source, b"220 hello\r\n")
    sock = through(t, t.socks(), server)
    equal(take_all(sock), b"220 hello\r\n", "what the server said")


def test_names_and_literals_as_names(t):
    """S5-13, 9.13."""
    four = t.server(Echo)
    six = t.server(Echo, "::1")
    proxy = t.socks()
    for host, server in (("127.0.0.1", four), ("localhost", four),
                         ("LOCALHOST", four), ("localhost.", four),
                         ("a.localhost", four), ("::1", six), ("[::1]", six),
                         ("::ffff:127.0.0.1", four),
                         ("0:0:0:0:0:0:0:1", six)):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5(host, server.port, as_name=True))
        equal(take(sock, 2), GREETED, "method")
        equal(take_reply(sock)[0], 0, f"reply to {host}")
        check_echo(sock)
        sock.close()
    check_echo(open_socks5(t, proxy, "::ffff:127.0.0.1", four.port))


def test_names_that_cannot_be(t):
    """A NUL, a space or a control byte in a name, a zone, no name at all."""
    server = t.server(Echo)
    proxy = t.socks()
    for name in (b"localhost\0.example", b"local host", b"localhost\n",
                 b"::1%lo", b"[::1%lo]", b"[127.0.0.1", b"", b"[name]",
                 b"\x7flocalhost"):
        code = refusal(t, proxy, name, server.port)
        check(code in (1, 4), f"code {code} for {name!r}")
    equal(server.accepted, 0, "connections made")
    check_echo(through(t, proxy, server))


def test_port_zero(t):
    """S5-14."""
    code = refusal(t, t.socks(), "127.0.0.1", 0)
    check(code in (1, 2, 5), f"code {code}")


def test_no_acceptable_method(t):
    """S5-1: FF is read, and then the end."""
    proxy = t.socks()
    for greeting in (b"\x05\x00", b"\x05\x01\x01", b"\x05\x02\x01\x80",
                     b"\x05\x03\x03\x04\xfe"):
        sock = t.socket(proxy.address)
        sock.sendall(greeting)
        equal(take_all(sock), b"\x05\xff", f"answer to {greeting!r}")
        sock.close()
    proxy.wait_line("reason=no-method")


def test_no_method_answer_survives_pipelined_bytes(t):
    """FF must not be lost to a reset because the client had sent more."""
    server = t.server(Echo)
    proxy = t.socks()
    for _ in range(20):
        sock = t.socket(proxy.address)
        sock.sendall(b"\x05\x01\x01" + socks5("127.0.0.1", server.port) +
                     b"x" * 20000)
        equal(take(sock, 2), b"\x05\xff", "answer")
        gone(sock)
        sock.close()
    equal(server.accepted, 0, "connections made")


def test_failure_reply_survives_early_bytes(t):
    port = t.server(Refused).port
    proxy = t.socks()
    for _ in range(20):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5("127.0.0.1", port) + b"x" * 20000)
        equal(take(sock, 12), GREETED + socks5_reply(5), "answers")
        gone(sock)
        sock.close()


def test_all_methods_offered(t):
    server = t.server(Echo)
    sock = t.socket(t.socks().address)
    sock.sendall(b"\x05\xff" + bytes(range(255)))
    equal(take(sock, 2), GREETED, "method")
    sock.sendall(socks5("127.0.0.1", server.port))
    equal(take_reply(sock)[0], 0, "reply")
    check_echo(sock)


def test_password_alone_is_taken_without_users(t):
    """UP-5: Firefox with a user name offers 02 only; also with a password of
    no bytes, and of 255."""
    server = t.server(Echo)
    proxy = t.socks()
    for user, secret in (("me", "it"), ("me", ""), ("u" * 255, "p" * 255)):
        sock = t.socket(proxy.address)
        sock.sendall(WITH_PASSWORD)
        equal(take(sock, 2), b"\x05\x02", "method")
        sock.sendall(password(user, secret))
        equal(take(sock, 2), b"\x01\x00", "answer to the password")
        sock.sendall(socks5("127.0.0.1", server.port))
        equal(take_reply(sock)[0], 0, "reply")
        check_echo(sock)


def test_reserved_byte_is_not_looked_at(t):
    """S5-3: liberal by default."""
    server = t.server(Echo)
    sock = t.socket(t.socks().address)
    request = bytearray(socks5("127.0.0.1", server.port))
    request[2] = 0x7f
    sock.sendall(GREETING + request)
    equal(take(sock, 2), GREETED, "method")
    equal(take_reply(sock)[0], 0, "reply")
    check_echo(sock)


def test_commands_that_are_not_there(t):
    """S5-5: BIND, UDP ASSOCIATE, Tor's RESOLVE and PTR, and none at all."""
    proxy = t.socks()
    for command in (0x02, 0x03, 0xf0, 0xf1, 0x00, 0xff):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5("localhost", 80, command))
        equal(take_all(sock), GREETED + socks5_reply(7),
              f"answers to command {command}")
        sock.close()


def test_address_types_that_are_not_there(t):
    """S5-4."""
    proxy = t.socks()
    for kind in (0, 2, 5, 0xff):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + bytes((5, 1, 0, kind)) + b"\x7f\0\0\1\0\x50")
        equal(take(sock, 12), GREETED + socks5_reply(8),
              f"answers to address type {kind}")
        gone(sock)
        sock.close()


def test_wrong_version(t):
    """S5-2: the first byte decides; a wrong one later ends it."""
    proxy = t.socks()
    for first in (b"\x00", b"\x03", b"\x06", b"\xff", b"\x16\x03\x01\x02\x00",
                  b"ssh-2.0-x\r\n"):
        sock = t.socket(proxy.address)
        sock.sendall(first)
        gone(sock)
        sock.close()
    for wrong in (4, 6, 1):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING)
        equal(take(sock, 2), GREETED, "method")
        sock.sendall(bytes((wrong,)) + socks5("127.0.0.1", 1)[1:])
        answer = take_all(sock)
        check(answer in (b"", socks5_reply(1)), f"answer {answer!r}")
        sock.close()


def test_refused(t):
    port = t.server(Refused).port
    proxy = t.socks()
    equal(refusal(t, proxy, "127.0.0.1", port), 5, "code")
    session = proxy.session()
    equal(session["reason"], "refused", "reason")


def test_refused_by_both_families(t):
    port = t.server(Refused, "::1").port
    equal(refusal(t, t.socks(), "localhost", port), 5, "code")


def test_timeout(t):
    """Table 6: our connect limit is 06."""
    full = t.server(Full)
    for options in (("--connect-timeout", "1"), ("-o", "ConnectTimeout=1")):
        proxy = t.socks(*options)
        began = time.monotonic()
        equal(refusal(t, proxy, "127.0.0.1", full.port), 6, "code")
        took = time.monotonic() - began
        check(0.9 < took < 6, f"it took {took:.2f} s")
        equal(proxy.session()["reason"], "timed-out", "reason")


def test_client_leaves_in_the_handshake(t):
    """At every byte, by an end and by a reset; the proxy serves on."""
    server = t.server(Echo)
    proxy = t.socks()
    message = GREETING + socks5("localhost", server.port)
    for cut in range(len(message)):
        for leave in (socket.socket.close, reset):
            sock = t.socket(proxy.address)
            sock.sendall(message[:cut])
            leave(sock)
    proxy.sessions(2 * len(message))
    check_echo(through(t, proxy, server))


def test_client_half_closes_in_the_handshake(t):
    """An end before the request is whole: no answer will help."""
    proxy = t.socks()
    for part in (b"", b"\x05", GREETING, GREETING + b"\x05\x01"):
        sock = t.socket(proxy.address)
        sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        answer = take_all(sock)
        check(answer in (b"", GREETED), f"answer {answer!r}")
        sock.close()


def test_client_half_closes_during_the_connect(t):
    """`printf ... | nc -X 5`: the end of the input comes with the request."""
    server = t.server(Sink)
    sock = t.socket(t.socks().address)
    sock.sendall(GREETING + socks5("localhost", server.port))
    sock.shutdown(socket.SHUT_WR)
    equal(take(sock, 2), GREETED, "method")
    equal(take_reply(sock)[0], 0, "reply")
    equal(len(take_all(sock)), 64, "the server's answer")


def test_client_leaving_frees_a_pending_connect(t):
    full = t.server(Full)
    proxy = t.socks()
    before = proxy.settled_descriptors()
    socks = []
    for _ in range(40):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5("127.0.0.1", full.port))
        equal(take(sock, 2), GREETED, "method")
        socks.append(sock)
    wait_until(lambda: proxy.descriptors() >= before + 80, "40 dials")
    for index, sock in enumerate(socks):
        (reset if index % 2 else socket.socket.close)(sock)
    wait_until(lambda: proxy.descriptors() <= before,
               f"descriptors down to {before}")
    # It is the one that left that is at fault, not the target.
    lines = [s for s in proxy.sessions(40) if s.get("reason") == "peer-gone"]
    check(len(lines) >= 40, f"{len(lines)} sessions with peer-gone")


def test_refused_again_and_again(t):
    proxy = t.socks()
    port = free_port()
    for _ in range(50):
        equal(refusal(t, proxy, "127.0.0.1", port), 5, "code")
    proxy.wait_line("reason=refused", count=50)
