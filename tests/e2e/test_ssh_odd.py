"""A server that is neither OpenSSH nor dropbear, and does what it should
not: tiny windows and packets, refusals of all kinds, opens that take long or
for ever, key exchanges, silence, ends in the wrong order."""
import hashlib
import os
import re
import socket
import threading
import time

from harness import check, equal, matches, scaled, wait_until
from origins import Both, Echo, Sink, Source
from sshd import Odd
from test_ssh_basic import in_threads
from wire import (GREETED, GREETING, check_echo, gone, open_socks5, refusal,
                  socks5, take, take_all, take_reply, through,
                  turned_away)

KILOBYTE = 1 << 10


def ssh_socks(t, server, *options, **keywords):
    return t.culvert("-D", "127.0.0.1:0", *options, *server.args(),
                     **keywords)


def check_transfers(t, proxy, size):
    """Up, down, and both at once, each to the last byte."""
    data = os.urandom(size)
    digest = hashlib.sha256(data).hexdigest()
    sock = through(t, proxy, t.server(Source, data))
    sock.settimeout(scaled(30))
    check(take_all(sock) == data, "a download differs")
    sock = through(t, proxy, t.server(Sink))
    sock.settimeout(scaled(30))
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    equal(take_all(sock).decode(), digest, "sum of an upload")
    both = t.server(Both, data)
    sock = through(t, proxy, both)
    sock.settimeout(scaled(30))
    sender = threading.Thread(target=lambda: (
        sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
    sender.start()
    check(take_all(sock) == data, "what came differs")
    sender.join()
    equal(both.wait_seen(), [digest], "sum of what went")


# --- sizes --------------------------------------------------------------------

def test_stock(t):
    proxy = ssh_socks(t, Odd(t))
    check_transfers(t, proxy, 2000 * KILOBYTE)


def test_window_of_one_byte(t):
    proxy = ssh_socks(t, Odd(t, window=1))
    check_transfers(t, proxy, 700)


def test_packets_of_one_byte(t):
    """Both ways."""
    proxy = ssh_socks(t, Odd(t, max_packet=1, send_packet=1))
    check_transfers(t, proxy, 3 * KILOBYTE)


def test_packets_of_no_byte(t):
    """libssh takes ten bytes off, and sends what is left: nothing, for ever."""
    proxy = ssh_socks(t, Odd(t, max_packet=10), "--connections", "1")
    for _ in range(2):
        before = proxy.cpu()
        sock = through(t, proxy, t.server(Sink))
        sock.sendall(b"x" * 3000)
        try:
            equal(sock.recv(1), b"", "what comes")
        except ConnectionResetError:
            pass
        check(proxy.cpu() - before < scaled(0.5), "it spins")


def test_window_smaller_than_a_packet(t):
    proxy = ssh_socks(t, Odd(t, window=100, max_packet=32768))
    check_transfers(t, proxy, 40 * KILOBYTE)


def test_odd_sizes(t):
    for window, packet, sent in ((4097, 1023, 7), (65537, 4093, 1021),
                                 (300007, 32749, 16381)):
        proxy = ssh_socks(t, Odd(t, window=window, max_packet=packet,
                                 send_packet=sent))
        check_transfers(t, proxy, 100 * KILOBYTE)
        proxy.stop()


def test_largest_window(t):
    proxy = ssh_socks(t, Odd(t, window=(1 << 32) - 1))
    check_transfers(t, proxy, 1000 * KILOBYTE)


def test_one_small_window_holds_up_no_other(t):
    """A reader that stands, beside others."""
    proxy = ssh_socks(t, Odd(t, window=2000))
    stalled = through(t, proxy, t.server(Source, bytes(20000 * KILOBYTE)))
    check_transfers(t, proxy, 100 * KILOBYTE)
    stalled.close()


# --- opens --------------------------------------------------------------------

REFUSALS = (
    ((1, ""), 2), ((1, "open failed"), 2),
    ((2, "Connection refused"), 5), ((2, "connection REFUSED by peer"), 5),
    ((2, "Connection timed out"), 6), ((2, "Operation timed out"), 6),
    ((2, "No route to host"), 4), ((2, "Host is down"), 4),
    ((2, "Network is unreachable"), 3),
    ((2, "Name or service not known"), 4),
    ((2, "Temporary failure in name resolution"), 4),
    ((2, "nodename nor servname provided, or not known"), 4),
    ((2, "open failed"), 4), ((2, ""), 4), ((2, "x" * 5000), 4),
    ((2, "\x1b[31mred\r\nculvert: fake\x00line"), 4),
    ((3, "what is that"), 7), ((4, "too many"), 1), ((99, "strange"), 4),
)


def test_refusals(t):
    """The reasons of RFC 4254 and the texts of many systems."""
    ports = {f"127.0.0.1:{index + 1}": list(reason)
             for index, (reason, _) in enumerate(REFUSALS)}
    echo = t.server(Echo)
    proxy = ssh_socks(t, Odd(t, refuse=ports))
    wrong = []
    for index, (reason, code) in enumerate(REFUSALS):
        got = refusal(t, proxy, "127.0.0.1", index + 1)
        if got != code:
            wrong.append(f"{reason}: {got}, wanted {code}")
    check(not wrong, "\n".join(wrong))
    check(not re.search("[\x1b\r\0]", proxy.text()), "raw bytes in the log")
    check("\nculvert: fake" not in proxy.text(), "a line that is not ours")
    check_echo(through(t, proxy, echo))


def test_refusals_all_at_once(t):
    """Mixed with opens that succeed, each with its own."""
    echo = t.server(Echo)
    kinds = [((1, "no"), 2), ((2, "Connection refused"), 5),
             ((2, "Network is unreachable"), 3), ((4, "too many"), 1)]
    ports = {f"127.0.0.1:{index + 1}": list(kinds[index % 4][0])
             for index in range(40)}
    proxy = ssh_socks(t, Odd(t, refuse=ports, open_delay=0.2))
    socks = []
    for turn in range(5):
        for index in range(41):
            sock = t.socket(proxy.address)
            port = index + 1 if index < 40 else echo.port
            sock.sendall(GREETING + socks5("127.0.0.1", port))
            socks.append((sock, kinds[index % 4][1] if index < 40 else 0))
    for sock, code in socks:
        equal(take(sock, 2), GREETED, "method")
        equal(take_reply(sock)[0], code, "reply")
        if code == 0:
            check_echo(sock)


def test_late_open(t):
    echo = t.server(Echo)
    proxy = ssh_socks(t, Odd(t, open_delay=1))
    began = time.monotonic()
    socks = []
    for _ in range(20):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5("127.0.0.1", echo.port) + b"early")
        socks.append(sock)
    for sock in socks:
        equal(take(sock, 2), GREETED, "method")
        equal(take_reply(sock)[0], 0, "reply")
        equal(take(sock, 5), b"early", "echo of what was sent before")
    took = time.monotonic() - began
    check(0.9 < took < scaled(4), f"twenty opens of 1 s took {took:.1f} s")


def test_open_that_is_never_answered(t):
    """The connect timeout ends it; the others don't notice."""
    echo = t.server(Echo)
    server = Odd(t, never=["127.0.0.1:1"])
    proxy = ssh_socks(t, server, "--connect-timeout", "2")
    sock = t.socket(proxy.address)
    sock.sendall(GREETING + socks5("127.0.0.1", 1))
    equal(take(sock, 2), GREETED, "method")
    check_echo(through(t, proxy, echo))
    began = time.monotonic()
    equal(take_reply(sock)[0], 6, "reply")
    check(time.monotonic() - began < scaled(4), "a late reply")
    check_echo(through(t, proxy, echo))


# --- key exchanges ------------------------------------------------------------

def test_more_than_the_window(t):
    """A server that sends more than it may, to a client that does not read,
    loses its link: libssh would hold 256 MB of it, and then leave a hole."""
    server = Odd(t, overrun=64 << 20)
    proxy = ssh_socks(t, server)
    sock = through(t, proxy, t.server(Echo))
    proxy.wait_line(r"link to .* lost: .*more than a channel's window",
                    seconds=30)
    sock.close()


def test_key_exchanges_under_load(t):
    server = Odd(t, rekey_bytes=200000)
    proxy = ssh_socks(t, server)
    check_transfers(t, proxy, 2000 * KILOBYTE)
    check(len(server.lines("kexinit")) > 10,
          f"{len(server.lines('kexinit'))} key exchanges")


def test_key_exchanges_with_many_channels(t):
    """Opens, small requests and ends in the middle of them."""
    echo = t.server(Echo)
    server = Odd(t, rekey_bytes=20000)
    proxy = ssh_socks(t, server)

    def work(index):
        for number in range(10):
            sock = open_socks5(t, proxy, "127.0.0.1", echo.port)
            check_echo(sock, os.urandom(3000))
            sock.close()
    in_threads(10, work)
    check(len(server.lines("kexinit")) > 10, "few key exchanges")
    proxy.sessions(100)


# --- silence and sudden ends --------------------------------------------------

def check_silent_server(t, where):
    """Said with the server's name, the limit's, and ssh's status."""
    server = Odd(t, silent=where)
    began = time.monotonic()
    status, said = t.fails("-D", "127.0.0.1:0", "-o", "ConnectTimeout=2",
                           *server.args())
    equal(status, 255, f"exit status: {said}")
    matches("(?i)timed? ?out|no answer|within", said, "message")
    matches(f"127.0.0.1.*{server.port}", said, "message")
    check(time.monotonic() - began < scaled(6), "it took long")


def test_server_that_says_nothing(t):
    check_silent_server(t, "connect")


def test_server_that_says_only_its_version(t):
    check_silent_server(t, "version")


def test_server_that_hangs_up(t):
    for where in ("connect", "version"):
        server = Odd(t, drop_at=where)
        status, said = t.fails("-D", "127.0.0.1:0", *server.args())
        equal(status, 255, f"exit status: {said}")
        matches(f"127.0.0.1.*{server.port}", said, "message")
        server.stop()


def test_server_that_falls_silent(t):
    """In the middle of it all: the keep-alive notices, and makes another
    link."""
    echo = t.server(Echo)
    server = Odd(t, silent_after=3)
    proxy = ssh_socks(t, server, "-o", "ServerAliveInterval=1", "-o",
                      "ServerAliveCountMax=2", "--connect-timeout", "8")
    socks = [open_socks5(t, proxy, "127.0.0.1", echo.port) for _ in range(2)]
    began = time.monotonic()
    third = t.socket(proxy.address, seconds=20)
    third.sendall(GREETING + socks5("127.0.0.1", echo.port))
    for sock in socks:
        gone(sock)
    check(time.monotonic() - began < scaled(5), "noticed late")
    wait_until(lambda: len(server.lines("login")) >= 2, "another login")


def test_server_that_drops_the_link(t):
    """When the third channel is opened: what was there ends, and who asked
    for the third gets it from the next link."""
    echo = t.server(Echo)
    proxy = ssh_socks(t, Odd(t, drop_after=3), "--connections", "1")
    socks = [through(t, proxy, echo) for _ in range(2)]
    for sock in socks:
        check_echo(sock)
    check_echo(through(t, proxy, echo))
    for sock in socks:
        gone(sock)


def test_target_that_ends_the_link(t):
    """It is not asked for again and again, at the others' expense."""
    echo = t.server(Echo)
    server = Odd(t, drop_for="127.0.0.1:1")
    proxy = ssh_socks(t, server)
    check_echo(through(t, proxy, echo))
    equal(refusal(t, proxy, "127.0.0.1", 1), 1, "reply")
    asked = len(server.lines("open 127.0.0.1:1"))
    check(asked <= 2, f"asked for {asked} times")
    check_echo(through(t, proxy, echo))


def test_server_that_allows_one_login(t):
    """More links are asked for, and refused: the first carries all."""
    echo = t.server(Echo)
    source = t.server(Source, bytes(4000 * KILOBYTE))
    server = Odd(t, logins=1)
    proxy = ssh_socks(t, server)

    def work(index):
        for number in range(3):
            sock = through(t, proxy, source)
            sock.settimeout(scaled(30))
            equal(len(take_all(sock)), 4000 * KILOBYTE, "bytes")
            check_echo(through(t, proxy, echo))
    in_threads(6, work)
    matches("^login", server.text(), "the server's log")


# --- ends in the wrong order --------------------------------------------------

def test_end_without_close(t):
    """EOF and never CLOSE: our side's CLOSE is enough for our client."""
    server = Odd(t, ends="eof-only")
    proxy = ssh_socks(t, server)
    sock = through(t, proxy, t.server(Source, b"all of it"))
    equal(take_all(sock), b"all of it", "what came")
    sock.close()
    proxy.session()
    check_echo(through(t, proxy, t.server(Echo)))


def test_close_without_end(t):
    server = Odd(t, ends="close-only")
    proxy = ssh_socks(t, server)
    data = os.urandom(500 * KILOBYTE)
    sock = through(t, proxy, t.server(Source, data))
    check(take_all(sock) == data, "what came differs")
    sock.close()
    proxy.session()
    check_echo(through(t, proxy, t.server(Echo)))


def test_close_at_once(t):
    """It was open, however short: no failure, and no wait."""
    echo = t.server(Echo)
    proxy = ssh_socks(t, Odd(t, ends="at-once"))
    began = time.monotonic()
    for _ in range(10):
        gone(through(t, proxy, echo))
    took = time.monotonic() - began
    check(took < scaled(5), f"10 took {took:.1f} s")


def test_data_after_the_end(t):
    """SSH-8: it is nobody's."""
    server = Odd(t, ends="more")
    proxy = ssh_socks(t, server)
    sock = through(t, proxy, t.server(Source, b"all of it"))
    equal(take_all(sock), b"all of it", "what came")
    sock.sendall(b"and back")
    sock.close()
    proxy.session()
    check_echo(through(t, proxy, t.server(Echo)))


def test_channels_that_nobody_asked_for(t):
    """Each is refused, and none is kept."""
    server = Odd(t, calls=300)
    proxy = ssh_socks(t, server)
    server.wait_line("^called 300 refused 300$")
    check_echo(through(t, proxy, t.server(Echo)))


def test_unix_socket_behind_it(t):
    """OpenSSH's own kind of channel, which is asked of no other server: the
    client is told so, and others go on."""
    echo = t.server(Echo)
    proxy = t.culvert("-L", f"127.0.0.1:0:{t.tmp('far')}", "-L",
                      f"127.0.0.1:0:localhost:{echo.port}", *Odd(t).args(),
                      listeners=2)
    turned_away(t, proxy.address)
    equal(proxy.session()["reason"], "unknown-channel", "reason")
    port = int(proxy.listening[1][0].rpartition(":")[2])
    check_echo(t.socket(("127.0.0.1", port)))


def test_nagle(t):
    """A server that leaves it on: small requests don't wait for an
    acknowledgement that is put off (40 ms)."""
    echo = t.server(Echo)
    proxy = ssh_socks(t, Odd(t, nodelay=False))
    sock = through(t, proxy, echo)
    check_echo(sock)
    began = time.monotonic()
    for _ in range(50):
        check_echo(sock, b"x" * 64)
    took = time.monotonic() - began
    check(took < scaled(1), f"50 round trips took {took:.2f} s")
