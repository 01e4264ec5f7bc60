"""A gateway's peers of before a login: garbage, those that say nothing, half
handshakes, wrong passwords without end; that they go in time, and that others
come in meanwhile."""
import os
import signal
import socket
import struct
import time

from gateway import Gateway, agent, start
from harness import Failed, check, equal, free_port, scaled, wait_until
from keys import make_key
from mux import string
from origins import Echo
from processes import PYTHON
from raw import DATA, Raw
from test_auth import HASHES
from test_gateway_users import comes_in
from test_ssh_basic import in_threads
from wire import take, take_all

NAMESPACE = True

VERSION = b"SSH-2.0-Odd\r\n"
WHOLE = 0xffffffff


def well(t, gateway):
    """Checks that the gateway serves who behaves, from another address than
    those who did not."""
    began = time.monotonic()
    check(comes_in(t, gateway), "a good login was turned away")
    took = time.monotonic() - began
    check(took < scaled(5), f"a login took {took:.1f} s")


def from_source(t, gateway, source):
    """A connection from this address."""
    return t.socket(("127.0.0.1", gateway.port), source=source)


def is_ended(sock):
    """Whether the other side has closed it."""
    sock.setblocking(False)
    try:
        while sock.recv(1 << 16):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


# --- before a login -----------------------------------------------------------

def kexinit(length=None, padding=4, body=b""):
    """A packet of before the first key exchange."""
    payload = b"\x14" + bytes(16) + body
    data = bytes((padding,)) + payload + bytes(padding)
    return struct.pack(">I", len(data) if length is None else length) + data


GARBAGE = (
    b"", b"\0", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x05\x01\x00",
    b"SSH-1.5-old\r\n", b"SSH-2.0-\r\n", b"SSH-2.0", b"ssh-2.0-x\r\n",
    b"SSH-2.0-" + b"x" * 70000, b"x" * 1000000, b"\r\n" * 100000,
    b"SSH-9.9-x\r\n", b"SSH-2.0-x\0y\r\n", bytes(range(256)) * 100,
    VERSION + b"\0" * 100000, VERSION + b"\xff" * 100000,
    VERSION + kexinit(length=0), VERSION + kexinit(length=1),
    VERSION + kexinit(length=WHOLE), VERSION + kexinit(length=1 << 30),
    VERSION + kexinit(padding=0), VERSION + kexinit(padding=255),
    VERSION + kexinit(), VERSION + kexinit(body=struct.pack(">I", WHOLE)),
    VERSION + kexinit(body=string("none") * 10 + bytes(5)),
    VERSION + kexinit(body=string(b"," * 30000) * 10 + bytes(5)),
    VERSION + struct.pack(">I", 12) + b"\x0a\x05" + bytes(10),
    VERSION + struct.pack(">I", 12) + b"\x0a\x15" + bytes(10),
    VERSION + struct.pack(">I", 12) + b"\x0a\x5a" + bytes(10),
)


def test_garbage(t):
    """Ended, one way or the other, or kept waiting; nobody else notices."""
    gateway = Gateway(t)
    before = gateway.proxy.settled_descriptors()
    for index, text in enumerate(GARBAGE):
        sock = from_source(t, gateway, f"127.2.0.{index + 1}")
        try:
            sock.sendall(text)
            sock.shutdown(socket.SHUT_WR)
            take_all(sock, 1 << 20)
        except OSError:
            pass
        sock.close()
    well(t, gateway)
    wait_until(lambda: gateway.proxy.descriptors() <= before, "descriptors")


def test_garbage_byte_by_byte(t):
    """A version line that comes slowly is one; what follows is none."""
    gateway = Gateway(t)
    sock = from_source(t, gateway, "127.2.0.1")
    for byte in VERSION + kexinit()[:20]:
        sock.sendall(bytes((byte,)))
    check(take(sock, 8) == b"SSH-2.0-", "its version line")
    well(t, gateway)


def test_random_bytes(t):
    """Behind a version line."""
    gateway = Gateway(t)

    def work(index):
        for number in range(10):
            sock = from_source(t, gateway, f"127.3.{index}.{number + 1}")
            try:
                sock.sendall(VERSION + os.urandom(3000))
                sock.shutdown(socket.SHUT_WR)
                take_all(sock, 1 << 20)
            except OSError:
                pass
            sock.close()
    in_threads(10, work)
    well(t, gateway)


def test_mute_peers_of_one_source(t):
    """A thousand that say nothing: of one source there are 32 at most, and
    the oldest go; nobody else waits for them."""
    gateway = Gateway(t)
    mute = [from_source(t, gateway, "127.2.0.1") for _ in range(1000)]
    well(t, gateway)
    wait_until(lambda: sum(map(is_ended, mute)) >= 72, "their ends")
    well(t, gateway)


def test_mute_peers_of_many_sources(t):
    """128 at most; who has the most loses the oldest of its own."""
    gateway = Gateway(t)
    many = [from_source(t, gateway, "127.2.0.1") for _ in range(32)]
    few = [from_source(t, gateway, f"127.4.0.{index % 12 + 1}")
           for index in range(108)]
    well(t, gateway)
    wait_until(lambda: sum(map(is_ended, many)) >= 12, "ends of the many")
    check(sum(map(is_ended, few)) == 0, "a source with few lost one")


def test_half_handshakes(t):
    """Peers that stop where the keys are to be exchanged lock nobody out."""
    gateway = Gateway(t)
    halves = []
    for index in range(120):
        sock = from_source(t, gateway, f"127.5.0.{index % 20 + 1}")
        sock.sendall(VERSION + kexinit()[:index % 30])
        halves.append(sock)
    before = gateway.proxy.cpu()
    began = time.monotonic()
    for _ in range(3):
        well(t, gateway)
    in_threads(4, lambda index: well(t, gateway))
    time.sleep(1)
    spent = gateway.proxy.cpu() - before
    took = time.monotonic() - began
    check(spent < 0.5 * took + 1, f"{spent:.1f} s of processor in {took:.1f}")


def test_many_logins_at_once(t):
    """Forty from as many addresses: all of them come in."""
    gateway = Gateway(t)
    in_threads(20, lambda index: [well(t, gateway) for _ in range(2)])


def test_penalties(t):
    """A source that fails again and again is kept out for a while, and no
    other; who comes in is forgiven."""
    gateway = Gateway(t)
    wrong = make_key(t, "wrong")
    bad = "127.6.0.1"

    def fails():
        return comes_in(t, gateway, source=bad, key=wrong)

    def kept_out():
        sock = from_source(t, gateway, bad)
        try:
            return sock.recv(4) != b"SSH-"
        except OSError:
            return True
    check(not fails(), "it came in with nothing")
    check(comes_in(t, gateway, source=bad), "a good login is turned away")
    for _ in range(30):
        try:
            fails()
        except Failed:
            break
        if kept_out():
            break
    check(kept_out(), "it may go on and on")
    check(not comes_in(t, gateway, source=bad), "it is let in")
    well(t, gateway)
    gateway.proxy.wait_line("login failed .*addr=127.6.0.1")


def test_six_tries(t):
    """A connection has no more."""
    gateway = Gateway(t, users=f"me:{HASHES['md5']}\n")
    raw = t.run([PYTHON, "-W", "ignore", "-c", TRIES,
                 gateway.port])
    tries = int(raw.stdout)
    check(0 < tries <= 6, f"{tries} tries ({raw.stderr[-300:]})")
    well(t, gateway)


TRIES = """
import paramiko, sys
t = paramiko.Transport(("127.0.0.1", int(sys.argv[1])))
t.start_client()
tries = 0
while t.is_active() and tries < 50:
    try:
        t.auth_password("me", "wrong", fallback=False)
    except paramiko.AuthenticationException:
        tries += 1
    except Exception:
        break
print(tries)
"""


# --- what stands still --------------------------------------------------------

def test_who_stands_still_goes(t):
    """Within 45 s, without a word of theirs: agents that are frozen, and
    peers of before a login (30 s). All of them are waited for at once."""
    gateway = Gateway(t)
    frozen = [agent(t, gateway, program, name=program)
              for program in ("ssh", "culvert")]
    began = time.monotonic()
    mute = from_source(t, gateway, "127.2.0.1")
    half = from_source(t, gateway, "127.2.0.2")
    half.sendall(VERSION + kexinit()[:10])
    slow = from_source(t, gateway, "127.2.0.3")
    echo = t.server(Echo)
    good = Raw(t, gateway, "good")
    quiet = start(t, gateway, "ssh", "-R", free_port(), name="quiet")
    for one in frozen:
        one.signal(signal.SIGSTOP)
    ends = {}
    while len(ends) < 5 and time.monotonic() - began < 50:
        try:
            slow.setblocking(True)
            slow.sendall(b"x")
        except OSError:
            pass
        names = {one["name"] for one in gateway.agents()}
        for name, ended in (("mute", is_ended(mute)),
                            ("half", is_ended(half)),
                            ("slow", is_ended(slow)),
                            ("ssh", "ssh" not in names),
                            ("culvert", "culvert" not in names)):
            if ended:
                ends.setdefault(name, time.monotonic() - began)
        time.sleep(0.5)
    equal(len(ends), 5, f"ends: {ends}")
    for name in ("mute", "half", "slow"):
        check(25 < ends[name] < 35, f"{name} went after {ends[name]:.1f} s")
    for name in ("ssh", "culvert"):
        check(20 < ends[name] < 46, f"{name} went after {ends[name]:.1f} s")
        gateway.wait_event(name=name, state="left")
    equal({one["name"] for one in gateway.agents()}, {"good", "quiet"},
          "who is left")
    peer = good.open(1, "127.0.0.1", echo.port)
    good.send(DATA, peer, string("x"))
    equal(good.take(1, 1), b"x", "echo")
    equal(quiet.process.poll(), None, "status of who says little")


def test_slow_exchanges(t):
    """Groups that take us long are not offered; the one of old clients is."""
    gateway = Gateway(t)
    for name in ("diffie-hellman-group16-sha512",
                 "diffie-hellman-group18-sha512",
                 "diffie-hellman-group-exchange-sha256"):
        check(not comes_in(t, gateway, "-o", f"KexAlgorithms={name}"), name)
    for name in ("diffie-hellman-group14-sha256", "ecdh-sha2-nistp521"):
        check(comes_in(t, gateway, "-o", f"KexAlgorithms={name}"), name)
