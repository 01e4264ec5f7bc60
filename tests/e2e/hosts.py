"""Other hosts, for a module with NAMESPACE = True: networks of their own,
cabled to each other and to this one."""
import os
import subprocess

from dns import sh
from harness import equal, wait_until


class Host:
    """A network held by a process that sleeps."""

    def __init__(self, t):
        self.t = t
        self.process = t.program(["unshare", "-n", "sleep", "infinity"])
        here = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(
            f"/proc/{self.process.pid}/ns/net") != here, "a network")
        self.sh("ip", "link", "set", "lo", "up")

    @property
    def inside(self):
        """What a command is put behind to run there."""
        return ["nsenter", "-t", str(self.process.pid), "-n"]

    def sh(self, *argv):
        sh(*self.inside, *argv)

    def serve(self, program, *args):
        """Starts a Python program there, which says "up" once it is."""
        service = self.t.program(
            [*self.inside, "/usr/bin/python3", "-c", program, *args],
            stdout=subprocess.PIPE)
        equal(service.stdout.readline(), b"up\n", "the service's word")


def join(one, one_address, other, other_address, name):
    """A cable between two hosts; one may be None, which is this host: then
    the caller deletes the link."""
    pid = str(other.process.pid)
    wrap = one.inside if one else []
    sh(*wrap, "ip", "link", "add", name, "type", "veth", "peer", "name",
       name, "netns", pid)
    for host, address in ((one, one_address), (other, other_address)):
        wrap = host.inside if host else []
        sh(*wrap, "ip", "addr", "add", address + "/24", "dev", name)
        sh(*wrap, "ip", "link", "set", name, "up")


def dead_ends(t):
    """Makes 10.78.0.1 a host that a router knows no way to, and 203.0.113.1
    one in a network that it knows no way to: connecting fails a while after
    it began, as on a real network."""
    router = Host(t)
    join(None, "10.77.0.2", router, "10.77.0.1", "uplink0")
    t.defer(sh, "ip", "link", "del", "uplink0")
    sh("ip", "route", "add", "default", "via", "10.77.0.1")
    router.sh("ip", "route", "add", "unreachable", "10.78.0.0/16")
    router.sh("sh", "-c", "cd /proc/sys/net/ipv4; echo 1 >ip_forward; "
              "echo 0 >icmp_ratelimit")
