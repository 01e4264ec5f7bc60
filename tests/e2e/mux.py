"""The control socket: OpenSSH's multiplexing protocol, and -O by ssh and by
culvert."""
import os
import socket
import struct
import subprocess

import harness
from harness import (Failed, SOON, equal, free_port, sanitizer_environment,
                     wait_until)
from wire import take

HELLO = 0x00000001
NEW_SESSION = 0x10000002
ALIVE_CHECK = 0x10000004
TERMINATE = 0x10000005
OPEN_FORWARD = 0x10000006
CLOSE_FORWARD = 0x10000007
STATUS = 0x63750001
KICK = 0x63750004
OK = 0x80000001
FAILURE = 0x80000003
ALIVE = 0x80000005
PORT = 0x80000007

# Both have -O.
PROGRAMS = ("ssh", "culvert")


def number(value):
    return struct.pack(">I", value)


def string(text):
    text = text if isinstance(text, bytes) else text.encode()
    return number(len(text)) + text


def message(*parts):
    return string(b"".join(number(part) if isinstance(part, int) else part
                           for part in parts))


def dynamic(kind, port, request=0):
    """Opens or closes a SOCKS forward on 127.0.0.1."""
    return message(kind, request, 3, string("127.0.0.1"), port,
                   string("socks"), 0)


def take_message(sock):
    """The type, and what follows it."""
    length, = struct.unpack(">I", take(sock, 4))
    body = take(sock, length)
    return struct.unpack(">I", body[:4])[0], body[4:]


class Caller:
    """A connection to a control socket, its hellos exchanged."""

    def __init__(self, t, path, hello=True, seconds=SOON):
        self.sock = t.socket(path, seconds=seconds)
        equal(take_message(self.sock), (HELLO, number(4)), "hello")
        if hello:
            self.send(message(HELLO, 4))

    def send(self, data):
        self.sock.sendall(data)

    def ask(self, data):
        self.send(data)
        return take_message(self.sock)


def master(t, *args, **keywords):
    """A culvert with a control socket; returns both."""
    path = t.tmp(f"control{len(t.undo)}")
    proxy = t.socks("-M", "-S", path, *args, **keywords)
    wait_until(lambda: os.path.exists(path), "the control socket")
    return proxy, path


def ssh_master(t, server, *args):
    """The same of stock ssh, through a server."""
    path = t.tmp(f"control{len(t.undo)}")
    process = t.program(["ssh", "-M", "-N", "-S", path, *args,
                         *server.args()], stdin=subprocess.DEVNULL,
                        stderr=subprocess.PIPE)
    wait_until(lambda: os.path.exists(path), "ssh's control socket")
    return process, path


class Asked:
    """What came of a program that asked something and ended."""

    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout.decode(errors="replace")
        self.err = done.stderr.decode(errors="replace")


def ask(t, program, word, path, *args, **keywords):
    """-O word, by "ssh" or "culvert"."""
    if program == "ssh":
        # ssh wants a destination, and looks it up nowhere.
        argv = ["ssh", "-F", "none", "-O", word, "-S", path, *args, "x"]
        return Asked(t.run(argv, **keywords))
    argv = [harness.CULVERT, "-O", word, "-S", path, *args]
    env = sanitizer_environment(t.new_report(), keywords.pop("env", None))
    return Asked(t.run(argv, env=env, **keywords))


def done(asked, status=0):
    """Checks the exit status."""
    if asked.status != status:
        raise Failed(f"exit status {asked.status}, wanted {status}: "
                     f"{asked.out!r} {asked.err!r}")
    return asked


def check_alive(t, program, path, pid):
    asked = done(ask(t, program, "check", path))
    equal(asked.err, f"Master running (pid={pid})\r\n", "check")


def at(port):
    return "127.0.0.1", port


def two_ports():
    """Two that nothing listens on."""
    one = free_port()
    with socket.socket() as held:
        held.bind(("127.0.0.1", one))
        return one, free_port()


def refuses(t, address):
    """Whether nobody listens there."""
    family = (socket.AF_UNIX if isinstance(address, str) else
              socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(harness.scaled(SOON))
        try:
            probe.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        return False
