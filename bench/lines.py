"""Network namespaces, and the delay line between two of them.

A namespace is held by a descriptor, and so goes with the last process in it,
however this program ends; nothing is named and nothing has to be removed."""
import ctypes
import os
import subprocess
import threading

from peers import Failure

CLONE_NEWNET = 0x40000000
CLONE_NEWNS = 0x00020000
PR_SET_PDEATHSIG = 1
SIGKILL = 9
LIBC = ctypes.CDLL(None, use_errno=True)
NEAR, FAR = "10.77.0.1", "10.77.0.2"
# What the kernel may give a socket: 100 ms at 1 Gbit/s are 12.5 MB, of which
# Linux lends a sender half and a receiver half.
BUFFER_MAX = 32 << 20
RATE_MBIT = 1000


def check(result, what):
    if result != 0:
        raise Failure(f"{what}: {os.strerror(ctypes.get_errno())}")


class Namespace:
    """A network namespace of its own, with its loopback up."""

    def __init__(self):
        self.fd = None
        error = []
        # unshare() moves the calling thread alone, which then ends.
        thread = threading.Thread(target=self.make, args=[error])
        thread.start()
        thread.join()
        if error:
            raise Failure(error[0])
        self.run("ip", "link", "set", "lo", "up")

    def make(self, error):
        try:
            check(LIBC.unshare(CLONE_NEWNET), "a network namespace")
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        except (Failure, OSError) as reason:
            error.append(str(reason))

    def enter(self):
        """What a child does before it becomes a program: it goes in, and it
        ends with this process."""
        check(LIBC.setns(self.fd, CLONE_NEWNET), "setns")
        LIBC.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)

    def call(self, function, *args):
        """Returns what a function returns, called in here."""
        answer = []

        def inside():
            try:
                check(LIBC.setns(self.fd, CLONE_NEWNET), "setns")
                answer.extend((function(*args), None))
            except (Failure, OSError) as reason:
                answer.extend((None, reason))

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if answer[1] is not None:
            raise answer[1]
        return answer[0]

    def run(self, *words):
        done = subprocess.run(words, preexec_fn=self.enter, text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def set(self, name, value):
        """Sets one of the namespace's own /proc/sys/net/ipv4."""
        self.run("sh", "-c", f"echo '{value}' >/proc/sys/net/ipv4/{name}")

    def get(self, name):
        return self.run("cat", f"/proc/sys/net/ipv4/{name}").strip()

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


class Here:
    """This process's own network, where there may be no other."""
    fd = None

    @staticmethod
    def enter():
        LIBC.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)

    @staticmethod
    def call(function, *args):
        return function(*args)

    def close(self):
        pass


class Line:
    """Two namespaces, near and far, so many milliseconds apart."""

    def __init__(self, programs, rtt_ms):
        if not os.path.exists("/dev/net/tun"):
            raise Failure("no delay line: there is no /dev/net/tun")
        self.rtt_ms = rtt_ms
        self.child = self.near = self.far = None
        try:
            self.near = Namespace()
            self.far = Namespace()
            self.open(programs)
        except BaseException:
            self.close()
            raise

    def open(self, programs):
        fds = (self.near.fd, self.far.fd)
        self.child = subprocess.Popen(
            [f"{programs}/delay", str(fds[0]), str(fds[1]), str(self.rtt_ms),
             str(RATE_MBIT), str(self.rtt_ms)], pass_fds=fds, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        if self.child.stdout.readline() != "ready\n":
            raise Failure("no delay line: " + self.child.stderr.read().strip())
        for end, own, other in ((self.near, NEAR, FAR), (self.far, FAR, NEAR)):
            end.run("ip", "address", "add", own, "peer", other, "dev", "line")
            end.run("ip", "link", "set", "line", "up", "txqueuelen", "10000")
            end.set("tcp_rmem", f"4096 131072 {BUFFER_MAX}")
            end.set("tcp_wmem", f"4096 16384 {BUFFER_MAX}")

    def facts(self):
        """What a reader should know of it, as a line of text."""
        return (f"the line: {RATE_MBIT} Mbit/s as on an Ethernet with 1,500 "
                "byte packets, and a queue of one round-trip time that drops "
                "what comes on top; TCP there: "
                f"{self.near.get('tcp_congestion_control')}, tcp_rmem "
                f"{' '.join(self.near.get('tcp_rmem').split())}, tcp_wmem "
                f"{' '.join(self.near.get('tcp_wmem').split())}")

    def close(self):
        if self.child is not None:
            self.child.stdin.close()
            self.child.wait()
            self.child.stdout.close()
            self.child.stderr.close()
            self.child = None
        for end in (self.near, self.far):
            if end is not None:
                end.close()
