"""The measurements of remote forwards: `culvert -R PORT` beside `ssh -R PORT`.

The server listens, the SOCKS clients are where it is, and what they ask for is
where the proxy runs. Bulk is named as the proxy sees it: what a client uploads
comes towards us, what it downloads goes away from us."""
from tunnelrun import MIN_RAMP_S, RAMP_S, RTTS_MS, TunnelRun

PEERS = ["ssh", "culvert", "ssh-new", "culvert-new"]
FAR_PEERS = ["direct", *PEERS]
TOWARDS_S = 10.0  # over the line, with the ramp
DIRECTIONS = {"towards": "up", "away": "down"}
REMOTE_SECTIONS = ["remote-bulk", "remote-conn", "remote-rtt",
                   "remote-beside", "remote-line"]


def cases():
    """case -> (section, RTT in ms, generator's words, seconds, peers), as in
    TUNNEL_CASES."""
    found = {}
    for way, mode in DIRECTIONS.items():
        for streams in (1, 4):
            words = ["load", "-n", str(streams), mode]
            found[f"remote-{way}{streams}"] = ("remote-bulk", 0, words, 2.0,
                                               PEERS)
    for streams in (1, 64):
        found[f"remote-conn{streams}"] = (
            "remote-conn", 0, ["storm", "-n", str(streams)], 1.5, PEERS)
    found["remote-rtt1"] = ("remote-rtt", 0, ["load", "rtt"], 1.0,
                            ["direct", *PEERS])
    for ports in ("beside", "apart"):
        for way, mode in DIRECTIONS.items():
            found[f"remote-{ports}-{way}"] = (
                "remote-beside", 0, ["load", f"beside-{mode}"], 2.0, PEERS)
    for rtt in RTTS_MS:
        for way, mode in DIRECTIONS.items():
            for streams in (1, 4):
                words = ["load", "-k", str(RAMP_S), "-n", str(streams), mode]
                found[f"remote{rtt}-{way}{streams}"] = (
                    "remote-line", rtt, words,
                    TOWARDS_S if way == "towards" else MIN_RAMP_S,
                    FAR_PEERS if streams == 1 else PEERS)
    found["remote50-conn64"] = ("remote-line", 50, ["storm", "-n", "64"], 2.0,
                                PEERS)
    found["remote50-rtt8"] = ("remote-line", 50, ["load", "-n", "8", "rtt"],
                              2.0, FAR_PEERS)
    return found


REMOTE_CASES = cases()


class RemoteRun(TunnelRun):
    """All rounds with remote forwards; see TunnelRun."""

    table = REMOTE_CASES
    remote = True

    def ports(self, case):
        """Apart: bulk has one remote port and the pings have another."""
        return 2 if case.startswith("remote-apart") else 1

    def method(self):
        return {"rounds": self.rounds, "ramp": RAMP_S, "towards": TOWARDS_S,
                "away": MIN_RAMP_S}
