"""What is wrong in files of ssh's configuration, what is passed over, and what
must not be."""
from harness import CULVERT, check, equal, matches
from sshconf import compare, refuses, run, values

NAMESPACE = True


def test_what_is_wrong(t):
    """File, line and keyword of each."""
    for text, *words in (
            ("Foo bar\n", "bad:1: Foo", "not a keyword"),
            ("\n\nPort x\n", "bad:3: Port", "65535"),
            ("Port 0\n", "bad:1: Port"),
            ("Port 1 2\n", "bad:1: Port", "more than one"),
            ("Port\n", "bad:1: Port", "no value"),
            ("Host other\nCompression maybe\n", "bad:2: Compression"),
            ("IdentityFile \"a\n", "bad:1: IdentityFile", "quote"),
            ("StrictHostKeyChecking often\n", "bad:1: StrictHostKeyChecking",
             "accept-new"),
            ("ConnectTimeout soon\n", "bad:1: ConnectTimeout"),
            ("RekeyLimit 1\n", "bad:1: RekeyLimit"),
            ("RekeyLimit 1Q\n", "bad:1: RekeyLimit"),
            ("RekeyLimit none\n", "bad:1: RekeyLimit"),
            ("LocalForward 1\n", "bad:1: LocalForward"),
            ("LocalForward 1 a:b:c\n", "bad:1: LocalForward"),
            ("DynamicForward 70000\n", "bad:1: DynamicForward"),
            ("RemoteForward 1 h\n", "bad:1: RemoteForward"),
            ("RemoteForward 1:h:2\n", "bad:1: RemoteForward"),
            ("Host x\nRemoteForward 1 h:0\n", "bad:2: RemoteForward"),
            ("PermitRemoteOpen\n", "bad:1: PermitRemoteOpen"),
            ("PermitRemoteOpen a:1 b\n", "bad:1: PermitRemoteOpen", "b: "),
            ("PermitRemoteOpen a:0\n", "bad:1: PermitRemoteOpen", "a:0: "),
            ("PermitRemoteOpen ::1:80\n", "bad:1: PermitRemoteOpen"),
            ("PermitRemoteOpen a:1 any\n", "bad:1: PermitRemoteOpen"),
            ("PermitRemoteOpen none a:1\n", "bad:1: PermitRemoteOpen"),
            ("ProxyJump a@\n", "bad:1: ProxyJump"),
            ("Match\n", "bad:1: Match"),
            ("Match host\n", "bad:1: Match"),
            ("Match foo bar\n", "bad:1: Match"),
            ("Match all host x\n", "bad:1: Match", "alone"),
            ("Host \"\"\n", "bad:1: Host"),
            ("HostName %z\n", "HostName", "token"),
            ("IdentityAgent ${NO_SUCH_VARIABLE}/x\n", "bad:1: IdentityAgent",
             "environment"),
            ("UserKnownHostsFile %Z\n", "bad:1: UserKnownHostsFile", "token"),
            ("ConnectionAttempts 0\n", "bad:1: ConnectionAttempts"),
            ("AddressFamily inet5\n", "bad:1: AddressFamily"),
            ("LogLevel loud\n", "bad:1: LogLevel", "VERBOSE"),
            ("Ciphers rot13\n", "bad:1: Ciphers"),
            ("ProxyJump host\n", "bad:1: ProxyJump", "itself")):
        refuses(t, text, *words)
    path = t.file("two", "Foo 1\nUser x\nBar 2\n")
    _, _, said = run(t, CULVERT, "-F", path, "host")
    matches("two:1: Foo", said, "the first")
    matches("two:3: Bar", said, "the second")


def test_ignore_unknown(t):
    path = t.file("config", "IgnoreUnknown Foo*,ba?\nFoo 1\nFOOL 2\nBar x y\n"
                            "User alice\n")
    compare(t, "-F", path, "host")
    compare(t, "-F", t.file("none", "Foo 1\n"), "-o", "IgnoreUnknown=foo",
            "host")
    refuses(t, "IgnoreUnknown Foo\nBar 1\n", "bad:2: Bar")


def test_old_and_idle_keywords(t):
    """Files that are as old as ssh, and what has no effect here."""
    path = t.file("config", """
Protocol 2
Cipher blowfish
RSAAuthentication yes
UsePrivilegedPort no
KeepAlive no
ForwardX11 yes
ForwardX11Trusted yes
SendEnv LANG LC_*
SetEnv A=b C="d e"
IPQoS af21 cs1
AddKeysToAgent confirm 1h
RequestTTY force
RemoteCommand tmux
ControlMaster auto
ControlPath ~/.ssh/%C
ControlPersist 10m
LocalCommand echo
ChallengeResponseAuthentication no
PubkeyAcceptedKeyTypes +ssh-rsa
XAuthLocation /usr/bin/xauth
""")
    status, text, said = run(t, CULVERT, "-F", path, "host")
    equal((status, said), (0, ""), "status and messages")
    got = values(text)
    equal(got["controlmaster"], ["false"], "ControlMaster of a file")
    check("controlpath" not in got, "ControlPath of a file acts")
    equal(got["kbdinteractiveauthentication"], ["no"], "an older name")
    equal(got["tcpkeepalive"], ["no"], "an older name")


def test_what_would_be_missed(t):
    """What changes where connections go is never passed over silently."""
    for text, word in (("RemoteForward /run/s h:2\n", "Unix socket"),
                       ("RefuseConnection \"closed today\"\n", "closed today"),
                       ("ProxyCommand nc %h\nProxyUseFdpass yes\n",
                        "ProxyUseFdpass"),
                       ("ProxyCommand -\n", "ProxyCommand")):
        path = t.file("config", text)
        status, said = t.fails("--check-config", "-F", path, "-D", "0", "host")
        equal(status, 2, f"exit status for {text!r}: {said}")
        matches(word, said, "message")
        matches(r"config:\d: ", said, "message")
    path = t.file("config", "RemoteForward 1 h:2\n")
    done = t.run([CULVERT, "--check-config", "-F", path, "-D", "0", "-o",
                  "ClearAllForwardings=yes", "host"])
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    path = t.file("config", "CanonicalizeHostname yes\nTunnel yes\n"
                            "KnownHostsCommand /bin/true\n")
    done = t.run([CULVERT, "--check-config", "-F", path, "host"])
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    matches("without effect here: CanonicalizeHostname, Tunnel, "
            "KnownHostsCommand", done.stderr.decode(), "warning")
