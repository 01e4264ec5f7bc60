"""SSH servers to work against: OpenSSH's, dropbear, and one that misbehaves.

    server = Sshd(t, RekeyLimit="16M", PermitOpen=["127.0.0.1:80"])
    t.culvert("-D", "127.0.0.1:0", *server.args())

Words in sshd_config's spelling go to its configuration, others are the
fixture's. Nothing of the system's or the user's own SSH files is touched.
"""
import json
import os
import pwd
import re
import shlex
import signal
import subprocess

import harness
from harness import Lines, free_port, wait_until
from keys import cached_key, public_text, user_key
from processes import (HERE, PYTHON, alive, children, family, own_mounts,
                       send_signal)


def wait_in(log, pattern, seconds=harness.SOON, count=1):
    """The first line in which pattern is found; with a count, the list of
    them once there are so many."""
    def look(lines):
        found = [line for line in lines if re.search(pattern, line)]
        return len(found) >= count and found
    found = log.wait(look, f"{count} lines with {pattern!r}", seconds)
    return found[0] if count == 1 else found


class Daemon:
    """A server that forks for each connection. Its sessions outlive it, and
    then belong to whoever reaps here: so they are kept track of."""

    def __init__(self, test, address, port):
        self.test = test
        self.address = address
        self.port = port or free_port(address)
        self.process = None
        self.orphans = []
        self.logs = []
        self.folder = os.path.join(
            test.tmp(), f"{type(self).__name__.lower()}{self.port}")
        os.mkdir(self.folder, 0o755)
        test.defer(self.clean_up)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o600):
        path = self.path(name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    @property
    def host(self):
        return self.address

    @property
    def destination(self):
        return f"{self.user}@{self.address}"

    def options(self):
        """What ssh and culvert are told of this server, but where it is."""
        return ["-F", "none", "-i", self.key, "-o",
                f"UserKnownHostsFile={self.known_hosts}", "-o",
                "GlobalKnownHostsFile=/dev/null"]

    def args(self):
        return ["-p", str(self.port), *self.options(), self.destination]

    def write_known_hosts(self, keys):
        hosts = {self.address, "localhost"}
        self.known_hosts = self.write("known_hosts", "".join(
            f"[{host}]:{self.port} {public_text(key)}\n"
            for host in sorted(hosts) for key in keys))

    # --- its log ---

    def text(self):
        return "\n".join(line for log in self.logs for line in log.lines)

    def wait_line(self, pattern, seconds=harness.SOON, count=1):
        """A line of the log since the last start."""
        return wait_in(self.logs[-1], pattern, seconds, count)

    # --- its processes ---

    def run(self, argv, **keywords):
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, start_new_session=True, **keywords)
        self.logs.append(Lines(self.process.stderr,
                               open(self.path("log"), "ab")))

    def sessions(self):
        """The processes that serve a connection each."""
        found = children(self.process.pid) if self.process else []
        return [pid for pid in found + self.orphans if alive(pid)]

    def wait_sessions(self, count):
        """Waits until there are so many; returns them."""
        return wait_until(
            lambda: len(self.sessions()) == count and (self.sessions() or
                                                       True),
            f"{count} sessions of the server")

    def signal_sessions(self, number, pids=None):
        """To those of the sessions given, or of all, and all below them."""
        for pid in self.sessions() if pids is None else pids:
            send_signal(family(pid), number)

    def kill_sessions(self):
        """Ends them the hard way; returns how many there were."""
        pids = self.sessions()
        self.signal_sessions(signal.SIGKILL, pids)
        wait_until(lambda: not any(map(alive, pids)), "the sessions' ends")
        return len(pids)

    def stop(self, sessions=True):
        """Ends the listener, and the sessions too."""
        if self.process:
            send_signal([self.process.pid], signal.SIGSTOP)
            self.orphans = self.sessions()
            self.process.kill()
            self.process.wait()
            self.process = None
        if sessions:
            self.signal_sessions(signal.SIGKILL)
            wait_until(lambda: not any(map(alive, self.orphans)),
                       "the sessions' ends")
            self.orphans = []

    def clean_up(self):
        self.stop()
        for log in self.logs:
            with log.news:
                log.news.wait_for(lambda log=log: log.ended, 5)
            log.file.close()
            log.copy.close()
        self.test.note(f"log of {type(self).__name__} {self.port}",
                       self.text().splitlines())


# --- OpenSSH ------------------------------------------------------------------

class Sshd(Daemon):
    """OpenSSH's sshd for the user who runs the tests.

    keys: private keys whose public halves may log in; host_keys: kinds, or
    paths; restrict: options before each authorized key; wrap: a command that
    it is started through (it must exec); tail: the end of the configuration,
    for Match blocks."""

    def __init__(self, test, address="127.0.0.1", port=None, keys=None,
                 host_keys=("ed25519",), restrict="", wrap=(), tail="",
                 **config):
        super().__init__(test, address, port)
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.key = keys[0] if keys else user_key()
        self.host_keys = [kind if os.path.exists(kind) else
                          cached_key("host", kind) for kind in host_keys]
        self.wrap = list(wrap)
        self.write_known_hosts(self.host_keys)
        self.authorize(keys or [self.key], restrict)
        self.configure(config, tail)
        self.start()

    def authorize(self, keys, restrict=""):
        """Only these keys may log in from now on."""
        self.authorized = self.write("authorized_keys", "".join(
            f"{restrict} {public_text(key)}".strip() + "\n" for key in keys))

    def configure(self, config, tail=""):
        """Writes the configuration; a running server has it after a new
        start. sshd takes the first value of each, so the test's come
        first."""
        lines = []
        for word, value in config.items():
            values = value if isinstance(value, (list, tuple)) else [value]
            lines += [f"{word} {one}" for one in values]
        ours = {
            "ListenAddress": self.bracketed(), "PidFile": "none",
            "UsePAM": "no", "StrictModes": "no", "UseDNS": "no",
            "PermitRootLogin": "yes", "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no", "LogLevel": "VERBOSE",
            "AuthorizedKeysFile": self.authorized, "PrintMotd": "no",
            "PrintLastLog": "no", "MaxStartups": "1000",
            "MaxSessions": "10000", "LoginGraceTime": "60",
        }
        lines += [f"{word} {value}" for word, value in ours.items()
                  if word not in config]
        lines += [f"HostKey {key}" for key in self.host_keys]
        self.config = self.write("config", "\n".join(lines + [tail]) + "\n")

    def bracketed(self):
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"

    def start(self):
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.run([*self.wrap, "/usr/sbin/sshd", "-D", "-e", "-f",
                  self.config])
        self.wait_line(r"^Server listening on ")


# --- dropbear -----------------------------------------------------------------

class Dropbear(Daemon):
    """dropbear, which has no option for where authorized_keys is: it gets a
    passwd of its own, in mounts of its own, in which the user's home is a
    folder of the test's."""

    def __init__(self, test, *options, port=None, restrict=""):
        super().__init__(test, "127.0.0.1", port)
        entry = pwd.getpwuid(os.getuid())
        self.user = entry.pw_name
        self.key = user_key()
        self.args_more = options
        self.host_key = self.make_host_key()
        os.mkdir(self.path(".ssh"), 0o700)
        self.write(".ssh/authorized_keys",
                   f"{restrict} {public_text(self.key)}".strip() + "\n")
        self.passwd = self.write(
            "passwd", f"{entry.pw_name}:x:{entry.pw_uid}:{entry.pw_gid}::"
            f"{self.folder}:/bin/sh\n", 0o644)
        self.start()

    def make_host_key(self):
        path = self.path("host_key")
        subprocess.run(["dropbearkey", "-t", "ed25519", "-f", path],
                       check=True, capture_output=True)
        text = subprocess.run(["dropbearkey", "-y", "-f", path], check=True,
                              capture_output=True, text=True).stdout
        line = next(line for line in text.splitlines()
                    if line.startswith("ssh-ed25519 "))
        self.write("host_key.pub", line + "\n")
        self.write_known_hosts([path])
        return path

    def start(self):
        inner = shlex.join(["exec", "dropbear", "-F", "-E", "-r",
                            self.host_key, "-p",
                            f"127.0.0.1:{self.port}", *self.args_more])
        self.run([*own_mounts(), "sh", "-c",
                  "mount --bind \"$0\" /etc/passwd && " + inner, self.passwd])
        self.wait_line("Not backgrounding")
        wait_until(self.listens, "dropbear's listener")

    def listens(self):
        """Whether the kernel has its port as a listener. A probe would cost
        one of the few logins that dropbear has under way."""
        with open("/proc/net/tcp") as file:
            wanted = f"0100007F:{self.port:04X} 00000000:0000 0A"
            return any(wanted in line for line in file)


# --- one that misbehaves ------------------------------------------------------

class Odd:
    """odd_server.py in a process of its own; see there for what it can be
    told to do. text() is what it saw."""

    def __init__(self, test, **behaviour):
        self.test = test
        self.address = self.host = "127.0.0.1"
        self.user = behaviour.pop("user", "odd")
        self.key = user_key()
        host_key = behaviour.pop("host_key", cached_key("host", "ed25519"))
        self.settings = dict(behaviour, host_key=host_key,
                             authorized=self.key + ".pub")
        self.port = 0
        self.process = None
        test.defer(self.clean_up)
        self.start()
        self.known_hosts = test.file(
            f"odd{self.port}.known_hosts",
            f"[127.0.0.1]:{self.port} {public_text(host_key)}\n")

    options = Daemon.options
    args = Daemon.args
    destination = Daemon.destination

    def start(self):
        """Starts, or starts again on the same port."""
        settings = dict(self.settings, port=self.port)
        self.process = subprocess.Popen(
            [PYTHON, "-W", "ignore", os.path.join(HERE, "odd_server.py"),
             json.dumps(settings)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        copy = open(self.test.tmp("odd.log"), "ab")
        self.log = Lines(self.process.stdout, copy)
        line = self.wait_line("^listening ")
        self.port = int(line.split()[1])

    def wait_line(self, pattern, seconds=harness.SOON, count=1):
        return wait_in(self.log, pattern, seconds, count)

    def lines(self, word=""):
        """What it told, of lines that begin with this word."""
        return [line for line in list(self.log.lines)
                if line.startswith(word)]

    def text(self):
        return "\n".join(self.lines())

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
            with self.log.news:
                self.log.news.wait_for(lambda: self.log.ended, 5)
            self.log.file.close()
            self.log.copy.close()

    def clean_up(self):
        self.stop()
        self.test.note(f"log of Odd {self.port}", self.lines())
