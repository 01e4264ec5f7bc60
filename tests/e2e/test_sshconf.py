"""ssh's configuration: what culvert -G makes of files and options, compared
with what ssh -G makes of the same."""
import os
import pwd

from harness import CULVERT, check, equal, matches
from sshconf import HOME, SAME, compare, run, values

NAMESPACE = True


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
                 ("-o", "PermitRemoteOpen=any", "host"),
                 ("-D", "1", "-L", "2:h:2", "host"),
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
Match sessiontype none
    Compression yes
Match host=host
    BindAddress 192.0.2.9
""")
    _, text, _ = run(t, CULVERT, "-F", path, "host")
    got = values(text, SAME + ("tag",))
    equal([got[word][0] for word in ("port", "tag", "batchmode", "compression",
                                     "bindaddress")],
          ["1", "fromfile", "yes", "yes", "192.0.2.9"], "values")
    _, text, _ = run(t, CULVERT, "-F", path, "-P", "work", "host")
    equal(values(text)["port"], ["2"], "port with a tag")


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
