"""Keys of the tests' own and certificates for them, and what answers for keys:
ssh-agent, and scripts for SSH_ASKPASS. Nothing of the user's own is touched."""
import fcntl
import itertools
import os
import subprocess

import harness
from harness import wait_until
from mux import refuses

NUMBERS = itertools.count()  # of what each has files of its own for


# --- files --------------------------------------------------------------------

def keygen(*args):
    subprocess.run(["ssh-keygen", "-q", *args], check=True,
                   stdin=subprocess.DEVNULL, capture_output=True)


def cached_key(name, kind="ed25519"):
    """The path of a key pair that is made once a run and shared by all tests
    of it."""
    folder = os.path.join(os.path.abspath(harness.LOGS),
                          f"ssh-keys-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, f"{name}_{kind}")
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            size = ["-b", "2048"] if kind == "rsa" else []
            keygen("-t", kind, *size, "-N", "", "-C", name, "-f",
                   path + ".new")
            os.rename(path + ".new.pub", path + ".pub")
            os.rename(path + ".new", path)
    return path


def user_key(kind="ed25519"):
    return cached_key("user", kind)


def make_key(t, name, kind="ed25519", passphrase=""):
    """A key pair of the test's own; returns the private key's path."""
    path = t.tmp(name)
    size = ["-b", "2048"] if kind == "rsa" else []
    keygen("-t", kind, *size, "-N", passphrase, "-C", name, "-f", path)
    return path


def make_certificate(ca, key, principals, host=False, validity="-1d:+1d"):
    """Has ca sign key.pub; returns the certificate's path, which is where
    ssh looks for it beside the key."""
    keygen("-s", ca, "-I", "test", "-n", principals, "-V", validity,
           *(["-h"] if host else []), key + ".pub")
    return key + "-cert.pub"


def public_text(key):
    """Kind and base64 of a public key, without its comment."""
    with open(key + ".pub") as file:
        return " ".join(file.read().split()[:2])


# --- who answers --------------------------------------------------------------

class Agent:
    """An ssh-agent with keys; env is what its clients need."""

    def __init__(self, test, *keys):
        self.path = test.tmp(f"agent{len(test.undo)}")
        self.env = {"SSH_AUTH_SOCK": self.path}
        self.process = test.program(
            ["ssh-agent", "-D", "-a", self.path], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # The socket is there before it is listened on.
        wait_until(lambda: not refuses(test, self.path), "the agent")
        for key in keys:
            self.add(key)

    def add(self, key, *options):
        subprocess.run(["ssh-add", "-q", *options, key], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True,
                       env=dict(os.environ, **self.env))

    def remove_all(self):
        subprocess.run(["ssh-add", "-q", "-D"], check=True,
                       capture_output=True,
                       env=dict(os.environ, **self.env))


class Askpass:
    """A program for SSH_ASKPASS that gives these answers, one after the
    other, and an exit status of 1 when there is none left; asked() tells what
    it was asked."""

    def __init__(self, test, *answers):
        name = f"askpass{next(NUMBERS)}"
        self.asked_path = test.file(name + ".asked", "")
        answers_path = test.file(name + ".answers",
                                 "".join(f"{text}\n" for text in answers))
        self.path = test.file(name, f"""#!/bin/sh
exec 9>>{self.asked_path}
printf '%s' "$1" | tr '\\n' ' ' >&9
echo >&9
n=$(wc -l <{self.asked_path})
[ "$n" -le {len(answers)} ] || exit 1
sed -n "${{n}}p" {answers_path}
""", 0o700)
        self.env = {"SSH_ASKPASS": self.path, "SSH_ASKPASS_REQUIRE": "force",
                    "DISPLAY": ":0"}

    def asked(self):
        with open(self.asked_path) as file:
            return file.read().splitlines()
