"""What goes wrong around ports on a gateway: sessions that are killed, stop
and stall, a port that is held when the link is back, our own end, key
exchanges, few descriptors."""
import hashlib
import re
import signal
import socket
import threading
import time

from faults import Cut
from harness import SANITIZED, check, equal, free_port, scaled, wait_until
from origins import Both, Echo, Hold, Sink, Source
from remote import (Held, back_within, dynamic, fixed, free_ports, leads,
                    listeners, low, remote, wait_free, works)
from sshd import Sshd
from test_ssh_basic import MEGABYTE, in_threads, pattern
from test_ssh_faults import ALIVE, WAIT, Download, within
from wire import (GREETING, check_echo, gone, socks5, take, take_all, through)

NAMESPACE = True

TURNS = 10
BACK = 5


# --- the gateway's session ----------------------------------------------------

def test_session_killed_ten_times(t):
    """The port is back, and leads to where it led."""
    server, echo = Sshd(t), t.server(Echo)
    proxy, port = fixed(t, server, echo)
    for _ in range(TURNS):
        sock = t.socket(port.address)
        check_echo(sock)
        check(server.kill_sessions() > 0, "nobody was killed")
        gone(sock)
        back_within(BACK, lambda: leads(t, port), "the port")
    equal(len(proxy.wait_line("listening on .* again$", count=TURNS)), TURNS,
          "lines that say so")


def test_session_killed_ten_times_dynamic(t):
    """With port 0, which keeps the number that it got."""
    server, echo = Sshd(t), low(t, Echo)
    proxy, port = dynamic(t, server, spec="0")
    for _ in range(TURNS):
        check(server.kill_sessions() > 0, "nobody was killed")
        back_within(BACK, lambda: works(t, port, echo), "the port")
    equal(proxy.text().count("Allocated port"), 1, "ports")


def test_all_of_many_come_back(t):
    server, echo = Sshd(t), t.server(Echo)
    words = [word for port in free_ports(10)
             for word in ("-R", f"{port}:localhost:{echo.port}")]
    proxy, found = remote(t, server, *words)
    for _ in range(3):
        server.kill_sessions()
        for port in found:
            back_within(BACK, lambda port=port: leads(t, port), port.where)


def test_lost_link_is_told(t):
    """That it waits, and that it stands again."""
    server = Sshd(t)
    proxy, port = dynamic(t, server)
    server.kill_sessions()
    proxy.wait_line(r"link to .* lost")
    proxy.wait_line(f"^culvert: listening on {port.where} at "
                    f"{re.escape(port.server)} again$")


def test_server_stopped_and_started(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy, port = dynamic(t, server)
    for _ in range(3):
        server.stop()
        wait_free(t, port.port)
        server.start()
        back_within(BACK, lambda: works(t, port, echo), "the port")


def test_listener_stopped_session_goes_on(t):
    """sshd's main process alone: nothing is lost, and nothing told."""
    server, echo = Sshd(t), t.server(Echo)
    proxy, port = dynamic(t, server)
    server.stop(sessions=False)
    check_echo(through(t, port, echo))
    check("lost" not in proxy.text(), "a link was lost")


def test_port_held_when_the_link_is_back(t):
    """By another than the dead session: tried until it is free, and a -D
    beside it works meanwhile."""
    server, echo = Sshd(t), t.server(Echo)
    port, = free_ports(1)
    proxy = t.culvert("-R", f"{port}:localhost:{echo.port}", "-D",
                      "127.0.0.1:0", *server.args(), listeners=2)
    where, = [where for where, _ in proxy.listening if " at " not in where]
    socks = "127.0.0.1", int(where.rpartition(":")[2])
    server.stop()
    wait_free(t, port)
    held = Held(port)
    t.defer(held.close)
    server.start()
    proxy.wait_line("remote port forwarding failed.*(taken|in use)")
    check_echo(through(t, socks, echo))
    held.close()
    proxy.wait_line(f"listening on localhost:{port} at .* again", BACK)
    check_echo(t.socket(("127.0.0.1", port)))


def test_port_held_by_the_dead_session(t):
    """It lives on, with the port, until it is killed."""
    server, echo = Sshd(t), t.server(Echo)
    proxy, port = fixed(t, server, echo, *ALIVE, *WAIT)
    old = server.sessions()
    server.signal_sessions(signal.SIGSTOP, old)
    proxy.wait_line("remote port forwarding failed", 15)
    server.signal_sessions(signal.SIGKILL, old)
    back_within(BACK, lambda: leads(t, port), "the port")


def test_session_that_stops_is_noticed(t):
    """kill -STOP; its port is free when it is killed."""
    server, echo = Sshd(t), t.server(Echo)
    proxy, port = dynamic(t, server, *ALIVE)
    sock = through(t, port, echo)
    check_echo(sock)
    stopped = server.sessions()
    server.signal_sessions(signal.SIGSTOP)
    proxy.wait_line(r"link to .* lost", 8)
    server.signal_sessions(signal.SIGKILL, stopped)
    gone(sock)
    back_within(BACK, lambda: works(t, port, echo), "the port")


def test_network_is_cut(t):
    """Silence, until it is mended."""
    server, echo = Sshd(t, ClientAliveInterval="1",
                        ClientAliveCountMax="2"), t.server(Echo)
    cut = Cut(t, server)
    proxy, port = dynamic(t, cut, *ALIVE, *WAIT)
    cut.silence()
    proxy.wait_line(r"link to .* lost", 8)
    cut.reset()
    wait_free(t, port.port)
    cut.resume()
    back_within(3 * BACK, lambda: works(t, port, echo), "the port")


def test_network_resets(t):
    server, echo = Sshd(t), t.server(Echo)
    cut = Cut(t, server)
    proxy, port = dynamic(t, cut)
    for _ in range(3):
        cut.reset()
        back_within(BACK, lambda: works(t, port, echo), "the port")


def test_reconnect_on_demand(t):
    """SIGUSR2."""
    server, echo = Sshd(t), t.server(Echo)
    proxy, port = dynamic(t, server)
    old = server.sessions()
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: server.sessions() and
               not set(server.sessions()) & set(old), "a new link")
    back_within(BACK, lambda: works(t, port, echo), "the port")


# --- our own end --------------------------------------------------------------

def test_killed_and_started_again_ten_times(t):
    """kill -9 of culvert: the next one has the port as soon as sshd has
    given it back."""
    server, echo = Sshd(t), t.server(Echo)
    port = free_port()
    for _ in range(TURNS):
        proxy, (found,) = remote(t, server, "-R",
                                 f"{port}:localhost:{echo.port}")
        check_echo(t.socket(found.address))
        proxy.signal(signal.SIGKILL)
        proxy.process.wait()
        proxy.stopped = True
        began = time.monotonic()
        proxy = t.culvert("-R", f"{port}:localhost:{echo.port}",
                          *server.args(), listeners=0)
        back_within(BACK, lambda: leads(t, found), "the port")
        within(BACK, began, "the port")
        proxy.stop()
        wait_free(t, port)


def test_term_drains(t):
    """What runs comes to its end; nobody new comes in."""
    data = pattern(8 * MEGABYTE)
    server, source = Sshd(t), t.server(Source, data)
    proxy, port = fixed(t, server, source)
    sock = t.socket(port.address)
    start = take(sock, 1000)
    proxy.signal(signal.SIGTERM)
    wait_free(t, port.port)
    check(start + take_all(sock) == data, "what came differs")
    sock.close()
    equal(proxy.wait(5), 0, "exit status")
    server.wait_sessions(0)


def test_port_is_free_after_the_end(t):
    """By the time the program has ended, and with no help of a timeout."""
    for number in (signal.SIGTERM, signal.SIGINT):
        server, echo = Sshd(t), t.server(Echo)
        proxy, port = dynamic(t, server)
        check_echo(through(t, port, echo))
        proxy.signal(number)
        if number == signal.SIGTERM:
            wait_free(t, port.port)
            proxy.stop()
        equal(proxy.wait(), 0, "exit status")
        wait_until(lambda port=port: not listeners(t, port.port),
                   "a free port", 1)


def test_cancelled_before_the_link_is_closed(t):
    """SIGTERM asks for no more clients while the rest is served."""
    server, hold = Sshd(t, LogLevel="DEBUG1"), t.server(Hold)
    proxy, port = fixed(t, server, hold)
    sock = t.socket(port.address)
    hold.wait_accepted()
    proxy.signal(signal.SIGTERM)
    server.wait_line("cancel-tcpip-forward")
    wait_free(t, port.port)
    equal(len(server.sessions()), 1, "links")
    hold.released.set()
    gone(sock)
    sock.close()
    equal(proxy.wait(5), 0, "exit status")


# --- load ---------------------------------------------------------------------

def test_stalled_reader_holds_up_no_other(t):
    """A client that does not read, among many on one link; what is kept for
    it is bounded."""
    whole = 64 * MEGABYTE
    source, echo = t.server(Source, bytes(whole)), t.server(Echo)
    proxy, port = dynamic(t, Sshd(t), "--connections", "1")
    small = [through(t, port, echo) for _ in range(20)]
    stalled = through(t, port, source)
    take(stalled, 1)
    before = proxy.pss()
    good = through(t, port, source)
    good.settimeout(scaled(30))
    equal(len(take_all(good)), whole, "bytes of another")
    for sock in small:
        check_echo(sock)
    if not SANITIZED:
        grown = proxy.pss() - before
        check(grown < 16 * MEGABYTE, f"{grown >> 10} KiB more")
    stalled.settimeout(scaled(30))
    equal(len(take_all(stalled)), whole - 1, "bytes of the one that stalled")


def test_stalled_target_holds_up_no_other(t):
    """The other way: a target that does not read."""
    hold, sink = t.server(Hold), t.server(Sink)
    proxy, port = dynamic(t, Sshd(t), "--connections", "1")
    stalled = through(t, port, hold)
    stalled.setblocking(False)
    block = bytes(MEGABYTE)
    sent = 0
    try:
        while sent < 256 * MEGABYTE:
            sent += stalled.send(block)
            time.sleep(0.001)
    except BlockingIOError:
        pass
    check(sent < 256 * MEGABYTE, "all of it was taken")
    data = pattern(16 * MEGABYTE)
    sock = through(t, port, sink)
    sock.settimeout(scaled(30))
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    equal(take_all(sock).decode(), hashlib.sha256(data).hexdigest(), "sum")


def test_key_exchanges_under_load(t):
    """While bytes go both ways, on several channels; who calls for them
    most is the server, which sends and gets the same."""
    size = (4 if SANITIZED else 32) * MEGABYTE
    data = pattern(size)
    digest = hashlib.sha256(data).hexdigest()
    both = t.server(Both, data)
    server = Sshd(t, RekeyLimit="2M" if SANITIZED else "8M",
                  LogLevel="DEBUG1")
    proxy, port = dynamic(t, server)
    check_both_ways(t, port, both, data, 2)
    equal(both.wait_seen(2), [digest] * 2, "sums of the uploads")
    exchanges = server.text().count("SSH2_MSG_NEWKEYS received")
    check(exchanges > 5 if not SANITIZED else exchanges > 2,
          f"{exchanges} key exchanges")


def test_key_exchanges_of_ours_under_load(t):
    """RekeyLimit on our side."""
    size = (4 if SANITIZED else 32) * MEGABYTE
    data = pattern(size)
    both = t.server(Both, data)
    server = Sshd(t, LogLevel="DEBUG1")
    proxy, port = dynamic(t, server, "-o",
                          f"RekeyLimit={'2M' if SANITIZED else '8M'}")
    check_both_ways(t, port, both, data, 2)
    exchanges = server.text().count("SSH2_MSG_NEWKEYS received")
    check(exchanges > 2, f"{exchanges} key exchanges")


def check_both_ways(t, port, both, data, count):
    def work(index):
        sock = through(t, port, both)
        sock.settimeout(50)
        sender = threading.Thread(target=lambda: (
            sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        check(take_all(sock) == data, f"download {index} differs")
        sender.join()
    in_threads(count, work)


def test_ports_come_and_go_under_load(t):
    """Downloads by a port whose link is killed are broken, never short."""
    whole = (64 if SANITIZED else 256) * MEGABYTE
    server, source = Sshd(t), t.server(Source, bytes(whole))
    proxy, port = dynamic(t, server)
    for _ in range(3):
        back_within(BACK, lambda: tries(t, port, source), "the port")
        downloads = [Download(t, port, source) for _ in range(10)]
        wait_until(lambda downloads=downloads:
                   all(one.got for one in downloads), "some of each")
        proxy.signal(signal.SIGUSR2)
        for download in downloads:
            download.join(scaled(20))
            check(not download.is_alive(), "a download that hangs")
            check(download.got < whole, "a download that came to its end")


def tries(t, port, source):
    """A client that comes, and leaves at once."""
    try:
        through(t, port, source).close()
        return True
    except (OSError, AssertionError):
        return False


def test_few_descriptors(t):
    """9.8: 200 clients for 64 descriptors, by a fixed port and a SOCKS port:
    who can't be served is sent away; nothing spins, and after them all is
    well."""
    server, echo = Sshd(t), t.server(Echo)
    one, two = free_ports(2)
    proxy, found = remote(
        t, server, "-R", f"{one}:127.0.0.1:{echo.port}", "-R", two,
        wrap=("sh", "-c", 'ulimit -n 64; exec "$@"', "sh"))
    socks = []
    for index in range(200):
        sock = t.socket(found[index % 2].address)
        if index % 2:
            sock.sendall(GREETING + socks5("127.0.0.1", echo.port))
        socks.append(sock)
    time.sleep(1)
    before = proxy.cpu()
    time.sleep(1)
    spent = proxy.cpu() - before
    check(spent < 0.3, f"{spent} s of processor time in one second")
    for sock in socks:
        sock.close()
    wait_until(lambda: leads(t, found[0]), "an echo by the fixed port")
    wait_until(lambda: works(t, found[1], echo), "one by the SOCKS port")
