"""A server that is known by ssh's configuration alone."""
import os

from harness import equal, wait_until
from origins import Echo
from sshd import Sshd
from wire import check_echo, open_socks5, through


def block(name, server, *more):
    lines = [f"Host {name}", "HostName 127.0.0.1", f"Port {server.port}",
             f"User {server.user}", f"IdentityFile {server.key}",
             f"UserKnownHostsFile {server.known_hosts}",
             "GlobalKnownHostsFile /dev/null", *more]
    return "\n    ".join(lines) + "\n"


def test_forwards_of_a_file(t):
    server, echo = Sshd(t), t.server(Echo)
    path = t.file("config", block(
        "box", server, "DynamicForward 127.0.0.1:0",
        f"LocalForward 127.0.0.2:0 127.0.0.1:{echo.port}",
        f"LocalForward {t.tmp('%r-%p.sock')} 127.0.0.1:{echo.port}"))
    proxy = t.culvert("-F", path, "box", listeners=3)
    where = {name.rpartition(":")[0]: int(name.rpartition(":")[2])
             for name, _ in proxy.listening if ":" in name}
    check_echo(open_socks5(t, ("127.0.0.1", where["127.0.0.1"]), "127.0.0.1",
                           echo.port))
    check_echo(t.socket(("127.0.0.2", where["127.0.0.2"])))
    check_echo(t.socket(t.tmp(f"{server.user}-{server.port}.sock")))


def test_no_forward_is_needed(t):
    """As ssh -N: the server is there, and nothing listens."""
    server = Sshd(t)
    path = t.file("config", block("box", server))
    proxy = t.culvert("-v", "-F", path, "-MS", t.tmp("%n-%r"), "box",
                      listeners=0)
    control = t.tmp(f"box-{server.user}")
    wait_until(lambda: os.path.exists(control), "the control socket")
    equal(len(server.sessions()), 1, "sessions")
    proxy.wait_line(f"culvert: reading {path}")
    proxy.stop()


def test_jumps_of_a_file(t):
    one, two, three = Sshd(t), Sshd(t), Sshd(t)
    echo = t.server(Echo)
    path = t.file("config", block("one", one) +
                  block("two", two, "ProxyJump one") +
                  block("three", three, "ProxyJump two"))
    proxy = t.socks("-F", path, "three")
    check_echo(through(t, proxy, echo))
    for server in (one, two, three):
        equal(len(server.sessions()), 1, "sessions")


def test_host_key_alias(t):
    server, echo = Sshd(t), t.server(Echo)
    with open(server.known_hosts) as file:
        key = file.readline().split(None, 1)[1]
    known = t.file("known", f"the-alias {key}")
    path = t.file("config", f"UserKnownHostsFile {known}\n" +
                  block("box", server, "HostKeyAlias The-Alias",
                        "StrictHostKeyChecking yes"))
    check_echo(through(t, t.socks("-F", path, "box"), echo))


def test_command_line_counts_more(t):
    server, echo = Sshd(t), t.server(Echo)
    path = t.file("config", block("box", server).replace(
        f"Port {server.port}", "Port 1").replace(
        f"User {server.user}", "User nobody-such"))
    proxy = t.socks("-F", path, "-p", server.port, "-l", server.user, "box")
    check_echo(through(t, proxy, echo))
    proxy.stop()
    proxy = t.socks("-F", path, f"ssh://{server.user}@box:{server.port}")
    check_echo(through(t, proxy, echo))
    proxy.stop()
    proxy = t.socks("-F", path, "--via", f"ssh://{server.user}@box", "-p",
                    server.port)
    check_echo(through(t, proxy, echo))


def test_a_known_key_of_another_kind_is_asked_for(t):
    """The server has two keys and one of them is known: a list with a + or -
    keeps to ssh's habit of asking for that one first."""
    server = Sshd(t, host_keys=("ed25519", "ecdsa"))
    echo = t.server(Echo)
    with open(server.known_hosts) as file:
        known = t.file("known", "".join(line for line in file
                                        if "ecdsa" in line))
    for more in ((), ("HostKeyAlgorithms +ssh-rsa",),
                 ("HostKeyAlgorithms -rsa-sha2-*",)):
        path = t.file("config", f"UserKnownHostsFile {known}\n" + block(
            "box", server, "StrictHostKeyChecking yes", *more))
        proxy = t.socks("-F", path, "box")
        check_echo(through(t, proxy, echo))
        proxy.stop()
