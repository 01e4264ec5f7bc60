"""The measurements through an SSH server: culvert beside `ssh -D`.

Each peer is started anew for each cell, so that a pool of connections that
one case has made grow is not there in the next. CPU is that of the peer's own
processes; what its server took is noted apart."""
import json
import select
import socket
import struct
import time

from lines import Line
from measure import (Generator, from_bulk, from_conn, from_idle, from_rtt,
                     per, settled)
from peers import Failure
from tunnels import NAME_S, Site, Tunnels, make_keys

SSH_BULK = ["ssh", "culvert", "ssh-gcm", "culvert-gcm", "ssh-new",
            "ssh-new-gcm", "culvert-new", "culvert-new-gcm"]
SSH_BESIDE = ["direct", "ssh", "ssh-new", "culvert-2", "culvert-1"]
SSH_PLAIN = ["ssh", "ssh-new", "culvert", "culvert-new"]
SSH_LINE = ["direct", "ssh", "ssh-new", "culvert"]
SSH_UP = ["ssh", "ssh-new", "culvert"]
SSH_NAGLE = ["direct", "ssh", "ssh-new", "culvert", "culvert-nodelay",
             "ssh-other", "culvert-other"]
RTTS_MS = (50, 100)
RAMP_S = 3.0
# case -> (section, RTT in ms, generator's words, seconds, peers)
TUNNEL_CASES = {
    "ssh-down": ("ssh-bulk", 0, ["load", "down"], 2.0, SSH_BULK),
    "ssh-up": ("ssh-bulk", 0, ["load", "up"], 2.0, SSH_BULK),
    "beside-down": ("ssh-beside", 0, ["load", "beside-down"], 2.0, SSH_BESIDE),
    "beside-up": ("ssh-beside", 0, ["load", "beside-up"], 2.0, SSH_BESIDE),
    "before-down": ("ssh-beside", 0, ["load", "-f", "beside-down"], 2.0,
                    SSH_BESIDE),
    "before-up": ("ssh-beside", 0, ["load", "-f", "beside-up"], 2.0,
                  SSH_BESIDE),
    "ssh-conn1": ("ssh-conn", 0, ["storm", "-n", "1"], 1.5, SSH_PLAIN),
    "ssh-conn64": ("ssh-conn", 0, ["storm", "-n", "64"], 1.5, SSH_PLAIN),
    "ssh-conn512": ("ssh-conn", 0, ["storm", "-n", "512"], 1.5, SSH_PLAIN),
    "slow-name": ("ssh-name", 0, [], NAME_S + 2, SSH_PLAIN),
    "idle-small": ("ssh-memory", 0, ["hold", "-n", "1000", "idle"], 1.0,
                   SSH_PLAIN),
    "idle-mib": ("ssh-memory", 0, ["hold", "-n", "1000", "-m", "idle"], 1.0,
                 SSH_PLAIN),
    "stalls": ("ssh-memory", 0, ["hold", "-n", "100", "stalls"], 60.0,
               ["ssh", "culvert"]),
    "slow-reader": ("ssh-memory", 0, ["hold", "slow"], 1.0,
                    ["ssh", "culvert", "culvert-1"]),
}
for rtt in RTTS_MS:
    TUNNEL_CASES[f"line{rtt}-down"] = (
        "ssh-line", rtt, ["load", "-k", str(RAMP_S), "down"], 20.0, SSH_LINE)
    TUNNEL_CASES[f"line{rtt}-up1"] = (
        "ssh-line", rtt, ["load", "up"], 6.0, SSH_UP)
    TUNNEL_CASES[f"line{rtt}-up4"] = (
        "ssh-line", rtt, ["load", "-n", "4", "up"], 6.0, SSH_UP)
TUNNEL_CASES["line50-rtt8"] = (
    "ssh-line", 50, ["load", "-n", "8", "rtt"], 2.0, SSH_NAGLE)
TUNNEL_SECTIONS = ["ssh-bulk", "ssh-beside", "ssh-conn", "ssh-name",
                   "ssh-memory", "ssh-line"]
TOGETHER = ("stalls", "slow-reader")  # all peers at once, in one round
FEW = 2  # rounds of some
FEW_CASES = {"slow-name": FEW, "idle-small": FEW, "idle-mib": FEW}
STREAMS = 8  # that go on beside a slow name
NAME_PAUSE_S = 0.5  # from one step of that to the next
TIME_WAIT_MAX = 2000
SETTLE_S = 3.0
LIMIT_S = 150
MIN_RAMP_S = RAMP_S + 3


def words_of(spec, site, proxy, scale):
    """The generator's command line."""
    _, _, words, secs, _ = spec
    secs *= scale
    if "-k" in words:
        secs = max(secs, MIN_RAMP_S)
    return [f"{site.programs}/{words[0]}", "-w", "-o", site.ports,
            *proxy.way, "-t", f"{secs:.3f}", *words[1:]]


def storm(site, proxy, *words):
    return Generator([f"{site.programs}/storm", "-w", "-o", site.ports,
                      *proxy.way, *words], 30, site.clients.enter)


def warm(site, proxy):
    """Makes a fresh proxy touch what any connection touches, and notes what
    it then uses."""
    generator = storm(site, proxy, "-n", "4", "-t", "0.1")
    try:
        generator.line()
        generator.go()
        out = json.loads(generator.line())
    finally:
        generator.close()
    if not out["done"]:
        raise Failure("no connection succeeds")
    proxy.fresh = settled(proxy, 0.3) if proxy.children else None


def cpu_of(program):
    return None if program is None else program.cpu()


def difference(before, after):
    return None if before is None else after - before


def from_far_bulk(out, cpu):
    return {**from_bulk(out, cpu), "ramp_gbit_s": out["ramp_gbit_s"],
            "rest_gbit_s": out["rest_gbit_s"]}


def from_beside(out, cpu):
    return {"p50_ms": out["p50_us"] / 1e3, "p99_ms": out["p99_us"] / 1e3,
            "gbit_s": out["gbit_s"], "cpu_gb": per(cpu, out["bytes"], 1e9),
            "failed": out["failed"]}


def from_far_rtt(out, cpu):
    values = from_rtt(out, cpu)
    return {"p50_ms": values["p50_us"] / 1e3, "p99_ms": values["p99_us"] / 1e3,
            "failed": values["failed"], "cpu_us": values["cpu_us"]}


def taken(mode):
    """What makes figures of the JSON of a generator with these words."""
    if mode[0] == "storm":
        return from_conn
    if mode[-1] == "rtt":
        return from_far_rtt
    return from_beside if "beside" in mode[-1] else from_far_bulk


def total(one, other):
    return None if one is None or other is None else one + other


def run_plain(spec, site, proxy, scale):
    """One measurement with one generator: a dict of figures."""
    generator = Generator(words_of(spec, site, proxy, scale), LIMIT_S,
                          site.clients.enter)
    try:
        generator.line()
        before = cpu_of(proxy), cpu_of(proxy.server)
        generator.go()
        out = json.loads(generator.line())
        own = difference(before[0], cpu_of(proxy))
        server = difference(before[1], cpu_of(proxy.server))
    finally:
        generator.close()
    if not proxy.alive():
        raise Failure("it ended during the measurement")
    values = taken(spec[2])(out, own)
    if "per_s" not in values and out["failed"]:
        raise Failure(f"{out['failed']} streams failed")
    if "cpu_gb" in values:
        values["server_gb"] = per(server, out["bytes"], 1e9)
        values["all_gb"] = total(values["cpu_gb"], values["server_gb"])
    if "cpu_us" in values:
        values["server_us"] = per(server, out["done"], 1e6)
        values["all_us"] = total(values["cpu_us"], values["server_us"])
    return values


def run_idle(spec, site, proxy):
    generator = Generator(words_of(spec, site, proxy, 1), LIMIT_S,
                          site.clients.enter)
    try:
        generator.line()
        held = settled(proxy, 0.5)
        generator.go()
        out = json.loads(generator.line())
    finally:
        generator.close()
    return from_idle(out, proxy.fresh, held)


def ask_for_name(site, proxy):
    """Asks the proxy for a slow name. Returns the socket."""
    def connect():
        return socket.create_connection(("127.0.0.1", proxy.port), 30)

    sock = site.near.call(connect)
    sock.sendall(b"\5\1\0")
    sock.recv(2)
    name = b"slow.example"
    port = int(site.ports.split(",", maxsplit=1)[0])
    sock.sendall(b"\5\1\0\3" + bytes([len(name)]) + name +
                 struct.pack(">H", port))
    return sock


def answered(sock):
    """Waits until a stream to a slow name carries bytes both ways."""
    with sock:
        reply = sock.recv(10)
        if len(reply) < 2 or reply[1] != 0:
            raise Failure(f"the slow name: reply {reply.hex()}")
        sock.sendall(b"c")
        if not sock.recv(2):
            raise Failure("the slow name: nothing comes")


def run_name(site, proxy):
    """What waits while sshd resolves a name: streams that were open before,
    and connections that come later."""
    old = Generator([f"{site.programs}/load", "-w", "-o", site.ports,
                     *proxy.way, "-n", str(STREAMS), "-t", str(NAME_S + 2),
                     "rtt"], 40, site.near.enter)
    new = storm(site, proxy, "-n", "1", "-t", str(NAME_S - 1))
    try:
        old.line()
        new.line()
        old.go()
        time.sleep(NAME_PAUSE_S)
        start = time.monotonic()
        sock = ask_for_name(site, proxy)
        time.sleep(NAME_PAUSE_S)
        new.go()
        answered(sock)
        name_s = time.monotonic() - start
        was, came = json.loads(old.line()), json.loads(new.line())
    finally:
        old.close()
        new.close()
    return {"old_max_s": was["max_us"] / 1e6, "new_max_s": came["max_us"] / 1e6,
            "new_per_s": came["per_s"], "name_s": name_s,
            "failed": was["failed"] + came["failed"]}


def run_stalls(generators, proxies, site_scale):
    """What stalled downloads make each proxy hold, at once and later."""
    for generator in generators.values():
        generator.line()
    time.sleep(SETTLE_S)
    first = {name: proxy.usage() for name, proxy in proxies.items()}
    time.sleep(TUNNEL_CASES["stalls"][3] * site_scale)
    then = {name: proxy.usage() for name, proxy in proxies.items()}
    values = {}
    for name, generator in generators.items():
        generator.go()
        out = json.loads(generator.line())
        held = first[name]["pss"] - proxies[name].fresh["pss"]
        values[name] = {
            "up": out["up"], "alive": out["alive"],
            "pss_each_mb": held / out["up"] / 1e6,
            "growth_kb": (then[name]["pss"] - first[name]["pss"]) / 1e3}
    return values


def run_slow_reader(generators, proxies, _):
    """Whether all bytes arrive in their order, and what is held at most."""
    values, most = {}, dict.fromkeys(generators, 0)
    for generator in generators.values():
        generator.line()
        generator.go()
    while len(values) < len(generators):
        rest = {g.child.stdout: name for name, g in generators.items()
                if name not in values}
        for done in select.select(list(rest), [], [], 0.5)[0]:
            name = rest[done]
            out = json.loads(generators[name].line())
            values[name] = {"complete": out["complete"], "secs": out["secs"],
                            "held_mb": most[name] / 1e6}
        for name in rest.values():
            held = proxies[name].usage()["pss"] - proxies[name].fresh["pss"]
            most[name] = max(most[name], held)
        if any(time.monotonic() > g.end for g in generators.values()):
            raise Failure("the slow reader hangs")
    return values


class TunnelRun:
    """All rounds through SSH servers with `ssh -D`.

    paths: program -> path, of ssh, ssh-new, sshd, sshd-new, culvert; names:
    the peers to leave in, or None; wanted: sections and cases; rounds and
    scale of the durations."""

    table = TUNNEL_CASES
    few = FEW_CASES  # case -> how many rounds, if not all
    starter = Tunnels
    remote = False  # the server listens: RemoteRun

    def __init__(self, paths, programs, directory, wanted, names, rounds,
                 scale):
        make_keys(directory)
        self.paths = paths
        self.programs = programs
        self.directory = directory
        self.wanted = wanted
        self.names = names
        self.rounds = rounds
        self.scale = scale
        self.tunnels = self.starter(paths, directory)
        self.sites = {}
        self.broken = set()  # places that cannot be made
        self.results = {}
        self.errors = []
        self.facts = []

    def fail(self, what, error):
        text = f"{what}: {error}"
        print(f"  FAILED {text}", flush=True)
        if text not in self.errors:
            self.errors.append(text)

    def cases(self):
        return [case for case, (section, *_) in self.table.items()
                if section in self.wanted or case in self.wanted]

    def peers(self, case):
        """Those that can be started and are asked for."""
        kept = []
        for name in self.table[case][4]:
            newer = "new" in name
            if newer and "ssh-new" not in self.paths:
                continue
            if self.names is None or name in self.names:
                kept.append(name)
        return kept

    def place(self, case):
        """Where a case is measured, as a key of sites."""
        return "names" if case == "slow-name" else self.table[case][1]

    def site(self, case):
        """The place of a case; None where there can be none."""
        place = self.place(case)
        if place in self.broken:
            return None
        site = self.sites.get(place)
        if site is not None and not site.line and \
                site.time_wait() > TIME_WAIT_MAX:
            self.sites.pop(place).close()
            site = None
        if site is None:
            try:
                site = Site(self.paths, self.programs, self.directory,
                            0 if place == "names" else place,
                            place == "names", self.remote)
            except (Failure, OSError) as error:
                self.fail("slow names" if place == "names"
                          else f"{place} ms", error)
                self.broken.add(place)
                return None
            self.sites[place] = site
            if isinstance(site.line, Line) and not self.facts:
                self.facts.append(site.line.facts())
        return site

    def ports(self, _):
        """How many ports a case needs."""
        return 1

    def cell(self, case, _, site, proxy):
        """One measurement of a proxy that is up: a dict of figures."""
        if case == "slow-name":
            return run_name(site, proxy)
        if case.startswith("idle"):
            return run_idle(self.table[case], site, proxy)
        return run_plain(self.table[case], site, proxy, self.scale)

    def measure(self, case, name):
        """One cell of one round: a dict of figures, or None."""
        proxy = None
        try:
            site = self.site(case)
            if site is None:
                return None
            proxy = self.tunnels.start(name, site, self.ports(case))
            warm(site, proxy)
            return self.cell(case, name, site, proxy)
        except (Failure, OSError) as error:
            self.fail(f"{name}, {case}", error)
            return None
        finally:
            if proxy is not None:
                proxy.stop()

    def measure_together(self, case):
        """A case of which time, not the processor, is what it needs."""
        names = self.peers(case)
        proxies, generators, values = {}, {}, {}
        try:
            site = self.site(case)
            if site is None:
                return {}
            for name in names:
                try:
                    proxies[name] = self.tunnels.start(name, site)
                    warm(site, proxies[name])
                except (Failure, OSError) as error:
                    self.fail(f"{name}, {case}", error)
                    if name in proxies:
                        proxies.pop(name).stop()
            for name, proxy in proxies.items():
                generators[name] = Generator(
                    words_of(self.table[case], site, proxy, 1), LIMIT_S,
                    site.clients.enter)
            run = run_stalls if case == "stalls" else run_slow_reader
            values = run(generators, proxies, self.scale)
        except (Failure, OSError) as error:
            self.fail(f"{', '.join(proxies)}, {case}", error)
        finally:
            for generator in generators.values():
                generator.close()
            for proxy in proxies.values():
                proxy.stop()
        return {name: values.get(name) for name in names}

    def note(self, number, case, name, values, brief):
        self.results.setdefault(case, {}).setdefault(name, []).append(values)
        print(f"round {number + 1}  {case:22} {name:15}", brief(values),
              flush=True)

    def round(self, number, brief):
        for case in self.cases():
            if number >= self.few.get(case, self.rounds):
                continue
            if case in TOGETHER:
                if number == 0:
                    for name, values in self.measure_together(case).items():
                        self.note(number, case, name, values, brief)
                continue
            peers = self.peers(case)
            first = number % len(peers) if peers else 0
            for name in peers[first:] + peers[:first]:
                values = self.measure(case, name)
                if self.place(case) not in self.broken:
                    self.note(number, case, name, values, brief)

    def all(self, brief):
        for number in range(self.rounds):
            self.round(number, brief)
        peers = [name for name in dict.fromkeys(
            peer for case in self.table.values() for peer in case[4])
            if any(name in cells for cells in self.results.values())]
        return {"results": self.results, "peers": peers,
                "errors": self.errors, "facts": self.facts,
                "method": self.method()}

    def method(self):
        """What the text about the method has to say."""
        return {"rounds": self.rounds, "few": min(FEW, self.rounds),
                "ramp": RAMP_S, "name": NAME_S, "streams": STREAMS,
                "stall": TUNNEL_CASES["stalls"][3] * self.scale}

    def close(self):
        for site in self.sites.values():
            site.close()
        self.sites = {}
