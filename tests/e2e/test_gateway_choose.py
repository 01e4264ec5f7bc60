"""By which of a gateway's agents a connection leaves: what the command line,
the user's name and the target's say, what there is to wait for, and several
agents of one name."""
import signal
import time

from dns import bind_file
from gateway import (INSIDE, PAGES, PROGRAMS, WORDS, Gateway, Inner, agent,
                     start, take_line, word_of)
from harness import check, equal, scaled, wait_until
from origins import Echo
from raw import REFUSED, Raw, Refused
from test_auth import HASHES
from test_programs import curl
from wire import (GREETED, GREETING, WITH_PASSWORD, check_echo, gone,
                  open_socks5, password, refusal, socks4, socks5,
                  socks5_reply, take, through)

NAMESPACE = True

SECRET = HASHES["sha512"]


class Two:
    """A gateway with the agents home and office, each in a network with the
    same addresses and servers of its own."""

    def __init__(self, t, *args, via=None, **keywords):
        bind_file(t, "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"
                  f"{INSIDE} inner.test www.inner.test\n")
        self.t = t
        self.gateway = Gateway(t, *args, at="0.0.0.0:0", via=via, **keywords)
        self.inner = {}
        for index, name in enumerate(("home", "office"), 1):
            self.inner[name] = Inner(t, name, index)
            agent(t, self.gateway, "ssh" if index == 1 else "culvert",
                  name=name, host=self.inner[name])

    def check(self, name, host=INSIDE, user=None, secret=""):
        """Whom one comes to."""
        said = word_of(self.t, self.gateway.socks, host, user=user,
                       secret=secret)
        equal(said.decode(), f"{name}\n", f"word of {host} for {user}")


def nobody(t, gateway, host=INSIDE, user=None, secret=""):
    """Checks that there is no agent."""
    equal(refusal(t, gateway.socks, host, WORDS, user, secret), 1,
          f"code for {host} and {user}")


# --- by the command line ------------------------------------------------------

def test_via(t):
    """Whatever the user's name, and without regard to the name's case."""
    two = Two(t, via="OFFICE")
    two.check("office")
    two.check("office", user="somebody", secret="x")
    two.check("office", host="www.inner.test")


def test_routes(t):
    two = Two(t, "--route", "*.inner.test=reverse:office", "--route",
              "127.0.0.0/8=reverse:home", "--connect-timeout", "1")
    two.check("office", host="www.inner.test")
    two.check("home", host="127.0.0.1")


def test_routes_come_before_via(t):
    two = Two(t, "--route", "*.inner.test=reverse:office", via="home")
    two.check("office", host="www.inner.test")
    two.check("home", host="inner.test")
    two.check("home")


def test_route_back_to_tcp(t):
    """What needs no agent has none."""
    echo = t.server(Echo)
    gateway = Gateway(t, "--route", "127.0.0.0/8=tcp:", "--connect-timeout",
                      "1")
    check_echo(through(t, gateway.socks, echo))
    nobody(t, gateway)


# --- by the target's name -----------------------------------------------------

def test_host_and_agent(t):
    """HOST.AGENT.culvert, in any case of letters; AGENT.culvert alone is the
    agent itself."""
    two = Two(t, via="home")
    for name in ("home", "office"):
        for host in (f"{INSIDE}.{name}.culvert", f"inner.test.{name}.culvert",
                     f"Inner.Test.{name.upper()}.Culvert", f"{name}.culvert",
                     f"localhost.{name}.culvert"):
            two.check(name, host=host)


def test_host_and_agent_without_a_way(t):
    """It needs no --via."""
    two = Two(t)
    two.check("office", host="office.culvert")
    two.check("home", host=f"{INSIDE}.home.culvert")


def test_host_and_agent_by_curl(t):
    two = Two(t)
    for scheme, options in (("socks5h", ()), ("socks4a", ()),
                            ("http", ("-p",))):
        for name in ("home", "office"):
            url = f"http://inner.test.{name}.culvert:{PAGES}/"
            status, out, said = curl(t, f"{scheme}://{two.gateway.url}", url,
                                     *options)
            equal((status, out.decode()), (0, f"{name}\n"),
                  f"{scheme} to {url}: {said}")


def test_host_and_agent_comes_first(t):
    """Before the user's name, routes and --via."""
    two = Two(t, "--route", "*=reverse:home", via="home")
    two.check("office", host="inner.test.office.culvert", user="me@home",
              secret="x")


# --- by the user's name -------------------------------------------------------

def test_user_at_agent(t):
    """Any password will do, where none is asked for."""
    two = Two(t, "--route", "*=reverse:home", via="home")
    two.check("office", user="me@office")
    two.check("office", user="me@OFFICE", secret="whatever")
    two.check("home", user="me@home")
    two.check("home", user="me")
    two.check("office", user="me@example.org@office")


def test_user_at_agent_by_curl(t):
    two = Two(t, via="home")
    for url, options in (
            (f"socks5h://me%40office:x@{two.gateway.url}", ()),
            (f"http://me%40office:x@{two.gateway.url}", ("-p",))):
        status, out, said = curl(t, url, f"http://{INSIDE}:{PAGES}/",
                                 *options)
        equal((status, out), (0, b"office\n"), f"page through {url}: {said}")


def test_user_at_agent_with_passwords(t):
    """The part before the @ is who it is checked for."""
    two = Two(t, via="home", users=f"me:{SECRET}\n")
    two.check("office", user="me@office", secret="secret")
    two.check("home", user="me", secret="secret")
    for user, secret in (("me@office", "wrong"), ("you@office", "secret"),
                         ("@office", "secret"), ("me@office", "")):
        sock = t.socket(two.gateway.socks)
        sock.sendall(WITH_PASSWORD + password(user, secret))
        equal(take(sock, 3), b"\x05\x02\x01", "method and version")
        check(take(sock, 1) != b"\0", f"{user} came in with {secret!r}")
        gone(sock)


def test_user_of_the_file(t):
    """agent= there, which the user's own word comes before."""
    two = Two(t, "--route", "*=reverse:home", via="home",
              users=f"me:{SECRET}\nworker:{SECRET}:agent=office\n")
    two.check("office", user="worker", secret="secret")
    two.check("home", user="me", secret="secret")
    two.check("home", user="worker@home", secret="secret")


def test_user_of_socks4(t):
    """Its user id is a name without a password: it is none to choose by
    where passwords are asked for."""
    two = Two(t, via="home", users=f"me:{SECRET}\n")
    sock = t.socket(two.gateway.socks)
    sock.sendall(socks4(INSIDE, WORDS, "me@office"))
    check(take(sock, 2) != b"\0\x5a", "it came in")


# --- nobody there -------------------------------------------------------------

def test_no_agent(t):
    """Code 01, once the time to connect is over, and not before."""
    gateway = Gateway(t, "--connect-timeout", "1")
    for host, user in ((INSIDE, None), (INSIDE, "me@nowhere"),
                       ("nowhere.culvert", None),
                       ("inner.test.nowhere.culvert", None)):
        began = time.monotonic()
        nobody(t, gateway, host, user)
        took = time.monotonic() - began
        check(0.9 < took < scaled(2.5), f"{host} took {took:.2f} s")


def test_agent_of_another_name(t):
    """It is not taken instead."""
    gateway = Gateway(t, "--connect-timeout", "1", at="0.0.0.0:0")
    agent(t, gateway, name="office", host=Inner(t, "office"))
    nobody(t, gateway)


def test_agent_without_a_port(t):
    """One who has asked for none is no way out."""
    gateway = Gateway(t, "--connect-timeout", "1")
    start(t, gateway, "ssh")
    gateway.wait_agents(ports=0)
    nobody(t, gateway)


def test_agent_that_comes_meanwhile(t):
    """Who waits is served at once."""
    for program in PROGRAMS:
        gateway = Gateway(t, "--connect-timeout", "20")
        echo = t.server(Echo)
        waiting = [t.socket(gateway.socks) for _ in range(20)]
        for sock in waiting:
            sock.sendall(socks4("127.0.0.1", echo.port))
        time.sleep(0.5)
        one = agent(t, gateway, program)
        began = time.monotonic()
        for sock in waiting:
            equal(take(sock, 8)[:2], b"\0\x5a", "answer")
            check_echo(sock)
        took = time.monotonic() - began
        check(took < scaled(2), f"served after {took:.2f} s")
        one.kill()


def test_client_that_leaves_while_it_waits(t):
    """It is not kept, and nothing is connected to for it."""
    echo = t.server(Echo)
    gateway = Gateway(t, "--connect-timeout", "20")
    gateway.proxy.settled_descriptors()
    before = gateway.proxy.descriptors()
    for _ in range(20):
        sock = t.socket(gateway.socks)
        sock.sendall(socks4("127.0.0.1", echo.port))
        sock.close()
    gateway.proxy.sessions(20)
    wait_until(lambda: gateway.proxy.descriptors() <= before, "descriptors")
    agent(t, gateway)
    check_echo(through(t, gateway.socks, echo))
    equal(echo.accepted, 1, "connections made")


# --- several of one name ------------------------------------------------------

class Set:
    """Two agents of the name home, of which each says its own word."""

    def __init__(self, t, program):
        self.t = t
        self.gateway = Gateway(t, at="0.0.0.0:0")
        self.agents = []
        for index, word in enumerate(("one", "two"), 1):
            self.agents.append(agent(t, self.gateway, program, "1080",
                                     host=Inner(t, word, index), count=index))

    def open(self):
        """A client; returns it and whom it came to."""
        sock = open_socks5(self.t, self.gateway.socks, INSIDE, WORDS)
        return sock, take_line(sock).decode().strip()


def check_least_busy(t, program):
    """Twenty that stay are ten and ten; and those that come when the clients
    of one have left go to that one."""
    both = Set(t, program)
    opened = [both.open() for _ in range(20)]
    words = [word for _, word in opened]
    equal((words.count("one"), words.count("two")), (10, 10), "shares")
    for sock, word in opened:
        if word == "one":
            sock.close()
    wait_until(lambda: sorted(one["streams"] for one in
                              both.gateway.agents("home")) == ["0", "10"],
               "that they have left")
    equal({both.open()[1] for _ in range(5)}, {"one"}, "who is asked")


def test_least_busy_of_stock_ssh(t):
    check_least_busy(t, "ssh")


def test_least_busy_of_culvert(t):
    check_least_busy(t, "culvert")


def check_dies(t, program):
    """Not one of those who come is turned away."""
    both = Set(t, program)
    both.agents[0].kill()
    for _ in range(30):
        sock, word = both.open()
        equal(word, "two", "who was asked")
        sock.close()


def test_stock_ssh_that_dies_is_not_asked(t):
    check_dies(t, "ssh")


def test_culvert_that_dies_is_not_asked(t):
    check_dies(t, "culvert")


def test_one_that_opens_nothing(t):
    """The other is asked instead."""
    echo = t.server(Echo)
    gateway = Gateway(t)
    agent(t, gateway, "ssh", "1080")
    for reason in (1, 2, 4):
        odd = Raw(t, gateway, answers=(REFUSED, reason))
        equal(odd.listen(1080), 1080, "port")
        gateway.wait_agents(count=2)
        for _ in range(5):
            check_echo(through(t, gateway.socks, echo))
        odd.end()
        gateway.wait_agents(count=1)


def test_frozen_one_of_two(t):
    """Who stands still with what is open is busier than who has nothing: all
    but a few are served at once."""
    both = Set(t, "ssh")
    both.agents[0].signal(signal.SIGSTOP)
    served = 0
    for _ in range(6):
        sock = t.socket(both.gateway.socks, seconds=2)
        sock.sendall(GREETING + socks5(INSIDE, WORDS))
        try:
            take(sock, len(GREETED + socks5_reply(0)))
            equal(take_line(sock), b"two\n", "who was asked")
        except TimeoutError:
            continue
        served += 1
        sock.close()
    check(served >= 4, f"{served} of 6 were served")


# --- what rules can know -------------------------------------------------------

def test_networks_and_names(t):
    """What a name leads to only the agent sees: a network permits none."""
    two = Two(t, "--permit", "10.0.0.0/8", "--permit", "www.inner.test",
              via="home")
    two.check("home")
    two.check("home", "www.inner.test")
    two.check("office", f"{INSIDE}.office.culvert")
    for host in ("inner.test", "localhost", "inner.test.office.culvert"):
        equal(refusal(t, two.gateway.socks, host, WORDS), 2,
              f"code for {host}")


# --- who may choose it --------------------------------------------------------

def test_denied_agent(t):
    """By every way that a client has of naming it, and by logins as by clients
    of our own; not where the command line or the users file says it."""
    two = Two(t, "--deny", "*.HOME.culvert", via="home",
              users=f"me:{SECRET}\nworker:{SECRET}:agent=home\n")
    two.check("home", user="me", secret="secret")
    two.check("home", user="worker", secret="secret")
    two.check("office", user="me@office", secret="secret")
    two.check("office", f"{INSIDE}.office.culvert", "me", "secret")
    for host, user in ((INSIDE, "me@home"), (INSIDE, "worker@home"),
                       (f"{INSIDE}.home.culvert", "me"), ("::1", "me@home"),
                       ("home.culvert", "me"),
                       (f"{INSIDE}.Home.culvert.", "me@office")):
        equal(refusal(t, two.gateway.socks, host, WORDS, user, "secret"), 2,
              f"code for {host} and {user}")
    raw = Raw(t, two.gateway, "other")
    raw.open(1, f"{INSIDE}.office.culvert", WORDS)
    try:
        raw.open(2, f"{INSIDE}.home.culvert", WORDS)
    except Refused as refused:
        equal(refused.reason, 1, "reason of a login")
    else:
        check(False, "a login came through home")
