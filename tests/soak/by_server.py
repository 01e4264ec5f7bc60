"""The first subject: a culvert that leaves through an SSH server and listens
there (-D and -R), while that server is killed, stopped, cut off and started
again. Clients come by a SOCKS port here, by one that the server listens on,
and by a port there that has a fixed target."""
import signal
import time

import base
import remote
import faults
import sshd
from clients import Way

SERVER = "server"


class ServerSoak(base.Soak):
    def __init__(self, t, seconds, seed):
        super().__init__(t, seconds, seed)
        self.sshd = sshd.Sshd(t, RekeyLimit="16M", LogLevel="INFO")
        self.cut = faults.Cut(t, self.sshd)
        socks, fixed = remote.free_ports(2)
        target = self.clients.target.port
        self.proxy = t.culvert(
            "-D", "127.0.0.1:0", "-R", socks, "-R",
            f"{fixed}:127.0.0.1:{target}", "--connect-timeout", "20", "-o",
            "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2", "-o",
            "ConnectTimeout=5", *self.cut.args(), listeners=3)
        where, = [where for where, _ in self.proxy.listening
                  if " at " not in where]
        local = int(where.rpartition(":")[2])
        parts = (SERVER,)
        self.ways = [
            Way("local", ("127.0.0.1", local), parts, resets=True),
            Way("remote", ("127.0.0.1", socks), parts),
            Way("fixed", ("127.0.0.1", fixed), parts, fixed=True)]

    def disturb(self):
        way = self.random.choice(self.DISTURBANCES)
        with self.unrest(way.__name__, SERVER):
            way(self)

    def kill_one(self):
        pids = self.sshd.sessions()
        if pids:
            self.sshd.signal_sessions(signal.SIGKILL,
                                      [self.random.choice(pids)])

    def kill_all(self):
        self.sshd.signal_sessions(signal.SIGKILL)

    def stop_one(self):
        """Until long after it should have been given up."""
        pids = self.sshd.sessions()
        if pids:
            pid = self.random.choice(pids)
            self.sshd.signal_sessions(signal.SIGSTOP, [pid])
            time.sleep(6)
            self.sshd.signal_sessions(signal.SIGKILL, [pid])

    def stop_shortly(self):
        pids = self.sshd.sessions()
        self.sshd.signal_sessions(signal.SIGSTOP, pids)
        time.sleep(0.5)
        self.sshd.signal_sessions(signal.SIGCONT, pids)

    def restart(self):
        self.sshd.stop()
        time.sleep(self.random.random() * 3)
        self.sshd.start()

    def cut_off(self):
        self.cut.silence()
        time.sleep(self.random.random() * 6)
        self.cut.reset()
        self.cut.resume()

    def reset(self):
        self.cut.reset()

    def reconnect(self):
        self.proxy.signal(signal.SIGUSR2)

    DISTURBANCES = (kill_one, kill_one, kill_all, stop_one, stop_shortly,
                    restart, cut_off, reset, reconnect)
