"""The control socket of a culvert that leaves by an SSH server, and our -O
against stock ssh's; how it ends."""
import os
import signal
import threading

import mux
from harness import check, equal, free_port, matches, wait_until
from mux import (PROGRAMS, ask, at, check_alive, done, refuses, ssh_master,
                 two_ports)
from origins import Echo, Source
from sshd import Sshd
from wire import check_echo, gone, open_socks5, take_all, through


def master(t, server, *args):
    """A culvert through server with a control socket; returns both."""
    return mux.master(t, *args, *server.args())


# --- stock ssh and our -O against us ------------------------------------------

def test_all_verbs(t):
    sshd = Sshd(t)
    server = t.server(Echo)
    for program in PROGRAMS:
        proxy, path = master(t, sshd)
        check_alive(t, program, path, proxy.pid)
        one, two = two_ports()
        specs = ("-D", f"127.0.0.1:{one}",
                 "-L", f"127.0.0.1:{two}:127.0.0.1:{server.port}")
        done(ask(t, program, "forward", path, *specs))
        check_echo(through(t, at(one), server))
        sock = t.socket(at(two))
        check_echo(sock)
        done(ask(t, program, "cancel", path, *specs))
        check(refuses(t, at(one)) and refuses(t, at(two)), "ports listen")
        check_echo(sock)
        sock.close()
        done(ask(t, program, "stop", path))
        check(not os.path.exists(path), "the socket is still there")
        check_echo(through(t, proxy, server))
        proxy.stop()


def test_exit(t):
    sshd = Sshd(t)
    for program in PROGRAMS:
        proxy, path = master(t, sshd)
        sock = through(t, proxy, t.server(Echo))
        done(ask(t, program, "exit", path))
        equal(proxy.wait(5), 0, "exit status")
        gone(sock)
        check(not os.path.exists(path), "the socket is still there")
        sshd.wait_sessions(0)


def test_forwards_to_unix_sockets(t):
    sshd = Sshd(t)
    inner, outer = t.tmp("inner"), t.tmp("outer")
    t.server(Echo, inner)
    proxy, path = master(t, sshd)
    done(ask(t, "ssh", "forward", path, "-L", f"{outer}:{inner}"))
    sock = t.socket(outer)
    check_echo(sock)
    done(ask(t, "ssh", "cancel", path, "-L", f"{outer}:{inner}"))
    check(not os.path.exists(outer), "the socket is still there")
    check_echo(sock)


def test_forward_and_cancel_while_traffic_flows(t):
    """Downloads by one forward while others come and go."""
    data = os.urandom(8 << 20)
    sshd = Sshd(t)
    server = t.server(Source, data)
    proxy, path = master(t, sshd)
    good = []

    def download(address):
        sock = open_socks5(t, address, server.host, server.port)
        good.append(take_all(sock) == data)
        sock.close()
    threads = [threading.Thread(target=download, args=(proxy.address,))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for i in range(10):
        port = free_port()
        spec = "-D", f"127.0.0.1:{port}"
        done(ask(t, PROGRAMS[i % 2], "forward", path, *spec))
        # It has its connection before the forward goes.
        sock = open_socks5(t, at(port), server.host, server.port)
        done(ask(t, PROGRAMS[i % 2], "cancel", path, *spec))
        check(refuses(t, at(port)), "the port still listens")
        good.append(take_all(sock) == data)
        sock.close()
    for thread in threads:
        thread.join()
    equal(good, [True] * 18, "downloads")


def test_open_forwards_are_warned_of(t):
    """With a server, beyond loopback is as open as ssh's own."""
    sshd = Sshd(t)
    proxy, path = master(t, sshd)
    port = free_port("0.0.0.0")
    done(ask(t, "ssh", "forward", path, "-D", f"*:{port}"))
    proxy.wait_line("warning: whoever reaches")
    check_echo(through(t, ("127.0.0.5", port), t.server(Echo)))


def test_status_and_reconnect(t):
    sshd = Sshd(t)
    server = t.server(Echo)
    proxy, path = master(t, sshd)
    sock = through(t, proxy, server)
    check_echo(sock)
    asked = done(ask(t, "culvert", "status", path))
    matches(rf"^culvert \S+ pid={proxy.pid} workers=\d+ sessions=1 "
            rf"server={sshd.user}@127.0.0.1:{sshd.port}$", asked.out)
    matches(rf"^listening on {proxy.where} \(socks, via ssh\)$", asked.out)
    matches(r"^link state=up worker=\d+ channels=1 opening=0 in=\d+ out=\d+ "
            r"rtt_ms=[\d.]+ seconds=\d+$", asked.out)
    before = sshd.sessions()
    asked = done(ask(t, "culvert", "reconnect", path))
    equal(asked.err, "Reconnect request sent.\r\n", "reconnect")
    gone(sock)
    wait_until(lambda: sshd.sessions() and
               not set(before) & set(sshd.sessions()), "a new link")
    check_echo(through(t, proxy, server))


def test_usr2_reconnects(t):
    sshd = Sshd(t)
    server = t.server(Echo)
    proxy, path = master(t, sshd)
    before = sshd.wait_sessions(1)
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: sshd.sessions() and
               not set(before) & set(sshd.sessions()), "a new link")
    check_echo(through(t, proxy, server))


def test_usr1_tells_of_the_links(t):
    proxy, path = master(t, Sshd(t))
    proxy.signal(signal.SIGUSR1)
    proxy.wait_line(r"^culvert: link time=\S+ state=up worker=\d+ channels=0 ")


def test_it_stands_while_the_server_is_away(t):
    """The control socket works, and says that the link waits."""
    sshd = Sshd(t)
    proxy, path = master(t, sshd)
    sshd.stop()
    wait_until(lambda: "state=up" not in
               ask(t, "culvert", "status", path).out, "that it is noticed")
    check_alive(t, "ssh", path, proxy.pid)
    port = free_port()
    done(ask(t, "ssh", "forward", path, "-D", f"127.0.0.1:{port}"))
    sshd.start()
    check_echo(through(t, at(port), t.server(Echo)))


def test_term_drains(t):
    """Sessions, wherever their link has them, end by themselves first."""
    sshd = Sshd(t)
    server = t.server(Echo)
    for _ in range(3):
        proxy = t.socks("--workers", "3", *sshd.args())
        socks = [through(t, proxy, server) for _ in range(30)]
        proxy.signal(signal.SIGTERM)
        wait_until(lambda proxy=proxy: refuses(t, proxy.address),
                   "that it stops listening")
        for sock in socks:
            check_echo(sock)
            sock.close()
        equal(proxy.wait(5), 0, "exit status")
        check("drain time-out" not in proxy.text(), "it waited in vain")


def test_term_without_sessions(t):
    sshd = Sshd(t)
    proxy = t.socks(*sshd.args())
    proxy.signal(signal.SIGTERM)
    equal(proxy.wait(3), 0, "exit status")
    sshd.wait_sessions(0)


# --- our -O against stock ssh -------------------------------------------------

def test_against_ssh(t):
    sshd = Sshd(t)
    server = t.server(Echo)
    process, path = ssh_master(t, sshd)
    check_alive(t, "culvert", path, process.pid)
    one, two = two_ports()
    inner, outer = t.tmp("inner"), t.tmp("outer")
    t.server(Echo, inner)
    specs = ("-D", f"127.0.0.1:{one}", "-L",
             f"localhost:{two}:127.0.0.1:{server.port}", "-L",
             f"{outer}:{inner}")
    done(ask(t, "culvert", "forward", path, *specs))
    check_echo(through(t, at(one), server))
    check_echo(t.socket(at(two)))
    check_echo(t.socket(outer))
    done(ask(t, "culvert", "cancel", path, *specs))
    check(refuses(t, at(one)) and refuses(t, at(two)), "ports listen")
    asked = done(ask(t, "culvert", "cancel", path, *specs[:2]))
    matches("forwarding request failed: port not forwarded", asked.err)
    asked = done(ask(t, "culvert", "status", path), 255)
    matches("status request failed: unsupported request", asked.err)
    done(ask(t, "culvert", "stop", path))
    check(not os.path.exists(path), "the socket is still there")
    equal(process.poll(), None, "exit status")


def test_cancel_of_what_ssh_was_started_with(t):
    sshd = Sshd(t)
    port = free_port()
    process, path = ssh_master(t, sshd, "-D", str(port))
    done(ask(t, "culvert", "cancel", path, "-D", port))
    check(refuses(t, at(port)), "the port still listens")


def test_exit_of_ssh(t):
    process, path = ssh_master(t, Sshd(t))
    asked = done(ask(t, "culvert", "exit", path))
    equal(asked.err, "Exit request sent.\r\n", "exit")
    process.wait(10)


def test_a_master_of_ssh_is_no_place_for_ours(t):
    sshd = Sshd(t)
    process, path = ssh_master(t, sshd)
    proxy = t.socks("-M", "-S", path, *sshd.args())
    proxy.wait_line("already exists, disabling multiplexing")
    check_alive(t, "ssh", path, process.pid)
    proxy.stop()
    check_alive(t, "culvert", path, process.pid)
