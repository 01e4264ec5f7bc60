"""Logging in to an SSH server by keys: of files, certified, and an agent's."""
import os
import re
import socket
import threading
import time

from harness import (CULVERT, check, equal, matches, sanitizer_environment,
                     scaled, wait_until)
from keys import Agent, Askpass, keygen, make_certificate, make_key
from login import again, args_of, refused, works
from origins import Echo
from sshd import Dropbear, Sshd
from wire import check_echo


# --- files --------------------------------------------------------------------

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


def test_two_methods_one_after_the_other(t):
    """A key and then another: sshd without accounts of its own can't ask for
    a password here."""
    first, second = make_key(t, "first"), make_key(t, "second")
    server = Sshd(t, keys=[first, second],
                  AuthenticationMethods="publickey,publickey")
    works(t, *args_of(server, "-i", second, key=first)).stop()
    said = refused(t, *args_of(server, key=first))
    matches(r"Permission denied \(publickey\)", said)


def test_dropbear(t):
    works(t, *Dropbear(t).args())


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
