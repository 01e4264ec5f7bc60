#!/usr/bin/env python3
"""Uses culvert through an SSH server for a long time, while that server is
killed, stopped, cut off and started again at random.

    python3 tests/soak [--variant VARIANT] [--seed N] [SECS]

Clients download and upload with sums, send small requests, read slowly, leave
in the middle, ask for what is refused: by a SOCKS port here, by one that the
server listens on, and by a port there that has a fixed target. What goes wrong while nothing was
disturbed is a failure; so are, at any time, a wrong byte, an end that looks
like a whole and is not, a hang, a crash, a sanitizer's report, and descriptors
or memory that grow. Prints what it did once a minute; the exit status is 1
after a failure.
"""
import argparse
import ctypes
import os
import random
import signal
import socket
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
sys.dont_write_bytecode = True

CLIENTS = 24
# A client is told what became of its request within so many seconds.
HANG_SECONDS = 30
# After a disturbance it may take so long until all is well again: noticing by
# keep-alive, the back-off, logging in.
SETTLE_SECONDS = 15
# Between two pauses in which descriptors and memory are counted.
COUNT_SECONDS = 60
# Memory may grow by so much after the first count: heaps fragment.
GROWTH_BYTES = 12 << 20
# Links that the pool keeps come and go.
LINK_DESCRIPTORS = 12

PR_SET_CHILD_SUBREAPER = 36
BLOCK = random.Random(1).randbytes((1 << 20) + 7919)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default="release")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("seconds", nargs="?", type=float, default=60)
    return parser.parse_args()


def prepare(options):
    """The environment that harness.py wants, before it is imported."""
    logs = os.path.join(ROOT, "build", options.variant, "soak")
    os.makedirs(os.path.join(logs, "sanitizer"), exist_ok=True)
    for name in os.listdir(os.path.join(logs, "sanitizer")):
        os.unlink(os.path.join(logs, "sanitizer", name))
    os.environ.update({
        "CULVERT": os.path.join(ROOT, "build", options.variant, "culvert"),
        "CULVERT_VARIANT": options.variant,
        "CULVERT_LOGS": logs,
        "ASAN_OPTIONS": "detect_leaks=1",
        "TSAN_OPTIONS": "exitcode=66:suppressions=" +
                        os.path.join(ROOT, "tests", "tsan", "suppressions"),
        "UBSAN_OPTIONS": "print_stacktrace=1",
    })
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return logs


OPTIONS = arguments()
LOGS = prepare(OPTIONS)

import faults  # noqa: E402
import harness  # noqa: E402: it reads the environment
import origins  # noqa: E402
import remote  # noqa: E402
import sshd  # noqa: E402
import wire  # noqa: E402


def piece(seed, start, size):
    """A part of the endless bytes that a seed stands for."""
    at = (seed + start) % len(BLOCK)
    data = BLOCK[at:at + size]
    while len(data) < size:
        data += BLOCK[:size - len(data)]
    return data


class Wrong(Exception):
    """What must not happen even in a disturbance."""


class Short(Exception):
    """An end that looks like a whole, and is not."""


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


class Soak:
    """What is under way, and what went wrong."""

    def __init__(self, t, seconds, seed):
        self.t = t
        self.random = random.Random(seed)
        self.end = time.monotonic() + seconds
        self.news = threading.Condition()
        self.quiet = False
        self.working = 0
        self.failures = []
        self.done = {}
        self.broken = 0
        self.by_way = {}
        self.disturbances = {}
        self.disturbing = 0
        self.disturbed = -SETTLE_SECONDS
        self.counts = []
        self.target = t.server(Target)
        self.refused = t.server(origins.Refused)
        self.sshd = sshd.Sshd(t, RekeyLimit="16M", LogLevel="INFO")
        self.cut = faults.Cut(t, self.sshd)
        socks, fixed = remote.free_ports(2)
        self.ways = {"remote": ("127.0.0.1", socks),
                     "fixed": ("127.0.0.1", fixed)}
        self.culvert = t.culvert(
            "-D", "127.0.0.1:0", "-R", socks, "-R",
            f"{fixed}:127.0.0.1:{self.target.port}", "--connect-timeout", "20", "-o",
            "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2", "-o",
            "ConnectTimeout=5", *self.cut.args(), listeners=3)
        where, = [where for where, _ in self.culvert.listening
                  if " at " not in where]
        self.ways["local"] = "127.0.0.1", int(where.rpartition(":")[2])

    def fail(self, what):
        with self.news:
            self.failures.append(what)
        print(f"FAILED: {what}", flush=True)

    # --- clients ---

    def open(self, way, line, port=None, wanted=0):
        sock = socket.create_connection(self.ways[way], HANG_SECONDS)
        if way != "fixed":
            sock.sendall(wire.GREETING +
                         wire.socks5("127.0.0.1", port or self.target.port))
            harness.equal(wire.take(sock, 2), wire.GREETED, "method")
            harness.equal(wire.take_reply(sock)[0], wanted, "reply")
        sock.sendall(line)
        return sock

    def check_whole(self, way, got, size, what):
        """A server that is killed ends its clients as if all were said."""
        if got != size:
            raise (Wrong if way == "local" else Short)(
                f"{what} ended after {got} of {size}")

    def download(self, way, rng):
        size = int(rng.expovariate(1 / 2e6))
        seed = rng.randrange(len(BLOCK))
        with self.open(way, f"get {seed} {size}\n".encode()) as sock:
            got = read_checked(sock, seed, size)
        self.check_whole(way, got, size, "a download")

    def slow_download(self, way, rng):
        size = 600000
        seed = rng.randrange(len(BLOCK))
        with self.open(way, f"get {seed} {size}\n".encode()) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            got = read_checked(sock, seed, size, 0.02)
        self.check_whole(way, got, size, "a slow download")

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
        if way != "fixed":
            self.open(way, b"", self.refused.port, 5).close()

    def leave(self, way, rng):
        """At any moment."""
        sock = socket.create_connection(self.ways[way], HANG_SECONDS)
        with sock:
            sent = b"get 0 10000000\n"
            if way != "fixed":
                sent = (wire.GREETING +
                        wire.socks5("127.0.0.1", self.target.port) + sent)
            sock.sendall(sent[:rng.randrange(len(sent) + 1)])
            time.sleep(rng.random() * 0.02)
            if rng.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                faults.RESET)

    KINDS = (download, download, upload, upload, requests, requests,
             requests, slow_download, refusal, leave)

    def run_client(self, seed):
        rng = random.Random(seed)
        while self.may_go():
            kind = rng.choice(self.KINDS)
            way = rng.choice(sorted(self.ways))
            name = f"{kind.__name__} ({way})"
            began = time.monotonic()
            try:
                kind(self, way, rng)
                with self.news:
                    self.done[kind.__name__] = self.done.get(
                        kind.__name__, 0) + 1
                    self.by_way[way] = self.by_way.get(way, 0) + 1
            except Wrong as error:
                self.fail(f"{name}: {error}")
            except TimeoutError:
                self.fail(f"{name}: no end in {HANG_SECONDS} s")
            except (OSError, AssertionError, Short) as error:
                self.broken += 1
                if not self.was_disturbed(began):
                    self.fail(f"{name}: {error} (undisturbed)")
                time.sleep(0.05)  # a port that is not there refuses at once
            with self.news:
                self.working -= 1
                self.news.notify_all()

    def may_go(self):
        with self.news:
            self.news.wait_for(lambda: not self.quiet)
            if time.monotonic() > self.end:
                return False
            self.working += 1
            return True

    # --- disturbances ---

    def was_disturbed(self, since):
        with self.news:
            return self.disturbing or self.disturbed + SETTLE_SECONDS > since

    def kill_one(self):
        pids = self.sshd.sessions()
        if pids:
            self.sshd.signal_sessions(signal.SIGKILL,
                                      [self.random.choice(pids)])

    def kill_all(self):
        self.sshd.signal_sessions(signal.SIGKILL)

    def stop_one(self):
        """Until long after it should have been given up."""
        pids = self.sshd.sessions()
        if pids:
            pid = self.random.choice(pids)
            self.sshd.signal_sessions(signal.SIGSTOP, [pid])
            time.sleep(6)
            self.sshd.signal_sessions(signal.SIGKILL, [pid])

    def stop_shortly(self):
        pids = self.sshd.sessions()
        self.sshd.signal_sessions(signal.SIGSTOP, pids)
        time.sleep(0.5)
        self.sshd.signal_sessions(signal.SIGCONT, pids)

    def restart(self):
        self.sshd.stop()
        time.sleep(self.random.random() * 3)
        self.sshd.start()

    def cut_off(self):
        self.cut.silence()
        time.sleep(self.random.random() * 6)
        self.cut.reset()
        self.cut.resume()

    def reset(self):
        self.cut.reset()

    def reconnect(self):
        self.culvert.signal(signal.SIGUSR2)

    WAYS = (kill_one, kill_one, kill_all, stop_one, stop_shortly, restart,
            cut_off, reset, reconnect)

    def disturb(self):
        way = self.random.choice(self.WAYS)
        self.disturbances[way.__name__] = self.disturbances.get(
            way.__name__, 0) + 1
        with self.news:
            self.disturbing += 1
        way(self)
        with self.news:
            self.disturbing -= 1
            self.disturbed = time.monotonic()

    # --- what it costs ---

    def count(self):
        """With every client at rest."""
        with self.news:
            self.quiet = True
            if not self.news.wait_for(lambda: not self.working,
                                      HANG_SECONDS + 5):
                self.fail("clients that do not end")
        try:
            harness.wait_until(
                lambda: self.culvert.descriptors() <=
                (self.counts[0][0] if self.counts else 40) +
                LINK_DESCRIPTORS, "the descriptors of before", 10)
        except AssertionError as error:
            self.fail(f"{error}: {self.culvert.descriptors()}, "
                      f"first {self.counts[:1]}")
        self.counts.append((self.culvert.settled_descriptors(),
                            self.culvert.pss()))
        with self.news:
            self.quiet = False
            self.news.notify_all()

    def tell(self):
        descriptors, pss = self.counts[-1]
        print(f"{sum(self.done.values())} done {self.done} {self.by_way}, {self.broken} "
              f"broken by {self.disturbances}; {descriptors} descriptors, "
              f"{pss >> 10} KiB", flush=True)

    def judge_memory(self):
        """The least of the last counts against the first after some work:
        what stays is a leak."""
        if harness.SANITIZED or len(self.counts) < 3:
            return
        first = self.counts[1][1]
        last = min(pss for _, pss in self.counts[-3:])
        if last - first > GROWTH_BYTES:
            self.fail(f"memory grew from {first >> 10} to {last >> 10} KiB")

    # --- all of it ---

    def run(self):
        threads = [threading.Thread(
            target=self.run_client, args=(self.random.random(),))
            for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        next_count = time.monotonic() + 10
        while time.monotonic() < self.end:
            # Calm enough between some that all must go well.
            time.sleep(self.random.choice((1, 3, 5, 2 + SETTLE_SECONDS)))
            self.disturb()
            if self.culvert.process.poll() is not None:
                self.fail(f"it ended: {self.culvert.process.returncode}")
                break
            if time.monotonic() > next_count:
                self.count()
                self.tell()
                next_count = time.monotonic() + COUNT_SECONDS
        self.end = 0
        for thread in threads:
            thread.join()
        if self.culvert.process.poll() is None:
            self.count()
            self.tell()
            self.judge_memory()


def reports():
    folder = os.path.join(LOGS, "sanitizer")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), errors="replace") as file:
            text = file.read()
        if text.strip():
            yield f"{name}:\n{text[:4000]}"


def main():
    harness.raise_descriptors()
    print(f"seed {OPTIONS.seed}, {OPTIONS.seconds:g} s", flush=True)
    t = harness.Test("soak", "run")
    failures = []
    try:
        soak = Soak(t, OPTIONS.seconds, OPTIONS.seed)
        failures = soak.failures
        soak.run()
    except KeyboardInterrupt:
        failures.append("interrupted")
    finally:
        while t.undo:
            call, args = t.undo.pop()
            try:
                call(*args)
            except Exception as error:
                failures.append(f"at the end: {error}")
    failures += reports()
    for title, lines in t.notes if failures else ():
        print("\n".join([f"--- {title}"] + lines))
    print(f"{len(failures)} failures: {failures[-3:]}" if failures else
          "no failure", flush=True)
    # Threads of servers that still wait are of no interest any more.
    os._exit(1 if failures else 0)


if __name__ == "__main__":
    main()
