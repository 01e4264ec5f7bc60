"""Signals: how it ends, what it re-reads, what it tells."""
import os
import signal
import time

from harness import check, equal, free_port, matches, scaled, wait_until
from origins import Both, Echo, Hold
from wire import (GREETED, GREETING, check_echo, gone, open_socks5, socks5,
                  take, take_reply, through)


def refused(t, proxy):
    try:
        t.socket(proxy.address).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it closes while we come in
        pass
    return False


def test_term_without_sessions(t):
    proxy = t.socks()
    proxy.signal(signal.SIGTERM)
    equal(proxy.wait(3), 0, "exit status")


def test_term_drains(t):
    """New clients are refused, those there are finish, and then it ends."""
    server = t.server(Echo)
    proxy = t.socks()
    sock = through(t, proxy, server)
    proxy.signal(signal.SIGTERM)
    wait_until(lambda: refused(t, proxy), "that it stops listening")
    for _ in range(20):
        check_echo(sock)
        time.sleep(0.01)
    equal(proxy.process.poll(), None, "exit status")
    sock.close()
    equal(proxy.wait(5), 0, "exit status")
    proxy.wait_line("proto=socks5 .*reason=ok")


def test_drain_timeout(t):
    server = t.server(Echo)
    proxy = t.socks("--drain-timeout", "1")
    sock = through(t, proxy, server)
    began = time.monotonic()
    proxy.signal(signal.SIGTERM)
    gone(sock)
    took = time.monotonic() - began
    equal(proxy.wait(5), 0, "exit status")
    check(0.9 < took < scaled(4), f"it took {took:.2f} s")
    equal(proxy.session()["reason"], "shutdown", "reason")


def test_second_term_ends_at_once(t):
    server = t.server(Echo)
    proxy = t.socks()
    sock = through(t, proxy, server)
    proxy.signal(signal.SIGTERM)
    wait_until(lambda: refused(t, proxy), "that it stops listening")
    proxy.signal(signal.SIGTERM)
    equal(proxy.wait(5), 0, "exit status")
    gone(sock)


def test_int_ends(t):
    server = t.server(Hold)
    proxy = t.socks()
    socks = [through(t, proxy, server) for _ in range(20)]
    proxy.signal(signal.SIGINT)
    equal(proxy.wait(5), 0, "exit status")
    for sock in socks:
        gone(sock)
    equal(len(proxy.sessions(20)), 20, "sessions in the log")


def test_drain_serves_who_was_in_the_queue(t):
    """A client that the kernel had accepted before the signal is served, not
    reset."""
    server = t.server(Echo)
    proxy = t.socks("--workers", "1")
    socks = [t.socket(proxy.address) for _ in range(50)]
    proxy.signal(signal.SIGTERM)
    for sock in socks:
        sock.sendall(GREETING + socks5("localhost", server.port))
        equal(take(sock, 2), GREETED, "method")
        equal(take_reply(sock)[0], 0, "reply")
        check_echo(sock)
        sock.close()
    equal(proxy.wait(5), 0, "exit status")


def test_hup_cuts_no_flow(t):
    """9.9: twenty flows, many signals."""
    data = os.urandom(1 << 20) * 8
    server = t.server(Both, data)
    echo = t.server(Echo)
    proxy = t.socks()
    socks = [through(t, proxy, echo) for _ in range(20)]
    bulk = through(t, proxy, server)
    got = 0
    while got < len(data):
        some = bulk.recv(1 << 16)
        check(some, "the bulk flow was cut")
        got += len(some)
        if got % 7 == 0:
            proxy.signal(signal.SIGHUP)
            check_echo(socks[got % 20])
    for sock in socks:
        check_echo(sock)
    check_echo(through(t, proxy, echo))


def test_hup_reopens_the_log(t):
    """Log rotation: rename, signal, and the lines are in a new file."""
    server = t.server(Echo)
    path = t.tmp("log")
    proxy = t.socks("-E", path, listeners=0)
    text = wait_until(lambda: os.path.exists(path) and
                      "listening on" in open(path).read() and
                      open(path).read(), "the ready line")
    proxy.where = matches(r"listening on (\S+)", text)[1]
    check_echo(through(t, proxy, server))
    os.rename(path, path + ".1")
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(path), "a new log")
    sock = through(t, proxy, server)
    sock.close()
    wait_until(lambda: "culvert: session " in open(path).read(),
               "a session in the new log")


def test_usr1_prints_counters_and_sessions(t):
    server = t.server(Echo)
    proxy = t.socks()
    sock = through(t, proxy, server)
    check_echo(sock, b"fourteen bytes")
    other = through(t, proxy, server)
    check_echo(other, b"x")
    other.close()
    proxy.session()
    proxy.signal(signal.SIGUSR1)
    line = proxy.wait_line("^culvert: live ")
    matches(f"target=127.0.0.1:{server.port} ", line, "live session")
    matches("in=14 out=14 ", line, "live session")
    matches("state=relay", line, "live session")
    proxy.wait_line(r"^culvert: counters ")
    check_echo(sock)


def test_signals_during_a_storm(t):
    """USR1 and HUP while sessions come and go; then it drains."""
    server = t.server(Echo)
    proxy = t.socks()
    for number in range(100):
        if number % 10 == 0:
            proxy.signal(signal.SIGUSR1)
        if number % 15 == 0:
            proxy.signal(signal.SIGHUP)
        sock = open_socks5(t, proxy, "localhost", server.port)
        check_echo(sock)
        sock.close()
    proxy.signal(signal.SIGTERM)
    equal(proxy.wait(5), 0, "exit status")
    equal(len(proxy.sessions(100)), 100, "sessions in the log")


def test_broken_pipe_of_its_output(t):
    """Whoever read its stderr is gone: it serves on."""
    read, write = os.pipe()
    server = t.server(Echo)
    port = free_port()
    proxy = t.culvert("-D", f"127.0.0.1:{port}", stderr=write)
    os.close(write)
    line = b""
    while b"\n" not in line:
        line += os.read(read, 1000)
    os.close(read)
    proxy.where = f"127.0.0.1:{port}"
    for _ in range(20):
        sock = through(t, proxy, server)
        check_echo(sock)
        sock.close()


def test_term_and_int_at_once(t):
    """Both are waiting when the program comes to look."""
    for _ in range(5):
        proxy = t.socks()
        os.kill(proxy.pid, signal.SIGSTOP)
        os.kill(proxy.pid, signal.SIGTERM)
        os.kill(proxy.pid, signal.SIGINT)
        os.kill(proxy.pid, signal.SIGCONT)
        equal(proxy.wait(), 0, "exit status")
