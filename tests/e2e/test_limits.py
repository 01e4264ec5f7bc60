"""Time-outs, and how many sessions there may be."""
import socket
import struct
import threading
import time

from harness import WRAP, check, equal, scaled
from origins import Echo, Full, Hold, Keep, Source
from wire import (GREETED, GREETING, WITH_PASSWORD, check_echo, connect, gone,
                  refusal, socks4, socks5, take, take_head, through)

# Waiting is most of what these do, but how long is what they measure.
ALONE = True


def test_handshake_timeout(t):
    """9.17: whatever was said so far, however slowly."""
    proxy = t.socks("--handshake-timeout", "1")
    whole = GREETING + socks5("localhost", 1)
    starts = (b"", b"\x05", GREETING, whole[:-1], WITH_PASSWORD + b"\x01\x05",
              b"\x04\x01", socks4("localhost", 1)[:-1], b"CONNECT ",
              connect("localhost", 1)[:-1])
    began = time.monotonic()
    socks = []
    for start in starts:
        sock = t.socket(proxy.address)
        sock.sendall(start)
        socks.append(sock)
    for sock in socks:
        try:
            while sock.recv(100):
                pass
        except ConnectionError:
            pass
    took = time.monotonic() - began
    check(0.9 < took < scaled(4), f"it took {took:.2f} s")
    found = proxy.sessions(len(starts))
    equal({s["reason"] for s in found}, {"handshake-timeout"}, "reasons")


def test_slow_loris(t):
    """A byte at a time does not buy time."""
    proxy = t.socks("--handshake-timeout", "1")
    server = t.server(Echo)
    socks = [t.socket(proxy.address) for _ in range(50)]
    began = time.monotonic()
    message = connect("localhost", server.port,
                      headers=("X: " + "y" * 1000,))
    alive = set(socks)
    for part in message:
        if not alive or time.monotonic() - began > scaled(5):
            break
        for sock in list(alive):
            try:
                sock.send(bytes((part,)))
            except OSError:
                alive.discard(sock)
        time.sleep(0.02)
    check(not alive, f"{len(alive)} of 50 still live")
    took = time.monotonic() - began
    check(took < scaled(4), f"it took {took:.2f} s")
    check_echo(through(t, proxy, server))


def test_handshake_timeout_spares_the_relay(t):
    server = t.server(Echo)
    proxy = t.socks("--handshake-timeout", "1")
    sock = through(t, proxy, server)
    late = t.socket(proxy.address)
    gone(late)
    check_echo(sock)


def test_idle_timeout(t):
    """Only where nothing moves; either direction counts."""
    server = t.server(Echo)
    proxy = t.socks("--idle-timeout", "1")
    idle = through(t, proxy, server)
    busy = through(t, proxy, server)
    began = time.monotonic()
    idle.settimeout(0.2)
    while True:
        try:
            idle.recv(1)
            break
        except TimeoutError:
            check_echo(busy)
            check(time.monotonic() - began < scaled(5), "it lives for ever")
        except ConnectionError:
            break
    took = time.monotonic() - began
    check(took > 0.9, f"it ended after {took:.2f} s")
    check_echo(busy)
    equal(proxy.session()["reason"], "idle-timeout", "reason")
    gone(busy)


def test_half_closed_timeout(t):
    """One side has ended, the other says nothing more."""
    server = t.server(Hold)
    proxy = t.socks("--half-closed-timeout", "1")
    sock = through(t, proxy, server)
    whole = through(t, proxy, server)
    sock.shutdown(socket.SHUT_WR)
    began = time.monotonic()
    gone(sock)
    took = time.monotonic() - began
    check(0.9 < took < scaled(4), f"it took {took:.2f} s")
    equal(proxy.session()["reason"], "idle-timeout", "reason")
    whole.sendall(b"still there")


def test_half_closed_but_moving(t):
    """A download behind the client's end is not idle."""
    server = t.server(Keep)
    source = t.server(Source, b"x" * (1 << 20))
    proxy = t.socks("--half-closed-timeout", "1")
    sock = through(t, proxy, source)
    sock.shutdown(socket.SHUT_WR)
    got = 0
    while True:
        some = sock.recv(1 << 18)
        if not some:
            break
        got += len(some)
        time.sleep(0.3)
    equal(got, 1 << 20, "bytes")
    sock = through(t, proxy, server)
    for _ in range(8):
        sock.sendall(b"x")
        time.sleep(0.3)
    sock.shutdown(socket.SHUT_WR)
    equal(server.wait_seen(), [b"x" * 8], "what arrived")


def test_connect_timeout_holds_for_names(t):
    """Both families together, not each."""
    full = t.server(Full)
    proxy = t.socks("--connect-timeout", "1")
    began = time.monotonic()
    code = refusal(t, proxy, "localhost", full.port)
    took = time.monotonic() - began
    check(code in (5, 6), f"code {code}")
    check(took < scaled(4), f"it took {took:.2f} s")


def test_max_sessions(t):
    """One too many is told so; a place that is free again is given."""
    server = t.server(Echo)
    proxy = t.socks("--max-sessions", "5")
    socks = [through(t, proxy, server) for _ in range(5)]
    equal(refusal(t, proxy, "127.0.0.1", server.port), 2, "code")
    equal(proxy.session()["reason"], "limit", "reason")
    for sock in socks:
        check_echo(sock)
    socks[0].close()
    proxy.sessions(2)
    sock = through(t, proxy, server)
    check_echo(sock)
    equal(refusal(t, proxy, "127.0.0.1", server.port), 2, "code")
    other = t.socket(proxy.address)
    other.sendall(connect("127.0.0.1", server.port))
    equal(take_head(other)[0], 429, "HTTP's status")


def test_max_per_source(t):
    server = t.server(Echo)
    proxy = t.socks("--max-per-source", "2")

    def client(source):
        sock = socket.socket()
        sock.settimeout(scaled(10))
        t.defer(sock.close)
        sock.bind((source, 0))
        sock.connect(proxy.address)
        sock.sendall(GREETING + socks5("127.0.0.1", server.port))
        equal(take(sock, 2), GREETED, "method")
        return sock, take(sock, 10)[1]
    for source in ("127.0.0.1", "127.0.0.2"):
        first, code = client(source)
        equal(code, 0, f"first of {source}")
        equal(client(source)[1], 0, f"second of {source}")
        equal(client(source)[1], 2, f"third of {source}")
        first.close()
        proxy.wait_line(f"client={source}:.*reason=ok")
        equal(client(source)[1], 0, f"another of {source}")


def open_many(address, count):
    """Clients that all ask for something at once and wait."""
    socks = []
    for _ in range(count):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(address)
        socks.append(sock)
    return socks


def test_few_descriptors_and_many_clients(t):
    """9.8: 64 descriptors, 200 clients. No spin; said once; it
    serves when they are gone."""
    if WRAP:
        t.skip("valgrind keeps some descriptors for itself")
    server = t.server(Hold)
    echo = t.server(Echo)
    proxy = t.socks(wrap=("prlimit", "--nofile=64:64"))
    socks = open_many(proxy.address, 200)
    message = GREETING + socks5("127.0.0.1", server.port)
    pending = set(socks)
    limit = time.monotonic() + scaled(3)
    while pending and time.monotonic() < limit:
        for sock in list(pending):
            try:
                sock.send(message)
                pending.discard(sock)
            except BlockingIOError:
                pass
            except OSError:
                pending.discard(sock)
        time.sleep(0.01)
    server.wait_accepted(10)
    time.sleep(0.5)
    before = proxy.cpu()
    time.sleep(2)
    used = proxy.cpu() - before
    check(used < 0.1 * max(1, scaled(1)), f"{used:.2f} s of CPU in 2 s")
    check(len(proxy.lines()) < 60, f"{len(proxy.lines())} lines in the log")
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        sock.close()
    server.released.set()
    check_echo(through(t, proxy, echo))
    before = proxy.cpu()
    time.sleep(1)
    used = proxy.cpu() - before
    check(used < 0.1 * max(1, scaled(1)), f"{used:.2f} s of CPU after")


def test_descriptors_are_raised_to_the_hard_limit(t):
    if WRAP:
        t.skip("valgrind keeps some descriptors for itself")
    proxy = t.socks(wrap=("prlimit", "--nofile=128:1024"))
    with open(f"/proc/{proxy.pid}/limits") as file:
        for line in file:
            if line.startswith("Max open files"):
                equal(line.split()[3:5], ["1024", "1024"], "limits")


def test_clients_wait_their_turn_without_descriptors(t):
    """Those who found no place are served when one is free: none is lost."""
    server = t.server(Echo)
    proxy = t.socks(wrap=("prlimit", "--nofile=64:64"))
    results = []

    def one():
        sock = socket.socket()
        sock.settimeout(scaled(30))
        try:
            sock.connect(proxy.address)
            sock.sendall(GREETING + socks5("127.0.0.1", server.port))
            take(sock, 12)
            check_echo(sock)
            time.sleep(0.1)
            results.append("served")
        except Exception as error:
            results.append(repr(error))
        finally:
            sock.close()
    threads = [threading.Thread(target=one) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(results.count("served"), 100, f"served; others: "
          f"{[r for r in results if r != 'served'][:3]}")
