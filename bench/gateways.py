"""The four combinations of a gateway (sshd, culvert) and of an agent that has
dialled in there (ssh -R, culvert -R), and the two ways through culvert's."""
import os
import select
import subprocess
import time

from peers import Failure, Proxy, free_port, limit_descriptors
from tunnels import Program, Tunnels, own_name

NAME = "home"  # of the agent at a gateway of culvert's
# peer -> (gateway, its clients' way in, agent). The raw port is the one that
# the agent has open at the gateway; the named one is the gateway's own -D.
GATEWAYS = {
    "sshd/ssh": ("sshd", "raw", "ssh"),
    "sshd/culvert": ("sshd", "raw", "culvert"),
    "culvert/ssh": ("culvert", "raw", "ssh"),
    "culvert/culvert": ("culvert", "raw", "culvert"),
    "culvert-D/ssh": ("culvert", "named", "ssh"),
    "culvert-D/culvert": ("culvert", "named", "culvert"),
}
LOGINS_MAX = 16  # of agents at a time: half of what one source may have
AGENTS_START_S = 120.0


class Chain(Program):
    """An agent, and with it the gateway that is its .server: one is of no use
    without the other."""

    def alive(self):
        return super().alive() and self.server.alive()

    def stop(self):
        super().stop()
        if self.server is not None:
            self.server.stop()


class Gateways(Tunnels):
    """Starts the chains by name, with a gateway of its own for each.

    paths: program -> path, of ssh, sshd and culvert; directory: with the
    keys, and for logs."""

    def start(self, name, site, ports=1):
        if name == "direct":
            return super().start(name, site)
        gateway, way_in, agent = GATEWAYS[name]
        chain = Chain(site.clients.call(free_port))
        try:
            chain.server = self.gateway(gateway, way_in, site)
            words = [*self.client(agent, chain.server.port), "-R",
                     str(chain.port), self.login(gateway, site)]
            # The raw port is what says that the agent has come.
            chain.spawn(words, site.near, f"{self.directory}/agent.log",
                        site.clients)
        except BaseException:
            chain.stop()
            raise
        if way_in == "named":
            chain.way = ["-x", str(chain.server.ports[1])]
        return chain

    def gateway(self, gateway, way_in, site):
        """A gateway that listens: a Program. If it has a named way, that is
        the second of its ports."""
        ports = [site.far.call(free_port)]
        if gateway == "sshd":
            words = site.sshd("sshd", ports[0])
        else:
            words = [self.paths["culvert"], "-q",
                     "--gateway", f"{site.listens}:{ports[0]}",
                     "--host-key", f"{self.directory}/host",
                     "--authorized-keys", f"{self.directory}/key.pub"]
            if way_in == "named":
                ports.append(site.far.call(free_port))
                words += ["-D", f"127.0.0.1:{ports[1]}",
                          "--via", f"reverse:{NAME}"]
        server = Program(*ports)
        server.spawn(words, site.far, f"{self.directory}/gateway.log")
        return server

    @staticmethod
    def user(gateway):
        """Who logs in: at sshd, somebody who has an account."""
        return own_name() if gateway == "sshd" else NAME

    def login(self, gateway, site):
        return f"{self.user(gateway)}@{site.address}"

    def agents(self, chain, name, site, count):
        """So many more stock agents at a chain's gateway, each with a port
        that the gateway has picked: a Proxy. Raises Failure."""
        gateway = GATEWAYS[name][0]
        words = [*self.client("ssh", chain.server.port, "INFO"), "-R", "0",
                 self.login(gateway, site)]
        crowd = Crowd(words, site.near)
        try:
            crowd.start(count)
        except BaseException:
            crowd.stop()
            raise
        return crowd


class Crowd(Proxy):
    """Many processes of the same command line, of which each says when the
    port it asked for is open. What they say comes by one pipe."""

    def __init__(self, words, place):
        super().__init__([])
        self.words = words
        self.place = place
        self.said = b""
        self.pipe = os.pipe()

    def start(self, count):
        end = time.monotonic() + AGENTS_START_S
        while self.ready() < count:
            while len(self.children) < min(count, self.ready() + LOGINS_MAX):
                self.spawn()
            if time.monotonic() > end or not self.alive():
                raise Failure(f"{self.ready()} of {count} agents came: "
                              + self.last_words())
            if select.select([self.pipe[0]], [], [], 0.2)[0]:
                self.said += os.read(self.pipe[0], 65536)

    def spawn(self):
        def before():
            self.place.enter()
            limit_descriptors()

        self.children.append(subprocess.Popen(
            self.words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self.pipe[1], start_new_session=True, cwd="/",
            preexec_fn=before))

    def ready(self):
        return self.said.count(b"Allocated port ")

    def last_words(self):
        return (self.said.decode(errors="replace").strip().splitlines() or
                ["no word"])[-1]

    def stop(self):
        super().stop()
        for fd in self.pipe:
            os.close(fd)
