"""The part of RESULTS.md about remote forwards."""
from bars import judge_remotes, remote_rows
from figures import failed, figures, pictures, table

REMOTE_TABLES = [
    ("Bulk towards us, loopback", [
        ("1 stream, Gbit/s", "remote-towards1", "gbit_s"),
        ("CPU s/GB", "remote-towards1", "cpu_gb"),
        ("sshd's CPU s/GB", "remote-towards1", "server_gb"),
        ("4 streams, Gbit/s", "remote-towards4", "gbit_s"),
        ("CPU s/GB", "remote-towards4", "cpu_gb"),
        ("sshd's CPU s/GB", "remote-towards4", "server_gb")]),
    ("Bulk away from us, loopback", [
        ("1 stream, Gbit/s", "remote-away1", "gbit_s"),
        ("CPU s/GB", "remote-away1", "cpu_gb"),
        ("sshd's CPU s/GB", "remote-away1", "server_gb"),
        ("4 streams, Gbit/s", "remote-away4", "gbit_s"),
        ("CPU s/GB", "remote-away4", "cpu_gb"),
        ("sshd's CPU s/GB", "remote-away4", "server_gb")]),
    ("Connections by a remote port", [
        ("1 at a time, per s", "remote-conn1", "per_s"),
        ("p50 ms", "remote-conn1", "p50_ms"),
        ("64, per s", "remote-conn64", "per_s"),
        ("64: p99 ms", "remote-conn64", "p99_ms"),
        ("64: failed", "remote-conn64", "failed"),
        ("64: CPU us each", "remote-conn64", "cpu_us"),
        ("sshd's", "remote-conn64", "server_us"),
        ("64 over 50 ms, per s", "remote50-conn64", "per_s"),
        ("p50 ms", "remote50-conn64", "p50_ms")]),
    ("Round trip of 64 B alone", [
        ("loopback, 1 stream: p50 ms", "remote-rtt1", "p50_ms"),
        ("p99 ms", "remote-rtt1", "p99_ms"),
        ("CPU us each", "remote-rtt1", "cpu_us"),
        ("sshd's", "remote-rtt1", "server_us"),
        ("50 ms, 8 streams: p50 ms", "remote50-rtt8", "p50_ms"),
        ("p99 ms", "remote50-rtt8", "p99_ms")]),
    ("Round trip of 64 B beside bulk on the same remote port, loopback", [
        ("towards us: p50 ms", "remote-beside-towards", "p50_ms"),
        ("p99 ms", "remote-beside-towards", "p99_ms"),
        ("Gbit/s", "remote-beside-towards", "gbit_s"),
        ("away: p50 ms", "remote-beside-away", "p50_ms"),
        ("p99 ms", "remote-beside-away", "p99_ms"),
        ("Gbit/s", "remote-beside-away", "gbit_s")]),
    ("Round trip of 64 B beside bulk on another remote port, loopback", [
        ("towards us: p50 ms", "remote-apart-towards", "p50_ms"),
        ("p99 ms", "remote-apart-towards", "p99_ms"),
        ("Gbit/s", "remote-apart-towards", "gbit_s"),
        ("away: p50 ms", "remote-apart-away", "p50_ms"),
        ("p99 ms", "remote-apart-away", "p99_ms"),
        ("Gbit/s", "remote-apart-away", "gbit_s")]),
]
for _ms in (50, 100):
    for _way, _what in (("towards", "towards us"), ("away", "away from us")):
        REMOTE_TABLES.append((f"Bulk {_what}, {_ms} ms, Gbit/s", [
            (label, f"remote{_ms}-{_way}{_count}", metric)
            for _count, _name in ((1, "1 stream"), (4, "4 streams"))
            for label, metric in ((f"{_name}: ramp", "ramp_gbit_s"),
                                  ("then", "rest_gbit_s"),
                                  ("CPU s/GB", "cpu_gb"))]))

# What the table of ratios compares: (what, case, metrics), these being the
# amount in a time, p50, p99, the CPU of the client, and that of sshd too.
BULK = ("gbit_s", None, None, "cpu_gb", "all_gb")
FAR_BULK = ("rest_gbit_s", None, None, "cpu_gb", "all_gb")
BESIDE = ("gbit_s", "p50_ms", "p99_ms", "cpu_gb", "all_gb")
CONN = ("per_s", "p50_ms", "p99_ms", "cpu_us", "all_us")
RATIO_HEADER = ["", "Gbit/s, or per s", "p50", "p99", "CPU of the client",
                "of client and sshd"]
RATIOS = [
    ("towards us, 1 stream", "remote-towards1", BULK),
    ("towards us, 4 streams", "remote-towards4", BULK),
    ("away from us, 1 stream", "remote-away1", BULK),
    ("away from us, 4 streams", "remote-away4", BULK),
    ("towards us, 1 stream, 50 ms", "remote50-towards1", FAR_BULK),
    ("towards us, 4 streams, 50 ms", "remote50-towards4", FAR_BULK),
    ("away from us, 1 stream, 50 ms", "remote50-away1", FAR_BULK),
    ("away from us, 4 streams, 50 ms", "remote50-away4", FAR_BULK),
    ("towards us, 1 stream, 100 ms", "remote100-towards1", FAR_BULK),
    ("towards us, 4 streams, 100 ms", "remote100-towards4", FAR_BULK),
    ("away from us, 1 stream, 100 ms", "remote100-away1", FAR_BULK),
    ("away from us, 4 streams, 100 ms", "remote100-away4", FAR_BULK),
    ("connections, 1 at a time", "remote-conn1",
     ("per_s", "p50_ms", "p99_ms", None, None)),
    ("connections, 64 at a time", "remote-conn64", CONN),
    ("connections, 64 at a time, 50 ms", "remote50-conn64", CONN),
    ("round trips", "remote-rtt1",
     (None, "p50_ms", "p99_ms", "cpu_us", "all_us")),
    ("round trips, 8 streams, 50 ms", "remote50-rtt8",
     (None, "p50_ms", "p99_ms", None, None)),
    ("beside bulk towards us", "remote-beside-towards", BESIDE),
    ("beside bulk away from us", "remote-beside-away", BESIDE),
    ("the same on two ports, towards us", "remote-apart-towards", BESIDE),
    ("the same on two ports, away from us", "remote-apart-away", BESIDE),
]

REMOTE_PLOTS = [
    ("remote-bulk", "Remote forwards: bulk", "Gbit/s", [
        ("towards us", "remote-towards1", "gbit_s"),
        ("4 streams", "remote-towards4", "gbit_s"),
        ("away", "remote-away1", "gbit_s"),
        ("4 streams", "remote-away4", "gbit_s"),
        ("towards, 100 ms", "remote100-towards1", "rest_gbit_s"),
        ("away, 100 ms", "remote100-away1", "rest_gbit_s")], False),
    ("remote-beside", "Remote forwards: round trip beside bulk, p99", "ms", [
        ("towards us", "remote-beside-towards", "p99_ms"),
        ("away", "remote-beside-away", "p99_ms"),
        ("2 ports, towards", "remote-apart-towards", "p99_ms"),
        ("2 ports, away", "remote-apart-away", "p99_ms")], True),
]

REMOTE_METHOD = """\
The same in reverse, {rounds} rounds: the SSH server listens on a port of its
loopback for the client (`-R PORT`, no destination), and the generators are the
SOCKS5 clients of that port. What they ask for, the origin, is where the SSH
client runs, which speaks SOCKS and connects. Everything of the loopback figures
is in one network namespace; of those with a round-trip time, SSH client and
origin are in one, sshd and generators in another, with the same line between
them.

- **Towards us**: from the gateway to where the SSH client runs; the SOCKS
  client uploads. sshd encrypts, and the SSH client's window bounds it.
  **Away from us**: the SOCKS client downloads; sshd's window bounds it.
- `ssh`: `ssh -N -R PORT` of this machine to its sshd, with LogLevel=ERROR;
  `ssh-new`: that of `--newer-ssh` with its sshd. `culvert`: the same command
  line with the program's name changed; `culvert-new`: to the newer sshd.
- `direct`: no SSH, from the generator to the origin.
- CPU is that of the SSH client's processes; sshd's is given apart.
- Beside bulk: a ping-pong of 64 B on one stream while another, which had half a
  second alone before, moves as much as it can; on the same remote port, or on
  the second of two that one process has (`-R PORT -R PORT`).
- Over the line the ramp is the first {ramp:.0f} s, of {towards:.0f} towards us
  and of {away:.0f} away from us.
"""
REMOTE_HEAD = "## Remote forwards\n"


def remote_section(run, notes):
    """The part of RESULTS.md about `ssh -R`, without its head. run: what
    RemoteRun has collected."""
    results = run["results"]
    text = "\n"
    text += "".join(f"- {line}\n" for line in run["machine"] + run["facts"])
    text += "\n" + REMOTE_METHOD.format(**run["method"])
    text += "\n### The bars\n\nA ratio is taken round by round: median " \
            "(quartiles), and the medians of both.\n\n"
    text += table(["what", "bar", "measured", "verdict"],
                  judge_remotes(results))
    if notes:
        text += "\n### Notes\n\n" + notes.strip() + "\n"
    text += "\n### culvert in relation to ssh\n\n"
    text += table(RATIO_HEADER, remote_rows(results, RATIOS))
    text += figures(REMOTE_TABLES, results, run["peers"])
    return (text + pictures(REMOTE_PLOTS, run["plots"]) +
            failed(run["errors"], "###"))
