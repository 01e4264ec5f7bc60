"""The control socket of a culvert that connects by itself: what stock ssh and
our own -O ask there, but for forwards."""
import json
import os
import signal
import socket

from harness import check, equal, free_port, matches, wait_until
from mux import (ALIVE, ALIVE_CHECK, FAILURE, KICK, PROGRAMS, Caller, ask, at,
                 check_alive, done, master, message, number, refuses, string,
                 take_message)
from origins import Echo
from processes import alive
from wire import check_echo, gone, through


# --- check, exit, stop --------------------------------------------------------

def test_check(t):
    proxy, path = master(t)
    for program in PROGRAMS:
        check_alive(t, program, path, proxy.pid)


def test_check_without_a_master(t):
    """The same words and the same exit status from both."""
    path = t.tmp("none")
    for program in PROGRAMS:
        asked = done(ask(t, program, "check", path), 255)
        equal(asked.err, f"Control socket connect({path}): "
              "No such file or directory\r\n", program)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.close()
    for program in PROGRAMS:
        asked = done(ask(t, program, "check", path), 255)
        equal(asked.err, f"Control socket connect({path}): "
              "Connection refused\r\n", program)


def test_what_is_no_request(t):
    """A fault of the command line, before anybody is asked."""
    status, text = t.fails("-O", "check")
    equal(status, 2, "exit status")
    matches("-O check: no control socket", text)
    proxy, path = master(t)
    asked = done(ask(t, "culvert", "dance", path), 2)
    matches("-O dance: must be check, stop", asked.err)
    check_alive(t, "culvert", path, proxy.pid)


def test_exit(t):
    """It ends at once, whatever runs through it."""
    server = t.server(Echo)
    for program in PROGRAMS:
        proxy, path = master(t)
        sock = through(t, proxy, server)
        asked = done(ask(t, program, "exit", path))
        equal(asked.err, "Exit request sent.\r\n", program)
        equal(proxy.wait(5), 0, "exit status")
        gone(sock)
        check(not os.path.exists(path), "the socket is still there")


def test_exit_quietly(t):
    for program in PROGRAMS:
        proxy, path = master(t)
        asked = done(ask(t, program, "exit", path, "-q"))
        equal(asked.err, "", program)
        equal(proxy.wait(5), 0, "exit status")


def test_stop(t):
    """No more requests; all else goes on, callers that are there too."""
    server = t.server(Echo)
    for program in PROGRAMS:
        proxy, path = master(t)
        caller = Caller(t, path)
        asked = done(ask(t, program, "stop", path))
        equal(asked.err, "Stop listening request sent.\r\n", program)
        check(not os.path.exists(path), "the socket is still there")
        done(ask(t, program, "check", path), 255)
        check_echo(through(t, proxy, server))
        equal(caller.ask(message(ALIVE_CHECK, 5)),
              (ALIVE, number(5) + number(proxy.pid)), "check")


# --- what else can be asked ---------------------------------------------------

def test_status(t):
    server = t.server(Echo)
    proxy, path = master(t, "--workers", "2")
    sock = through(t, proxy, server)
    check_echo(sock)
    asked = done(ask(t, "culvert", "status", path))
    lines = asked.out.splitlines()
    matches(rf"^culvert \S+ pid={proxy.pid} workers=2 sessions=1 server=-$",
            lines[0])
    equal(lines[1:], [f"listening on {proxy.where} (socks, via tcp)"],
          "what listens")
    port = free_port()
    done(ask(t, "culvert", "forward", path, "-L", f"127.0.0.1:{port}:b:2"))
    asked = done(ask(t, "culvert", "status", path))
    check(f"listening on 127.0.0.1:{port} (to b:2, via tcp)" in
          asked.out.splitlines(), asked.out)


def test_status_in_json(t):
    server = t.server(Echo)
    proxy, path = master(t, "--workers", "2")
    sock = through(t, proxy, server)
    check_echo(sock)
    port = free_port()
    done(ask(t, "culvert", "forward", path, "-L", f"127.0.0.1:{port}:b:2"))
    asked = done(ask(t, "culvert", "status", path, "--log-format", "json"))
    equal(asked.out.count("\n"), 1, "lines")
    status = json.loads(asked.out)
    check(status.pop("version"), "a version")
    socks = {"state": "listening", "listen": proxy.where, "option": "-D",
             "kind": "socks", "via": "tcp"}
    fixed = {"state": "listening", "listen": f"127.0.0.1:{port}",
             "option": "-L", "kind": "fixed", "target": "b:2", "via": "tcp"}
    equal(status, {"pid": proxy.pid, "workers": 2, "sessions": 1,
                   "server": None, "listeners": [socks, fixed], "links": [],
                   "agents": []}, "the status")


def test_kick_without_a_gateway(t):
    proxy, path = master(t)
    asked = done(ask(t, "culvert", "kick", path, "home"), 255)
    equal(asked.err, "culvert: kick request for home failed: no gateway here\n")
    check_alive(t, "ssh", path, proxy.pid)


def test_kick_names_that_are_none(t):
    """By a caller who does not look at them as our own -O does."""
    proxy, path = master(t)
    for name in (b"", b"ho\0me", b"x" * 256, b"x" * 60000):
        caller = Caller(t, path)
        caller.send(message(KICK, 7, string(name)))
        kind, body = take_message(caller.sock)
        equal(kind, FAILURE, f"the answer to {name[:70]!r}")
        matches("no name", body.decode())
        caller.sock.close()
    check_alive(t, "culvert", path, proxy.pid)


def test_reconnect_without_a_server(t):
    proxy, path = master(t)
    asked = done(ask(t, "culvert", "reconnect", path), 255)
    matches("reconnect request failed: .*no SSH server", asked.err)
    proxy.signal(signal.SIGUSR2)
    proxy.wait_line("nothing to reconnect")
    check_alive(t, "ssh", path, proxy.pid)


def test_sessions_are_refused(t):
    """ssh says why, and then tries to connect by itself, where it is told
    to."""
    proxy, path = master(t)
    argv = ["ssh", "-F", "none", "-S", path, "-o", "BatchMode=yes", "-o",
            "ProxyCommand=false"]
    refused = t.run(argv + ["x", "true"])
    matches("session request failed: culvert runs no sessions",
            refused.stderr.decode())
    refused = t.run(argv + ["-W", "localhost:22", "x"])
    equal(refused.returncode, 255, "exit status")
    matches("Stdio forwarding request failed: culvert forwards no",
            refused.stderr.decode())
    check_alive(t, "ssh", path, proxy.pid)


def test_without_any_forward(t):
    """-M alone is something to do."""
    path = t.tmp("control")
    proxy = t.culvert("-M", "-S", path, listeners=0)
    wait_until(lambda: os.path.exists(path), "the control socket")
    asked = done(ask(t, "culvert", "forward", path, "-D", "127.0.0.1:0"))
    check_echo(through(t, at(int(asked.out)), t.server(Echo)))
    equal(len(proxy.log.wait(lambda lines: lines, "a line")), 1, "lines")


def test_background(t):
    """-f returns when the control socket is there, too."""
    path = t.tmp("control")
    status, text = t.fails("-f", "-M", "-S", path, "-D", "127.0.0.1:0", "-E",
                           t.tmp("log"))
    equal(status, 0, text)
    asked = done(ask(t, "ssh", "check", path))
    pid = int(matches(r"pid=(\d+)", asked.err)[1])
    port = int(matches(r"listening on 127.0.0.1:(\d+)", text)[1])
    check_echo(through(t, at(port), t.server(Echo)))
    done(ask(t, "ssh", "exit", path))
    wait_until(lambda: not alive(pid), "its end")


def test_while_it_drains(t):
    """After SIGTERM nothing new is opened; the socket goes with the rest."""
    proxy, path = master(t)
    sock = through(t, proxy, t.server(Echo))
    proxy.signal(signal.SIGTERM)
    wait_until(lambda: refuses(t, proxy.address), "that it stops listening")
    asked = done(ask(t, "ssh", "forward", path, "-D", free_port()), 255)
    matches("the program is ending", asked.err)
    check_alive(t, "ssh", path, proxy.pid)
    check_echo(sock)
    sock.close()
    equal(proxy.wait(5), 0, "exit status")
    check(not os.path.exists(path), "the socket is still there")
