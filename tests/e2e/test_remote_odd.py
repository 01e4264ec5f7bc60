"""Ports on gateways that are no OpenSSH: dropbear, and a server that does what
it should not."""
import signal

from harness import check, equal, free_port, matches, wait_until
from origins import Echo, Source
from remote import (dynamic, fixed, free_ports, leads, listeners, remote,
                    wait_free, works)
from sshd import Dropbear, Odd
from test_remote_bind import BINDS, bound, names
from test_ssh_odd import KILOBYTE, check_transfers
from wire import (check_echo, gone, open_socks5, take_all, through,
                  turned_away)

NAMESPACE = True

EXIT = "-o", "ExitOnForwardFailure=yes"


# --- dropbear -----------------------------------------------------------------

def test_dropbear_fixed(t):
    proxy, port = fixed(t, Dropbear(t), t.server(Echo))
    check_echo(t.socket(port.address))


def test_dropbear_dynamic(t):
    proxy, port = dynamic(t, Dropbear(t))
    check_transfers(t, port, 2000 * KILOBYTE)


def test_dropbear_many(t):
    echo = t.server(Echo)
    proxy, port = dynamic(t, Dropbear(t))
    socks = [open_socks5(t, port, "127.0.0.1", echo.port)
             for _ in range(100)]
    for sock in socks:
        check_echo(sock)


def check_dropbear_binds(t, *options):
    """The same as for stock ssh."""
    names(t)
    server = Dropbear(t, *options)
    found = {}
    for program in ("ssh", "culvert"):
        found[program] = bound(t, program, server,
                               dict.fromkeys(BINDS, ":127.0.0.1:1"))
    equal(found["culvert"], found["ssh"], "addresses")
    return found["ssh"]


def test_dropbear_binds(t):
    found = check_dropbear_binds(t)
    check(not set(sum(found.values(), [])) & {"0.0.0.0", "::", "*"},
          f"more than loopback: {found}")


def test_dropbear_binds_with_gateway_ports(t):
    """-a."""
    found = check_dropbear_binds(t, "-a")
    check(set(found["*:"]) & {"0.0.0.0", "::", "*"},
          f"not everywhere: {found['*:']}")


def check_dropbear_refuses(t, server):
    port = free_port()
    status, said = t.fails("-R", port, *EXIT, *server.args())
    equal(status, 255, f"exit status: {said}")
    matches(f"culvert: -R {port}: remote port forwarding failed for listen "
            f"port {port}: ", said, "message")


def test_dropbear_without_remote_forwards(t):
    """-k."""
    check_dropbear_refuses(t, Dropbear(t, "-k"))


def test_dropbear_key_with_restrictions(t):
    check_dropbear_refuses(t, Dropbear(t, restrict="no-port-forwarding"))


def test_dropbear_comes_back(t):
    echo = t.server(Echo)
    server = Dropbear(t)
    proxy, port = dynamic(t, server)
    for _ in range(3):
        server.kill_sessions()
        wait_until(lambda: works(t, port, echo), "the port")


def test_dropbear_port_goes_with_us(t):
    proxy, port = dynamic(t, Dropbear(t))
    check(listeners(t, port.port), "nobody listens")
    proxy.stop()
    wait_free(t, port.port)


# --- sizes --------------------------------------------------------------------

def odd(t, **behaviour):
    """A SOCKS port of a server that behaves so."""
    server = Odd(t, **behaviour)
    proxy, port = dynamic(t, server)
    return server, proxy, port


def test_stock(t):
    check_transfers(t, odd(t)[2], 2000 * KILOBYTE)


def test_window_of_one_byte(t):
    check_transfers(t, odd(t, window=1)[2], 700)


def test_packets_of_one_byte(t):
    check_transfers(t, odd(t, max_packet=1, send_packet=1)[2], 3 * KILOBYTE)


def test_both_of_one_byte(t):
    check_transfers(t, odd(t, window=1, max_packet=1, send_packet=1)[2], 700)


def test_odd_sizes(t):
    port = odd(t, window=4097, max_packet=1023, send_packet=7)[2]
    check_transfers(t, port, 100 * KILOBYTE)


def test_largest_window(t):
    check_transfers(t, odd(t, window=(1 << 32) - 1)[2], 1000 * KILOBYTE)


def test_key_exchanges(t):
    server, proxy, port = odd(t, rekey_bytes=200000)
    check_transfers(t, port, 2000 * KILOBYTE)
    check(len(server.lines("kexinit")) > 10,
          f"{len(server.lines('kexinit'))} key exchanges")


# --- what is asked ------------------------------------------------------------

def test_what_is_asked(t):
    """RFC 4254 (7.1): the address as it was written, "" for all."""
    server = Odd(t)
    ends = dict(zip(("", ":", "*:", "localhost:", "127.0.0.1:", "0.0.0.0:",
                     "[::]:", "[::1]:", "gateway.test:"), free_ports(9)))
    words = [word for start, port in ends.items()
             for word in ("-R", f"{start}{port}")]
    remote(t, server, *words)
    asked = {"": "localhost", ":": "", "*:": ""}
    wanted = [f"listen [{asked.get(start, start[:-1].strip('[]'))}]:{port}"
              for start, port in ends.items()]
    equal(sorted(server.lines("listen ")), sorted(wanted), "requests")


def test_what_is_cancelled(t):
    """SSH-3: the same address; of port 0 the number that it got."""
    server = Odd(t)
    port, = free_ports(1)
    proxy, found = remote(t, server, "-R", f"*:{port}", "-R", "0")
    proxy.signal(signal.SIGTERM)
    server.wait_line(rf"^cancel \[\]:{port}$")
    server.wait_line(rf"^cancel \[localhost\]:{found[1].port}$")
    equal(proxy.wait(), 0, "exit status")


# --- channels -----------------------------------------------------------------

def check_rings(t, accepted, ring, **behaviour):
    """How many of the channels that it opens are taken, and that it works
    afterwards."""
    server, proxy, port = odd(t, rings=[ring], **behaviour)
    count = ring[3]
    line = server.wait_line(rf"^rang {ring[0]} {count} refused ", 30)
    refused = int(line.split()[-1])
    if accepted is not None:
        equal(count - refused, accepted, "channels taken")
    check_echo(through(t, port, t.server(Echo)))
    equal(len(server.lines("login")), 1, "logins")
    return proxy


def test_channels_of_a_port_of_ours(t):
    check_rings(t, 3, ["behind", None, None, 3])


def test_channels_of_a_port_never_asked_for(t):
    """SSH-4: they must be refused."""
    check_rings(t, 0, ["behind", None, 1, 20])


def test_channels_of_nothing_asked_for(t):
    check_rings(t, 0, ["behind", "203.0.113.1", 1, 20])


def test_channels_of_a_long_address(t):
    check_rings(t, 0, ["behind", "x" * 5000, 1, 20])


def test_channels_of_a_port_past_the_last(t):
    check_rings(t, 0, ["behind", None, 70000 + (1 << 16), 20])


def test_channels_before_the_reply(t):
    """SSH-3 in the other order: each has an answer."""
    check_rings(t, None, ["before", None, None, 20])


def test_thousands_of_channels(t):
    """At once, by a server that waits for no client."""
    check_rings(t, None, ["behind", None, None, 3000])


def test_address_in_another_spelling(t):
    """Matched by its port, which is the only one."""
    for spelling in ("127.0.0.1", "::", "", "0.0.0.0", "gateway", "LOCALHOST",
                     "\x1b[31m"):
        proxy, port = fixed(t, Odd(t, spells=spelling), t.server(Echo))
        check(leads(t, port), f"not when it is called {spelling!r}")
        proxy.stop()


def two_of_one_port(t, **behaviour):
    server = Odd(t, **behaviour)
    one, two = t.server(Source, b"one"), t.server(Source, b"two")
    port = free_port()
    proxy, _ = remote(t, server, "-R", f"127.0.0.1:{port}:127.0.0.1:"
                      f"{one.port}", "-R", f"127.0.0.2:{port}:127.0.0.1:"
                      f"{two.port}")
    return ("127.0.0.1", port), ("127.0.0.2", port)


def test_two_of_one_port(t):
    one, two = two_of_one_port(t)
    equal(take_all(t.socket(one)), b"one", "what the first has")
    equal(take_all(t.socket(two)), b"two", "what the second has")


def test_two_of_one_port_on_one_link(t):
    """In another spelling nobody knows which is meant, unless they are on a
    link each."""
    server = Odd(t, spells="gateway")
    one, two = t.server(Source, b"one"), t.server(Source, b"two")
    port = free_port()
    remote(t, server, "-R", f"127.0.0.1:{port}:127.0.0.1:{one.port}", "-R",
           f"127.0.0.2:{port}:127.0.0.1:{two.port}", "--connections", "1")
    for host in ("127.0.0.1", "127.0.0.2"):
        turned_away(t, (host, port))


# --- replies ------------------------------------------------------------------

def test_port_0_in_a_rush(t):
    """The number is right, whatever comes in one with it."""
    for count in (1, 2, 7, 50):
        proxy, (port,) = remote(t, Odd(t, rush=count), "-R", "0")
        equal(listeners(t, port.port), ["127.0.0.1"], "addresses")
        check_echo(through(t, port, t.server(Echo)))
        proxy.stop()


def test_port_0_with_channels_behind_it(t):
    server = Odd(t, rush=3, rings=[["behind", None, None, 5]])
    proxy, (port,) = remote(t, server, "-R", "0")
    server.wait_line("^rang behind 5 refused 0$")
    equal(listeners(t, port.port), ["127.0.0.1"], "addresses")
    check_echo(through(t, port, t.server(Echo)))


def test_many_of_port_0_in_a_rush(t):
    """Each has its own number."""
    words = [word for index in range(20)
             for word in ("-R", f"0:127.0.0.1:{index + 1}")]
    proxy, found = remote(t, Odd(t, rush=5), *words, "--connections", "1")
    equal(len({port.port for port in found}), 20, "ports")
    for port in found:
        equal(listeners(t, port.port), ["127.0.0.1"], "addresses")


def test_port_that_cannot_be(t):
    """A number past the last for port 0: no port, and the rest works."""
    server = Odd(t, allocates=70000)
    proxy = t.culvert("-R", "0", "-D", "127.0.0.1:0", *server.args())
    proxy.wait_line("-R 0: ")
    check_echo(through(t, proxy, t.server(Echo)))


def test_refused_without_a_reason(t):
    port = free_port()
    status, said = t.fails("-R", port, *EXIT, *Odd(t, listens="refuse").args())
    equal(status, 255, f"exit status: {said}")
    matches(f"culvert: -R {port}: remote port forwarding failed for listen "
            f"port {port}: .", said, "message")


def test_never_answered(t):
    """The keep-alive finds that nobody answers; the next link has its
    answer."""
    server, echo = Odd(t, listens="never"), t.server(Echo)
    port = free_port()
    proxy = t.culvert("-R", port, "-o", "ServerAliveInterval=1", "-o",
                      "ServerAliveCountMax=2", *server.args(), listeners=0)
    server.wait_line("^listen ")
    server.wait_line("^login", 20, count=2)
    proxy.wait_line(f"listening on localhost:{port} at ")
    check_echo(through(t, ("127.0.0.1", port), echo))


# --- ends ---------------------------------------------------------------------

def test_end_without_close(t):
    server, proxy, port = odd(t, ends="eof-only")
    source = t.server(Source, b"all of it")
    sock = through(t, port, source)
    equal(take_all(sock), b"all of it", "what came")
    sock.close()
    source.wait_seen()
    check_echo(through(t, port, t.server(Echo)))


def test_close_at_once(t):
    """A client that is gone before it is there."""
    server, proxy, port = odd(t, ends="at-once")
    for _ in range(10):
        turned_away(t, port.address)
    equal(len(server.lines("login")), 1, "logins")


def test_drops_the_link(t):
    """With every port it has granted; they come back."""
    echo = t.server(Echo)
    server = Odd(t)
    proxy, port = dynamic(t, server)
    sock = through(t, port, echo)
    check_echo(sock)
    server.stop()
    gone(sock)
    server.start()
    wait_until(lambda: works(t, port, echo), "the port")
