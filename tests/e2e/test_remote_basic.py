"""Ports that a stock sshd listens on for us (-R): with a fixed target and as
a SOCKS proxy, several at once, both ends of what goes through them, and what
becomes of a client whose target can't be reached."""
import hashlib
import os
import socket
import threading

from dns import name_server
from harness import SANITIZED, check, equal, free_port, matches, wait_until
from hosts import dead_ends
from mux import refuses
from origins import Both, Echo, Full, Http, Keep, Refused, Sink, Source
from remote import (dynamic, fixed, free_ports, listeners, low, ports, remote,
                    wait_free)
from sshd import Sshd
from test_programs import curl, fetch
from test_ssh_basic import HOSTS, MEGABYTE, check_replies, in_threads, pattern
from wire import (GREETED, GREETING, check_echo, gone, open_socks5, socks5,
                  take, take_all, take_reply, through, turned_away)

NAMESPACE = True

SIZE = (8 if SANITIZED else 64) * MEGABYTE


# --- where they lead ----------------------------------------------------------

def test_to_tcp(t):
    echo = t.server(Echo)
    proxy, port = fixed(t, Sshd(t), echo)
    check_echo(t.socket(port.address))


def test_to_a_name(t):
    echo = t.server(Echo)
    proxy, (port,) = remote(t, Sshd(t), "-R",
                            f"{free_port()}:localhost:{echo.port}")
    check_echo(t.socket(port.address))


def test_to_a_unix_socket(t):
    echo = t.server(Echo, t.tmp("near"))
    proxy, (port,) = remote(t, Sshd(t), "-R", f"{free_port()}:{echo.host}")
    check_echo(t.socket(port.address))
    equal(echo.accepted, 1, "connections made")


def test_dynamic(t):
    proxy, port = dynamic(t, Sshd(t))
    check_echo(through(t, port, t.server(Echo)))


def test_on_both_loopbacks(t):
    """"localhost" is an address of each family."""
    proxy, port = fixed(t, Sshd(t), t.server(Echo))
    check_echo(t.socket(("::1", port.port)))


def test_ready_lines(t):
    """They tell what was asked for, of whom, and what is behind it."""
    server = Sshd(t)
    one, two = free_ports(2)
    near = t.tmp("near")
    proxy, found = remote(t, server, "-R", f"{one}:localhost:3000", "-R",
                          f"*:{two}", "-R", f"127.0.0.1:0:{near}")
    who = f"{server.user}@127.0.0.1:{server.port}"
    equal(proxy.listening[:2],
          [(f"localhost:{one} at {who}", "to localhost:3000, via tcp"),
           (f"*:{two} at {who}", "socks, via tcp")], "ready lines")
    equal((found[2].host, found[2].server), ("127.0.0.1", who), "the third")
    equal(found[2].what, f"to {near}, via tcp", "what the third is")


def test_many_together(t):
    """Of each kind some, with -D and -L beside them."""
    server = Sshd(t)
    one, two = low(t, Echo), low(t, Source, b"two")
    three = t.server(Source, b"three", host=t.tmp("near"))
    first, second = free_ports(2)
    proxy, found = remote(
        t, server, "-R", f"{first}:127.0.0.1:{one.port}", "-D",
        "127.0.0.1:0", "-R", second, "-R", f"0:127.0.0.1:{two.port}", "-L",
        f"127.0.0.1:0:127.0.0.1:{two.port}", "-R", f"0:{three.host}")
    here = {what.split(",")[0]: ("127.0.0.1", int(where.rpartition(":")[2]))
            for where, what in proxy.listening if " at " not in where}
    there = {port.what.split(",")[0]: port for port in found}
    check_echo(t.socket(there.pop(f"to 127.0.0.1:{one.port}").address))
    check_echo(through(t, there.pop("socks"), one))
    for kind, text in ((f"to 127.0.0.1:{two.port}", b"two"),
                       (f"to {three.host}", b"three")):
        equal(take_all(t.socket(there.pop(kind).address)), text, kind)
    equal(there, {}, "other ports")
    check_echo(through(t, here.pop("socks"), one))
    equal(take_all(t.socket(here.popitem()[1])), b"two", "what -L has")


def test_same_port_on_two_addresses(t):
    """Each leads to its own."""
    one, two = t.server(Source, b"one"), t.server(Source, b"two")
    server = Sshd(t, GatewayPorts="clientspecified")
    port = free_port()
    remote(t, server, "-R",
           f"127.0.0.1:{port}:127.0.0.1:{one.port}", "-R",
           f"127.0.0.2:{port}:127.0.0.1:{two.port}")
    equal(take_all(t.socket(("127.0.0.1", port))), b"one", "the first")
    equal(take_all(t.socket(("127.0.0.2", port))), b"two", "the second")


def test_links_are_shared(t):
    """Ten ports are no ten logins."""
    server = Sshd(t)
    specs = [word for index in range(10)
             for word in ("-R", f"0:localhost:{index + 1}")]
    proxy, found = remote(t, server, *specs)
    equal(len({port.port for port in found}), 10, "ports")
    check(len(server.sessions()) <= 4, f"{len(server.sessions())} links")


def test_second_port_has_a_link_of_its_own(t):
    """So that one's bulk does not hold up the other; --connections says how
    many there may be."""
    server = Sshd(t)
    for options, count in (((), 2), (("--connections", "1"), 1)):
        proxy, _ = remote(t, server, "-R", "0", "-R", "0:localhost:1",
                          *options)
        equal(len(server.wait_sessions(count)), count, "links")
        proxy.stop()
        server.wait_sessions(0)


def test_from_the_configuration(t):
    """RemoteForward, in its three forms."""
    echo = t.server(Echo)
    server = Sshd(t)
    one, two = free_ports(2)
    config = t.file("config", f"Host *\n  RemoteForward {one}\n"
                    f"  RemoteForward {two} 127.0.0.1:{echo.port}\n"
                    f"  RemoteForward 127.0.0.1:0 {t.tmp('near')}\n")
    proxy = t.culvert(*server.args(), "-F", config, listeners=3)
    check_echo(through(t, ("127.0.0.1", one), echo))
    check_echo(t.socket(("127.0.0.1", two)))
    equal(ports(proxy)[2].what, f"to {t.tmp('near')}, via tcp", "the third")


# --- port 0 -------------------------------------------------------------------

def check_allocated(t, spec, target, *options):
    """ssh's own line, and the ready line, have one number."""
    proxy, (port,) = remote(t, Sshd(t), "-R", spec, *options)
    equal([line for line in proxy.lines() if "Allocated" in line],
          [f"Allocated port {port.port} for remote forward to {target}"],
          "lines")
    equal(listeners(t, port.port), ["127.0.0.1", "::1"], "addresses")


def test_port_0(t):
    check_allocated(t, "0:localhost:3000", "localhost:3000")


def test_port_0_dynamic(t):
    check_allocated(t, "0", "socks:0")


def test_port_0_to_a_unix_socket(t):
    check_allocated(t, f"0:{t.tmp('near')}", f"{t.tmp('near')}:-2")


def test_port_0_is_printed_even_quietly(t):
    check_allocated(t, "0:localhost:3000", "localhost:3000", "-q")


def test_port_that_is_given_is_not_allocated(t):
    proxy, port = dynamic(t, Sshd(t))
    check("Allocated" not in proxy.text(), "a line about a port")


# --- curl ---------------------------------------------------------------------

def check_curl(t, scheme, hosts, *options):
    web = t.server(Http)
    proxy, port = dynamic(t, Sshd(t))
    for host in hosts:
        fetch(t, f"{scheme}://127.0.0.1:{port.port}", web.url(host), *options)
    refused = t.server(Refused)
    status, out, said = curl(t, f"{scheme}://127.0.0.1:{port.port}",
                             f"http://127.0.0.1:{refused.port}/", *options)
    equal(out, b"", "a page of nobody's")
    return status, said


def test_curl_socks4(t):
    equal(check_curl(t, "socks4", ("127.0.0.1", "localhost"))[0], 97,
          "exit status of a refused port")


def test_curl_socks4a(t):
    equal(check_curl(t, "socks4a", ("127.0.0.1", "localhost"))[0], 97,
          "exit status of a refused port")


def test_curl_socks5(t):
    status, said = check_curl(t, "socks5", HOSTS)
    equal(status, 97, "exit status of a refused port")
    matches(r"\(5\)", said, "curl's word for the reply")


def test_curl_socks5h(t):
    status, said = check_curl(t, "socks5h", HOSTS)
    equal(status, 97, "exit status of a refused port")
    matches(r"\(5\)", said, "curl's word for the reply")


def test_curl_http(t):
    status, said = check_curl(t, "http", HOSTS, "-p")
    equal(status, 56, "exit status of a refused port")
    matches("502", said, "curl's word for the answer")


# --- what fails, and why ------------------------------------------------------

def test_refused(t):
    proxy, port = dynamic(t, Sshd(t))
    for host in ("127.0.0.1", "::1"):
        check_replies(t, port, host, t.server(Refused, host).port, 5, 502)
    proxy.wait_line("reason=refused")


def test_unknown_name(t):
    name_server(t, {})
    proxy, port = dynamic(t, Sshd(t))
    check_replies(t, port, "no-such.test", 80, 4, 502)
    proxy.wait_line("reason=name-not-found")


def test_unreachable(t):
    """A host, and a network, without a way to it."""
    dead_ends(t)
    proxy, port = dynamic(t, Sshd(t))
    check_replies(t, port, "10.78.0.1", 80, 4, 502)
    check_replies(t, port, "203.0.113.1", 80, 3, 502)


def test_fixed_target_that_refuses(t):
    """Its client is sent away without a word; the next is served."""
    server = Sshd(t)
    far, near = free_ports(2)
    proxy, (port,) = remote(t, server, "-R", f"{far}:127.0.0.1:{near}")
    turned_away(t, port.address)
    equal(proxy.session()["reason"], "refused", "reason")
    t.server(Echo, port=near)
    check_echo(t.socket(port.address))


def test_fixed_target_of_an_unknown_name(t):
    name_server(t, {})
    proxy, (port,) = remote(t, Sshd(t), "-R",
                            f"{free_port()}:no-such.test:80")
    turned_away(t, port.address)
    equal(proxy.session()["reason"], "name-not-found", "reason")


def test_fixed_unix_socket_that_is_not_there(t):
    near = t.tmp("near")
    proxy, (port,) = remote(t, Sshd(t), "-R", f"{free_port()}:{near}")
    turned_away(t, port.address)
    t.server(Echo, near)
    check_echo(t.socket(port.address))


def test_data_before_the_target_answers(t):
    """What the client sends while its target is dialled arrives."""
    echo = t.server(Echo)
    proxy, port = fixed(t, Sshd(t), echo)
    sock = t.socket(port.address)
    sock.sendall(b"early")
    equal(take(sock, 5), b"early", "echo")


def test_request_and_data_in_one(t):
    proxy, port = dynamic(t, Sshd(t))
    echo = t.server(Echo)
    sock = t.socket(port.address)
    sock.sendall(GREETING + socks5("127.0.0.1", echo.port) + b"early")
    equal(take(sock, 2), GREETED, "method")
    equal(take_reply(sock)[0], 0, "reply")
    equal(take(sock, 5), b"early", "echo")


def test_slow_target_stalls_its_own_channel(t):
    """Nobody answers a SYN to it; others on the same link are served."""
    full, echo = t.server(Full), t.server(Echo)
    server = Sshd(t)
    one, two = free_ports(2)
    proxy, found = remote(t, server, "-R", f"{one}:127.0.0.1:{full.port}",
                          "-R", two, "--connections", "1")
    stalled = [t.socket(("127.0.0.1", one)) for _ in range(10)]
    for _ in range(10):
        sock = t.socket(("127.0.0.1", two))
        sock.sendall(GREETING + socks5("127.0.0.1", full.port))
        equal(take(sock, 2), GREETED, "method")
        stalled.append(sock)
    for _ in range(20):
        sock = through(t, ("127.0.0.1", two), echo)
        check_echo(sock)
        sock.close()
    for sock in stalled:
        sock.close()


# --- both ends ----------------------------------------------------------------

def ways(t, server):
    """A client by a fixed port and one by a SOCKS port, one after the
    other, each of a server of its own."""
    proxy, port = fixed(t, Sshd(t), server)
    yield t.socket(port.address, seconds=50)
    proxy, port = dynamic(t, Sshd(t))
    sock = through(t, port, server)
    sock.settimeout(50)
    yield sock


def test_half_close_by_the_client(t):
    for sock in ways(t, t.server(Sink)):
        sock.sendall(b"all there is")
        sock.shutdown(socket.SHUT_WR)
        equal(take_all(sock).decode(),
              hashlib.sha256(b"all there is").hexdigest(), "answer")


def test_half_close_by_the_target(t):
    source = t.server(Source, b"so long")
    for count, sock in enumerate(ways(t, source), 1):
        equal(take_all(sock), b"so long", "what came")
        sock.sendall(b"and thanks")
        sock.shutdown(socket.SHUT_WR)
        equal(source.wait_seen(count)[-1], b"and thanks", "what arrived")


def test_client_that_leaves_ends_the_target(t):
    keep = t.server(Keep)
    for count, sock in enumerate(ways(t, keep), 1):
        sock.sendall(b"x")
        sock.close()
        equal(keep.wait_seen(count)[-1], b"x", "what arrived")


def test_large_download(t):
    data = pattern(SIZE)
    for sock in ways(t, t.server(Source, data)):
        check(take_all(sock) == data, "what came differs")


def test_large_upload(t):
    data = pattern(SIZE)
    digest = hashlib.sha256(data).hexdigest()
    for sock in ways(t, t.server(Sink)):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        equal(take_all(sock).decode(), digest, "sum")


def test_large_both_ways_at_once(t):
    data = pattern(SIZE)
    digest = hashlib.sha256(data).hexdigest()
    both = t.server(Both, data)
    for count, sock in enumerate(ways(t, both), 1):
        sender = threading.Thread(target=lambda sock=sock: (
            sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        check(take_all(sock) == data, "what came differs")
        sender.join()
        equal(both.wait_seen(count)[-1], digest, "sum of what arrived")


# --- many ---------------------------------------------------------------------

def test_500_at_once(t):
    """All open, each with its own bytes; then all are gone."""
    echo = t.server(Echo)
    proxy, port = dynamic(t, Sshd(t))
    socks = [open_socks5(t, port, "127.0.0.1", echo.port)
             for _ in range(500)]
    for index, sock in enumerate(socks):
        sock.sendall(b"%6d" % index)
    for index, sock in enumerate(socks):
        equal(take(sock, 6), b"%6d" % index, "echo")
        sock.close()
    sessions = proxy.sessions(500)
    bad = [s for s in sessions if s.get("reason") not in (None, "eof", "ok")]
    check(not bad, f"{len(bad)} ended badly, the first: {bad[:1]}")


def test_2000_after_each_other(t):
    echo = t.server(Echo)
    proxy, port = fixed(t, Sshd(t), echo)

    def work(index):
        for number in range(50):
            sock = t.socket(port.address)
            check_echo(sock, b"%d of %d" % (number, index))
            sock.close()
    in_threads(40, work)
    equal(echo.accepted, 2000, "connections made")


def test_nothing_is_left_behind(t):
    """Descriptors of clients, targets and those that were refused."""
    echo, closed = t.server(Echo), t.server(Refused)
    proxy, port = dynamic(t, Sshd(t), "--connections", "1")
    through(t, port, echo).close()
    proxy.session()
    before = proxy.settled_descriptors()
    for _ in range(50):
        sock = through(t, port, echo)
        sock.close()
        open_socks5(t, port, "127.0.0.1", closed.port, wanted=5).close()
    proxy.sessions(101)
    wait_until(lambda: proxy.descriptors() <= before, "descriptors")


# --- the log, and the end -----------------------------------------------------

def test_session_line(t):
    """Its client is who connected to the gateway."""
    echo = t.server(Echo)
    proxy, port = dynamic(t, Sshd(t))
    sock = open_socks5(t, port, "localhost", echo.port)
    check_echo(sock, b"x" * 1000)
    client = "%s:%d" % sock.getsockname()
    sock.close()
    session = proxy.session()
    wanted = {"client": client, "proto": "socks5", "via": "tcp",
              "target": f"localhost:{echo.port}", "in": "1000",
              "out": "1000", "reason": "ok"}
    equal({name: session.get(name) for name in wanted}, wanted, "session")


def test_session_line_of_a_fixed_target(t):
    echo = t.server(Echo)
    proxy, port = fixed(t, Sshd(t), echo)
    sock = t.socket(port.address)
    check_echo(sock, b"x" * 1000)
    client = "%s:%d" % sock.getsockname()
    sock.close()
    session = proxy.session()
    wanted = {"client": client, "target": f"127.0.0.1:{echo.port}",
              "via": "tcp", "in": "1000", "out": "1000", "reason": "ok"}
    equal({name: session.get(name) for name in wanted}, wanted, "session")


def test_session_line_of_an_ipv6_client(t):
    proxy, port = fixed(t, Sshd(t), t.server(Echo))
    sock = t.socket(("::1", port.port))
    check_echo(sock)
    client = "[%s]:%d" % sock.getsockname()[:2]
    sock.close()
    equal(proxy.session()["client"], client, "client")


def test_port_goes_with_us(t):
    proxy, port = dynamic(t, Sshd(t))
    equal(listeners(t, port.port), ["127.0.0.1", "::1"], "addresses")
    proxy.stop()
    wait_free(t, port.port)


def test_nothing_listens_here(t):
    """Between -R alone and us there is the link only."""
    server = Sshd(t)
    proxy, port = dynamic(t, server)
    listed = t.run(["ss", "-Hltnp"]).stdout.decode()
    check(f"pid={proxy.pid}," not in listed, f"it listens: {listed}")


def test_client_during_the_end_is_closed(t):
    proxy, port = dynamic(t, Sshd(t))
    sock = through(t, port, t.server(Echo))
    check_echo(sock)
    proxy.stop()
    gone(sock)
    wait_until(lambda: refuses(t, port.address), "that the port is gone")


def test_clear_all_forwardings(t):
    """As with ssh -N, it logs in and asks for nothing."""
    server = Sshd(t)
    port = free_port()
    t.culvert("-R", port, "-o", "ClearAllForwardings=yes", "-M", "-S",
              t.tmp("control"), *server.args(), listeners=0)
    wait_until(lambda: os.path.exists(t.tmp("control")), "that it stands")
    equal(listeners(t, port), [], "addresses")
