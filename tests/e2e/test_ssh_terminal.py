"""culvert at a terminal, where it asks for what logging in to an SSH server
needs."""
import os
import pty
import select
import signal
import termios
import time

from harness import (CULVERT, check, equal, free_port, sanitizer_environment,
                     scaled, wait_until)
from keys import make_key
from login import NO_PROGRAM, ONE, args_of
from sshd import Sshd

SOCKS = ("-D", "127.0.0.1:0", *ONE)


class Terminal:
    """culvert at a terminal of its own, and what it shows."""

    def __init__(self, t, *args):
        self.t = t
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(CULVERT, [CULVERT, *map(str, args)],
                      sanitizer_environment(t.new_report(), NO_PROGRAM))
        t.defer(self.clean_up)

    def clean_up(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def wait(self, text):
        limit = time.monotonic() + scaled(10)
        while text not in self.text:
            ready, _, _ = select.select([self.fd], [], [],
                                        max(0, limit - time.monotonic()))
            try:
                some = os.read(self.fd, 4096) if ready else b""
            except OSError:
                some = b""
            check(some, f"{text!r} is not in {self.text!r}")
            self.text += some.decode(errors="replace")

    def say(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        """The exit status, negative for a signal's."""
        limit = time.monotonic() + scaled(10)
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            check(time.monotonic() < limit, "it does not end")
            time.sleep(0.01)


def test_passphrase_at_the_terminal(t):
    key = make_key(t, "locked", passphrase="open sesame")
    server = Sshd(t, keys=[key])
    term = Terminal(t, *SOCKS,
                    *args_of(server, key=key, known_hosts=t.tmp("new")))
    term.wait("(yes/no/[fingerprint])? ")
    check(term.echoes(), "the answer to a question is not shown")
    term.say("yes\n")
    term.wait(f"Enter passphrase for key '{key}': ")
    check(not term.echoes(), "the passphrase is shown")
    term.say("open sesame\n")
    term.wait("listening on")
    check(term.echoes(), "the terminal shows nothing any more")
    check("sesame" not in term.text, "the passphrase was shown")
    os.kill(term.pid, signal.SIGINT)
    equal(term.end(), 0, "exit status")


def test_question_is_left_by_a_signal(t):
    key = make_key(t, "locked", passphrase="open sesame")
    server = Sshd(t, keys=[key])
    for leave in ("\x03", signal.SIGTERM):
        term = Terminal(t, *SOCKS, *args_of(server, key=key))
        term.wait("Enter passphrase")
        check(not term.echoes(), "the passphrase is shown")
        started = time.monotonic()
        if leave == signal.SIGTERM:
            os.kill(term.pid, leave)
        else:
            term.say(leave)
        check(term.end() != 0, "exit status")
        check(time.monotonic() - started < scaled(3), "it took too long")
        check(term.echoes(), "the terminal shows nothing any more")


def test_end_of_input_is_no_answer(t):
    key = make_key(t, "locked", passphrase="open sesame")
    server = Sshd(t, keys=[key])
    term = Terminal(t, *SOCKS, *args_of(server, key=key))
    term.wait("Enter passphrase")
    term.say("\x04")
    term.wait("nobody gave its passphrase")
    equal(term.end(), 255, "exit status")


def test_interrupted_at_a_prompt(t):
    """^C ends it at once, as it ends ssh, and the terminal is as it was: with
    -f, too, where parent and child have it both."""
    key = make_key(t, "locked", passphrase="open sesame")
    sshd = Sshd(t, keys=[key])
    for more in ([], ["-f"]):
        terminal = Terminal(t, *more, "-D", free_port(), *sshd.args())
        terminal.wait("locked")
        wait_until(lambda terminal=terminal: not terminal.echoes(),
                   "that it hides what is typed")
        terminal.say("open\x03")
        equal(terminal.end(), -signal.SIGINT, "exit status")
        wait_until(terminal.echoes, "the echo")


def test_terminated_at_a_prompt(t):
    key = make_key(t, "locked", passphrase="open sesame")
    sshd = Sshd(t, keys=[key])
    for more in ([], ["-f"]):
        terminal = Terminal(t, *more, "-D", free_port(), *sshd.args())
        terminal.wait("locked")
        wait_until(lambda terminal=terminal: not terminal.echoes(),
                   "that it hides what is typed")
        os.kill(terminal.pid, signal.SIGTERM)
        equal(terminal.end(), -signal.SIGTERM, "exit status")
        wait_until(terminal.echoes, "the echo")
