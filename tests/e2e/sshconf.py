"""ssh's configuration as -G prints it: of culvert, of ssh, and compared."""
import os
import pwd
import subprocess

from harness import CULVERT, check, equal, sanitizer_environment, scaled

# Keywords on which both must agree. Not among them: the lists of algorithms
# (libssh has its own), and serveraliveinterval and connecttimeout where
# nothing sets them (our defaults differ).
SAME = (
    "user", "hostname", "port", "addressfamily", "batchmode", "compression",
    "controlmaster", "clearallforwardings", "exitonforwardfailure",
    "gatewayports", "gssapiauthentication", "hashknownhosts",
    "identitiesonly", "kbdinteractiveauthentication",
    "nohostauthenticationforlocalhost", "passwordauthentication",
    "pubkeyauthentication", "forkafterauthentication",
    "streamlocalbindunlink", "stricthostkeychecking", "tcpkeepalive",
    "connectionattempts", "numberofpasswordprompts",
    "serveralivecountmax", "requiredrsasize", "bindaddress", "bindinterface",
    "controlpath", "hostkeyalias", "identityagent", "loglevel",
    "preferredauthentications", "revokedhostkeys", "dynamicforward",
    "localforward", "remoteforward", "identityfile", "certificatefile",
    "globalknownhostsfile", "userknownhostsfile", "permitremoteopen",
    "rekeylimit",
    "streamlocalbindmask", "proxycommand", "proxyjump",
)

# Of keys that are looked for by themselves ssh 9.2 has two more.
OLD_KEYS = ("~/.ssh/id_xmss", "~/.ssh/id_dsa")

HOME = pwd.getpwuid(os.getuid()).pw_dir


def run(t, program, *args):
    env = sanitizer_environment(t.new_report()) if program == CULVERT else None
    done = subprocess.run([program, "-G", *args], env=env,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=scaled(20))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def values(text, wanted=SAME):
    """What -G printed: keyword to its values, in order."""
    found = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        # ssh 9.2 prints a socket's local forward as a dynamic one too.
        odd = keyword == "dynamicforward" and value.startswith("/")
        if keyword in wanted and value not in OLD_KEYS and not odd:
            found.setdefault(keyword, []).append(value)
    return found


def compare(t, *args, more=()):
    """Both programs, with the same arguments, agree; returns what they say."""
    wanted = SAME + tuple(more)
    status, ours, said = run(t, CULVERT, *args)
    equal(status, 0, f"exit status of culvert -G {' '.join(args)}: {said}")
    status, theirs, said = run(t, "ssh", *args)
    equal(status, 0, f"exit status of ssh -G {' '.join(args)}: {said}")
    ours, theirs = values(ours, wanted), values(theirs, wanted)
    differ = [f"{keyword}: culvert {ours.get(keyword)}, "
              f"ssh {theirs.get(keyword)}"
              for keyword in wanted if ours.get(keyword) != theirs.get(keyword)]
    check(not differ, f"{' '.join(args)}:\n" + "\n".join(differ))
    return ours


def refuses(t, text, *words, args=()):
    """A file with text is refused by both; our message has all the words."""
    path = t.file("bad", text)
    status, out, said = run(t, CULVERT, "-F", path, *args, "host")
    equal((status, out), (2, ""), f"status and output for {text!r}: {said}")
    check(said.startswith("culvert: "), f"message for {text!r}: {said}")
    for word in words:
        check(word in said, f"{word!r} is not in the message for {text!r}: "
                            f"{said}")
    status, _, _ = run(t, "ssh", "-F", path, *args, "host")
    equal(status, 255, f"ssh's status for {text!r}")
