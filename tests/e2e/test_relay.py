"""Bytes between client and target: all of them, in order, once; ends and
resets passed on; nobody held up by another."""
import hashlib
import os
import socket
import threading

from harness import SANITIZED, check, equal, wait_until
from origins import (Both, Echo, Hold, Keep, Resetter, Sink, Source, reset)
from wire import (check_echo, connect, ended, gone, open_socks5, take,
                  take_all, take_head, through)

MEGABYTE = 1 << 20
BULK = (16 if SANITIZED else 64) * MEGABYTE


def pattern(size):
    """Bytes in which a lost, doubled or moved piece shows."""
    block = os.urandom(MEGABYTE + 7919)
    return (block * (size // len(block) + 1))[:size]


def send(sock, data):
    """Sends in a thread, and ends the sending side."""
    def run():
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def digest(sock):
    sha = hashlib.sha256()
    count = 0
    while True:
        some = sock.recv(1 << 17)
        if not some:
            return sha.hexdigest(), count
        sha.update(some)
        count += len(some)


def test_upload_then_answer(t):
    """The client's end goes through, the answer comes back (9.3)."""
    data = pattern(BULK)
    server = t.server(Sink)
    sock = through(t, t.socks(), server)
    sock.settimeout(60)
    send(sock, data)
    equal(take_all(sock).decode(), hashlib.sha256(data).hexdigest(), "sum")


def test_download_then_upload(t):
    """The server's end comes first; the client goes on for long after."""
    data = pattern(BULK)
    server = t.server(Source, data)
    proxy = t.socks()
    sock = through(t, proxy, server)
    sock.settimeout(60)
    equal(digest(sock), (hashlib.sha256(data).hexdigest(), len(data)),
          "what came down")
    after = pattern(4 * MEGABYTE)
    send(sock, after)
    got = server.wait_seen()[0]
    equal(hashlib.sha256(got).hexdigest(), hashlib.sha256(after).hexdigest(),
          "what came up")
    session = proxy.session()
    equal(session["reason"], "ok", "reason")


def test_both_ways_at_once(t):
    down = pattern(BULK)
    up = pattern(BULK)
    server = t.server(Both, down)
    sock = through(t, t.socks(), server)
    sock.settimeout(60)
    send(sock, up)
    equal(digest(sock), (hashlib.sha256(down).hexdigest(), len(down)),
          "what came down")
    equal(server.wait_seen()[0], hashlib.sha256(up).hexdigest(),
          "what came up")


def test_sixteen_at_once(t):
    data = pattern(4 * MEGABYTE)
    server = t.server(Both, data)
    proxy = t.socks()
    wanted = (hashlib.sha256(data).hexdigest(), len(data))
    results = []

    def one():
        sock = through(t, proxy, server)
        sock.settimeout(60)
        send(sock, data)
        results.append(digest(sock))
    threads = [threading.Thread(target=one) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(results, [wanted] * 16, "what came down")
    equal(server.wait_seen(16), [wanted[0]] * 16, "what came up")


def test_odd_sizes(t):
    """Around every size that a buffer may have."""
    server = t.server(Sink)
    proxy = t.socks()
    for size in (0, 1, 2, 1023, 4095, 4096, 4097, 16383, 16384, 16385, 32768,
                 65535, 65536, 65537, 131073, 262143, 262144, 262145):
        data = pattern(size)
        sock = through(t, proxy, server)
        send(sock, data)
        equal(take_all(sock).decode(), hashlib.sha256(data).hexdigest(),
              f"sum of {size} bytes")
        sock.close()


def test_half_close_over_each_protocol_and_family(t):
    data = pattern(MEGABYTE)
    proxy = t.socks()
    wanted = hashlib.sha256(data).hexdigest()
    for host in ("127.0.0.1", "::1"):
        server = t.server(Sink, host)
        sock = t.socket(proxy.address)
        sock.sendall(connect(host, server.port))
        equal(take_head(sock)[0], 200, "status")
        send(sock, data)
        equal(take_all(sock).decode(), wanted, f"sum over HTTP to {host}")
        sock = through(t, proxy, server)
        send(sock, data)
        equal(take_all(sock).decode(), wanted, f"sum over SOCKS5 to {host}")


def test_one_end_does_not_close_the_other_way(t):
    """After the server's end the client may wait as long as it likes."""
    server = t.server(Source, b"")
    proxy = t.socks()
    sock = through(t, proxy, server)
    ended(sock)
    sock.sendall(b"one")
    wait_until(lambda: not server.seen, "the session to live")
    sock.sendall(b"two")
    sock.shutdown(socket.SHUT_WR)
    equal(server.wait_seen(), [b"onetwo"], "what arrived")


def test_reset_by_the_server_is_passed_on(t):
    server = t.server(Resetter)
    proxy = t.socks()
    sock = through(t, proxy, server)
    sock.sendall(b"x")
    try:
        got = sock.recv(1)
    except ConnectionResetError:
        got = None
    equal(got, None, "what the client saw instead of a reset")
    equal(proxy.session()["reason"], "reset", "reason")


def test_reset_by_the_client_is_passed_on(t):
    server = t.server(Keep)
    proxy = t.socks()
    sock = through(t, proxy, server)
    server.wait_accepted()
    reset(sock)
    seen = server.wait_seen()[0]
    check(isinstance(seen, ConnectionResetError), f"the server saw {seen!r}")
    equal(proxy.session()["reason"], "reset", "reason")


def test_reset_with_bytes_on_the_way(t):
    """A server that resets while the client sends, and one whose client
    resets while it sends: both sessions end, nothing lingers."""
    proxy = t.socks()
    server = t.server(Resetter)
    sock = through(t, proxy, server)
    send(sock, bytes(8 * MEGABYTE)).join()
    server = t.server(Source, bytes(8 * MEGABYTE))
    sock = through(t, proxy, server)
    take(sock, 1000)
    reset(sock)
    seen = server.wait_seen()[0]
    check(isinstance(seen, OSError), f"the server saw {seen!r}")


def test_client_that_closes_without_reading(t):
    """Unread bytes make a close a reset; the server must learn of it."""
    server = t.server(Source, bytes(8 * MEGABYTE))
    sock = through(t, t.socks(), server)
    sock.recv(1)
    sock.close()
    check(isinstance(server.wait_seen()[0], OSError), "the server sent all")


def test_descriptors_are_given_back(t):
    """Two a session while it lives, none after."""
    server = t.server(Hold)
    proxy = t.socks()
    before = proxy.settled_descriptors()
    socks = [through(t, proxy, server) for _ in range(100)]
    equal(proxy.descriptors() - before, 200, "descriptors of 100 sessions")
    for sock in socks:
        sock.close()
    server.released.set()
    proxy.sessions(100)
    wait_until(lambda: proxy.descriptors() <= before,
               f"descriptors down to {before}")


def test_bulk_needs_no_descriptors_for_ever(t):
    """Pipes that bulk flows were lent go back."""
    data = pattern(8 * MEGABYTE)
    server = t.server(Source, data)
    proxy = t.socks()
    before = proxy.settled_descriptors()
    socks = [through(t, proxy, server) for _ in range(8)]
    for sock in socks:
        equal(digest(sock)[1], len(data), "bytes")
        sock.close()
    proxy.sessions(8)
    wait_until(lambda: proxy.descriptors() <= before + 40, "descriptors")


def test_ping_pong(t):
    """Small messages, many times, on many sessions."""
    server = t.server(Echo)
    proxy = t.socks()
    socks = [through(t, proxy, server) for _ in range(20)]
    for number in range(50):
        for index, sock in enumerate(socks):
            check_echo(sock, b"%d.%d" % (index, number))


def test_target_through_a_second_proxy(t):
    """Two of them in a row, as proxychains uses them."""
    server = t.server(Echo)
    first = t.socks()
    second = t.socks()
    sock = open_socks5(t, first, "127.0.0.1", second.port)
    sock.sendall(connect("localhost", server.port))
    equal(take_head(sock)[0], 200, "status")
    check_echo(sock)
    sock.close()
    equal(second.session()["reason"], "ok", "reason")


def test_urgent_data_breaks_nothing(t):
    server = t.server(Echo)
    sock = through(t, t.socks(), server)
    check_echo(sock, b"before")
    sock.send(b"!", socket.MSG_OOB)
    check_echo(sock, b"after")
    sock.shutdown(socket.SHUT_WR)
    gone(sock)
