"""Host keys of an SSH server: known, unknown, changed, revoked."""
import os
import re

from harness import CULVERT, check, equal, matches, sanitizer_environment
from keys import Askpass, cached_key, make_key, public_text
from login import NO_PROGRAM, ONE, args_of, refused, works
from origins import Echo
from sshd import Odd, Sshd


def known(t, name, text):
    return t.file(name, text)


def read(path):
    with open(path) as file:
        return file.read()


def test_host_key_in_the_second_file(t):
    server = Sshd(t)
    works(t, *args_of(server, known_hosts=f"{t.tmp('none')} "
                      f"{server.known_hosts}"))
    check(not os.path.exists(t.tmp("none")), "a file was made")


def test_hashed_known_hosts(t):
    server = Sshd(t)
    t.run(["ssh-keygen", "-H", "-f", server.known_hosts])
    check(f":{server.port}" not in read(server.known_hosts), "not hashed")
    works(t, *args_of(server, "-o", "StrictHostKeyChecking=yes"))


def test_server_with_several_host_keys(t):
    server = Sshd(t, host_keys=["ed25519", "ecdsa", "rsa"])
    for kind in ("rsa", "ecdsa"):
        hosts = known(t, kind, f"[127.0.0.1]:{server.port} "
                      f"{public_text(cached_key('host', kind))}\n")
        works(t, *args_of(server, known_hosts=hosts)).stop()


def test_known_without_its_port_and_by_an_alias(t):
    server = Sshd(t)
    key = public_text(cached_key("host", "ed25519"))
    for hosts, more in ((f"127.0.0.* {key}\n", ()),
                        (f"other,!127.0.0.1 {key}\n",
                         ("-o", "HostKeyAlias=other"))):
        works(t, *args_of(server, *more,
                          known_hosts=known(t, "hosts", hosts))).stop()


def test_unknown_host_in_batch_mode(t):
    server = Sshd(t)
    hosts = t.tmp("new")
    said = refused(t, *args_of(server, "-o", "BatchMode=yes",
                               known_hosts=hosts))
    matches(rf"Host key verification failed: no ED25519 key is known for "
            rf"\[127.0.0.1\]:{server.port} \(it is SHA256:\S+\), as BatchMode",
            said)
    check(not os.path.exists(hosts), "known_hosts was written")


def test_unknown_host_with_strict_checking(t):
    server = Sshd(t)
    said = refused(t, *args_of(server, "-o", "StrictHostKeyChecking=yes",
                               known_hosts=t.tmp("new")))
    matches("as StrictHostKeyChecking is yes", said)


def test_unknown_host_is_asked_about(t):
    server = Sshd(t)
    hosts = t.tmp("folder/new")
    askpass = Askpass(t, "perhaps", "yes")
    args = args_of(server, known_hosts=hosts)
    works(t, *args, env=askpass.env).stop()
    first, second = askpass.asked()
    matches(rf"^The authenticity of host '\[127.0.0.1\]:{server.port} "
            r"\(127.0.0.1\)' can't be established. ED25519 key fingerprint is "
            r"SHA256:\S+. Are you sure you want to continue connecting "
            r"\(yes/no/\[fingerprint\]\)\? $", first)
    equal(second, "Please type 'yes', 'no' or the fingerprint: ", "question")
    equal(os.stat(hosts).st_mode & 0o777, 0o600, "rights of the file")
    equal(os.stat(os.path.dirname(hosts)).st_mode & 0o777, 0o700,
          "rights of the folder")
    key = public_text(cached_key("host", "ed25519"))
    equal(read(hosts), f"[127.0.0.1]:{server.port} {key}\n", "known_hosts")
    works(t, *args, "-o", "StrictHostKeyChecking=yes")


def test_fingerprint_is_an_answer(t):
    server = Sshd(t)
    listed = t.run(["ssh-keygen", "-l", "-f",
                    cached_key("host", "ed25519")]).stdout.decode()
    askpass = Askpass(t, listed.split()[1])
    works(t, *args_of(server, known_hosts=t.tmp("new")), env=askpass.env)


def test_no_is_an_answer(t):
    askpass = Askpass(t, "no", "yes")
    said = refused(t, *args_of(Sshd(t), known_hosts=t.tmp("new")),
                   env=askpass.env)
    matches("Host key verification failed.*not confirmed", said)
    equal(len(askpass.asked()), 1, "questions")


def test_accept_new(t):
    server = Sshd(t)
    for number, hashed in enumerate(("no", "yes")):
        hosts = known(t, f"hosts{number}", "# no line break at its end")
        args = args_of(server, "-o", "StrictHostKeyChecking=accept-new",
                       "-o", f"HashKnownHosts={hashed}", known_hosts=hosts)
        proxy = works(t, *args)
        proxy.wait_line("permanently added")
        proxy.stop()
        found = t.run(["ssh-keygen", "-F", f"[127.0.0.1]:{server.port}",
                       "-f", hosts]).stdout.decode()
        check(public_text(cached_key("host", "ed25519")).split()[1] in found,
              f"ssh-keygen finds {found!r}")
        equal("|1|" in read(hosts), hashed == "yes", "hashed")
        proxy = works(t, *args)
        check("permanently" not in proxy.text(), "added twice")
        proxy.stop()


def test_known_hosts_that_can_not_be_written(t):
    server = Sshd(t)
    hosts = t.tmp("folder")
    os.mkdir(hosts)
    proxy = works(t, *args_of(server, "-o", "StrictHostKeyChecking=accept-new",
                              known_hosts=hosts))
    proxy.wait_line("can't be added to")


def changed_key(t, server):
    other = cached_key("stranger")
    return known(t, "changed",
                 f"\n[127.0.0.1]:{server.port} {public_text(other)}\n")


def test_changed_host_key(t):
    server = Sshd(t)
    hosts = changed_key(t, server)
    before = read(hosts)
    for strict in ("ask", "yes", "accept-new"):
        said = refused(t, *args_of(server, "-o",
                                   f"StrictHostKeyChecking={strict}",
                                   known_hosts=hosts))
        matches("REMOTE HOST IDENTIFICATION HAS CHANGED", said)
        matches(r"has the fingerprint SHA256:\S+\.$", said)
        matches(rf"known for .* in {re.escape(hosts)}:2\.", said)
        matches(rf"ssh-keygen -f '{re.escape(hosts)}' -R "
                rf"'\[127.0.0.1\]:{server.port}'", said)
        matches("Host key verification failed: the key has changed", said)
    equal(read(hosts), before, "known_hosts")


def test_changed_host_key_without_checking_gets_no_password(t):
    server = Odd(t, user="alice", passwords={"alice": "secret"})
    askpass = Askpass(t, "secret")
    done = t.run([CULVERT, "-W", "127.0.0.1:1", *ONE,
                  *args_of(server, "-o", "StrictHostKeyChecking=no",
                           known_hosts=changed_key(t, server))], 10,
                 env=sanitizer_environment(t.new_report(), askpass.env),
                 start_new_session=True)
    equal(done.returncode, 255, "exit status")
    matches("without password and keyboard-interactive", done.stderr.decode())
    equal(server.lines("password"), [], "passwords that the server got")
    equal(askpass.asked(), [], "questions")


def test_changed_host_key_without_checking_gets_no_forwards(t):
    """As with ssh. What comes by standard input, for one, may go there."""
    server = Sshd(t)
    echo = t.server(Echo)
    args = args_of(server, "-o", "StrictHostKeyChecking=no",
                   known_hosts=changed_key(t, server))
    said = refused(t, *args)
    matches("REMOTE HOST IDENTIFICATION HAS CHANGED", said)
    matches("key has changed.*nothing is forwarded to such a server", said)
    done = t.run([CULVERT, "-W", f"127.0.0.1:{echo.port}", *args], 10,
                 input=b"to and fro", env=sanitizer_environment(
                     t.new_report(), NO_PROGRAM), start_new_session=True)
    equal((done.returncode, done.stdout), (0, b"to and fro"), "by -W")


def test_revoked_host_keys(t):
    server = Sshd(t)
    key = public_text(cached_key("host", "ed25519"))
    hosts = known(t, "revoked", f"[127.0.0.1]:{server.port} {key}\n"
                  f"@revoked * {key}\n")
    said = refused(t, *args_of(server, known_hosts=hosts))
    matches(rf"Host key verification failed: the key is revoked in "
            rf"{re.escape(hosts)}:2", said)
    listed = known(t, "list", f"{key} of old\n")
    said = refused(t, *args_of(server, "-o", f"RevokedHostKeys={listed}"))
    matches(rf"the key is revoked in {re.escape(listed)}", said)
    said = refused(t, *args_of(server, "-o",
                               f"RevokedHostKeys={t.tmp('gone')}"))
    matches("list of revoked keys .* can't be read", said)


def test_certificate_authority_alone_is_explained(t):
    server = Sshd(t)
    authority_key = make_key(t, "authority")
    hosts = known(t, "hosts",
                  f"@cert-authority * {public_text(authority_key)}\n")
    said = refused(t, *args_of(server, "-o", "StrictHostKeyChecking=yes",
                               known_hosts=hosts))
    matches("only a certificate authority is known for it", said)


def test_no_checking_for_localhost(t):
    works(t, *args_of(Sshd(t), "-o", "StrictHostKeyChecking=yes", "-o",
                      "NoHostAuthenticationForLocalhost=yes",
                      known_hosts=t.tmp("none")))
