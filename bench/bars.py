"""Ratios between peers, and the bars that culvert is held against.

A ratio is taken within each round, where both sides saw the same machine, and
the median of these ratios is what counts. `results` is case -> peer -> list
with, for each round, a dict of figures, or None."""
from statistics import median, quantiles

# metric -> whether more is better
BETTER = {"gbit_s": max, "per_s": max, "cpu_gb": min, "cpu_us": min,
          "p99_ms": min}
# Through an SSH server: what, case, metric, ours, theirs, sign (1: at least,
# -1: at most), limit.
TUNNEL_BARS = [
    ("Gbit/s down", "ssh-down", "gbit_s", "culvert", "ssh", 1, 1.5),
    ("Gbit/s up", "ssh-up", "gbit_s", "culvert", "ssh", 1, 1.7),
    ("CPU s/GB down", "ssh-down", "cpu_gb", "culvert", "ssh", -1, 0.6),
    ("CPU s/GB up", "ssh-up", "cpu_gb", "culvert", "ssh", -1, 0.6),
    ("Gbit/s down, both aes128-gcm", "ssh-down", "gbit_s", "culvert-gcm",
     "ssh-gcm", 1, 0.95),
    ("Gbit/s up, both aes128-gcm", "ssh-up", "gbit_s", "culvert-gcm",
     "ssh-gcm", 1, 1.0),
    ("CPU s/GB down, both aes128-gcm", "ssh-down", "cpu_gb", "culvert-gcm",
     "ssh-gcm", -1, 1.1),
    ("CPU s/GB up, both aes128-gcm", "ssh-up", "cpu_gb", "culvert-gcm",
     "ssh-gcm", -1, 0.95),
    ("Gbit/s down, 50 ms, after the ramp", "line50-down", "rest_gbit_s",
     "culvert", "ssh", 1, 2.8),
    ("Gbit/s down, 100 ms, after the ramp", "line100-down", "rest_gbit_s",
     "culvert", "ssh", 1, 5.0),
    ("the same, 50 ms", "line50-down", "rest_gbit_s", "culvert", "direct", 1,
     0.9),
    ("the same, 100 ms", "line100-down", "rest_gbit_s", "culvert", "direct",
     1, 0.9),
    ("Gbit/s, one upload, 50 ms", "line50-up1", "gbit_s", "culvert", "ssh", 1,
     1.0),
    ("Gbit/s, one upload, 100 ms", "line100-up1", "gbit_s", "culvert", "ssh",
     1, 1.0),
    ("Gbit/s, four uploads, 50 ms", "line50-up4", "gbit_s", "culvert", "ssh",
     1, 1.0),
    ("Gbit/s, four uploads, 100 ms", "line100-up4", "gbit_s", "culvert",
     "ssh", 1, 1.0),
    ("round trip p99, during a download, 2 workers", "beside-down", "p99_ms",
     "culvert-2", "ssh", -1, 0.25),
    ("round trip p99, during an upload, 2 workers", "beside-up", "p99_ms",
     "culvert-2", "ssh", -1, 0.25),
    ("round trip p99, during a download, 1 worker", "beside-down", "p99_ms",
     "culvert-1", "ssh", -1, 0.5),
    ("round trip p99, during an upload, 1 worker", "beside-up", "p99_ms",
     "culvert-1", "ssh", -1, 0.5),
    ("the same, a download that came later, 2 workers", "before-down",
     "p99_ms", "culvert-2", "ssh", -1, 0.25),
    ("the same, an upload that came later, 2 workers", "before-up", "p99_ms",
     "culvert-2", "ssh", -1, 0.25),
    ("the same, a download that came later, 1 worker", "before-down",
     "p99_ms", "culvert-1", "ssh", -1, 0.5),
    ("the same, an upload that came later, 1 worker", "before-up", "p99_ms",
     "culvert-1", "ssh", -1, 0.5),
    ("round trip p50, 8 streams, 50 ms", "line50-rtt8", "p50_ms", "culvert",
     "ssh", -1, 1.0),
    ("the same, with --server-nodelay", "line50-rtt8", "p50_ms",
     "culvert-nodelay", "ssh", -1, 0.55),
    ("connections/s, 1 at a time", "ssh-conn1", "per_s", "culvert", "ssh", 1,
     3.0),
    ("connections/s, 64 at a time", "ssh-conn64", "per_s", "culvert", "ssh",
     1, 1.4),
]
# The same with one value: what, case, metric, ours, limit, its text.
TUNNEL_LIMITS = [
    ("round trip p50, 8 streams, 50 ms, a server with TCP_NODELAY",
     "line50-rtt8", "p50_ms", "culvert-other", 52.5, "{:.1f} ms"),
    ("connection p99, 512 at a time", "ssh-conn512", "p99_ms", "culvert", 200,
     "{:.0f} ms"),
    ("streams while sshd resolves a name for 5 s, longest wait", "slow-name",
     "old_max_s", "culvert", 1.0, "{:.2f} s"),
    ("connections meanwhile, longest", "slow-name", "new_max_s", "culvert",
     1.0, "{:.2f} s"),
    ("memory, each of 1,000 idle, after a small request", "idle-small",
     "pss_each", "culvert", 4096, "{:.0f} bytes"),
    ("memory, each of 1,000 idle, after a MiB", "idle-mib", "pss_each",
     "culvert", 49152, "{:.0f} bytes"),
    ("memory, each of 100 stalled downloads", "stalls", "pss_each_mb",
     "culvert", 1.4, "{:.2f} MB"),
    ("growth of these in 60 s", "stalls", "growth_kb", "culvert", 1000,
     "{:.0f} KB in all"),
]
# Remote forwards, in the same way; all are culvert to ssh: what, case, metric,
# sign, limit.
REMOTE_BARS = [
    ("Gbit/s towards us", "remote-towards1", "gbit_s", 1, 1.3),
    ("Gbit/s towards us, 4 streams", "remote-towards4", "gbit_s", 1, 1.3),
    ("Gbit/s away from us", "remote-away1", "gbit_s", 1, 1.3),
    ("Gbit/s away from us, 4 streams", "remote-away4", "gbit_s", 1, 1.3),
    ("Gbit/s towards us, 100 ms, after the ramp", "remote100-towards1",
     "rest_gbit_s", 1, 3.5),
    ("Gbit/s away from us, 100 ms, after the ramp", "remote100-away1",
     "rest_gbit_s", 1, 1.0),
    ("the same, 4 streams", "remote100-away4", "rest_gbit_s", 1, 1.0),
    ("connections/s, 64 at a time", "remote-conn64", "per_s", 1, 1.3),
    ("round trip p99, beside bulk towards us, one remote port",
     "remote-beside-towards", "p99_ms", -1, 1.0),
    ("round trip p99, beside bulk away from us, one remote port",
     "remote-beside-away", "p99_ms", -1, 1.0),
    ("round trip p99, beside bulk towards us, two remote ports",
     "remote-apart-towards", "p99_ms", -1, 0.5),
    ("round trip p99, beside bulk away from us, two remote ports",
     "remote-apart-away", "p99_ms", -1, 0.5),
]
# Gateways: what, case, metric, sign, and the limits for a stock agent and for a
# culvert agent, all in relation to sshd with a stock agent.
GATEWAY_BARS = [
    ("Gbit/s down, 4 streams", "gateway-down4", "gbit_s", 1, 1.0, 1.3),
    ("Gbit/s up, 4 streams", "gateway-up4", "gbit_s", 1, 1.0, 1.3),
    ("Gbit/s down, 100 ms, after the ramp", "gateway100-down1", "rest_gbit_s",
     1, 1.0, 1.3),
    ("Gbit/s up, 100 ms, after the ramp", "gateway100-up1", "rest_gbit_s", 1,
     1.0, 1.3),
    ("connections/s, 1 at a time", "gateway-conn1", "per_s", 1, 1.0, 1.3),
    ("connections/s, 64 at a time", "gateway-conn64", "per_s", 1, 1.0, 1.3),
    ("round trip p50", "gateway-rtt1", "p50_ms", -1, 1.0, 0.77),
    ("round trip p99", "gateway-rtt1", "p99_ms", -1, 1.0, 0.77),
]
GATEWAY_BASE = "sshd/ssh"
# (peer, which of the limits), in the order of the table
GATEWAY_OURS = [("culvert/ssh", 4), ("culvert-D/ssh", 4),
                ("culvert/culvert", 5), ("culvert-D/culvert", 5)]
# The same with one value: what, case, metric, limit, its text.
GATEWAY_LIMITS = [
    ("memory of the gateway, each of 200 idle agents (RSS)", "gateway-agents",
     "rss_kb", 150, "{:.0f} KB"),
    ("round trip p99 of a relay beside 1,000 logins in 60 s, in relation to "
     "without", "gateway-storm", "p99_x", 2.0, "{:.2f}"),
    ("of these logins, failed", "gateway-storm", "failed", 0, "{:.0f}"),
]
# What is compared with a newer ssh: case, metric.
NEWER = [("ssh-down", "gbit_s"), ("ssh-down", "cpu_gb"), ("ssh-up", "gbit_s"),
         ("ssh-up", "cpu_gb"), ("ssh-conn1", "per_s"), ("ssh-conn64", "per_s"),
         ("ssh-conn512", "p99_ms"), ("line50-down", "rest_gbit_s"),
         ("line100-down", "rest_gbit_s"), ("line50-up1", "gbit_s"),
         ("line100-up1", "gbit_s"), ("line50-rtt8", "p50_ms")]
BULK = ["down1", "down16", "up1", "up16"]
# Where the reference has no such column, the nearest one it has.
NEAREST = {"up16": "up1"}
NO_SOCKS = ("direct", "splice", "copy")


def series(results, case, peer, metric):
    """The figures by round, None where there is none."""
    return [None if values is None else values.get(metric)
            for values in results.get(case, {}).get(peer, [])]


def middle(values):
    kept = [value for value in values if value is not None]
    return median(kept) if kept else None


def worst(values):
    return max((value for value in values if value is not None), default=None)


def paired(above, below):
    """The ratios round by round."""
    return [a / b for a, b in zip(above, below)
            if a is not None and b is not None and b > 0]


def spread(ratios):
    """(median, lower quartile, upper quartile), or None."""
    if not ratios:
        return None
    if len(ratios) == 1:
        return (ratios[0],) * 3
    low, mid, high = quantiles(ratios, n=4, method="inclusive")
    return mid, low, high


def ratio_text(ratio):
    """What spread() has returned, for a table."""
    return "–" if ratio is None else "{:.2f} ({:.2f}..{:.2f})".format(*ratio)


def rivals(results, reference, case, metric):
    """name -> series of every SOCKS proxy that is not ours: those of this run,
    and the others by their ratio to dante in the reference."""
    found = {}
    for peer in results.get(case, {}):
        if peer in NO_SOCKS or peer.startswith("culvert"):
            continue
        values = series(results, case, peer, metric)
        # An upload of which nothing was acknowledged is no figure.
        found[peer] = [value or None for value in values]
    then = reference.get(f"{NEAREST.get(case, case)}.{metric}", {})
    dante = found.get("danted", [])
    if not then.get("danted"):
        return found
    for peer, value in then.items():
        if value and peer not in found:
            factor = value / then["danted"]
            found[f"{peer} (by its ratio to dante)"] = [
                None if now is None else now * factor for now in dante]
    return found


def best_rival(results, reference, case, metric):
    """(name, series) of the best of them, or None."""
    found = rivals(results, reference, case, metric)
    known = {name: middle(values) for name, values in found.items()
             if middle(values) is not None}
    if not known:
        return None
    name = BETTER[metric](known, key=known.get)
    return name, found[name]


class Bars:
    """Collects the lines of the table of bars."""

    def __init__(self, results, reference):
        self.results = results
        self.reference = reference
        self.rows = []

    def ours(self, case, metric):
        return series(self.results, case, "culvert", metric)

    def against(self, case, metric, peer):
        """(spread, name) of culvert to a peer, or to the best one."""
        if peer == "best":
            best = best_rival(self.results, self.reference, case, metric)
            if best is None:
                return None, "best peer"
            name, values = best
        else:
            name, values = peer, series(self.results, case, peer, metric)
        return spread(paired(self.ours(case, metric), values)), name

    def add(self, what, bar, measured, holds):
        verdict = {True: "holds", False: "**falls short**", None: "no figure"}
        self.rows.append([what, bar, measured, verdict[holds]])

    def add_ratio(self, what, case, metric, choices):
        """A line that holds if one of (peer, sign, limit) does."""
        texts, bar, verdicts = [], [], []
        for peer, sign, limit in choices:
            ratio, name = self.against(case, metric, peer)
            bar.append(f"{'at least' if sign > 0 else 'at most'} "
                       f"{limit} x {peer if peer != 'best' else 'best peer'}")
            if ratio is None:
                continue
            texts.append(f"{ratio_text(ratio)} x {name}")
            verdicts.append(sign * ratio[0] >= sign * limit)
        self.add(what, ", or ".join(bar), "; ".join(texts) or "–",
                 any(verdicts) if verdicts else None)

    def add_value(self, what, bar, value, text, limit):
        self.add(what, bar, "–" if value is None else text.format(value),
                 None if value is None else value <= limit)

    def add_pairs(self, pairs):
        """A line for each of TUNNEL_BARS."""
        for what, case, metric, ours, theirs, sign, limit in pairs:
            mine = series(self.results, case, ours, metric)
            other = series(self.results, case, theirs, metric)
            ratio = spread(paired(mine, other))
            bar = f"{'at least' if sign > 0 else 'at most'} {limit} x {theirs}"
            if ratio is None:
                self.add(f"{what} ({ours})", bar, "–", None)
                continue
            self.add(f"{what} ({ours})", bar, f"{ratio_text(ratio)} x "
                     f"{theirs}: {middle(mine):.3g} to {middle(other):.3g}",
                     sign * round(ratio[0], 2) >= sign * limit)

    def bulk(self):
        for case in BULK:
            self.add_ratio(f"CPU s/GB, {case}", case, "cpu_gb",
                           [("splice", -1, 1.15), ("best", -1, 0.8)])
        for case in BULK:
            self.add_ratio(f"Gbit/s, {case}", case, "gbit_s",
                           [("splice", 1, 0.9)])
            self.add_ratio(f"Gbit/s, {case}", case, "gbit_s",
                           [("danted", 1, 1.2)])

    def connections(self):
        for case in ("conn64", "conn512"):
            self.add_ratio(f"connections/s, {case}", case, "per_s",
                           [("best", 1, 1.2)])
            self.add_ratio(f"CPU us each, {case}", case, "cpu_us",
                           [("best", -1, 0.75)])
        self.add_ratio("latency p99, conn512", "conn512", "p99_ms",
                       [("best", -1, 1.0)])
        slow = [value for case in ("conn64", "conn512", "name64")
                for metric in ("over_1s", "failed")
                for value in self.ours(case, metric) if value is not None]
        self.add_value("connections over 1 s, or failed", "none",
                       sum(slow) if slow else None, "{}", 0)

    def rest(self):
        self.add_ratio("round trips/s, rtt64", "rtt64", "per_s",
                       [("best", 1, 1.0)])
        self.add_value("PSS per idle connection", "at most 1.5 KB",
                       middle(self.ours("idle", "pss_each")), "{:.0f} bytes",
                       1500)
        self.add_value("descriptors per connection", "2",
                       middle(self.ours("idle", "fds_each")), "{:.3f}", 2.005)
        self.add_value("growth for 64 MB to a client that stalls",
                       "less than 1 MB",
                       worst(self.ours("stall", "growth_kb")), "{:.0f} KB",
                       999)


def judge(results, reference):
    """The rows of the table: what, bar, measured, verdict."""
    bars = Bars(results, reference)
    bars.bulk()
    bars.connections()
    bars.rest()
    return bars.rows


def ratio_rows(results, reference):
    """Rows of culvert's ratios: case and metric, then a cell for each of
    splice, the best peer and an older culvert where there is one."""
    bars = Bars(results, reference)
    rows = []
    pairs = [(case, metric) for case in BULK + ["both1"]
             for metric in ("gbit_s", "cpu_gb")]
    pairs += [(case, metric) for case in ("conn64", "conn512", "name64")
              for metric in ("per_s", "cpu_us", "p99_ms")]
    pairs += [("rtt64", metric) for metric in ("per_s", "cpu_us")]
    for case, metric in pairs:
        row = [f"{case} {metric}"]
        for peer in ("splice", "copy", "danted", "microsocks", "best",
                     "culvert-old"):
            ratio, name = bars.against(case, metric, peer)
            text = ratio_text(ratio)
            row.append(f"{text} {name}" if peer == "best" and ratio else text)
        rows.append(row)
    return rows


def judge_tunnels(results):
    """The rows of the table of bars through an SSH server."""
    bars = Bars(results, {})
    bars.add_pairs(TUNNEL_BARS)
    for what, case, metric, ours, limit, text in TUNNEL_LIMITS:
        bars.add_value(f"{what} ({ours})", "at most " + text.format(limit),
                       middle(series(results, case, ours, metric)), text,
                       limit)
    whole = [value for peer in ("culvert", "culvert-1")
             for value in series(results, "slow-reader", peer, "complete")
             if value is not None]
    bars.add("300 MB to a slow reader (culvert)", "every byte in its place",
             "–" if not whole else "yes" if all(whole) else "no",
             all(whole) if whole else None)
    return bars.rows


def judge_remotes(results):
    """The rows of the table of bars of remote forwards."""
    bars = Bars(results, {})
    bars.add_pairs([(what, case, metric, "culvert", "ssh", sign, limit)
                    for what, case, metric, sign, limit in REMOTE_BARS])
    return bars.rows


def judge_gateways(results):
    """The rows of the table of bars of gateways."""
    bars = Bars(results, {})
    for ours, which in GATEWAY_OURS:
        bars.add_pairs([(bar[0], bar[1], bar[2], ours, GATEWAY_BASE, bar[3],
                         bar[which]) for bar in GATEWAY_BARS
                        if ours in results.get(bar[1], {}) or "-D" not in ours])
    for what, case, metric, limit, text in GATEWAY_LIMITS:
        bars.add_value(f"{what} (culvert/ssh)", "at most " + text.format(limit),
                       middle(series(results, case, "culvert/ssh", metric)),
                       text, limit)
    return bars.rows


def remote_rows(results, lines, ours="culvert", theirs="ssh"):
    """Rows of the ratios of one peer to another: of each of (what, case,
    metrics), the ratio of each metric, of which None is none."""
    return [[what] + [ratio_text(spread(paired(
        series(results, case, ours, metric),
        series(results, case, theirs, metric)))) for metric in metrics]
            for what, case, metrics in lines if case in results]


def newer_rows(results):
    """Rows of culvert's ratios to a newer ssh: each with the server that it
    was built with, and both with that server."""
    rows = []
    for case, metric in NEWER:
        row = [f"{case} {metric}"]
        newer = series(results, case, "ssh-new", metric)
        for ours in ("culvert", "culvert-new"):
            ratio = spread(paired(series(results, case, ours, metric), newer))
            row.append(ratio_text(ratio))
        rows.append(row)
    return rows
