"""A gateway's own side: what -O status and the log tell of its agents, -O
kick, HUP, the drain, and how a start can fail."""
import json
import os
import re
import signal
import stat

from gateway import PROGRAMS, Client, Gateway, agent, ssh_words, start
from harness import check, equal, free_port, matches, wait_until
from keys import cached_key, make_key, public_text, user_key
from mux import ask, done
from origins import Echo, Hold
from remote import free_ports, listeners, wait_free
from test_auth import HASHES
from test_gateway_users import by_password, comes_in
from wire import check_echo, gone, refusal, take, through

NAMESPACE = True


def fingerprint(t, key):
    said = t.run(["ssh-keygen", "-lf", key + ".pub"]).stdout.decode()
    return matches("SHA256:[A-Za-z0-9+/]+", said)[0]


# --- what it tells ------------------------------------------------------------

def test_ready_lines(t):
    """Of the gateway and of the SOCKS port, by the way it leaves."""
    gateway = Gateway(t)
    found = sorted(what for _, what in gateway.proxy.listening)
    equal(found[0], "gateway", "the gateway's")
    matches("^socks.*reverse:home", found[1], "the other")


def test_gateway_alone(t):
    """It stands without any -D."""
    gateway = Gateway(t, socks=False, via=None)
    equal(gateway.proxy.listening,
          [(f"127.0.0.1:{gateway.port}", "gateway")], "ready lines")
    agent(t, gateway)


def test_several_gateways(t):
    """Each address that was asked for is one."""
    one, two = free_ports(2)
    gateway = Gateway(t, "--gateway", f"127.0.0.2:{two}", "--gateway",
                      f"localhost:{one}", ready=3)
    found = {where for where, what in gateway.proxy.listening
             if what == "gateway"}
    equal(found, {f"127.0.0.1:{gateway.port}", f"127.0.0.2:{two}",
                  f"127.0.0.1:{one}", f"[::1]:{one}"}, "addresses")
    for address in (("127.0.0.2", two), ("127.0.0.1", one), ("::1", one)):
        equal(take(t.socket(address), 8), b"SSH-2.0-", "what it says")


def test_status(t):
    """A line for each agent, with all that is known of it."""
    echo = t.server(Echo)
    gateway = Gateway(t)
    for program in PROGRAMS:
        ports = free_ports(2)
        options = [] if program == "ssh" else ["--connections", "1"]
        one = start(t, gateway, program, *options, "-R", ports[0], "-R",
                    f"{ports[1]}:127.0.0.1:{echo.port}")
        found, = gateway.wait_agents(ports=2)
        equal((found["name"], found["user"]), ("home", "home"), "who it is")
        equal(found["key"], fingerprint(t, user_key()), "key")
        matches(r"^127\.0\.0\.1:\d+$", found["addr"], "addr")
        matches("^SSH-2.0-", found["software"], "software")
        equal(sorted(found["ports"].split(",")),
              sorted(f"localhost:{port}" for port in ports), "ports")
        check(0 <= float(found["since"]) < 60, f"since {found['since']}")
        equal((found["streams"], found["in"], found["out"]),
              ("0", "0", "0"), "traffic before")
        sock = t.socket(("127.0.0.1", ports[1]))
        check_echo(sock, b"x" * 1000)
        found, = gateway.agents("home")
        equal((found["streams"], found["in"], found["out"]),
              ("1", "1000", "1000"), "traffic")
        sock.close()
        wait_until(lambda: gateway.agents("home")[0]["streams"] == "0",
                   "no streams")
        through(t, gateway.socks, echo).close()
        equal(gateway.agents("home")[0]["kind"], program, "kind")
        one.end()
        gateway.wait_agents(count=0)


def test_round_trip(t):
    """It is known after the first keep-alive."""
    gateway = Gateway(t)
    agent(t, gateway)
    wait_until(lambda: re.match(r"\d+(\.\d+)?$",
                                gateway.agents()[0].get("rtt_ms", "")),
               "a round trip", 20)


def test_status_json(t):
    gateway = Gateway(t)
    status = gateway.status_json()
    equal(status["agents"], [], "agents before")
    port = free_port()
    agent(t, gateway, "ssh", port)
    status = gateway.status_json()
    equal(status["pid"], gateway.proxy.pid, "pid")
    for name in ("version", "workers", "sessions", "listeners", "links"):
        check(name in status, f"no {name} in {sorted(status)}")
    found, = status["agents"]
    equal((found["name"], found["user"], found["kind"], found["key"],
           found["streams"], found["in"], found["out"]),
          ("home", "home", "ssh", fingerprint(t, user_key()), 0, 0, 0),
          "agent")
    check(isinstance(found["since"], (int, float)), "since is no number")
    matches(f"localhost:{port}", str(found["ports"]), "ports")


def test_log_lines(t):
    """Of who comes, and goes by itself."""
    gateway = Gateway(t)
    one = agent(t, gateway)
    found = gateway.wait_event(state="connected")
    equal((found["name"], found["user"], found["key"]),
          ("home", "home", fingerprint(t, user_key())), "who came")
    matches(r"^127\.0\.0\.1:\d+$", found["addr"], "addr")
    matches("^SSH-2.0-OpenSSH", found["software"], "software")
    one.stop()
    left = gateway.wait_event(state="left")
    equal((left["name"], left["addr"]), ("home", found["addr"]), "who left")
    check(0 <= float(left["seconds"]) < 60, f"seconds {left['seconds']}")
    check(left["reason"], "no reason")
    equal(len(gateway.events()), 2, "lines")


def test_log_line_of_one_that_was_killed(t):
    gateway = Gateway(t)
    for program in PROGRAMS:
        agent(t, gateway, program, name=program).kill()
        left = gateway.wait_event(state="left", name=program)
        check(left["reason"], "no reason")


def test_log_in_json(t):
    """The same fields."""
    port = free_port()
    proxy = t.culvert(*words_of({**good(t), "--gateway": f"localhost:{port}"},
                                "--log-format", "json"), listeners=0)
    proxy.wait_line("listening on")
    one = Client(t, ssh_words(
        "-F", "none", "-i", user_key(), "-p", port, "-o",
        f"UserKnownHostsFile={t.tmp('hosts')}", "-o",
        "StrictHostKeyChecking=no", "home@127.0.0.1"))
    proxy.wait_line('"connected"')
    one.kill()
    left = json.loads(proxy.wait_line('"left"'))
    equal((left["event"], left["name"], left["user"]),
          ("agent", "home", "home"), "who left")
    check(isinstance(left["seconds"], (int, float)), "seconds is no number")


def test_user_of_a_stock_client(t):
    """Who is no agent is not called one that serves; his session is told
    of."""
    gateway = Gateway(t)
    equal(comes_in(t, gateway, name="somebody"), True, "login")
    gateway.proxy.wait_line("user=somebody|name=somebody")


# --- kick ---------------------------------------------------------------------

def test_kick(t):
    """All sessions of that name, and of no other."""
    echo = t.server(Echo)
    gateway = Gateway(t, "--connect-timeout", "1")
    for program in PROGRAMS:
        homes = [agent(t, gateway, "ssh", count=count) for count in (1, 2)]
        office = agent(t, gateway, name="office")
        sock = through(t, gateway.socks, echo)
        check_echo(sock)
        if program == "culvert":
            done(gateway.kick("HOME"))
        else:
            done(gateway.kick("home"))
        gone(sock)
        gateway.wait_agents(count=0)
        gateway.wait_event(name="home", state="kicked")
        for home in homes:
            equal(home.wait(), 255, "status of one that was kicked")
        equal(office.process.poll(), None, "status of another")
        equal(refusal(t, gateway.socks, "127.0.0.1", echo.port), 1, "code")
        office.end()
        gateway.wait_agents("office", count=0)


def test_kick_of_culvert(t):
    """It comes back, as after any end."""
    gateway = Gateway(t)
    agent(t, gateway, "culvert")
    first, = gateway.agents()
    done(gateway.kick("home"))
    wait_until(lambda: [one for one in gateway.agents()
                        if one["addr"] != first["addr"]
                        and one.get("ports")], "a new session")
    check_echo(through(t, gateway.socks, t.server(Echo)))


def test_kick_of_nobody(t):
    gateway = Gateway(t)
    agent(t, gateway)
    for name in ("office", "hom", "", "x" * 500, "home extra"):
        asked = gateway.kick(name)
        check(asked.status in (255, 2), f"status {asked.status} of {name}")
        check(asked.err, "it said nothing")
    equal(len(gateway.agents()), 1, "agents")


def test_kick_where_there_is_no_gateway(t):
    path = t.tmp("control")
    t.socks("-M", "-S", path)
    asked = ask(t, "culvert", "kick", path, "home")
    check(asked.status != 0 and asked.err, "it worked")


# --- HUP and TERM -------------------------------------------------------------

def test_hup(t):
    """Users and keys are read again; sessions and ports stay."""
    echo = t.server(Echo)
    gateway = Gateway(t, users=f"me:{HASHES['md5']}\n", via=None, socks=False)
    port = free_port()
    agent(t, gateway, "ssh", f"{port}:127.0.0.1:{echo.port}")
    sock = t.socket(("127.0.0.1", port))
    gateway.write("users", f"you:{HASHES['md5']}\n")
    gateway.proxy.signal(signal.SIGHUP)
    wait_until(lambda: by_password(t, gateway, "you", "secret"), "the new")
    equal(by_password(t, gateway, "me", "secret"), False, "the old one")
    check_echo(sock)
    check_echo(t.socket(("127.0.0.1", port)))


def test_term_drains(t):
    """Nobody new comes in; what runs goes on to its end, and then we end."""
    echo = t.server(Echo)
    gateway = Gateway(t, "--drain-timeout", "20")
    port = free_port()
    agent(t, gateway, "ssh", port)
    ours = through(t, gateway.socks, echo)
    theirs = through(t, ("127.0.0.1", port), echo)
    gateway.proxy.signal(signal.SIGTERM)
    for one in (gateway.port, gateway.socks[1], port):
        wait_free(t, one)
    for sock in (ours, theirs):
        check_echo(sock)
    equal(gateway.proxy.process.poll(), None, "status while they run")
    for sock in (ours, theirs):
        sock.close()
    equal(gateway.proxy.wait(), 0, "exit status")


def test_term_with_nothing_to_wait_for(t):
    """Agents alone are nothing that it waits for."""
    gateway = Gateway(t)
    clients = [agent(t, gateway, program, name=program)
               for program in PROGRAMS]
    gateway.proxy.signal(signal.SIGTERM)
    equal(gateway.proxy.wait(5), 0, "exit status")
    equal(clients[0].wait(), 255, "status of ssh")


def test_drain_timeout(t):
    hold = t.server(Hold)
    gateway = Gateway(t, "--drain-timeout", "1")
    agent(t, gateway)
    sock = through(t, gateway.socks, hold)
    gateway.proxy.signal(signal.SIGTERM)
    gone(sock)
    equal(gateway.proxy.wait(5), 0, "exit status")


def test_int_ends_at_once(t):
    hold = t.server(Hold)
    gateway = Gateway(t)
    port = free_port()
    agent(t, gateway, "ssh", port)
    sock = through(t, gateway.socks, hold)
    gateway.proxy.stop()
    gone(sock)
    equal(listeners(t, port), [], "addresses")


# --- how a start can fail -----------------------------------------------------

def check_fails(t, words, *patterns):
    """Exit status 2, with words to say why."""
    status, said = t.fails(*words)
    equal(status, 2, f"exit status of {words}: {said}")
    for pattern in patterns:
        matches(pattern, said, f"what {words} says")


def good(t):
    """Options that are enough."""
    keys = t.file("keys", f"{public_text(user_key())}\n")
    return {"--gateway": "127.0.0.1:0", "--host-key": cached_key("host"),
            "--authorized-keys": keys}


def words_of(options, *more):
    return [word for pair in options.items() if pair[1] is not None
            for word in pair] + list(more)


def test_missing_options(t):
    check_fails(t, words_of({**good(t), "--host-key": None}), "--host-key")
    check_fails(t, words_of({**good(t), "--authorized-keys": None}),
                "--authorized-keys", "--users")
    for words in (("-D", "0", "--via", "reverse:home"),
                  ("-D", "0", "--route", "*.x=reverse:home")):
        check_fails(t, words, "reverse:home", "--gateway")


def test_bad_words(t):
    """Of options that take one."""
    for name in ("", "a.b", "x" * 64, "a b", "ü"):
        check_fails(t, words_of(good(t), "-D", "0", "--via",
                                f"reverse:{name}"), "--via")
    for where in ("", "70000", "x", "127.0.0.1:", "[::1"):
        check_fails(t, words_of({**good(t), "--gateway": where}),
                    "--gateway")
    check_fails(t, ("-D", "0", "-o", "GatewayPorts=clientspecified"),
                "(?i)gatewayports")


def test_bad_host_keys(t):
    """Not a key, one for the eyes of others, with a passphrase, a public
    one, of a kind twice, and one that can't be made."""
    def readable(path):
        os.chmod(path, 0o644)
        return path
    secret = make_key(t, "secret", passphrase="secret")
    twice = make_key(t, "twice")
    for path in (t.file("none", "no key\n"), t.file("empty", ""),
                 readable(make_key(t, "open")), secret, twice + ".pub",
                 t.tmp(), t.tmp("no/such/folder")):
        check_fails(t, words_of({**good(t), "--host-key": path}),
                    "--host-key", re.escape(path))
    check_fails(t, words_of(good(t), "--host-key", twice), "--host-key",
                re.escape(twice))


def test_host_keys_of_all_kinds(t):
    """A client of each kind finds its own."""
    paths = {kind: make_key(t, f"host_{kind}", kind)
             for kind in ("ed25519", "ecdsa", "rsa")}
    gateway = Gateway(t, "--host-key", paths["ecdsa"], "--host-key",
                      paths["rsa"], host_key=paths["ed25519"])
    for kind, name in (("ed25519", "ssh-ed25519"),
                       ("ecdsa", "ecdsa-sha2-nistp256"),
                       ("rsa", "rsa-sha2-512")):
        hosts = t.file("hosts", f"[127.0.0.1]:{gateway.port} "
                       f"{public_text(paths[kind])}\n")
        equal(comes_in(t, gateway, "-o", f"HostKeyAlgorithms={name}", "-o",
                       f"UserKnownHostsFile={hosts}", "-o",
                       "StrictHostKeyChecking=yes"), True, kind)


def test_host_key_is_made(t):
    """On the first start, with its print; it is the same afterwards."""
    path = t.tmp("made")
    options = {**good(t), "--host-key": path}
    proxy = t.culvert(*words_of(options))
    line = proxy.wait_line("made a new key")
    told = matches(r"^culvert: --host-key (\S+): made a new key "
                   r"(SHA256:\S+)$", line)
    equal(told[1], path, "path")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode")
    public = t.run(["ssh-keygen", "-y", "-f", path]).stdout.decode()
    t.file("made.pub", public)
    equal(fingerprint(t, path), told[2], "print")
    port = proxy.port
    client = t.run(["ssh-keyscan", "-p", str(port), "-t", "ed25519",
                    "127.0.0.1"]).stdout.decode()
    check(public.split()[1] in client, "another key than that of the file")
    proxy.stop()
    proxy = t.culvert(*words_of(options))
    check("made" not in proxy.text(), "it was made again")
    equal(fingerprint(t, path), told[2], "print afterwards")


BAD_LINES = (
    "ssh-ed25519", "ssh-ed25519 AAAA", "no-such-kind AAAAB3NzaC1yc2E=",
    "no-such-option KEY", "cert-authority KEY", 'tunnel="1" KEY',
    "verify-required KEY", 'permitopen="127.0.0.1" KEY',
    'permitopen="127.0.0.1:99999" KEY', 'permitlisten="x:y" KEY',
    'from="10.0.0.0/33" KEY', 'expiry-time="tomorrow" KEY',
    'agent="a.b" KEY', 'agent="" KEY', 'agent="unterminated KEY',
    "restrict,, KEY", "garbage",
)


def test_bad_authorized_keys(t):
    """The line is named."""
    key = public_text(user_key())
    for text in BAD_LINES:
        path = t.file("bad", f"# first\n{key}\n{text.replace('KEY', key)}\n")
        check_fails(t, words_of({**good(t), "--authorized-keys": path}),
                    re.escape(f"{path}:3: "))
    check_fails(t, words_of({**good(t), "--authorized-keys":
                             t.tmp("no-such")}), re.escape(t.tmp("no-such")))
    path = t.file("others", f"{key}\n", 0o666)
    check_fails(t, words_of({**good(t), "--authorized-keys": path}),
                re.escape(path))


def test_bad_users(t):
    for text in (f"me:{HASHES['md5']}:agent=a.b", f"me:{HASHES['md5']}:x=y",
                 f"me:{HASHES['md5']}:agent="):
        path = t.file("users", f"{text}\n")
        check_fails(t, words_of(good(t), "--users", path),
                    re.escape(f"{path}:1: "))


def test_port_that_is_taken(t):
    """As with every other listener."""
    held = t.server(Hold)
    status, said = t.fails(*words_of({**good(t), "--gateway":
                                      f"127.0.0.1:{held.port}"}))
    check(status not in (0, 2), f"exit status {status}")
    matches(f"127.0.0.1:{held.port}", said, "message")


def test_password_is_not_in_what_it_says(t):
    """-O status, the log and the program's own words know of none."""
    gateway = Gateway(t, users=f"me:{HASHES['md5']}\n")
    by_password(t, gateway, "me", "a-secret-that-is-wrong")
    by_password(t, gateway, "me", "secret")
    told = gateway.proxy.text() + "\n".join(gateway.status())
    check("a-secret" not in told and "saltsalt" not in told, "it is told")
