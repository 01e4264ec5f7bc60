"""A gateway's users and agents that do what none should once they are in:
opens and requests without end, malformed packets, windows of all sizes, answers
that are none; what it costs, and that others are served meanwhile."""
import signal
import socket
import threading
import time

from gateway import Client, Gateway, agent, ssh_words
from harness import (SANITIZED, Failed, check, equal, free_port, scaled,
                     wait_until)
from mux import string
from origins import Echo, Hold, Resetter, Server, Sink, Source, reset
from raw import (ADJUST, CLOSE, CONFIRMED, DATA, EOF, EXTENDED, GLOBAL, NO,
                 OPEN, REFUSED, REQUEST, YES, Raw)
from test_gateway_login import WHOLE, well
from test_gateway_users import dynamic
from test_ssh_basic import MEGABYTE, pattern
from wire import (GREETING, check_echo, gone, open_socks5, socks5,
                  socks5_reply, take, take_all, through)

NAMESPACE = True


# --- what comes after the login -----------------------------------------------

def test_thousands_of_opens(t):
    """Each is answered, and another's are meanwhile."""
    echo = t.server(Echo)
    gateway = Gateway(t)
    proxy = dynamic(t, gateway, name="other")
    raw = Raw(t, gateway)
    count = 1000 if SANITIZED else 4000
    closed = free_port()
    raw.send_all([raw.opening(number, "127.0.0.1", closed)
                  for number in range(count)])
    check_echo(through(t, proxy, echo))
    for number in range(count):
        equal(raw.next(REFUSED, CONFIRMED, channel=number,
                       seconds=30).kind, REFUSED, f"answer {number}")
    raw.send_all([raw.opening(number, "127.0.0.1", echo.port)
                  for number in range(1000)])
    peers = []
    for number in range(1000):
        body = raw.next(REFUSED, CONFIRMED, channel=number, seconds=30)
        if body.kind == CONFIRMED:
            peers.append(body.number())
    check(len(peers) >= 100, f"{len(peers)} of 1000 were opened")
    check_echo(through(t, proxy, echo))
    raw.end()
    wait_until(lambda: not echo.socks or len(echo.socks) <= 2, "their ends")
    well(t, gateway)


class Cutter(Server):
    """Resets who comes."""

    def serve(self, sock):
        reset(sock)


def opened(raw, number, port):
    """The peer's number of a channel to a target that ends at once: that may
    come before it is there."""
    for _ in range(20):
        try:
            return raw.open(number, "127.0.0.1", port)
        except Failed:
            continue
    raise Failed("no channel was opened")


def test_data_behind_our_close(t):
    """It was on its way; no window is given for it, as the channel may be
    another by then, and dropbear knows none."""
    gateway = Gateway(t)
    raw = Raw(t, gateway)
    for target, first in ((t.server(Cutter), b""), (t.server(Resetter), b"x")):
        peer = opened(raw, 7, target.port)
        if first:
            raw.send(DATA, peer, string(first))
        raw.next(CLOSE, channel=7)
        raw.packets.clear()
        raw.send_all([(DATA, peer, string(bytes(30000)))] * 2)
        raw.rest()
        equal([body.kind for body in raw.packets], [], "packets behind it")
        raw.send(CLOSE, peer)
        raw.rest()
    well(t, gateway)


def test_opens_that_are_never_read(t):
    """A peer that asks and asks, and reads no answer: what is kept for it is
    bounded."""
    gateway = Gateway(t)
    client = Client(t, ssh_words("-D", "127.0.0.1:%d" % free_port(),
                                 *gateway.args()))
    gateway.wait_agents(ports=0)
    raw = Raw(t, gateway, "flood")
    before = gateway.proxy.pss()
    raw.process.send_signal(signal.SIGSTOP)
    sender = threading.Thread(target=raw.send_all, daemon=True, args=(
        [raw.opening(number, "127.0.0.1", 1) for number in range(20000)],))
    sender.start()
    time.sleep(0.3)
    raw.process.send_signal(signal.SIGCONT)
    time.sleep(2)
    raw.process.send_signal(signal.SIGSTOP)
    well(t, gateway)
    if not SANITIZED:
        grown = gateway.proxy.pss() - before
        check(grown < 32 * MEGABYTE, f"{grown >> 10} KiB more")
    raw.process.kill()
    gateway.wait_agents("flood", count=0, ports=None)
    equal(client.process.poll(), None, "status of another")


def test_requests_without_end(t):
    """Ports, thousands of them; what was got is freed with its session."""
    gateway = Gateway(t)
    raw = Raw(t, gateway)
    before = gateway.proxy.settled_descriptors()
    raw.send_all([(GLOBAL, string("tcpip-forward"), True,
                   string("127.0.0.1"), 0)] * 2000)
    answers = [raw.next(YES, NO, seconds=30).kind for _ in range(2000)]
    check(answers[0] == YES, "the first was refused")
    well(t, gateway)
    raw.end()
    wait_until(lambda: gateway.proxy.descriptors() < before, "descriptors",
               20)


LONG = string(b"x" * 200000)
DIRECT = OPEN, string("direct-tcpip"), 1, 1 << 20, 1 << 15
FORWARD = GLOBAL, string("tcpip-forward"), True
MALFORMED_OPENS = (
    (OPEN,), (OPEN, b"\0\0"), (OPEN, string("direct-tcpip")),
    (OPEN, string("direct-tcpip"), 1, 2, 3, WHOLE),
    (*DIRECT, LONG, 80, string("x"), 1), (OPEN, WHOLE, b"x" * 100),
    (*DIRECT, string("127.0.0.1"), 1 << 16, string("x"), 1),
    (*DIRECT, string("a\0b"), 80, string("x"), 1),
    (*DIRECT, string(""), 0, string(""), 0))
MALFORMED_FOR_CHANNELS = (
    (DATA, 7, string("x")), (DATA, WHOLE, string("x")), (DATA,),
    (DATA, 0, b"x" * 300000), (ADJUST, 7, 7), (ADJUST, WHOLE, WHOLE),
    (ADJUST,), (EOF, 7), (CLOSE, 7), (CLOSE,), (CONFIRMED, 7, 7, 7, 7),
    (CONFIRMED,), (REFUSED, 7, 1, string("x"), string("")),
    (REQUEST, 7, string("exec"), True), (REQUEST,))
MALFORMED_OTHERS = (
    (GLOBAL,), (GLOBAL, WHOLE), (GLOBAL, string("x")), FORWARD,
    (*FORWARD, string("localhost")), (*FORWARD, string("localhost"), 1 << 16),
    (*FORWARD, string("localhost"), WHOLE), (*FORWARD, LONG, 0),
    (GLOBAL, string("cancel-tcpip-forward"), True), (YES,), (NO,), (YES, 7),
    (99, 7), (100, WHOLE), (79,), (101,), (127, b"x" * 99),
    (5, string("ssh-userauth")), (50, string("root")), (30, b"x"),
    (20, bytes(500)), (21,), (1, 2, string("bye"), string("")))


def malformed(t, packets):
    """The session may end, nobody else's does."""
    echo = t.server(Echo)
    gateway = Gateway(t)
    proxy = dynamic(t, gateway, name="other")
    keeps = through(t, proxy, echo)
    for packet in packets:
        raw = Raw(t, gateway)
        raw.send(*packet)
        raw.send(GLOBAL, string("keepalive@openssh.com"), True)
        try:
            raw.next(YES, NO, seconds=2)
        except Failed:
            pass
        raw.end()
    check_echo(keeps)
    well(t, gateway)


def test_malformed_opens(t):
    """Cut short, too long, of ports that are none."""
    malformed(t, MALFORMED_OPENS)


def test_malformed_packets_for_channels(t):
    """Of channels that are not there, and cut short."""
    malformed(t, MALFORMED_FOR_CHANNELS)


def test_malformed_others(t):
    malformed(t, MALFORMED_OTHERS)


# --- windows ------------------------------------------------------------------

def test_window_that_overflows(t):
    """2^32-1 and more: it is the whole, or the end, or nothing for one whose
    window is 0 when it has gone over, and never a crash."""
    data = pattern(MEGABYTE)
    source = t.server(Source, data)
    gateway = Gateway(t)
    for window, more in ((WHOLE, ()), (WHOLE, (WHOLE, WHOLE)), (1, (WHOLE,)),
                         (1 << 31, (1 << 31, 1 << 31))):
        raw = Raw(t, gateway)
        raw.send_all([raw.opening(1, "127.0.0.1", source.port, window)])
        try:
            peer = raw.opened_to(1)
            for number in more:
                raw.send(ADJUST, peer, number)
            check(raw.take(1, MEGABYTE) == data, "what came differs")
        except Failed as error:
            check("ended before" in str(error) or more, str(error))
        raw.end()
    well(t, gateway)


def test_window_of_0(t):
    """Nothing comes but what fits, byte for byte."""
    data = pattern(1 << 16)
    source = t.server(Source, data)
    gateway = Gateway(t)
    raw = Raw(t, gateway)
    peer = raw.open(1, "127.0.0.1", source.port, 0)
    raw.rest()
    check(not [body for body in raw.packets if body.kind == DATA],
          "it sent past the window")
    got = b""
    for number in (1, 2, 3, 100, 1000):
        raw.send(ADJUST, peer, number)
        some = raw.take(1, number)
        equal(len(some), number, "bytes")
        got += some
    raw.send(ADJUST, peer, 1 << 20)
    got += raw.take(1, len(data) - len(got))
    check(got == data, "what came differs")
    raw.next(EOF, channel=1)


def test_small_packets(t):
    """A peer that takes few bytes in one, or none at all: it has all, or its
    session's end, and costs no more than others."""
    data = pattern(2000)
    source, echo = t.server(Source, data), t.server(Echo)
    gateway = Gateway(t)
    proxy = dynamic(t, gateway)
    for most in (1 << 15, 1000, 11, 10, 9, 1, 0):
        raw = Raw(t, gateway)
        before = gateway.proxy.cpu(), gateway.proxy.pss()
        try:
            raw.open(1, "127.0.0.1", source.port, most=most)
            check(raw.take(1, len(data)) == data, f"{most}: what came")
        except Failed as error:
            check("ended before" in str(error) or most < 2,
                  f"{most}: {error}")
        sock = through(t, proxy, echo)
        check_echo(sock)
        spent = gateway.proxy.cpu() - before[0]
        check(spent < scaled(0.5), f"{most}: {spent:.2f} s of processor")
        if not SANITIZED:
            grown = gateway.proxy.pss() - before[1]
            check(grown < 4 * MEGABYTE, f"{most}: {grown >> 10} KiB more")
        raw.end()
    well(t, gateway)


def test_more_than_the_window(t):
    """A peer that sends past what it may: its session or channel ends, or
    all arrives; what is kept is bounded."""
    hold = t.server(Hold)
    gateway = Gateway(t)
    raw = Raw(t, gateway)
    peer = raw.open(1, "127.0.0.1", hold.port)
    before = gateway.proxy.pss()
    block = (DATA, peer, string(bytes(30000)))
    for _ in range(20):
        raw.send_all([block] * 100)
    time.sleep(1)
    if not SANITIZED:
        grown = gateway.proxy.pss() - before
        check(grown < 24 * MEGABYTE, f"{grown >> 10} KiB more")
    well(t, gateway)


def test_odd_ends(t):
    """Data behind an EOF, two EOFs, two CLOSEs, data behind a CLOSE, stderr's
    data; the connection's others go on."""
    echo = t.server(Echo)
    gateway = Gateway(t)
    data = (DATA, None, string("x"))
    for packets in ([(EOF,), data], [(EOF,), (EOF,)], [(CLOSE,), data],
                    [(CLOSE,), (CLOSE,)], [(CLOSE,), (EOF,)],
                    [(EXTENDED, None, 1, string("x"))],
                    [(ADJUST, None, 0)], [(REQUEST, None, string("shell"),
                                           True)]):
        raw = Raw(t, gateway)
        peer = raw.open(1, "127.0.0.1", echo.port)
        for kind, *rest in packets:
            raw.send(kind, peer, *rest[1:])
        try:
            other = raw.open(2, "127.0.0.1", echo.port)
            raw.send(DATA, other, string("there"))
            equal(raw.take(2, 5), b"there", "echo of another")
        except Failed as error:
            check("ended before" in str(error), f"{packets}: {error}")
        raw.end()
    well(t, gateway)


# --- agents that do as they like ----------------------------------------------

def through_odd(t, answers, seconds=10):
    """A gateway, an agent that answers so, and a client that asked through
    it."""
    gateway = Gateway(t, "--connect-timeout", "2")
    raw = Raw(t, gateway, answers=answers)
    raw.listen(0)
    gateway.wait_agents()
    sock = t.socket(gateway.socks, seconds=seconds)
    sock.sendall(GREETING + socks5("127.0.0.1", 80))
    take(sock, 2)
    return gateway, raw, sock


def test_agent_that_answers_nothing(t):
    """Its clients have a code when the time to connect is over."""
    for answers in (None, (CONFIRMED, 1 << 20, 1 << 15)):
        gateway, raw, sock = through_odd(t, answers)
        check(take(sock, 10) in (socks5_reply(1), socks5_reply(6)), "reply")
        gone(sock)
        well(t, gateway)
        raw.end()


def test_agent_that_speaks_no_socks(t):
    """What it says is no reply: code 01, and soon."""
    for text in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\xff",
                 b"\x05\x00\x05\x00\x00\x09", b"\x04\x5a" + bytes(6),
                 b"\x05\x02\x01\x01", b"\x05\x00\x05\x77\x00\x01" + bytes(6),
                 b"x" * 100000):
        gateway, raw, sock = through_odd(t, (CONFIRMED, 1 << 20, 1 << 15))
        raw.wait(lambda: raw.opened, "a channel")
        raw.send(DATA, raw.opened[1000][0], string(text))
        code = take(sock, 10)
        check(code[0] == 5 and code[1] != 0, f"reply {code!r} to {text!r}")
        gone(sock)
        raw.end()


def test_agent_with_odd_windows(t):
    """One that may be sent nothing yet, or one byte at a time: the request
    goes when it may."""
    for window, most in ((0, 1 << 15), (1, 1 << 15), (1 << 20, 1),
                         (WHOLE, WHOLE), (3, 2)):
        gateway, raw, sock = through_odd(t, (CONFIRMED, window, most))
        raw.wait(lambda: raw.opened, "a channel")
        peer = raw.opened[1000][0]
        raw.send(ADJUST, peer, 1000)
        asked = b""
        while b"\x00\x50" not in asked:
            asked += raw.next(DATA, channel=1000).string()
        raw.send(DATA, peer, string(b"\x05\x00\x05\x00\x00\x01" + bytes(6) +
                                    b"hello"))
        equal(take(sock, 15), b"\x05\x00\x00\x01" + bytes(6) + b"hello",
              f"reply with {window}, {most}")
        raw.end()


# --- many on one session ------------------------------------------------------

def test_stalled_reader_holds_up_no_other(t):
    """One of 100 channels of a session is not read; what is kept for it is
    bounded."""
    whole = 32 * MEGABYTE
    source, echo = t.server(Source, bytes(whole)), t.server(Echo)
    gateway = Gateway(t)
    proxy = dynamic(t, gateway)
    agent(t, gateway)
    for where in (gateway.socks, proxy):
        small = [through(t, where, echo) for _ in range(98)]
        stalled = through(t, where, source)
        take(stalled, 1)
        before = gateway.proxy.pss()
        good = through(t, where, source)
        good.settimeout(scaled(30))
        equal(len(take_all(good)), whole, "bytes of another")
        for sock in small:
            check_echo(sock)
        if not SANITIZED:
            grown = gateway.proxy.pss() - before
            check(grown < 12 * MEGABYTE, f"{grown >> 10} KiB more")
        stalled.settimeout(scaled(30))
        equal(len(take_all(stalled)), whole - 1, "bytes of the stalled one")


def test_stalled_target_holds_up_no_other(t):
    hold, sink = t.server(Hold), t.server(Sink)
    gateway = Gateway(t)
    agent(t, gateway)
    stalled = through(t, gateway.socks, hold)
    stalled.setblocking(False)
    try:
        for _ in range(256):
            stalled.send(bytes(MEGABYTE))
            time.sleep(0.001)
    except BlockingIOError:
        pass
    sock = through(t, gateway.socks, sink)
    sock.settimeout(scaled(30))
    sock.sendall(bytes(16 * MEGABYTE))
    sock.shutdown(socket.SHUT_WR)
    equal(len(take_all(sock)), 64, "length of the sum")


def test_few_descriptors(t):
    """RLIMIT_NOFILE=64 and 200 clients of each kind: nothing spins, and
    after them all is well."""
    echo = t.server(Echo)
    gateway = Gateway(t, wrap=("sh", "-c", 'ulimit -n 64; exec "$@"', "sh"))
    port = free_port()
    agent(t, gateway, spec=port)
    socks = []
    for index in range(200):
        for address in (gateway.socks, ("127.0.0.1", port),
                        ("127.0.0.1", gateway.port)):
            try:
                sock = t.socket(address)
                if address[1] != gateway.port:
                    sock.sendall(GREETING + socks5("127.0.0.1", echo.port))
                socks.append(sock)
            except OSError:
                pass
    time.sleep(1)
    before = gateway.proxy.cpu()
    time.sleep(1)
    spent = gateway.proxy.cpu() - before
    check(spent < 0.3, f"{spent} s of processor time in one second")
    for sock in socks:
        sock.close()

    def works():
        try:
            check_echo(open_socks5(t, gateway.socks, "127.0.0.1", echo.port))
            check_echo(open_socks5(t, ("127.0.0.1", port), "127.0.0.1",
                                   echo.port))
            return True
        except (OSError, Failed):
            return False
    wait_until(works, "that all is well", 20)
    well(t, gateway)
