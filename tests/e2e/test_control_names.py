"""Forwards asked for at the control socket whose bind address is a name."""
import os
import signal

from dns import Zone, name_server
from harness import check, equal, free_port, matches, wait_until
from mux import (ALIVE, ALIVE_CHECK, CLOSE_FORWARD, FAILURE, OK, OPEN_FORWARD,
                 Caller, ask, check_alive, done, message, number, refuses,
                 string, take_message)
from origins import Echo
from wire import check_echo, through

NAMESPACE = True


def master(t):
    path = t.tmp("control")
    proxy = t.socks("-M", "-S", path)
    wait_until(lambda: os.path.exists(path), "the control socket")
    return proxy, path


def dynamic(kind, host, port, request=0):
    return message(kind, request, 3, string(host), port, string("socks"), 0)


def test_a_name_is_looked_up(t):
    name_server(t, {"bind.test": Zone(v4=["127.0.0.7"]),
                    "both.test": Zone(v4=["127.0.0.8"], v6=["::1"])})
    server = t.server(Echo)
    proxy, path = master(t)
    for program in ("ssh", "culvert"):
        port = free_port()
        for name, hosts in (("bind.test", ["127.0.0.7"]),
                            ("both.test", ["127.0.0.8", "::1"])):
            spec = "-D", f"{name}:{port}"
            done(ask(t, program, "forward", path, *spec))
            for host in hosts:
                check_echo(through(t, (host, port), server))
            done(ask(t, program, "cancel", path, *spec))
            for host in hosts:
                check(refuses(t, (host, port)), f"{host} still listens")


def test_a_name_that_is_none(t):
    name_server(t, {})
    proxy, path = master(t)
    before = proxy.settled_descriptors()
    asked = done(ask(t, "ssh", "forward", path, "-D", "nobody.test:1"), 255)
    matches("forwarding request failed: -D nobody.test:1: nobody.test: Name "
            "or service not known", asked.err)
    equal(proxy.settled_descriptors(), before, "descriptors")


def test_a_slow_name_holds_up_its_caller_alone(t):
    """Others are answered meanwhile; one that leaves has its forward all the
    same."""
    dns = name_server(t, {"slow.test": Zone(v4=["127.0.0.7"], delay=0.7)})
    proxy, path = master(t)
    port = free_port()
    caller, leaver = Caller(t, path), Caller(t, path)
    caller.send(dynamic(OPEN_FORWARD, "slow.test", port, 1) +
                message(ALIVE_CHECK, 2))
    leaver.send(dynamic(OPEN_FORWARD, "slow.test", port + 1, 1))
    wait_until(lambda: dns.asked, "the question")
    leaver.sock.close()
    check_alive(t, "ssh", path, proxy.pid)
    check(refuses(t, ("127.0.0.7", port)), "it listens already")
    equal(take_message(caller.sock), (OK, number(1)), "answer")
    equal(take_message(caller.sock), (ALIVE, number(2) + number(proxy.pid)),
          "the next answer")
    check_echo(through(t, ("127.0.0.7", port), t.server(Echo)))
    wait_until(lambda: not refuses(t, ("127.0.0.7", port + 1)), "the other's")
    equal(caller.ask(dynamic(CLOSE_FORWARD, "slow.test", port, 3)),
          (OK, number(3)), "answer")


def test_the_end_while_a_name_is_looked_up(t):
    name_server(t, {"slow.test": Zone(v4=["127.0.0.7"], delay=0.9)})
    server = t.server(Echo)
    for number_ in (signal.SIGINT, signal.SIGTERM):
        proxy, path = master(t)
        sock = through(t, proxy, server)
        caller = Caller(t, path)
        caller.send(dynamic(OPEN_FORWARD, "slow.test", free_port(), 1))
        equal(Caller(t, path).ask(message(ALIVE_CHECK, 2))[0], ALIVE, "check")
        proxy.signal(number_)
        if number_ == signal.SIGTERM:
            equal(take_message(caller.sock),
                  (FAILURE, number(1) + string("the program is ending")),
                  "answer")
            sock.close()
        equal(proxy.wait(2), 0, "exit status")
