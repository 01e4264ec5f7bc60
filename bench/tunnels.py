"""The ways through an SSH server: `ssh -D`, `ssh -R`, culvert, and no proxy at
all; the servers they lead through; and the places where all of them run."""
import os
import pwd
import socket
import struct
import subprocess
import threading
import time

from lines import FAR, NEAR, Failure, Here, Line, Namespace
from peers import SSHD, Proxy, free_port, limit_descriptors

HERE = os.path.dirname(os.path.abspath(__file__))
GCM = ["-c", "aes128-gcm@openssh.com"]
# peer -> (program, its options, server); see Tunnels.paths and Site.server.
TUNNELS = {
    "ssh": ("ssh", [], "sshd"),
    "ssh-gcm": ("ssh", GCM, "sshd"),
    "ssh-new": ("ssh-new", [], "sshd-new"),
    "ssh-new-gcm": ("ssh-new", GCM, "sshd-new"),
    "ssh-other": ("ssh", [], "asyncssh"),
    "culvert": ("culvert", [], "sshd"),
    "culvert-gcm": ("culvert", GCM, "sshd"),
    "culvert-1": ("culvert", ["--workers", "1"], "sshd"),
    "culvert-2": ("culvert", ["--workers", "2"], "sshd"),
    "culvert-nodelay": ("culvert", ["--server-nodelay"], "sshd"),
    "culvert-new": ("culvert", [], "sshd-new"),
    "culvert-new-gcm": ("culvert", GCM, "sshd-new"),
    "culvert-other": ("culvert", [], "asyncssh"),
}
NAME_S = 5.0  # what a slow name takes
RESOLV_CONF = "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n"
NSSWITCH = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"


def make_keys(directory):
    """A host key and a user's, in files named host and key."""
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f",
                        os.path.join(directory, name)], check=True,
                       stdin=subprocess.DEVNULL)


def own_name():
    """The account that logs in at sshd."""
    return pwd.getpwuid(os.geteuid()).pw_name


class SlowNames:
    """A name server that takes NAME_S for an answer: every name is
    127.0.0.1. Its socket is opened in a namespace of its own."""

    def __init__(self, namespace):
        self.socket = namespace.call(self.open)
        threading.Thread(target=self.serve, daemon=True).start()

    @staticmethod
    def open():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 53))
        return sock

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(512)
            except OSError:
                return
            threading.Timer(NAME_S, self.answer, (query, peer)).start()

    def answer(self, query, peer):
        question = query[12:]
        name = question.index(b"\0") + 1
        is_a = question[name:name + 2] == b"\0\1"
        head = query[:2] + struct.pack(">5H", 0x8180, 1, is_a, 0, 0)
        record = b"\xc0\x0c" + struct.pack(">2HIH4B", 1, 1, 1, 4, 127, 0, 0, 1)
        try:
            self.socket.sendto(head + question[:name + 4] +
                               (record if is_a else b""), peer)
        except OSError:
            pass  # the measurement has ended meanwhile

    def close(self):
        self.socket.close()


class Program(Proxy):
    """A running peer or server that listens on a port of 127.0.0.1, or on two:
    generators that use two take the second one for pings."""

    def __init__(self, port, second=None):
        super().__init__(["-x", str(port)] +
                         (["-p", str(second)] if second else []))
        self.port = port
        self.ports = [port] + ([second] if second else [])
        self.server = None

    def spawn(self, words, place, log, listens=None):
        """Starts it in a place and waits until it accepts connections, there
        or in the other place where it listens; what it says goes to a file.
        Raises Failure."""
        def before():
            place.enter()
            limit_descriptors()

        with open(log, "w", encoding="utf-8") as file:
            try:
                self.children.append(subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                    start_new_session=True, cwd="/", preexec_fn=before))
            except OSError as error:
                raise Failure(f"cannot start {words[0]}: {error}") from error
        end = time.monotonic() + 15
        while time.monotonic() < end and self.alive():
            try:
                (listens or place).call(self.connect)
                return
            except OSError:
                time.sleep(0.02)
        with open(log, encoding="utf-8", errors="replace") as file:
            said = file.read().strip().splitlines()
        self.stop()
        raise Failure("it does not listen: " + (said or ["no word"])[-1])

    def connect(self):
        for port in self.ports:
            socket.create_connection(("127.0.0.1", port), 1).close()


class Site:
    """A place: where the proxies are (near), where the servers are (far), and
    what lies between them. The clients are near and the origin is far; where
    the server listens for the proxies (remote) it is the other way round.

    rtt_ms: 0 is one machine; slow_names: sshd resolves by SlowNames."""

    def __init__(self, paths, programs, directory, rtt_ms, slow_names=False,
                 remote=False):
        self.paths = paths
        self.programs = programs
        self.directory = directory
        self.remote = remote
        self.servers = {}
        self.line = self.origin = self.names = None
        self.near = self.far = Here()
        try:
            if rtt_ms:
                self.line = Line(programs, rtt_ms)
                self.near, self.far = self.line.near, self.line.far
            elif os.geteuid() == 0:
                self.near = self.far = Namespace()
            if slow_names:
                if self.far.fd is None:
                    raise Failure("slow names need root")
                self.names = SlowNames(self.far)
            self.clients, targets = ((self.far, self.near) if remote
                                     else (self.near, self.far))
            self.address = FAR if rtt_ms else "127.0.0.1"
            self.listens = "0.0.0.0" if rtt_ms else "127.0.0.1"
            self.open_origin(targets)
        except BaseException:
            self.close()
            raise

    def open_origin(self, place):
        self.origin = subprocess.Popen(
            [f"{self.programs}/origin", "16", *(["any"] if self.line else [])],
            preexec_fn=place.enter, stdout=subprocess.PIPE, text=True)
        self.ports = self.origin.stdout.readline().strip()
        if not self.ports:
            raise Failure("the origin does not start")

    def time_wait(self):
        """How many of the clients' connections are in TIME_WAIT."""
        def read():
            with open("/proc/thread-self/net/sockstat",
                      encoding="ascii") as file:
                words = file.read().split()
            return int(words[words.index("tw") + 1])

        return self.clients.call(read)

    def server(self, name):
        """The server of this name, started if it is not up: a Proxy with a
        port."""
        if name not in self.servers:
            server = Program(self.far.call(free_port))
            self.servers[name] = server
            words = (self.asyncssh(server.port) if name == "asyncssh"
                     else self.sshd(name, server.port))
            server.spawn(words, self.far, f"{self.directory}/{name}.log")
        return self.servers[name]

    def sshd(self, name, port):
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", 0o755, exist_ok=True)  # its own demand
        conf = self.write(f"{name}.conf", SSHD.format(
            port=port, address=self.listens, dir=self.directory))
        words = [self.paths[name], "-D", "-e", "-f", conf]
        if self.names is None:
            return words
        resolv = self.write("resolv.conf", RESOLV_CONF)
        switch = self.write("nsswitch.conf", NSSWITCH)
        return ["unshare", "-m", "sh", "-c",
                f"mount --bind {resolv} /etc/resolv.conf && "
                f"mount --bind {switch} /etc/nsswitch.conf && exec \"$@\"",
                "sh", *words]

    def asyncssh(self, port):
        """A server that sets TCP_NODELAY, as asyncio does."""
        return ["/usr/bin/python3", "-W", "ignore", f"{HERE}/nodelay.py",
                self.listens, str(port), self.directory]

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def close(self):
        for server in self.servers.values():
            server.stop()
        self.servers = {}
        if self.origin is not None:
            self.origin.kill()
            self.origin.wait()
            self.origin.stdout.close()
        if self.names is not None:
            self.names.close()
        if self.line is not None:
            self.line.close()
        else:
            self.near.close()


class Tunnels:
    """Starts peers by name.

    paths: program -> path, of ssh, ssh-new and culvert; directory: with the
    keys, and for logs."""

    def __init__(self, paths, directory):
        self.paths = paths
        self.directory = directory

    def start(self, name, site, ports=1):
        """A running Proxy whose server is in .server, on so many ports;
        raises Failure."""
        if name == "direct":
            proxy = Proxy(["-a", NEAR if site.remote and site.line
                           else site.address])
            proxy.server = None
            return proxy
        program, more, server = TUNNELS[name]
        proxy = Program(*(site.clients.call(free_port)
                          for _ in range(ports)))
        proxy.server = site.server(server)
        words = self.client(program, proxy.server.port)
        for port in proxy.ports:
            more = [*more, *(["-R", str(port)] if site.remote
                             else ["-D", f"127.0.0.1:{port}"])]
        words += [*more, f"{own_name()}@{site.address}"]
        proxy.spawn(words, site.near, f"{self.directory}/{name}.log",
                    site.clients)
        return proxy

    def client(self, program, port, log_level="ERROR"):
        """How ssh, or what stands in for it, is called, but for what it
        forwards and for where it goes."""
        words = [self.paths[program], "-F", "none", "-N", "-i",
                 f"{self.directory}/key", "-p", str(port)]
        for option in ("StrictHostKeyChecking=no",
                       "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes",
                       "IdentityAgent=none", "BatchMode=yes",
                       f"LogLevel={log_level}"):
            words += ["-o", option]
        return words
