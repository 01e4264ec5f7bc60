"""dropbear as the server: other texts, smaller windows, other limits."""
import hashlib
import os
import socket

from dns import name_server
from harness import SANITIZED, check, equal, matches, wait_until
from origins import Echo, Http, Refused, Sink, Source
from sshd import Dropbear, Sshd
from test_programs import fetch
from test_ssh_basic import in_threads
from wire import (check_echo, open_socks5, refusal, take, take_all,
                  through)

NAMESPACE = True

MEGABYTE = 1 << 20


def ssh_socks(t, server, *options):
    return t.culvert("-D", "127.0.0.1:0", *options, *server.args())


def test_curl(t):
    web = t.server(Http)
    proxy = ssh_socks(t, Dropbear(t))
    for scheme, host in (("socks4", "127.0.0.1"), ("socks4a", "localhost"),
                         ("socks5", "127.0.0.1"), ("socks5h", "localhost"),
                         ("socks5h", "[::1]")):
        fetch(t, f"{scheme}://{proxy.where}", web.url(host))


def test_failures(t):
    """dropbear sends no text but "" or the like with a failed connection:
    the code is the one for what is not known."""
    name_server(t, {})
    proxy = ssh_socks(t, Dropbear(t))
    for host, port in (("127.0.0.1", t.server(Refused).port),
                       ("no-such.test", 80)):
        code = refusal(t, proxy, host, port)
        check(code in (4, 5), f"code {code} for {host}")
    check_echo(through(t, proxy, t.server(Echo)))


def test_forwarding_switched_off(t):
    echo = t.server(Echo)
    proxy = ssh_socks(t, Dropbear(t, "-j"))
    equal(refusal(t, proxy, "127.0.0.1", echo.port), 2, "reply")
    proxy.wait_line("AllowTcpForwarding")
    equal(echo.accepted, 0, "connections made")


def leave_downloads(t, proxy, source, count=60):
    """Clients that leave at any moment, the first ones before any byte."""
    for turn in range(count):
        sock = through(t, proxy, source)
        if turn >= count / 2:
            take(sock, turn * 40000)
        sock.close()


def test_downloads_left_in_the_middle(t):
    """Of a channel that we closed dropbear hears no more: it ends the
    connection of who speaks of one that it does not know."""
    source = t.server(Source, bytes(8 * MEGABYTE))
    echo = t.server(Echo)
    proxy = ssh_socks(t, Dropbear(t), "--connections", "1")
    kept = through(t, proxy, echo)
    leave_downloads(t, proxy, source)
    check_echo(kept)
    equal([line for line in proxy.lines() if " lost: " in line], [],
          "links that were lost")


def test_downloads_and_uploads(t):
    data = os.urandom(2 * MEGABYTE + 11) * (1 if SANITIZED else 3)
    digest = hashlib.sha256(data).hexdigest()
    source, sink = t.server(Source, data), t.server(Sink)
    proxy = ssh_socks(t, Dropbear(t))

    def work(index):
        sock = through(t, proxy, source)
        sock.settimeout(40)
        check(take_all(sock) == data, f"download {index} differs")
        sock = through(t, proxy, sink)
        sock.settimeout(40)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        equal(take_all(sock).decode(), digest, f"sum of upload {index}")
    in_threads(8, work)


def test_many_connections(t):
    echo = t.server(Echo)
    proxy = ssh_socks(t, Dropbear(t))

    def work(index):
        for _ in range(25):
            sock = open_socks5(t, proxy, "127.0.0.1", echo.port)
            check_echo(sock)
            sock.close()
    in_threads(8, work)
    equal(echo.accepted, 200, "connections made")


def test_tiny_window(t):
    """-W: what the server lets a channel send."""
    data = os.urandom(300000)
    sink = t.server(Sink)
    proxy = ssh_socks(t, Dropbear(t, "-W", "1000"))
    sock = through(t, proxy, sink)
    sock.settimeout(40)
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    equal(take_all(sock).decode(), hashlib.sha256(data).hexdigest(), "sum")


def test_local_forward(t):
    echo = t.server(Echo)
    proxy = t.culvert("-L", f"127.0.0.1:0:localhost:{echo.port}",
                      *Dropbear(t).args())
    check_echo(t.socket(proxy.address))


def test_reconnects(t):
    echo = t.server(Echo)
    server = Dropbear(t)
    proxy = ssh_socks(t, server)
    check_echo(through(t, proxy, echo))
    server.kill_sessions()
    check_echo(through(t, proxy, echo))
    server.stop()
    server.start()
    check_echo(through(t, proxy, echo))


def test_as_a_jump_host(t):
    jump, server = Dropbear(t), Sshd(t)
    hosts = t.tmp("hosts")
    with open(hosts, "w") as file:
        for one in (jump, server):
            with open(one.known_hosts) as known:
                file.write(known.read())
    proxy = t.culvert(
        "-D", "127.0.0.1:0", "-J", f"{jump.destination}:{jump.port}", "-F",
        t.file("config", f"Host *\n  UserKnownHostsFile {hosts}\n"
               f"  IdentityFile {server.key}\n"), "-p", server.port,
        server.destination)
    check_echo(through(t, proxy, t.server(Echo)))
    matches("Accepted publickey", server.text(), "sshd's log")
    matches("Pubkey auth succeeded", jump.text(), "dropbear's log")


def test_logins_without_a_key(t):
    """Its own words for what is wrong."""
    server = Dropbear(t)
    server.write(".ssh/authorized_keys", "\n")
    status, said = t.fails("-D", "127.0.0.1:0", *server.args())
    equal(status, 255, f"exit status: {said}")
    matches("(?i)authentication|permission denied", said, "message")
    wait_until(lambda: not server.sessions(), "the end of the session")
