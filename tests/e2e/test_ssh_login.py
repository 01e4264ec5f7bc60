"""Logging in to an SSH server: host keys, every method of authentication, and
what is said when it doesn't work."""
import os
import pty
import re
import select
import signal
import socket
import termios
import threading
import time

from harness import (CULVERT, check, equal, matches, sanitizer_environment,
                     scaled, wait_until)
from keys import (Agent, Askpass, cached_key, keygen, make_certificate,
                  make_key, public_text)
from origins import Echo
from processes import own_mounts
from sshd import Dropbear, Odd, Sshd
from wire import check_echo, through

NO_PROGRAM = {"SSH_ASKPASS_REQUIRE": "never", "SSH_AUTH_SOCK": ""}

# One link is one login: what comes before a listener stands.
ONE = ("--connections", "1")


def works(t, *args, **keywords):
    """Logs in, and lets bytes through; returns the proxy."""
    env = dict({"SSH_AUTH_SOCK": ""}, **keywords.pop("env", {}))
    proxy = t.socks(*ONE, *args, env=env, start_new_session=True, **keywords)
    check_echo(through(t, proxy, t.server(Echo)))
    return proxy


def refused(t, *args, env=None, status=255, seconds=10):
    """A login that fails; returns what was said. Without a terminal."""
    done = t.run([CULVERT, "-D", "127.0.0.1:0", *ONE, *args], seconds,
                 env=sanitizer_environment(t.new_report(),
                                           dict(NO_PROGRAM, **(env or {}))),
                 start_new_session=True)
    text = done.stderr.decode()
    equal(done.returncode, status, f"exit status, with {text!r}")
    return text


def args_of(server, *more, key=None, known_hosts=None):
    """The server's own arguments, with another key or known_hosts."""
    args = ["-F", "none", "-p", server.port]
    if key is not False:
        args += ["-i", key or server.key]
    args += ["-o", f"UserKnownHostsFile={known_hosts or server.known_hosts}",
             "-o", "GlobalKnownHostsFile=/dev/null", *more,
             server.destination]
    return args


def known(t, name, text):
    return t.file(name, text)


def read(path):
    with open(path) as file:
        return file.read()


class Crude:
    """A server of a few bytes: what each client gets, and when it ends. It
    stays for a client's silence if hold is true."""

    def __init__(self, t, say, hold=False):
        self.say = say
        self.hold = hold
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.held = []
        t.defer(self.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        self.listener.close()
        for client in self.held:
            client.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                client.sendall(self.say)
                if self.hold:
                    self.held.append(client)
                    continue
                client.shutdown(socket.SHUT_WR)
                client.settimeout(5)
                while client.recv(4096):
                    pass
            except OSError:
                pass
            client.close()

    def args(self, *more):
        return ["-F", "none", "-p", self.port, *more, "odd@127.0.0.1"]


# --- keys ---------------------------------------------------------------------

def through_silent_agent(t, *args):
    """Runs -W with an agent that takes calls and says nothing, as one does
    that is reached through a connection that died."""
    path = t.tmp("agent")
    agent = socket.socket(socket.AF_UNIX)
    t.defer(agent.close)
    agent.bind(path)
    agent.listen(4)
    echo = t.server(Echo)
    return t.run([CULVERT, "-W", f"127.0.0.1:{echo.port}", *args], 40,
                 input=b"to and fro",
                 env=sanitizer_environment(t.new_report(),
                                           {"SSH_AUTH_SOCK": path}))


def test_agent_that_never_answers(t):
    done = through_silent_agent(t, *args_of(Sshd(t)))
    equal((done.returncode, done.stdout), (0, b"to and fro"), "by -W")


def test_agent_that_never_answers_and_no_other_key(t):
    done = through_silent_agent(t, "-i", t.tmp("none"), "-o", "BatchMode=yes",
                                *args_of(Sshd(t), key=False))
    equal(done.returncode, 255, "exit status")
    matches("the agent at .* did not answer", done.stderr.decode(), "stderr")


def test_key_files_of_each_kind(t):
    keys = [make_key(t, f"key_{kind}", kind)
            for kind in ("ed25519", "ecdsa", "rsa")]
    server = Sshd(t, keys=keys)
    for key in keys:
        works(t, *args_of(server, key=key)).stop()


def test_pem_key_without_its_public_half(t):
    key = t.tmp("pem")
    keygen("-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", key)
    server = Sshd(t, keys=[key])
    os.unlink(key + ".pub")
    works(t, *args_of(server, key=key))


def test_encrypted_key_asks_for_its_passphrase(t):
    for kind, form in (("ed25519", "RFC4716"), ("rsa", "PEM")):
        key = t.tmp(f"locked_{kind}")
        keygen("-t", kind, "-m", form, "-N", "open sesame", "-f", key)
        server = Sshd(t, keys=[key])
        askpass = Askpass(t, "wrong one", "open sesame")
        works(t, *args_of(server, key=key), env=askpass.env).stop()
        equal(askpass.asked(), [f"Enter passphrase for key '{key}': "] * 2,
              "questions")


def test_passphrase_is_not_asked_for_a_key_that_is_refused(t):
    key = make_key(t, "locked", passphrase="open sesame")
    server = Sshd(t)
    askpass = Askpass(t, "open sesame")
    works(t, *args_of(server, "-i", server.key, key=key), env=askpass.env)
    equal(askpass.asked(), [], "questions")


def test_passphrase_is_kept_for_further_links(t):
    key = make_key(t, "locked", passphrase="open sesame")
    server = Sshd(t, keys=[key])
    askpass = Askpass(t, "open sesame")
    proxy = works(t, *args_of(server, key=key), env=askpass.env)
    server.kill_sessions()
    check_echo(wait_until(lambda: again(t, proxy), "a new link"))
    equal(len(askpass.asked()), 1, "questions")


def again(t, proxy):
    """A stream once the link is up again; None before that."""
    try:
        return through(t, proxy, t.server(Echo))
    except AssertionError:
        return None


def test_encrypted_key_with_nobody_to_ask(t):
    key = make_key(t, "locked", passphrase="open sesame")
    server = Sshd(t, keys=[key])
    said = refused(t, *args_of(server, key=key))
    matches(rf"Permission denied \(publickey\).*{re.escape(key)} is encrypted, "
            "and nobody gave its passphrase", said)
    said = refused(t, *args_of(server, "-o", "BatchMode=yes", key=key))
    matches("is encrypted, and BatchMode asks for no passphrase", said)


def test_key_that_others_can_read_is_not_used(t):
    key = make_key(t, "open")
    os.chmod(key, 0o644)
    server = Sshd(t, keys=[key])
    said = refused(t, *args_of(server, key=key))
    matches("UNPROTECTED PRIVATE KEY FILE", said)
    matches(f"permissions 0644 for '{re.escape(key)}' are too open", said)
    matches(r"Permission denied \(publickey\)", said)


def test_missing_key_file(t):
    server = Sshd(t)
    gone = t.tmp("gone")
    said = refused(t, *args_of(server, key=gone))
    matches(rf"warning: .*{re.escape(gone)}: No such file", said)
    matches(r"Permission denied \(publickey\); there was no key to try", said)
    said = refused(t, *args_of(server, "-o", f"IdentityFile={gone}",
                               key=False))
    matches(rf"identity file {re.escape(gone)} not accessible", said)
    matches(rf"{server.user}@127.0.0.1:{server.port}: Permission denied "
            rf"\(publickey\); key file {re.escape(gone)} can't be read", said)


def test_key_that_the_server_does_not_know(t):
    server = Sshd(t)
    key = make_key(t, "stranger")
    said = refused(t, *args_of(server, key=key))
    matches(rf"Permission denied \(publickey\); tried key {re.escape(key)}",
            said)


# --- certificates -------------------------------------------------------------

def authority(t, *keys):
    """A server that takes what a certificate authority has signed: these
    keys."""
    ca = make_key(t, "authority")
    server = Sshd(t, TrustedUserCAKeys=ca + ".pub", AuthorizedKeysFile="none")
    for key in keys:
        make_certificate(ca, key, server.user)
    return server


def test_certificate_beside_its_key(t):
    keys = [make_key(t, f"signed_{kind}", kind)
            for kind in ("ed25519", "ecdsa", "rsa")]
    server = authority(t, *keys)
    for key in keys:
        works(t, *args_of(server, key=key)).stop()


def test_certificate_file_for_a_key_of_the_agent(t):
    key = make_key(t, "signed")
    server = authority(t, key)
    apart = t.tmp("apart.pub")
    agent = Agent(t)
    os.rename(key + "-cert.pub", apart)
    agent.add(key)
    os.unlink(key)
    works(t, *args_of(server, "-o", f"CertificateFile={apart}",
                      key=key + ".pub"), env=agent.env)


# --- agents -------------------------------------------------------------------

def test_agent(t):
    key = make_key(t, "held")
    server = Sshd(t, keys=[key])
    agent = Agent(t, key)
    for name in (key, key + ".pub"):
        os.unlink(name)
    proxy = works(t, *args_of(server, key=False), env=agent.env)
    count = proxy.settled_descriptors()
    server.kill_sessions()
    check_echo(wait_until(lambda: again(t, proxy), "a new link"))
    check(proxy.settled_descriptors() <= count + 2,
          "a descriptor of the agent's stays open")


def test_agent_with_more_keys_than_the_server_bears(t):
    keys = [make_key(t, f"held{i}") for i in range(8)]
    server = Sshd(t, keys=keys[-1:])
    agent = Agent(t, *keys)
    started = time.monotonic()
    said = refused(t, *args_of(server, key=False), env=agent.env)
    matches('the server ended the connection during authentication: .*Too many '
            'authentication failures.*IdentitiesOnly', said)
    check(time.monotonic() - started < scaled(8), "it took too long")
    # One that is named comes first; its public half is enough.
    os.unlink(keys[-1])
    named = keys[-1] + ".pub"
    works(t, *args_of(server, key=named), env=agent.env).stop()
    works(t, *args_of(server, "-o", "IdentitiesOnly=yes", key=named),
          env=agent.env).stop()


def test_identities_only_leaves_the_agents_others_alone(t):
    key, other = make_key(t, "held"), make_key(t, "other")
    server = Sshd(t, keys=[key])
    agent = Agent(t, key)
    said = refused(t, *args_of(server, "-o", "IdentitiesOnly=yes", key=other),
                   env=agent.env)
    matches(rf"tried key {re.escape(other)}$", said)
    check("agent" not in said, f"the agent's key was tried: {said!r}")


def test_agent_that_is_not_there(t):
    server = Sshd(t)
    works(t, *args_of(server), env={"SSH_AUTH_SOCK": t.tmp("nobody")}).stop()
    said = refused(t, *args_of(server, "-i", t.tmp("gone"), key=False),
                   env={"SSH_AUTH_SOCK": t.tmp("nobody")})
    matches(r"Permission denied \(publickey\)", said)


def test_agent_that_leaves(t):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(t.tmp("rude"))
    listener.listen()
    t.defer(listener.close)

    def serve():
        client, _ = listener.accept()
        client.recv(100)
        client.sendall(b"\xff\xff\xff\xff")
        client.close()
    threading.Thread(target=serve, daemon=True).start()
    works(t, *args_of(Sshd(t)), env={"SSH_AUTH_SOCK": t.tmp("rude")}).stop()


# --- passwords and questions --------------------------------------------------

def test_password(t):
    server = Odd(t, user="alice", passwords={"alice": "secret"})
    askpass = Askpass(t, "wrong", "secret")
    proxy = works(t, *args_of(server), env=askpass.env)
    equal(askpass.asked(), ["alice@127.0.0.1's password: "] * 2, "questions")
    proxy.wait_line("Permission denied, please try again")
    check("secret" not in proxy.text(), "the password is in the log")


def test_password_is_kept_for_a_new_link(t):
    server = Odd(t, user="alice", passwords={"alice": "secret"})
    askpass = Askpass(t, "secret")
    proxy = works(t, *args_of(server), env=askpass.env)
    server.stop()
    server.start()
    check_echo(wait_until(lambda: again(t, proxy), "a new link"))
    equal(len(askpass.asked()), 1, "questions")


def test_wrong_password(t):
    server = Odd(t, user="alice", passwords={"alice": "secret"})
    askpass = Askpass(t, *["wrong"] * 9)
    said = refused(t, *args_of(server, "-o", "NumberOfPasswordPrompts=2"),
                   env=askpass.env)
    matches(rf"alice@127.0.0.1:{server.port}: Permission denied "
            r"\(publickey,password\)", said)
    equal(len(askpass.asked()), 2, "questions")


def test_batch_mode_asks_for_no_password(t):
    server = Odd(t, user="alice", passwords={"alice": "secret"})
    askpass = Askpass(t, "secret")
    said = refused(t, *args_of(server, "-o", "BatchMode=yes"),
                   env=askpass.env)
    matches(r"Permission denied \(publickey,password\).*BatchMode asks for no "
            "password", said)
    equal(askpass.asked(), [], "questions")


def test_preferred_authentications(t):
    server = Odd(t, user="alice", passwords={"alice": "secret"},
                 kbdint={"alice": [["", "", [["Password: ", False]],
                                    ["secret"]]]})
    askpass = Askpass(t, "secret")
    works(t, *args_of(server, "-o",
                      "PreferredAuthentications=password,publickey"),
          env=askpass.env)
    equal(server.lines("kbdint"), [], "keyboard-interactive tries")
    equal(server.lines("publickey"), [], "keys tried")
    said = refused(t, *args_of(server, "-o",
                               "PreferredAuthentications=hostbased"))
    matches("publickey was not tried, as .*PreferredAuthentications says",
            said)


def test_questions_of_several_rounds(t):
    server = Odd(t, user="alice", kbdint={"alice": [
        ["Welcome", "Read\x07 this", [["Password: ", False]], ["secret"]],
        ["", "", [["Town: ", True], ["Code\x1b[1m: ", False]],
         ["Trier", "4711"]],
        ["", "", [], []]]})
    askpass = Askpass(t, "secret", "Trier", "4711")
    proxy = works(t, *args_of(server), env=askpass.env)
    equal(askpass.asked(),
          ["(alice@127.0.0.1) Password: ", "(alice@127.0.0.1) Town: ",
           "(alice@127.0.0.1) Code?[1m: "], "questions")
    matches(r"Read\? this", proxy.text(), "the server's words")
    check("secret" not in proxy.text() and "4711" not in proxy.text(),
          "an answer is in the log")


def test_password_by_questions_is_kept(t):
    server = Odd(t, user="alice", kbdint={"alice": [
        ["", "", [["alice's Password: ", False]], ["secret"]]]})
    askpass = Askpass(t, "wrong", "secret")
    proxy = works(t, *args_of(server), env=askpass.env)
    server.stop()
    server.start()
    check_echo(wait_until(lambda: again(t, proxy), "a new link"))
    equal(len(askpass.asked()), 2, "questions")


def test_two_methods_one_after_the_other(t):
    """A key and then another: sshd without accounts of its own can't ask for
    a password here."""
    first, second = make_key(t, "first"), make_key(t, "second")
    server = Sshd(t, keys=[first, second],
                  AuthenticationMethods="publickey,publickey")
    works(t, *args_of(server, "-i", second, key=first)).stop()
    said = refused(t, *args_of(server, key=first))
    matches(r"Permission denied \(publickey\)", said)


def pam_server(t, **config):
    """An sshd whose passwords a script of ours checks, by a PAM configuration
    of its own, in mounts of its own: "secret" is right."""
    folder = t.tmp("pam.d")
    os.mkdir(folder, 0o755)
    script = t.file("check", '#!/bin/sh\nread -r p\n[ "$p" = secret ]\n',
                    0o755)
    # pam_exec alone has no credentials to set, which sshd takes for a denial.
    t.file("pam.d/sshd", f"auth required pam_exec.so expose_authtok quiet "
           f"{script}\nauth optional pam_permit.so\n"
           "account required pam_permit.so\n"
           "session required pam_permit.so\n", 0o644)
    return Sshd(t, UsePAM="yes", PasswordAuthentication="yes",
                KbdInteractiveAuthentication="yes",
                wrap=[*own_mounts(), "sh", "-c",
                      "mount --bind \"$0\" /etc/pam.d && exec \"$@\"",
                      folder], **config)


def key_and_then(t, method, question):
    """Logs in by a key and then a password, which is asked for once."""
    server = pam_server(t, AuthenticationMethods=f"publickey,{method}")
    askpass = Askpass(t, "wrong", "secret")
    proxy = works(t, *args_of(server), env=askpass.env)
    server.kill_sessions()
    check_echo(wait_until(lambda: again(t, proxy), "a new link"))
    equal(askpass.asked(), [question.format(server.user)] * 2, "questions")


def test_key_and_then_a_password(t):
    key_and_then(t, "password", "{}@127.0.0.1's password: ")


def test_key_and_then_questions(t):
    key_and_then(t, "keyboard-interactive", "({}@127.0.0.1) Password: ")


def test_agents_keys_one_after_the_other(t):
    keys = [make_key(t, f"held{i}") for i in range(3)]
    server = Sshd(t, keys=keys[1:],
                  AuthenticationMethods="publickey,publickey")
    works(t, *args_of(server, key=False), env=Agent(t, *keys).env)


def test_agent_that_does_not_sign(t):
    """Each use of the first key needs a person's consent, and there is
    none."""
    keys = [make_key(t, "guarded"), make_key(t, "free")]
    server = Sshd(t, keys=keys)
    agent = Agent(t)
    agent.add(keys[0], "-c")
    agent.add(keys[1])
    works(t, *args_of(server, key=False), env=agent.env)
    server.wait_line("Accepted publickey")


def test_dropbear(t):
    works(t, *Dropbear(t).args())


def test_banner_is_shown_once(t):
    server = Odd(t, banner="Only for\x1b[2J friends\r\nof the house\n")
    proxy = works(t, *args_of(server))
    server.stop()
    server.start()
    check_echo(wait_until(lambda: again(t, proxy), "a new link"))
    for line in (r"Only for\?\[2J friends$", "of the house$"):
        equal(len(re.findall(line, proxy.text(), re.M)), 1, line)


# --- host keys ----------------------------------------------------------------

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


# --- servers that are none ----------------------------------------------------

def test_no_ssh_server(t):
    server = Crude(t, b"HTTP/1.1 400 Bad\x1b[31m Request\r\n\r\n")
    matches(r'odd@127.0.0.1:\d+: not an SSH server: it said "HTTP/1.1 400 '
            r'Bad\?\[31m Request"', refused(t, *server.args()))


def test_endless_lines_before_the_version(t):
    matches('not an SSH server: it said "hello"',
            refused(t, *Crude(t, b"hello\r\n" * 150000, hold=True).args()))
    matches("not an SSH server: it sends long lines",
            refused(t, *Crude(t, b"x" * (1 << 20), hold=True).args()))


def test_some_lines_before_the_version_are_no_fault(t):
    """RFC 4253 4.2 allows them."""
    server = Sshd(t)
    relay = Preface(t, server, b"Welcome\r\nto the gate\r\n")
    works(t, "-F", "none", "-p", relay.port, "-i", server.key, "-o",
          f"UserKnownHostsFile={server.known_hosts}", "-o",
          f"HostKeyAlias=[127.0.0.1]:{server.port}", server.destination)


class Preface(Crude):
    """Says something first, then is a pipe to a server."""

    def __init__(self, t, server, say):
        self.server = server
        super().__init__(t, say)

    def serve(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        far = socket.create_connection(("127.0.0.1", self.server.port))
        client.sendall(self.say)
        while True:
            for sock in select.select([client, far], [], [])[0]:
                other = far if sock is client else client
                try:
                    some = sock.recv(1 << 16)
                except OSError:
                    some = b""
                if not some:
                    client.close()
                    far.close()
                    return
                other.sendall(some)


def test_server_that_closes_at_once(t):
    said = refused(t, *Crude(t, b"").args())
    matches("closed the connection before it said its version.*MaxStartups",
            said)
    said = refused(t, *Crude(t, b"SSH-2.0-odd\r\n").args())
    matches("closed the connection during key exchange", said)


def test_server_of_another_version(t):
    said = refused(t, *Crude(t, b"SSH-1.5-old\r\n", hold=True).args())
    matches("No version of SSH protocol usable", said)


def test_server_that_sends_rubbish(t):
    """A key exchange message without an end, and a packet of no length."""
    for packet in (b"\0\0\0\x1c\x0a\x14" + bytes(26), bytes(16)):
        said = refused(t, *Crude(t, b"SSH-2.0-odd\r\n" + packet,
                                 hold=True).args())
        matches("key exchange failed: the server sent what can't be read",
                said)


def test_silent_servers_time_out(t):
    for say, step in ((b"", "never said its version"),
                      (b"SSH-2.0-odd\r\n", "fell silent during key exchange")):
        server = Crude(t, say, hold=True)
        started = time.monotonic()
        said = refused(t, *server.args("-o", "ConnectTimeout=1"))
        matches(f"{step}: timed out", said)
        check(time.monotonic() - started < scaled(5), "it took too long")


def test_no_algorithm_in_common(t):
    server = Sshd(t, KexAlgorithms="diffie-hellman-group14-sha256")
    said = refused(t, *args_of(server, "-o",
                               "KexAlgorithms=curve25519-sha256"))
    matches("no algorithm in common for kex algos; the server offers "
            "diffie-hellman-group14-sha256", said)


def test_the_users_ciphers_win(t):
    server = Sshd(t, LogLevel="DEBUG1")
    works(t, *args_of(server, "-c", "aes256-ctr")).stop()
    server.wait_line("kex: client->server cipher: aes256-ctr")


# --- the terminal -------------------------------------------------------------

class Terminal:
    """culvert at a terminal of its own."""

    def __init__(self, t, *args):
        self.t = t
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(CULVERT, [CULVERT, "-D", "127.0.0.1:0", *ONE,
                                *map(str, args)],
                      sanitizer_environment(t.new_report(), NO_PROGRAM))
        t.defer(self.clean_up)

    def clean_up(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def wait(self, text):
        limit = time.monotonic() + scaled(10)
        while text not in self.text:
            ready, _, _ = select.select([self.fd], [], [],
                                        max(0, limit - time.monotonic()))
            try:
                some = os.read(self.fd, 4096) if ready else b""
            except OSError:
                some = b""
            check(some, f"{text!r} is not in {self.text!r}")
            self.text += some.decode(errors="replace")

    def say(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        """The exit status, negative for a signal's."""
        limit = time.monotonic() + scaled(10)
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            check(time.monotonic() < limit, "it does not end")
            time.sleep(0.01)


def test_passphrase_at_the_terminal(t):
    key = make_key(t, "locked", passphrase="open sesame")
    server = Sshd(t, keys=[key])
    term = Terminal(t, *args_of(server, key=key, known_hosts=t.tmp("new")))
    term.wait("(yes/no/[fingerprint])? ")
    check(term.echoes(), "the answer to a question is not shown")
    term.say("yes\n")
    term.wait(f"Enter passphrase for key '{key}': ")
    check(not term.echoes(), "the passphrase is shown")
    term.say("open sesame\n")
    term.wait("listening on")
    check(term.echoes(), "the terminal shows nothing any more")
    check("sesame" not in term.text, "the passphrase was shown")
    os.kill(term.pid, signal.SIGINT)
    equal(term.end(), 0, "exit status")


def test_question_is_left_by_a_signal(t):
    key = make_key(t, "locked", passphrase="open sesame")
    server = Sshd(t, keys=[key])
    for leave in ("\x03", signal.SIGTERM):
        term = Terminal(t, *args_of(server, key=key))
        term.wait("Enter passphrase")
        check(not term.echoes(), "the passphrase is shown")
        started = time.monotonic()
        if leave == signal.SIGTERM:
            os.kill(term.pid, leave)
        else:
            term.say(leave)
        check(term.end() != 0, "exit status")
        check(time.monotonic() - started < scaled(3), "it took too long")
        check(term.echoes(), "the terminal shows nothing any more")


def test_end_of_input_is_no_answer(t):
    key = make_key(t, "locked", passphrase="open sesame")
    server = Sshd(t, keys=[key])
    term = Terminal(t, *args_of(server, key=key))
    term.wait("Enter passphrase")
    term.say("\x04")
    term.wait("nobody gave its passphrase")
    equal(term.end(), 255, "exit status")
