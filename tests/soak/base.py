"""What every soak does, whatever its subject is: clients at work, a ledger of
what was disturbed and when, and counts of what it all costs."""
import collections
import contextlib
import os
import random
import threading
import time

import harness
from clients import Clients, Short, Wrong

CLIENTS = 24
# Between two pauses in which descriptors and memory are counted.
COUNT_SECONDS = 60
# Memory may grow by so much after the first count: heaps fragment.
GROWTH_BYTES = 12 << 20
# Links that a pool keeps come and go.
LINK_DESCRIPTORS = 12


class Soak:
    """What is under way, and what went wrong. A subject sets ways (a list of
    Way) and proxy (the culvert in question), and has disturb()."""

    # A client is told what became of its request within so many seconds.
    HANG_SECONDS = 30
    # After a disturbance it may take so long until all is well again:
    # noticing by keep-alive, the back-off, logging in.
    SETTLE_SECONDS = 15
    # Calm between two disturbances; long enough at times that all must go
    # well.
    CALM_SECONDS = (1, 3, 5, 17)
    # What the culvert in question needs for itself, at most.
    FIRST_DESCRIPTORS = 40

    def __init__(self, t, seconds, seed):
        self.t = t
        self.random = random.Random(seed)
        self.began = time.monotonic()
        self.end = self.began + seconds
        self.news = threading.Condition()
        self.quiet = False
        self.working = 0
        self.failures = []
        self.done = collections.Counter()
        self.by_way = collections.Counter()
        self.broken = 0
        self.disturbances = collections.Counter()
        self.disturbing = collections.Counter()  # parts, under way
        self.disturbed = {}  # parts, and when that was over
        self.counts = []
        self.ways = []
        self.proxy = None
        self.clients = Clients(t, self.HANG_SECONDS)
        self.trail = open(os.path.join(harness.LOGS, "soak.trail"), "w")
        t.defer(self.trail.close)

    def note(self, what):
        """To the trail: a failure is to be compared with what else was."""
        if not self.trail.closed:
            print(f"{time.monotonic() - self.began:.2f} {what}",
                  file=self.trail, flush=True)

    def fail(self, what):
        with self.news:
            self.failures.append(what)
        self.note(f"FAILED: {what}")
        print(f"FAILED: {what}", flush=True)

    # --- clients ---

    def run_client(self, seed):
        rng = random.Random(seed)
        while self.may_go():
            kind = rng.choice(Clients.KINDS)
            way = rng.choice(self.ways)
            name = f"{kind.__name__} ({way.name})"
            began = time.monotonic()
            try:
                kind(self.clients, way, rng)
                with self.news:
                    self.done[kind.__name__] += 1
                    self.by_way[way.name] += 1
            except Wrong as error:
                self.fail(f"{name}: {error}")
            except TimeoutError:
                self.fail(f"{name}: no end in {self.HANG_SECONDS} s")
            except (OSError, AssertionError, Short) as error:
                self.broken += 1
                if not self.was_disturbed(way.parts, began):
                    took = time.monotonic() - began
                    self.fail(f"{name}: {error} (undisturbed, {took:.1f} s)")
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

    def was_disturbed(self, parts, since):
        """Whether something was done to one of these, now or not long before
        that moment."""
        with self.news:
            return any(self.disturbing[part] or
                       self.disturbed.get(part, 0) + self.SETTLE_SECONDS >
                       since for part in parts)

    def begin(self, what, *parts):
        """From now on these may fail. No parts: it must not harm anybody."""
        self.note(f"{what} {' '.join(parts)}")
        with self.news:
            self.disturbances[what] += 1
            self.disturbing.update(parts)

    def over(self, what, *parts):
        """They must settle."""
        with self.news:
            self.disturbing.subtract(parts)
            now = time.monotonic()
            self.disturbed.update((part, now) for part in parts)
            self.news.notify_all()
        self.note(f"{what} is over")

    @contextlib.contextmanager
    def unrest(self, what, *parts):
        self.begin(what, *parts)
        try:
            yield
        finally:
            self.over(what, *parts)

    def disturb(self):
        raise NotImplementedError

    # --- what it costs ---

    def at_rest(self):
        """Nothing is under way: a subject waits for its own to be as ever."""

    def count(self):
        """In peace, and with every client at rest."""
        with self.news:
            self.news.wait_for(lambda: not any(self.disturbing.values()))
            self.quiet = True
            if not self.news.wait_for(lambda: not self.working,
                                      self.HANG_SECONDS + 5):
                self.fail("clients that do not end")
        try:
            self.at_rest()
            before = (self.counts[0][0] if self.counts else
                      self.FIRST_DESCRIPTORS)
            harness.wait_until(
                lambda: self.proxy.descriptors() <= before + LINK_DESCRIPTORS,
                "the descriptors of before", 10)
        except AssertionError as error:
            self.fail(f"{error}: {self.proxy.descriptors()} descriptors, "
                      f"first {self.counts[:1]}")
        self.counts.append((self.proxy.settled_descriptors(),
                            self.proxy.pss()))
        self.tell()
        with self.news:
            self.quiet = False
            self.news.notify_all()

    def tell(self):
        descriptors, pss = self.counts[-1]
        print(f"{sum(self.done.values())} done {dict(self.done)} "
              f"{dict(self.by_way)}, {self.broken} broken by "
              f"{dict(self.disturbances)}; {descriptors} descriptors, "
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

    def judge_ways(self):
        for way in self.ways:
            if not self.by_way[way.name]:
                self.fail(f"nothing came by {way.name}")

    def judge(self):
        """All of it, at the end."""
        self.judge_memory()
        self.judge_ways()

    # --- all of it ---

    def run(self):
        threads = [threading.Thread(
            target=self.run_client, args=(self.random.random(),))
            for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        next_count = time.monotonic() + 10
        while time.monotonic() < self.end and self.lives():
            time.sleep(self.random.choice(self.CALM_SECONDS))
            self.disturb()
            if time.monotonic() > next_count:
                self.count()
                next_count = time.monotonic() + COUNT_SECONDS
        self.end = 0
        for thread in threads:
            thread.join()
        if self.lives():
            self.count()
            self.judge()

    def lives(self):
        status = self.proxy.process.poll()
        if status is not None and not any(
                text.startswith("it ended") for text in self.failures):
            self.fail(f"it ended: {status}")
        return status is None
