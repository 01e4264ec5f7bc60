"""The soak's clients, and the target that they ask: each transfer is compared
byte by byte with what it must be."""
import dataclasses
import random
import socket
import time

import faults
import harness
import origins
import wire

BLOCK = random.Random(1).randbytes((1 << 20) + 7919)


class Wrong(Exception):
    """What must not happen even in a disturbance."""


class Short(Exception):
    """An end that looks like a whole, and is not."""


@dataclasses.dataclass(frozen=True)
class Way:
    """Where clients come in, and how they ask there.

    parts: what it depends on: as long as none of these is disturbed all goes
    well. host: what the target is called. user: the SOCKS user, with any
    password. fixed: it leads to the target by itself. resets: it is culvert
    that has the client's connection, and must not end it as if all were said;
    of another program that is killed the kernel does. refused: with which
    codes a port is refused that nobody listens on; None is an end."""
    name: str
    address: tuple
    parts: tuple
    host: str = "127.0.0.1"
    user: str = None
    fixed: bool = False
    resets: bool = False
    refused: tuple = (5,)


def piece(seed, start, size):
    """A part of the endless bytes that a seed stands for."""
    at = (seed + start) % len(BLOCK)
    data = BLOCK[at:at + size]
    while len(data) < size:
        data += BLOCK[:size - len(data)]
    return data


def read_checked(sock, seed, size, nap=0):
    """Reads to the end, and compares. Returns how much there was."""
    got = 0
    while True:
        some = sock.recv(origins.CHUNK)
        if not some:
            return got
        if some != piece(seed, got, len(some)):
            raise Wrong(f"wrong bytes behind {got} of {size}")
        got += len(some)
        if nap:
            time.sleep(nap)


class Target(origins.Server):
    """Does what its client's first line says: get SEED SIZE, put SEED SIZE,
    or echo."""

    def serve(self, sock):
        line = b""
        while not line.endswith(b"\n"):
            some = sock.recv(1)
            if not some:
                return
            line += some
        verb, seed, size = line.decode().split()
        getattr(self, verb)(sock, int(seed), int(size))
        self.peers.clear()  # of no interest here
        self.seen.clear()

    def get(self, sock, seed, size):
        at = 0
        while at < size:
            some = piece(seed, at, min(origins.CHUNK, size - at))
            sock.sendall(some)
            at += len(some)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)

    def put(self, sock, seed, size):
        got = read_checked(sock, seed, size)
        sock.sendall(b"good" if got == size else b"less")

    def echo(self, sock, seed, size):
        while True:
            some = sock.recv(origins.CHUNK)
            if not some:
                return
            sock.sendall(some)


class Clients:
    """What each kind of client does; hang_seconds: until when it is told what
    became of its request."""

    def __init__(self, t, hang_seconds):
        self.hang_seconds = hang_seconds
        self.target = t.server(Target, "0.0.0.0")
        self.refused = t.server(origins.Refused)

    @staticmethod
    def request(way, port):
        """All that is said before the target's own."""
        if way.fixed:
            return b""
        hello = wire.GREETING if way.user is None else (
            wire.WITH_PASSWORD + wire.password(way.user, "any"))
        return hello + wire.socks5(way.host, port)

    def connect(self, way):
        return socket.create_connection(way.address, self.hang_seconds)

    def ask(self, sock, way, port):
        """Sends a request, and returns the code of the answer."""
        if way.fixed:
            return 0
        sock.sendall(self.request(way, port))
        greeted = wire.GREETED if way.user is None else b"\5\2\1\0"
        harness.equal(wire.take(sock, len(greeted)), greeted, "method")
        return wire.take_reply(sock)[0]

    def open(self, way, line):
        sock = self.connect(way)
        try:
            harness.equal(self.ask(sock, way, self.target.port), 0, "reply")
            sock.sendall(line)
            return sock
        except BaseException:
            sock.close()
            raise

    @staticmethod
    def check_whole(way, got, size):
        if got != size:
            raise (Wrong if way.resets else Short)(
                f"it ended after {got} of {size}")

    def download(self, way, rng):
        size = int(rng.expovariate(1 / 2e6))
        seed = rng.randrange(len(BLOCK))
        with self.open(way, f"get {seed} {size}\n".encode()) as sock:
            got = read_checked(sock, seed, size)
        self.check_whole(way, got, size)

    def slow_download(self, way, rng):
        size = 600000
        seed = rng.randrange(len(BLOCK))
        with self.open(way, f"get {seed} {size}\n".encode()) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            got = read_checked(sock, seed, size, 0.02)
        self.check_whole(way, got, size)

    def upload(self, way, rng):
        size = int(rng.expovariate(1 / 2e6))
        seed = rng.randrange(len(BLOCK))
        with self.open(way, f"put {seed} {size}\n".encode()) as sock:
            for at in range(0, size, origins.CHUNK):
                sock.sendall(piece(seed, at, min(origins.CHUNK, size - at)))
            sock.shutdown(socket.SHUT_WR)
            harness.equal(wire.take_all(sock), b"good", "the target's word")

    def requests(self, way, rng):
        with self.open(way, b"echo 0 0\n") as sock:
            for _ in range(rng.randrange(1, 30)):
                wire.check_echo(sock, rng.randbytes(rng.randrange(1, 2000)))

    def refusal(self, way, rng):
        if way.fixed:
            return
        with self.connect(way) as sock:
            try:
                code = self.ask(sock, way, self.refused.port)
                if code == 0:
                    wire.ended(sock)
                    code = None
            except (harness.Failed, ConnectionError):
                code = None
        if code not in way.refused:
            raise harness.Failed(f"code {code} for a port that refuses")

    def leave(self, way, rng):
        """At any moment."""
        with self.connect(way) as sock:
            sent = (self.request(way, self.target.port) + b"get 0 10000000\n")
            sock.sendall(sent[:rng.randrange(len(sent) + 1)])
            time.sleep(rng.random() * 0.02)
            if rng.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                faults.RESET)

    KINDS = (download, download, upload, upload, requests, requests,
             requests, slow_download, refusal, leave)
