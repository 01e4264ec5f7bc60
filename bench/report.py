"""RESULTS.md and its plots, from what was measured."""
import os

from bars import judge, judge_tunnels, newer_rows, ratio_rows
from figures import failed, figures, pictures, table
from gatewayreport import GATEWAY_HEAD, gateway_section
from remotereport import REMOTE_HEAD, remote_section

# (title, [(column, case, metric)])
TABLES = [
    ("Bulk, Gbit/s", [
        ("down, 1 stream", "down1", "gbit_s"),
        ("down, 16 streams", "down16", "gbit_s"),
        ("up, 1 stream", "up1", "gbit_s"),
        ("up, 16 streams", "up16", "gbit_s"),
        ("1 down beside 1 up", "both1", "gbit_s")]),
    ("Bulk, CPU seconds of the proxy per GB", [
        ("down, 1 stream", "down1", "cpu_gb"),
        ("down, 16 streams", "down16", "cpu_gb"),
        ("up, 1 stream", "up1", "cpu_gb"),
        ("up, 16 streams", "up16", "cpu_gb"),
        ("1 down beside 1 up", "both1", "cpu_gb")]),
    ("Connections per second", [
        ("64 at a time", "conn64", "per_s"),
        ("512 at a time", "conn512", "per_s"),
        ("64, by the name localhost", "name64", "per_s")]),
    ("CPU microseconds of the proxy per connection", [
        ("64 at a time", "conn64", "cpu_us"),
        ("512 at a time", "conn512", "cpu_us"),
        ("64, by the name localhost", "name64", "cpu_us")]),
    ("Connection latency, ms", [
        ("64: p50", "conn64", "p50_ms"), ("64: p99", "conn64", "p99_ms"),
        ("512: p50", "conn512", "p50_ms"), ("512: p90", "conn512", "p90_ms"),
        ("512: p99", "conn512", "p99_ms"), ("512: max", "conn512", "max_ms"),
        ("512: over 1 s", "conn512", "over_1s"),
        ("512: failed", "conn512", "failed")]),
    ("Round trip of 64 B on open connections, microseconds", [
        ("1 stream p50", "rtt1", "p50_us"), ("1 stream p99", "rtt1", "p99_us"),
        ("64 streams p50", "rtt64", "p50_us"),
        ("64 streams p99", "rtt64", "p99_us"),
        ("64 streams, per second", "rtt64", "per_s"),
        ("64: CPU us each", "rtt64", "cpu_us")]),
    ("Idle connections", [
        ("up", "idle", "up"), ("alive after", "idle", "alive"),
        ("open s", "idle", "open_s"),
        ("PSS before, MB", "idle", "pss_before_mb"),
        ("PSS with them, MB", "idle", "pss_mb"),
        ("PSS bytes each", "idle", "pss_each"),
        ("descriptors each", "idle", "fds_each"),
        ("threads", "idle", "threads")]),
    ("64 MB to a client that stalls", [
        ("growth of PSS, KB", "stall", "growth_kb"),
        ("the rest arrived", "stall", "complete")]),
]

TUNNEL_TABLES = [
    ("Bulk on loopback, 1 stream", [
        ("down, Gbit/s", "ssh-down", "gbit_s"),
        ("CPU s/GB", "ssh-down", "cpu_gb"),
        ("sshd's CPU s/GB", "ssh-down", "server_gb"),
        ("up, Gbit/s", "ssh-up", "gbit_s"),
        ("CPU s/GB", "ssh-up", "cpu_gb"),
        ("sshd's CPU s/GB", "ssh-up", "server_gb")]),
    ("Round trip of 64 B beside bulk that was there first, loopback", [
        ("download: p50 ms", "beside-down", "p50_ms"),
        ("p99 ms", "beside-down", "p99_ms"),
        ("Gbit/s", "beside-down", "gbit_s"),
        ("upload: p50 ms", "beside-up", "p50_ms"),
        ("p99 ms", "beside-up", "p99_ms"),
        ("Gbit/s", "beside-up", "gbit_s")]),
    ("Round trip of 64 B beside bulk that came later, loopback", [
        ("download: p50 ms", "before-down", "p50_ms"),
        ("p99 ms", "before-down", "p99_ms"),
        ("Gbit/s", "before-down", "gbit_s"),
        ("upload: p50 ms", "before-up", "p50_ms"),
        ("p99 ms", "before-up", "p99_ms"),
        ("Gbit/s", "before-up", "gbit_s")]),
    ("Connections, loopback", [
        ("1 at a time, per s", "ssh-conn1", "per_s"),
        ("64, per s", "ssh-conn64", "per_s"),
        ("64: p99 ms", "ssh-conn64", "p99_ms"),
        ("512, per s", "ssh-conn512", "per_s"),
        ("512: p99 ms", "ssh-conn512", "p99_ms"),
        ("512: failed", "ssh-conn512", "failed"),
        ("64: CPU us each", "ssh-conn64", "cpu_us"),
        ("sshd's", "ssh-conn64", "server_us")]),
    ("While sshd resolves a name", [
        ("streams, longest wait s", "slow-name", "old_max_s"),
        ("connections, longest s", "slow-name", "new_max_s"),
        ("connections per s", "slow-name", "new_per_s"),
        ("failed", "slow-name", "failed")]),
    ("Memory", [
        ("1,000 idle, bytes each", "idle-small", "pss_each"),
        ("alive after", "idle-small", "alive"),
        ("after a MiB, bytes each", "idle-mib", "pss_each"),
        ("alive after", "idle-mib", "alive"),
        ("100 stalled, MB each", "stalls", "pss_each_mb"),
        ("growth KB", "stalls", "growth_kb"),
        ("alive after", "stalls", "alive"),
        ("slow reader: all bytes", "slow-reader", "complete"),
        ("held at most, MB", "slow-reader", "held_mb")]),
    ("One download over the line, Gbit/s", [
        ("50 ms: ramp", "line50-down", "ramp_gbit_s"),
        ("then", "line50-down", "rest_gbit_s"),
        ("all", "line50-down", "gbit_s"),
        ("100 ms: ramp", "line100-down", "ramp_gbit_s"),
        ("then", "line100-down", "rest_gbit_s"),
        ("all", "line100-down", "gbit_s")]),
    ("Uploads over the line, Gbit/s", [
        ("50 ms: one", "line50-up1", "gbit_s"),
        ("four", "line50-up4", "gbit_s"),
        ("100 ms: one", "line100-up1", "gbit_s"),
        ("four", "line100-up4", "gbit_s")]),
    ("Round trip of 64 B on 8 streams over 50 ms", [
        ("p50 ms", "line50-rtt8", "p50_ms"),
        ("p99 ms", "line50-rtt8", "p99_ms")]),
]

# (file, title, axis, [(label, case, metric)], logarithmic)
PLOTS = [
    ("bulk", "Bulk", "Gbit/s", [
        ("down 1", "down1", "gbit_s"), ("down 16", "down16", "gbit_s"),
        ("up 1", "up1", "gbit_s"), ("up 16", "up16", "gbit_s")], False),
    ("cpu", "Bulk: CPU of the proxy", "seconds per GB", [
        ("down 1", "down1", "cpu_gb"), ("down 16", "down16", "cpu_gb"),
        ("up 1", "up1", "cpu_gb"), ("up 16", "up16", "cpu_gb")], True),
    ("conn", "Connections", "per second", [
        ("64 at a time", "conn64", "per_s"), ("512", "conn512", "per_s"),
        ("64, by name", "name64", "per_s")], False),
    ("conn-cpu", "Connections: CPU of the proxy", "microseconds each", [
        ("64 at a time", "conn64", "cpu_us"), ("512", "conn512", "cpu_us"),
        ("64, by name", "name64", "cpu_us")], False),
    ("latency", "Latency of a connection, 512 at a time", "ms", [
        ("p50", "conn512", "p50_ms"), ("p90", "conn512", "p90_ms"),
        ("p99", "conn512", "p99_ms"), ("max", "conn512", "max_ms")], True),
    ("rtt", "Round trips of 64 B, 64 streams", "per second",
     [("64 streams", "rtt64", "per_s")], False),
    ("idle", "Memory of an idle connection", "bytes of PSS",
     [("idle", "idle", "pss_each")], True),
]

TUNNEL_PLOTS = [
    ("ssh-bulk", "Through an SSH server: bulk", "Gbit/s", [
        ("down", "ssh-down", "gbit_s"), ("up", "ssh-up", "gbit_s"),
        ("down 50 ms", "line50-down", "rest_gbit_s"),
        ("down 100 ms", "line100-down", "rest_gbit_s")], False),
    ("ssh-cpu", "Through an SSH server: CPU of the client", "seconds per GB",
     [("down", "ssh-down", "cpu_gb"), ("up", "ssh-up", "cpu_gb")], False),
    ("ssh-beside", "Through an SSH server: round trip beside bulk, p99", "ms",
     [("download", "beside-down", "p99_ms"),
      ("upload", "beside-up", "p99_ms"),
      ("later download", "before-down", "p99_ms"),
      ("later upload", "before-up", "p99_ms")], True),
    ("ssh-conn", "Through an SSH server: connections", "per second", [
        ("1 at a time", "ssh-conn1", "per_s"),
        ("64 at a time", "ssh-conn64", "per_s"),
        ("512", "ssh-conn512", "per_s")], False),
]

REFERENCE_COLUMNS = [
    "down1.gbit_s", "down16.gbit_s", "up1.gbit_s", "down1.cpu_gb",
    "down16.cpu_gb", "up1.cpu_gb", "conn64.per_s", "conn512.per_s",
    "conn64.cpu_us", "conn512.cpu_us", "conn512.p99_ms", "rtt64.per_s",
    "idle.pss_each"]


def reference_table(reference):
    names = list(reference[REFERENCE_COLUMNS[0]])
    rows = []
    for name in names:
        row = [name]
        for column in REFERENCE_COLUMNS:
            value, dante = reference[column][name], reference[column]["danted"]
            row.append(f"{value / dante:.2f}" if value and dante else "–")
        rows.append(row)
    return table(["peer"] + REFERENCE_COLUMNS, rows)


METHOD = """\
Generator, origin, proxy all run on this machine and talk over loopback; the
generators and the origin keep to one thread each. Each case is measured for
every peer in turn, and that {rounds} times ({few} times for idle and stalled
connections), beginning with another peer in each round. A cell is the median
(least..most) of the rounds. CPU is utime + stime of the proxy's processes and
of the children they have waited for, read when the generator is at rest before
and after: set-up and tear-down of what is measured are in it. PSS is the sum
over its processes. An upload counts the bytes that the origin acknowledged, a
byte for each MiB.

- `direct`: no proxy, the limit of the generator and of this machine.
- `splice`: a bare relay to a fixed target, one thread, epoll, splice(2), 1 MiB
  pipes made at accept: the floor for bulk.
- `copy`: the same with 64 KiB recv and send: the floor for connections. Both
  skip the SOCKS handshake, two round trips.
- `culvert`: `culvert -q -D 127.0.0.1:PORT`.
- `microsocks`: its defaults. While a client uploads at full speed it does not
  read the other direction, so it may show no acknowledged bytes at all.
- `danted`: Dante, `-N 2`, methods none, logging to /dev/null.
- Every proxy has a limit of {descriptors} descriptors; `splice` holds 3000
  idle connections only, since it needs six for each.
- A connection is: connect, greeting, CONNECT, 1 byte out, 2 bytes back, close.
- An idle connection has carried one byte out and two back. A stalled client
  reads a block of 64 MiB and stops for {stall} s; then the rest must arrive.
"""


TUNNEL_METHOD = """\
The same generators and origin, {rounds} rounds ({few} for idle connections and
the slow name, one for stalled downloads and the slow reader, which all peers
do at once). Each peer is started anew for each figure, after a sshd that all of
them share, and has carried a few connections before. CPU and memory are those
of the client's process alone; sshd's are given apart. Everything of the
loopback figures is in one network namespace; of those with a round-trip time,
clients and proxies are in one and sshd and the origin in another, with a
user-space IP link between them (bench/delay.c): TCP itself sees the delay.

- `direct`: no proxy.
- `ssh`: `ssh -N -D` of this machine to its sshd, with LogLevel=ERROR so that
  nobody's log is measured; `ssh-gcm`: with `-c aes128-gcm@openssh.com`;
  `ssh-new`: that of `--newer-ssh`, with the sshd that lies beside it.
- `culvert`: the same command line with the program's name changed;
  `culvert-1`, `culvert-2`: with so many workers; `culvert-nodelay`: with
  `--server-nodelay`; `culvert-new`: to the newer sshd.
- `ssh-other`, `culvert-other`: to a server that sets TCP_NODELAY (asyncssh).
- Beside bulk: a ping-pong of 64 B on one stream while another moves as much as
  it can; what was there first had half a second alone.
- The ramp is the first {ramp:.0f} s of 20.
- While sshd resolves a name for {name:.0f} s: {streams} streams that were open
  before go on with a ping-pong, and half a second after the name was asked for
  connections are made, one at a time.
- Stalled: a client that asked for a download and reads nothing, for {stall:.0f}
  s. The slow reader takes 16 KiB a millisecond, rests a second after each 64
  MiB, and looks at every byte of 300 MB.
"""
TUNNEL_HEAD = "## Through an SSH server\n"


def tunnel_section(run, notes):
    """The part of RESULTS.md about `ssh -D`, without its head. run: what
    TunnelRun has collected."""
    results = run["results"]
    text = "\n"
    text += "".join(f"- {line}\n" for line in run["machine"] + run["facts"])
    text += "\n" + TUNNEL_METHOD.format(**run["method"])
    text += "\n### The bars\n\nA ratio is taken round by round: median " \
            "(quartiles), and the medians of both.\n\n"
    text += table(["what", "bar", "measured", "verdict"],
                  judge_tunnels(results))
    if notes:
        text += "\n### Notes\n\n" + notes.strip() + "\n"
    text += figures(TUNNEL_TABLES, results, run["peers"])
    if "ssh-new" in run["peers"]:
        text += "\n### culvert in relation to a newer ssh\n\n"
        text += table(["", "with the machine's sshd", "with the newer sshd"],
                      newer_rows(results))
    return (text + pictures(TUNNEL_PLOTS, run["plots"]) +
            failed(run["errors"], "###"))


# The parts about SSH, in their order: where bench/run has what was found, the
# head, what writes it.
SSH_PARTS = [("tunnels", TUNNEL_HEAD, tunnel_section),
             ("remotes", REMOTE_HEAD, remote_section),
             ("gateways", GATEWAY_HEAD, gateway_section)]


def split(text):
    """The parts of RESULTS.md or of NOTES.md, without their heads."""
    found = []
    for _, head, _ in reversed(SSH_PARTS):
        text, _, part = text.partition("\n" + head)
        found.insert(0, part)
    return [text, *found]


def write_report(run, reference, notes, path):
    """The report on what bench/run has collected, into the file path, of
    which it leaves the parts that were not measured."""
    said = split(notes)
    text = [""] * len(said)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            text = split(file.read())
    if "results" in run:
        text[0] = proxy_part(run, reference, said[0])
    for number, (name, _, section) in enumerate(SSH_PARTS, 1):
        if name in run:
            text[number] = section(run[name], said[number])
    with open(path, "w", encoding="utf-8") as file:
        file.write(text[0])
        for (_, head, _), part in zip(SSH_PARTS, text[1:]):
            file.write(part and "\n" + head + part)


def proxy_part(run, reference, notes):
    """RESULTS.md up to the part about SSH."""
    results = run["results"]
    text = "# Results of the benchmarks\n\n"
    text += "Written by `make bench`; what follows under Notes is kept in " \
            "bench/NOTES.md.\n\n## Machine\n\n"
    text += "".join(f"- {line}\n" for line in run["machine"])
    text += "\n## Method\n\n" + METHOD.format(**run["method"])
    text += "\n## The bars\n\nA ratio is taken round by round: median " \
            "(quartiles). The best peer is the best of those in this run, " \
            "and of the others by their ratio to dante, below.\n\n"
    text += table(["what", "at least", "measured", "verdict"],
                  judge(results, reference))
    if notes:
        text += "\n## Notes\n\n" + notes.strip() + "\n"
    text += "\n## Figures\n" + figures(TABLES, results, run["peers"])
    text += pictures(PLOTS, run["plots"])
    text += "\n## culvert in relation to the others\n\n"
    text += table(["", "to splice", "to copy", "to danted", "to microsocks",
                   "to the best peer", "to an older culvert"],
                  ratio_rows(results, reference))
    text += "\n## Other proxies, in relation to dante\n\nMeasured in the " \
            "same way on a machine with two cores, 2026-11-21: hev " \
            "(hev-socks5-server 2.13.1, 2 workers), 3proxy 1.0.0 (and built " \
            "with splice), Dante 1.4.2, microsocks 1.0.3, v2ray 4.34.0, ss " \
            "(shadowsocks-libev 3.3.5, aes-128-gcm, both ends), ssh (OpenSSH " \
            "9.2p1 -D and its sshd).\n\n"
    return text + reference_table(reference) + failed(run["errors"], "##")
