"""The control socket of a culvert that connects by itself: callers who mean no
good, and many of them."""
import os
import time

from harness import (VARIANT, WRAP, check, equal, free_port, matches, scaled,
                     wait_until)
from mux import (ALIVE, ALIVE_CHECK, CLOSE_FORWARD, FAILURE, HELLO,
                 NEW_SESSION, OK, OPEN_FORWARD, PROGRAMS, STATUS, TERMINATE,
                 Caller, ask, at, check_alive, done, dynamic, master, message,
                 number, refuses, string, take_message)
from origins import Echo, Hold
from wire import GREETING, gone, socks5, through


def hostile(t, path):
    """Connections that have sent what nobody should, left open."""
    rubbish = (
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(3000),
        b"\0" * 1000,
        b"\xff" * 1000,
        number(0xffffffff),
        number(3) + b"abc",
        message(HELLO, 3),
        message(HELLO, 4) * 2,
        message(HELLO),
        message(ALIVE_CHECK, 0),
        message(HELLO, 4) + message(OPEN_FORWARD, 0, 1, number(0xfffffff0)),
        message(HELLO, 4) + message(OPEN_FORWARD, 0, 1, string("a\0b"), 1,
                                    string("b"), 1),
        message(HELLO, 4) + message(OPEN_FORWARD, 0, 1, string("a" * 300), 1,
                                    string("b"), 1),
        message(HELLO, 4) + message(OPEN_FORWARD, 0, 1, string("a"), 70000,
                                    string("b"), 1),
    )
    socks = []
    for data in rubbish:
        sock = t.socket(path)
        sock.sendall(data)
        socks.append(sock)
    return socks


def test_rubbish(t):
    """Each is sent away, and nobody else is."""
    proxy, path = master(t)
    caller = Caller(t, path)
    for sock in hostile(t, path):
        equal(take_message(sock)[0], HELLO, "hello")
        gone(sock)
    equal(caller.ask(message(ALIVE_CHECK, 9)),
          (ALIVE, number(9) + number(proxy.pid)), "check")
    check_alive(t, "ssh", path, proxy.pid)


def test_unknown_requests(t):
    """Are answered, and what follows them is, too."""
    proxy, path = master(t)
    caller = Caller(t, path)
    for kind in (0x10000003, 0x1000000f, 0x7fffffff, OK, FAILURE):
        body = message(kind, 3, string("whatever"))
        equal(caller.ask(body), (FAILURE, number(3) +
                                 string("unsupported request")), "answer")
    equal(caller.ask(message(OPEN_FORWARD, 4, 9, string(""), 1, string("b"),
                             1)),
          (FAILURE, number(4) + string("Invalid forwarding request")),
          "answer")
    equal(caller.ask(message(ALIVE_CHECK, 9))[0], ALIVE, "check")


def test_a_byte_at_a_time_and_all_at_once(t):
    proxy, path = master(t)
    caller = Caller(t, path, hello=False)
    for byte in message(HELLO, 4) + message(ALIVE_CHECK, 9):
        caller.send(bytes((byte,)))
    equal(take_message(caller.sock)[0], ALIVE, "check")
    count = 500
    caller.send(b"".join(message(ALIVE_CHECK, i) for i in range(count)))
    for i in range(count):
        equal(take_message(caller.sock), (ALIVE, number(i) +
                                          number(proxy.pid)), "check")


def test_one_that_does_not_read(t):
    """Is not read from, either: what waits for it is one answer."""
    proxy, path = master(t)
    caller = Caller(t, path)
    caller.sock.settimeout(1)
    before = proxy.pss()
    sent = 0
    try:
        while sent < 20 << 20:
            sent += caller.sock.send(message(STATUS, 1) * 1000)
    except TimeoutError:
        pass
    check(sent < 10 << 20, f"{sent} bytes were taken")
    check_alive(t, "ssh", path, proxy.pid)
    if VARIANT == "release":
        grown = proxy.pss() - before
        check(grown < 4 << 20, f"{grown} bytes more")


def test_silent_callers_are_sent_away(t):
    """Half a message, no message, or a refused session: ten seconds."""
    proxy, path = master(t)
    before = proxy.settled_descriptors()
    began = time.monotonic()
    one = Caller(t, path, seconds=40)
    two = Caller(t, path, hello=False, seconds=40)
    two.send(message(HELLO, 4)[:7])
    three = Caller(t, path, seconds=40)
    kind, _ = three.ask(message(NEW_SESSION, 0, string(b"\0" * 60000)))
    equal(kind, FAILURE, "answer")
    three.send(b"\0" * 3)
    for caller in (one, two, three):
        gone(caller.sock)
    took = time.monotonic() - began
    check(9 < took < scaled(20), f"it took {took:.1f} s")
    equal(proxy.settled_descriptors(), before, "descriptors")


def test_a_thousand_callers(t):
    """Those who sit there keep nobody out, and their descriptors are few."""
    server = t.server(Echo)
    proxy, path = master(t)
    before = proxy.settled_descriptors()
    socks = [t.socket(path) for _ in range(1000)]
    for program in PROGRAMS:
        check_alive(t, program, path, proxy.pid)
    check(proxy.settled_descriptors() <= before + 70, "descriptors")
    for sock in socks + [through(t, proxy, server)]:
        sock.close()
    wait_until(lambda: proxy.descriptors() == before, "the descriptors' end")


def test_with_as_many_sessions_as_can_be(t):
    """There is a descriptor left for whoever wants to know."""
    if WRAP:
        t.skip("valgrind keeps some descriptors for itself")
    server = t.server(Hold)
    proxy, path = master(t, wrap=("prlimit", "--nofile=96:96"))
    clients = [t.socket(proxy.address) for _ in range(100)]
    for client in clients:
        client.sendall(GREETING + socks5("127.0.0.1", server.port))
    proxy.wait_line("new clients wait")
    check_alive(t, "ssh", path, proxy.pid)
    asked = done(ask(t, "culvert", "status", path))
    check(int(matches(r"sessions=(\d+)", asked.out)[1]) > 10, asked.out)
    done(ask(t, "ssh", "exit", path))
    equal(proxy.wait(5), 0, "exit status")


def test_callers_come_and_go_while_it_works(t):
    """Also those who leave before their answer is there."""
    proxy, path = master(t)
    before = proxy.settled_descriptors()
    port = free_port()
    for i in range(200):
        sock = t.socket(path)
        sock.sendall(message(HELLO, 4) +
                     dynamic(OPEN_FORWARD if i % 2 else CLOSE_FORWARD, port))
        sock.close()
    check_alive(t, "ssh", path, proxy.pid)
    ask(t, "culvert", "cancel", path, "-D", f"127.0.0.1:{port}")
    check(refuses(t, at(port)), "the port still listens")
    equal(proxy.settled_descriptors(), before, "descriptors")


def test_exit_among_others(t):
    """While others ask for other things."""
    proxy, path = master(t)
    callers = [Caller(t, path) for _ in range(30)]
    for i, caller in enumerate(callers):
        caller.send(dynamic(OPEN_FORWARD, free_port(), 1) if i % 3 else
                    message(STATUS, 1) * 5)
    last = Caller(t, path)
    last.send(message(TERMINATE, 2))
    equal(proxy.wait(5), 0, "exit status")
