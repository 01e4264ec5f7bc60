"""Agents that dial in to a gateway, and its clients that leave through them:
stock ssh -R and culvert -R, killed, started again and followed by others, with
every client's protocol, much at once, and much of each."""
import hashlib
import signal
import socket
import threading
import time

from dns import bind_file, name_server
from gateway import (INSIDE, PAGES, PROGRAMS, WORDS, Gateway, Inner, agent,
                     start, take_line, word_of)
from harness import (SANITIZED, Failed, check, equal, free_port, matches,
                     scaled, wait_until)
from hosts import dead_ends
from origins import Both, Echo, Keep, Refused, Sink, Source
from test_programs import curl
from test_ssh_basic import MEGABYTE, in_threads, pattern
from wire import (GREETED, GREETING, check_echo, connect, open_socks5,
                  refusal, socks4, socks5, take, take_all, take_head,
                  take_reply, through)

NAMESPACE = True

SIZE = (4 if SANITIZED else 32) * MEGABYTE

# What curl is told of the proxy, and the names that it takes there.
LITERALS = ("127.0.0.1", INSIDE)
EVERY = (*LITERALS, "localhost", "inner.test", "[::1]")
MODES = (("socks4", LITERALS, ()), ("socks4a", EVERY[:-1], ()),
         ("socks5", (*LITERALS, "[::1]"), ()), ("socks5h", EVERY, ()),
         ("http", EVERY, ("-p",)))


def names(t):
    """A name that everybody knows; only an agent can reach it."""
    bind_file(t, "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"
              f"{INSIDE} inner.test\n")


def outside(t, *args, **keywords):
    """A gateway for agents in networks of their own."""
    return Gateway(t, *args, at="0.0.0.0:0", **keywords)


# --- who is behind it ---------------------------------------------------------

def check_curl(t, program):
    names(t)
    inner = Inner(t, "home")
    gateway = outside(t)
    agent(t, gateway, program, "1080", host=inner)
    for scheme, hosts, options in MODES:
        for host in hosts:
            url = f"http://{host}:{PAGES}/"
            status, out, said = curl(t, f"{scheme}://{gateway.url}", url,
                                     *options)
            equal((status, out), (0, inner.word),
                  f"{scheme} to {url}: {said}")
    count = sum(len(hosts) for _, hosts, _ in MODES)
    for session in gateway.proxy.sessions(count):
        equal(session["via"], "reverse:home", f"via of {session}")


def test_curl_through_stock_ssh(t):
    check_curl(t, "ssh")


def test_curl_through_culvert(t):
    check_curl(t, "culvert")


def test_nobody_else_reaches_it(t):
    """The page is not to be had without the agent."""
    names(t)
    inner = Inner(t, "home")
    proxy = t.socks("--connect-timeout", "1")
    for host in (INSIDE, "127.0.0.1", "inner.test"):
        status, out, _ = curl(t, f"socks5h://{proxy.where}",
                              f"http://{host}:{PAGES}/")
        equal((status, out), (97, b""), f"the page of {host}")
    equal(t.run([*inner.inside, "curl", "-sS",
                 f"http://{INSIDE}:{PAGES}/"]).stdout, inner.word, "in there")


def test_fixed_target(t):
    """-L through an agent."""
    inner = Inner(t, "home")
    for program in PROGRAMS:
        gateway = outside(t, "-L", f"127.0.0.1:0:127.0.0.1:{WORDS}", ready=1)
        agent(t, gateway, program, host=inner)
        sock = t.socket(("127.0.0.1", gateway.port_of("to ")))
        equal(take_line(sock), inner.word, f"line by {program}")


def test_port_of_everywhere(t):
    """--gateway PORT: all addresses of both families."""
    port = free_port()
    gateway = Gateway(t, at=str(port))
    equal(gateway.port, port, "port")
    for address in ("127.0.0.1", "::1"):
        sock = t.socket((address, port))
        matches("^SSH-2.0-", sock.recv(64).decode(), "version line")


# --- gone and back ------------------------------------------------------------

def answers(t, gateway, word=None):
    """Whether a word comes through the SOCKS port, without a wait."""
    try:
        said = word_of(t, gateway.socks)
        return word in (None, said)
    except (OSError, Failed):
        return False


def check_killed(t, program):
    """The agent is killed, started again, and used again."""
    inner = Inner(t, "home")
    gateway = outside(t, "--connect-timeout", "10")
    for _ in range(3):
        one = agent(t, gateway, program, "1080", host=inner)
        sock = open_socks5(t, gateway.socks, INSIDE, WORDS)
        equal(take_line(sock), inner.word, "line")
        one.kill()
        began = time.monotonic()
        one = start(t, gateway, program, "-R", "1080", host=inner)
        equal(word_of(t, gateway.socks), inner.word, "line afterwards")
        took = time.monotonic() - began
        check(took < scaled(2), f"used again after {took:.2f} s")
        one.kill()
        gateway.wait_agents(count=0)


def test_stock_ssh_killed_and_started_again(t):
    check_killed(t, "ssh")


def test_culvert_killed_and_started_again(t):
    check_killed(t, "culvert")


def check_takeover(t, program, how):
    """The second of a name has what comes as soon as it is in, with the
    first one dead or standing still."""
    inners = [Inner(t, "first", 1), Inner(t, "second", 2)]
    gateway = outside(t)
    one = agent(t, gateway, program, "1080", host=inners[0])
    equal(word_of(t, gateway.socks), inners[0].word, "line before")
    one.signal(how)
    start(t, gateway, program, "-R", "1080", host=inners[1])
    gateway.proxy.wait_line("agent .*state=connected.*10.9.2.2")
    began = time.monotonic()
    wait_until(lambda: answers(t, gateway, inners[1].word), "the second")
    took = time.monotonic() - began
    check(took < scaled(1), f"taken over after {took:.2f} s")
    for _ in range(10):
        equal(word_of(t, gateway.socks), inners[1].word, "line afterwards")


def test_takeover_from_a_dead_stock_ssh(t):
    check_takeover(t, "ssh", signal.SIGKILL)


def test_takeover_from_a_frozen_stock_ssh(t):
    check_takeover(t, "ssh", signal.SIGSTOP)


def test_takeover_from_a_dead_culvert(t):
    check_takeover(t, "culvert", signal.SIGKILL)


def test_takeover_from_a_frozen_culvert(t):
    check_takeover(t, "culvert", signal.SIGSTOP)


# --- what can't be reached ----------------------------------------------------

def check_replies(t, proxy, host, port, code, status):
    """Of SOCKS5, 4 and HTTP."""
    equal(refusal(t, proxy, host, port), code, f"SOCKS5's code for {host}")
    sock = t.socket(proxy)
    sock.sendall(socks4(host, port))
    equal(take_all(sock)[:2], b"\0\x5b", f"SOCKS4's answer for {host}")
    sock = t.socket(proxy)
    sock.sendall(connect(host, port))
    equal(take_head(sock)[0], status, f"HTTP's status for {host}")


def test_codes_of_a_culvert_agent(t):
    """As it found it: refused, an unknown name, no way to a host and to a
    network."""
    name_server(t, {})
    dead_ends(t)
    gateway = Gateway(t)
    agent(t, gateway, "culvert")
    refused = t.server(Refused)
    check_replies(t, gateway.socks, "127.0.0.1", refused.port, 5, 502)
    check_replies(t, gateway.socks, "no-such.test", 80, 4, 502)
    check_replies(t, gateway.socks, "10.78.0.1", 80, 4, 502)
    check_replies(t, gateway.socks, "203.0.113.1", 80, 3, 502)
    found = {session["reason"] for session in gateway.proxy.sessions(12)}
    equal(found, {"refused", "host-unreachable", "net-unreachable"},
          "reasons")
    check_echo(through(t, gateway.socks, t.server(Echo)))


def test_codes_of_a_stock_agent(t):
    """It can say no more than that it went wrong; nobody hangs."""
    name_server(t, {})
    gateway = Gateway(t)
    agent(t, gateway, "ssh")
    for host, port in (("127.0.0.1", t.server(Refused).port),
                       ("no-such.test", 80)):
        code = refusal(t, gateway.socks, host, port)
        check(code in (1, 4, 5), f"code {code} for {host}")
    check_echo(through(t, gateway.socks, t.server(Echo)))


# --- both ends ----------------------------------------------------------------

def clients(t, server):
    """A client of a server through each kind of agent."""
    for program in PROGRAMS:
        gateway = Gateway(t)
        agent(t, gateway, program)
        sock = through(t, gateway.socks, server)
        sock.settimeout(scaled(30))
        yield sock


def test_half_close_by_the_client(t):
    for sock in clients(t, t.server(Sink)):
        sock.sendall(b"all there is")
        sock.shutdown(socket.SHUT_WR)
        equal(take_all(sock).decode(),
              hashlib.sha256(b"all there is").hexdigest(), "answer")


def test_half_close_by_the_target(t):
    source = t.server(Source, b"so long")
    for count, sock in enumerate(clients(t, source), 1):
        equal(take_all(sock), b"so long", "what came")
        sock.sendall(b"and thanks")
        sock.shutdown(socket.SHUT_WR)
        equal(source.wait_seen(count)[-1], b"and thanks", "what arrived")


def test_client_that_leaves_ends_the_target(t):
    keep = t.server(Keep)
    for count, sock in enumerate(clients(t, keep), 1):
        sock.sendall(b"x")
        sock.close()
        equal(keep.wait_seen(count)[-1], b"x", "what arrived")


def test_request_and_data_in_one(t):
    echo = t.server(Echo)
    for program in PROGRAMS:
        gateway = Gateway(t)
        agent(t, gateway, program)
        sock = t.socket(gateway.socks)
        sock.sendall(GREETING + socks5("127.0.0.1", echo.port) + b"early")
        equal(take(sock, 2), GREETED, "method")
        equal(take_reply(sock)[0], 0, "reply")
        equal(take(sock, 5), b"early", "echo")


def test_large_download(t):
    data = pattern(SIZE)
    for sock in clients(t, t.server(Source, data)):
        check(take_all(sock) == data, "what came differs")


def test_large_upload(t):
    data = pattern(SIZE)
    for sock in clients(t, t.server(Sink)):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        equal(take_all(sock).decode(), hashlib.sha256(data).hexdigest(),
              "sum")


def test_large_both_ways_at_once(t):
    data = pattern(SIZE)
    both = t.server(Both, data)
    for count, sock in enumerate(clients(t, both), 1):
        sender = threading.Thread(target=lambda sock=sock: (
            sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        check(take_all(sock) == data, "what came differs")
        sender.join()
        equal(both.wait_seen(count)[-1], hashlib.sha256(data).hexdigest(),
              "sum of what arrived")


# --- many ---------------------------------------------------------------------

def check_many(t, program):
    """All open, each with its own bytes; then all are gone."""
    echo = t.server(Echo)
    gateway = Gateway(t)
    agent(t, gateway, program)
    socks = [open_socks5(t, gateway.socks, "127.0.0.1", echo.port)
             for _ in range(300)]
    streams = sum(int(one["streams"]) for one in gateway.agents("home"))
    equal(streams, 300, "streams")
    for index, sock in enumerate(socks):
        sock.sendall(b"%6d" % index)
    for index, sock in enumerate(socks):
        equal(take(sock, 6), b"%6d" % index, "echo")
        sock.close()
    bad = [session for session in gateway.proxy.sessions(300)
           if session.get("reason") not in (None, "eof", "ok")]
    check(not bad, f"{len(bad)} ended badly, the first: {bad[:1]}")
    wait_until(lambda: all(one["streams"] == "0"
                           for one in gateway.agents("home")), "their ends")


def test_300_at_once_through_stock_ssh(t):
    check_many(t, "ssh")


def test_300_at_once_through_culvert(t):
    check_many(t, "culvert")


def test_many_after_each_other(t):
    """Nothing is left of them."""
    echo = t.server(Echo)
    for program in PROGRAMS:
        gateway = Gateway(t)
        agent(t, gateway, program)
        through(t, gateway.socks, echo).close()
        gateway.proxy.session()
        before = gateway.proxy.settled_descriptors()

        def work(index, gateway=gateway):
            for number in range(20):
                sock = through(t, gateway.socks, echo)
                check_echo(sock, b"%d of %d" % (number, index))
                sock.close()
        in_threads(20, work)
        gateway.proxy.sessions(401)
        wait_until(lambda gateway=gateway, before=before:
                   gateway.proxy.descriptors() <= before, "descriptors")


def test_session_line(t):
    """What came in and went out, and through whom."""
    echo = t.server(Echo)
    for program in PROGRAMS:
        gateway = Gateway(t)
        agent(t, gateway, program)
        sock = open_socks5(t, gateway.socks, "localhost", echo.port)
        check_echo(sock, b"x" * 1000)
        client = "%s:%d" % sock.getsockname()
        sock.close()
        session = gateway.proxy.session()
        wanted = {"client": client, "proto": "socks5", "via": "reverse:home",
                  "target": f"localhost:{echo.port}", "in": "1000",
                  "out": "1000", "reason": "ok"}
        equal({name: session.get(name) for name in wanted}, wanted,
              f"session by {program}")
