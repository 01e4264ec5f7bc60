"""What remote forwards wait for, and what does not wait for them."""
import os
import re
import signal
import threading
import time

from faults import Cut
from harness import (check, equal, free_port, matches, scaled,
                     wait_until)
from mux import PROGRAMS, ask, at, done
from origins import Echo, Source
from processes import family
from remote import Held, dynamic, free_ports, low, ports, wait_free, works
from sshd import Odd, Sshd
from test_remote_control import master
from wire import check_echo, take, through


class OneOnly(Cut):
    """Lets one connection through; of others nothing is heard."""

    def connect(self, client):
        with self.news:
            others = bool(self.pairs)
            self.pairs.append((client,))
        if not others:
            super().connect(client)


def test_a_further_link_that_hangs_holds_up_nothing(t):
    """Both forwards are on the one that there is."""
    echo = t.server(Echo)
    server = Sshd(t)
    cut = OneOnly(t, server)
    began = time.monotonic()
    proxy = t.culvert(
        *[word for port in free_ports(2)
          for word in ("-R", f"{port}:localhost:{echo.port}")],
        *cut.args(), listeners=2)
    took = time.monotonic() - began
    check(took < scaled(5), f"ready after {took:.1f} s")
    for port in ports(proxy):
        check_echo(t.socket(port.address))


def test_ends_though_the_server_does_not_answer(t):
    """Nobody has to be waited for but a server that is to listen no more."""
    server = Sshd(t)
    proxy, port = dynamic(t, server)
    server.signal_sessions(signal.SIGSTOP)
    began = time.monotonic()
    proxy.signal(signal.SIGTERM)
    equal(proxy.wait(), 0, "exit status")
    took = time.monotonic() - began
    server.signal_sessions(signal.SIGCONT)
    check(took < scaled(4), f"ended after {took:.1f} s")


def test_failure_of_a_pipe_is_told_with_a_remote_forward(t):
    """-W's exit status is its own."""
    server = Sshd(t)
    nobody, port = free_ports(2)
    status, said = t.fails("-W", f"127.0.0.1:{nobody}", "-o",
                           "ClearAllForwardings=no", "-R", port,
                           *server.args())
    equal(status, 255, f"exit status: {said}")


def test_cancel_of_port_0_leaves_others(t):
    """Neither does it stand for one that is alike but for the port."""
    server = Sshd(t)
    echo = low(t, Echo)
    proxy, path = master(t, server, "-R", free_port(), "-D", "127.0.0.1:0")
    port, = ports(proxy)
    for program in PROGRAMS:
        picked = done(ask(t, program, "forward", path, "-R",
                          "0")).out.strip()
        check_echo(through(t, at(int(picked)), echo))
        done(ask(t, program, "cancel", path, "-R", "0"))
        wait_free(t, int(picked))
        asked = ask(t, program, "cancel", path, "-R", "0")
        matches("(?i)not forwarded", asked.err, f"of {program}")
        check(works(t, port, echo), "the other")


def test_refusal_of_an_added_one_is_told_after_a_loss(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy, path = master(t, server)
    port = free_port()
    spec = f"{port}:localhost:{echo.port}"
    done(ask(t, PROGRAMS[0], "forward", path, "-R", spec))
    proxy.wait_line(rf"listening on localhost:{port} at")
    server.stop()
    wait_free(t, port)
    held = Held(port)
    t.defer(held.close)
    server.start()
    proxy.wait_line(rf"-R {re.escape(spec)}: remote port forwarding failed")
    held.close()
    proxy.wait_line(rf"listening on localhost:{port} at \S+ again")
    check_echo(t.socket(at(port)))


def test_port_0_while_bulk_goes_on(t):
    """The answer is found amid what comes; the transfer is whole."""
    data = os.urandom(1 << 20) * 64
    server, echo = Sshd(t), low(t, Echo)
    source = low(t, Source, data)
    proxy, path = master(t, server, "-D", "127.0.0.1:0", "-R", free_port())
    sock = through(t, proxy, source)
    sock.settimeout(scaled(60))
    got = []
    reader = threading.Thread(
        target=lambda: got.append(take(sock, len(data)) == data))
    reader.start()
    for _ in range(5):
        picked = done(ask(t, PROGRAMS[0], "forward", path, "-R",
                          f"0:localhost:{echo.port}")).out.strip()
        check_echo(t.socket(at(int(picked))))
        done(ask(t, PROGRAMS[0], "cancel", path, "-R", picked + ":localhost:"
                 f"{echo.port}"))
    reader.join()
    equal(got, [True], "the transfer")


def links_of(server, count):
    """Waits until so many of the server's sessions listen for us."""
    def listening():
        found = set()
        for pid in server.sessions():
            listed = server.test.run(["ss", "-Hltnp"]).stdout.decode()
            found |= {one for one in family(pid) if f"pid={one}," in listed}
        return len(found) == count
    wait_until(listening, f"{count} sessions that listen")


def test_two_forwards_are_on_two_links(t):
    """Also when the server has been away."""
    server, echo = Sshd(t), t.server(Echo)
    proxy = t.culvert(
        *[word for port in free_ports(2)
          for word in ("-R", f"{port}:localhost:{echo.port}")],
        *server.args(), listeners=2)
    links_of(server, 2)
    server.stop()
    proxy.wait_line("cannot reconnect")
    server.start()
    proxy.wait_line("listening on .* again", count=2)
    links_of(server, 2)
    for port in ports(proxy):
        check_echo(t.socket(port.address))


def test_server_that_lets_one_link_live(t):
    """It is not logged in to again and again, and all is on the one."""
    echo = t.server(Echo)
    server = Odd(t, logins=1)
    proxy = t.culvert(
        *[word for port in free_ports(2)
          for word in ("-R", f"{port}:localhost:{echo.port}")],
        *server.args(), listeners=2)
    for port in ports(proxy):
        check_echo(t.socket(port.address))
    time.sleep(1)
    check(server.text().count("login ") < 6,
          f"{server.text().count('login ')} logins")


def test_status_of_very_many(t):
    """What does not fit is counted."""
    server = Sshd(t)
    proxy, path = master(t, server, *[word for _ in range(8)
                                      for word in ("-R", "0")][:2])
    for i in range(600):
        done(ask(t, "culvert", "forward", path, "-L",
                 f"{t.tmp()}/{'x' * 60}{i}:localhost:1"))
    text = done(ask(t, "culvert", "status", path)).out
    shown = len(re.findall("^listening on", text, re.M))
    more, = re.findall(r"^and (\d+) more forwards$", text, re.M)
    equal(shown + int(more), 601, "forwards")
    matches("^link state=up", text, "status")
