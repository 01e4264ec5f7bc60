"""What it costs: memory, descriptors and processor time under load, and that
one slow peer is nobody else's trouble."""
import os
import selectors
import socket
import subprocess
import sys
import threading
import time

from harness import SANITIZED, VARIANT, check, equal, scaled, wait_until
from origins import Both, Echo, Hold, Source
from wire import (GREETING, check_echo, open_socks5, socks5, take, through)

ALONE = True
NAMESPACE = True

MEGABYTE = 1 << 20


def drain(socks, seconds):
    """Reads from all for a while; returns how much each got."""
    got = dict.fromkeys(socks, 0)
    poll = selectors.DefaultSelector()
    for sock in socks:
        sock.setblocking(False)
        poll.register(sock, selectors.EVENT_READ)
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        for key, _ in poll.select(0.1):
            some = key.fileobj.recv(1 << 18)
            check(some, "a flow ended")
            got[key.fileobj] += len(some)
    poll.close()
    return list(got.values())


def need_memory_figures(t):
    if SANITIZED:
        t.skip("a sanitizer's memory is not the program's")


def test_stopped_readers_slow_nobody(t):
    """9.4: of 100 flows one is not read; the others share what
    there is, and what waits is bounded."""
    flood = t.program([sys.executable, "-u",
                       os.path.join(os.path.dirname(__file__), "flood.py")],
                      stdout=subprocess.PIPE)
    port = int(flood.stdout.readline())
    proxy = t.socks()
    socks = [open_socks5(t, proxy, "127.0.0.1", port) for _ in range(100)]
    before = proxy.pss()
    got = drain(socks[1:], scaled(4))
    fair = sum(got) / len(got)
    check(min(got) > fair / 8, f"the least got {min(got)}, the mean {fair}")
    check(fair > MEGABYTE / 4, f"{fair} bytes each")
    if not SANITIZED:
        grown = proxy.pss() - before
        check(grown < 16 * MEGABYTE, f"it grew by {grown >> 10} KiB")


def test_stalled_client_costs_no_memory(t):
    """64 MB to a client that does not read: under a megabyte."""
    need_memory_figures(t)
    server = t.server(Source, bytes(64 * MEGABYTE))
    proxy = t.socks()
    sock = through(t, proxy, t.server(Echo))
    check_echo(sock, b"x" * 100000)
    before = proxy.pss()
    stalled = through(t, proxy, server)
    busy = proxy.cpu()
    time.sleep(1.5)
    grown = proxy.pss() - before
    check(grown < MEGABYTE, f"it grew by {grown >> 10} KiB")
    before_idle = proxy.cpu()
    time.sleep(1)
    check(proxy.cpu() - before_idle < 0.05, "it spins on a stalled client")
    check(before_idle >= busy, "time runs backwards")
    check_echo(sock)
    stalled.close()


def test_stalled_server_costs_no_memory(t):
    need_memory_figures(t)
    server = t.server(Hold)
    proxy = t.socks()
    check_echo(through(t, proxy, t.server(Echo)), b"x" * 100000)
    before = proxy.pss()
    sock = through(t, proxy, server)
    sock.settimeout(60)
    threading.Thread(target=send_all, args=(sock, bytes(64 * MEGABYTE)),
                     daemon=True).start()
    time.sleep(1.5)
    grown = proxy.pss() - before
    check(grown < MEGABYTE, f"it grew by {grown >> 10} KiB")


def send_all(sock, data):
    try:
        sock.sendall(data)
    except OSError:
        pass  # a test that is over


def idle_sessions(t, proxy, server, count):
    socks = []
    message = GREETING + socks5("127.0.0.1", server.port)
    for _ in range(count):
        sock = socket.create_connection(proxy.address)
        t.defer(sock.close)
        sock.settimeout(scaled(10))
        sock.sendall(message)
        equal(take(sock, 12)[:4], b"\x05\0\x05\0", "answers")
        socks.append(sock)
    return socks


class Silent:
    """Accepts, and keeps what it accepted, without a thread for each."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.host = "127.0.0.1"
        self.socks = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                self.socks.append(self.listener.accept()[0])
            except OSError:
                return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.socks:
            sock.close()


def test_idle_sessions_cost_little(t):
    """Of 2,000: at most 1.5 KB each, and two descriptors."""
    need_memory_figures(t)
    server = t.server(Silent)
    proxy = t.socks()
    idle_sessions(t, proxy, server, 100)
    files, memory = proxy.descriptors(), proxy.pss()
    idle_sessions(t, proxy, server, 2000)
    equal(proxy.descriptors() - files, 4000, "descriptors")
    each = (proxy.pss() - memory) / 2000
    check(each < 1536, f"{each:.0f} bytes each")
    before = proxy.cpu()
    time.sleep(1)
    check(proxy.cpu() - before < 0.05, "idle sessions use the processor")


def test_memory_is_given_back(t):
    """After a storm of bulk flows it is nearly as small as before, and a
    second storm needs no more than the first."""
    need_memory_figures(t)
    data = os.urandom(MEGABYTE) * 2
    server = t.server(Both, data)
    proxy = t.socks()

    def storm():
        def one():
            sock = through(t, proxy, server)
            sock.settimeout(scaled(20))
            sender = threading.Thread(target=send_all, args=(sock, data))
            sender.start()
            got = 0
            while got < len(data):
                got += len(sock.recv(1 << 16))
            sender.join()
            sock.close()
        threads = [threading.Thread(target=one) for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    storm()
    proxy.sessions(60)
    first = proxy.pss()
    storm()
    proxy.sessions(120)
    second = proxy.pss()
    check(second - first < MEGABYTE, f"from {first >> 10} to {second >> 10}")


def dropped():
    """How often the kernel dropped what came for a port that is listened on,
    as its backlog was full. This module has a network of its own."""
    with open("/proc/net/netstat") as file:
        names, figures = [line.split() for line in file
                          if line.startswith("TcpExt:")]
    return int(figures[names.index("ListenDrops")])


def test_many_short_sessions(t):
    """Two thousand, eight at a time: none is lost, none is slow."""
    server = t.server(Echo)
    proxy = t.socks()
    slowest = [0.0]
    problems = []
    before = dropped()

    def run():
        for _ in range(250):
            began = time.monotonic()
            try:
                with socket.create_connection(proxy.address) as sock:
                    sock.settimeout(scaled(10))
                    sock.sendall(GREETING + socks5("127.0.0.1", server.port) +
                                 b"ping")
                    equal(take(sock, 16)[12:], b"ping", "echo")
            except Exception as error:
                problems.append(repr(error))
            slowest[0] = max(slowest[0], time.monotonic() - began)
    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(problems, [], "problems")
    equal(dropped() - before, 0, "dropped SYNs")
    check(slowest[0] < scaled(3), f"the slowest took {slowest[0]:.2f} s")
    proxy.sessions(2000)
    wait_until(lambda: proxy.descriptors() < 40, "descriptors given back")


def test_burst_of_clients(t):
    """A thousand that come at once all find a place in the queue: no lost
    SYN, whose repeat would take a second."""
    server = t.server(Silent)
    proxy = t.socks()
    before = dropped()
    began = time.monotonic()
    pending = set()
    message = GREETING + socks5("127.0.0.1", server.port)
    for _ in range(1000):
        sock = socket.socket()
        t.defer(sock.close)
        sock.setblocking(False)
        sock.connect_ex(proxy.address)
        pending.add(sock)
    poll = selectors.DefaultSelector()
    for sock in pending:
        poll.register(sock, selectors.EVENT_WRITE)
    while pending:
        check(time.monotonic() - began < scaled(10), f"{len(pending)} wait")
        for key, events in poll.select(0.2):
            sock = key.fileobj
            if events & selectors.EVENT_WRITE:
                sock.send(message)
                poll.modify(sock, selectors.EVENT_READ)
            elif len(sock.recv(12, socket.MSG_PEEK)) == 12:
                poll.unregister(sock)
                pending.discard(sock)
    poll.close()
    equal(dropped() - before, 0, "dropped SYNs")


def test_idle_program_sleeps(t):
    proxy = t.socks()
    open_socks5(t, proxy, "localhost", t.server(Echo).port).close()
    proxy.session()
    time.sleep(0.2)
    before = proxy.cpu()
    switches = voluntary(proxy)
    time.sleep(2)
    check(proxy.cpu() - before < 0.03, "it used the processor")
    woken = voluntary(proxy) - switches
    # ThreadSanitizer has a thread of its own that wakes.
    check(woken < 20 or VARIANT == "tsan",
          f"it woke {woken} times in two seconds")


def voluntary(proxy):
    """Voluntary context switches of all threads."""
    count = 0
    for task in os.listdir(f"/proc/{proxy.pid}/task"):
        with open(f"/proc/{proxy.pid}/task/{task}/status") as file:
            for line in file:
                if line.startswith("voluntary_ctxt_switches"):
                    count += int(line.split()[1])
    return count
