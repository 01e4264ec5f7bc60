"""The ports that a gateway listens on for its agents: where, by its
GatewayPorts, compared with stock sshd; who may have which; and what becomes of
one when a newer session of the agent asks for it, or the newest leaves."""
import hashlib
import os
import shutil
import signal
import socket
import threading
import time

import gateway as helpers
from gateway import (PROGRAMS, Client, Gateway, agent, ssh_words, start,
                     take_line)
from harness import (SANITIZED, Failed, check, equal, free_port, matches,
                     scaled, wait_until)
from keys import cached_key, public_text, user_key
from mux import ask, done
from origins import Both, Echo, Sink, Source
from raw import Raw
from remote import Held, free_ports, listeners, low, wait_free
from sshd import Sshd
from test_remote_bind import BINDS, WANTED, bound, names
from test_ssh_basic import MEGABYTE, pattern
from wire import check_echo, gone, take_all, through, turned_away

NAMESPACE = True

SIZE = (4 if SANITIZED else 32) * MEGABYTE
BOTH = ["127.0.0.1", "::1"]


# --- where --------------------------------------------------------------------

def check_matrix(t, value, *options):
    """Each way to write the address, asked for by stock ssh and by culvert,
    of stock sshd and of us; through every address a client comes."""
    names(t)
    echo = t.server(Echo)
    ends = dict.fromkeys(BINDS, f":127.0.0.1:{echo.port}")

    def touch(address):
        check_echo(t.socket(address))
    wanted = bound(t, "ssh", Sshd(t, GatewayPorts=value), ends)
    equal(wanted, WANTED[value], "addresses of sshd")
    if value == "clientspecified":
        wanted["gateway.test:"] = []  # we look up no names for others
    gateway = Gateway(t, *options)
    for program in PROGRAMS:
        equal(bound(t, program, gateway, ends, touch=touch), wanted,
              f"addresses for {program}")


def test_gateway_ports_is_no_at_first(t):
    check_matrix(t, "no")


def test_gateway_ports_no(t):
    check_matrix(t, "no", "-o", "GatewayPorts=no")


def test_gateway_ports_yes(t):
    check_matrix(t, "yes", "-o", "GatewayPorts=yes")


def test_gateway_ports_by_g(t):
    check_matrix(t, "yes", "-g")


def test_gateway_ports_clientspecified(t):
    check_matrix(t, "clientspecified", "-o", "GatewayPorts=clientspecified")


def test_clientspecified_leaves_our_own_on_loopback(t):
    gateway = Gateway(t, "-D", free_port(), "-o",
                      "GatewayPorts=clientspecified", socks=False, ready=2)
    equal(listeners(t, gateway.socks[1]), BOTH, "addresses of -D")


def test_dynamic(t):
    """A SOCKS port of the agent's, for whoever reaches it."""
    echo = t.server(Echo)
    for program in PROGRAMS:
        gateway, port = Gateway(t), free_port()
        agent(t, gateway, program, port)
        equal(listeners(t, port), BOTH, f"addresses by {program}")
        check_echo(through(t, ("127.0.0.1", port), echo))


def test_address_that_is_not_there(t):
    """As sshd: nothing listens, and it is told so."""
    names(t)
    ends = {"198.51.100.1:": ":127.0.0.1:1", "no-such.test:": ":127.0.0.1:1",
            "": ":127.0.0.1:1"}
    wanted = {"198.51.100.1:": [], "no-such.test:": [], "": BOTH}
    gateway = Gateway(t, "-o", "GatewayPorts=clientspecified")
    for program in PROGRAMS:
        equal(bound(t, program, gateway, ends), wanted,
              f"addresses for {program}")


def test_port_0(t):
    """It is one of its own each time, told to who asked, and in status."""
    echo = low(t, Echo)
    for program in PROGRAMS:
        gateway = Gateway(t)
        one = agent(t, gateway, program, f"0:127.0.0.1:{echo.port}")
        line = one.wait_line("Allocated port")
        port = int(matches(r"Allocated port (\d+) ", line)[1])
        equal(gateway.agents()[0]["ports"], f"localhost:{port}", "ports")
        equal(listeners(t, port), BOTH, f"addresses by {program}")
        check_echo(t.socket(("127.0.0.1", port)))


def test_several(t):
    """Each leads where it was said to."""
    for program in PROGRAMS:
        gateway = Gateway(t)
        ports = free_ports(4)
        words = []
        for port in ports:
            source = t.server(Source, b"%d" % port)
            words += ["-R", f"{port}:127.0.0.1:{source.port}"]
        start(t, gateway, program, *words)
        for port in ports:
            wait_until(lambda port=port: listeners(t, port), f"port {port}")
            equal(take_all(t.socket(("127.0.0.1", port))), b"%d" % port,
                  "what it led to")


# --- who may ------------------------------------------------------------------

def refused(t, gateway, *words, program="ssh", name="home"):
    """Checks that none of these ports is listened on; the client ends."""
    argv = [*words, *gateway.args(name)]
    if program == "ssh":
        argv = ssh_words(*argv)
    else:
        argv = [helpers.harness.CULVERT, "-N", "-o",
                "ExitOnForwardFailure=yes", *argv]
    one = Client(t, argv)
    equal(one.wait(), 255, f"exit status of {program}")
    one.wait_line("(?i)remote port forwarding failed")


def test_low_ports(t):
    """As root, like any other; else not, whatever the kernel would allow."""
    if os.getuid() != 0:
        t.skip("not root")
    echo = t.server(Echo)
    spec = f"81:127.0.0.1:{echo.port}"
    agent(t, Gateway(t), "ssh", spec)
    check_echo(t.socket(("127.0.0.1", 81)))
    try:
        done = t.run(["setpriv", "--reuid=65534", "--clear-groups", "true"])
        equal(done.returncode, 0, "setpriv")
    except (OSError, Failed):
        t.skip("cannot be another user")
    t.run(["sysctl", "-w", "net.ipv4.ip_unprivileged_port_start=0"])
    gateway = AsNobody(t)
    refused(t, gateway, "-R", f"82:127.0.0.1:{echo.port}")
    agent(t, gateway, "ssh", f"{free_port()}:127.0.0.1:{echo.port}")


class AsNobody(Gateway):
    """One that a user without rights runs, with files of that user's."""

    def __init__(self, t):
        home = t.tmp("nobody")
        os.mkdir(home)
        keys = t.file("nobody_keys", f"{public_text(user_key())}\n", 0o644)
        key = os.path.join(home, "host_key")
        for suffix, mode in (("", 0o600), (".pub", 0o644)):
            shutil.copy(cached_key("host") + suffix, key + suffix)
            os.chmod(key + suffix, mode)
        for path in (home, key, keys):
            os.chown(path, 65534, 65534)
        wrap = ["setpriv", "--reuid=65534", "--regid=65534",
                "--clear-groups"]
        super().__init__(t, "--authorized-keys", keys, host_key=key,
                         keys=False, control=os.path.join(home, "control"),
                         wrap=wrap)


def test_permitlisten(t):
    one, two, three = free_ports(3)
    gateway = Gateway(t, options=f'permitlisten="{one}",'
                      f'permitlisten="localhost:{two}"')
    for program in PROGRAMS:
        for words in (("-R", f"{three}:127.0.0.1:1"), ("-R", three),
                      ("-R", "0:127.0.0.1:1"),
                      ("-R", f"*:{two}:127.0.0.1:1")):
            refused(t, gateway, *words, program=program)
        good = start(t, gateway, program, "-R", f"{one}:127.0.0.1:1", "-R",
                     f"localhost:{two}:127.0.0.1:1")
        wait_until(lambda: listeners(t, one) and listeners(t, two), "both")
        good.end()
        wait_free(t, one)
        wait_free(t, two)


def test_port_of_another_agent(t):
    """It stays whose it is; with the first gone it is to be had."""
    source = t.server(Source, b"home")
    other = t.server(Source, b"office")
    gateway, port = Gateway(t), free_port()
    one = agent(t, gateway, "ssh", f"{port}:127.0.0.1:{source.port}")
    for program in PROGRAMS:
        refused(t, gateway, "-R", f"{port}:127.0.0.1:{other.port}",
                program=program, name="office")
        equal(take_all(t.socket(("127.0.0.1", port))), b"home", "who has it")
    one.kill()
    wait_free(t, port)
    agent(t, gateway, "ssh", f"{port}:127.0.0.1:{other.port}", name="office")
    equal(take_all(t.socket(("127.0.0.1", port))), b"office", "who has it")


def test_port_of_somebody_else(t):
    """Another program's, and our own."""
    gateway = Gateway(t)
    held = t.server(Held)
    for port in (held.port, gateway.port, gateway.socks[1]):
        refused(t, gateway, "-R", f"127.0.0.1:{port}:127.0.0.1:1")
    held.close()
    agent(t, gateway, "ssh", held.port)


# --- cancelled ----------------------------------------------------------------

def test_cancel(t):
    """-O cancel, and forward: while what runs goes on."""
    echo = t.server(Echo)
    gateway, path = Gateway(t), t.tmp("master")
    for program in PROGRAMS:
        if program == "ssh":
            master = Client(t, ssh_words("-M", "-S", path,
                                         *gateway.args()))
        else:
            master = Client(t, [helpers.harness.CULVERT, "-M", "-S", path,
                                *gateway.args()])
        wait_until(lambda: os.path.exists(path), "a control socket")
        for _ in range(3):
            spec = "-R", f"{free_port()}:127.0.0.1:{echo.port}"
            port = int(spec[1].partition(":")[0])
            done(ask(t, program, "forward", path, *spec))
            sock = t.socket(("127.0.0.1", port))
            check_echo(sock)
            done(ask(t, program, "cancel", path, *spec))
            wait_free(t, port)
            gateway.wait_agents(ports=0)
            check("ports=localhost" not in "".join(gateway.status()),
                  "status tells of it")
            check_echo(sock)
            sock.close()
        master.stop()


def test_cancel_what_is_not_there(t):
    """It is refused, and so is another agent's."""
    gateway = Gateway(t)
    home, office = Raw(t, gateway), Raw(t, gateway, "office")
    port = home.listen()
    equal(home.cancel(port + 1), None, "a port that nobody has")
    equal(office.cancel(port), None, "another agent's port")
    equal(home.cancel(port, "10.0.0.1"), None, "another address")
    equal(listeners(t, port), BOTH, "addresses")
    check(home.cancel(port) is not None, "its own was not cancelled")
    wait_free(t, port)
    equal(home.cancel(port), None, "the same again")
    check(home.listen(port) == port, "it was not to be had again")


def test_asked_for_twice(t):
    """By one session: what was so is so."""
    gateway = Gateway(t)
    home = Raw(t, gateway)
    port = home.listen()
    home.listen(port)
    check(listeners(t, port), "nothing listens")
    home.cancel(port)
    home.cancel(port)
    wait_free(t, port)
    equal(home.listen(port), port, "the same later")


# --- newer sessions -----------------------------------------------------------

class Turns:
    """Sessions of one agent, one after the other, of which each leads its
    port to a server with a word of its own."""

    def __init__(self, t, program):
        self.t = t
        self.program = program
        self.gateway = Gateway(t)
        self.port = free_port()

    def start(self, word):
        source = self.t.server(Greeter, word.encode())
        return start(self.t, self.gateway, self.program, "-R",
                     f"{self.port}:127.0.0.1:{source.port}")

    def open(self):
        """A client, and whose it is."""
        sock = self.t.socket(("127.0.0.1", self.port))
        return sock, take_line(sock).decode().strip()

    def leads(self, word):
        try:
            sock, found = self.open()
            sock.close()
            return found == word
        except (OSError, Failed):
            return False

    def wait(self, word, seconds=1):
        began = time.monotonic()
        wait_until(lambda: self.leads(word), f"the port leads to {word}")
        took = time.monotonic() - began
        check(took < scaled(seconds), f"{word} had it after {took:.2f} s")


class Greeter(Echo):
    """Says its word first."""

    def __init__(self, word):
        self.word = word
        super().__init__()

    def serve(self, sock):
        sock.sendall(self.word + b"\n")
        return super().serve(sock)


def check_turns(t, program):
    """The newest has the port as soon as it is in; when it goes, the newest
    of the others; who has been let in stays where it is."""
    turns = Turns(t, program)
    found = {}
    for count, word in enumerate(("one", "two", "three"), 1):
        found[word] = turns.start(word)
        turns.gateway.wait_agents(count=count, ports=None)
        turns.wait(word)
        check(turns.leads(word), "who has it")
    turns.gateway.wait_event(name="home", state="displaced",
                             port=str(turns.port))
    sock, word = turns.open()
    equal(word, "three", "who has it")
    found["two"].kill()
    turns.gateway.wait_agents(count=2, ports=None)
    check(turns.leads("three"), "the newest has it no more")
    check_echo(sock)
    found["three"].kill()
    turns.wait("one", 2)
    gone(sock)
    found["one"].kill()
    wait_free(t, turns.port)


def test_turns_of_stock_ssh(t):
    check_turns(t, "ssh")


def test_turns_of_culvert(t):
    check_turns(t, "culvert")


def test_streams_of_a_displaced_session_go_on(t):
    turns = Turns(t, "ssh")
    turns.start("one")
    turns.gateway.wait_agents()
    sock, word = turns.open()
    equal(word, "one", "who has it")
    turns.start("two")
    turns.wait("two", 5)
    check_echo(sock)


def test_frozen_session_is_displaced(t):
    """At once: nobody waits for its keep-alives."""
    for program in PROGRAMS:
        turns = Turns(t, program)
        one = turns.start("one")
        turns.gateway.wait_agents()
        one.signal(signal.SIGSTOP)
        turns.start("two")
        turns.gateway.wait_agents(count=2, ports=None)
        turns.wait("two")


def test_cancel_hands_back(t):
    """By the newest: an older one that still wants the port has it."""
    gateway = Gateway(t)
    one, two = Raw(t, gateway), Raw(t, gateway)
    port = one.listen()
    equal(two.listen(port), port, "the second")
    t.socket(("127.0.0.1", port))
    two.wait(lambda: two.opened, "a channel")
    two.cancel(port)
    t.socket(("127.0.0.1", port))
    one.wait(lambda: one.opened, "a channel")
    one.cancel(port)
    wait_free(t, port)


def test_cancel_by_the_displaced_takes_nothing(t):
    gateway = Gateway(t)
    one, two = Raw(t, gateway), Raw(t, gateway)
    port = one.listen()
    equal(two.listen(port), port, "the second")
    one.cancel(port)
    t.socket(("127.0.0.1", port))
    two.wait(lambda: two.opened, "a channel")
    two.end()
    wait_free(t, port)


# --- both ends ----------------------------------------------------------------

def test_channel_says_where_it_is_from(t):
    """The address that was asked for, the port, and the client's (RFC 4254
    7.2)."""
    gateway = Gateway(t)
    home = Raw(t, gateway)
    for address in ("localhost", "127.0.0.1", ""):
        port = home.listen(address=address)
        before = len(home.opened)
        t.socket(("127.0.0.1", port))
        home.wait(lambda before=before: len(home.opened) > before,
                  "a channel")
        equal(home.opened[1000 + before][3:], (address.encode(), port),
              "where it is from")


def clients(t, server):
    for program in PROGRAMS:
        gateway, port = Gateway(t), free_port()
        agent(t, gateway, program, f"{port}:127.0.0.1:{server.port}")
        yield t.socket(("127.0.0.1", port), seconds=30)


def test_half_closes(t):
    for sock in clients(t, t.server(Sink)):
        sock.sendall(b"all there is")
        sock.shutdown(socket.SHUT_WR)
        equal(take_all(sock).decode(),
              hashlib.sha256(b"all there is").hexdigest(), "answer")
    source = t.server(Source, b"so long")
    for count, sock in enumerate(clients(t, source), 1):
        equal(take_all(sock), b"so long", "what came")
        sock.sendall(b"and thanks")
        sock.shutdown(socket.SHUT_WR)
        equal(source.wait_seen(count)[-1], b"and thanks", "what arrived")


def test_large_both_ways_at_once(t):
    data = pattern(SIZE)
    both = t.server(Both, data)
    for count, sock in enumerate(clients(t, both), 1):
        sender = threading.Thread(target=lambda sock=sock: (
            sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        check(take_all(sock) == data, "what came differs")
        sender.join()
        equal(both.wait_seen(count)[-1], hashlib.sha256(data).hexdigest(),
              "sum of what arrived")


def test_agent_whose_target_refuses(t):
    """The client is sent away, and the next is served."""
    for program in PROGRAMS:
        port, near = free_ports(2)
        gateway = Gateway(t)
        agent(t, gateway, program, f"{port}:127.0.0.1:{near}")
        turned_away(t, ("127.0.0.1", port))
        echo = t.server(Echo, port=near)
        check_echo(t.socket(("127.0.0.1", port)))
        echo.close()


def test_older_session_that_asks_last(t):
    """It has the port's clients, as the log says; then the other again."""
    gateway = Gateway(t)
    older, newer = Raw(t, gateway), Raw(t, gateway)
    port = newer.listen()
    check(older.listen(port), "the port is refused")
    gateway.wait_event(state="displaced", port=str(port))
    t.socket(("127.0.0.1", port))
    older.wait(lambda: older.opened, "a channel to the one that asked last")
    equal(newer.opened, {}, "channels to the other")
    check(older.cancel(port), "its end is refused")
    t.socket(("127.0.0.1", port))
    newer.wait(lambda: newer.opened, "a channel to the other")
