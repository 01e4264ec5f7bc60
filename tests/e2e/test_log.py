"""The log: what a session's line holds, and that nothing which happens to the
log happens to the service."""
import json
import os
import re
import socket
import threading

from harness import check, equal, free_port, matches, scaled, wait_until
from origins import Echo, Refused
from wire import (GREETED, GREETING, check_echo, connect, open_socks5,
                  refusal, socks4, socks5, take, take_head, through)

MD5 = "$1$saltsalt$9xy1btjgzLYfb7hivXtC//"


def with_json(t, *args):
    """A proxy that logs JSON, and a reader of its lines."""
    proxy = t.socks("--log-format", "json", *args, listeners=0)
    line = proxy.wait_line("listening on")
    proxy.where = matches(r"listening on ([^ ]+)", line)[1]
    return proxy


def objects(proxy, event, count=1):
    def look(lines):
        found = []
        for line in lines:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if value.get("event") == event:
                found.append(value)
        return len(found) >= count and found
    return proxy.log.wait(look, f"{count} of {event}")


def test_text_line(t):
    server = t.server(Echo)
    proxy = t.socks()
    sock = open_socks5(t, proxy, "localhost", server.port)
    check_echo(sock, b"0123456789")
    client = "%s:%d" % sock.getsockname()
    sock.close()
    line = proxy.wait_line("^culvert: session ")
    matches(r"^culvert: session time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
            rf"id=\d+ client={re.escape(client)} user=- proto=socks5 "
            rf"target=localhost:{server.port} addr=127\.0\.0\.1:{server.port} "
            r"via=tcp in=10 out=10 seconds=\d+\.\d{3} reason=ok$", line,
            "line")


def test_json_line(t):
    server = t.server(Echo)
    users = t.file("users", f"me:{MD5}\n")
    proxy = with_json(t, "--users", users)
    sock = open_socks5(t, proxy, "localhost", server.port, "me", "secret")
    check_echo(sock, b"0123456789")
    client = "%s:%d" % sock.getsockname()
    sock.close()
    session = objects(proxy, "session")[0]
    for name, wanted in (("client", client), ("user", "me"),
                         ("proto", "socks5"), ("via", "tcp"), ("in", 10),
                         ("out", 10), ("reason", "ok"), ("level", "info"),
                         ("target", f"localhost:{server.port}"),
                         ("addr", f"127.0.0.1:{server.port}")):
        equal(session[name], wanted, name)
    check(isinstance(session["seconds"], float), "seconds")
    matches(r"^\d{4}-.*Z$", session["time"], "time")


def test_every_line_is_json(t):
    port = t.server(Refused).port
    proxy = with_json(t, "-v", "--users", t.file("users", f"me:{MD5}\n"))
    sock = t.socket(proxy.address)
    sock.sendall(connect("127.0.0.1", port, "me", "wrong"))
    take_head(sock)
    refusal(t, proxy, "127.0.0.1", port, "me", "secret")
    objects(proxy, "session", 2)
    proxy.stop()
    for line in proxy.lines():
        if "listening on" in line and line.startswith("culvert: "):
            continue  # the ready line is for whoever waits for it
        check(isinstance(json.loads(line), dict), line)


def test_protocols_in_the_log(t):
    server = t.server(Echo)
    proxy = t.socks()
    for message, answer, proto in (
            (socks4("127.0.0.1", server.port), 8, "socks4"),
            (socks4("localhost", server.port), 8, "socks4a"),
            (GREETING + socks5("localhost", server.port), 12, "socks5")):
        sock = t.socket(proxy.address)
        sock.sendall(message)
        take(sock, answer)
        sock.close()
        proxy.wait_line(f" proto={proto} ")
    equal(len(proxy.sessions(3)), 3, "sessions")


def test_no_line_can_be_forged(t):
    """Quotes, line breaks and escapes in a user name or a host."""
    server = t.server(Echo)
    evil = b'x"\nculvert: session id=1 user=root \x1b[31m\\ reason=ok\xff\x00'
    for proxy in (t.socks(), with_json(t)):
        sock = t.socket(proxy.address)
        sock.sendall(b"\x05\x01\x02" + b"\x01" + bytes((len(evil),)) + evil +
                     b"\x01p" + socks5("127.0.0.1", server.port))
        take(sock, 14)
        sock.close()
        sock = t.socket(proxy.address)
        sock.sendall(socks4("127.0.0.1", server.port, evil[:-1]))
        take(sock, 8)
        sock.close()
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5(b'a"b\\c=d', 1))
        take(sock, 12)
        sock.close()
        proxy.wait_line("session.*reason", count=3)
        proxy.stop()
        text = proxy.text()
        check("\x1b" not in text, "an escape in the log")
        check("\nculvert: session id=1" not in text, "a forged line")
        equal(len([line for line in proxy.lines() if "session" in line]), 3,
              "session lines")
        for line in proxy.lines():
            if line.startswith("{"):
                json.loads(line)


def test_duration(t):
    server = t.server(Echo)
    proxy = t.socks()
    sock = through(t, proxy, server)
    threading.Event().wait(0.3)
    sock.close()
    took = float(proxy.session()["seconds"])
    check(0.29 < took < scaled(3), f"{took} s")


def test_errors_are_rate_limited(t):
    """A flood of what clients can cause does not flood the log, apart from
    each session's own line."""
    proxy = t.socks("--max-sessions", "1")
    held = through(t, proxy, t.server(Echo))
    for _ in range(200):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5("127.0.0.1", 1))
        take(sock, 12)
        sock.close()
    proxy.sessions(200)
    others = [line for line in proxy.lines()
              if not line.startswith("culvert: session ")]
    check(len(others) < 20, f"{len(others)} other lines")
    check_echo(held)


def test_log_on_a_full_disk(t):
    server = t.server(Echo)
    port = free_port()
    proxy = t.culvert("-v", "-E", "/dev/full", "-D", f"127.0.0.1:{port}",
                      listeners=0)
    proxy.where = f"127.0.0.1:{port}"

    def up():
        try:
            socket.create_connection(proxy.address).close()
            return True
        except ConnectionRefusedError:
            return False
    wait_until(up, "that it listens")
    for _ in range(50):
        sock = through(t, proxy, server)
        check_echo(sock)
        sock.close()


def test_stderr_whose_reader_stalls(t):
    """A pipe that nobody empties: more lines than it holds, and the service
    goes on; it ends when told."""
    server = t.server(Echo)
    read, write = os.pipe()
    port = free_port()
    proxy = t.culvert("-D", f"127.0.0.1:{port}", stderr=write)
    os.close(write)
    proxy.where = f"127.0.0.1:{port}"
    os.read(read, 10)
    for number in range(800):
        sock = socket.create_connection(proxy.address)
        sock.settimeout(scaled(10))
        sock.sendall(GREETING + socks5("localhost", server.port))
        equal(take(sock, 12)[:4], GREETED + b"\x05\0", f"answer {number}")
        sock.close()
    check_echo(through(t, proxy, server))
    proxy.stop()
    os.close(read)


def test_no_field_can_be_pushed_out(t):
    """The longest user name and target, of bytes that take most room when
    they are escaped: nobody hides where it went."""
    user, name = b"\xff" * 255, b"\xfe" * 255
    for proxy in (t.socks(), with_json(t)):
        sock = t.socket(proxy.address)
        sock.sendall(b"\x05\x01\x02\x01\xff" + user + b"\x01p" +
                     socks5(name, 65535))
        take(sock, 4)
        equal(take(sock, 10)[1], 4, "reply")
        line = proxy.wait_line("session.*reason")
        for field in ("client", "user", "proto", "target", "addr", "via",
                      "in", "out", "seconds", "reason"):
            matches(rf'[ "]{field}["=]', line, f"a line without {field}")


def test_json_of_names_of_any_bytes(t):
    proxy = with_json(t)
    for name in (b"\xff\xfe.example", "b\u00fccher.example".encode(),
                 b"\x80" * 100):
        refusal(t, proxy, name, 1)
    for session in objects(proxy, "session", 3):
        check(session["target"], f"target of {session}")
