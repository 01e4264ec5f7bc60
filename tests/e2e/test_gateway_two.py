"""Gateways in networks of their own, one behind the other; and the agents and
users that are neither OpenSSH's nor ours: autossh, dropbear's dbclient,
python3-paramiko and python3-asyncssh."""
import hashlib
import os
import socket
import subprocess
import time

from dns import sh
from gateway import (INSIDE, OUTSIDE, PROGRAMS, SERVICE, WORDS, Client, Gateway, Inner,
                     agent, ssh_words, take_line, word_of)
from harness import (CULVERT, SANITIZED, check, equal, free_port, scaled,
                     wait_until)
from hosts import Host, join
from keys import user_key
from origins import Echo, Sink, Source
from processes import PYTHON
from remote import listeners
from test_ssh_basic import MEGABYTE, in_threads, pattern
from wire import (GREETED, GREETING, check_echo, gone, open_socks5, socks5,
                  take, take_all, take_reply, through)

NAMESPACE = True


# --- two gateways -------------------------------------------------------------

class Far(Gateway):
    """A gateway on a host of its own at address; its control socket and files
    are here, its ports there."""

    def __init__(self, t, host, address, *args, **keywords):
        super().__init__(t, *args, at=f"{address}:0", wrap=host.inside,
                         **keywords)
        self.address = address
        self.known_hosts = self.write("known_hosts", "".join(
            line.replace("127.0.0.1", address)
            for line in open(self.known_hosts)))


def test_an_agent_to_each(t):
    """Two gateways in two networks, one agent in a third with a connection
    to both: each has the inside through its own."""
    inner = Inner(t, "home", 1)
    other = Host(t)
    join(other, "10.8.0.1", inner, "10.8.0.2", "other0")
    here = Gateway(t, at="0.0.0.0:0")
    far = Far(t, other, "10.8.0.1")
    agent(t, here, "ssh", host=inner)
    Client(t, ssh_words("-R", free_port(), *far.args()), inner.inside)
    far.wait_agents()
    equal(word_of(t, here.socks), inner.word, "word by the first")
    script = t.run([*other.inside, "curl", "-sS", "-x",
                    f"socks5h://{far.url}", f"http://{INSIDE}:8000/"])
    equal(script.stdout, inner.word, f"word by the second ({script.stderr})")
    equal(len(here.agents()), 1, "agents of the first")
    equal(len(far.agents()), 1, "agents of the second")


def test_chain(t):
    """The agent of the first is in the second's network, where the second's
    agent is reached from: a -D, behind a -D, behind a back-channel."""
    middle = Host(t)
    join(None, OUTSIDE % 1, middle, "10.9.1.2", "middle0")
    t.defer(sh, "ip", "link", "del", "middle0")
    deep = Host(t)
    join(middle, "10.7.0.1", deep, "10.7.0.2", "deep0")
    deep.serve(SERVICE, "deep", "127.0.0.1")
    first = Gateway(t, at="0.0.0.0:0", via="middle")
    second = Far(t, middle, "10.7.0.1", via="deep")
    for program in PROGRAMS:
        one = started(t, first, program, middle, "middle", OUTSIDE % 1)
        two = started(t, second, program, deep, "deep", "10.7.0.1")
        first.wait_agents("middle")
        second.wait_agents("deep")
        # To the second's SOCKS port through the first.
        sock = open_socks5(t, first.socks, "127.0.0.1", second.socks[1])
        sock.sendall(GREETING + socks5("127.0.0.1", WORDS))
        equal(take(sock, 2), GREETED, "method")
        equal(take_reply(sock)[0], 0, "reply of the second")
        equal(take_line(sock), b"deep\n", "word")
        check_echo(sock)
        for client in (one, two):
            client.end()
        first.wait_agents("middle", count=0)
        second.wait_agents("deep", count=0)


def started(t, gateway, program, host, name, address):
    words = ["-R", free_port(), *gateway.args(name, address)]
    if program == "ssh":
        return Client(t, ssh_words(*words), host.inside)
    return Client(t, [CULVERT, *words], host.inside)


def test_gateway_that_is_an_agent(t):
    """One culvert is the gateway of some and the agent of another: what it
    is asked for by that one leaves by its own agents, if a route says so."""
    inner = Inner(t, "home", 1)
    outer = Gateway(t, at="0.0.0.0:0", via="middle")
    middle = Gateway(t, "-R", free_port(), "--route",
                     "10.20.0.0/16=reverse:home", *outer.args("middle"),
                     at="0.0.0.0:0", via=None, socks=False, ready=1)
    outer.wait_agents("middle")
    agent(t, middle, "ssh", host=inner)
    equal(word_of(t, outer.socks), inner.word, "word through both")


def test_agent_of_two_at_once(t):
    """Names are a gateway's own: two gateways beside each other, each with
    an agent called home."""
    inners = [Inner(t, word, index) for index, word in
              enumerate(("one", "two"), 1)]
    gateways = [Gateway(t, at="0.0.0.0:0") for _ in inners]
    for gateway, inner in zip(gateways, inners):
        agent(t, gateway, "culvert", host=inner)
    for gateway, inner in zip(gateways, inners):
        equal(word_of(t, gateway.socks), inner.word, "word")


# --- autossh ------------------------------------------------------------------

def test_autossh_as_an_agent(t):
    """It starts ssh again when that dies, or is kicked."""
    inner = Inner(t, "home")
    gateway = Gateway(t, at="0.0.0.0:0")
    env = {"AUTOSSH_GATETIME": "0", "AUTOSSH_POLL": "1",
           "AUTOSSH_FIRST_POLL": "1"}
    Client(t, ["autossh", "-M", "0", *ssh_words(
        "-R", "1080", *gateway.args(address=inner.gateway))[1:]],
        inner.inside, env=dict(os.environ, **env))
    for _ in range(3):
        first, = gateway.wait_agents()
        equal(word_of(t, gateway.socks), inner.word, "word")
        gateway.kick("home")
        wait_until(lambda first=first: [
            one for one in gateway.agents("home")
            if one["addr"] != first["addr"]], "another ssh", 20)


def test_autossh_with_its_own_probes(t):
    """-M PORT: two forwards that lead to itself and back."""
    inner = Inner(t, "home")
    gateway = Gateway(t, at="0.0.0.0:0")
    Client(t, ["autossh", "-M", "20000", *ssh_words(
        "-R", "1080", *gateway.args(address=inner.gateway))[1:]],
        inner.inside, env=dict(os.environ, AUTOSSH_POLL="1",
                               AUTOSSH_FIRST_POLL="1", AUTOSSH_GATETIME="0"))
    first, = gateway.wait_agents(ports=2)
    time.sleep(4)
    equal(gateway.agents()[0]["addr"], first["addr"], "session after probes")
    equal(word_of(t, ("127.0.0.1", 1080)), inner.word, "word")


# --- dropbear -----------------------------------------------------------------

def dbclient(t, gateway, *words, name="home", host=None):
    key = t.tmp("dropbear_key")
    if not os.path.exists(key):
        equal(t.run(["dropbearconvert", "openssh", "dropbear", user_key(),
                     key]).returncode, 0, "dropbearconvert")
    return Client(t, ["dbclient", "-N", "-y", "-y", "-i", key, "-p",
                      gateway.port, *words,
                      f"{name}@{host.gateway if host else '127.0.0.1'}"],
                  host.inside if host else (), env={"HOME": t.tmp()})


def test_dbclient_as_an_agent(t):
    """It has no SOCKS of its own: its port leads to a proxy beside it."""
    inner = Inner(t, "home")
    gateway = Gateway(t, at="0.0.0.0:0")
    proxy = t.socks(wrap=inner.inside)
    one = dbclient(t, gateway, "-R", f"{free_port()}:127.0.0.1:{proxy.port}",
                   host=inner)
    found, = gateway.wait_agents()
    check("dropbear" in found["software"], f"software {found['software']}")
    equal(word_of(t, gateway.socks), inner.word, "word")
    one.kill()
    gateway.wait_agents(count=0)


def check_bulk(t, where):
    """Up and down through a SOCKS port."""
    data = pattern((2 if SANITIZED else 8) * MEGABYTE)
    source, sink = t.server(Source, data), t.server(Sink)

    def work(index):
        sock = through(t, where, source)
        sock.settimeout(scaled(30))
        check(take_all(sock) == data, f"download {index} differs")
        sock = through(t, where, sink)
        sock.settimeout(scaled(30))
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        equal(take_all(sock).decode(), hashlib.sha256(data).hexdigest(),
              f"sum of upload {index}")
    in_threads(3, work)


def test_dbclient_bulk(t):
    gateway = Gateway(t)
    proxy = t.socks()
    dbclient(t, gateway, "-R", f"{free_port()}:127.0.0.1:{proxy.port}")
    gateway.wait_agents()
    check_bulk(t, gateway.socks)


def test_dbclient_as_a_user(t):
    """-L, -B; a command is refused."""
    gateway, echo = Gateway(t), t.server(Echo)
    port = free_port()
    one = dbclient(t, gateway, "-L", f"127.0.0.1:{port}:127.0.0.1:"
                   f"{echo.port}")
    wait_until(lambda: listeners(t, port), "dbclient's port")
    for _ in range(10):
        check_echo(t.socket(("127.0.0.1", port)))
    words = one.argv[:]
    words.remove("-N")
    at = words.index("-L")
    words[at:at + 2] = ["-B", f"127.0.0.1:{echo.port}"]
    process = t.program(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        env=dict(os.environ, HOME=t.tmp()))
    process.stdin.write(b"there")
    process.stdin.flush()
    equal(process.stdout.read(5), b"there", "echo by -B")
    words[at:at + 2] = []
    done = t.run([*words, f"touch {t.tmp('mark')}"], 10,
                 env=dict(os.environ, HOME=t.tmp()))
    check(done.returncode != 0, "a command's exit status is 0")
    check(not os.path.exists(t.tmp("mark")), "a command ran")


def test_dbclient_with_a_shell(t):
    """The text, as others have it."""
    gateway = Gateway(t)
    words = dbclient(t, gateway).argv
    words[words.index("-N")] = "-T"
    process = t.program(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        env=dict(os.environ, HOME=t.tmp()))
    check(b"home" in process.stdout.readline() + process.stdout.readline(),
          "no text")


# --- paramiko and asyncssh ----------------------------------------------------

PARAMIKO_AGENT = """
import paramiko, select, socket, sys, threading
host, port, key, listen, target = sys.argv[1:]
t = paramiko.Transport((host, int(port)))
t.connect(username="home", pkey=paramiko.Ed25519Key.from_private_key_file(key))
def copy(one, other):
    try:
        some = one.recv(65536)
        while some:
            other.sendall(some)
            some = one.recv(65536)
        other.shutdown(1)
    except Exception:
        pass
def came(channel, origin, server):
    sock = socket.create_connection(("127.0.0.1", int(target)))
    threading.Thread(target=copy, args=(channel, sock), daemon=True).start()
    def back():
        copy(sock, channel)
    threading.Thread(target=back, daemon=True).start()
print("port", t.request_port_forward("localhost", int(listen), came),
      flush=True)
t.join()
"""

PARAMIKO_USER = """
import paramiko, sys
port, key, target = sys.argv[1:]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("127.0.0.1", int(port), "user", key_filename=key,
               allow_agent=False, look_for_keys=False)
for _ in range(20):
    channel = client.get_transport().open_channel(
        "direct-tcpip", ("127.0.0.1", int(target)), ("127.0.0.1", 1))
    channel.sendall(b"there and back")
    got = b""
    while len(got) < 14:
        got += channel.recv(14)
    channel.close()
try:
    client.get_transport().open_channel(
        "direct-tcpip", ("127.0.0.1", 1), ("127.0.0.1", 1))
    print("opened")
except paramiko.ChannelException as error:
    print(got.decode(), error.code)
"""

ASYNCSSH_AGENT = """
import asyncio, asyncssh, sys
host, port, key, listen, target = sys.argv[1:]
async def main():
    async with asyncssh.connect(
            host, int(port), username="home", client_keys=[key],
            known_hosts=None, config=None, agent_path=None) as conn:
        listener = await conn.forward_remote_port(
            "localhost", int(listen), "127.0.0.1", int(target))
        print("port", listener.get_port(), flush=True)
        await listener.wait_closed()
asyncio.run(main())
"""

ASYNCSSH_USER = """
import asyncio, asyncssh, sys
port, key, target = sys.argv[1:]
async def main():
    async with asyncssh.connect(
            "127.0.0.1", int(port), username="user", client_keys=[key],
            known_hosts=None, config=None, agent_path=None) as conn:
        for _ in range(20):
            reader, writer = await conn.open_connection(
                "127.0.0.1", int(target))
            writer.write(b"there and back")
            got = await reader.readexactly(14)
            writer.close()
        try:
            await conn.open_connection("127.0.0.1", 1)
            print("opened")
        except asyncssh.ChannelOpenError as error:
            print(got.decode(), error.code)
asyncio.run(main())
"""


def check_agent(t, program):
    """With a proxy beside it, on a port that is asked for and on port 0."""
    inner = Inner(t, "home")
    gateway = Gateway(t, at="0.0.0.0:0")
    proxy = t.socks(wrap=inner.inside)
    for listen in (str(free_port()), "0"):
        process = t.program(
            [*inner.inside, PYTHON, "-W", "ignore", "-c", program,
             inner.gateway, gateway.port, user_key(), listen, proxy.port],
            stdout=subprocess.PIPE)
        word, port = process.stdout.readline().split()
        if listen != "0":
            equal(port.decode(), listen, "port")
        gateway.wait_agents()
        for _ in range(5):
            equal(word_of(t, gateway.socks), inner.word, "word")
        sock = open_socks5(t, gateway.socks, INSIDE, WORDS)
        take_line(sock)
        data = pattern(MEGABYTE)
        sock.sendall(data[:100000])
        check(take(sock, 100000) == data[:100000], "the echo differs")
        process.kill()
        gone(sock)
        gateway.wait_agents(count=0)


def check_user(t, program):
    """Targets, and one that refuses: with reason 1 or 2."""
    gateway, echo = Gateway(t), t.server(Echo)
    done = t.run([PYTHON, "-W", "ignore", "-c", program, gateway.port,
                  user_key(), echo.port])
    check(done.stdout in (b"there and back 1\n", b"there and back 2\n"),
          f"what it says: {done.stdout!r} {done.stderr[-500:]!r}")


def test_paramiko_as_an_agent(t):
    check_agent(t, PARAMIKO_AGENT)


def test_paramiko_as_a_user(t):
    check_user(t, PARAMIKO_USER)


def test_asyncssh_as_an_agent(t):
    check_agent(t, ASYNCSSH_AGENT)


def test_asyncssh_as_a_user(t):
    check_user(t, ASYNCSSH_USER)
