"""What an end-to-end test works with: the program under test, its lines, its
resources, and a stack of things to undo.

A test is a function test_NAME(t) of a module test_THEME.py; t is a Test. A
module with ALONE = True runs when no other does (it measures time), one with
NAMESPACE = True in a network and mounts of its own.
"""
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

CULVERT = os.environ.get("CULVERT", "./culvert")
WRAP = os.environ.get("CULVERT_WRAP", "").split()
FACTOR = float(os.environ.get("CULVERT_FACTOR", "1"))
VARIANT = os.environ.get("CULVERT_VARIANT", "release")
LOGS = os.environ.get("CULVERT_LOGS", tempfile.gettempdir())
SANITIZED = VARIANT in ("asan", "ubsan", "tsan") or bool(WRAP)

# Long enough for anything that ought to happen at once.
SOON = 10.0

LISTENING = re.compile(r"^culvert: listening on (.+) \((.*)\)$")


class Failed(AssertionError):
    pass


class Skipped(Exception):
    pass


class TooLong(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)


def equal(got, wanted, what="value"):
    if got != wanted:
        raise Failed(f"{what}: got {got!r}, wanted {wanted!r}")


def matches(pattern, text, what="text"):
    """Returns the match of pattern anywhere in text."""
    found = re.search(pattern, text, re.M)
    if not found:
        raise Failed(f"{what}: {pattern!r} is not in {text!r}")
    return found


def scaled(seconds):
    """A time limit, for this variant's speed."""
    return seconds * FACTOR


def wait_until(condition, what, seconds=SOON):
    """Waits for what has no event of its own; returns the truth."""
    limit = time.monotonic() + scaled(seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > limit:
            raise Failed(f"not within {scaled(seconds):g} s: {what}")
        time.sleep(0.01)


class Lines:
    """The lines of a pipe, read by a thread of its own so that the writer
    never stalls."""

    def __init__(self, file, copy):
        self.lines = []
        self.ended = False
        self.news = threading.Condition()
        self.file = file
        self.copy = copy
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for raw in self.file:
            self.copy.write(raw)
            self.copy.flush()
            with self.news:
                self.lines.append(raw.decode(errors="replace").rstrip("\n"))
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def wait(self, condition, what, seconds=SOON):
        """Waits until condition(lines) is true, and returns that."""
        with self.news:
            self.news.wait_for(lambda: condition(self.lines) or self.ended,
                               scaled(seconds))
            value = condition(self.lines)
            if not value:
                raise Failed(f"not seen within {scaled(seconds):g} s: {what}")
            return value


class Culvert:
    """A running culvert. port, host and paths tell where it listens."""

    def __init__(self, test, args, listeners=1, wrap=(), env=None,
                 stderr=None, **keywords):
        self.test = test
        self.args = [str(arg) for arg in args]
        self.report = test.new_report()
        self.argv = list(wrap) + valgrind(self.report) + [CULVERT] + self.args
        keywords.setdefault("stdin", subprocess.DEVNULL)
        self.process = subprocess.Popen(
            self.argv, env=sanitizer_environment(self.report, env),
            stderr=stderr or subprocess.PIPE, **keywords)
        self.pid = self.process.pid
        self.stopped = False
        self.log = None
        test.defer(self.clean_up)
        if stderr is None:
            copy = open(test.stderr_path(), "wb")
            self.log = Lines(self.process.stderr, copy)
            self.listening = self.log.wait(
                lambda lines: listening(lines, listeners),
                f"{listeners} ready lines of {' '.join(self.args)}")
            if listeners:
                self.where = self.listening[0][0]

    @property
    def port(self):
        return int(self.where.rpartition(":")[2])

    @property
    def host(self):
        return self.where.rpartition(":")[0].strip("[]")

    @property
    def address(self):
        return self.host, self.port

    def lines(self):
        return list(self.log.lines) if self.log else []

    def text(self):
        return "\n".join(self.lines())

    def wait_line(self, pattern, seconds=SOON, count=1):
        """The first line in which pattern is found; with a count, the list of
        them once there are so many."""
        def look(lines):
            found = [line for line in lines if re.search(pattern, line)]
            return len(found) >= count and found
        found = self.log.wait(look, f"{count} lines with {pattern!r}", seconds)
        return found[0] if count == 1 else found

    def sessions(self, count=1, seconds=SOON):
        """The fields of the ended sessions, once there are count of them."""
        def look(lines):
            found = [fields(line) for line in lines
                     if line.startswith("culvert: session ")]
            return len(found) >= count and found
        return self.log.wait(look, f"{count} session lines", seconds)

    def session(self):
        return self.sessions(1)[0]

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=SOON):
        """The exit status."""
        try:
            status = self.process.wait(scaled(seconds))
        except subprocess.TimeoutExpired:
            raise Failed(f"still runs: {' '.join(self.args)}") from None
        self.stopped = True
        return status

    def stop(self):
        """Ends it as a user would who does not want to wait for sessions, and
        checks that it ends well."""
        if self.stopped:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGINT)
        if VARIANT == "tsan":
            self.repeat_signal()
        equal(self.wait(), 0, f"exit status of {' '.join(self.args)}")

    def repeat_signal(self):
        """ThreadSanitizer keeps a signal until the thread calls something,
        and one that comes just before the loop starts to wait may be kept for
        a minute; the next one brings it along."""
        for _ in range(10):
            try:
                self.process.wait(1)
                return
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGINT)

    def clean_up(self):
        try:
            self.stop()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.stopped = True
            if self.log:
                with self.log.news:
                    self.log.news.wait_for(lambda: self.log.ended, 5)
            if self.process.stderr:
                self.test.note("stderr of " + " ".join(self.args),
                               self.lines())

    # --- what it costs ---

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def settled_descriptors(self):
        """How many there are once nothing is opened or closed any more."""
        seen = []
        while len(seen) < 5 or len(set(seen[-5:])) > 1:
            seen.append(self.descriptors())
            time.sleep(0.02)
        return seen[-1]

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.pid}/stat") as file:
            parts = file.read().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def pss(self):
        """What it has of memory that is no file's, in bytes: a share in
        libraries grows when somebody else who has them ends."""
        with open(f"/proc/{self.pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss_Anon:"):
                    return int(line.split()[1]) * 1024
        raise Failed("no Pss_Anon in smaps_rollup")


def listening(lines, count):
    """The (where, what) of the ready lines, once there are count of them."""
    found = [LISTENING.match(line) for line in lines]
    found = [(match[1], match[2]) for match in found if match]
    return len(found) >= count and (found or True)


FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


def fields(line):
    """The name=value pairs of an event of the text log."""
    found = {}
    for name, value in FIELD.findall(line):
        if value.startswith('"'):
            value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
        found[name] = value
    return found


def valgrind(report):
    return WRAP and WRAP + [f"--log-file={report}.%p"]


def sanitizer_environment(report, more=None):
    env = dict(os.environ)
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        options = re.sub(r"log_path=[^:]*", "", env.get(name, ""))
        env[name] = f"{options}:log_path={report}".strip(":")
    env.update(more or {})
    return env


class Test:
    """One test under way."""

    def __init__(self, module, name):
        self.name = f"{module}.{name}"
        self.undo = []
        self.notes = []
        self.reports = 0
        self.folder = None

    def defer(self, call, *args):
        """call(*args) happens at the end, last in first."""
        self.undo.append((call, args))

    def skip(self, why):
        raise Skipped(why)

    def note(self, title, lines):
        """Shown if the test fails."""
        self.notes.append((title, lines[-15:]))

    def new_report(self):
        """The path that a process's sanitizer reports begin with."""
        self.reports += 1
        return os.path.join(LOGS, "sanitizer",
                            f"e2e.{self.name}.{self.reports}")

    def stderr_path(self):
        return os.path.join(LOGS, f"e2e.{self.name}.{self.reports}.stderr")

    def tmp(self, name=""):
        """A path in a folder of the test's own, short enough for a socket."""
        if self.folder is None:
            self.folder = tempfile.mkdtemp(prefix="culvert-")
            os.chmod(self.folder, 0o755)
            self.defer(shutil.rmtree, self.folder, True)
        return os.path.join(self.folder, name) if name else self.folder

    def file(self, name, text, mode=0o600):
        path = self.tmp(name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def culvert(self, *args, **keywords):
        """Starts culvert and waits until it listens."""
        return Culvert(self, args, **keywords)

    def socks(self, *args, **keywords):
        """A SOCKS proxy on a port of its own on 127.0.0.1."""
        return Culvert(self, ("-D", "127.0.0.1:0") + args, **keywords)

    def fails(self, *args, seconds=SOON, **keywords):
        """Runs a culvert that is to end by itself; returns its exit status
        and what it said."""
        done = self.run([CULVERT] + [str(arg) for arg in args], seconds,
                        env=sanitizer_environment(self.new_report()),
                        **keywords)
        return done.returncode, done.stderr.decode(errors="replace")

    def run(self, argv, seconds=30, **keywords):
        """Runs a program to its end."""
        keywords.setdefault("stdin", subprocess.DEVNULL)
        if "input" in keywords:
            del keywords["stdin"]
        argv = [str(arg) for arg in argv]
        try:
            return subprocess.run(argv, capture_output=True,
                                  timeout=scaled(seconds), **keywords)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"still ran after {late.timeout:g} s: "
                         f"{' '.join(argv)}: {late.stdout!r} "
                         f"{late.stderr!r}") from None

    def program(self, argv, **keywords):
        """Starts a program that is ended with the test."""
        process = subprocess.Popen([str(arg) for arg in argv], **keywords)

        def end():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self.defer(end)
        return process

    def socket(self, address, family=None, seconds=SOON, source=None):
        """A client connected to address, a (host, port) or a path, from the
        address source if that is given."""
        if family is None:
            family = (socket.AF_UNIX if isinstance(address, str) else
                      socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        client = socket.socket(family, socket.SOCK_STREAM)
        client.settimeout(scaled(seconds))
        self.defer(client.close)
        if source:
            client.bind((source, 0))
        client.connect(address)
        return client

    def server(self, kind, *args, **keywords):
        """Starts one of origins.py's servers."""
        server = kind(*args, **keywords)
        self.defer(server.close)
        return server


def raise_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port(host="127.0.0.1"):
    """A port nothing listens on, from below the range that connecting
    sockets take theirs from."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    first = 10000 + os.getpid() * 37 % 20000
    for port in range(first, first + 2000):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue
    raise Failed("no free port")
