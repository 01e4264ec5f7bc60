"""-O forward and -O cancel of remote forwards: by ssh and by culvert, against
us and against ssh; and what -O status tells of them."""
import os
import re

from harness import check, equal, free_port, matches, wait_until
from mux import (OPEN_FORWARD, PROGRAMS, Caller, ask, at, done, message,
                 ssh_master, string)
from origins import Echo, Source
from remote import Held, free_ports, listeners, low, wait_free
from sshd import Sshd
from wire import check_echo, gone, take, take_all, through

NAMESPACE = True

BOTH = ["127.0.0.1", "::1"]
REMOTE_FORWARD = 2


def master(t, server, *args):
    """A culvert with a control socket and these forwards; returns it, and
    the socket's path."""
    path = t.tmp(f"control{len(t.undo)}")
    count = sum(arg in ("-R", "-D", "-L") for arg in args)
    proxy = t.culvert("-M", "-S", path, *args, *server.args(),
                      listeners=count)
    wait_until(lambda: os.path.exists(path), "the control socket")
    return proxy, path


# --- ssh and culvert ask us ---------------------------------------------------

def test_forward_and_cancel(t):
    """The port is there when -O forward has ended."""
    server, echo = Sshd(t), t.server(Echo)
    proxy, path = master(t, server)
    for program in PROGRAMS:
        port = free_port()
        spec = "-R", f"{port}:localhost:{echo.port}"
        done(ask(t, program, "forward", path, *spec))
        equal(listeners(t, port), BOTH, f"addresses by {program}")
        check_echo(t.socket(at(port)))
        done(ask(t, program, "cancel", path, *spec))
        wait_free(t, port)


def test_forward_and_cancel_dynamic(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy, path = master(t, server)
    for program in PROGRAMS:
        port = free_port()
        done(ask(t, program, "forward", path, "-R", port))
        check_echo(through(t, at(port), echo))
        done(ask(t, program, "cancel", path, "-R", port))
        wait_free(t, port)


def test_forward_to_a_unix_socket(t):
    server, echo = Sshd(t), t.server(Echo, t.tmp("near"))
    proxy, path = master(t, server)
    for program in PROGRAMS:
        port = free_port()
        spec = "-R", f"{port}:{echo.host}"
        done(ask(t, program, "forward", path, *spec))
        check_echo(t.socket(at(port)))
        done(ask(t, program, "cancel", path, *spec))
        wait_free(t, port)


def test_bind_addresses(t):
    """They are what they are at the start."""
    server = Sshd(t, GatewayPorts="clientspecified")
    proxy, path = master(t, server)
    for program in PROGRAMS:
        for start, wanted in (("", BOTH), ("*:", ["0.0.0.0", "::"]),
                              ("127.0.0.2:", ["127.0.0.2"]),
                              ("[::1]:", ["::1"])):
            port = free_port()
            spec = "-R", f"{start}{port}:localhost:1"
            done(ask(t, program, "forward", path, *spec))
            equal(listeners(t, port), wanted, f"{program} {start}")
            done(ask(t, program, "cancel", path, *spec))
            wait_free(t, port)


def test_several_at_once(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy, path = master(t, server)
    for program in PROGRAMS:
        one, two, three = free_ports(3)
        specs = ("-R", one, "-R", f"{two}:localhost:{echo.port}", "-D",
                 f"127.0.0.1:{three}")
        done(ask(t, program, "forward", path, *specs))
        check_echo(through(t, at(one), echo))
        check_echo(t.socket(at(two)))
        check_echo(through(t, at(three), echo))
        done(ask(t, program, "cancel", path, *specs))
        for port in (one, two, three):
            wait_free(t, port)


def test_port_0(t):
    """The port alone on standard output, as scripts read it."""
    server, echo = Sshd(t), low(t, Echo)
    proxy, path = master(t, server)
    for program in PROGRAMS:
        for spec, dial in (
                (f"0:localhost:{echo.port}", lambda port: t.socket(at(port))),
                ("0", lambda port: through(t, at(port), echo))):
            asked = done(ask(t, program, "forward", path, "-R", spec))
            port = int(matches(r"^(\d+)$", asked.out, "output")[1])
            equal(listeners(t, port), BOTH, "addresses")
            check_echo(dial(port))


def test_port_0_twice(t):
    """The same request again has the same port, as with ssh; another has
    another."""
    server = Sshd(t)
    for start in (master, ssh_master):
        _, path = start(t, server)
        for program in PROGRAMS:
            found = [done(ask(t, program, "forward", path, "-R", spec)).out
                     for spec in ("0:localhost:1", "0:localhost:1", "0")]
            equal(found[0], found[1], f"ports that {program} is told")
            check(found[2] != found[0], f"{program} is told the same port")


def test_cancel_of_port_0(t):
    """As it was asked for: ssh knows it by that."""
    server = Sshd(t)
    for start in (master, ssh_master):
        _, path = start(t, server)
        for program in PROGRAMS:
            spec = "-R", "0:localhost:1"
            port = int(done(ask(t, program, "forward", path, *spec)).out)
            done(ask(t, program, "cancel", path, *spec))
            wait_free(t, port)


def test_cancel_of_what_we_were_started_with(t):
    server = Sshd(t)
    for program in PROGRAMS:
        one, two = free_ports(2)
        proxy, path = master(t, server, "-R", one, "-R",
                             f"{two}:localhost:1")
        done(ask(t, program, "cancel", path, "-R", one))
        wait_free(t, one)
        equal(listeners(t, two), BOTH, "addresses")
        proxy.stop()


def test_cancel_of_what_is_not_there(t):
    """In ssh's words, and with its status."""
    proxy, path = master(t, Sshd(t))
    port = free_port()
    texts = [ask(t, program, "cancel", path, "-R", f"{port}:localhost:1")
             for program in PROGRAMS]
    for asked in texts:
        matches("port not forwarded|not found", asked.err, "message")
    equal(texts[0].status, texts[1].status, "exit status")


def test_cancel_while_a_transfer_runs(t):
    """It goes on to its end; nobody new comes in."""
    data = os.urandom(8 << 20)
    server, source = Sshd(t), t.server(Source, data)
    proxy, path = master(t, server)
    for program in PROGRAMS:
        port = free_port()
        spec = "-R", f"{port}:127.0.0.1:{source.port}"
        done(ask(t, program, "forward", path, *spec))
        sock = t.socket(at(port))
        start = take(sock, 1000)
        done(ask(t, program, "cancel", path, *spec))
        wait_free(t, port)
        check(start + take_all(sock) == data, "what came differs")
        sock.close()


def test_again_after_cancel(t):
    """A port that was given back can be had again, many times."""
    server, echo = Sshd(t), t.server(Echo)
    proxy, path = master(t, server)
    port = free_port()
    for index in range(10):
        done(ask(t, PROGRAMS[index % 2], "forward", path, "-R", port))
        check_echo(through(t, at(port), echo))
        done(ask(t, PROGRAMS[index % 2], "cancel", path, "-R", port))
        wait_free(t, port)
    equal(len(server.sessions()), 1, "links")


def test_forward_of_the_same_port_to_another_target(t):
    """Is refused, by the server; the first stays."""
    server, echo = Sshd(t), t.server(Echo)
    for start in (master, ssh_master):
        _, path = start(t, server)
        port = free_port()
        first = f"{port}:localhost:{echo.port}"
        done(ask(t, "ssh", "forward", path, "-R", first))
        for program in PROGRAMS:
            asked = done(ask(t, program, "forward", path, "-R",
                             f"{port}:localhost:1"), 255)
            matches("remote port forwarding failed for listen port", asked.err,
                    f"what {program} says")
            check_echo(t.socket(at(port)))
        done(ask(t, "ssh", "cancel", path, "-R", first))
        wait_free(t, port)


def test_forward_twice(t):
    """ssh's master takes the same request again, and so do we."""
    server, echo = Sshd(t), t.server(Echo)
    proxy, path = master(t, server)
    port = free_port()
    for program in PROGRAMS:
        done(ask(t, program, "forward", path, "-R", port))
        check_echo(through(t, at(port), echo))


# --- refusals -----------------------------------------------------------------

def test_port_that_is_taken(t):
    """An error; it is not tried again, and what there is goes on."""
    server, echo = Sshd(t), t.server(Echo)
    proxy, path = master(t, server, "-R", free_port())
    sock = through(t, at(proxy_port(proxy)), echo)
    for program in PROGRAMS:
        held = t.server(Held)
        asked = done(ask(t, program, "forward", path, "-R", held.port), 255)
        matches(f"remote port forwarding failed for listen port {held.port}",
                asked.err, f"what {program} says")
        held.close()
        check_echo(sock)
        done(ask(t, "culvert", "status", path))
        equal(listeners(t, held.port), [], "addresses")


def proxy_port(proxy):
    where = proxy.listening[0][0].partition(" at ")[0]
    return int(where.rpartition(":")[2])


def test_policy(t):
    """With its cause."""
    server = Sshd(t, PermitListen="localhost:1")
    proxy, path = master(t, server)
    for program in PROGRAMS:
        asked = done(ask(t, program, "forward", path, "-R", free_port()), 255)
        matches("remote port forwarding failed for listen port.*PermitListen",
                asked.err, f"what {program} says")


def test_refused_is_not_asked_for_again(t):
    """Not even after the link was lost."""
    server = Sshd(t)
    proxy, path = master(t, server, "-R", free_port())
    held = t.server(Held)
    done(ask(t, "culvert", "forward", path, "-R", held.port), 255)
    held.close()
    server.kill_sessions()
    proxy.wait_line("listening on .* again")
    equal(listeners(t, held.port), [], "addresses")


def test_remote_unix_socket(t):
    """What ssh can ask for and we cannot."""
    proxy, path = master(t, Sshd(t))
    for program in PROGRAMS:
        asked = ask(t, program, "forward", path, "-R",
                    f"{t.tmp('far')}:localhost:1")
        check(asked.status in (2, 255), f"status {asked.status}")
        check(asked.err, "it said nothing")


def test_malformed(t):
    """Who asks for a port past the last is sent away, and nobody else is."""
    proxy, path = master(t, Sshd(t))
    caller = Caller(t, path)
    caller.send(message(OPEN_FORWARD, 7, REMOTE_FORWARD, string("localhost"),
                        70000, string("localhost"), 80))
    gone(caller.sock)
    done(ask(t, "ssh", "check", path))


def test_without_a_server(t):
    """A culvert that leaves by TCP alone has nobody to ask."""
    path = t.tmp("control")
    t.socks("-M", "-S", path)
    for program in PROGRAMS:
        asked = done(ask(t, program, "forward", path, "-R", free_port()), 255)
        check(asked.err, "it said nothing")


# --- status -------------------------------------------------------------------

def test_status(t):
    """The same as the ready lines say, for all that stand."""
    server = Sshd(t)
    one, two = free_ports(2)
    proxy, path = master(t, server, "-R", one, "-R", f"{two}:localhost:80",
                         "-R", "0:/near")
    asked = done(ask(t, "culvert", "status", path))
    for where, what in proxy.listening:
        matches(f"^{re.escape(f'listening on {where} ({what})')}$",
                asked.out, "status")
    equal(len(proxy.listening), 3, "ready lines")


def test_status_of_what_was_asked_for_later(t):
    server = Sshd(t)
    proxy, path = master(t, server)
    spec = "-R", f"0:localhost:{t.server(Echo).port}"
    port = int(done(ask(t, "culvert", "forward", path, *spec)).out)
    asked = done(ask(t, "culvert", "status", path))
    matches(rf"^listening on localhost:{port} at {server.user}@127\.0\.0\.1:"
            rf"{server.port} \(to localhost:\d+, via tcp\)$", asked.out)
    done(ask(t, "culvert", "cancel", path, *spec))
    asked = done(ask(t, "culvert", "status", path))
    check(f":{port} " not in asked.out, f"status tells of it: {asked.out}")


def test_status_of_one_that_waits(t):
    """With the reason."""
    server, held = Sshd(t), t.server(Held)
    proxy, path = master(t, server)
    proxy.stop()
    proxy = t.culvert("-M", "-S", path, "-R", held.port, *server.args(),
                      listeners=0)
    proxy.wait_line("remote port forwarding failed")
    wait_until(lambda: os.path.exists(path), "the control socket")
    asked = done(ask(t, "culvert", "status", path))
    matches(rf"^waiting for localhost:{held.port} at {server.user}@127\.0\.0"
            rf"\.1:{server.port} \(socks, via tcp\): .*(taken|in use)",
            asked.out)


def test_status_while_the_server_is_away(t):
    server = Sshd(t)
    proxy, path = master(t, server, "-R", free_port())
    port = proxy_port(proxy)
    server.stop()

    def waits():
        return f"waiting for localhost:{port} at " in ask(
            t, "culvert", "status", path).out
    wait_until(waits, "that it waits")
    server.start()
    wait_until(lambda: f"listening on localhost:{port} at " in
               ask(t, "culvert", "status", path).out, "that it stands")


# --- while the server is away -------------------------------------------------

def test_cancel_while_the_server_is_away(t):
    """It is not asked for when the server is back."""
    server = Sshd(t)
    one, two = free_ports(2)
    proxy, path = master(t, server, "-R", one, "-R", two)
    server.stop()
    wait_until(lambda: "waiting for" in ask(t, "culvert", "status", path).out,
               "that it is noticed")
    done(ask(t, "culvert", "cancel", path, "-R", one))
    server.start()
    proxy.wait_line(f"listening on localhost:{two} at .* again")
    equal((listeners(t, one), listeners(t, two)), ([], BOTH), "addresses")


def test_what_was_asked_for_later_comes_back(t):
    """As what it was started with; also with the number of port 0."""
    server, echo = Sshd(t), low(t, Echo)
    proxy, path = master(t, server)
    port = int(done(ask(t, "ssh", "forward", path, "-R", "0")).out)
    server.kill_sessions()
    proxy.wait_line(f"listening on localhost:{port} at .* again")
    check_echo(through(t, at(port), echo))


# --- our -O against ssh -------------------------------------------------------

def test_against_ssh(t):
    server, echo = Sshd(t), t.server(Echo)
    process, path = ssh_master(t, server)
    one, two = free_ports(2)
    specs = "-R", one, "-R", f"{two}:127.0.0.1:{echo.port}"
    done(ask(t, "culvert", "forward", path, *specs))
    check_echo(through(t, at(one), echo))
    check_echo(t.socket(at(two)))
    done(ask(t, "culvert", "cancel", path, *specs))
    wait_free(t, one)
    wait_free(t, two)


def test_port_0_of_ssh(t):
    server, echo = Sshd(t), low(t, Echo)
    process, path = ssh_master(t, server)
    asked = done(ask(t, "culvert", "forward", path, "-R",
                     f"0:127.0.0.1:{echo.port}"))
    port = int(matches(r"^(\d+)$", asked.out, "output")[1])
    check_echo(t.socket(at(port)))


def test_port_that_is_taken_of_ssh(t):
    server, held = Sshd(t), t.server(Held)
    process, path = ssh_master(t, server)
    asked = done(ask(t, "culvert", "forward", path, "-R", held.port), 255)
    matches(f"remote port forwarding failed for listen port {held.port}",
            asked.err, "message")
