"""Files of ssh's configuration made by chance: culvert and ssh must agree
whether they are right, and on what they come to. A seed makes the same files
each time; CULVERT_SEED tries others."""
import os
import random

from harness import CULVERT, check
from sshconf import SAME, run, values

FILES = 150

HOSTS = ("a", "b", "ab", "A", "x.y", "10.0.0.1", "long.host.example")
PATTERNS = ("a", "b", "a*", "*", "!a", "?", "*.y", "!*.y", "A", "10.*", "a,b",
            "ab")
CONDITIONS = ("all", "final", "!final", "canonical", "originalhost *.y",
              "user u1", "!user root", "exec true", 'exec "test %h = a"',
              "!exec false", "host a user u1", "host a,!b final", "all final",
              "final all", "host", "!host a", "!all", 'exec "exit 3"',
              'originalhost "a b"', "user root,u*", "foo x")
ODD = ("# c", "", "Foo 1", "Port", "IgnoreUnknown F*", "Host", "Match",
       "SendEnv A B", "Protocol 2", "HostName %z", "HostName \"a")

# Some right and some wrong values of each. What stands here as it is stays
# so; the others may get quotes.
AS_IT_IS = {
    "ProxyCommand": ("nc %h %p", "none", "x # y", "= z", '"q r" s'),
    "DynamicForward": ("1", "*:2", "[::1]:3", "localhost:4", "x", "/s/%h",
                       "a:b:c", ":5", "127.0.0.1/7"),
    "LocalForward": ("1 h:2", "*:1 [::1]:3", "/a /b", "x y", "1", "1 h 2",
                     "::1:5 h:1", "9 a:b:c"),
    "RemoteForward": ("1 h:2", "*:1 [::1]:3", "0 /b", "x y", "1", ":5", "1 h 2",
                      "::1:5 h:1", "[::1]:4", "localhost:6", "1:h:2", "7:/b",
                      "gw:http h:http", "1 h:0", "a:b:c"),
    "PermitRemoteOpen": ("any", "none", "NONE", "a:1", "a:1 B:2", "*:*",
                         "[::1]:80 *:http", "a", "a:0", "a:1 any", "none b:1",
                         "a/1", "[a]:1", "[::1]", "a:x", "::1:80"),
    "RekeyLimit": ("1G", "default 1h", "1M none", "4", "16", "1X", "2k 5m",
                   "none", "default", "1G 1h x", "0"),
}
WORDS = {
    "Port": ("1", "22", "65535", "0", "x", "ssh", "65536", "022"),
    "User": ("u1", "u2", "x y"),
    "HostName": ("h1", "%h.z", "UPPER", "10.1.1.1", "%%x", "%n"),
    "Compression": ("yes", "no", "maybe"),
    "BatchMode": ("yes", "no", "TRUE", "Yes"),
    "StrictHostKeyChecking": ("yes", "no", "ask", "accept-new", "off", "x"),
    "HostKeyAlias": ("AL", "al"),
    "PreferredAuthentications": ("a,b",),
    "LogLevel": ("INFO", "verbose", "DEBUG", "x", "silent"),
    "ServerAliveCountMax": ("1", "0", "x", "99999999999"),
    "ConnectionAttempts": ("1", "3", "1x"),
    "BindAddress": ("1.2.3.4",),
    "AddressFamily": ("any", "inet", "inet6", "INET", "x"),
    "GatewayPorts": ("yes", "no", "clientspecified"),
    "NumberOfPasswordPrompts": ("1", "0"),
    "TCPKeepAlive": ("yes", "no"),
    "ExitOnForwardFailure": ("yes", "no"),
    "ConnectTimeout": ("1", "1m", "1h30m", "none", "x", "0", "5S", "1m1"),
    "RequiredRSASize": ("2048", "512", "0"),
}
PATHS = ("~/x", "/x/%h", "%d/%n", "/y-%p-%r", "~/%u%%", "${HOME}/z", "/p q",
         "/#x", "none")
for keyword in ("IdentityFile", "CertificateFile", "UserKnownHostsFile",
                "GlobalKnownHostsFile", "IdentityAgent"):
    WORDS[keyword] = PATHS


def quoted(chance, word):
    mark = chance.random()
    if " " in word or mark < 0.2:
        return f'"{word}"'
    if mark < 0.3:
        return f"'{word}'"
    if mark < 0.4 and len(word) > 2:
        return f'{word[0]}"{word[1:]}"'
    return word


def setting(chance):
    keyword = chance.choice(sorted({**AS_IT_IS, **WORDS}))
    if keyword in AS_IT_IS:
        value = chance.choice(AS_IT_IS[keyword])
    else:
        value = quoted(chance, chance.choice(WORDS[keyword]))
    return (chance.choice(("", "  ", "\t")) +
            chance.choice((keyword, keyword.lower(), keyword.upper())) +
            chance.choice((" ", "  ", "=", " = ", "\t")) + value +
            chance.choice(("", "", "", " # c", " ")))


def line(chance):
    kind = chance.random()
    if kind < 0.12:
        return "Host " + " ".join(quoted(chance, chance.choice(PATTERNS))
                                  for _ in range(chance.randint(1, 3)))
    if kind < 0.3:
        return "Match " + chance.choice(CONDITIONS)
    if kind < 0.33:
        return chance.choice(ODD)
    return setting(chance)


def test_files_made_by_chance(t):
    chance = random.Random(int(os.environ.get("CULVERT_SEED", "1")))
    right = 0
    for _ in range(FILES):
        text = "".join(line(chance) + "\n"
                       for _ in range(chance.randint(1, 10)))
        args = ["-F", t.file("config", text), chance.choice(HOSTS)]
        if chance.random() < 0.2:
            args[:0] = ["-l", "u1"]
        status, ours, said = run(t, CULVERT, *args)
        other, theirs, also = run(t, "ssh", *args)
        what = f"{' '.join(args)} with\n{text}culvert: {said}\nssh: {also}"
        check((status, other) in ((0, 0), (2, 255)),
              f"status {status}, ssh's {other}: {what}")
        right += status == 0
        ours, theirs = values(ours), values(theirs)
        for word in SAME:
            check(ours.get(word) == theirs.get(word),
                  f"{word}: culvert {ours.get(word)}, ssh "
                  f"{theirs.get(word)}: {what}")
    check(FILES / 5 < right < FILES, f"{right} of {FILES} files were right")
