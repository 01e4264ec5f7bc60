"""The protocols' bytes, as clients send them and want them answered."""
import base64
import ipaddress
import socket
import struct

from harness import Failed, equal

GREETING = b"\x05\x01\x00"
GREETED = b"\x05\x00"
WITH_PASSWORD = b"\x05\x01\x02"


def packed(host):
    """The bytes of a literal, or None for a name."""
    try:
        return ipaddress.ip_address(host).packed
    except ValueError:
        return None


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def socks5(host, port, command=1, as_name=False):
    """A SOCKS5 request."""
    address = None if as_name or isinstance(host, bytes) else packed(host)
    head = bytes((5, command, 0))
    if address is None:
        name = as_bytes(host)
        return head + bytes((3, len(name))) + name + struct.pack(">H", port)
    kind = b"\x01" if len(address) == 4 else b"\x04"
    return head + kind + address + struct.pack(">H", port)


def socks5_reply(code, host="0.0.0.0", port=0):
    """The whole reply that is wanted."""
    address = packed(host)
    kind = b"\x01" if len(address) == 4 else b"\x04"
    return bytes((5, code, 0)) + kind + address + struct.pack(">H", port)


def password(user, secret):
    """RFC 1929's message."""
    user, secret = as_bytes(user), as_bytes(secret)
    return bytes((1, len(user))) + user + bytes((len(secret),)) + secret


def socks4(host, port, user=b"", command=1):
    """A SOCKS4 request, or 4a's for a name or an IPv6 address."""
    address = None if isinstance(host, bytes) else packed(host)
    head = bytes((4, command)) + struct.pack(">H", port)
    user = as_bytes(user)
    if address is not None and len(address) == 4:
        return head + address + user + b"\0"
    return head + b"\0\0\0\1" + user + b"\0" + as_bytes(host) + b"\0"


def connect(host, port, user=None, secret="", version="1.1", headers=()):
    """An HTTP CONNECT."""
    host = f"[{host}]" if ":" in host else host
    lines = [f"CONNECT {host}:{port} HTTP/{version}", f"Host: {host}:{port}"]
    if user is not None:
        token = base64.b64encode(f"{user}:{secret}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {token}")
    return ("\r\n".join(lines + list(headers)) + "\r\n\r\n").encode()


def take(sock, count):
    """Exactly count bytes."""
    got = b""
    while len(got) < count:
        some = sock.recv(count - len(got))
        if not some:
            raise Failed(f"ended after {got!r}, wanted {count} bytes")
        got += some
    return got


def take_all(sock, most=1 << 30):
    """All up to the end of the stream."""
    got = bytearray()
    while len(got) < most:
        some = sock.recv(1 << 16)
        if not some:
            break
        got += some
    return bytes(got)


def take_head(sock):
    """An HTTP head, with its empty line; returns (status, head)."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        some = sock.recv(1)
        if not some:
            raise Failed(f"ended after {got!r}, wanted a head")
        got += some
    return int(got.split()[1]), got


def take_reply(sock):
    """A SOCKS5 reply; returns (code, host, port)."""
    version, code, reserved, kind = take(sock, 4)
    equal((version, reserved), (5, 0), "version and reserved byte")
    if kind == 1:
        host = socket.inet_ntop(socket.AF_INET, take(sock, 4))
    elif kind == 4:
        host = socket.inet_ntop(socket.AF_INET6, take(sock, 16))
    else:
        raise Failed(f"address type {kind} in a reply")
    return code, host, struct.unpack(">H", take(sock, 2))[0]


def ended(sock):
    """Checks that nothing more comes but the end."""
    equal(take_all(sock), b"", "bytes before the end")


def gone(sock):
    """Checks that the other side ended it, one way or the other."""
    try:
        equal(take_all(sock), b"", "bytes before the end")
    except ConnectionError:
        pass


def turned_away(t, address, source=None):
    """Connects, and checks that it is ended without a word; that may come
    before connect(2) returns."""
    try:
        gone(t.socket(address, source=source))
    except ConnectionError:
        pass


def open_socks5(t, proxy, host, port, user=None, secret="", wanted=0):
    """A client connected through a proxy (an address or a Culvert)."""
    sock = t.socket(getattr(proxy, "address", proxy))
    if user is None:
        sock.sendall(GREETING)
        equal(take(sock, 2), GREETED, "method")
    else:
        sock.sendall(WITH_PASSWORD)
        equal(take(sock, 2), b"\x05\x02", "method")
        sock.sendall(password(user, secret))
        equal(take(sock, 2), b"\x01\x00", "answer to the password")
    sock.sendall(socks5(host, port))
    equal(take_reply(sock)[0], wanted, f"reply to {host}:{port}")
    return sock


def through(t, proxy, server, host=None):
    """The same to one of origins.py's servers."""
    return open_socks5(t, proxy, host or server.host, server.port)


def refusal(t, proxy, host, port, user=None, secret=""):
    """The code that a request is answered with, after which it ends."""
    sock = t.socket(getattr(proxy, "address", proxy))
    if user is None:
        sock.sendall(GREETING + socks5(host, port))
        equal(take(sock, 2), GREETED, "method")
    else:
        sock.sendall(WITH_PASSWORD + password(user, secret) +
                     socks5(host, port))
        equal(take(sock, 4), b"\x05\x02\x01\x00", "method and answer")
    code = take_reply(sock)[0]
    if code != 0:
        ended(sock)
    sock.close()
    return code


def check_echo(sock, text=b"there and back"):
    sock.sendall(text)
    equal(take(sock, len(text)), text, "echo")
