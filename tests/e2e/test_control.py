"""The control socket of a culvert that connects by itself: stock ssh and our
own -O against it, and those who mean no good."""
import json
import os
import signal
import socket
import stat
import threading
import time

from harness import (VARIANT, WRAP, check, equal, free_port, matches,
                     scaled, wait_until)
from mux import (ALIVE, ALIVE_CHECK, CLOSE_FORWARD, FAILURE, HELLO, KICK,
                 NEW_SESSION, OK, OPEN_FORWARD, PORT, STATUS, TERMINATE,
                 Caller, ask, check_alive, done, dynamic, message, number,
                 refuses, string, take_message)
from origins import Echo, Hold, Server, Source
from processes import PYTHON, alive
from wire import (GREETING, check_echo, gone, open_socks5, socks5, take_all,
                  through)

PROGRAMS = ("ssh", "culvert")


def master(t, *args, **keywords):
    """A culvert with a control socket; returns both."""
    path = t.tmp(f"control{len(t.undo)}")
    proxy = t.socks("-M", "-S", path, *args, **keywords)
    wait_until(lambda: os.path.exists(path), "the control socket")
    return proxy, path


def at(port):
    return "127.0.0.1", port


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


# --- forwards -----------------------------------------------------------------

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
    server = t.server(Echo, inner)
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


# --- the socket ---------------------------------------------------------------

def test_it_is_its_owners_and_goes_at_the_end(t):
    for number_ in (signal.SIGINT, signal.SIGTERM):
        proxy, path = master(t)
        equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode")
        equal(os.listdir(os.path.dirname(path)).count(os.path.basename(path)),
              1, "names")
        equal([name for name in os.listdir(t.tmp())
               if name.startswith(os.path.basename(path) + ".")], [],
              "temporary names")
        proxy.signal(number_)
        equal(proxy.wait(5), 0, "exit status")
        check(not os.path.exists(path), "the socket is still there")


def test_a_second_master_leaves_the_first_alone(t):
    """It says so and runs without one, as ssh; its end removes nothing."""
    first, path = master(t)
    second = t.socks("-M", "-S", path)
    second.wait_line(f"ControlSocket {path} already exists, disabling "
                     "multiplexing")
    check_alive(t, "ssh", path, first.pid)
    check_echo(through(t, second, t.server(Echo)))
    second.stop()
    check_alive(t, "ssh", path, first.pid)


def test_ssh_s_own_socket_is_left_alone(t):
    """Whoever listens there."""
    path = t.tmp("control")
    listener = socket.socket(socket.AF_UNIX)
    t.defer(listener.close)
    listener.bind(path)
    listener.listen(1)
    inode = os.stat(path).st_ino
    proxy = t.socks("-M", "-S", path)
    proxy.wait_line("already exists, disabling multiplexing")
    proxy.stop()
    equal(os.stat(path).st_ino, inode, "inode")


def test_a_stale_socket_is_replaced(t):
    proxy, path = master(t)
    proxy.process.kill()
    proxy.process.wait()
    proxy.stopped = True
    check(os.path.exists(path), "there is none left to replace")
    again = t.socks("-M", "-S", path)
    wait_until(lambda: not refuses(t, path), "the control socket")
    check_alive(t, "ssh", path, again.pid)
    again.stop()
    check(not os.path.exists(path), "the socket is still there")


def test_what_is_no_socket_stays(t):
    path = t.file("precious", "data")
    proxy = t.socks("-M", "-S", path)
    proxy.wait_line("already exists, disabling multiplexing")
    proxy.stop()
    with open(path) as file:
        equal(file.read(), "data", "the file")


def test_many_masters_at_once(t):
    """However they meet, one of them has it, and it works."""
    path = t.tmp("control")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    masters = []
    threads = [threading.Thread(
        target=lambda: masters.append(t.socks("-M", "-S", path)))
        for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(len(masters), 8, "masters")
    asked = done(ask(t, "ssh", "check", path))
    pid = int(matches(r"pid=(\d+)", asked.err)[1])
    check(pid in [each.pid for each in masters], f"pid {pid}")
    for each in masters:
        if each.pid != pid:
            each.wait_line("already exists, disabling multiplexing")


def test_a_path_that_cannot_be(t):
    long = "/tmp/" + "x" * 120
    for args in (("-M", "-D", "127.0.0.1:0"), ("-O", "check")):
        status, text = t.fails("-S", long, *args)
        equal(status, 2, "exit status")
        matches("a socket's path has at most 107 bytes", text)
    status, text = t.fails("-M", "-S", "/nowhere/at/all", "-D", "127.0.0.1:0")
    equal(status, 255, "exit status")
    matches("control socket /nowhere/at/all: no such file", text)


def test_the_longest_path(t):
    folder = t.tmp()
    path = folder + "/" + "x" * (106 - len(folder))
    equal(len(path), 107, "length")
    proxy = t.socks("-M", "-S", path)
    wait_until(lambda: os.path.exists(path), "the control socket")
    check_alive(t, "ssh", path, proxy.pid)
    equal(os.listdir(folder), [os.path.basename(path)], "names")


def test_another_user_is_refused(t):
    """By the mode of the socket, and where that is opened, by who he is."""
    check(os.getuid() == 0, "this test becomes another user: run it as root")
    proxy, path = master(t)
    code = ("import socket, sys\n"
            "s = socket.socket(socket.AF_UNIX)\n"
            "s.settimeout(10)\n"
            "s.connect(sys.argv[1])\n"
            "print(len(s.recv(100)))\n")

    def nobody():
        return t.run([PYTHON, "-c", code, path], user="nobody",
                     group="nogroup", extra_groups=[])
    asked = nobody()
    matches("PermissionError", asked.stderr.decode())
    os.chmod(path, 0o666)
    asked = nobody()
    equal(asked.stdout, b"0\n", asked.stderr.decode())
    proxy.wait_line(r"control socket: user \d+ is not ours")
    check_alive(t, "ssh", path, proxy.pid)


# --- callers who mean no good -------------------------------------------------

def hostile(t, path):
    """Connections that have sent what nobody should, left open."""
    rubbish = (
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(3000),
        b"\0" * 1000,
        b"\xff" * 1000,
        number(0xffffffff),
        number(3) + b"abc",
        message(HELLO, 3),
        message(HELLO, 4) * 2,
        message(HELLO),
        message(ALIVE_CHECK, 0),
        message(HELLO, 4) + message(OPEN_FORWARD, 0, 1, number(0xfffffff0)),
        message(HELLO, 4) + message(OPEN_FORWARD, 0, 1, string("a\0b"), 1,
                                    string("b"), 1),
        message(HELLO, 4) + message(OPEN_FORWARD, 0, 1, string("a" * 300), 1,
                                    string("b"), 1),
        message(HELLO, 4) + message(OPEN_FORWARD, 0, 1, string("a"), 70000,
                                    string("b"), 1),
    )
    socks = []
    for data in rubbish:
        sock = t.socket(path)
        sock.sendall(data)
        socks.append(sock)
    return socks


def test_rubbish(t):
    """Each is sent away, and nobody else is."""
    proxy, path = master(t)
    caller = Caller(t, path)
    for sock in hostile(t, path):
        equal(take_message(sock)[0], HELLO, "hello")
        gone(sock)
    equal(caller.ask(message(ALIVE_CHECK, 9)),
          (ALIVE, number(9) + number(proxy.pid)), "check")
    check_alive(t, "ssh", path, proxy.pid)


def test_unknown_requests(t):
    """Are answered, and what follows them is, too."""
    proxy, path = master(t)
    caller = Caller(t, path)
    for kind in (0x10000003, 0x1000000f, 0x7fffffff, OK, FAILURE):
        body = message(kind, 3, string("whatever"))
        equal(caller.ask(body), (FAILURE, number(3) +
                                 string("unsupported request")), "answer")
    equal(caller.ask(message(OPEN_FORWARD, 4, 9, string(""), 1, string("b"),
                             1)),
          (FAILURE, number(4) + string("Invalid forwarding request")),
          "answer")
    equal(caller.ask(message(ALIVE_CHECK, 9))[0], ALIVE, "check")


def test_a_byte_at_a_time_and_all_at_once(t):
    proxy, path = master(t)
    caller = Caller(t, path, hello=False)
    for byte in message(HELLO, 4) + message(ALIVE_CHECK, 9):
        caller.send(bytes((byte,)))
    equal(take_message(caller.sock)[0], ALIVE, "check")
    count = 500
    caller.send(b"".join(message(ALIVE_CHECK, i) for i in range(count)))
    for i in range(count):
        equal(take_message(caller.sock), (ALIVE, number(i) +
                                          number(proxy.pid)), "check")


def test_one_that_does_not_read(t):
    """Is not read from, either: what waits for it is one answer."""
    proxy, path = master(t)
    caller = Caller(t, path)
    caller.sock.settimeout(1)
    before = proxy.pss()
    sent = 0
    try:
        while sent < 20 << 20:
            sent += caller.sock.send(message(STATUS, 1) * 1000)
    except TimeoutError:
        pass
    check(sent < 10 << 20, f"{sent} bytes were taken")
    check_alive(t, "ssh", path, proxy.pid)
    if VARIANT == "release":
        grown = proxy.pss() - before
        check(grown < 4 << 20, f"{grown} bytes more")


def test_silent_callers_are_sent_away(t):
    """Half a message, no message, or a refused session: ten seconds."""
    proxy, path = master(t)
    before = proxy.settled_descriptors()
    began = time.monotonic()
    one = Caller(t, path, seconds=40)
    two = Caller(t, path, hello=False, seconds=40)
    two.send(message(HELLO, 4)[:7])
    three = Caller(t, path, seconds=40)
    kind, _ = three.ask(message(NEW_SESSION, 0, string(b"\0" * 60000)))
    equal(kind, FAILURE, "answer")
    three.send(b"\0" * 3)
    for caller in (one, two, three):
        gone(caller.sock)
    took = time.monotonic() - began
    check(9 < took < scaled(20), f"it took {took:.1f} s")
    equal(proxy.settled_descriptors(), before, "descriptors")


def test_a_thousand_callers(t):
    """Those who sit there keep nobody out, and their descriptors are few."""
    server = t.server(Echo)
    proxy, path = master(t)
    before = proxy.settled_descriptors()
    socks = [t.socket(path) for _ in range(1000)]
    for program in PROGRAMS:
        check_alive(t, program, path, proxy.pid)
    check(proxy.settled_descriptors() <= before + 70, "descriptors")
    for sock in socks + [through(t, proxy, server)]:
        sock.close()
    wait_until(lambda: proxy.descriptors() == before, "the descriptors' end")


def test_with_as_many_sessions_as_can_be(t):
    """There is a descriptor left for whoever wants to know."""
    if WRAP:
        t.skip("valgrind keeps some descriptors for itself")
    server = t.server(Hold)
    proxy, path = master(t, wrap=("prlimit", "--nofile=96:96"))
    clients = [t.socket(proxy.address) for _ in range(100)]
    for client in clients:
        client.sendall(GREETING + socks5("127.0.0.1", server.port))
    proxy.wait_line("new clients wait")
    check_alive(t, "ssh", path, proxy.pid)
    asked = done(ask(t, "culvert", "status", path))
    check(int(matches(r"sessions=(\d+)", asked.out)[1]) > 10, asked.out)
    done(ask(t, "ssh", "exit", path))
    equal(proxy.wait(5), 0, "exit status")


def test_callers_come_and_go_while_it_works(t):
    """Also those who leave before their answer is there."""
    proxy, path = master(t)
    before = proxy.settled_descriptors()
    port = free_port()
    for i in range(200):
        sock = t.socket(path)
        sock.sendall(message(HELLO, 4) +
                     dynamic(OPEN_FORWARD if i % 2 else CLOSE_FORWARD, port))
        sock.close()
    check_alive(t, "ssh", path, proxy.pid)
    ask(t, "culvert", "cancel", path, "-D", f"127.0.0.1:{port}")
    check(refuses(t, at(port)), "the port still listens")
    equal(proxy.settled_descriptors(), before, "descriptors")


def test_exit_among_others(t):
    """While others ask for other things."""
    proxy, path = master(t)
    callers = [Caller(t, path) for _ in range(30)]
    for i, caller in enumerate(callers):
        caller.send(dynamic(OPEN_FORWARD, free_port(), 1) if i % 3 else
                    message(STATUS, 1) * 5)
    last = Caller(t, path)
    last.send(message(TERMINATE, 2))
    equal(proxy.wait(5), 0, "exit status")
