"""The part of RESULTS.md about gateways."""
from bars import GATEWAY_BASE, judge_gateways, remote_rows
from figures import failed, figures, pictures, table


def bulk(case):
    return [("Gbit/s", case, "gbit_s"),
            ("agent's CPU s/GB", case, "cpu_gb"),
            ("gateway's", case, "server_gb"),
            ("both", case, "all_gb")]


def line(case):
    return [("ramp", case, "ramp_gbit_s"), ("then", case, "rest_gbit_s"),
            ("CPU s/GB, both", case, "all_gb")]


def beside(way, case):
    return [(f"{way}: p50 ms", case, "p50_ms"), ("p99 ms", case, "p99_ms"),
            ("Gbit/s", case, "gbit_s"), ("CPU s/GB, both", case, "all_gb")]


GATEWAY_TABLES = [
    ("4 downloads, loopback", bulk("gateway-down4")),
    ("4 uploads, loopback", bulk("gateway-up4")),
    ("Connections by a gateway", [
        ("1 at a time, per s", "gateway-conn1", "per_s"),
        ("p50 ms", "gateway-conn1", "p50_ms"),
        ("p99 ms", "gateway-conn1", "p99_ms"),
        ("CPU us each, both", "gateway-conn1", "all_us"),
        ("64, per s", "gateway-conn64", "per_s"),
        ("64: p50 ms", "gateway-conn64", "p50_ms"),
        ("64: p99 ms", "gateway-conn64", "p99_ms"),
        ("64: failed", "gateway-conn64", "failed"),
        ("64: agent's CPU us each", "gateway-conn64", "cpu_us"),
        ("gateway's", "gateway-conn64", "server_us"),
        ("both", "gateway-conn64", "all_us")]),
    ("Round trip of 64 B by a gateway, 1 stream, loopback", [
        ("p50 ms", "gateway-rtt1", "p50_ms"),
        ("p99 ms", "gateway-rtt1", "p99_ms"),
        ("agent's CPU us each", "gateway-rtt1", "cpu_us"),
        ("gateway's", "gateway-rtt1", "server_us"),
        ("both", "gateway-rtt1", "all_us")]),
    ("Round trip of 64 B beside bulk by the same gateway, loopback", [
        *beside("download", "gateway-beside-down"),
        *beside("upload", "gateway-beside-up")]),
    ("One download over 100 ms, Gbit/s", line("gateway100-down1")),
    ("One upload over 100 ms, Gbit/s", line("gateway100-up1")),
    ("Connections over 100 ms, 16 at a time", [
        ("per s", "gateway100-conn16", "per_s"),
        ("p50 ms", "gateway100-conn16", "p50_ms"),
        ("p99 ms", "gateway100-conn16", "p99_ms"),
        ("failed", "gateway100-conn16", "failed")]),
    ("Agents that are connected and idle", [
        ("RSS of the gateway, KB each", "gateway-agents", "rss_kb"),
        ("PSS, KB each", "gateway-agents", "pss_kb"),
        ("descriptors each", "gateway-agents", "fds_each")]),
    ("Logins, as many as there can be", [
        ("per s", "gateway-burst", "per_s"),
        ("p50 ms", "gateway-burst", "p50_ms"),
        ("p99 ms", "gateway-burst", "p99_ms"),
        ("gateway's CPU ms each", "gateway-burst", "server_ms"),
        ("failed", "gateway-burst", "failed")]),
    ("Round trip of 64 B beside logins, loopback", [
        ("without: p50 ms", "gateway-storm", "quiet_p50_ms"),
        ("p99 ms", "gateway-storm", "quiet_p99_ms"),
        ("with: p50 ms", "gateway-storm", "p50_ms"),
        ("p99 ms", "gateway-storm", "p99_ms"),
        ("p99, with to without", "gateway-storm", "p99_x"),
        ("logins", "gateway-storm", "logins"),
        ("in s", "gateway-storm", "secs"),
        ("failed", "gateway-storm", "failed"),
        ("login p50 ms", "gateway-storm", "login_p50_ms"),
        ("p99 ms", "gateway-storm", "login_p99_ms")]),
]

# What the tables of ratios compare: (what, case, metrics), these being the
# amount in a time, p50, p99, and the CPU of agent, gateway, and both.
RATIO_HEADER = ["", "Gbit/s, or per s", "p50", "p99", "CPU of the agent",
                "of the gateway", "of both"]
PER_GB = ("cpu_gb", "server_gb", "all_gb")
PER_ONE = ("cpu_us", "server_us", "all_us")
BULK = ("gbit_s", None, None, *PER_GB)
LINE = ("rest_gbit_s", None, None, *PER_GB)
CONN = ("per_s", "p50_ms", "p99_ms", *PER_ONE)
RATIOS = [
    ("4 downloads", "gateway-down4", BULK),
    ("4 uploads", "gateway-up4", BULK),
    ("a download, 100 ms", "gateway100-down1", LINE),
    ("an upload, 100 ms", "gateway100-up1", LINE),
    ("connections, 1 at a time", "gateway-conn1", CONN),
    ("connections, 64 at a time", "gateway-conn64", CONN),
    ("connections, 16 at a time, 100 ms", "gateway100-conn16",
     ("per_s", "p50_ms", "p99_ms", None, None, None)),
    ("round trips", "gateway-rtt1", (None, "p50_ms", "p99_ms", *PER_ONE)),
    ("beside a download", "gateway-beside-down",
     ("gbit_s", "p50_ms", "p99_ms", *PER_GB)),
    ("beside an upload", "gateway-beside-up",
     ("gbit_s", "p50_ms", "p99_ms", *PER_GB)),
]

GATEWAY_PLOTS = [
    ("gateway-bulk", "Gateways: bulk", "Gbit/s", [
        ("4 downloads", "gateway-down4", "gbit_s"),
        ("4 uploads", "gateway-up4", "gbit_s"),
        ("down, 100 ms", "gateway100-down1", "rest_gbit_s"),
        ("up, 100 ms", "gateway100-up1", "rest_gbit_s")], False),
    ("gateway-cpu", "Gateways: CPU of gateway and agent", "seconds per GB", [
        ("4 downloads", "gateway-down4", "all_gb"),
        ("4 uploads", "gateway-up4", "all_gb")], False),
    ("gateway-conn", "Gateways: connections", "per second", [
        ("1 at a time", "gateway-conn1", "per_s"),
        ("64 at a time", "gateway-conn64", "per_s"),
        ("16, 100 ms", "gateway100-conn16", "per_s")], True),
    ("gateway-rtt", "Gateways: round trip, p99", "ms", [
        ("alone", "gateway-rtt1", "p99_ms"),
        ("beside a download", "gateway-beside-down", "p99_ms"),
        ("beside an upload", "gateway-beside-up", "p99_ms"),
        ("beside logins", "gateway-storm", "p99_ms")], True),
]

GATEWAY_METHOD = """\
The same generators and origin, {rounds} rounds ({few} over the line, of memory
and of logins). A gateway is where an agent has dialled in, and where the
generators, its SOCKS5 clients, come to leave through the agent, which connects
to the origin beside it. Gateway and agent are started anew for each figure and
have carried a few connections before. Everything of the loopback figures is in
one network namespace; over the line agent and origin are in one, gateway and
generators in another.

- A peer is named GATEWAY/AGENT. `sshd`, `ssh`: those of this machine, with
  LogLevel=ERROR. `culvert`: `culvert -q --gateway ...` as the gateway,
  `culvert -N -R PORT ...` as the agent, with the command line of ssh.
- In `sshd/...` and `culvert/...` the clients come to the port that the agent
  has open at the gateway (`-R PORT`, no destination): the agent speaks SOCKS.
  In `culvert-D/...` they come to the gateway's `-D PORT --via reverse:{name}`:
  the gateway speaks SOCKS with them, and with the agent.
- `direct`: no gateway, from the generator to the origin.
- **Download**, **upload**: as the client sees it; the agent encrypts what a
  client downloads, the gateway what it uploads.
- CPU is that of all processes of the agent, and of the gateway.
- Beside bulk: a ping-pong of 64 B on one stream while another, which had half a
  second alone before, moves as much as it can.
- Over the line the ramp is the first {ramp:.0f} s, of {line:.0f}.
- Idle agents: {agents} processes of `ssh -N -R 0`, beside the one that has
  carried connections; by how much all processes of the gateway grew. RSS counts
  what sshd's processes share once for each of them, PSS in parts.
- Logins: key exchange, a public key (ed25519), and gone (bench/logins.c). As
  many as there can be: {burst} in all, {threads} at a time. Beside round trips:
  {logins} at even distances in {storm:.0f} s, while one stream has a ping-pong;
  without: the mean of {quiet:.0f} s right before and of as much right after.
  Who logs in has a nice of 19: elsewhere, as it would be, it slows down nobody.
"""
GATEWAY_HEAD = "## Gateway\n"


def gateway_section(run, notes):
    """The part of RESULTS.md about gateways, without its head. run: what
    GatewayRun has collected."""
    results = run["results"]
    text = "\n"
    text += "".join(f"- {line}\n" for line in run["machine"] + run["facts"])
    text += "\n" + GATEWAY_METHOD.format(**run["method"])
    text += "\n### The bars\n\nA ratio is taken round by round: median " \
            "(quartiles), and the medians of both.\n\n"
    text += table(["what", "bar", "measured", "verdict"],
                  judge_gateways(results))
    if notes:
        text += "\n### Notes\n\n" + notes.strip() + "\n"
    for peer in run["peers"]:
        if peer in (GATEWAY_BASE, "direct"):
            continue
        text += f"\n### {peer} in relation to {GATEWAY_BASE}\n\n"
        text += table(RATIO_HEADER,
                      remote_rows(results, RATIOS, peer, GATEWAY_BASE))
    text += figures(GATEWAY_TABLES, results, run["peers"])
    return (text + pictures(GATEWAY_PLOTS, run["plots"]) +
            failed(run["errors"], "###"))
