"""SSH as the way out, through a stock sshd: clients of all kinds, the true
reason of each failure, many at once, and ssh's local forwards."""
import hashlib
import os
import re
import signal
import socket
import threading

from dns import name_server
from harness import (CULVERT, SANITIZED, check, equal, free_port, matches,
                     sanitizer_environment)
from hosts import dead_ends
from origins import Both, Echo, Http, Keep, Refused, Sink, Source
from processes import children
from sshd import Sshd
from test_programs import fetch
from wire import (GREETED, GREETING, check_echo, connect, ended,
                  open_socks5, refusal, socks4, socks5, socks5_reply, take,
                  take_all, take_head, through, turned_away)

NAMESPACE = True

MEGABYTE = 1 << 20
HOSTS = ("127.0.0.1", "[::1]", "localhost")


def ssh_socks(t, server, *options, **keywords):
    """A SOCKS proxy that leaves through server."""
    return t.culvert("-D", "127.0.0.1:0", *options, *server.args(),
                     **keywords)


# --- clients ------------------------------------------------------------------

def test_curl_in_all_modes(t):
    web = t.server(Http)
    server = Sshd(t)
    proxy = ssh_socks(t, server)
    for scheme, hosts, options in (
            ("socks4", ("127.0.0.1", "localhost"), ()),
            ("socks4a", ("127.0.0.1", "localhost"), ()),
            ("socks5", HOSTS, ()), ("socks5h", HOSTS, ()),
            ("http", HOSTS, ("-p",))):
        for host in hosts:
            fetch(t, f"{scheme}://{proxy.where}", web.url(host), *options)
    check(server.text().count("Accepted publickey") <= 2, "many logins")


def test_names_are_resolved_by_the_server(t):
    """Nothing of the target is looked up here: its name goes as it is."""
    name_server(t, {})
    web = t.server(Http)
    server = Sshd(t)
    proxy = ssh_socks(t, server)
    equal(refusal(t, proxy, "nowhere.test", web.port), 4, "reply")
    server.wait_line("nowhere.test")


def test_session_line_tells_the_way_out(t):
    echo = t.server(Echo)
    proxy = ssh_socks(t, Sshd(t))
    matches(r"via ssh", proxy.listening[0][1], "ready line")
    sock = open_socks5(t, proxy, "localhost", echo.port)
    check_echo(sock, b"x" * 1000)
    sock.close()
    session = proxy.session()
    equal(session["target"], f"localhost:{echo.port}", "target")
    equal((session["in"], session["out"]), ("1000", "1000"), "bytes")


# --- what fails, and why ------------------------------------------------------

def check_replies(t, proxy, host, port, code, status):
    """The whole reply of each protocol, and nothing behind it."""
    sock = t.socket(proxy.address)
    sock.sendall(GREETING + socks5(host, port))
    equal(take(sock, 2), GREETED, "method")
    equal(take_all(sock), socks5_reply(code), f"SOCKS5 reply to {host}")
    sock = t.socket(proxy.address)
    sock.sendall(socks4(host, port))
    equal(take_all(sock), b"\0\x5b" + bytes(6), f"SOCKS4 reply to {host}")
    sock = t.socket(proxy.address)
    sock.sendall(connect(host, port))
    equal(take_head(sock)[0], status, f"HTTP status for {host}")


def test_refused(t):
    proxy = ssh_socks(t, Sshd(t))
    for host in ("127.0.0.1", "::1"):
        check_replies(t, proxy, host, t.server(Refused, host).port, 5, 502)
    proxy.wait_line("reason=refused")


def test_unknown_name(t):
    name_server(t, {})
    proxy = ssh_socks(t, Sshd(t))
    check_replies(t, proxy, "no-such.test", 80, 4, 502)
    proxy.wait_line("reason=name-not-found")


def test_unreachable(t):
    """A network without a way to it, and a host."""
    dead_ends(t)
    proxy = ssh_socks(t, Sshd(t))
    check_replies(t, proxy, "10.78.0.1", 80, 4, 502)
    check_replies(t, proxy, "203.0.113.1", 80, 3, 502)
    proxy.wait_line("reason=host-unreachable")
    proxy.wait_line("reason=net-unreachable")


def test_unreachable_at_once(t):
    """sshd tells no reason when connect(2) itself fails."""
    proxy = ssh_socks(t, Sshd(t))
    check_replies(t, proxy, "203.0.113.1", 80, 4, 502)
    proxy.wait_line("reason=remote-failed")


def explanation(proxy):
    """The line that explains a refusal, which comes once."""
    line = proxy.wait_line("AllowTcpForwarding")
    equal(proxy.text().count("AllowTcpForwarding"), 1, "explanations")
    return line


def test_forwarding_switched_off(t):
    """The log tells once which of sshd's options may be the cause."""
    echo = t.server(Echo)
    proxy = ssh_socks(t, Sshd(t, AllowTcpForwarding="no"))
    check_replies(t, proxy, "127.0.0.1", echo.port, 2, 403)
    check_replies(t, proxy, "localhost", echo.port, 2, 403)
    proxy.sessions(6)
    matches("PermitOpen", explanation(proxy), "explanation")
    equal(echo.accepted, 0, "connections made")


def test_permit_open(t):
    good, bad = t.server(Echo), t.server(Echo)
    proxy = ssh_socks(t, Sshd(t, PermitOpen=f"127.0.0.1:{good.port}"))
    check_echo(through(t, proxy, good))
    check_replies(t, proxy, "127.0.0.1", bad.port, 2, 403)
    check_echo(through(t, proxy, good))
    explanation(proxy)
    equal(bad.accepted, 0, "connections made")


def test_key_with_restrictions(t):
    """The same said in authorized_keys."""
    echo = t.server(Echo)
    proxy = ssh_socks(t, Sshd(t, restrict="restrict"))
    check_replies(t, proxy, "127.0.0.1", echo.port, 2, 403)


def test_many_refusals_at_once(t):
    """Each client has the reason of its own target."""
    name_server(t, {})
    echo = t.server(Echo)
    closed = t.server(Refused)
    proxy = ssh_socks(t, Sshd(t, PermitOpen=[
        f"127.0.0.1:{echo.port} 127.0.0.1:{closed.port} 203.0.113.1:80 "
        f"no-such.test:80"]))
    kinds = (("127.0.0.1", echo.port, 0), ("127.0.0.1", closed.port, 5),
             ("203.0.113.1", 80, 4), ("no-such.test", 80, 4),
             ("127.0.0.3", 80, 2))
    socks = []
    for index in range(300):
        host, port, code = kinds[index * 7 % len(kinds)]
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5(host, port))
        socks.append((sock, host, code))
    for sock, host, code in socks:
        equal(take(sock, 2), GREETED, "method")
        equal(take(sock, 10), socks5_reply(code), f"reply to {host}")
        if code == 0:
            check_echo(sock)
        else:
            ended(sock)


# --- many, and much -----------------------------------------------------------

def in_threads(count, work):
    """Runs work(index) so many times at once; the first failure is ours."""
    problems = []

    def run(index):
        try:
            work(index)
        except Exception as error:
            problems.append(error)
    threads = [threading.Thread(target=run, args=(index,))
               for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def test_2000_connections(t):
    """Some at a time, and then 500 that stay."""
    echo = t.server(Echo)
    server = Sshd(t)
    proxy = ssh_socks(t, server)

    def work(index):
        for number in range(2000 // 40):
            sock = open_socks5(t, proxy, "127.0.0.1", echo.port)
            check_echo(sock, b"%d of %d" % (number, index))
            sock.close()
    in_threads(40, work)
    equal(echo.accepted, 2000, "connections made")
    socks = [open_socks5(t, proxy, "127.0.0.1", echo.port)
             for _ in range(500)]
    for index, sock in enumerate(socks):
        sock.sendall(b"%6d" % index)
    for index, sock in enumerate(socks):
        equal(take(sock, 6), b"%6d" % index, "echo")
        sock.close()
    sessions = proxy.sessions(2500)
    bad = [s for s in sessions if s.get("reason") not in (None, "eof", "ok")]
    check(not bad, f"{len(bad)} ended badly, the first: {bad[:1]}")
    fewer = server.sessions()
    check(len(fewer) <= 4, f"{len(fewer)} links")


def pattern(size):
    block = os.urandom(MEGABYTE + 7919)
    return (block * (size // len(block) + 1))[:size]


COUNT = 10 if SANITIZED else 50


def test_50_downloads(t):
    data = pattern(4 * MEGABYTE)
    source = t.server(Source, data)
    proxy = ssh_socks(t, Sshd(t))

    def work(index):
        sock = through(t, proxy, source)
        sock.settimeout(50)
        check(take_all(sock) == data, f"download {index} differs")
    in_threads(COUNT, work)


def test_50_uploads(t):
    data = pattern(4 * MEGABYTE)
    digest = hashlib.sha256(data).hexdigest()
    sink = t.server(Sink)
    proxy = ssh_socks(t, Sshd(t))

    def work(index):
        sock = through(t, proxy, sink)
        sock.settimeout(50)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        equal(take_all(sock).decode(), digest, f"sum of upload {index}")
    in_threads(COUNT, work)


def test_key_exchanges_under_load(t):
    """Ten and more, while bytes go both ways at once."""
    size = 8 if SANITIZED else 48
    data = pattern(size * MEGABYTE)
    both = t.server(Both, data)
    server = Sshd(t, RekeyLimit="4M" if SANITIZED else "8M",
                  LogLevel="DEBUG1")
    proxy = ssh_socks(t, server)

    def work(index):
        sock = through(t, proxy, both)
        sock.settimeout(50)
        sender = threading.Thread(target=lambda: (
            sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        check(take_all(sock) == data, f"download {index} differs")
        sender.join()
    in_threads(2, work)
    digest = hashlib.sha256(data).hexdigest()
    equal(both.wait_seen(2), [digest] * 2, "sums of the uploads")
    exchanges = len(re.findall("SSH2_MSG_NEWKEYS received", server.text()))
    check(exchanges >= 10 if not SANITIZED else exchanges > 2,
          f"{exchanges} key exchanges")


# --- ends ---------------------------------------------------------------------

def test_half_close_by_the_client(t):
    keep = t.server(Sink)
    proxy = ssh_socks(t, Sshd(t))
    sock = through(t, proxy, keep)
    sock.sendall(b"all there is")
    sock.shutdown(socket.SHUT_WR)
    equal(take_all(sock).decode(),
          hashlib.sha256(b"all there is").hexdigest(), "answer")
    session = proxy.session()
    equal((session["in"], session["out"]), ("12", "64"), "bytes")


def test_half_close_by_the_target(t):
    source = t.server(Source, b"so long")
    proxy = ssh_socks(t, Sshd(t))
    sock = through(t, proxy, source)
    equal(take_all(sock), b"so long", "what came")
    sock.sendall(b"and thanks")
    sock.shutdown(socket.SHUT_WR)
    equal(source.wait_seen(), [b"and thanks"], "what arrived")


def test_client_that_leaves_ends_the_target(t):
    keep = t.server(Keep)
    proxy = ssh_socks(t, Sshd(t))
    sock = through(t, proxy, keep)
    sock.sendall(b"x")
    sock.close()
    equal(keep.wait_seen(), [b"x"], "what arrived")
    proxy.session()


# --- -L, -W, -g, -f -----------------------------------------------------------

def test_local_forward(t):
    echo = t.server(Echo)
    proxy = t.culvert("-L", f"127.0.0.1:0:localhost:{echo.port}",
                      *Sshd(t).args())
    check_echo(t.socket(proxy.address))


def test_local_forwards_and_socks_together(t):
    one, two = t.server(Echo), t.server(Source, b"two")
    proxy = t.culvert("-L", f"127.0.0.1:0:127.0.0.1:{one.port}", "-L",
                      f"127.0.0.1:0:localhost:{two.port}", "-D",
                      "127.0.0.1:0", *Sshd(t).args(), listeners=3)
    ports = [int(where.rpartition(":")[2]) for where, _ in proxy.listening]
    check_echo(t.socket(("127.0.0.1", ports[0])))
    equal(take_all(t.socket(("127.0.0.1", ports[1]))), b"two", "forward 2")
    check_echo(open_socks5(t, ("127.0.0.1", ports[2]), "127.0.0.1",
                           one.port))


def test_local_forward_to_a_unix_socket(t):
    echo = t.server(Echo, t.tmp("far"))
    proxy = t.culvert("-L", f"127.0.0.1:0:{t.tmp('far')}", *Sshd(t).args())
    check_echo(t.socket(proxy.address))
    equal(echo.accepted, 1, "connections made")


def test_local_forward_from_a_unix_socket(t):
    echo = t.server(Echo)
    near = t.tmp("near")
    proxy = t.culvert("-L", f"{near}:127.0.0.1:{echo.port}", *Sshd(t).args())
    check_echo(t.socket(near))
    proxy.stop()
    far = t.server(Echo, t.tmp("far"))
    os.path.exists(near) and os.unlink(near)
    t.culvert("-L", f"{near}:{t.tmp('far')}", *Sshd(t).args())
    check_echo(t.socket(near))
    equal(far.accepted, 1, "connections made")


def test_local_forward_to_a_unix_socket_that_is_not_there(t):
    proxy = t.culvert("-L", f"127.0.0.1:0:{t.tmp('nothing')}",
                      *Sshd(t).args())
    turned_away(t, proxy.address)
    proxy.session()


def test_stdio_forward(t):
    echo = t.server(Echo)
    done = t.run([CULVERT, "-W", f"localhost:{echo.port}", *Sshd(t).args()],
                 input=b"there and back" * 10000,
                 env=sanitizer_environment(t.new_report()))
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    check(done.stdout == b"there and back" * 10000, "what came back differs")


def test_stdio_forward_that_is_refused(t):
    port = t.server(Refused).port
    done = t.run([CULVERT, "-W", f"127.0.0.1:{port}", *Sshd(t).args()],
                 env=sanitizer_environment(t.new_report()))
    equal(done.returncode, 255, f"exit status: {done.stderr}")
    matches("(?i)refused", done.stderr.decode(), "message")


def test_stdio_forward_is_ssh_s_proxy_command(t):
    inner, outer = Sshd(t), Sshd(t)
    command = " ".join([CULVERT, "-W", "%h:%p", *outer.args()])
    done = t.run(["ssh", "-o", f"ProxyCommand={command}", *inner.args(),
                  "echo", "all the way"],
                 env=sanitizer_environment(t.new_report()))
    equal(done.stdout, b"all the way\n", f"output ({done.stderr})")


def gateway_ports(t, *options):
    """Where -L listens that names no address."""
    echo = t.server(Echo)
    server = Sshd(t)
    port = free_port()
    proxy = t.culvert(*options, "-L", f"{port}:127.0.0.1:{echo.port}",
                      *server.args())
    check_echo(t.socket(("127.0.0.1", port)))
    return proxy.listening[0][0].rpartition(":")[0]


def test_gateway_ports(t):
    check(gateway_ports(t) in ("127.0.0.1", "[::1]"), "without -g")
    for options in (("-g",), ("-o", "GatewayPorts=yes")):
        check(gateway_ports(t, *options) in ("0.0.0.0", "[::]", "*"),
              f"with {options}")


def in_background(t, *args):
    """Starts culvert -fN, which comes back when all is ready; returns the
    process that stays."""
    before = set(children(os.getpid()))
    done = t.run([CULVERT, "-fN", "-E", t.tmp("log"), *args],
                 env=sanitizer_environment(t.new_report()))
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    pid, = set(children(os.getpid())) - before

    def end():
        os.kill(pid, signal.SIGINT)
        equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0,
              "exit status")
    t.defer(end)
    return pid


def test_background(t):
    """-f comes back when it is logged in and listens."""
    echo = t.server(Echo)
    server = Sshd(t)
    port = free_port()
    in_background(t, "-D", f"127.0.0.1:{port}", *server.args())
    equal(len(server.sessions()), 1, "logins when it came back")
    check_echo(open_socks5(t, ("127.0.0.1", port), "localhost", echo.port))


def test_background_that_cannot_log_in(t):
    server = Sshd(t)
    server.authorize([])
    status, said = t.fails("-fN", "-D", "127.0.0.1:0", *server.args())
    equal(status, 255, f"exit status: {said}")
    matches("(?i)authentication|permission denied", said, "message")
    matches(re.escape("127.0.0.1"), said, "message")


def test_exit_on_forward_failure(t):
    """The listener's fault; without the option it goes on with the rest."""
    taken = t.server(Echo)
    server = Sshd(t)
    clash = ["-L", f"127.0.0.1:{taken.port}:127.0.0.1:1"]
    status, said = t.fails(*clash, "-D", "127.0.0.1:0", "-o",
                           "ExitOnForwardFailure=yes", *server.args())
    equal(status, 255, f"exit status: {said}")
    matches("(?i)address already in use", said, "message")
    proxy = t.culvert(*clash, "-D", "127.0.0.1:0", *server.args())
    proxy.wait_line("(?i)address already in use")
    check_echo(through(t, proxy, taken))


def test_clear_all_forwardings(t):
    """As with ssh -N, what the command line has goes too: it logs in and
    listens nowhere."""
    server = Sshd(t)
    port = free_port()
    in_background(t, "-D", f"127.0.0.1:{port}", "-o",
                  "ClearAllForwardings=yes", *server.args())
    equal(len(server.sessions()), 1, "logins")
    try:
        t.socket(("127.0.0.1", port))
        raise AssertionError("it listens")
    except ConnectionRefusedError:
        pass


def test_first_connection_refused(t):
    port = t.server(Refused).port
    status, said = t.fails("-D", "127.0.0.1:0", "-F", "none", "-p", port,
                           "nobody@127.0.0.1")
    equal(status, 255, f"exit status: {said}")
    matches("(?i)connection refused", said, "message")
    matches(str(port), said, "message")
