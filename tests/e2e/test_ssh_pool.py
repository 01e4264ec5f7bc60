"""The links to an SSH server: how many there are, what goes over which, and
what happens when one is lost."""
import hashlib
import os
import re
import signal
import socket
import threading
import time

from faults import Cut, slow_names
from harness import CULVERT, Failed, check, equal, matches, scaled, wait_until
from origins import Echo, Server, Source
from sshd import Sshd
from touch_agent import TouchAgent
from wire import (GREETED, GREETING, check_echo, gone, refusal,
                  socks5, take, take_all, take_reply, through)

NAMESPACE = True

# Silence is noticed within three seconds.
ALERT = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2")


def proxy_to(t, server, *args, **keywords):
    keywords.setdefault("workers", 2)
    workers = keywords.pop("workers")
    return t.socks("--workers", workers, *args, *server.args(), **keywords)


class Flood(Server):
    """Sends for as long as its client reads."""

    def serve(self, sock):
        chunk = bytes(1 << 16)
        while True:
            sock.sendall(chunk)


class Reader:
    """A client that reads a flood all the time; got tells how much."""

    def __init__(self, t, proxy, flood):
        self.sock = through(t, proxy, flood)
        self.got = 0
        self.ended = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while True:
                some = self.sock.recv(1 << 18)
                if not some:
                    break
                self.got += len(some)
        except OSError:
            pass
        self.ended.set()


def sum_of(data):
    return hashlib.sha256(data).hexdigest()


def ask(t, proxy, server):
    """A request that is sent and not waited for."""
    sock = t.socket(proxy.address)
    sock.sendall(GREETING + socks5(server.host, server.port))
    equal(take(sock, 2), GREETED, "method")
    return sock


# --- sessions go to their link's worker ---------------------------------------

def test_sessions_of_all_workers_share_the_first_link(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server, "--connections", 1, workers=3)
    socks = [through(t, proxy, echo) for _ in range(30)]
    for number, sock in enumerate(socks):
        check_echo(sock, b"%d" % number * 100)
    equal(len(server.sessions()), 1, "links")
    proxy.signal(signal.SIGUSR1)
    lines = proxy.wait_line("^culvert: counters ", count=3)
    live = {int(found[1]): int(found[2]) for found in
            (re.search(r"worker=(\d+) .*live=(\d+)", line) for line in lines)}
    equal(live, {0: 30, 1: 0, 2: 0}, "live sessions of the workers")


def test_early_bytes_move_with_the_session(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server, workers=4)
    data = os.urandom(5000)
    for _ in range(20):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5(echo.host, echo.port) + data)
        equal(take(sock, 2), GREETED, "method")
        equal(take_reply(sock)[0], 0, "reply")
        equal(sum_of(take(sock, len(data))), sum_of(data), "echo")
        sock.close()


def test_downloads_keep_their_sum(t):
    server = Sshd(t)
    data = os.urandom(3 << 20)
    source = t.server(Source, data)
    proxy = proxy_to(t, server, workers=2)
    socks = [through(t, proxy, source) for _ in range(12)]
    for sock in socks:
        equal(sum_of(take_all(sock)), sum_of(data), "sum")


def test_a_drain_waits_for_sessions_that_moved(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server, workers=3)
    socks = [through(t, proxy, echo) for _ in range(6)]
    proxy.signal(signal.SIGTERM)

    def refused():
        try:
            socket.create_connection(proxy.address, 1).close()
            return False
        except OSError:
            return True
    wait_until(refused, "closed listeners")
    for sock in socks:
        check_echo(sock)
    check(proxy.process.poll() is None, "it goes on")
    for sock in socks:
        sock.close()
    equal(proxy.wait(), 0, "exit status")
    ended = [session["reason"] for session in proxy.sessions(6)]
    equal(ended.count("ok"), 6, "sessions that ended well")


def test_it_ends_while_sessions_come_and_go(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server, workers=3)
    over = threading.Event()

    def come_and_go():
        while not over.is_set():
            try:
                with socket.create_connection(proxy.address, 5) as sock:
                    sock.sendall(GREETING + socks5(echo.host, echo.port))
                    sock.recv(12)
            except OSError:
                pass
    clients = [threading.Thread(target=come_and_go) for _ in range(8)]
    for client in clients:
        client.start()
    try:
        proxy.sessions(50)
        proxy.signal(signal.SIGINT)
        equal(proxy.wait(), 0, "exit status")
    finally:
        over.set()
        for client in clients:
            client.join()


# --- more links ---------------------------------------------------------------

def with_two_links(t, server, *args):
    """A proxy with bulk on its first link, and a second one; returns it with
    the bulk's reader and the server's process for each link."""
    proxy = proxy_to(t, server, *args)
    first, = server.wait_sessions(1)
    reader = Reader(t, proxy, t.server(Flood))
    echo = t.server(Echo)

    def asked():
        """Only who asks for a link has one added."""
        check_echo(through(t, proxy, echo))
        return len(server.sessions()) == 2
    wait_until(asked, "a second link")
    second, = set(server.sessions()) - {first}
    proxy.wait_line("listening")
    return proxy, reader, first, second


def test_small_requests_leave_the_link_that_has_bulk(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy, reader, first, second = with_two_links(t, server, "-v")
    proxy.wait_line(r"link to .* is up \(worker 1\)")
    socks = [through(t, proxy, echo) for _ in range(10)]
    for sock in socks:
        check_echo(sock)
    server.signal_sessions(signal.SIGKILL, [first])
    check(reader.ended.wait(scaled(10)), "the bulk ends with its link")
    for sock in socks:
        check_echo(sock)
    line = proxy.wait_line("link to .* lost")
    matches(r"lost: .*; \d+ streams? ended$", line)


def test_a_key_that_is_touched_makes_one_link(t):
    agent = TouchAgent(t)
    key = t.tmp("touched")
    t.file("touched.pub", agent.public_text)
    server, echo = Sshd(t, keys=[key]), t.server(Echo)
    path = t.tmp("control")
    args = ["-F", "none", "-p", server.port, "-o",
            f"UserKnownHostsFile={server.known_hosts}", server.destination]
    proxy = t.socks("-M", "-S", path, "--workers", 2, *args, env=agent.env)
    held = [through(t, proxy, echo) for _ in range(6)]
    for sock in held:
        check_echo(sock)
    status = t.run([CULVERT, "-S", path, "-O", "status",
                    server.destination]).stdout.decode()
    equal(status.count("\nlink "), 1, f"links in {status!r}")
    equal(agent.touches, 1, "touches")


def test_connections_1_is_one_link(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server, "--connections", 1)
    reader = Reader(t, proxy, t.server(Flood))
    wait_until(lambda: reader.got > 64 << 20, "bulk", 30)
    for _ in range(10):
        check_echo(through(t, proxy, echo))
    equal(len(server.sessions()), 1, "links")


def test_a_server_that_takes_no_more_links_is_left_alone(t):
    server, echo = Sshd(t), t.server(Echo)
    cut = Cut(t, server)
    proxy = t.socks("--workers", 2, *cut.args())
    reader = Reader(t, proxy, t.server(Flood))
    wait_until(lambda: reader.got > 8 << 20, "bulk")
    cut.refuse()

    def asked():
        check_echo(through(t, proxy, echo))
        return "no further link" in proxy.text()
    wait_until(asked, "a refused link")
    before = reader.got
    for _ in range(20):
        check_echo(through(t, proxy, echo))
    equal(proxy.text().count("no further link"), 1, "tries")
    matches(r"no further link to .*: connection refused; going on with 1",
            proxy.text())
    wait_until(lambda: reader.got > before + (8 << 20), "the bulk goes on")


def test_a_name_that_takes_long_holds_up_its_own_link_alone(t):
    slow_names(t, ["slow.test"], 4)
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server)
    check_echo(through(t, proxy, echo))
    began = time.monotonic()
    slow = t.socket(proxy.address)
    slow.sendall(GREETING + socks5("slow.test", echo.port))
    equal(take(slow, 2), GREETED, "method")
    time.sleep(0.5)  # there is no sign of it before that
    first = ask(t, proxy, echo)  # it may be held up still
    wait_until(lambda: len(server.sessions()) == 2, "another link")
    proxy_took = time.monotonic()
    wait_until(lambda: answered(t, proxy, echo), "an answer of the other")
    check(time.monotonic() - began < 3.5,
          f"others waited {time.monotonic() - proxy_took:.1f} s")
    for sock in (slow, first):
        equal(take_reply(sock)[0], 0, "reply")
        check_echo(sock)


def answered(t, proxy, echo):
    sock = ask(t, proxy, echo)
    sock.settimeout(0.3)
    try:
        return take_reply(sock)[0] == 0
    except TimeoutError:
        sock.close()
        return False


# --- links that are lost ------------------------------------------------------

def test_a_killed_link_ends_its_streams_and_the_next_request_works(t):
    server, echo = Sshd(t), t.server(Echo)
    source = t.server(Source, bytes(32 << 20))
    proxy = proxy_to(t, server, "--connections", 1)
    socks = [through(t, proxy, source) for _ in range(50)]
    for sock in socks:
        take(sock, 1000)
    server.kill_sessions()
    began = time.monotonic()
    check_echo(through(t, proxy, echo))
    took = time.monotonic() - began
    check(took < scaled(3), f"the next request took {took:.1f} s")
    for sock in socks:
        try:
            take_all(sock)
            raise Failed("a download that was cut has a proper end")
        except ConnectionError:
            pass
    proxy.sessions(50)
    line = proxy.wait_line("link to .* lost")
    matches(r"50 streams ended; reconnecting$", line)
    proxy.wait_line(r"link to .* is back")


def test_silence_is_noticed(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server, "--connections", 1, *ALERT)
    sock = through(t, proxy, echo)
    check_echo(sock)
    server.signal_sessions(signal.SIGSTOP)
    began = time.monotonic()
    gone(sock)
    took = time.monotonic() - began
    check(took < scaled(4), f"noticed after {took:.1f} s")
    check_echo(through(t, proxy, echo))


def test_a_request_made_in_silence_is_answered_by_the_next_link(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server, "--connections", 1, *ALERT)
    check_echo(through(t, proxy, echo))
    server.signal_sessions(signal.SIGSTOP)
    socks = [ask(t, proxy, echo) for _ in range(10)]
    for sock in socks:
        equal(take_reply(sock)[0], 0, "reply")
        check_echo(sock)


def test_requests_wait_for_a_server_that_is_away(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server)
    check_echo(through(t, proxy, echo))
    server.stop()
    proxy.wait_line("link to .* lost")
    socks = [ask(t, proxy, echo) for _ in range(30)]
    proxy.wait_line("cannot reconnect to .*: connection refused")
    server.start()
    for sock in socks:
        sock.settimeout(20)
        equal(take_reply(sock)[0], 0, "reply")
        check_echo(sock)
    equal(proxy.text().count("cannot reconnect"), 1, "told once")


def test_requests_to_a_server_that_stays_away_are_answered(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server, "--connect-timeout", 1)
    server.stop()
    proxy.wait_line("link to .* lost")
    equal(refusal(t, proxy, echo.host, echo.port), 1, "reply")
    equal(proxy.session()["reason"], "transport-down", "reason")
    server.start()
    proxy.wait_line(r"link to .* is back", seconds=20)
    check_echo(through(t, proxy, echo))


def test_a_client_that_leaves_while_it_waits_is_forgotten(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server)
    server.stop()
    proxy.wait_line("link to .* lost")
    for _ in range(5):
        ask(t, proxy, echo).close()
    reasons = {session["reason"] for session in proxy.sessions(5)}
    equal(reasons, {"peer-gone"}, "reasons")


def test_it_ends_while_the_server_is_away(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server)
    server.stop()
    proxy.wait_line("link to .* lost")
    sock = ask(t, proxy, echo)
    proxy.signal(signal.SIGINT)
    equal(proxy.wait(), 0, "exit status")
    gone(sock)


def test_reconnect_by_a_signal(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server)
    before = server.wait_sessions(1)
    sock = through(t, proxy, echo)
    proxy.signal(signal.SIGUSR2)
    gone(sock)
    check_echo(through(t, proxy, echo))
    wait_until(lambda: server.sessions() and server.sessions() != before,
               "another session of the server")


def test_reconnect_abandons_what_is_stuck(t):
    server, echo = Sshd(t), t.server(Echo)
    cut = Cut(t, server)
    proxy = t.socks("--workers", 2, *ALERT, *cut.args())
    check_echo(through(t, proxy, echo))
    cut.silence()
    cut.reset()
    proxy.wait_line("link to .* lost")
    sock = ask(t, proxy, echo)
    time.sleep(0.5)  # the attempt is under way, and hears nothing
    cut.resume()
    cut.reset()
    proxy.signal(signal.SIGUSR2)
    equal(take_reply(sock)[0], 0, "reply")
    check_echo(sock)


# --- the first connection -----------------------------------------------------

def test_a_first_connection_that_is_refused(t):
    server = Sshd(t)
    server.stop()
    status, said = t.fails("-D", "127.0.0.1:0", *server.args())
    equal(status, 255, "exit status")
    matches(rf"^culvert: 127\.0\.0\.1 port {server.port}: connection refused$",
            said)


def test_connection_attempts(t):
    server = Sshd(t)
    server.stop()
    began = time.monotonic()
    status, said = t.fails("-D", "127.0.0.1:0", "-o", "ConnectionAttempts=3",
                           *server.args())
    equal(status, 255, "exit status")
    equal(said.count("connection refused"), 3, "attempts")
    check(time.monotonic() - began >= 1.9, "a second between two of them")


def test_a_server_that_has_no_name(t):
    status, said = t.fails("-D", "127.0.0.1:0", "-F", "none",
                           "nobody@no-such-host.invalid")
    equal(status, 255, "exit status")
    matches(r"^culvert: no-such-host\.invalid: name or service not known$",
            said)


def test_source_address(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = proxy_to(t, server, "-b", "127.0.0.9")
    check_echo(through(t, proxy, echo))
    server.wait_line(r"^Connection from 127\.0\.0\.9 ")
    status, said = t.fails("-D", "127.0.0.1:0", "-b", "192.0.2.1",
                           *server.args())
    equal(status, 255, "exit status")
    matches("cannot assign requested address", said)
