"""Channels of an SSH link as streams: what a slow or stalled reader costs, and
what many channels do."""
import hashlib
import socket
import time

from harness import SANITIZED, check, equal, wait_until
from origins import CHUNK, Server
from sshd import Sshd
from wire import open_socks5, take

MEGABYTE = 1 << 20


def ssh_socks(t, server, *options, **keywords):
    return t.culvert("-D", "127.0.0.1:0", *options, *server.args(),
                     **keywords)


class Pattern(Server):
    """Sends size bytes that never repeat themselves, and returns their
    sum."""

    def __init__(self, size):
        self.size = size
        super().__init__()

    def serve(self, sock):
        digest = hashlib.sha256()
        sent = 0
        while sent < self.size:
            block = hashlib.shake_128(b"%d" % sent).digest(MEGABYTE)
            digest.update(block)
            sock.sendall(block)
            sent += len(block)
        return digest.hexdigest()


class Endless(Server):
    """Sends for ever."""

    def serve(self, sock):
        block = bytes(CHUNK)
        total = 0
        while True:
            total += sock.send(block)


class Answers(Server):
    """For each number that comes, so many bytes."""

    def serve(self, sock):
        while True:
            head = sock.recv(4, socket.MSG_WAITALL)
            if len(head) < 4:
                return
            sock.sendall(bytes(int.from_bytes(head, "big")))


# --- a slow reader ------------------------------------------------------------

def test_300_megabytes_to_a_slow_reader(t):
    """It reads small pieces, now and then: the sender is always far ahead of
    it, and nothing may get lost, or be kept without bound."""
    size = (40 if SANITIZED else 300) * MEGABYTE
    origin = t.server(Pattern, size)
    proxy = ssh_socks(t, Sshd(t), "--connections", "1")
    sock = open_socks5(t, proxy, *origin.address)
    # Smaller than a few of loopback's segments, the kernel would fill it once
    # in 200 ms alone.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
    digest = hashlib.sha256()
    before = proxy.pss()
    most = received = reads = 0
    while True:
        some = sock.recv(16384)
        if not some:
            break
        digest.update(some)
        received += len(some)
        reads += 1
        if reads % 2000 == 0:
            time.sleep(0.02)
            most = max(most, proxy.pss())
    equal(received, size, "bytes")
    equal(digest.hexdigest(), origin.wait_seen()[0], "sum")
    if not SANITIZED:
        check(most - before < 12 * MEGABYTE, f"{most - before} bytes kept")


# --- a stalled one ------------------------------------------------------------

def test_a_stalled_reader_stops_only_itself(t):
    endless = t.server(Endless)
    origin = t.server(Pattern, 20 * MEGABYTE)
    proxy = ssh_socks(t, Sshd(t), "--connections", "1")
    stalled = [open_socks5(t, proxy, *endless.address) for _ in range(10)]
    for sock in stalled:
        take(sock, 1)
    wait_until_still(proxy)
    for count in range(1, 4):
        sock = open_socks5(t, proxy, *origin.address)
        digest = hashlib.sha256()
        while some := sock.recv(CHUNK):
            digest.update(some)
        check(digest.hexdigest() in origin.wait_seen(count), "a sum")
    for sock in stalled:
        take(sock, 4 * MEGABYTE)


def wait_until_still(proxy):
    """Waits until a proxy that moves bytes has stopped doing so, and not just
    for as long as a busy machine had no time for it. Endless servers stop
    after some 4 MB of socket buffers each, 400 MB for a hundred."""
    def still():
        before = proxy.cpu(), proxy.pss()
        time.sleep(1.5)
        return (proxy.cpu() - before[0] < 0.03 and
                abs(proxy.pss() - before[1]) < MEGABYTE / 4)
    wait_until(still, "the end of all traffic", 60)


# --- memory -------------------------------------------------------------------

def test_what_stalled_downloads_keep(t):
    """libssh lets a server send 1.28 MB that nobody reads."""
    count = 100
    endless = t.server(Endless)
    proxy = ssh_socks(t, Sshd(t), "--connections", "1")
    take(open_socks5(t, proxy, *endless.address), 1)
    wait_until_still(proxy)
    before = proxy.pss()
    socks = [open_socks5(t, proxy, *endless.address) for _ in range(count)]
    for sock in socks:
        take(sock, 1)
    wait_until_still(proxy)
    each = (proxy.pss() - before) / count
    if not SANITIZED:
        check(each <= 1.4 * MEGABYTE, f"{each:.0f} bytes each")
    wait_until(lambda: growth(proxy, 5) < MEGABYTE, "the end of growth", 60)


def growth(proxy, seconds):
    before = proxy.pss()
    time.sleep(seconds)
    return proxy.pss() - before


def idle_channels(t, request, count):
    """What so many idle channels keep each, after one request."""
    origin = t.server(Answers)
    proxy = ssh_socks(t, Sshd(t), "--connections", "1")
    socks = [open_socks5(t, proxy, *origin.address)]

    def ask(sock):
        sock.sendall(request.to_bytes(4, "big"))
        take(sock, request)
    ask(socks[0])
    wait_until_still(proxy)
    before = proxy.pss()
    for _ in range(count):
        socks.append(open_socks5(t, proxy, *origin.address))
        ask(socks[-1])
    wait_until_still(proxy)
    return (proxy.pss() - before) / count


def test_what_idle_channels_keep(t):
    each = idle_channels(t, 100, 1000)
    if not SANITIZED:
        check(each <= 4096, f"{each:.0f} bytes each")


def test_what_idle_channels_keep_after_a_megabyte(t):
    each = idle_channels(t, MEGABYTE, 300)
    if not SANITIZED:
        check(each <= 48 * 1024, f"{each:.0f} bytes each")
