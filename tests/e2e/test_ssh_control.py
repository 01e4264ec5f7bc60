"""The control socket of a culvert that leaves by an SSH server, and our -O
against stock ssh's; when what listens comes up, and how a start can end."""
import os
import pty
import select
import signal
import subprocess
import termios
import threading

from harness import (CULVERT, SOON, Culvert, check, equal, free_port, matches,
                     sanitizer_environment, scaled, wait_until)
from keys import Askpass, make_key
from mux import ask, check_alive, done, refuses, two_ports
from origins import Echo, Hold, Source
from processes import alive
from sshd import Sshd
from wire import check_echo, gone, open_socks5, take_all, through

PROGRAMS = ("ssh", "culvert")


def at(port):
    return "127.0.0.1", port


def master(t, server, *args):
    """A culvert through server with a control socket; returns both."""
    path = t.tmp(f"control{len(t.undo)}")
    proxy = t.socks("-M", "-S", path, *args, *server.args())
    wait_until(lambda: os.path.exists(path), "the control socket")
    return proxy, path


def ssh_master(t, server, *args):
    """The same of stock ssh."""
    path = t.tmp(f"control{len(t.undo)}")
    process = t.program(["ssh", "-M", "-N", "-S", path, *args,
                         *server.args()], stdin=subprocess.DEVNULL,
                        stderr=subprocess.PIPE)
    wait_until(lambda: os.path.exists(path), "ssh's control socket")
    return process, path


def starts(t, *args, **keywords):
    """A culvert that is still on its way when this returns."""
    return Culvert(t, args, listeners=0, **keywords)


def pid_of(t, path):
    asked = done(ask(t, "ssh", "check", path))
    return int(matches(r"pid=(\d+)", asked.err)[1])


def end_in_background(t, path):
    pid = pid_of(t, path)
    done(ask(t, "ssh", "exit", path))
    wait_until(lambda: not alive(pid), "its end")


class Mute(Hold):
    """A server that takes connections and says nothing."""


# --- stock ssh and our -O against us ------------------------------------------

def test_all_verbs(t):
    sshd = Sshd(t)
    server = t.server(Echo)
    for program in PROGRAMS:
        proxy, path = master(t, sshd)
        check_alive(t, program, path, proxy.pid)
        one, two = two_ports()
        specs = ("-D", f"127.0.0.1:{one}",
                 "-L", f"127.0.0.1:{two}:127.0.0.1:{server.port}")
        done(ask(t, program, "forward", path, *specs))
        check_echo(through(t, at(one), server))
        sock = t.socket(at(two))
        check_echo(sock)
        done(ask(t, program, "cancel", path, *specs))
        check(refuses(t, at(one)) and refuses(t, at(two)), "ports listen")
        check_echo(sock)
        sock.close()
        done(ask(t, program, "stop", path))
        check(not os.path.exists(path), "the socket is still there")
        check_echo(through(t, proxy, server))
        proxy.stop()


def test_exit(t):
    sshd = Sshd(t)
    for program in PROGRAMS:
        proxy, path = master(t, sshd)
        sock = through(t, proxy, t.server(Echo))
        done(ask(t, program, "exit", path))
        equal(proxy.wait(5), 0, "exit status")
        gone(sock)
        check(not os.path.exists(path), "the socket is still there")
        sshd.wait_sessions(0)


def test_forwards_to_unix_sockets(t):
    sshd = Sshd(t)
    inner, outer = t.tmp("inner"), t.tmp("outer")
    t.server(Echo, inner)
    proxy, path = master(t, sshd)
    done(ask(t, "ssh", "forward", path, "-L", f"{outer}:{inner}"))
    sock = t.socket(outer)
    check_echo(sock)
    done(ask(t, "ssh", "cancel", path, "-L", f"{outer}:{inner}"))
    check(not os.path.exists(outer), "the socket is still there")
    check_echo(sock)


def test_forward_and_cancel_while_traffic_flows(t):
    """Downloads by one forward while others come and go."""
    data = os.urandom(8 << 20)
    sshd = Sshd(t)
    server = t.server(Source, data)
    proxy, path = master(t, sshd)
    good = []

    def download(address):
        sock = open_socks5(t, address, server.host, server.port)
        good.append(take_all(sock) == data)
        sock.close()
    threads = [threading.Thread(target=download, args=(proxy.address,))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for i in range(10):
        port = free_port()
        spec = "-D", f"127.0.0.1:{port}"
        done(ask(t, PROGRAMS[i % 2], "forward", path, *spec))
        # It has its connection before the forward goes.
        sock = open_socks5(t, at(port), server.host, server.port)
        done(ask(t, PROGRAMS[i % 2], "cancel", path, *spec))
        check(refuses(t, at(port)), "the port still listens")
        good.append(take_all(sock) == data)
        sock.close()
    for thread in threads:
        thread.join()
    equal(good, [True] * 18, "downloads")


def test_open_forwards_are_warned_of(t):
    """With a server, beyond loopback is as open as ssh's own."""
    sshd = Sshd(t)
    proxy, path = master(t, sshd)
    port = free_port("0.0.0.0")
    done(ask(t, "ssh", "forward", path, "-D", f"*:{port}"))
    proxy.wait_line("warning: whoever reaches")
    check_echo(through(t, ("127.0.0.5", port), t.server(Echo)))


def test_status_and_reconnect(t):
    sshd = Sshd(t)
    server = t.server(Echo)
    proxy, path = master(t, sshd)
    sock = through(t, proxy, server)
    check_echo(sock)
    asked = done(ask(t, "culvert", "status", path))
    matches(rf"^culvert \S+ pid={proxy.pid} workers=\d+ sessions=1 "
            rf"server={sshd.user}@127.0.0.1:{sshd.port}$", asked.out)
    matches(rf"^listening on {proxy.where} \(socks, via ssh\)$", asked.out)
    matches(r"^link state=up worker=\d+ channels=1 opening=0 in=\d+ out=\d+ "
            r"rtt_ms=[\d.]+ seconds=\d+$", asked.out)
    before = sshd.sessions()
    asked = done(ask(t, "culvert", "reconnect", path))
    equal(asked.err, "Reconnect request sent.\r\n", "reconnect")
    gone(sock)
    wait_until(lambda: sshd.sessions() and
               not set(before) & set(sshd.sessions()), "a new link")
    check_echo(through(t, proxy, server))


def test_usr2_reconnects(t):
    sshd = Sshd(t)
    server = t.server(Echo)
    proxy, path = master(t, sshd)
    before = sshd.wait_sessions(1)
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: sshd.sessions() and
               not set(before) & set(sshd.sessions()), "a new link")
    check_echo(through(t, proxy, server))


def test_usr1_tells_of_the_links(t):
    proxy, path = master(t, Sshd(t))
    proxy.signal(signal.SIGUSR1)
    proxy.wait_line(r"^culvert: link time=\S+ state=up worker=\d+ channels=0 ")


def test_it_stands_while_the_server_is_away(t):
    """The control socket works, and says that the link waits."""
    sshd = Sshd(t)
    proxy, path = master(t, sshd)
    sshd.stop()
    wait_until(lambda: "state=up" not in
               ask(t, "culvert", "status", path).out, "that it is noticed")
    check_alive(t, "ssh", path, proxy.pid)
    port = free_port()
    done(ask(t, "ssh", "forward", path, "-D", f"127.0.0.1:{port}"))
    sshd.start()
    check_echo(through(t, at(port), t.server(Echo)))


def test_term_drains(t):
    """Sessions, wherever their link has them, end by themselves first."""
    sshd = Sshd(t)
    server = t.server(Echo)
    for _ in range(3):
        proxy = t.socks("--workers", "3", *sshd.args())
        socks = [through(t, proxy, server) for _ in range(30)]
        proxy.signal(signal.SIGTERM)
        wait_until(lambda proxy=proxy: refuses(t, proxy.address),
                   "that it stops listening")
        for sock in socks:
            check_echo(sock)
            sock.close()
        equal(proxy.wait(5), 0, "exit status")
        check("drain time-out" not in proxy.text(), "it waited in vain")


def test_term_without_sessions(t):
    sshd = Sshd(t)
    proxy = t.socks(*sshd.args())
    proxy.signal(signal.SIGTERM)
    equal(proxy.wait(3), 0, "exit status")
    sshd.wait_sessions(0)


# --- our -O against stock ssh -------------------------------------------------

def test_against_ssh(t):
    sshd = Sshd(t)
    server = t.server(Echo)
    process, path = ssh_master(t, sshd)
    check_alive(t, "culvert", path, process.pid)
    one, two = two_ports()
    inner, outer = t.tmp("inner"), t.tmp("outer")
    t.server(Echo, inner)
    specs = ("-D", f"127.0.0.1:{one}", "-L",
             f"localhost:{two}:127.0.0.1:{server.port}", "-L",
             f"{outer}:{inner}")
    done(ask(t, "culvert", "forward", path, *specs))
    check_echo(through(t, at(one), server))
    check_echo(t.socket(at(two)))
    check_echo(t.socket(outer))
    done(ask(t, "culvert", "cancel", path, *specs))
    check(refuses(t, at(one)) and refuses(t, at(two)), "ports listen")
    asked = done(ask(t, "culvert", "cancel", path, *specs[:2]))
    matches("forwarding request failed: port not forwarded", asked.err)
    asked = done(ask(t, "culvert", "status", path), 255)
    matches("status request failed: unsupported request", asked.err)
    done(ask(t, "culvert", "stop", path))
    check(not os.path.exists(path), "the socket is still there")
    equal(process.poll(), None, "exit status")


def test_cancel_of_what_ssh_was_started_with(t):
    sshd = Sshd(t)
    port = free_port()
    process, path = ssh_master(t, sshd, "-D", str(port))
    done(ask(t, "culvert", "cancel", path, "-D", port))
    check(refuses(t, at(port)), "the port still listens")


def test_exit_of_ssh(t):
    process, path = ssh_master(t, Sshd(t))
    asked = done(ask(t, "culvert", "exit", path))
    equal(asked.err, "Exit request sent.\r\n", "exit")
    process.wait(10)


def test_a_master_of_ssh_is_no_place_for_ours(t):
    sshd = Sshd(t)
    process, path = ssh_master(t, sshd)
    proxy = t.socks("-M", "-S", path, *sshd.args())
    proxy.wait_line("already exists, disabling multiplexing")
    check_alive(t, "ssh", path, process.pid)
    proxy.stop()
    check_alive(t, "culvert", path, process.pid)


# --- the start ----------------------------------------------------------------

def test_listens_after_authentication(t):
    """Nothing is to be met, neither port nor control socket, before."""
    mute = t.server(Mute)
    port = free_port()
    path = t.tmp("control")
    proxy = starts(t, "-M", "-S", path, "-D", f"127.0.0.1:{port}", "-F",
                   "none", "-p", mute.port, "x@127.0.0.1")
    wait_until(lambda: mute.peers, "that it connects")
    check(refuses(t, at(port)), "it listens already")
    check(not os.path.exists(path), "the control socket is there already")
    proxy.signal(signal.SIGKILL)
    proxy.process.wait()
    proxy.stopped = True


def test_a_signal_while_it_logs_in(t):
    """It dies of it, as ssh does, at once."""
    for number_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        mute = t.server(Mute)
        proxy = starts(t, "-D", "127.0.0.1:0", "-F", "none", "-p", mute.port,
                       "x@127.0.0.1")
        wait_until(lambda mute=mute: mute.peers, "that it connects")
        proxy.signal(number_)
        equal(proxy.wait(2), -number_, "exit status")
        equal(proxy.lines(), [], "what it said")


def test_a_signal_to_the_parent_of_f(t):
    """Whoever started -f knows the parent alone."""
    for number_ in (signal.SIGINT, signal.SIGTERM):
        mute = t.server(Mute)
        proxy = starts(t, "-f", "-D", "127.0.0.1:0", "-F", "none", "-p",
                       mute.port, "x@127.0.0.1")
        wait_until(lambda mute=mute: mute.peers, "that it connects")
        proxy.signal(number_)
        equal(proxy.wait(2), -number_, "exit status")
        mute.released.set()


def test_the_first_connection_is_refused(t):
    port = free_port()
    for more in ([], ["-f"]):
        status, text = t.fails("-D", "127.0.0.1:0", "-F", "none", *more, "-p",
                               port, "x@127.0.0.1")
        equal(status, 255, "exit status")
        equal(len(text.splitlines()), 1, "lines")
        matches(f"culvert: .*127.0.0.1.*{port}.*refused", text)


def test_the_first_login_is_refused(t):
    sshd = Sshd(t)
    sshd.authorize([make_key(t, "another")])
    for more in ([], ["-f"], ["-W", "localhost:1"]):
        ways = [] if "-W" in more else ["-D", "127.0.0.1:0"]
        status, text = t.fails(*ways, *more, *sshd.args())
        equal(status, 255, "exit status")
        matches("[Pp]ermission denied|authentication", text)


def test_exit_on_forward_failure(t):
    sshd = Sshd(t)
    taken = t.server(Echo)
    spec = "-D", f"127.0.0.1:{taken.port}"
    for more in ([], ["-f"]):
        status, text = t.fails(*spec, "-D", "127.0.0.1:0", *more, "-o",
                               "ExitOnForwardFailure=yes", *sshd.args())
        equal(status, 255, "exit status")
        matches(f"cannot listen on 127.0.0.1:{taken.port}: .*in use", text)
    proxy = t.culvert(*spec, "-D", "127.0.0.1:0", *sshd.args())
    proxy.wait_line("cannot listen on")
    check_echo(through(t, proxy, taken))


def test_none_can_be_opened(t):
    """As ssh: it goes on, its control socket may yet get one."""
    sshd = Sshd(t)
    taken = t.server(Echo)
    path = t.tmp("control")
    proxy = starts(t, "-M", "-S", path, "-D", f"127.0.0.1:{taken.port}",
                   *sshd.args())
    proxy.wait_line("cannot listen on")
    wait_until(lambda: os.path.exists(path), "the control socket")
    port = free_port()
    done(ask(t, "ssh", "forward", path, "-D", f"127.0.0.1:{port}"))
    check_echo(through(t, at(port), taken))


def test_without_any_forward(t):
    """As ssh -N: a link, and a control socket to add to."""
    sshd = Sshd(t)
    path = t.tmp("control")
    proxy = starts(t, "-M", "-S", path, *sshd.args())
    wait_until(lambda: os.path.exists(path), "the control socket")
    asked = done(ask(t, "culvert", "forward", path, "-D", "127.0.0.1:0"))
    check_echo(through(t, at(int(asked.out)), t.server(Echo)))


def test_port_0_is_printed_even_quietly(t):
    sshd = Sshd(t)
    server = t.server(Echo)
    proxy = t.culvert("-q", "-D", "127.0.0.1:0", "-L",
                      f"0:127.0.0.1:{server.port}", *sshd.args(), listeners=3)
    check_echo(through(t, proxy, server))
    for where, what in proxy.listening[1:]:
        host, _, port = where.rpartition(":")
        check_echo(t.socket((host.strip("[]"), int(port))))


def test_background_returns_when_all_stands(t):
    """What was asked for can be used at once, the control socket too."""
    sshd = Sshd(t)
    server = t.server(Echo)
    path, log = t.tmp("control"), t.tmp("log")
    one, two = two_ports()
    status, text = t.fails("-f", "-M", "-S", path, "-E", log, "-D", one, "-L",
                           f"{two}:127.0.0.1:{server.port}", *sshd.args())
    equal(status, 0, text)
    check_echo(through(t, at(one), server))
    check_echo(t.socket(("::1", two)))
    pid = pid_of(t, path)
    with open(f"/proc/{pid}/stat") as file:
        session = int(file.read().rpartition(")")[2].split()[3])
    equal(session, pid, "its session")
    for fd in (0, 1, 2):
        equal(os.readlink(f"/proc/{pid}/fd/{fd}"), "/dev/null", "descriptor")
    end_in_background(t, path)


def test_background_asks_first(t):
    """For the passphrase, while there is still somebody to ask."""
    key = make_key(t, "locked", passphrase="open sesame")
    sshd = Sshd(t, keys=[key])
    asker = Askpass(t, "open sesame")
    path, port = t.tmp("control"), free_port()
    asked = t.run([CULVERT, "-f", "-M", "-S", path, "-D", port,
                   *sshd.args()],
                  env=sanitizer_environment(t.new_report(), asker.env))
    equal(asked.returncode, 0, asked.stderr.decode())
    equal(len(asker.asked()), 1, "questions")
    check_echo(through(t, at(port), t.server(Echo)))
    end_in_background(t, path)


def test_background_with_a_wrong_answer(t):
    """The failure is the command's, not the child's alone."""
    key = make_key(t, "locked", passphrase="open sesame")
    sshd = Sshd(t, keys=[key])
    asker = Askpass(t, "wrong", "wrong", "wrong")
    asked = t.run([CULVERT, "-f", "-D", free_port(), *sshd.args()],
                  env=sanitizer_environment(t.new_report(), asker.env))
    equal(asked.returncode, 255, "exit status")
    check(asked.stderr, "it said nothing")


class Terminal:
    """A terminal of a program's own, and what it shows."""

    def __init__(self, t, argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], argv,
                      sanitizer_environment(t.new_report(),
                                            {"SSH_ASKPASS_REQUIRE": "never"}))
        self.shown = b""
        t.defer(self.end)

    def wait_for(self, text):
        while text not in self.shown:
            ready, _, _ = select.select([self.fd], [], [], scaled(SOON))
            check(ready, f"not shown: {text!r}, only {self.shown!r}")
            self.shown += os.read(self.fd, 1000)

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def wait(self):
        """The exit status, or minus the signal."""
        def look():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return pid and (os.waitstatus_to_exitcode(status),)
        status, = wait_until(look, "its end")
        self.pid = 0
        return status


def test_interrupted_at_a_prompt(t):
    """^C ends it at once, as it ends ssh, and the terminal is as it was: with
    -f, too, where parent and child have it both."""
    key = make_key(t, "locked", passphrase="open sesame")
    sshd = Sshd(t, keys=[key])
    for more in ([], ["-f"]):
        terminal = Terminal(t, [CULVERT, *more, "-D", str(free_port()),
                                *sshd.args()])
        terminal.wait_for(b"locked")
        wait_until(lambda terminal=terminal: not terminal.echoes(),
                   "that it hides what is typed")
        os.write(terminal.fd, b"open\x03")
        equal(terminal.wait(), -signal.SIGINT, "exit status")
        wait_until(terminal.echoes, "the echo")


def test_terminated_at_a_prompt(t):
    key = make_key(t, "locked", passphrase="open sesame")
    sshd = Sshd(t, keys=[key])
    for more in ([], ["-f"]):
        terminal = Terminal(t, [CULVERT, *more, "-D", str(free_port()),
                                *sshd.args()])
        terminal.wait_for(b"locked")
        wait_until(lambda terminal=terminal: not terminal.echoes(),
                   "that it hides what is typed")
        os.kill(terminal.pid, signal.SIGTERM)
        equal(terminal.wait(), -signal.SIGTERM, "exit status")
        wait_until(terminal.echoes, "the echo")


def test_w(t):
    """-W goes through the server, to the end of both sides."""
    sshd = Sshd(t)
    server = t.server(Echo)
    asked = t.run([CULVERT, "-W", f"127.0.0.1:{server.port}", *sshd.args()],
                  input=b"hello " * 10000,
                  env=sanitizer_environment(t.new_report()))
    equal(asked.returncode, 0, asked.stderr.decode())
    check(asked.stdout == b"hello " * 10000, "the data")
    status, text = t.fails("-W", f"127.0.0.1:{free_port()}", *sshd.args())
    equal(status, 255, "exit status")
    matches("-W: connection refused", text)


def test_w_is_a_proxy_command(t):
    """ssh through culvert through a server."""
    sshd = Sshd(t)
    asked = t.run(["ssh", *sshd.args()[:-1], "-o",
                   "ProxyCommand=" + " ".join(
                       [CULVERT, "-W", "%h:%p", *sshd.args()]),
                   sshd.destination, "echo", "hello"],
                  env=sanitizer_environment(t.new_report()))
    equal(asked.stdout, b"hello\n", asked.stderr.decode())
