"""The control socket of a culvert that connects by itself: forwards that stock
ssh and our own -O open and cancel there."""
import os
import stat

from harness import check, equal, free_port, matches, wait_until
from mux import (ALIVE, ALIVE_CHECK, CLOSE_FORWARD, HELLO, OK, OPEN_FORWARD,
                 PORT, PROGRAMS, Caller, ask, at, done, dynamic, master,
                 message, number, refuses, take_message)
from origins import Echo, Server, Source
from wire import check_echo, open_socks5, take_all, through


def test_forward_and_cancel_dynamic(t):
    server = t.server(Echo)
    proxy, path = master(t)
    for program in PROGRAMS:
        port = free_port()
        spec = "-D", f"127.0.0.1:{port}"
        done(ask(t, program, "forward", path, *spec))
        sock = through(t, at(port), server)
        check_echo(sock)
        done(ask(t, program, "cancel", path, *spec))
        check(refuses(t, at(port)), "the port still listens")
        check_echo(sock)
        check_echo(through(t, proxy, server))


def test_forward_and_cancel_local(t):
    server = t.server(Echo)
    proxy, path = master(t)
    for program in PROGRAMS:
        port = free_port()
        spec = "-L", f"{port}:127.0.0.1:{server.port}"
        done(ask(t, program, "forward", path, *spec))
        for host in ("127.0.0.1", "::1"):
            check_echo(t.socket((host, port)))
        sock = t.socket(at(port))
        done(ask(t, program, "cancel", path, *spec))
        for host in ("127.0.0.1", "::1"):
            check(refuses(t, (host, port)), f"{host} still listens")
        check_echo(sock)


def test_forward_and_cancel_unix_sockets(t):
    proxy, path = master(t)
    inner = t.tmp("inner")
    t.server(Echo, inner)
    for program in PROGRAMS:
        outer = t.tmp(f"outer-{program}")
        spec = "-L", f"{outer}:{inner}"
        done(ask(t, program, "forward", path, *spec))
        equal(stat.S_IMODE(os.stat(outer).st_mode), 0o600, "mode")
        sock = t.socket(outer)
        check_echo(sock)
        done(ask(t, program, "cancel", path, *spec))
        check(not os.path.exists(outer), "the socket is still there")
        check_echo(sock)
    outer = t.tmp("socks")
    done(ask(t, "culvert", "forward", path, "-D", outer))
    check_echo(open_socks5(t, outer, "127.0.0.1", t.server(Echo).port))


def test_several_at_once(t):
    server = t.server(Echo)
    proxy, path = master(t)
    for program in PROGRAMS:
        one, two = free_port(), free_port("127.0.0.2")
        specs = ("-D", f"127.0.0.1:{one}",
                 "-L", f"127.0.0.2:{two}:127.0.0.1:{server.port}")
        done(ask(t, program, "forward", path, *specs))
        check_echo(through(t, at(one), server))
        check_echo(t.socket(("127.0.0.2", two)))
        done(ask(t, program, "cancel", path, *specs))
        check(refuses(t, at(one)), "one")
        check(refuses(t, ("127.0.0.2", two)), "two")


def test_forward_twice_is_one(t):
    """As in ssh; and one cancel is enough."""
    proxy, path = master(t)
    before = proxy.settled_descriptors()
    for program in PROGRAMS:
        port = free_port()
        spec = "-D", f"127.0.0.1:{port}"
        done(ask(t, program, "forward", path, *spec))
        one = proxy.settled_descriptors()
        done(ask(t, program, "forward", path, *spec))
        equal(proxy.settled_descriptors(), one, "descriptors")
        done(ask(t, program, "cancel", path, *spec))
        check(refuses(t, at(port)), "the port still listens")
        equal(proxy.settled_descriptors(), before, "descriptors")


def test_again_and_again(t):
    """Nothing grows by it."""
    proxy, path = master(t)
    caller = Caller(t, path)
    port = free_port()

    def rounds(count):
        for i in range(count):
            equal(caller.ask(dynamic(OPEN_FORWARD, port, i)),
                  (OK, number(i)), "forward")
            equal(caller.ask(dynamic(CLOSE_FORWARD, port, i)),
                  (OK, number(i)), "cancel")
    rounds(50)
    before = proxy.settled_descriptors()
    rounds(300)
    equal(proxy.settled_descriptors(), before, "descriptors")


def test_cancel_of_what_is_not_forwarded(t):
    """ssh tells of it, and its exit status is 0 all the same."""
    proxy, path = master(t)
    for program in PROGRAMS:
        asked = done(ask(t, program, "cancel", path, "-D", free_port()))
        matches("forwarding request failed: port not forwarded", asked.err)
        matches("master cancel forward request failed", asked.err)


def test_cancel_of_the_command_line_s(t):
    server = t.server(Echo)
    port = free_port()
    path = t.tmp("control")
    for program in PROGRAMS:
        proxy = t.socks("-M", "-S", path, "-L",
                        f"127.0.0.1:{port}:127.0.0.1:{server.port}",
                        listeners=2)
        wait_until(lambda: os.path.exists(path), "the control socket")
        done(ask(t, program, "cancel", path, "-L",
                 f"127.0.0.1:{port}:127.0.0.1:{server.port}"))
        check(refuses(t, at(port)), "the port still listens")
        check_echo(through(t, proxy, server))
        proxy.stop()


def test_port_0_is_printed(t):
    server = t.server(Echo)
    proxy, path = master(t)
    asked = done(ask(t, "culvert", "forward", path, "-D", "127.0.0.1:0"))
    # The command line's forward is the same one.
    equal(asked.out, f"{proxy.port}\n", "what is printed")
    asked = done(ask(t, "culvert", "forward", path, "-L",
                     f"0:127.0.0.1:{server.port}"))
    port = int(asked.out)
    equal(asked.out, f"{port}\n", "what is printed")
    for host in ("127.0.0.1", "::1"):
        check_echo(t.socket((host, port)))
    done(ask(t, "culvert", "cancel", path, "-L",
             f"{port}:127.0.0.1:{server.port}"))
    check(refuses(t, at(port)), "the port still listens")


def test_a_taken_port(t):
    """The reason is told, nothing is left, and what stands goes on."""
    server = t.server(Echo)
    proxy, path = master(t)
    before = proxy.settled_descriptors()
    for program in PROGRAMS:
        asked = done(ask(t, program, "forward", path, "-D",
                         f"127.0.0.1:{server.port}"), 255)
        matches("forwarding request failed: .*address already in use",
                asked.err)
        matches("master forward request failed", asked.err)
    equal(proxy.settled_descriptors(), before, "descriptors")
    check_echo(through(t, proxy, server))


def test_half_a_forward_is_none(t):
    """Where one of the addresses is taken, the other is closed again."""
    server = t.server(Echo, "::1")
    proxy, path = master(t)
    done(ask(t, "culvert", "forward", path, "-D", server.port), 255)
    check(refuses(t, at(server.port)), "half of it stands")


def test_no_open_proxy(t):
    proxy, path = master(t)
    for program in PROGRAMS:
        port = free_port()
        asked = done(ask(t, program, "forward", path, "-D", f"*:{port}"), 255)
        matches("Master refused forwarding request: .*open proxy", asked.err)
        check(refuses(t, at(port)), "it listens")
    proxy, path = master(t, "--allow-from", "127.0.0.0/8")
    for program in PROGRAMS:
        port = free_port()
        done(ask(t, program, "forward", path, "-D", f"*:{port}"))
        check_echo(through(t, at(port), t.server(Echo)))


def test_gateway_ports_are_the_masters(t):
    """A forward without an address is where the master's -g has it."""
    plain, plain_path = master(t)
    wide, wide_path = master(t, "-g", "--allow-from", "127.0.0.0/8")
    server = t.server(Echo)
    for program in PROGRAMS:
        for path, refused in ((plain_path, True), (wide_path, False)):
            port = free_port("0.0.0.0")
            done(ask(t, program, "forward", path, "-L",
                     f"{port}:127.0.0.1:{server.port}"))
            equal(refuses(t, ("127.0.0.3", port)), refused, path)


def test_remote_forwards_need_a_destination(t):
    proxy, path = master(t)
    for program in PROGRAMS:
        for spec in ("8080:localhost:80", "1080"):
            for word, status in (("forward", 255), ("cancel", 0)):
                asked = done(ask(t, program, word, path, "-R", spec), status)
                matches("forwarding request failed: a remote forward needs a "
                        "destination", asked.err)


def test_remote_sockets_cannot_be_asked_for(t):
    """By ssh, which lets them be asked for."""
    proxy, path = master(t)
    asked = done(ask(t, "ssh", "forward", path, "-R", "/tmp/s:h:80"), 255)
    matches("forwarding request failed: the server can be asked for a port, "
            "not for a Unix socket", asked.err)


class Master(Server):
    """Answers every forward with a port; seen is what was asked for."""

    def serve(self, sock):
        sock.sendall(message(HELLO, 4))
        equal(take_message(sock)[0], HELLO, "hello")
        while True:
            kind, body = take_message(sock)
            if kind == OPEN_FORWARD:
                sock.sendall(message(PORT, body[:4], 4711))
                return kind, body[4:]
            if kind == CLOSE_FORWARD:
                sock.sendall(message(OK, body[:4]))
                return kind, body[4:]
            equal(kind, ALIVE_CHECK, "what ssh asks first")
            sock.sendall(message(ALIVE, body[:4], 1))


def test_remote_forwards_are_asked_for_as_ssh_does(t):
    """Byte for byte; the port that the server picked is printed by both."""
    path = t.tmp("master")
    server = t.server(Master, path)
    seen = 0
    for spec in ("8080:h:80", "*:8080:h:80", ":8080:h:80", "0:h:80",
                 "localhost:1:h:80", "gw:1:[::1]:2", "[::1]:1:192.0.2.1:http",
                 "8080:/run/s", "1080", "*:1080", ":1080", "[::1]:1080",
                 "localhost:0"):
        for word, said in (("forward", "4711\n"), ("cancel", "")):
            for program in PROGRAMS:
                asked = done(ask(t, program, word, path, "-R", spec))
                equal((asked.out, asked.err), (said, ""), f"{program} {spec}")
            theirs, ours = server.wait_seen(seen + 2)[seen:]
            equal(ours, theirs, f"-O {word} -R {spec}")
            seen += 2


def test_cancelled_under_load(t):
    """Downloads that run through a forward end whole when it is cancelled;
    those that are connected already are served."""
    data = os.urandom(4 << 20)
    server = t.server(Source, data)
    proxy, path = master(t, "--workers", "4")
    for program in PROGRAMS:
        port = free_port()
        spec = "-L", f"127.0.0.1:{port}:127.0.0.1:{server.port}"
        done(ask(t, program, "forward", path, *spec))
        socks = [t.socket(at(port)) for _ in range(20)]
        done(ask(t, program, "cancel", path, *spec))
        check(refuses(t, at(port)), "the port still listens")
        for sock in socks:
            check(take_all(sock) == data, "the data")
            sock.close()
        server.seen.clear()
