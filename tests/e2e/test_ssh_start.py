"""How a culvert that leaves by an SSH server starts: when what listens comes
up, how a start fails, what -f waits for. And -W."""
import os
import signal

from harness import (CULVERT, Culvert, check, equal, free_port, matches,
                     sanitizer_environment, wait_until)
from keys import Askpass, make_key
from mux import ask, at, done, refuses, two_ports
from origins import Echo, Hold
from processes import alive
from sshd import Sshd
from wire import check_echo, through


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
    starts(t, "-M", "-S", path, *sshd.args())
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
