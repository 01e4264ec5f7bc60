"""ssh's configuration: what culvert -G makes of files, compared with what
ssh -G makes of the same; what is wrong in them; and what becomes of it."""
import grp
import os
import pwd
import subprocess

from dns import sh
from harness import (CULVERT, check, equal, matches, sanitizer_environment,
                     scaled)

NAMESPACE = True

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


def test_defaults(t):
    got = compare(t, "-F", "none", "host")
    equal(got["identityfile"][0], "~/.ssh/id_rsa", "first key")


def test_our_defaults(t):
    _, text, _ = run(t, CULVERT, "-F", "none", "host")
    got = values(text, ("serveraliveinterval", "connecttimeout"))
    equal(got, {"serveraliveinterval": ["15"], "connecttimeout": ["30"]},
          "defaults of ours")


def test_every_value(t):
    """Each keyword that acts, set to something."""
    path = t.file("config", """
AddressFamily inet6
BatchMode yes
BindAddress 192.0.2.7
BindInterface lo
CertificateFile ~/cert-%h
CertificateFile /second
Compression yes
ConnectTimeout 1m30
ConnectionAttempts 7
DynamicForward 1080
DynamicForward *:1081
DynamicForward [::1]:1082
ExitOnForwardFailure yes
ForkAfterAuthentication yes
GSSAPIAuthentication yes
GatewayPorts yes
GlobalKnownHostsFile /etc/a /etc/b
HashKnownHosts yes
HostKeyAlias Some.Alias
HostName host.example
IdentitiesOnly yes
IdentityAgent ~/agent-%n-%h-%p-%r
IdentityFile ~/.ssh/one
IdentityFile %d/two
IdentityFile ~/.ssh/one
KbdInteractiveAuthentication no
LocalForward 8080 db:5432
LocalForward [::1]:8081 [2001:db8::1]:80
LocalForward /tmp/sock-%p /run/%h
LogLevel ERROR
NoHostAuthenticationForLocalhost yes
NumberOfPasswordPrompts 1
PasswordAuthentication no
PermitRemoteOpen db:5432 [2001:db8::1]:* *:http
Port 2022
PreferredAuthentications publickey,password
ProxyCommand nc  "%h" %p
PubkeyAuthentication no
RekeyLimit 1G 1h
RemoteForward 8080 localhost:80
RemoteForward *:8081 [2001:db8::1]:80
RemoteForward gw.example:0 /run/%h
RemoteForward 1080
RemoteForward [::1]:1081
RequiredRSASize 2048
RevokedHostKeys /etc/revoked
ServerAliveCountMax 9
ServerAliveInterval 0
SessionType none
StreamLocalBindMask 0117
StreamLocalBindUnlink yes
StrictHostKeyChecking accept-new
TCPKeepAlive no
User alice
UserKnownHostsFile ~/%r@%h:%p ~/second
""")
    got = compare(t, "-F", path, "host",
                  more=("serveraliveinterval", "connecttimeout"))
    equal(got["userknownhostsfile"],
          [f"{HOME}/alice@host.example:2022 {HOME}/second"], "known hosts")
    equal(got["connecttimeout"], ["90"], "timeout")
    equal(got["identityfile"], ["~/.ssh/one", "%d/two"], "keys")
    equal(len(got["localforward"]), 3, "forwards")
    equal(len(got["remoteforward"]), 5, "remote forwards")


def test_syntax(t):
    """Quotes, equal signs, comments, blanks, case, the end of a file."""
    path = t.file("config", """
# a comment
   # another, \tand an empty line

\tuser=alice
PORT = 23
hostname\t=\t"host.example"
"bindaddress" 'a b'
IdentityFile "~/with \\"quotes\\" and # no comment"
IdentityFile ~/with\\ backslash # a comment
IdentityFile "~/par"'ts'" of"a"word"
CertificateFile=~/a=b
UserKnownHostsFile "/a b" /c#d 'e"f' # comment
ProxyCommand = nc "a  b" 'c' # %h
LocalForward = 8080   db:80
Compression yes # yes""")
    got = compare(t, "-F", path, "host")
    equal(got["hostname"], ["host.example"], "hostname")
    equal(got["identityfile"][2], "~/parts ofaword", "a word in parts")


def test_blocks(t):
    """Host with patterns and negation; the first value counts; some add up."""
    path = t.file("config", """
User first
User second
IdentityFile ~/all
Host alpha beta
    Port 1
    IdentityFile ~/alpha
Host !alpha *a
    Port 2
    IdentityFile ~/not-alpha
Host al?ha
    HostName %h.example
    Port 3
Host * !gamma
    BindAddress 192.0.2.1
    DynamicForward 1
    DynamicForward 1
    RemoteForward 1
    RemoteForward 1 h:2
    RemoteForward 1
Host Alpha
    Port 4
    Compression yes
Host *
    ServerAliveInterval 77
    DynamicForward 2
    Port 9
""")
    for host in ("alpha", "beta", "gamma", "Alpha", "other", "10.0.0.1", "::1",
                 "x.alpha", "a"):
        compare(t, "-F", path, host, more=("serveraliveinterval",))


def test_options_and_files(t):
    """What counts more: the options, then -o in order, then the file."""
    path = t.file("config", """
User file
Port 4
Compression no
BindAddress 192.0.2.1
IdentityFile /dev/zero
GatewayPorts no
LocalForward 3 h:3
DynamicForward 4
RemoteForward 5 h:5
PermitRemoteOpen a:1
ExitOnForwardFailure no
Host host
ProxyJump filejump
""")
    for args in (("host",), ("me@host",), ("-l", "you", "me@host"),
                 ("me@host", "-l", "you"), ("-p", "1", "-o", "Port=2", "host"),
                 ("-o", "Port=2", "-p", "1", "host"),
                 ("-C", "-o", "Compression=no", "host"),
                 ("-o", "Compression=no", "-C", "host"),
                 ("-b", "192.0.2.2", "-o", "BindAddress=192.0.2.3", "host"),
                 ("-o", "BindAddress=192.0.2.3", "host"),
                 ("-i", "/dev/null", "host", "-o", "IdentityFile=~/x"),
                 ("-o", "IdentityFile=none", "host"),
                 ("-J", "other", "host"), ("-o", "ProxyJump=none", "host"),
                 ("-o", "ProxyCommand=nc %h", "host"),
                 ("-g", "host"), ("-g", "-R", "1", "host"),
                 ("-R", "1", "-R", ":2:[::1]:3", "-R", "*:0:/run/%h", "host"),
                 ("-R", "localhost:1:b:http", "-D", "1", "host"),
                 ("-o", "RemoteForward=1 h:2", "host"),
                 ("-o", "RemoteForward=1080", "host"),
                 ("-o", "ClearAllForwardings=yes", "-R", "1", "host"),
                 ("-R1", "-W", "h:1", "host"),
                 ("-o", "PermitRemoteOpen=b:2 [::1]:3", "host"),
                 ("-o", "PermitRemoteOpen=NONE", "host"),
                 ("-o", "PermitRemoteOpen=any", "host"), ("-D", "1", "-L", "2:h:2", "host"),
                 ("-o", "ClearAllForwardings=yes", "-D", "1", "host"),
                 ("-W", "h:1", "host"), ("-D1", "-W", "h:1", "host"),
                 ("ssh://me@host:7",), ("ssh://host",),
                 ("-4", "-o", "AddressFamily=inet6", "host"),
                 ("-f", "-N", "host"),
                 # %C has the jump in it since ssh 9.6.
                 ("-S", "~/%C", "-M", "-J", "none", "host"),
                 ("-o", "ControlPath=/tmp/%l-%L-%n-%k-%i-%u", "host"),
                 ("-q", "host"), ("-T", "-n", "-a", "-x", "-k", "host")):
        compare(t, "-F", path, *args)


def test_match(t):
    flag = t.tmp("flag")
    path = t.file("config", f"""
Match originalhost short
    HostName long.example
Match host long.example
    Port 1
Match host SHORT,other user me
    Port 2
Match user me,!you
    IdentityFile ~/me
Match !user me
    IdentityFile ~/not-me
Match localuser {pwd.getpwuid(os.getuid()).pw_name} host *.example
    BindAddress 192.0.2.1
Match exec "test %h-%n-%p-%r = long.example-short-1-me"
    Compression yes
Match exec "exit 1"
    Compression yes
Match host nobody exec "touch {flag}"
    Compression yes
Match all
    BatchMode yes
Match final host long.example
    DynamicForward 1
Match !final host short
    DynamicForward 2
Match final all
    DynamicForward :3
Match canonical
    DynamicForward 4
Match !all
    DynamicForward 5
""")
    for args in (("short",), ("me@short",), ("you@short",), ("other",),
                 ("me@other",), ("SHORT",), ("long.example",)):
        compare(t, "-F", path, *args)
    check(not os.path.exists(flag), "a command was run for nothing")


def test_match_of_later_versions(t):
    """ssh 9.2 does not know these."""
    path = t.file("config", """
Tag fromfile
Match tagged fromfile
    Port 1
Match tagged home,work
    Port 2
Match localnetwork 127.0.0.0/8
    User loopback
Match localnetwork 192.0.2.0/24,2001:db8::/32
    User elsewhere
Match version OpenSSH_10.*
    BatchMode yes
Match sessiontype none command ""
    Compression yes
Match host=host
    BindAddress 192.0.2.9
""".replace(' command ""', ""))
    _, text, _ = run(t, CULVERT, "-F", path, "host")
    got = values(text, SAME + ("tag",))
    equal([got[word][0] for word in ("port", "tag", "batchmode", "compression",
                                     "bindaddress")],
          ["1", "fromfile", "yes", "yes", "192.0.2.9"], "values")
    _, text, _ = run(t, CULVERT, "-F", path, "-P", "work", "host")
    equal(values(text)["port"], ["2"], "port with a tag")


def test_include(t):
    t.file("a.conf", "Port 1\nHost other\nCompression yes\n")
    t.file("b.conf", "Port 2\nUser b\nMatch host nobody\nBatchMode yes\n")
    t.file("nested", f"Include {t.tmp('b.conf')}\n")
    path = t.file("config", f"""
Include {t.tmp('*.conf')} {t.tmp('no-such-file')}
IdentityFile ~/after
Host other
    Include "{t.tmp('nested')}"
    BindAddress 192.0.2.1
Host nobody
    Include {t.tmp('nested')}
    HostName nobody
Host *
    HostName all
""")
    for host in ("host", "other", "nobody"):
        compare(t, "-F", path, host)


def test_include_without_end(t):
    path = t.file("self", f"Include {t.tmp('self')}\n")
    refuses(t, f"Include {path}\n", "self:1: Include", "too deep")


def test_files_by_themselves(t):
    """~/.ssh/config counts before /etc/ssh/ssh_config; relative paths; what
    others may write to."""
    folder = os.path.join(HOME, ".ssh")
    made = not os.path.isdir(folder)
    if made:
        os.mkdir(folder, 0o700)
        t.defer(os.rmdir, folder)
    for real, name in ((folder, "user"), ("/etc/ssh", "system")):
        os.makedirs(t.tmp(name), exist_ok=True)
        sh("mount", "--bind", t.tmp(name), real)
        t.defer(sh, "umount", real)
    compare(t, "host")
    t.file("system/ssh_config", "User system\nPort 1\nInclude part\n")
    t.file("system/part", "BindAddress 192.0.2.1\n")
    compare(t, "host")
    t.file("user/config", "User user\nInclude part sub/*\nInclude ~/.ssh/tilde")
    t.file("user/part", "Compression yes\n")
    t.file("user/tilde", "BatchMode yes\n")
    got = compare(t, "host")
    equal((got["user"], got["port"], got["compression"], got["batchmode"]),
          (["user"], ["1"], ["yes"], ["yes"]), "values")
    compare(t, "-F", "none", "host")
    _, _, said = run(t, CULVERT, "-v", "host")
    for path in (f"{HOME}/.ssh/config", f"{HOME}/.ssh/part",
                 "/etc/ssh/ssh_config", "/etc/ssh/part"):
        check(f"culvert: reading {path}" in said, f"{path} is not in {said!r}")
    for name in ("user/part", "user/config"):
        os.chmod(t.tmp(name), 0o602)
        status, _, said = run(t, CULVERT, "host")
        equal(status, 2, f"exit status: {said}")
        matches("bad owner or permissions", said, "message")
        equal(run(t, "ssh", "host")[0], 255, "ssh's exit status")
        # A group that has this user alone may, as Debian's ssh has it.
        os.chmod(t.tmp(name), 0o660)
        equal(run(t, CULVERT, "host")[0], 0, "status with a group of one")
        os.chown(t.tmp(name), -1, grp.getgrnam("games").gr_gid)
        equal(run(t, CULVERT, "host")[0], 2, "status with another group")
        os.chmod(t.tmp(name), 0o600)
    t.file("system/ssh_config", "Include ~/.ssh/part\n")
    status, _, said = run(t, CULVERT, "host")
    equal(status, 2, f"exit status: {said}")
    matches(r"/etc/ssh/ssh_config:1: Include", said, "message")


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


def test_algorithms(t):
    """Lists resolved against what libssh knows."""
    names = ("ciphers", "macs", "kexalgorithms", "hostkeyalgorithms",
             "pubkeyacceptedalgorithms")

    def got(*options):
        args = [word for option in options for word in ("-o", option)]
        status, text, said = run(t, CULVERT, "-F", "none", *args, "host")
        equal(status, 0, f"exit status of {options}: {said}")
        return {name: values(text, names)[name][0].split(",")
                for name in names}
    usual = got()
    for name in names:
        check(len(usual[name]) > 3, f"{name}: {usual[name]}")
    check("3des-cbc" not in usual["ciphers"], "a weak cipher by default")
    equal(got("Ciphers=aes256-ctr,aes128-ctr")["ciphers"],
          ["aes256-ctr", "aes128-ctr"], "a list")
    equal(got("Ciphers=+aes128-cbc")["ciphers"],
          usual["ciphers"] + ["aes128-cbc"], "behind the usual ones")
    first = usual["ciphers"][-1]
    equal(got(f"Ciphers=^{first}")["ciphers"],
          [first] + usual["ciphers"][:-1], "before the usual ones")
    equal(got("Ciphers=-aes*,chacha*x")["ciphers"],
          [name for name in usual["ciphers"] if not name.startswith("aes")],
          "without some")
    equal(got("MACs=umac-64@openssh.com,hmac-sha2-512")["macs"],
          ["hmac-sha2-512"], "what libssh does not know is passed over")
    status, _, said = run(t, CULVERT, "-F", "none", "-vv", "-o",
                          "MACs=umac-64@openssh.com,hmac-sha2-512", "host")
    equal(status, 0, "exit status")
    matches("umac-64@openssh.com is not known to libssh", said, "message")


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
