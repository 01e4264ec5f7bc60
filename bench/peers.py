"""The proxies that are measured, how each is set up, and what each uses."""
import ctypes
import os
import pwd
import resource
import signal
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
DESCRIPTORS = 20000  # for every proxy: some size their tables by the limit

DANTE = """\
logoutput: /dev/null
errorlog: /dev/null
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
{users}
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
"""

HEV = """\
main:
  workers: 2
  port: {port}
  listen-address: '127.0.0.1'
misc:
  log-level: error
  limit-nofile: 20000
"""

THREEPROXY = """\
maxconn 20000
auth none
allow *
socks {splice} -p{port} -i127.0.0.1
"""

SSHD = """\
Port {port}
ListenAddress {address}
HostKey {dir}/host
PidFile none
AuthorizedKeysFile {dir}/key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
MaxStartups 1000
LogLevel ERROR
"""


class Failure(Exception):
    """A peer that could not be started, or a measurement that broke."""


def adopt_orphans():
    """What a proxy leaves behind becomes our child, so that it can be waited
    for: dante ends before its children do."""
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def limit_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def processes():
    """Yields (pid, parent, session, ticks, threads) of all processes; ticks
    include those of children that have been waited for."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="ascii",
                      errors="replace") as file:
                field = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        yield (int(name), int(field[1]), int(field[3]),
               sum(int(ticks) for ticks in field[11:15]), int(field[17]))


def tree(roots):
    """The processes below (and with) the roots, and of their sessions."""
    found = {}
    rest = list(processes())
    grew = True
    while grew:
        grew = False
        for process in rest:
            pid, parent, session = process[:3]
            if pid in found:
                continue
            if pid in roots or parent in found or session in roots:
                found[pid] = process
                grew = True
    return found


class Proxy:
    """A running peer. `way` is how the generators reach it."""

    def __init__(self, way):
        self.way = way
        self.children = []

    def alive(self):
        return all(child.poll() is None for child in self.children)

    def usage(self):
        """CPU seconds, PSS and RSS in bytes, descriptors and threads, in
        all."""
        if not self.children:
            return None
        total = {"cpu": 0.0, "pss": 0, "rss": 0, "fds": 0, "threads": 0}
        for pid, process in tree({c.pid for c in self.children}).items():
            total["cpu"] += process[3] / TICK
            total["threads"] += process[4]
            try:
                total["fds"] += len(os.listdir(f"/proc/{pid}/fd"))
                with open(f"/proc/{pid}/smaps_rollup",
                          encoding="ascii") as file:
                    for line in file:
                        name = line.partition(":")[0].lower()
                        if name in ("pss", "rss"):
                            total[name] += 1024 * int(line.split()[1])
            except OSError:
                pass  # it has just ended, or has no memory any more
        return total

    def cpu(self):
        if not self.children:
            return None
        found = tree({child.pid for child in self.children})
        return sum(process[3] for process in found.values()) / TICK

    def stop(self):
        """Ends it, and whatever it has started, by pid."""
        roots = {child.pid for child in self.children}
        rest = [pid for pid in tree(roots) if pid not in roots]
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(2)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        # Those that outlived it are our children now, generation after
        # generation; the others have been waited for by their own parent.
        for pid in rest * 3:
            try:
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
            except (ChildProcessError, ProcessLookupError):
                pass
        self.children = []


class Peers:
    """Starts peers by name.

    paths: name -> program; programs: folder of the bench programs; ports: the
    origin's, as one word; user: whom the proxies run as, or None; directory:
    for their files."""

    def __init__(self, paths, programs, ports, user, directory):
        self.paths = paths
        self.programs = programs
        self.ports = ports
        self.user = user
        self.directory = directory

    def spawn(self, proxy, args, **more):
        if self.user is not None:
            entry = pwd.getpwnam(self.user)
            more.update(user=entry.pw_uid, group=entry.pw_gid,
                        extra_groups=[])
        try:
            child = subprocess.Popen(
                args, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, cwd="/",
                preexec_fn=limit_descriptors,
                **{"stdout": subprocess.DEVNULL, **more})
        except OSError as error:
            raise Failure(f"cannot start {args[0]}: {error}") from error
        proxy.children.append(child)
        return child

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return path

    def start(self, name):
        """A running Proxy; raises Failure."""
        if name == "direct":
            return Proxy([])
        port = free_port()
        proxy = Proxy(["-x", str(port)])
        try:
            if name in ("splice", "copy"):
                self.start_relay(proxy, name)
            else:
                getattr(self, "start_" + name.split("-")[0])(proxy, name, port)
                self.wait_for(proxy, port)
        except BaseException:
            proxy.stop()
            raise
        return proxy

    def start_relay(self, proxy, name):
        relay = self.spawn(proxy, [f"{self.programs}/relay", name, self.ports],
                           stdout=subprocess.PIPE, text=True)
        proxy.way = ["-r", relay.stdout.readline().strip()]

    def start_culvert(self, proxy, name, port):
        self.spawn(proxy, [self.paths[name], "-q", "-D", f"127.0.0.1:{port}"])

    def start_microsocks(self, proxy, name, port):
        self.spawn(proxy, [self.paths[name], "-i", "127.0.0.1", "-p",
                           str(port)])

    def start_danted(self, proxy, name, port):
        users = "" if self.user or os.geteuid() else "user.privileged: root"
        conf = self.write("danted.conf",
                          DANTE.format(port=port, users=users))
        self.spawn(proxy, [self.paths[name], "-N", "2", "-f", conf, "-p",
                           os.path.join(self.directory, "danted.pid")])

    def start_hev(self, proxy, name, port):
        conf = self.write("hev.yml", HEV.format(port=port))
        self.spawn(proxy, [self.paths[name], conf])

    def start_3proxy(self, proxy, name, port):
        splice = "-s" if name == "3proxy-splice" else ""
        conf = self.write("3proxy.cfg",
                          THREEPROXY.format(port=port, splice=splice))
        self.spawn(proxy, [self.paths[name], conf])

    def start_ssh(self, proxy, name, port):
        """ssh -D to an sshd of its own; both are counted."""
        keys = os.path.join(self.directory, "ssh")
        os.makedirs(keys, exist_ok=True)
        if self.user is not None:
            os.chown(keys, pwd.getpwnam(self.user).pw_uid, -1)
        server = free_port()
        conf = self.write("sshd.conf", SSHD.format(
            port=server, address="127.0.0.1", dir=keys))
        for key in ("host", "key"):
            if not os.path.exists(f"{keys}/{key}"):
                maker = Proxy([])
                self.spawn(maker, ["ssh-keygen", "-q", "-N", "", "-t",
                                   "ed25519", "-f", f"{keys}/{key}"]).wait()
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", 0o755, exist_ok=True)  # its own demand
        self.spawn(proxy, ["/usr/sbin/sshd", "-D", "-f", conf])
        self.wait_for(proxy, server)
        cipher = ["-c", "aes128-gcm@openssh.com"] if "gcm" in name else []
        login = self.user or pwd.getpwuid(os.geteuid()).pw_name
        self.spawn(proxy, [
            self.paths[name], "-F", "none", "-N", "-i", f"{keys}/key",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile="
            "/dev/null", *cipher, "-D", f"127.0.0.1:{port}", "-p",
            str(server), f"{login}@127.0.0.1"])

    @staticmethod
    def wait_for(proxy, port):
        """Until it accepts connections."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if not proxy.alive():
                raise Failure("it ended at once")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failure("it does not listen")
