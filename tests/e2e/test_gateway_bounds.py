"""What a gateway keeps within bounds: channels that end while something is
asked for by them, ports, descriptors, sessions of those who have left, windows;
and names and addresses that are made to be taken for others."""
import os
import signal
import time

from gateway import Client, Gateway, agent, ssh_words
from harness import (SANITIZED, VARIANT, Failed, check, equal, free_port,
                     wait_until)
from keys import make_key, public_text, user_key
from mux import string
from origins import Echo, Hold, Resetter
from raw import (ADJUST, CLOSE, CONFIRMED, DATA, DONE, FAILED, OPEN, PACKET,
                 REQUEST, WINDOW, Raw)
from remote import listeners
from test_gateway_deaf import refused_soon
from test_gateway_login import well
from test_gateway_session import request, session
from test_gateway_users import comes_in
from test_ssh_basic import MEGABYTE
from wire import check_echo, open_socks5, through

NAMESPACE = True

FEW = "sh", "-c", 'ulimit -n 256; exec "$@"', "sh"


# --- channels that end --------------------------------------------------------

# What is freed is written over, so that what is read from there is seen
# (libssh is nothing that AddressSanitizer looks at).
WIPED = {"MALLOC_PERTURB_": "165",
         "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
if VARIANT == "asan":
    WIPED = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
             ":max_free_fill_size=4096:free_fill_byte=165"}


class Beside:
    """A login that has a channel to an echo open beside what it tries."""

    def __init__(self, t):
        self.t = t
        self.echo = t.server(Echo)
        self.gateway = Gateway(t, env=WIPED)
        self.raw = Raw(t, self.gateway)
        self.kept = self.raw.open(1, "127.0.0.1", self.echo.port)

    def together(self, *packets):
        """Has the gateway find all of them at once."""
        self.gateway.proxy.signal(signal.SIGSTOP)
        self.raw.send_all(packets)
        time.sleep(0.1)
        self.gateway.proxy.signal(signal.SIGCONT)

    def check(self, mine):
        """That the login is served on, and had answers for our number mine
        alone."""
        self.raw.send(DATA, self.kept, string("there and back"))
        equal(self.raw.take(1, 14), b"there and back", "echo beside it")
        check(self.raw.rest(), "no answer")
        for body in self.raw.packets:
            if body.kind in (DONE, FAILED):
                equal(body.number(), mine, "channel of an answer")
        self.raw.packets.clear()


def asking(peer, word, *more):
    return (REQUEST, peer, string(word), True, *more)


ASKED = [("exec", string("id")), ("shell",), ("no-such@example.org",),
         ("env", string("A"), string("B")),
         ("window-change", 80, 25, 0, 0)]


def test_session_that_asks_as_it_closes(t):
    """We have closed it, for ^C: what came right before the other's close
    referred to a channel that was freed."""
    beside = Beside(t)
    raw = beside.raw
    for mine, (word, *more) in enumerate(ASKED, 10):
        peer = session(raw, mine)
        equal(request(raw, mine, peer, "pty-req", string("xterm"), 80, 25, 0,
                      0, string("")), DONE, "answer to pty-req")
        equal(request(raw, mine, peer, "shell"), DONE, "answer to shell")
        raw.send(DATA, peer, string("\x03"))
        raw.next(CLOSE, channel=mine)
        beside.together(asking(peer, word, *more), (CLOSE, peer))
        beside.check(mine)
    for mine in range(50, 60):  # all were forgotten
        session(raw, mine)
    well(t, beside.gateway)


def test_channel_that_asks_as_it_closes(t):
    """The same with a target that has ended."""
    beside = Beside(t)
    raw, ends = beside.raw, t.server(Resetter)
    for mine, (word, *more) in enumerate(ASKED, 10):
        peer = raw.open(mine, "127.0.0.1", ends.port)
        raw.send(DATA, peer, string("x"))
        raw.next(CLOSE, channel=mine)
        beside.together(asking(peer, word, *more), (CLOSE, peer))
        beside.check(mine)
    wait_until(lambda: beside.gateway.status_json()["sessions"] == 1,
               "that but one session is left")
    well(t, beside.gateway)


def test_sessions_that_ask_and_close(t):
    """Ours is open still when that comes."""
    beside = Beside(t)
    raw = beside.raw
    for mine, (word, *more) in enumerate(ASKED * 3, 10):
        peer = session(raw, mine)
        beside.together(asking(peer, word, *more), (CLOSE, peer))
        raw.next(CLOSE, channel=mine)
        beside.check(mine)
    well(t, beside.gateway)


# --- ports --------------------------------------------------------------------

def test_closes_that_are_never_answered(t):
    """Each costs memory, and time to look for the others, however little its
    key allows."""
    gateway = Gateway(t, options="restrict")
    raw = Raw(t, gateway)
    mine = 10
    while mine < 11000 and not raw.lost:
        numbers = range(mine, mine + 10)
        raw.send_all((OPEN, string("session"), number, WINDOW, PACKET)
                     for number in numbers)
        try:
            peers = [raw.opened_to(number) for number in numbers]
            raw.send_all((REQUEST, peer, string("exec"), False, string("id"))
                         for peer in peers)
            for number in numbers:
                raw.next(CLOSE, channel=number)
        except Failed:
            break
        raw.packets.clear()
        mine += 10
    raw.wait_lost()
    check(mine > 5000, f"ended when {mine} were open")
    left = gateway.wait_event(name="home", state="left")
    equal(left["reason"], "the peer closes no channels", "reason")
    well(t, gateway)


def test_ports_of_one_login(t):
    """64, and no more; those that are given back are to be had again."""
    gateway = Gateway(t)
    raw = Raw(t, gateway, "greedy")
    ports = [raw.listen() for _ in range(70)]
    check(all(ports[:64]), "one of 64 was refused")
    equal(ports[64:], [None] * 6, "those beyond")
    check(raw.cancel(ports[5]) is not None, "it was not cancelled")
    check(raw.listen(), "one more was refused")
    equal(raw.listen(), None, "and another")


def test_strangers_leave_descriptors(t):
    """Those who connect and say nothing take no more than logins may have."""
    echo = t.server(Echo)
    gateway = Gateway(t, wrap=FEW)
    agent(t, gateway)
    for number in range(320):  # from 16 sources: 20 of each
        t.socket(("127.0.0.1", gateway.port),
                 source=f"127.0.1.{number % 16 + 1}")
    gateway.proxy.wait_line("new logins wait")
    check(gateway.proxy.settled_descriptors() < 220, "too many are taken")
    for _ in range(5):
        check_echo(through(t, gateway.socks, echo))


class Greedy:
    """A gateway with 256 descriptors, an agent, and a login that has asked for
    more ports than these would do for."""

    def __init__(self, t):
        self.gateway = Gateway(t, wrap=FEW)
        agent(t, self.gateway)
        self.before = self.gateway.proxy.settled_descriptors()
        self.raw = Raw(t, self.gateway, "greedy")
        ports = [self.raw.listen() for _ in range(100)]
        self.ports = [port for port in ports if port]
        check(0 < len(self.ports) <= 64, f"{len(self.ports)} were granted")
        equal(ports[len(self.ports):], [None] * (100 - len(self.ports)),
              "those beyond")

    def end(self):
        self.raw.end()
        wait_until(lambda: self.gateway.proxy.descriptors() <=
                   self.before + 20, "that its descriptors are free")


def test_clients_beside_greedy_ports(t):
    """With few descriptors, ports are refused before others have none."""
    echo = t.server(Echo)
    greedy = Greedy(t)
    for _ in range(3):
        socks = [through(t, greedy.gateway.socks, echo) for _ in range(5)]
        for sock in socks:
            check_echo(sock)
            sock.close()
        equal(len(greedy.gateway.agents()), 2, "agents in status")
    # What is listened on has somebody who accepts.
    t.socket(("127.0.0.1", greedy.ports[-1]))
    greedy.raw.wait(lambda: greedy.raw.opened, "a channel of the last port's")
    equal(greedy.gateway.kick("greedy").status, 0, "status of kick")
    greedy.end()
    check(Raw(t, greedy.gateway, "greedy").listen(), "none is to be had")
    check_echo(through(t, greedy.gateway.socks, echo))


def test_logins_beside_greedy_ports(t):
    """They come in still, beside a few clients."""
    echo = t.server(Echo)
    greedy = Greedy(t)
    socks = [through(t, greedy.gateway.socks, echo) for _ in range(5)]
    for name in ("home", "guest", "other", "home"):
        equal(comes_in(t, greedy.gateway, "-o", "ConnectTimeout=5",
                       name=name), True, f"login of {name}")
        Raw(t, greedy.gateway, name)
    for sock in socks:
        check_echo(sock)
    greedy.end()
    well(t, greedy.gateway)


def test_addresses_that_forge(t):
    """What is no word is no address: in -O status and the log each line is
    ours."""
    gateway = Gateway(t, "-o", "GatewayPorts=no")
    raw = Raw(t, gateway)
    for address in ("a\nagent name=forged", "\n", "a,b:80", "local host",
                    " ", "a\x1b[31mb", "a\tb", "a\rb", "a\x7fb", "\x80",
                    "ü", "x" * 5000):
        equal(raw.listen(0, address), None, f"port at {address[:40]!r}")
        equal(raw.cancel(1080, address), None, "the end of none")
    lines = gateway.status()
    found, = [line for line in lines if line.startswith("agent")]
    check("name=home " in found, found)
    check(gateway.agents()[0]["ports"] == "-", found)
    text = "\n".join([*lines, *gateway.proxy.lines()])
    check("\x1b" not in text and "\x7f" not in text, "an escape is told")
    for line in gateway.proxy.lines():
        check(line.startswith("culvert: "), f"a line that is not ours: {line}")
    check(raw.listen(), "a good address is refused")
    wait_until(lambda: "localhost:" in gateway.agents()[0]["ports"],
               "the good one in status")


# --- windows and memory -------------------------------------------------------

def open_wide(raw, mine, port):
    """A channel's number there, and its window."""
    raw.send(*raw.opening(mine, "127.0.0.1", port))
    body = raw.next(CONFIRMED, channel=mine)
    return body.number(), body.number()


def fill(raw, mine, peer, window):
    """Sends all that may be sent, until nothing more may be."""
    sent = 0
    while window > 0:
        raw.send_all([(DATA, peer, string(bytes(min(PACKET, window - at))))
                      for at in range(0, window, PACKET)])
        sent += window
        window = 0
        try:
            while True:
                window += raw.next(ADJUST, channel=mine, seconds=1).number()
        except Failed:
            check(not raw.lost, "the session ended")
    return sent


def test_login_that_leaves_a_full_channel(t):
    """Its target reads nothing, and stays: what the one who was killed had
    sent is not kept for it."""
    hold = t.server(Hold)
    gateway = Gateway(t)
    gateway.proxy.settled_descriptors()
    for _ in range(2):
        before = gateway.proxy.settled_descriptors()
        raw = Raw(t, gateway)
        peer, window = open_wide(raw, 1, hold.port)
        check(fill(raw, 1, peer, window) > MEGABYTE, "little was sent")
        equal(gateway.status_json()["sessions"], 1, "sessions while it is in")
        raw.end()
        wait_until(lambda: gateway.status_json()["sessions"] == 0,
                   "that its session ends", 4)
        wait_until(lambda: gateway.proxy.descriptors() <= before,
                   "that its descriptors are free", 4)
        equal(gateway.agents(), [], "agents")
    equal(len(hold.socks), 2, "targets that still stand")
    well(t, gateway)


def peak(proxy):
    """The most memory it has had, in bytes."""
    with open(f"/proc/{proxy.pid}/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise Failed("no VmHWM in status")


def test_login_that_ignores_windows(t):
    """14 MB to a target that reads nothing: it is ended, and was not taken
    into memory before."""
    echo, hold = t.server(Echo), t.server(Hold)
    gateway = Gateway(t)
    agent(t, gateway)
    keeps = through(t, gateway.socks, echo)
    raw = Raw(t, gateway, "greedy")
    peer = raw.open(1, "127.0.0.1", hold.port)
    before = gateway.proxy.pss(), peak(gateway.proxy)
    block = DATA, peer, string(bytes(32000))
    raw.send_all([block] * (14 * MEGABYTE // 32000))
    raw.wait_lost()
    gateway.wait_agents("greedy", count=0, ports=None)
    left = gateway.wait_event(state="left", name="greedy")
    check("window" in left["reason"], f"reason {left['reason']}")
    if not SANITIZED:
        for now, then in zip((gateway.proxy.pss(), peak(gateway.proxy)),
                             before):
            grown = now - then
            check(grown < 8 * MEGABYTE, f"{grown >> 10} KiB more")
    check_echo(keeps)


# --- names --------------------------------------------------------------------

def test_names_that_forge(t):
    """A user name may be anything: no line of the log is another's event."""
    gateway = Gateway(t, options='permitopen="localhost:1"')
    name = "time=2026-01-01T00:00:00.000Z name=home state=left reason=x"
    raw = Raw(t, gateway, name)
    peer = session(raw, 1)
    raw.send(REQUEST, peer, string("exec"), False, string("id"))
    for host in ("x", "x name=home", "x\x9by"):
        try:
            raw.open(2, host, 80)
        except Failed:
            continue
        check(False, f"a channel to {host!r}")
    equal(raw.listen(80, "x name=home"), None, "port")
    gateway.proxy.wait_line("may not listen")
    for line in gateway.proxy.lines():
        check("name=home" not in line.replace(f'"{name}"', "")
              .replace('"x name=home"', ""), line)
        check("\x9b" not in line, line)


def test_name_of_another_key(t):
    """A key without agent= that comes in by a name which another has by its
    agent=: it is not that agent."""
    echo = t.server(Echo)
    other = make_key(t, "other")
    gateway = Gateway(t, "--connect-timeout", "2", options='agent="home"')
    gateway.authorize_lines(f'agent="home" {public_text(user_key())}',
                            public_text(other))
    wait_until(lambda: comes_in(t, gateway, key=other), "the other key")
    odd = Raw(t, gateway, "home", other)
    own = odd.listen()
    check(own, "it has no port of its own")
    found, = [one for one in gateway.agents() if one["user"] == "home"]
    equal(found["name"], f"home/{found['key']}", "its name")
    check(found["key"].startswith("SHA256:"), f"key {found['key']}")
    refused_soon(t, gateway, (1,), 4)  # there is no agent home
    port = free_port()
    agent(t, gateway, "ssh", port)
    for name in ("home", "HOME", "Home"):
        one = Client(t, ssh_words("-R", port, *gateway.args(name,
                                                            key=other)))
        equal(one.wait(), 255, f"status of one called {name}")
        one.wait_line("remote port forwarding failed")
    for host in ("127.0.0.1", "127.0.0.1.home.culvert"):
        for _ in range(3):
            check_echo(open_socks5(t, gateway.socks, host, echo.port))
    check_echo(through(t, ("127.0.0.1", port), echo))
    equal(odd.opened, {}, "channels to the other")
    equal(len(gateway.agents("home")), 1, "agents called home")
    equal(gateway.kick("home").status, 0, "status of kick")
    gateway.wait_agents(count=0)
    check(odd.rest(), "the other went with it")
    equal(listeners(t, own) != [], True, "whether its own port stays")
