"""culvert at a terminal, where it asks for what logging in to an SSH server
needs."""
import os
import pty
import select
import signal
import termios

from harness import (CULVERT, SOON, check, equal, free_port,
                     sanitizer_environment, scaled, wait_until)
from keys import make_key
from sshd import Sshd


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
