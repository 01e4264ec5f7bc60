"""Remote forwards whose clients leave by something else than plain TCP: another
SSH server, or the gateway that they came by. A client's channel stays on its
worker, wherever the way out is at home."""
import hashlib
import os
import signal
import socket

from harness import SANITIZED, check, equal, free_port
from origins import Echo, Refused, Sink, Source
from remote import free_ports, ports
from sshd import Sshd
from test_remote_basic import MEGABYTE
from test_ssh_basic import in_threads
from test_ssh_ways import at, config, uri, vias
from wire import check_echo, refusal, take_all, through

SIZE = (1 if SANITIZED else 8) * MEGABYTE

# More than there are links: some dials are made elsewhere.
WORKERS = ("--workers", "3", "--connections", "2")


def two_ports():
    return [word for port in free_ports(2) for word in ("-R", port)]


def by_another(t, target=None):
    """-R at one server, to a target or twice as a SOCKS port, whose clients
    leave through a second; the ports there, and the second."""
    gateway, second = Sshd(t), Sshd(t)
    words = two_ports()
    if target:
        words = "-R", f"{free_port()}:{target.host}:{target.port}"
    proxy = t.culvert(*words, *WORKERS, *config(t, gateway, second), "--via",
                      uri(second), *at(gateway), listeners=len(words) // 2)
    return proxy, ports(proxy), second


def check_both_ways(t, port):
    """Sums of what goes either way, each ended by a half-close."""
    data = os.urandom(SIZE + 13)
    source, sink = t.server(Source, data), t.server(Sink)

    def work(index):
        sock = through(t, port, (source, sink)[index % 2])
        sock.settimeout(60)
        if index % 2 == 0:
            check(take_all(sock) == data, f"download {index} differs")
            return
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        equal(take_all(sock).decode(), hashlib.sha256(data).hexdigest(),
              f"sum of upload {index}")
    in_threads(8, work)


def test_by_another_server(t):
    echo = t.server(Echo)
    proxy, found, second = by_another(t)
    for port in found:
        check_echo(through(t, port, echo))
        check(f"via {uri(second)}" in port.what, port.what)
    for port in found:
        check_both_ways(t, port)


def test_reasons_by_another_server(t):
    proxy, found, _ = by_another(t)
    refused = t.server(Refused).port
    for port in found * 4:
        equal(refusal(t, port, "127.0.0.1", refused), 5, "reply")


def test_fixed_by_another_server(t):
    echo = t.server(Echo)
    proxy, (port,), second = by_another(t, echo)
    for _ in range(8):
        sock = t.socket(port.address)
        check_echo(sock)
        sock.close()
    equal(set(vias(proxy, 8)), {uri(second)}, "the ways out")


def test_by_the_gateway_itself(t):
    """Somebody's port on the gateway, and back through it."""
    gateway, echo = Sshd(t), t.server(Echo)
    proxy = t.culvert(*two_ports(), *WORKERS, *config(t, gateway), "--route",
                      "*=ssh:", *at(gateway), listeners=2)
    for port in ports(proxy) * 2:
        sock = through(t, port, echo)
        check_echo(sock)
        sock.close()
        check_both_ways(t, port)
    check("ssh" in vias(proxy, 4), "the ways out")


def end_under_load(t, number):
    data = os.urandom(MEGABYTE)
    proxy, found, _ = by_another(t)
    source = t.server(Source, data * 64)
    socks = [through(t, port, source) for port in found * 8]
    for sock in socks:
        sock.recv(1000)
    proxy.signal(number)
    for sock in socks:
        sock.close()
    equal(proxy.wait(), 0, "exit status")


def test_ends_under_load(t):
    end_under_load(t, signal.SIGINT)


def test_drains_under_load(t):
    end_under_load(t, signal.SIGTERM)
