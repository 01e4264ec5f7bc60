"""SSH servers to work against, with keys of the tests' own, and what stands
around them: agents, askpass scripts, a network that can be cut.

    server = Sshd(t, RekeyLimit="16M", PermitOpen=["127.0.0.1:80"])
    t.culvert("-D", "127.0.0.1:0", *server.args())

Words in sshd_config's spelling go to its configuration, others are the
fixture's. Nothing of the system's or the user's own SSH files is touched.
"""
import fcntl
import json
import os
import pwd
import re
import shlex
import signal
import socket
import struct
import subprocess
import threading

import harness
from dns import Zone, name_server
from harness import Lines, free_port, wait_until
from origins import CHUNK, reset

# SO_LINGER that makes close(2) send a reset.
RESET = struct.pack("ii", 1, 0)

# The system's, which has asyncssh.
PYTHON = "/usr/bin/python3"

HERE = os.path.dirname(os.path.abspath(__file__))


# --- keys ---------------------------------------------------------------------

def keygen(*args):
    subprocess.run(["ssh-keygen", "-q", *args], check=True,
                   stdin=subprocess.DEVNULL, capture_output=True)


def cached_key(name, kind="ed25519"):
    """The path of a key pair that is made once a run and shared by all tests
    of it."""
    folder = os.path.join(os.path.abspath(harness.LOGS),
                          f"ssh-keys-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, f"{name}_{kind}")
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            size = ["-b", "2048"] if kind == "rsa" else []
            keygen("-t", kind, *size, "-N", "", "-C", name, "-f",
                   path + ".new")
            os.rename(path + ".new.pub", path + ".pub")
            os.rename(path + ".new", path)
    return path


def user_key(kind="ed25519"):
    return cached_key("user", kind)


def make_key(t, name, kind="ed25519", passphrase=""):
    """A key pair of the test's own; returns the private key's path."""
    path = t.tmp(name)
    size = ["-b", "2048"] if kind == "rsa" else []
    keygen("-t", kind, *size, "-N", passphrase, "-C", name, "-f", path)
    return path


def make_certificate(ca, key, principals, host=False, validity="-1d:+1d"):
    """Has ca sign key.pub; returns the certificate's path, which is where
    ssh looks for it beside the key."""
    keygen("-s", ca, "-I", "test", "-n", principals, "-V", validity,
           *(["-h"] if host else []), key + ".pub")
    return key + "-cert.pub"


def public_text(key):
    """Kind and base64 of a public key, without its comment."""
    with open(key + ".pub") as file:
        return " ".join(file.read().split()[:2])


# --- processes ----------------------------------------------------------------

def process_state(pid):
    """The letter of /proc, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return None


def alive(pid):
    return process_state(pid) not in (None, "Z", "X")


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def family(pid):
    """A process and all below it."""
    found = [pid]
    for child in children(pid):
        found += family(child)
    return found


def send_signal(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def wait_in(log, pattern, seconds=harness.SOON, count=1):
    """The first line in which pattern is found; with a count, the list of
    them once there are so many."""
    def look(lines):
        found = [line for line in lines if re.search(pattern, line)]
        return len(found) >= count and found
    found = log.wait(look, f"{count} lines with {pattern!r}", seconds)
    return found[0] if count == 1 else found


def own_mounts():
    """What to put before a command so that it can mount for itself alone."""
    start = ["unshare", *(["-m"] if os.getuid() == 0 else
                          ["-Um", "--map-current-user", "--keep-caps"])]
    # In a chroot "/" is no mount whose propagation could be changed.
    if subprocess.run([*start, "true"], capture_output=True).returncode:
        start += ["--propagation", "unchanged"]
    return start


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
        self.run([*own_mounts(), "sh", "-c", "mount --bind \"$0\" /etc/passwd && " + inner,
                  self.passwd])
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


# --- what stands around a server ----------------------------------------------

class Agent:
    """An ssh-agent with keys; env is what its clients need."""

    def __init__(self, test, *keys):
        self.path = test.tmp(f"agent{len(test.undo)}")
        self.env = {"SSH_AUTH_SOCK": self.path}
        self.process = test.program(
            ["ssh-agent", "-D", "-a", self.path], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.path), "the agent's socket")
        for key in keys:
            self.add(key)

    def add(self, key, *options):
        subprocess.run(["ssh-add", "-q", *options, key], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True,
                       env=dict(os.environ, **self.env))

    def remove_all(self):
        subprocess.run(["ssh-add", "-q", "-D"], check=True,
                       capture_output=True,
                       env=dict(os.environ, **self.env))


class Askpass:
    """A program for SSH_ASKPASS that gives these answers, one after the
    other, and an exit status of 1 when there is none left; asked() tells what
    it was asked."""

    def __init__(self, test, *answers):
        name = f"askpass{len(test.undo)}"
        self.asked_path = test.file(name + ".asked", "")
        answers_path = test.file(name + ".answers",
                                 "".join(f"{text}\n" for text in answers))
        self.path = test.file(name, f"""#!/bin/sh
exec 9>>{self.asked_path}
printf '%s' "$1" | tr '\\n' ' ' >&9
echo >&9
n=$(wc -l <{self.asked_path})
[ "$n" -le {len(answers)} ] || exit 1
sed -n "${{n}}p" {answers_path}
""", 0o700)
        self.env = {"SSH_ASKPASS": self.path, "SSH_ASKPASS_REQUIRE": "force",
                    "DISPLAY": ":0"}

    def asked(self):
        with open(self.asked_path) as file:
            return file.read().splitlines()


class Cut:
    """A TCP middleman before a server, whose network can be cut: silence()
    lets nothing through any more, either way, and says nothing, as a firewall
    that drops; resume() delivers what was held; reset() ends each connection
    with a reset; refuse() and accept() close and open its port."""

    def __init__(self, test, server):
        self.server = server
        self.port = free_port()
        self.news = threading.Condition()
        self.flows = True
        self.ended = False
        self.pairs = []
        self.forwarded = 0
        self.listener = None
        test.defer(self.close)
        self.accept()

    def args(self):
        """The server's own, through here."""
        return ["-p", str(self.port), "-o",
                f"HostKeyAlias=[{self.server.address}]:{self.server.port}",
                *self.server.options(), self.server.destination]

    def accept(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(256)
        threading.Thread(target=self.serve, args=(self.listener,),
                         daemon=True).start()

    def refuse(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def silence(self):
        with self.news:
            self.flows = False

    def resume(self):
        with self.news:
            self.flows = True
            self.news.notify_all()

    def reset(self):
        with self.news:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for sock in pair:
                try:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    RESET)
                    sock.shutdown(socket.SHUT_RD)
                except OSError:
                    pass
                sock.close()

    def close(self):
        self.refuse()
        with self.news:
            self.ended = True
            self.news.notify_all()
        self.reset()

    def serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.connect, args=(client,),
                             daemon=True).start()

    def connect(self, client):
        """In silence the server hears nothing of the client."""
        if not self.wait_flow():
            client.close()
            return
        try:
            far = socket.create_connection((self.server.address,
                                            self.server.port))
        except OSError:
            reset(client)
            return
        for sock in (client, far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.news:
            self.pairs.append((client, far))
        for one, other in ((client, far), (far, client)):
            threading.Thread(target=self.copy, args=(one, other),
                             daemon=True).start()

    def wait_flow(self):
        """Returns whether to go on."""
        with self.news:
            self.news.wait_for(lambda: self.flows or self.ended)
            return not self.ended

    def copy(self, source, sink):
        try:
            while True:
                some = source.recv(CHUNK)
                if not self.wait_flow():
                    return
                if not some:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(some)
                self.forwarded += len(some)
        except OSError:
            for sock in (source, sink):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def slow_names(t, names, seconds):
    """From now on the processes of this module (NAMESPACE = True) that look
    up one of these names have 127.0.0.1 after so many seconds. Returns the
    name server."""
    zones = {name: Zone(v4=["127.0.0.1"], delay=seconds) for name in names}
    return name_server(t, zones, f"timeout:{int(seconds) + 10} attempts:1")
