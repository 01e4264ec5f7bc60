"""Servers that do not listen for us: what is said of the cause, what the
program ends with or goes on with, and what is wrong with the request itself."""
import os
import re
import signal
import time

from harness import (CULVERT, check, equal, free_port, matches,
                     sanitizer_environment)
from origins import Echo
from processes import children
from remote import Held, back_within, free_ports, leads, listeners, low, remote
from sshd import Sshd
from test_ssh_basic import in_background
from wire import check_echo, through

NAMESPACE = True

EXIT = "-o", "ExitOnForwardFailure=yes"


def check_refused(t, server, words, port=None, more=()):
    """The message has one line, which tells of the request and holds these
    words; the exit status is ssh's."""
    port = port or free_port()
    spec = f"{port}:localhost:80"
    status, said = t.fails("-R", spec, *EXIT, *more, *server.args())
    equal(status, 255, f"exit status: {said}")
    lines = [line for line in said.splitlines() if "-R" in line]
    equal(len(lines), 1, f"lines of {said!r}")
    matches(re.escape(f"culvert: -R {spec}: remote port forwarding failed "
                      f"for listen port {port}: "), lines[0], "message")
    for word in words:
        matches(word, lines[0], "message")
    return lines[0]


# --- what the server's owner forbids ------------------------------------------

def test_allow_tcp_forwarding_no(t):
    check_refused(t, Sshd(t, AllowTcpForwarding="no"), ["AllowTcpForwarding"])


def test_allow_tcp_forwarding_local(t):
    check_refused(t, Sshd(t, AllowTcpForwarding="local"),
                  ["AllowTcpForwarding"])


def test_allow_tcp_forwarding_remote(t):
    """Enough for us."""
    server, echo = Sshd(t, AllowTcpForwarding="remote"), low(t, Echo)
    proxy, (port,) = remote(t, server, "-R",
                            f"0:localhost:{echo.port}")
    check_echo(t.socket(port.address))


def test_disable_forwarding(t):
    check_refused(t, Sshd(t, DisableForwarding="yes"), ["DisableForwarding"])


def test_permit_listen(t):
    check_refused(t, Sshd(t, PermitListen="localhost:1"), ["PermitListen"])


def test_permit_listen_none(t):
    check_refused(t, Sshd(t, PermitListen="none"), ["PermitListen"])


def test_permit_listen_of_what_is_asked(t):
    server = Sshd(t, PermitListen="localhost:8080")
    echo = t.server(Echo)
    proxy, (port,) = remote(t, server, "-R", f"8080:localhost:{echo.port}")
    check_echo(t.socket(port.address))


def test_key_with_restrictions(t):
    for restrict in ("restrict", "no-port-forwarding"):
        check_refused(t, Sshd(t, restrict=restrict),
                      ["restrict|no-port-forwarding"])


def test_key_with_permitlisten(t):
    check_refused(t, Sshd(t, restrict='permitlisten="4444"'),
                  ["permitlisten="])


def test_key_with_permitlisten_of_what_is_asked(t):
    server = Sshd(t, restrict='restrict,port-forwarding,permitlisten="8080"')
    echo = t.server(Echo)
    proxy, (port,) = remote(t, server, "-R", f"8080:localhost:{echo.port}")
    check_echo(t.socket(port.address))


# --- what the system has against it -------------------------------------------

def test_port_below_1024(t):
    """Of a user who is not root."""
    if os.getuid() != 0 or not mapped(65534):
        t.skip("no user but root to log in as")
    server = Sshd(t)
    os.chmod(server.authorized, 0o644)
    server.user = "nobody"
    check_refused(t, server, ["1024"], 81)


def mapped(uid):
    """Whether this user namespace knows a user."""
    with open("/proc/self/uid_map") as file:
        for line in file:
            first, _, count = map(int, line.split())
            if first <= uid < first + count:
                return True
    return False


def test_port_below_1024_is_root_s(t):
    echo = t.server(Echo)
    if os.getuid() != 0 or not mapped(65534):
        t.skip("no root of this network")
    proxy, (port,) = remote(t, Sshd(t), "-R", f"81:localhost:{echo.port}")
    check_echo(t.socket(port.address))


def test_port_that_is_taken(t):
    line = check_refused(t, Sshd(t), ["taken|in use"], t.server(Held).port)
    check("AllowTcpForwarding" not in line, f"a policy is blamed: {line}")


def test_address_that_is_not_there(t):
    server = Sshd(t, GatewayPorts="clientspecified")
    spec = f"198.51.100.1:{free_port()}"
    status, said = t.fails("-R", spec, *EXIT, *server.args())
    equal(status, 255, f"exit status: {said}")
    matches(re.escape(f"-R {spec}: remote port forwarding failed for listen "
                      f"port {spec.split(':')[1]}: "), said, "message")
    matches("address", said, "message")


# --- without ExitOnForwardFailure ---------------------------------------------

def with_one_refused(t, server, spec):
    """With -D and a port that is free beside; returns the proxy when all
    that stands has been told, the address of -D, and the port."""
    free, = free_ports(1)
    proxy = t.culvert("-R", spec, "-D", "127.0.0.1:0", "-R", free,
                      *server.args(), listeners=2)
    proxy.wait_line("remote port forwarding failed")
    where, = [where for where, _ in proxy.listening if " at " not in where]
    return proxy, ("127.0.0.1", int(where.rpartition(":")[2])), free


def test_the_rest_works(t):
    held, echo = t.server(Held), t.server(Echo)
    proxy, socks, free = with_one_refused(
        t, Sshd(t), f"{held.port}:localhost:{echo.port}")
    line = proxy.wait_line("remote port forwarding failed")
    matches("taken|in use", line, "message")
    check_echo(through(t, socks, echo))
    check_echo(through(t, ("127.0.0.1", free), echo))


def test_it_comes_when_the_port_is_free(t):
    """Without a new login, and what is under way goes on."""
    held, echo = t.server(Held), t.server(Echo)
    server = Sshd(t)
    proxy, socks, free = with_one_refused(
        t, server, f"{held.port}:localhost:{echo.port}")
    sock = through(t, socks, echo)
    before = server.sessions()
    time.sleep(0.5)
    held.close()
    proxy.wait_line(f"listening on localhost:{held.port} at ", 6)
    check_echo(t.socket(("127.0.0.1", held.port)))
    check_echo(sock)
    check(set(before) <= set(server.sessions()), "a link was lost")


def test_it_is_told_once(t):
    """And not with each try."""
    held = t.server(Held)
    proxy, socks, free = with_one_refused(t, Sshd(t),
                                          f"{held.port}:localhost:1")
    time.sleep(1.5)
    equal(proxy.text().count("remote port forwarding failed"), 1, "lines")


def test_two_that_are_refused(t):
    """Each has its own line, and comes by itself."""
    one, two = t.server(Held), t.server(Held)
    echo = t.server(Echo)
    server = Sshd(t)
    proxy = t.culvert("-R", f"{one.port}:localhost:{echo.port}", "-R",
                      f"{two.port}:localhost:{echo.port}", *server.args(),
                      listeners=0)
    proxy.wait_line("remote port forwarding failed", count=2)
    two.close()
    proxy.wait_line(f"listening on localhost:{two.port} at ", 6)
    check_echo(t.socket(("127.0.0.1", two.port)))
    one.close()
    proxy.wait_line(f"listening on localhost:{one.port} at ", 6)
    check_echo(t.socket(("127.0.0.1", one.port)))


def test_policy_is_not_asked_again_and_again(t):
    """A policy does not change by the second. That it is one may have taken
    a second request to find out."""
    server = Sshd(t, PermitListen="localhost:1")
    proxy = t.culvert("-R", f"{free_port()}:localhost:1", "-D", "127.0.0.1:0",
                      *server.args())
    proxy.wait_line("remote port forwarding failed.*PermitListen")
    time.sleep(2)
    # A first refusal may be asked about once more.
    asked = server.text().count("the request was denied")
    check(1 <= asked <= 2, f"{asked} requests")
    equal(len(server.sessions()), 1, "links")


def test_policy_that_changes(t):
    """It is asked again by the next link."""
    server = Sshd(t, PermitListen="localhost:1")
    echo = t.server(Echo)
    port = free_port()
    proxy = t.culvert("-R", f"{port}:localhost:{echo.port}", *server.args(),
                      listeners=0)
    proxy.wait_line("remote port forwarding failed")
    server.stop()
    server.configure({})
    server.start()
    proxy.wait_line(f"listening on localhost:{port} at ")
    check_echo(t.socket(("127.0.0.1", port)))


def test_one_of_two_with_exit_on_forward_failure(t):
    """One is enough to end it; nothing is left on the server."""
    held = t.server(Held)
    server = Sshd(t)
    free, = free_ports(1)
    status, said = t.fails("-R", free, "-R", f"{held.port}:localhost:1",
                           "-D", "127.0.0.1:0", *EXIT, *server.args())
    equal(status, 255, f"exit status: {said}")
    server.wait_sessions(0)
    equal(listeners(t, free), [], "addresses")


# --- -f -----------------------------------------------------------------------

def test_background(t):
    """The port is there when the command has returned."""
    echo = t.server(Echo)
    server = Sshd(t)
    port = free_port()
    in_background(t, "-R", f"{port}:localhost:{echo.port}", *server.args())
    equal(listeners(t, port), ["127.0.0.1", "::1"], "addresses")
    check_echo(t.socket(("127.0.0.1", port)))


def test_background_with_exit_on_forward_failure(t):
    echo = t.server(Echo)
    server = Sshd(t)
    port = free_port()
    in_background(t, *EXIT, "-R", port, *server.args())
    equal(listeners(t, port), ["127.0.0.1", "::1"], "addresses")
    check_echo(through(t, ("127.0.0.1", port), echo))


def test_background_port_0(t):
    """Who asked can read which it is."""
    server, echo = Sshd(t), low(t, Echo)
    before = set(children(os.getpid()))
    done = t.run([CULVERT, "-f", "-R", f"0:localhost:{echo.port}",
                  *server.args()],
                 env=sanitizer_environment(t.new_report()))
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    t.defer(end_children, before)
    found = matches(rf"^Allocated port (\d+) for remote forward to "
                    rf"localhost:{echo.port}$", done.stderr.decode(), "line")
    check_echo(t.socket(("127.0.0.1", int(found[1]))))


def end_children(before):
    for pid in set(children(os.getpid())) - before:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"culvert" in file.read().split(b"\0")[0]:
                os.kill(pid, signal.SIGINT)
                os.waitpid(pid, 0)


def test_background_that_is_refused(t):
    """The command's own status, and no process stays."""
    server = Sshd(t)
    before = children(os.getpid())
    check_refused(t, server, ["taken|in use"], t.server(Held).port, ["-fN"])
    equal(children(os.getpid()), before, "processes")
    server.wait_sessions(0)


def test_background_that_goes_on(t):
    """Without the option it stays, and gets the port later."""
    held, echo = t.server(Held), t.server(Echo)
    in_background(t, "-R", f"{held.port}:localhost:{echo.port}",
                  *Sshd(t).args())
    with open(t.tmp("log")) as file:
        matches("remote port forwarding failed", file.read(), "log")
    held.close()

    class There:
        address = "127.0.0.1", held.port
    back_within(6, lambda: leads(t, There), "the port")


# --- what is wrong with the request -------------------------------------------

def test_needs_a_destination(t):
    for spec in ("8080", "8080:localhost:80", "8080:/tmp/x"):
        status, said = t.fails("-R", spec)
        equal(status, 2, f"exit status: {said}")
        matches("-R.*needs a destination", said, "message")


def test_remote_unix_socket(t):
    """Which cannot be asked for."""
    for spec in ("/run/far:localhost:80", "/run/far:/run/near"):
        status, said = t.fails("-R", spec, "x@127.0.0.1")
        equal(status, 2, f"exit status: {said}")
        matches("(?i)-R.*unix socket", said, "message")


# As ssh has it: what is right, and what is not.
GOOD = ("0", ":80", "a:80", "[::1]:80", "*:80", "80:/a", "80:[::1]:80",
        "localhost:0:x:80", "http:a:80", "80:a:http")
BAD = ("", "x", "-1", "65536", "99999", "80:a", "80:a:b", "a:b:80:c",
       "80:a:70000", "80:a:0", "0:0:0", "::1:80", "[::1:80", "80:a:80 ",
       "1:2:3:4:5")


def test_specs(t):
    wrong = []
    for spec in GOOD + BAD:
        wanted = spec in GOOD
        ssh = t.run(["ssh", "-F", "none", "-G", "-R", spec, "x"])
        status, said = t.fails("-G", "-F", "none", "-R", spec, "x")
        if (ssh.returncode == 0) != wanted:
            wrong.append(f"{spec!r} with ssh: {ssh.returncode}")
        if status != (0 if wanted else 2):
            wrong.append(f"{spec!r}: {status} {said}")
        if not wanted and "-R" not in said:
            wrong.append(f"{spec!r}: {said}")
    check(not wrong, "\n".join(wrong))


def test_same_request_twice(t):
    """Is one, as with ssh, and so nothing fails."""
    echo = t.server(Echo)
    server = Sshd(t)
    for spec in (f"{free_port()}:localhost:{echo.port}", "0"):
        args = ["-R", spec, "-R", spec, *EXIT, *server.args()]
        proxy = t.culvert(*args)
        equal(len(proxy.listening), 1, "ready lines")
        proxy.stop()
        equal(proxy.text().count("Allocated"), int(spec == "0"), "ports")


def test_same_port_twice(t):
    """The second finds it taken by the first, which works."""
    echo = t.server(Echo)
    server = Sshd(t)
    port = free_port()
    proxy = t.culvert("-R", f"{port}:localhost:{echo.port}", "-R", port,
                      "-D", "127.0.0.1:0", *server.args(), listeners=2)
    proxy.wait_line(f"remote port forwarding failed for listen port {port}")
    first = [what for where, what in proxy.listening if " at " in where]
    check(len(first) == 1, f"they stand: {first}")
    there = "127.0.0.1", port
    if "socks" in first[0]:
        check_echo(through(t, there, echo))
    else:
        check_echo(t.socket(there))
