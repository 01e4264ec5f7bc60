"""The SSH servers of the tests, with the ssh client that they are made for:
what fails here is no fault of culvert's."""
import os
import signal
import subprocess
import time

from faults import Cut, slow_names
from harness import check, equal, free_port, matches, wait_until
from keys import Agent, Askpass, make_key
from mux import refuses
from origins import Echo
from processes import alive
from sshd import Dropbear, Odd, Sshd
from wire import check_echo, gone, take

NAMESPACE = True


def forward(t, args, target, env=None):
    """A client connected to target by ssh -L."""
    port = free_port()
    t.program(["ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-L",
               f"127.0.0.1:{port}:{target.host}:{target.port}", *args],
              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
              stderr=open(t.tmp("ssh.err"), "w"),
              env=dict(os.environ, **(env or {})))

    def connected():
        try:
            return t.socket(("127.0.0.1", port))
        except OSError:
            return None
    try:
        return wait_until(connected, "ssh's listener")
    finally:
        with open(t.tmp("ssh.err")) as file:
            t.note("ssh", file.read().splitlines())


def test_sshd(t):
    sock = forward(t, Sshd(t).args(), t.server(Echo))
    check_echo(sock)


def test_sshd_with_other_host_keys(t):
    for kind in ("ecdsa", "rsa"):
        server = Sshd(t, host_keys=[kind])
        check_echo(forward(t, server.args(), t.server(Echo)))


def test_sessions_end_with_a_kill(t):
    server = Sshd(t)
    sock = forward(t, server.args(), t.server(Echo))
    check_echo(sock)
    equal(len(server.sessions()), 1, "sessions")
    equal(server.kill_sessions(), 1, "killed")
    gone(sock)


def test_sessions_outlive_the_listener_and_are_found(t):
    server = Sshd(t)
    sock = forward(t, server.args(), t.server(Echo))
    check_echo(sock)
    server.stop(sessions=False)
    check_echo(sock)
    pid, = server.sessions()
    server.start()
    equal(server.sessions(), [pid], "sessions after the start")
    server.stop()
    check(not alive(pid), "a session that goes on")


def test_stopped_session_says_nothing(t):
    server = Sshd(t)
    sock = forward(t, server.args(), t.server(Echo))
    check_echo(sock)
    server.signal_sessions(signal.SIGSTOP)
    sock.sendall(b"x")
    sock.settimeout(0.2)
    try:
        sock.recv(1)
        raise AssertionError("an answer")
    except TimeoutError:
        pass
    server.signal_sessions(signal.SIGCONT)
    sock.settimeout(10)
    equal(take(sock, 1), b"x", "echo")


def test_dropbear(t):
    server = Dropbear(t)
    check_echo(forward(t, server.args(), t.server(Echo)))
    equal(len(server.sessions()), 1, "sessions")


def test_odd(t):
    server = Odd(t)
    check_echo(forward(t, server.args(), t.server(Echo)))
    equal(server.lines("login"), ["login odd"], "logins")


def test_odd_with_a_unix_socket(t):
    t.server(Echo, t.tmp("far"))
    server = Odd(t)
    near = t.tmp("near")
    t.program(["ssh", "-N", "-L", f"{near}:{t.tmp('far')}", *server.args()],
              stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: not refuses(t, near), "ssh's listener")
    check_echo(t.socket(near))


def test_odd_in_small_pieces(t):
    server = Odd(t, window=7, max_packet=3, send_packet=5)
    check_echo(forward(t, server.args(), t.server(Echo)), bytes(range(200)))


def test_odd_exchanges_keys(t):
    server = Odd(t, rekey_bytes=5000)
    sock = forward(t, server.args(), t.server(Echo))
    for _ in range(5):
        check_echo(sock, bytes(6000))
    check(len(server.lines("kexinit")) > 3, server.text())


def test_odd_refuses(t):
    server = Odd(t, refuse={"*": [4, "too many of you"]})
    gone(forward(t, server.args(), t.server(Echo)))
    with open(t.tmp("ssh.err")) as file:
        matches("resource shortage: too many of you", file.read(), "ssh")


def test_odd_passwords_and_codes(t):
    server = Odd(t, user="bob", passwords={"ann": "secret"},
                 codes={"bob": ["12", "34"]})
    askpass = Askpass(t, "34")
    check_echo(forward(t, server.args(), t.server(Echo), askpass.env))
    matches("Code: ", askpass.asked()[0], "prompt")
    server.user = "ann"
    askpass = Askpass(t, "", "secret")
    check_echo(forward(t, server.args(), t.server(Echo), askpass.env))


def test_odd_asks_more_than_once(t):
    server = Odd(t, user="cid", kbdint={
        "cid": [["One", "first", [["Name: ", True], ["Word: ", False]],
                 ["n", "w"]],
                ["Two", "", [["Colour: ", True]], ["red"]]]})
    askpass = Askpass(t, "n", "w", "red")
    check_echo(forward(t, server.args(), t.server(Echo), askpass.env))
    equal(len(askpass.asked()), 3, "prompts")


def test_agent(t):
    key = make_key(t, "agents")
    server = Sshd(t, keys=[key])
    agent = Agent(t, key)
    os.rename(key, key + ".away")
    check_echo(forward(t, server.args(), t.server(Echo), agent.env))


def test_askpass(t):
    key = make_key(t, "locked", passphrase="open sesame")
    server = Sshd(t, keys=[key])
    askpass = Askpass(t, "open sesame")
    check_echo(forward(t, server.args(), t.server(Echo), askpass.env))
    matches("Enter passphrase for key", askpass.asked()[0], "prompt")


def test_slow_name(t):
    slow_names(t, ["slow.test"], 2)
    target = t.server(Echo)
    target.host = "slow.test"
    server = Sshd(t)
    began = time.monotonic()
    check_echo(forward(t, server.args(), target))
    check(time.monotonic() - began > 1.9, "an early answer")


def test_cut(t):
    server = Sshd(t)
    cut = Cut(t, server)
    sock = forward(t, cut.args(), t.server(Echo))
    check_echo(sock)
    cut.silence()
    sock.sendall(b"x")
    sock.settimeout(0.2)
    try:
        sock.recv(1)
        raise AssertionError("an answer")
    except TimeoutError:
        pass
    cut.resume()
    sock.settimeout(10)
    equal(take(sock, 1), b"x", "echo")
    cut.reset()
    gone(sock)
