"""Ports that culvert has an SSH server listen on (-R): what its ready lines
tell of them, and clients on the gateway's side of them."""
import re
import socket
import time

import wire
from harness import Failed, check, free_port, scaled, wait_until

AT = re.compile(r"^(.*) at (\S+)$")

# Where one reaches what listens so.
REACHED_AT = {"localhost": "127.0.0.1", "*": "127.0.0.1",
              "0.0.0.0": "127.0.0.1", "::": "::1"}


class Port:
    """A port on the gateway, as a ready line or a line of -O status tells of
    it: where is what was asked for, server where it is, what its target and
    the way there. address is one at which a client on the gateway finds it,
    so that a Port goes wherever wire.py takes a proxy."""

    def __init__(self, where, what):
        self.where, self.server = AT.match(where).groups()
        self.what = what
        host, _, port = self.where.rpartition(":")
        self.host = host.strip("[]")
        self.port = int(port)

    @property
    def address(self):
        return REACHED_AT.get(self.host, self.host), self.port


def ports(proxy):
    """The ports of its ready lines, in their order."""
    return [Port(where, what) for where, what in proxy.listening
            if AT.match(where)]


def remote(t, server, *args, **keywords):
    """A culvert with these -R, -D and -L and what else there is; returns it
    and its ports on the gateway."""
    count = sum(arg in ("-R", "-D", "-L") for arg in args)
    keywords.setdefault("listeners", count)
    proxy = t.culvert(*args, *server.args(), **keywords)
    return proxy, ports(proxy)


def dynamic(t, server, *options, spec=None, **keywords):
    """With a SOCKS port there; returns it and the port."""
    proxy, (port,) = remote(t, server, "-R", spec or free_port(), *options,
                            **keywords)
    return proxy, port


def fixed(t, server, target, *options, **keywords):
    """With a port there that leads to one of origins.py's servers."""
    proxy, (port,) = remote(
        t, server, "-R", f"{free_port()}:{target.host}:{target.port}",
        *options, **keywords)
    return proxy, port


def listeners(t, port):
    """The addresses that are listened on at a TCP port, as ss tells."""
    listed = t.run(["ss", "-Hltn", f"sport = :{port}"]).stdout.decode()
    found = {line.split()[3].rpartition(":")[0].strip("[]")
             for line in listed.splitlines()}
    return sorted(found)


def free_ports(count):
    """So many that nothing listens on; another server is to be started
    before, as it would take one."""
    held = []
    try:
        for _ in range(count):
            sock = socket.socket()
            held.append(sock)
            sock.bind(("127.0.0.1", free_port()))
        return [sock.getsockname()[1] for sock in held]
    finally:
        for sock in held:
            sock.close()


def low(t, kind, *args):
    """One of origins.py's servers on a port that no system picks by itself.
    sshd takes port 0 of ::1 first, and is content with that if somebody has
    it on 127.0.0.1: its clients would come to that one."""
    return t.server(kind, *args, port=free_port())


def wait_free(t, port):
    wait_until(lambda: not listeners(t, port), f"the end of port {port}")


def works(t, port, target):
    """Whether a client comes through a SOCKS port to an Echo."""
    try:
        sock = wire.through(t, port, target)
        wire.check_echo(sock)
        sock.close()
        return True
    except (OSError, Failed):
        return False


def leads(t, port):
    """Whether a port leads to an Echo."""
    try:
        sock = t.socket(port.address)
        wire.check_echo(sock)
        sock.close()
        return True
    except (OSError, Failed):
        return False


def back_within(seconds, condition, what):
    """Waits until what was lost works again; returns how long that took."""
    began = time.monotonic()
    wait_until(condition, what, seconds + 5)
    took = time.monotonic() - began
    check(took < scaled(seconds), f"{what} took {took:.1f} s")
    return took


class Held:
    """A port that somebody else has, on both loopback addresses."""

    def __init__(self, port=0):
        self.socks = []
        self.port = port or free_port()
        for family, host in ((socket.AF_INET, "127.0.0.1"),
                             (socket.AF_INET6, "::1")):
            sock = socket.socket(family, socket.SOCK_STREAM)
            self.socks.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, self.port))
            sock.listen()

    def close(self):
        for sock in self.socks:
            sock.close()
