"""Where a server listens: each way to write the address, by each value of its
GatewayPorts, compared with what it does for stock ssh."""
import subprocess

from dns import bind_file
from harness import Lines, check, equal, wait_until
from mux import refuses
from origins import Echo
from remote import REACHED_AT, fixed, free_ports, listeners, remote
from sshd import Sshd, wait_in
from wire import check_echo, through

NAMESPACE = True

# What stands before the port, as it is written.
BINDS = ("", ":", "*:", "localhost:", "127.0.0.1:", "127.0.0.2:", "0.0.0.0:",
         "[::]:", "[::1]:", "gateway.test:")

LOOPBACK = ["127.0.0.1", "::1"]
EVERYWHERE = ["0.0.0.0", "::"]

# As sshd_config(5) and RFC 4254 (7.1) have it; "no" leaves who asks for one
# loopback address that one.
WANTED = {
    "no": dict(dict.fromkeys(BINDS, LOOPBACK), **{
        "127.0.0.1:": ["127.0.0.1"], "[::1]:": ["::1"]}),
    "yes": dict.fromkeys(BINDS, EVERYWHERE),
    "clientspecified": {
        "": LOOPBACK, ":": EVERYWHERE, "*:": EVERYWHERE,
        "localhost:": LOOPBACK, "127.0.0.1:": ["127.0.0.1"],
        "127.0.0.2:": ["127.0.0.2"], "0.0.0.0:": ["0.0.0.0"],
        "[::]:": ["::"], "[::1]:": ["::1"], "gateway.test:": ["127.0.0.5"],
    },
}

OUTCOME = (r"listening on .* at |remote port forwarding failed|"
           r"remote forward (success|failure) for")


def names(t):
    bind_file(t, "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"
              "127.0.0.5 gateway.test\n")


class Ssh:
    """Stock ssh with the same arguments, once it has had its answers."""

    def __init__(self, t, args, count):
        self.process = t.program(["ssh", "-N", "-v", *args],
                                 stdin=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE)
        log = Lines(self.process.stderr, open(t.tmp("ssh.log"), "wb"))
        wait_in(log, OUTCOME, count=count)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def started(t, program, words, server):
    """ssh or culvert, when the server has answered for each -R."""
    args = [*words, *server.args()]
    count = words.count("-R")
    if program == "ssh":
        return Ssh(t, args, count)
    proxy = t.culvert(*args, listeners=0)
    if count == 1:
        proxy.wait_line(OUTCOME)
    else:
        proxy.wait_line(OUTCOME, count=count)
    return proxy


def bound(t, program, server, ends, options=(), touch=False):
    """The addresses that the server listens on, by how each was written;
    with touch all of them are tried."""
    port_of = dict(zip(ends, free_ports(len(ends))))
    words = [*options]
    for start, port in port_of.items():
        words += ["-R", f"{start}{port}{ends[start]}"]
    process = started(t, program, words, server)
    found = {start: listeners(t, port) for start, port in port_of.items()}
    for start, port in port_of.items() if touch else ():
        for address in found[start]:
            touch((REACHED_AT.get(address, address), port))
    process.stop()
    for port in port_of.values():
        wait_until(lambda port=port: not listeners(t, port), "free ports")
    return found


def check_matrix(t, gateway_ports):
    """By a fixed port each, through every address of which a client comes;
    the table says what stock ssh has, too."""
    names(t)
    echo = t.server(Echo)
    server = Sshd(t, GatewayPorts=gateway_ports)
    ends = dict.fromkeys(BINDS, f":127.0.0.1:{echo.port}")

    def touch(address):
        check_echo(t.socket(address))
    stock = bound(t, "ssh", server, ends, touch=touch)
    equal(stock, WANTED[gateway_ports], "addresses with ssh")
    ours = bound(t, "culvert", server, ends, touch=touch)
    equal(ours, stock, "addresses with culvert")


def test_gateway_ports_no(t):
    check_matrix(t, "no")


def test_gateway_ports_yes(t):
    check_matrix(t, "yes")


def test_gateway_ports_clientspecified(t):
    check_matrix(t, "clientspecified")


def test_dynamic(t):
    """The same for SOCKS ports."""
    names(t)
    echo = t.server(Echo)

    def touch(address):
        check_echo(through(t, address, echo))
    for value, wanted in WANTED.items():
        server = Sshd(t, GatewayPorts=value)
        ends = dict.fromkeys(BINDS, "")
        equal(bound(t, "culvert", server, ends, touch=touch), wanted,
              f"addresses with GatewayPorts {value}")


def test_our_own_gateway_ports(t):
    """-g is for local forwards, here as in ssh."""
    names(t)
    ends = dict.fromkeys(BINDS, ":127.0.0.1:1")
    server = Sshd(t, GatewayPorts="clientspecified")
    for options in (["-g"], ["-o", "GatewayPorts=yes"]):
        for program in ("ssh", "culvert"):
            equal(bound(t, program, server, ends, options),
                  WANTED["clientspecified"],
                  f"addresses with {program} {options}")


def test_from_the_configuration(t):
    """RemoteForward writes them alike."""
    names(t)
    server = Sshd(t, GatewayPorts="clientspecified")
    found = {}
    for program in ("ssh", "culvert"):
        port_of = dict(zip(BINDS, free_ports(len(BINDS))))
        config = t.file("config", "Host *\n" + "".join(
            f"  RemoteForward {start}{port} 127.0.0.1:1\n"
            for start, port in port_of.items()))
        args = [*server.args(), "-F", config]
        process = (Ssh(t, args, len(BINDS)) if program == "ssh" else
                   t.culvert(*args, listeners=len(BINDS)))
        found[program] = {start: listeners(t, port)
                          for start, port in port_of.items()}
        process.stop()
        for port in port_of.values():
            wait_until(lambda port=port: not listeners(t, port), "free ports")
    equal(found["ssh"], WANTED["clientspecified"], "addresses with ssh")
    equal(found["culvert"], found["ssh"], "addresses with culvert")


def test_no_is_loopback_from_outside(t):
    """With GatewayPorts no nobody else reaches what was asked for "*"."""
    server = Sshd(t)
    proxy, (port,) = remote(t, server, "-R", "*:0:127.0.0.1:1")
    check(refuses(t, ("127.0.0.2", port.port)), "127.0.0.2 has it")


def test_address_that_is_not_there(t):
    """Both are told so, and neither listens anywhere."""
    names(t)
    server = Sshd(t, GatewayPorts="clientspecified")
    ends = {"198.51.100.1:": ":127.0.0.1:1", "no-such.test:": ":127.0.0.1:1",
            "": ":127.0.0.1:1"}
    wanted = {"198.51.100.1:": [], "no-such.test:": [], "": LOOPBACK}
    equal(bound(t, "ssh", server, ends), wanted, "addresses with ssh")
    equal(bound(t, "culvert", server, ends), wanted, "addresses with culvert")


def test_one_address_of_two(t):
    """A server that gets one family's listener alone has listened."""
    echo = t.server(Echo)
    server = Sshd(t)
    held = t.server(Echo, "::1")
    found = {}
    for program in ("ssh", "culvert"):
        process = started(t, program, [
            "-R", f"{held.port}:127.0.0.1:{echo.port}"], server)
        found[program] = listeners(t, held.port)
        check_echo(t.socket(("127.0.0.1", held.port)))
        process.stop()
        wait_until(lambda: listeners(t, held.port) == ["::1"], "its end")
    equal(found["culvert"], found["ssh"], "addresses")
    equal(echo.accepted, 2, "clients")


def test_ready_line_of_an_ipv6_address(t):
    """In brackets, as it is written."""
    echo = t.server(Echo)
    server = Sshd(t, GatewayPorts="clientspecified")
    port, = free_ports(1)
    proxy, (found,) = remote(t, server, "-R",
                             f"[::1]:{port}:127.0.0.1:{echo.port}")
    equal(found.where, f"[::1]:{port}", "where")
    check_echo(t.socket(found.address))


def test_server_of_ipv6(t):
    """SERVER is written as it is given, the port behind it."""
    server = Sshd(t, "::1")
    proxy, port = fixed(t, server, t.server(Echo))
    equal(port.server, f"{server.user}@[::1]:{server.port}", "server")
    check_echo(t.socket(port.address))
