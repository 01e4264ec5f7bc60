"""Processes: the state of one, and what is below it, as /proc has them; what
some are started with."""
import os
import subprocess

# The system's, which has asyncssh.
PYTHON = "/usr/bin/python3"

# This folder, which has the programs that it runs.
HERE = os.path.dirname(os.path.abspath(__file__))


def process_state(pid):
    """The letter of /proc, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return None


def alive(pid):
    return process_state(pid) not in (None, "Z", "X")


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def family(pid):
    """A process and all below it."""
    found = [pid]
    for child in children(pid):
        found += family(child)
    return found


def send_signal(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def own_mounts():
    """What to put before a command so that it can mount for itself alone."""
    start = ["unshare", *(["-m"] if os.getuid() == 0 else
                          ["-Um", "--map-current-user", "--keep-caps"])]
    # In a chroot "/" is no mount whose propagation could be changed.
    if subprocess.run([*start, "true"], capture_output=True).returncode:
        start += ["--propagation", "unchanged"]
    return start
