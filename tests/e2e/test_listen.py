"""Where culvert listens and what it forwards: -D, -L, -W and their forms."""
import hashlib
import os
import socket
import stat
import subprocess
import threading

from harness import (CULVERT, check, equal, free_port, matches,
                     sanitizer_environment, scaled)
from origins import Echo, Keep, Sink, Source, Refused
from wire import (GREETED, GREETING, check_echo, ended, open_socks5,
                  socks5, take, take_all, take_reply, through, turned_away)

BOTH = ("127.0.0.1", "::1")


def busy(host="127.0.0.1"):
    """A listening socket of someone else's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind((host, 0))
    sock.listen()
    return sock, sock.getsockname()[1]


def where(proxy):
    return [place for place, what in proxy.listening]


# --- -D -----------------------------------------------------------------------

def test_port_alone_is_both_loopbacks(t):
    server = t.server(Echo)
    port = free_port()
    for form in (f"{port}", f"localhost:{port}"):
        proxy = t.culvert("-D", form, listeners=2)
        equal(proxy.listening, [(f"127.0.0.1:{port}", "socks, via tcp"),
                                (f"[::1]:{port}", "socks, via tcp")], "ready")
        for host in BOTH:
            check_echo(open_socks5(t, (host, port), "localhost", server.port))
        proxy.stop()


def test_port_zero_is_picked_and_printed(t):
    """One port for both loopbacks; printed with -q too, and then alone."""
    server = t.server(Echo)
    for options in ((), ("-q",)):
        proxy = t.culvert(*options, "-D", "0", listeners=2)
        ports = {place.rpartition(":")[2] for place in where(proxy)}
        equal(len(ports), 1, f"ports in {where(proxy)}")
        port = int(ports.pop())
        check(port > 0, "port 0")
        for host in BOTH:
            check_echo(open_socks5(t, (host, port), "localhost", server.port))
        if options:
            equal(len(proxy.lines()), 2, "lines")


def test_quiet_says_nothing(t):
    server = t.server(Echo)
    port = free_port()
    proxy = t.culvert("-q", "-D", f"127.0.0.1:{port}", listeners=0)
    for _ in range(200):
        try:
            sock = open_socks5(t, ("127.0.0.1", port), "localhost",
                               server.port)
            break
        except ConnectionRefusedError:
            threading.Event().wait(scaled(0.05))
    check_echo(sock)
    sock.close()
    proxy.stop()
    equal(proxy.lines(), [], "lines")


def test_letters_in_a_bundle(t):
    port = free_port()
    proxy = t.culvert("-NTD", f"127.0.0.1:{port}")
    equal(where(proxy), [f"127.0.0.1:{port}"], "ready")
    proxy.stop()
    proxy = t.culvert(f"-ND127.0.0.1:{port}")
    equal(where(proxy), [f"127.0.0.1:{port}"], "ready")


def test_dynamic_forms(t):
    server = t.server(Echo)
    for form, place in (("127.0.0.2:0", "127.0.0.2:"), ("[::1]:0", "[::1]:"),
                        ("[127.0.0.1]:0", "127.0.0.1:"),
                        ("127.0.0.1/0", None)):
        if place is None:
            status, said = t.fails("-D", form)
            check(status in (2, 255), f"status {status}: {said}")
            continue
        proxy = t.culvert("-D", form)
        check(proxy.where.startswith(place), f"{form}: {proxy.where}")
        check_echo(through(t, proxy, server))
    proxy = t.culvert("-o", "DynamicForward=127.0.0.1:0")
    check_echo(through(t, proxy, server))


def test_family_of_the_listener(t):
    for option, place in (("-4", "127.0.0.1:"), ("-6", "[::1]:")):
        proxy = t.culvert(option, "-D", "0")
        equal(len(proxy.listening), 1, "listeners")
        check(proxy.where.startswith(place), proxy.where)


def test_unix_socket_listener(t):
    server = t.server(Echo)
    path = t.tmp("socks")
    proxy = t.culvert("-D", path)
    equal(proxy.listening, [(path, "socks, via tcp")], "ready")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode of the socket")
    sock = t.socket(path)
    sock.sendall(GREETING + socks5("localhost", server.port))
    equal(take(sock, 2), GREETED, "method")
    equal(take_reply(sock)[0], 0, "reply")
    check_echo(sock)
    sock.close()
    equal(proxy.session()["client"], "unix", "client")
    proxy.stop()
    check(not os.path.exists(path), "the socket was left behind")


def test_unix_socket_that_is_there(t):
    """As ssh: refused, unless StreamLocalBindUnlink."""
    path = t.tmp("socks")
    old = socket.socket(socket.AF_UNIX)
    old.bind(path)
    old.close()
    status, said = t.fails("-D", path)
    equal(status, 255, f"exit status: {said}")
    matches(path, said, "message")
    check(os.path.exists(path), "somebody else's socket was removed")
    t.culvert("-o", "StreamLocalBindUnlink=yes", "-D", path)


def test_unix_socket_mask(t):
    path = t.tmp("socks")
    t.culvert("-o", "StreamLocalBindMask=0111", "-D", path)
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o666, "mode of the socket")


def test_several_at_once(t):
    server = t.server(Echo)
    path = t.tmp("x.sock")
    ports = free_port(), free_port("::1") + 2001
    proxy = t.culvert(
        "-D", f"{ports[0]}", "-D", f"[::1]:{ports[1]}", "-L",
        f"127.0.0.1:0:localhost:{server.port}", "-L",
        f"{path}:localhost:{server.port}", listeners=5)
    equal(where(proxy)[:3], [f"127.0.0.1:{ports[0]}", f"[::1]:{ports[0]}",
                             f"[::1]:{ports[1]}"], "ready")
    equal(proxy.listening[3][1], f"to localhost:{server.port}, via tcp",
          "what the forward says")
    for address in (("127.0.0.1", ports[0]), ("::1", ports[0]),
                    ("::1", ports[1])):
        check_echo(open_socks5(t, address, "localhost", server.port))
    local = int(where(proxy)[3].rpartition(":")[2])
    check_echo(t.socket(("127.0.0.1", local)))
    check_echo(t.socket(path))


def test_busy_port(t):
    """As ssh: a message for each address; nothing left to do is 255."""
    sock, port = busy()
    t.defer(sock.close)
    for form in (f"127.0.0.1:{port}", f"{port}"):
        status, said = t.fails("-o", "ExitOnForwardFailure=yes", "-D", form)
        equal(status, 255, f"exit status: {said}")
        matches(f"127.0.0.1:{port}", said, "message")
        matches("(?i)address already in use", said, "message")
    status, said = t.fails("-D", f"127.0.0.1:{port}")
    equal(status, 255, f"exit status: {said}")


def test_second_culvert_on_the_same_port(t):
    port = free_port()
    first = t.culvert("-D", f"{port}", listeners=2)
    status, said = t.fails("-D", f"{port}")
    equal(status, 255, f"exit status: {said}")
    matches("(?i)address already in use", said, "message")
    matches(str(port), said, "message")
    check_echo(open_socks5(t, ("127.0.0.1", port), "localhost",
                           t.server(Echo).port))
    first.stop()
    t.culvert("-D", f"{port}", listeners=2)


def test_one_busy_of_two(t):
    """Without ExitOnForwardFailure it goes on with what there is."""
    sock, port = busy()
    t.defer(sock.close)
    server = t.server(Echo)
    proxy = t.culvert("-D", f"127.0.0.1:{port}", "-D", "127.0.0.1:0")
    equal(len(proxy.listening), 1, "listeners")
    matches("(?i)address already in use", proxy.text(), "message")
    check_echo(through(t, proxy, server))
    status, said = t.fails("-o", "ExitOnForwardFailure=yes", "-D",
                           f"127.0.0.1:{port}", "-D", "127.0.0.1:0")
    equal(status, 255, f"exit status: {said}")


def test_open_proxy_is_refused(t):
    """The message says what to add; what is added makes it start."""
    port = free_port()
    for args in (("-D", f"0.0.0.0:{port}"), ("-D", f"*:{port}"),
                 ("-D", f":{port}"), ("-g", "-D", f"{port}"),
                 ("-D", f"[::]:{port}"),
                 ("-o", "GatewayPorts=yes", "-D", f"{port}")):
        status, said = t.fails(*args)
        equal(status, 2, f"exit status of {args}: {said}")
        matches("--allow-from", said, "message")
        matches("--users", said, "message")
    for args in (("--allow-from", "any"), ("--allow-from", "127.0.0.0/8")):
        proxy = t.culvert(*args, "-D", f"0.0.0.0:{port}")
        equal(where(proxy), [f"0.0.0.0:{port}"], "ready")
        check_echo(open_socks5(t, ("127.0.0.1", port), "localhost",
                               t.server(Echo).port))
        proxy.stop()


def test_all_addresses(t):
    """-g, * and an empty address are both families' any."""
    server = t.server(Echo)
    for args in (("-g", "-D", "0"), ("-D", "*:0"), ("-D", ":0")):
        proxy = t.culvert("--allow-from", "any", *args, listeners=2)
        check(where(proxy)[0].startswith("0.0.0.0:"), where(proxy)[0])
        check(where(proxy)[1].startswith("[::]:"), where(proxy)[1])
        for host in BOTH:
            check_echo(open_socks5(t, (host, proxy.port), "localhost",
                                   server.port))
        proxy.stop()


# --- --gateway ----------------------------------------------------------------

# Of nobody: its private half was thrown away.
KEY = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4yJNB4ieNDei+OM1g5"
       "GbMjtC0JnA0cOQnNstc1+ga9 nobody\n")


def test_gateway_is_announced(t):
    """On every address unless told, both families on one port."""
    files = ("--host-key", t.tmp("hostkey"), "--authorized-keys",
             t.file("authorized", KEY, 0o600))
    for args in (("--gateway", "0"), ("--gateway", "*:0")):
        proxy = t.culvert(*args, *files, listeners=2)
        ports = []
        for host in (r"0\.0\.0\.0", r"\[::\]"):
            ready = rf"^culvert: listening on {host}:(\d+) \(gateway\)$"
            ports.append(matches(ready, proxy.wait_line(ready))[1])
        equal(ports[0], ports[1], "the ports of both families")
        for host in BOTH:
            t.socket((host, int(ports[0])))
        proxy.stop()
    proxy = t.culvert("--gateway", "localhost:0", *files, listeners=2)
    equal([address.rsplit(":", 1)[0] for address in where(proxy)],
          ["127.0.0.1", "[::1]"], "localhost")


# --- -L -----------------------------------------------------------------------

def test_local_tcp_to_tcp(t):
    four = t.server(Echo)
    six = t.server(Echo, "::1")
    for listen in ("127.0.0.1:0", "[::1]:0"):
        for host, server in (("localhost", four), ("127.0.0.1", four),
                             ("[::1]", six)):
            proxy = t.culvert("-L", f"{listen}:{host}:{server.port}")
            check_echo(t.socket(proxy.address))
            proxy.stop()


def test_local_port_alone_is_both_loopbacks(t):
    server = t.server(Echo)
    proxy = t.culvert("-L", f"0:localhost:{server.port}", listeners=2)
    for host in BOTH:
        check_echo(t.socket((host, proxy.port)))


def test_local_to_everyone_is_opened_with_a_warning(t):
    server = t.server(Echo)
    for listen in ("*:0", ":0", "0.0.0.0:0"):
        proxy = t.culvert("-L", f"{listen}:localhost:{server.port}")
        check_echo(t.socket(("127.0.0.1", proxy.port)))
        matches("(?i)warning.*--allow-from", proxy.text(), "the warning")
        proxy.stop()


def test_local_with_unix_sockets(t):
    """All four combinations, and brackets around the paths."""
    tcp = t.server(Echo)
    unix = t.server(Echo, t.tmp("origin"))
    path = t.tmp("in")
    for spec, client in (
            (f"127.0.0.1:0:{unix.host}", None),
            (f"{path}:localhost:{tcp.port}", path),
            (f"{path}:{unix.host}", path),
            (f"[{path}]:[{unix.host}]", path),
            (f"[{path}]:[localhost]:{tcp.port}", path)):
        proxy = t.culvert("-L", spec)
        check_echo(t.socket(client or proxy.address))
        proxy.stop()


def test_local_by_keyword(t):
    server = t.server(Echo)
    proxy = t.culvert("-o",
                      f"LocalForward=127.0.0.1:0 localhost:{server.port}")
    check_echo(t.socket(proxy.address))


def test_local_half_close(t):
    data = os.urandom(3 << 20)
    server = t.server(Sink)
    proxy = t.culvert("-L", f"127.0.0.1:0:localhost:{server.port}")
    sock = t.socket(proxy.address)
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    equal(take_all(sock).decode(), hashlib.sha256(data).hexdigest(), "sum")
    session = proxy.session()
    equal(session["in"], str(len(data)), "bytes in")
    equal(session["out"], "64", "bytes out")


def test_local_to_a_refused_port(t):
    """No protocol to answer in: the client sees the end, the log says why."""
    port = t.server(Refused).port
    proxy = t.culvert("-L", f"127.0.0.1:0:127.0.0.1:{port}")
    turned_away(t, proxy.address)
    equal(proxy.session()["reason"], "refused", "reason")
    proxy = t.culvert("-L", f"127.0.0.1:0:{t.tmp('nobody')}")
    turned_away(t, proxy.address)
    equal(proxy.session()["reason"], "no-such-path", "reason")


def test_local_speaks_no_socks(t):
    """What looks like a greeting is payload there."""
    server = t.server(Keep)
    proxy = t.culvert("-L", f"127.0.0.1:0:localhost:{server.port}")
    sock = t.socket(proxy.address)
    sock.sendall(GREETING + socks5("localhost", 1))
    sock.shutdown(socket.SHUT_WR)
    ended(sock)
    equal(server.wait_seen(), [GREETING + socks5("localhost", 1)],
          "what arrived")


# --- -W -----------------------------------------------------------------------

def stdio(t, *args, **keywords):
    return t.run([CULVERT, *args], env=sanitizer_environment(t.new_report()),
                 **keywords)


def test_stdio_both_ways(t):
    """Input to its end, then the answer; quiet, so that it may be somebody's
    ProxyCommand."""
    data = os.urandom(5 << 20)
    server = t.server(Sink)
    done = stdio(t, "-W", f"localhost:{server.port}", input=data)
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    equal(done.stdout.decode(), hashlib.sha256(data).hexdigest(), "sum")
    equal(done.stderr, b"", "what it said")


def test_stdio_server_speaks_and_ends(t):
    """The far side ends first; the output ends then, though the input is
    open still."""
    data = os.urandom(5 << 20)
    server = t.server(Source, data)
    process = t.program(
        [CULVERT, "-W", f"localhost:{server.port}"],
        env=sanitizer_environment(t.new_report()), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE)
    check(process.stdout.read() == data, "the output differs")
    process.stdin.write(b"after")
    process.stdin.close()
    equal(process.wait(scaled(10)), 0, "exit status")
    equal(server.wait_seen(), [b"after"], "what arrived")


def test_stdio_to_v6_and_files(t):
    server = t.server(Echo, "::1")
    path = t.file("input", "x" * 100000)
    with open(path, "rb") as source:
        done = stdio(t, "-W", f"[::1]:{server.port}", stdin=source)
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    equal(done.stdout, b"x" * 100000, "output")


def test_stdio_refused(t):
    port = t.server(Refused).port
    done = stdio(t, "-W", f"127.0.0.1:{port}", input=b"")
    equal(done.returncode, 255, "exit status")
    matches("refused", done.stderr.decode(), "message")


def test_stdio_ignores_forwards(t):
    """ssh: -W implies ClearAllForwardings."""
    server = t.server(Echo)
    port = free_port()
    done = stdio(t, "-D", f"{port}", "-W", f"localhost:{server.port}",
                 input=b"text")
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    equal(done.stdout, b"text", "output")
    check(b"listening" not in done.stderr, f"it listened: {done.stderr}")


def test_stdio_reader_leaves(t):
    """`culvert -W ... | head -c 10` ends."""
    server = t.server(Source, os.urandom(4 << 20))
    first = t.program([CULVERT, "-W", f"localhost:{server.port}"],
                      env=sanitizer_environment(t.new_report()),
                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE)
    first.stdout.read(10)
    first.stdout.close()
    first.wait(scaled(20))
