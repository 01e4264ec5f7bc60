"""The measurements: what is run, and what is made of the generators' JSON."""
import json
import select
import subprocess
import time

from peers import Failure

# case -> (section, generator's words, seconds). What a case yields is named
# by metrics of that section below.
CASES = {
    "down1": ("bulk", ["load", "-n", "1", "down"], 2.0),
    "down16": ("bulk", ["load", "-n", "16", "down"], 2.0),
    "up1": ("bulk", ["load", "-n", "1", "up"], 2.0),
    "up16": ("bulk", ["load", "-n", "16", "up"], 2.0),
    "both1": ("bulk", ["load", "-n", "1", "both"], 2.0),
    "conn64": ("conn", ["storm", "-n", "64"], 2.0),
    "conn512": ("conn", ["storm", "-n", "512"], 2.0),
    "name64": ("conn", ["storm", "-n", "64", "-d"], 2.0),
    "rtt1": ("rtt", ["load", "-n", "1", "rtt"], 1.0),
    "rtt64": ("rtt", ["load", "-n", "64", "rtt"], 2.0),
    "idle": ("idle", ["hold", "idle"], 1.0),
    "stall": ("stall", ["hold", "stall"], 1.0),
}
SECTIONS = ["bulk", "conn", "rtt", "idle", "stall"]
NO_PROXY = ("direct", "splice", "copy")
STALL_WATCH_S = 2.0


def applies(case, peer):
    """Whether a case means anything for a peer."""
    if case == "name64":
        return peer not in NO_PROXY
    return peer != "direct" or case not in ("idle", "stall")


class Generator:
    """A running load, storm or hold."""

    def __init__(self, words, limit_s, enter=None):
        self.end = time.monotonic() + limit_s
        self.child = subprocess.Popen(
            words, preexec_fn=enter, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def line(self):
        """The next line it prints; raises Failure at its end or too late."""
        wait = max(0.0, self.end - time.monotonic())
        if not select.select([self.child.stdout], [], [], wait)[0]:
            raise Failure("the generator hangs")
        line = self.child.stdout.readline()
        if not line:
            raise Failure(self.child.stderr.read().strip() or "no result")
        return line

    def go(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.communicate()


def per(amount, count, factor=1.0):
    """amount / count, or None where there is nothing to divide."""
    return None if amount is None or not count else factor * amount / count


def from_bulk(out, cpu):
    return {"gbit_s": out["gbit_s"], "cpu_gb": per(cpu, out["bytes"], 1e9),
            "failed": out["failed"]}


def from_conn(out, cpu):
    values = {name + "_ms": out[name + "_us"] / 1e3
              for name in ("p50", "p90", "p99", "max")}
    return {**values, "per_s": out["per_s"], "over_1s": out["over_1s"],
            "cpu_us": per(cpu, out["done"], 1e6),
            "failed": out["failed"] + out["stuck"]}


def from_rtt(out, cpu):
    return {"p50_us": out["p50_us"], "p99_us": out["p99_us"],
            "per_s": out["per_s"], "failed": out["failed"],
            "cpu_us": per(cpu, out["done"], 1e6)}


def from_idle(out, before, held):
    count = out["up"]
    return {"up": count, "alive": out["alive"], "open_s": out["open_secs"],
            "pss_before_mb": before["pss"] / 1e6, "pss_mb": held["pss"] / 1e6,
            "pss_each": per(held["pss"] - before["pss"], count),
            "fds_each": per(held["fds"] - before["fds"], count),
            "threads": held["threads"]}


def settled(proxy, seconds):
    """The largest use seen within so many seconds."""
    most = proxy.usage()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)
        now = proxy.usage()
        most = {key: max(most[key], now[key]) for key in most}
    return most


class Bench:
    """programs: folder of the generators; ports: the origin's; idle: how many
    idle connections; scale: of the durations."""

    def __init__(self, programs, ports, idle, scale):
        self.programs = programs
        self.ports = ports
        self.idle = idle
        self.scale = scale

    def words(self, case, peer, proxy):
        _, words, secs = CASES[case]
        count = []
        if case == "idle":
            # The splice relay's six descriptors each end at 3,332.
            most = 3000 if peer == "splice" else self.idle
            count = ["-n", str(min(self.idle, most))]
        return [f"{self.programs}/{words[0]}", "-w", "-o", self.ports,
                *proxy.way, "-t", f"{secs * self.scale:.3f}", *count,
                *words[1:]]

    def run(self, case, peer, proxy):
        """One measurement: a dict of figures. Raises Failure."""
        section = CASES[case][0]
        generator = Generator(self.words(case, peer, proxy), 150)
        try:
            if section == "idle":
                return self.run_idle(generator, proxy)
            if section == "stall":
                return self.run_stall(generator, proxy)
            generator.line()
            before = proxy.cpu()
            generator.go()
            out = json.loads(generator.line())
            after = proxy.cpu()
            if not proxy.alive():
                raise Failure("it ended during the measurement")
            if section != "conn" and out["failed"]:
                raise Failure(f"{out['failed']} streams failed")
            cpu = None if before is None else after - before
            return {"bulk": from_bulk, "conn": from_conn,
                    "rtt": from_rtt}[section](out, cpu)
        finally:
            generator.close()

    def warm(self, proxy):
        """Makes a fresh proxy touch what any connection touches, and notes
        what it then uses: idle and stall are measured from there."""
        generator = Generator(
            [f"{self.programs}/storm", "-o", self.ports, *proxy.way,
             "-n", "4", "-t", "0.1"], 20)
        try:
            generator.line()
        finally:
            generator.close()
        proxy.fresh = settled(proxy, 0.3)

    @staticmethod
    def run_idle(generator, proxy):
        generator.line()
        held = settled(proxy, 0.3)
        generator.go()
        return from_idle(json.loads(generator.line()), proxy.fresh, held)

    @staticmethod
    def run_stall(generator, proxy):
        generator.line()
        held = settled(proxy, STALL_WATCH_S)
        generator.go()
        out = json.loads(generator.line())
        return {"growth_kb": (held["pss"] - proxy.fresh["pss"]) / 1e3,
                "complete": out["complete"]}
