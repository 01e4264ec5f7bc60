"""Logging in to an SSH server by passwords and answers, alone or behind a key;
and its banner."""
import os
import re

from harness import check, equal, matches, wait_until
from keys import Askpass
from login import again, args_of, refused, works
from processes import own_mounts
from sshd import Odd, Sshd
from wire import check_echo


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
         ["Trier", "sesame"]],
        ["", "", [], []]]})
    askpass = Askpass(t, "secret", "Trier", "sesame")
    proxy = works(t, *args_of(server), env=askpass.env)
    equal(askpass.asked(),
          ["(alice@127.0.0.1) Password: ", "(alice@127.0.0.1) Town: ",
           "(alice@127.0.0.1) Code?[1m: "], "questions")
    matches(r"Read\? this", proxy.text(), "the server's words")
    check("secret" not in proxy.text() and "sesame" not in proxy.text(),
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


def test_banner_is_shown_once(t):
    server = Odd(t, banner="Only for\x1b[2J friends\r\nof the house\n")
    proxy = works(t, *args_of(server))
    server.stop()
    server.start()
    check_echo(wait_until(lambda: again(t, proxy), "a new link"))
    for line in (r"Only for\?\[2J friends$", "of the house$"):
        equal(len(re.findall(line, proxy.text(), re.M)), 1, line)
