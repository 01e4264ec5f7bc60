"""What goes wrong behind an SSH way out: servers that die, stop, hang and
come back, networks that are cut, names that take their time."""
import signal
import threading
import time

from faults import Cut, slow_names
from harness import SANITIZED, check, equal, matches, scaled, wait_until
from keys import cached_key
from origins import Echo, Hold, Source
from sshd import Odd, Sshd
from wire import (GREETED, GREETING, check_echo, gone, socks5, take,
                  take_reply, through)

NAMESPACE = True

MEGABYTE = 1 << 20

# A lost server is noticed within about three seconds, and a request waits no
# longer than three for it.
ALIVE = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2")
WAIT = ("--connect-timeout", "3", "-o", "ConnectTimeout=3")


def ssh_socks(t, server, *options, **keywords):
    return t.culvert("-D", "127.0.0.1:0", *options, *server.args(),
                     **keywords)


def code_for(t, proxy, server):
    """The reply to a request, however long it takes."""
    sock = t.socket(proxy.address, seconds=20)
    sock.sendall(GREETING + socks5(server.host, server.port))
    equal(take(sock, 2), GREETED, "method")
    code = take_reply(sock)[0]
    if code == 0:
        check_echo(sock)
    sock.close()
    return code


def within(seconds, began, what):
    took = time.monotonic() - began
    check(took < scaled(seconds), f"{what} took {took:.1f} s")


class Download(threading.Thread):
    """Reads until the end; error is what it ended with."""

    def __init__(self, t, proxy, source):
        super().__init__(daemon=True)
        self.sock = through(t, proxy, source)
        self.sock.settimeout(scaled(20))
        self.got = 0
        self.error = None
        self.start()

    def run(self):
        try:
            while True:
                some = self.sock.recv(1 << 16)
                if not some:
                    return
                self.got += len(some)
        except OSError as error:
            self.error = error

    def check_broken(self, whole):
        """It ended, short of the whole, and not as if that were all."""
        self.join(scaled(20))
        check(not self.is_alive(), "a download that hangs")
        check(self.got < whole, "a download that came to its end")
        check(isinstance(self.error, ConnectionError),
              f"a download ended with {self.error!r}")


def broken_downloads(t, proxy, end, count, seconds):
    """Downloads under way, of which end() is the end, within seconds."""
    whole = (64 if SANITIZED else 256) * MEGABYTE
    source = t.server(Source, bytes(whole))
    downloads = [Download(t, proxy, source) for _ in range(count)]
    wait_until(lambda: all(one.got for one in downloads), "some of each")
    began = time.monotonic()
    end()
    for download in downloads:
        download.check_broken(whole)
    within(seconds, began, "the end")
    return began


def test_session_killed_during_50_downloads(t):
    server = Sshd(t)
    proxy = ssh_socks(t, server)
    echo = t.server(Echo)
    began = broken_downloads(t, proxy, server.kill_sessions,
                             10 if SANITIZED else 50, 3)
    equal(code_for(t, proxy, echo), 0, "reply")
    within(3, began, "the next request")


def test_loss_is_told_in_the_log(t):
    """With how many sessions it took along."""
    server = Sshd(t)
    proxy = ssh_socks(t, server)
    socks = [through(t, proxy, t.server(Echo)) for _ in range(3)]
    for sock in socks:
        check_echo(sock)
    server.kill_sessions()
    for sock in socks:
        gone(sock)
    line = proxy.wait_line(r"^culvert: .*\b3 (sessions|streams)\b")
    matches(r"127\.0\.0\.1", line, "the line")


def test_session_that_stops_is_noticed(t):
    """kill -STOP: nothing comes any more, and nobody says so."""
    server = Sshd(t)
    proxy = ssh_socks(t, server, *ALIVE)
    echo = t.server(Echo)
    sock = through(t, proxy, echo)
    check_echo(sock)
    stopped = server.sessions()
    server.signal_sessions(signal.SIGSTOP)
    began = time.monotonic()
    sock.sendall(b"x")
    gone(sock)
    within(5, began, "the end of a flow")
    equal(code_for(t, proxy, echo), 0, "reply")
    within(8, began, "the next request")
    server.signal_sessions(signal.SIGKILL, stopped)


def test_idle_link_that_stops_is_noticed(t):
    """Also when nobody uses it."""
    server = Sshd(t)
    proxy = ssh_socks(t, server, *ALIVE)
    stopped, = server.wait_sessions(1)
    server.signal_sessions(signal.SIGSTOP)
    wait_until(lambda: any(pid != stopped for pid in server.sessions()),
               "a new link", 8)
    server.signal_sessions(signal.SIGKILL, [stopped])
    equal(code_for(t, proxy, t.server(Echo)), 0, "reply")


def test_requests_wait_for_a_server_that_comes_back(t):
    server = Sshd(t)
    proxy = ssh_socks(t, server, "--connect-timeout", "15")
    echo = t.server(Echo)
    equal(code_for(t, proxy, echo), 0, "reply")
    server.stop()
    codes = []
    threads = [threading.Thread(
        target=lambda: codes.append(code_for(t, proxy, echo)))
        for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    equal(codes, [], "replies while there is no server")
    server.start()
    for thread in threads:
        thread.join(scaled(20))
    equal(codes, [0] * 5, "replies")
    equal(code_for(t, proxy, echo), 0, "reply afterwards")


def test_requests_have_an_answer_when_no_server_comes(t):
    server = Sshd(t)
    proxy = ssh_socks(t, server, *WAIT)
    echo = t.server(Echo)
    equal(code_for(t, proxy, echo), 0, "reply")
    server.stop()
    began = time.monotonic()
    equal(code_for(t, proxy, echo), 1, "reply without a server")
    within(6, began, "the answer")
    server.start()
    began = time.monotonic()
    wait_until(lambda: code_for(t, proxy, echo) == 0, "a good reply", 15)
    equal(proxy.process.poll(), None, "exit status")


def test_server_that_comes_back_with_another_key(t):
    """It is not trusted; nobody is let through."""
    server = Sshd(t)
    proxy = ssh_socks(t, server, *WAIT)
    echo = t.server(Echo)
    equal(code_for(t, proxy, echo), 0, "reply")
    server.stop()
    server.host_keys = [cached_key("other")]
    server.configure({})
    server.start()
    equal(code_for(t, proxy, echo), 1, "reply")
    proxy.wait_line("(?i)host key")
    check(not any("Accepted publickey" in line
                  for line in server.logs[-1].lines), "a login")


# --- the network --------------------------------------------------------------

def test_network_is_cut(t):
    """Silence, as behind a firewall that drops: noticed by the keep-alive;
    all well once it is mended."""
    server = Sshd(t)
    cut = Cut(t, server)
    proxy = ssh_socks(t, cut, *ALIVE, *WAIT)
    echo = t.server(Echo)
    sock = through(t, proxy, echo)
    check_echo(sock)
    cut.silence()
    began = time.monotonic()
    sock.sendall(b"x")
    gone(sock)
    within(5, began, "the end of a flow")
    equal(code_for(t, proxy, echo), 1, "reply during the cut")
    cut.reset()
    cut.resume()
    wait_until(lambda: code_for(t, proxy, echo) == 0, "a good reply", 15)


def test_short_silence_ends_nothing(t):
    server = Sshd(t)
    cut = Cut(t, server)
    proxy = ssh_socks(t, cut, "-o", "ServerAliveInterval=1", "-o",
                      "ServerAliveCountMax=5")
    sock = through(t, proxy, t.server(Echo))
    check_echo(sock)
    cut.silence()
    sock.sendall(b"late")
    time.sleep(1.5)
    cut.resume()
    equal(take(sock, 4), b"late", "echo")


def test_network_resets(t):
    server = Sshd(t)
    cut = Cut(t, server)
    proxy = ssh_socks(t, cut)
    echo = t.server(Echo)
    sock = through(t, proxy, echo)
    check_echo(sock)
    began = time.monotonic()
    cut.reset()
    gone(sock)
    equal(code_for(t, proxy, echo), 0, "reply")
    within(3, began, "the next request")


def test_reconnect_on_demand(t):
    """SIGUSR2."""
    server = Sshd(t)
    proxy = ssh_socks(t, server)
    echo = t.server(Echo)
    sock = through(t, proxy, echo)
    check_echo(sock)
    old = server.sessions()
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: server.sessions() and
               not set(server.sessions()) & set(old), "a new link")
    gone(sock)
    equal(code_for(t, proxy, echo), 0, "reply")


def test_server_that_allows_one_login_at_a_time(t):
    """MaxStartups: those who are turned away come back later, and what there
    is goes on."""
    server = Sshd(t, MaxStartups="1")
    proxy = ssh_socks(t, server)
    source = t.server(Source, bytes(32 * MEGABYTE))
    downloads = [Download(t, proxy, source) for _ in range(8)]
    echo = t.server(Echo)
    for _ in range(50):
        equal(code_for(t, proxy, echo), 0, "reply")
    for download in downloads:
        download.join(scaled(30))
        equal((download.error, download.got), (None, 32 * MEGABYTE),
              "a download")


# --- names --------------------------------------------------------------------

def test_slow_name_stops_nobody_else(t):
    """sshd looks up one name at a time, and does nothing else meanwhile."""
    slow_names(t, ["slow.test"], 5)
    echo = t.server(Echo)
    proxy = ssh_socks(t, Sshd(t))
    equal(code_for(t, proxy, echo), 0, "reply")
    slow = t.socket(proxy.address, seconds=20)
    slow.sendall(GREETING + socks5("slow.test", echo.port))
    equal(take(slow, 2), GREETED, "method")
    began = time.monotonic()
    worst = 0
    for _ in range(10):
        start = time.monotonic()
        equal(code_for(t, proxy, echo), 0, "reply")
        worst = max(worst, time.monotonic() - start)
    within(4, began, "ten requests beside a slow name")
    check(worst < scaled(2), f"one request took {worst:.1f} s")
    equal(take_reply(slow)[0], 0, "reply to the slow one")
    check(time.monotonic() - began > 2, "the slow name was fast")
    check_echo(slow)


# --- clients ------------------------------------------------------------------

def test_client_that_leaves_during_the_open(t):
    """The channel that comes for nobody is closed, others go on."""
    server = Odd(t, open_delay=0.5)
    proxy = ssh_socks(t, server, "--connections", "1")
    hold, echo = t.server(Hold), t.server(Echo)
    before = proxy.settled_descriptors()
    for _ in range(20):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5("127.0.0.1", hold.port))
        equal(take(sock, 2), GREETED, "method")
        sock.close()
    hold.wait_accepted(20)
    wait_until(lambda: proxy.descriptors() <= before, "descriptors")
    equal(code_for(t, proxy, echo), 0, "reply")
    wait_until(lambda: len(server.lines("closed")) >= 20,
               "twenty closed channels")


def test_few_descriptors(t):
    """200 clients for 64 descriptors: those who can't be served wait or are
    told so; nothing spins, and after them all is well."""
    echo = t.server(Echo)
    proxy = ssh_socks(t, Sshd(t), wrap=(
        "sh", "-c", 'ulimit -n 64; exec "$@"', "sh"))
    equal(code_for(t, proxy, echo), 0, "reply")
    socks = []
    for _ in range(200):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5("127.0.0.1", echo.port))
        socks.append(sock)
    time.sleep(1)
    before = proxy.cpu()
    time.sleep(1)
    spent = proxy.cpu() - before
    check(spent < 0.3, f"{spent} s of processor time in one second")
    for sock in socks:
        sock.close()
    wait_until(lambda: code_for(t, proxy, echo) == 0, "a good reply")
