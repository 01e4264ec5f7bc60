"""Gateways under load: key exchanges in the midst of bulk, every cipher,
agents that come and go while they are used, reloads."""
import hashlib
import random
import signal
import socket
import threading
import time

from gateway import (PROGRAMS, Client, Gateway, agent, ssh_words, start)
from harness import (SANITIZED, Failed, check, equal, free_port, matches,
                     scaled, wait_until)
from origins import Both, Echo
from remote import free_ports
from test_gateway_users import dynamic
from test_ssh_basic import MEGABYTE, in_threads, pattern
from wire import (GREETING, check_echo, open_socks5, socks5, take,
                  take_all, through)

NAMESPACE = True


def both_ways(t, where, size, count=1):
    """Bulk in both directions at once through a SOCKS port, byte by byte
    what it was."""
    data = pattern(size)
    both = t.server(Both, data)

    def work(index):
        sock = through(t, where, both)
        sock.settimeout(scaled(30))
        sender = threading.Thread(target=lambda: (
            sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        check(take_all(sock) == data, f"what came differs ({index})")
        sender.join()
    in_threads(count, work)
    equal(both.wait_seen(count), [hashlib.sha256(data).hexdigest()] * count,
          "sums of what arrived")


# --- key exchanges ------------------------------------------------------------

def check_rekey(t, where, client):
    """Bulk through where, and how often client exchanged keys meanwhile."""
    both_ways(t, where, (4 if SANITIZED else 16) * MEGABYTE, 2)
    if client:
        count = client.text().count("SSH2_MSG_NEWKEYS received")
        check(count > 4, f"{count} key exchanges")


def test_key_exchanges_of_a_stock_agent(t):
    gateway = Gateway(t)
    client = start(t, gateway, "ssh", "-v", "-o", "RekeyLimit=1M", "-R",
                   free_port())
    gateway.wait_agents()
    check_rekey(t, gateway.socks, client)


def test_key_exchanges_of_culvert(t):
    gateway = Gateway(t)
    start(t, gateway, "culvert", "-o", "RekeyLimit=1M", "-R", free_port())
    gateway.wait_agents()
    check_rekey(t, gateway.socks, None)


def test_key_exchanges_of_a_user(t):
    gateway, port = Gateway(t), free_port()
    client = Client(t, ssh_words("-v", "-o", "RekeyLimit=1M", "-D", port,
                                 *gateway.args()))
    client.wait_line("Local forwarding listening on 127")
    check_rekey(t, ("127.0.0.1", port), client)


def test_key_exchanges_by_the_clock(t):
    """Idle or not; the session lives on."""
    gateway, echo = Gateway(t), t.server(Echo)
    client = start(t, gateway, "ssh", "-v", "-o", "RekeyLimit=default 1",
                   "-R", free_port())
    gateway.wait_agents()
    sock = through(t, gateway.socks, echo)
    for _ in range(30):
        check_echo(sock, b"x" * 100)
        time.sleep(0.1)
    count = client.text().count("SSH2_MSG_NEWKEYS received")
    check(count > 2, f"{count} key exchanges")
    equal(client.process.poll(), None, "status")


# --- what is agreed on --------------------------------------------------------

def test_ciphers(t):
    """Each of stock ssh's that we have works; of those that we have not it
    is told."""
    gateway, port = Gateway(t), t.server(Echo).port
    good = 0
    for option, query in (("Ciphers", "cipher"), ("MACs", "mac"),
                          ("KexAlgorithms", "kex")):
        for name in t.run(["ssh", "-Q", query]).stdout.decode().split():
            more = ["-c", "aes128-ctr"] if query == "mac" else []
            done = t.run(["ssh", "-W", f"127.0.0.1:{port}", *more, "-o",
                          f"{option}={name}", "-b", next(SOURCES),
                          *gateway.args()], input=b"x" * 70000)
            if done.returncode:
                matches("no matching|Bad|not supported|incorrect|closed by",
                        done.stderr.decode(), f"what ssh says of {name}")
                continue
            check(done.stdout == b"x" * 70000, f"echo by {name}")
            good += 1
    check(good >= 12, f"{good} worked")


SOURCES = (f"127.7.0.{low}" for low in range(1, 255))


def test_compression(t):
    gateway = Gateway(t)
    start(t, gateway, "ssh", "-C", "-R", free_port())
    gateway.wait_agents()
    both_ways(t, gateway.socks, 2 * MEGABYTE)


def test_workers(t):
    """One, and more than there are agents: each reaches every agent."""
    for workers in ("1", "5"):
        gateway = Gateway(t, "--workers", workers)
        for index in range(3):
            agent(t, gateway, PROGRAMS[index % 2], count=index + 1)
        both_ways(t, gateway.socks, MEGABYTE, 8)
        echo = t.server(Echo)
        socks = [through(t, gateway.socks, echo) for _ in range(30)]
        loads = sorted(int(one["streams"]) for one in gateway.agents())
        equal(loads, [10, 10, 10], "streams of each")
        for sock in socks:
            check_echo(sock)


# --- agents that come and go --------------------------------------------------

def test_agents_come_and_go(t):
    """Killed and started at random while clients come: each of these has an
    echo, an end or a code, none hangs, and nothing is left in the end."""
    gateway, echo = Gateway(t, "--connect-timeout", "3"), t.server(Echo)
    agent(t, gateway).kill()
    gateway.wait_agents(count=0)
    before = gateway.proxy.settled_descriptors()
    port, = free_ports(1)
    ended = threading.Event()
    outcomes = []

    def client(index):
        address = gateway.socks if index % 2 else ("127.0.0.1", port)
        while not ended.is_set():
            sock = socket.socket()
            sock.settimeout(scaled(20))
            try:
                sock.connect(address)
                sock.sendall(GREETING + socks5("127.0.0.1", echo.port))
                code = take(sock, 4)[3]
                if code == 0:
                    take(sock, 8)
                    check_echo(sock)
                outcomes.append(code)
            except TimeoutError:
                outcomes.append("hangs")
            except (OSError, Failed):
                outcomes.append("ended")
                time.sleep(0.02)
            sock.close()
    threads = [threading.Thread(target=client, args=(index,), daemon=True)
               for index in range(8)]
    for thread in threads:
        thread.start()
    dice = random.Random(7)
    agents = []
    for turn in range(40):
        if len(agents) == 3:
            one = agents.pop(dice.randrange(3))
            one.kill() if turn % 2 else one.stop()
        agents.append(start(t, gateway, PROGRAMS[turn % 2], "-R", port))
        time.sleep(0.1)
    ended.set()
    for thread in threads:
        thread.join(scaled(25))
    check(outcomes.count(0) > 100, f"{outcomes.count(0)} had an echo")
    equal(outcomes.count("hangs"), 0, "clients that hung")
    for one in agents:
        one.end()
    gateway.wait_agents(count=0)
    wait_until(lambda: gateway.proxy.descriptors() <= before, "descriptors")


def test_kicked_under_load(t):
    """Bulk through an agent that is kicked is broken, never short; the one
    of another name goes on."""
    gateway = Gateway(t)
    agent(t, gateway)
    agent(t, gateway, name="office")
    data = pattern(32 * MEGABYTE)
    both = t.server(Both, data)
    kept = open_socks5(t, gateway.socks, "127.0.0.1", both.port, "x@office")
    for _ in range(3):
        sock = through(t, gateway.socks, both)
        take(sock, 100000)
        gateway.kick("home")
        try:
            got = len(take_all(sock)) + 100000
        except ConnectionError:
            got = 0
        check(got < len(data), "it came to its end")
        sock.close()
        gateway.wait_agents(count=0)
        agent(t, gateway)
    kept.settimeout(scaled(30))
    check(take_all(kept) == data, "what came by another differs")


def test_reloads_under_load(t):
    """HUP, and a file that changes all the time: no stream is cut."""
    gateway = Gateway(t)
    agent(t, gateway)
    proxy = dynamic(t, gateway)
    ended = threading.Event()

    def reload():
        while not ended.is_set():
            gateway.authorize("restrict,port-forwarding")
            gateway.proxy.signal(signal.SIGHUP)
            time.sleep(0.02)
    thread = threading.Thread(target=reload, daemon=True)
    thread.start()
    try:
        both_ways(t, gateway.socks, 8 * MEGABYTE, 2)
        both_ways(t, proxy, 8 * MEGABYTE, 2)
    finally:
        ended.set()
        thread.join()


def test_ended_under_load(t):
    """INT while agents, users and clients are in full flow."""
    gateway = Gateway(t)
    agent(t, gateway, "culvert")
    agent(t, gateway, "ssh", count=2)
    proxy = dynamic(t, gateway)
    both = t.server(Both, bytes(256 * MEGABYTE))
    socks = [through(t, where, both) for where in (gateway.socks, proxy)
             for _ in range(4)]
    for sock in socks:
        take(sock, 100000)
    gateway.proxy.stop()
    for sock in socks:
        sock.settimeout(scaled(10))
        try:
            check(len(take_all(sock)) < 255 * MEGABYTE, "all of it came")
        except ConnectionError:
            pass
