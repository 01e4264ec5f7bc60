"""What stock clients may do at a gateway: forward, to what their key's options
allow; who is let in; and what authorized_keys says, as it changes."""
import os
import signal
import time

from gateway import (WORDS, Client, Gateway, Inner, agent, ssh_words,
                     take_line, word_of)
from harness import check, equal, free_port, matches, scaled, wait_until
from keys import Askpass, make_key, public_text, user_key
from origins import Echo
from raw import Raw
from remote import listeners
from sshd import Sshd
from test_auth import HASHES
from wire import check_echo, open_socks5, refusal, through

NAMESPACE = True

SECRET = HASHES["sha512"]


# --- forwards of stock ssh ----------------------------------------------------

def dynamic(t, gateway, *options, **who):
    """ssh -N -D; returns where its SOCKS port is."""
    port = free_port()
    Client(t, ssh_words("-D", f"127.0.0.1:{port}", *options,
                        *gateway.args(**who)))
    wait_until(lambda: listeners(t, port), "ssh's port")
    return "127.0.0.1", port


def local(t, gateway, host, target, *options, **who):
    """ssh -N -L; returns where it is."""
    port = free_port()
    Client(t, ssh_words("-L", f"127.0.0.1:{port}:{host}:{target}", *options,
                        *gateway.args(**who)))
    wait_until(lambda: listeners(t, port), "ssh's port")
    return "127.0.0.1", port


def standard(t, gateway, target, *options, **who):
    """ssh -W; what came of it."""
    return t.run(["ssh", "-o", "BatchMode=yes", "-W", target, *options,
                  *gateway.args(**who)], input=b"there and back")


def test_dynamic(t):
    """To addresses and names, by all its protocols."""
    echo = t.server(Echo)
    proxy = dynamic(t, Gateway(t))
    for host in ("127.0.0.1", "localhost"):
        for _ in range(20):
            check_echo(through(t, proxy, echo, host))


def test_refusals_of_culvert_to_culvert(t):
    """A gateway cannot say why it opens no channel: as where a server says
    nothing that is known, and no word of its sshd_config."""
    proxy = t.socks(*Gateway(t).args())
    for host in ("127.0.0.1", "no-such-name.invalid"):
        equal(refusal(t, proxy, host, free_port()), 4, f"code for {host}")
    check(not any("sshd_config" in line for line in proxy.lines()), "advice")


def test_local(t):
    echo = t.server(Echo)
    where = local(t, Gateway(t), "localhost", echo.port)
    for _ in range(20):
        check_echo(t.socket(where))


def test_standard_input_and_output(t):
    gateway = Gateway(t)
    done = standard(t, gateway, f"127.0.0.1:{t.server(Echo).port}")
    equal((done.returncode, done.stdout), (0, b"there and back"),
          f"ssh -W ({done.stderr})")


def jump_config(t, gateway, inner):
    return t.file("config", f"""
Host gw
  HostName 127.0.0.1
  Port {gateway.port}
  User anybody
  UserKnownHostsFile {gateway.known_hosts}
Host inner
  HostName 127.0.0.1
  Port {inner.port}
  User {inner.user}
  UserKnownHostsFile {inner.known_hosts}
Host *
  IdentityFile {user_key()}
  BatchMode yes
""")


def test_jump(t):
    """ssh -J to a server that has a shell, with all that it has; a file by
    scp, too."""
    gateway, inner = Gateway(t), Sshd(t, Subsystem="sftp internal-sftp")
    config = jump_config(t, gateway, inner)
    done = t.run(["ssh", "-F", config, "-J", "gw", "inner",
                  "echo we are in"])
    equal(done.stdout, b"we are in\n", f"what it said ({done.stderr})")
    with open(t.tmp("big"), "wb") as file:
        file.write(os.urandom(5_000_000))
    done = t.run(["scp", "-q", "-F", config, "-o", "ProxyJump=gw",
                  t.tmp("big"), f"inner:{t.tmp('there')}"])
    equal(done.returncode, 0, f"scp's status ({done.stderr})")
    equal(t.run(["cmp", t.tmp("big"), t.tmp("there")]).returncode, 0, "cmp")


def test_culvert_as_a_user(t):
    """Its codes are what little a refusal says."""
    gateway, echo = Gateway(t), t.server(Echo)
    proxy = t.socks(*gateway.args())
    check_echo(through(t, proxy, echo))
    code = refusal(t, proxy, "127.0.0.1", free_port())
    check(code in (4, 5), f"code {code}")


def test_target_that_refuses(t):
    """It is said with a reason, and the next is served."""
    gateway = Gateway(t)
    done = standard(t, gateway, f"127.0.0.1:{free_port()}")
    equal(done.returncode, 255, "exit status")
    matches("open failed", done.stderr.decode(), "what it said")
    equal(standard(t, gateway, f"localhost:{t.server(Echo).port}").stdout,
          b"there and back", "the next")


def test_to_an_agent(t):
    """A stock client's target may be an agent's: by its name, or by a
    route."""
    inner = Inner(t, "home")
    gateway = Gateway(t, "--route", "10.20.0.0/16=reverse:home", via=None,
                      at="0.0.0.0:0")
    agent(t, gateway, "ssh", host=inner)
    proxy = dynamic(t, gateway, name="somebody")
    for host in ("home.culvert", "localhost.home.culvert",
                 "127.0.0.1.HOME.culvert", "10.20.0.1"):
        equal(word_of(t, proxy, host), inner.word, f"word of {host}")
    where = local(t, gateway, "home.culvert", WORDS, name="somebody")
    equal(take_line(t.socket(where)), inner.word, "word")
    gateway.proxy.wait_line("session .*via=reverse:home")


def test_via_is_not_for_them(t):
    """--via reverse: is for our own ports: they leave from here."""
    echo = t.server(Echo)
    inner = Inner(t, "home")
    gateway = Gateway(t, at="0.0.0.0:0")
    agent(t, gateway, "ssh", host=inner)
    check_echo(through(t, dynamic(t, gateway), echo))
    equal(word_of(t, gateway.socks, "127.0.0.1"), inner.word, "our own")


# --- what is allowed ----------------------------------------------------------

def may_open(t, gateway, target, **who):
    """Whether a target is reached, and not just that it refuses."""
    done = standard(t, gateway, target, **who)
    if done.returncode == 0:
        equal(done.stdout, b"there and back", "what came")
        return True
    matches("(?i)administratively prohibited|open failed",
            done.stderr.decode(), "what ssh said")
    return False


def test_permitopen(t):
    """Just that."""
    echo, other = t.server(Echo), t.server(Echo)
    gateway = Gateway(t, options=f'permitopen="127.0.0.1:{echo.port}"')
    equal(may_open(t, gateway, f"127.0.0.1:{echo.port}"), True, "it")
    for target in (f"127.0.0.1:{other.port}", f"127.0.0.2:{echo.port}",
                   f"localhost:{echo.port}", f"[::1]:{echo.port}"):
        equal(may_open(t, gateway, target), False, target)
    equal(other.accepted, 0, "connections made")
    check_echo(through(t, dynamic(t, gateway), echo))


def test_permitopen_of_several(t):
    one, two, three = (t.server(Echo) for _ in range(3))
    gateway = Gateway(t, options=f'permitopen="localhost:{one.port}",'
                      f'permitopen="127.0.0.1:*"')
    for server, host, wanted in ((one, "localhost", True),
                                 (two, "localhost", False),
                                 (two, "127.0.0.1", True),
                                 (three, "127.0.0.1", True)):
        equal(may_open(t, gateway, f"{host}:{server.port}"), wanted,
              f"{host}:{server.port}")


def test_permitopen_is_no_way_to_an_agent(t):
    """Neither by a name nor by a route."""
    inner = Inner(t, "home")
    other = make_key(t, "other")
    gateway = Gateway(t, at="0.0.0.0:0")
    gateway.authorize_lines(public_text(user_key()),
                            f'permitopen="127.0.0.1:{WORDS}" '
                            f'{public_text(other)}')
    agent(t, gateway, "ssh", host=inner)
    wait_until(lambda: comes_in(t, gateway, key=other), "the key")
    for host in ("home.culvert", "127.0.0.1.home.culvert"):
        equal(may_open(t, gateway, f"{host}:{WORDS}", name="guest",
                       key=other), False, host)


def test_restrict(t):
    """It comes in, and has nothing."""
    echo = t.server(Echo)
    for options in ("restrict", "no-port-forwarding",
                    f'restrict,permitopen="127.0.0.1:{echo.port}"'):
        gateway = Gateway(t, options=options)
        equal(may_open(t, gateway, f"127.0.0.1:{echo.port}"), False, options)
        port = free_port()
        client = Client(t, ssh_words("-R", port, *gateway.args()))
        equal(client.wait(), 255, f"status with {options}")
        client.wait_line("remote port forwarding failed")
        equal(listeners(t, port), [], "addresses")
    equal(echo.accepted, 0, "connections made")


def test_restrict_but_port_forwarding(t):
    gateway = Gateway(t, options="restrict,port-forwarding,pty,user-rc,"
                      'command="/bin/echo",environment="A=B"')
    equal(may_open(t, gateway, f"127.0.0.1:{t.server(Echo).port}"), True,
          "a target")
    agent(t, gateway)


def test_rules(t):
    """--deny and --permit hold for them as for all."""
    echo = t.server(Echo)
    gateway = Gateway(t, "--deny", f"127.0.0.1:{echo.port}")
    equal(may_open(t, gateway, f"127.0.0.1:{echo.port}"), False, "denied")
    equal(may_open(t, gateway, f"127.0.0.1:{t.server(Echo).port}"), True,
          "another")
    equal(echo.accepted, 0, "connections made")
    gateway.proxy.wait_line("reason=denied")


# --- who comes in -------------------------------------------------------------

# Each login that may fail is from an address of its own, as sources that fail
# are kept out for a while.
SOURCES = (f"127.1.{high}.{low}" for high in range(256)
           for low in range(1, 255))


def comes_in(t, gateway, *options, env=None, source=None, **who):
    """Whether a login is good: what then fails is the forward."""
    words = ["-b", source or next(SOURCES)]
    words += [] if env else ["-o", "BatchMode=yes"]
    done = t.run(["ssh", *words, "-W", "127.0.0.1:1", "-v", *options,
                  *gateway.args(**who)], env=env and dict(os.environ, **env))
    said = done.stderr.decode()
    if "Authenticated to" in said:
        return True
    matches("(?i)permission denied|disconnected|closed by|reset by", said,
            "what ssh said")
    return False


def test_unknown_key(t):
    gateway = Gateway(t)
    equal(comes_in(t, gateway, key=make_key(t, "other")), False, "login")
    gateway.wait_event("login failed", user="home")
    equal(comes_in(t, gateway), True, "login with the right one")


def test_kinds_of_keys(t):
    keys = [make_key(t, kind, kind) for kind in ("ed25519", "ecdsa", "rsa")]
    gateway = Gateway(t)
    gateway.authorize_lines("# ours", "", *map(public_text, keys))
    for key in keys:
        wait_until(lambda key=key: comes_in(t, gateway, key=key), key)


def test_nobody_without_a_key(t):
    """No password, no questions, no host's word, nothing."""
    gateway = Gateway(t)
    done = t.run(["ssh", "-N", "-v", "-o", "BatchMode=yes", "-o",
                  "PubkeyAuthentication=no", *gateway.args()])
    equal(done.returncode, 255, "exit status")
    matches(r"Permission denied \(publickey\)", done.stderr.decode(),
            "what there is")


def by_password(t, gateway, user, secret):
    """Logs in with one; returns whether it could."""
    ask = Askpass(t, secret)
    return comes_in(t, gateway, "-o", "PubkeyAuthentication=no", "-o",
                    "NumberOfPasswordPrompts=1", "-o",
                    "StrictHostKeyChecking=yes", env=ask.env, name=user)


def test_passwords(t):
    """Of the users file; the name is the user's, or agent='s."""
    gateway = Gateway(t, users=f"me:{SECRET}\nworker:{SECRET}:agent=office\n")
    for user, secret, wanted in (
            ("me", "secret", True), ("me", "wrong", False),
            ("me", "secret", True), ("nobody", "secret", False),
            ("worker", "secret", True)):
        equal(by_password(t, gateway, user, secret), wanted,
              f"{user} with {secret}")
    check("secret" not in gateway.proxy.text(), "a password in the log")
    gateway.wait_event("login failed", user="nobody")


def test_passwords_alone(t):
    """Without authorized keys there is no other method."""
    gateway = Gateway(t, users=f"me:{SECRET}\n", keys=False)
    equal(by_password(t, gateway, "me", "secret"), True, "password")
    done = t.run(["ssh", "-N", "-v", "-o", "BatchMode=yes",
                  *gateway.args("me")])
    matches(r"Permission denied \(password\)", done.stderr.decode(),
            "what there is")


def test_agent_by_password(t):
    """It has its user's agent= for a name."""
    gateway = Gateway(t, users=f"worker:{SECRET}:agent=office\n",
                      via="office")
    ask = Askpass(t, "secret")
    Client(t, ["ssh", "-N", "-R", free_port(), "-o",
               "PubkeyAuthentication=no", *gateway.args("worker")],
           env=ask.env)
    equal(gateway.wait_agents("office")[0]["user"], "worker", "user")
    echo = t.server(Echo)
    check_echo(open_socks5(t, gateway.socks, "127.0.0.1", echo.port,
                           "worker", "secret"))


def test_agent_of_a_key(t):
    """agent= is its name, whatever it calls itself."""
    gateway = Gateway(t, options='agent="Office"', via="office")
    agent(t, gateway, "ssh", name="office")
    Client(t, ssh_words("-R", free_port(), *gateway.args("home")))
    found = gateway.wait_agents("office", count=2)
    equal(sorted(one["user"] for one in found), ["home", "office"], "users")
    equal(gateway.agents("home"), [], "agents called home")
    check_echo(through(t, gateway.socks, t.server(Echo)))


def test_names_that_are_none(t):
    """A user's name that no agent can have is as good as another for all but
    that."""
    gateway, echo = Gateway(t), t.server(Echo)
    for name in ("a.b", "x" * 64, "me@example.org", "ü"):
        words = ["-l", name, *gateway.args()[:-1], "127.0.0.1"]
        done = t.run(["ssh", "-o", "BatchMode=yes", "-W",
                      f"127.0.0.1:{echo.port}", *words],
                     input=b"there and back")
        equal(done.stdout, b"there and back", f"by {name} ({done.stderr})")
    odd = Raw(t, gateway, 'a" c=d')
    odd.rest()
    for one in gateway.agents() + gateway.events():
        check("c" not in one, f"a field too many: {one}")


def test_from(t):
    """Addresses, networks, and what is left out of them."""
    gateway = Gateway(t, options='from="127.0.0.1,127.0.4.0/24,'
                      '!127.0.4.9,127.0.5.*"')
    for source, wanted in (("127.0.0.1", True), ("127.0.0.2", False),
                           ("127.0.4.8", True), ("127.0.4.9", False),
                           ("127.0.5.77", True), ("127.0.6.1", False)):
        equal(comes_in(t, gateway, source=source), wanted, f"from {source}")


def test_expiry_time(t):
    """Of days, of seconds, and of Greenwich."""
    now = time.time()

    def stamp(seconds, form, zone=time.gmtime):
        return time.strftime(form, zone(now + seconds))
    for text, wanted in ((stamp(86400 * 2, "%Y%m%d"), True),
                         (stamp(-86400 * 2, "%Y%m%d"), False),
                         (stamp(3600, "%Y%m%d%H%MZ"), True),
                         (stamp(-3600, "%Y%m%d%H%M%SZ"), False),
                         (stamp(3600, "%Y%m%d%H%M", time.localtime), True),
                         ("20380101", True)):
        gateway = Gateway(t, options=f'expiry-time="{text}"')
        equal(comes_in(t, gateway), wanted, text)


# --- the file changes ---------------------------------------------------------

def within(seconds, condition, what):
    began = time.monotonic()
    wait_until(condition, what)
    took = time.monotonic() - began
    check(took < scaled(seconds), f"{what} took {took:.1f} s")


def test_file_is_read_again(t):
    """Within 2 s of its change, or at once at HUP; who is in stays."""
    other = make_key(t, "other")
    gateway = Gateway(t)
    proxy = dynamic(t, gateway)
    gateway.authorize(key=other)
    within(3, lambda: comes_in(t, gateway, key=other), "the new key")
    equal(comes_in(t, gateway), False, "login with the old one")
    check_echo(through(t, proxy, t.server(Echo)))
    gateway.authorize()
    gateway.proxy.signal(signal.SIGHUP)
    within(1, lambda: comes_in(t, gateway), "the old key")


def test_bad_file_later(t):
    """It is told where, and the old one stays; one that was removed lets nobody
    in, as with sshd, nor does one without a key."""
    gateway = Gateway(t)
    gateway.authorize_lines(public_text(user_key()), "no-such-option "
                            f"{public_text(user_key())}")
    gateway.proxy.wait_line("authorized_keys:2: ")
    equal(comes_in(t, gateway), True, "login")
    os.unlink(gateway.keys_path)
    gateway.proxy.wait_line("authorized_keys: no key in it")
    equal(comes_in(t, gateway), False, "login without the file")
    gateway.authorize()
    within(3, lambda: comes_in(t, gateway), "the file again")
    gateway.authorize_lines("# none")
    gateway.proxy.wait_line("authorized_keys: no key in it", count=2)
    equal(comes_in(t, gateway), False, "login with a file that has none")
    gateway.authorize()
    within(3, lambda: comes_in(t, gateway), "the file once more")
    gateway.authorize("restrict")
    wait_until(lambda: not may_open(t, gateway, "127.0.0.1:%d" %
                                    t.server(Echo).port), "the new file")
