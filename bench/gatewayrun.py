"""The measurements of the gateway: agents have dialled in at sshd or at
culvert, and clients come to the gateway to leave through them.

Download and upload are as the client sees them."""
import json

from gateways import GATEWAYS, NAME, Gateways
from measure import Generator, per
from peers import Failure
from tunnelrun import LIMIT_S, MIN_RAMP_S, RAMP_S, TunnelRun, words_of

PEERS = list(GATEWAYS)
RAW = [name for name in PEERS if "-D" not in name]
STOCK = ["sshd/ssh", "culvert/ssh"]
RTT_MS = 100
STREAMS = 4
AGENTS = 200
STORM_LOGINS, STORM_S = 1000, 60.0
QUIET_S = 6.0  # the same pings without the storm, right before and after it
STORM_THREADS = 16
BURST_LOGINS, BURST_THREADS = 200, 8
LOGIN_LIMIT_S = 120
GATEWAY_SECTIONS = ["gateway-bulk", "gateway-conn", "gateway-rtt",
                    "gateway-beside", "gateway-line", "gateway-memory",
                    "gateway-logins"]
MODES = ("down", "up")
FEW = 2


def cases():
    """case -> (section, RTT in ms, generator's words, seconds, peers), as in
    TUNNEL_CASES."""
    found = {}
    for mode in MODES:
        found[f"gateway-{mode}{STREAMS}"] = (
            "gateway-bulk", 0, ["load", "-n", str(STREAMS), mode], 2.0, PEERS)
    for streams in (1, 64):
        found[f"gateway-conn{streams}"] = (
            "gateway-conn", 0, ["storm", "-n", str(streams)], 1.5, PEERS)
    found["gateway-rtt1"] = ("gateway-rtt", 0, ["load", "rtt"], 1.0,
                             ["direct", *PEERS])
    for mode in MODES:
        found[f"gateway-beside-{mode}"] = (
            "gateway-beside", 0, ["load", f"beside-{mode}"], 2.0, PEERS)
    for mode in MODES:
        found[f"gateway{RTT_MS}-{mode}1"] = (
            "gateway-line", RTT_MS, ["load", "-k", str(RAMP_S), mode],
            MIN_RAMP_S, ["direct", *RAW])
    found[f"gateway{RTT_MS}-conn16"] = (
        "gateway-line", RTT_MS, ["storm", "-n", "16"], 2.0, PEERS)
    found["gateway-agents"] = ("gateway-memory", 0, [], 0.0, STOCK)
    found["gateway-burst"] = ("gateway-logins", 0, [], 0.0, STOCK)
    found["gateway-storm"] = ("gateway-logins", 0, ["load", "rtt"], STORM_S,
                              STOCK)
    return found


GATEWAY_CASES = cases()
FEW_CASES = {case: FEW for case, (section, *_) in GATEWAY_CASES.items()
             if section in ("gateway-line", "gateway-memory",
                            "gateway-logins")}


class GatewayRun(TunnelRun):
    """All rounds with gateways; see TunnelRun."""

    table = GATEWAY_CASES
    few = FEW_CASES
    starter = Gateways
    remote = True

    def cell(self, case, name, site, proxy):
        if case == "gateway-agents":
            return self.agents(name, site, proxy)
        if case == "gateway-burst":
            return self.burst(name, site, proxy)
        if case == "gateway-storm":
            return self.storm(case, name, site, proxy)
        return super().cell(case, name, site, proxy)

    def agents(self, name, site, chain):
        """What each of many stock agents that do nothing costs a gateway."""
        before = chain.server.usage()
        crowd = self.tunnels.agents(chain, name, site, AGENTS)
        try:
            after = chain.server.usage()
            if not crowd.alive() or not chain.alive():
                raise Failure("an agent went: " + crowd.last_words())
        finally:
            crowd.stop()
        return {key: per(after[what] - before[what], AGENTS, factor)
                for key, what, factor in (("rss_kb", "rss", 1e-3),
                                          ("pss_kb", "pss", 1e-3),
                                          ("fds_each", "fds", 1))}

    def logins(self, name, site, chain, count, secs, threads):
        """A Generator of so many logins at a chain's gateway."""
        gateway = GATEWAYS[name][0]
        return Generator(
            [f"{site.programs}/logins", site.address, str(chain.server.port),
             self.tunnels.user(gateway), f"{self.directory}/key", str(count),
             f"{secs:.3f}", str(threads)], LOGIN_LIMIT_S, site.near.enter)

    def burst(self, name, site, chain):
        """How many logins a second there can be, and what each costs."""
        generator = self.logins(name, site, chain, BURST_LOGINS, 0,
                                BURST_THREADS)
        try:
            generator.line()
            before = chain.server.cpu()
            generator.go()
            out = json.loads(generator.line())
            cpu = chain.server.cpu() - before
        finally:
            generator.close()
        return {"per_s": out["per_s"], "failed": out["failed"],
                "p50_ms": out["p50_us"] / 1e3, "p99_ms": out["p99_us"] / 1e3,
                "server_ms": per(cpu, out["done"], 1e3)}

    def pings(self, case, site, chain, secs):
        """A Generator of round trips that go on for so long."""
        section, rtt, words, _, peers = self.table[case]
        return Generator(words_of((section, rtt, words, secs, peers), site,
                                  chain, self.scale), LIMIT_S,
                         site.clients.enter)

    def storm(self, case, name, site, chain):
        """Round trips of a relay that runs, without and with logins of
        others, which come evenly."""
        before = run_to_end(self.pings(case, site, chain, QUIET_S))
        logins = self.logins(name, site, chain,
                             round(STORM_LOGINS * self.scale),
                             STORM_S * self.scale, STORM_THREADS)
        try:
            logins.line()
            beside = run_to_end(self.pings(case, site, chain, STORM_S), logins)
            out = json.loads(logins.line())
        finally:
            logins.close()
        after = run_to_end(self.pings(case, site, chain, QUIET_S))
        if before["failed"] or beside["failed"] or not chain.alive():
            raise Failure("a relay that was running failed")
        quiet = {key: (before[key] + after[key]) / 2
                 for key in ("p50_us", "p99_us")}
        return {"quiet_p50_ms": quiet["p50_us"] / 1e3,
                "quiet_p99_ms": quiet["p99_us"] / 1e3,
                "p50_ms": beside["p50_us"] / 1e3,
                "p99_ms": beside["p99_us"] / 1e3,
                "p99_x": beside["p99_us"] / quiet["p99_us"],
                "logins": out["done"], "failed": out["failed"],
                "secs": out["secs"], "login_p50_ms": out["p50_us"] / 1e3,
                "login_p99_ms": out["p99_us"] / 1e3}

    def method(self):
        return {"rounds": self.rounds, "few": min(FEW, self.rounds),
                "name": NAME, "ramp": RAMP_S, "line": MIN_RAMP_S,
                "agents": AGENTS, "burst": BURST_LOGINS,
                "threads": BURST_THREADS,
                "logins": round(STORM_LOGINS * self.scale),
                "storm": STORM_S * self.scale, "quiet": QUIET_S * self.scale}


def run_to_end(generator, first=None):
    """What a generator finds, started right after another one."""
    try:
        generator.line()
        if first is not None:
            first.go()
        generator.go()
        return json.loads(generator.line())
    finally:
        generator.close()
