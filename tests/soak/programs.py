"""Programs that dial in to a gateway, as agents and as users: each is started
again whenever it ends, and comes through a middleman of its own."""
import os
import random
import re
import signal
import subprocess
import threading
import time

import harness
import faults

# As init and autossh do, after a moment; one that ends at once waits longer,
# as a gateway keeps out who fails too often.
PAUSE_SECONDS = 0.3
QUICK_SECONDS = 2

# How it may end: told to, as its connection was lost, or killed.
ENDS = {0, 255, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT}

# What none says of another that keeps to the protocol.
BAD = re.compile("non-?open|bad id|protocol error|[Cc]orrupt|[Bb]ad packet|"
                 "Unknown channel|more than a channel's window")

# They ask for signs of life in the midst of bulk all the time.
COMMON = ["-N", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o",
          "ServerAliveInterval=1", "-o", "ServerAliveCountMax=10", "-o",
          "ConnectTimeout=5"]


class Program:
    """words: its -R, -D and -L, once they are known (start). It comes from an
    address of its own, as the failures of each are counted, and those of one
    are not to keep the others out. complain(text) is told of a bad end."""

    sources = (f"127.3.0.{low}" for low in range(1, 255))

    def __init__(self, t, gateway, program, name, key, complain):
        self.t = t
        self.gateway = gateway
        self.program = program
        self.name = name
        self.key = key
        self.complain = complain
        self.cut = faults.Cut(t, gateway, next(self.sources))
        self.words = []
        self.process = None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.keep, daemon=True)
        self.log = open(os.path.join(
            harness.LOGS, f"soak.{program}-{name}.stderr"), "wb")
        t.defer(self.end)

    def argv(self, port):
        words = self.gateway.args(self.name, key=self.key)
        words[1] = str(port)
        more = list(map(str, self.words))
        if self.program == "dbclient":
            return ["dbclient", "-N", "-y", "-y", "-i", self.dropbear_key(),
                    "-p", words[1], *more, words[-1]]
        alias = f"HostKeyAlias=[{self.gateway.address}]:{self.gateway.port}"
        return [harness.CULVERT if self.is_culvert else "ssh", *COMMON, *more,
                "-o", alias, *words]

    @property
    def is_culvert(self):
        return self.program == "culvert"

    def dropbear_key(self):
        """The same in the form that it wants."""
        path = self.t.tmp(f"{self.name}.dropbear")
        if not os.path.exists(path):
            subprocess.run(["dropbearconvert", "openssh", "dropbear",
                            self.key, path], check=True, capture_output=True)
        return path

    def launch(self, port=None):
        """port: where the gateway is, but for the middleman."""
        env = harness.sanitizer_environment(self.t.new_report(),
                                            {"HOME": self.t.tmp()})
        return subprocess.Popen(
            self.argv(port or self.cut.port), stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, start_new_session=True, env=env)

    def start(self, *words):
        self.words = words
        self.thread.start()

    def keep(self):
        while not self.ended.is_set():
            began = time.monotonic()
            self.process = self.launch()
            self.judge(self.process.wait())
            quick = time.monotonic() - began < QUICK_SECONDS
            self.ended.wait(QUICK_SECONDS if quick else
                            random.random() * 2 * PAUSE_SECONDS)

    def judge(self, status):
        lost = {1} if self.program == "dbclient" else set()
        if status not in ENDS | lost:
            self.complain(f"{self.program} called {self.name} ended: "
                          f"{status}")

    def signal(self, number):
        """Nothing where it has just ended."""
        if self.process:
            self.process.send_signal(number)

    def end(self):
        self.ended.set()
        limit = time.monotonic() + harness.SOON
        while self.thread.is_alive():
            late = time.monotonic() > limit
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL if late else signal.SIGINT)
            time.sleep(0.1)
            harness.check(not late, f"{self.program} called {self.name} "
                          "does not end")
        self.log.close()
        with open(self.log.name, errors="replace") as file:
            said = [line for line in file.read().splitlines()
                    if not line.startswith("culvert: session ")]
        self.t.note(f"what {self.program} called {self.name} said", said)
        bad = [line for line in said if BAD.search(line)]
        harness.check(not bad, f"{self.program} called {self.name} said: "
                      f"{bad[:3]}")
