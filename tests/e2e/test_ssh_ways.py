"""Several ways out: --via beside a destination, and routes by target."""
import os
import re
import signal

from harness import check, equal, free_port, matches, wait_until
from keys import cached_key
from mux import ask, done
from origins import Echo
from sshd import Sshd
from wire import check_echo, gone, refusal, through

NEAR, FAR = "127.0.0.1", "127.0.0.2"


def config(t, *servers, more=""):
    """-F with what holds for all servers; nothing else of the command line is
    for the further ones."""
    known = ""
    for server in servers:
        with open(server.known_hosts) as file:
            known += file.read()
    path = t.file(f"config{len(t.undo)}", f"""Host *
    IdentityFile {servers[0].key}
    UserKnownHostsFile {t.file(f"known{len(t.undo)}", known)}
    GlobalKnownHostsFile /dev/null
    {more}
""")
    return "-F", path


def uri(server):
    return f"ssh://{server.user}@{server.address}:{server.port}"


def name(server):
    return f"{server.user}@{server.address}:{server.port}"


def at(server):
    """The arguments that make it the destination."""
    return "-p", str(server.port), server.destination


def vias(proxy, count):
    return sorted(session["via"] for session in proxy.sessions(count))


def use(t, proxy, server, host=None):
    sock = through(t, proxy, server, host)
    check_echo(sock)
    sock.close()


def test_routes_by_target(t):
    first, second = Sshd(t), Sshd(t)
    echo = t.server(Echo)
    proxy = t.socks(*config(t, first, second), "--route",
                    f"*.test,localhost={uri(second)}",
                    "--route", f"127.0.0.0/8:{echo.port}=tcp:", *at(first))
    use(t, proxy, echo, "localhost")
    equal(vias(proxy, 1), [uri(second)], "the ways out")
    use(t, proxy, echo)
    equal(vias(proxy, 2), [uri(second), "tcp"], "the ways out")
    other = t.server(Echo)
    use(t, proxy, other)
    equal(vias(proxy, 3), ["ssh", uri(second), "tcp"], "the ways out")
    equal([len(server.sessions()) for server in (first, second)], [1, 1],
          "links")


def test_a_network_matches_no_name(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = t.socks(*config(t, server), "--route", "127.0.0.0/8=tcp:",
                    *at(server))
    use(t, proxy, echo, "localhost")
    use(t, proxy, echo)
    equal(vias(proxy, 2), ["ssh", "tcp"], "the ways out")


def test_the_first_route_counts(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = t.socks(*config(t, server), "--route", "localhost=ssh:",
                    "--route", "*=tcp:", *at(server))
    use(t, proxy, echo, "localhost")
    use(t, proxy, echo)
    equal(vias(proxy, 2), ["ssh", "tcp"], "the ways out")


def test_a_route_without_a_destination(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = t.socks(*config(t, server), "--route",
                    f"localhost={uri(server)}")
    use(t, proxy, echo, "localhost")
    use(t, proxy, echo)
    equal(vias(proxy, 2), [uri(server), "tcp"], "the ways out")
    check("via tcp)" in proxy.text(), "the ready line")


def test_via_beside_a_destination(t):
    first, second, echo = Sshd(t), Sshd(t), t.server(Echo)
    for way, word in (("tcp:", "tcp"), (uri(second), uri(second)),
                      ("ssh:", "ssh")):
        proxy = t.socks(*config(t, first, second), "--via", way, *at(first))
        use(t, proxy, echo)
        equal(proxy.session()["via"], word, "the way out")
        check(f"via {word})" in proxy.text(), "the ready line")
        proxy.stop()


def test_a_local_forward_takes_its_targets_route(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = t.culvert("-L", f"127.0.0.1:0:127.0.0.1:{echo.port}",
                      *config(t, server), "--route", "127.0.0.1=tcp:",
                      *at(server))
    check_echo(t.socket(proxy.address))
    proxy.stop()
    equal(proxy.session()["via"], "tcp", "the way out")


def test_reasons_are_true_by_each_way(t):
    server = Sshd(t)
    port = free_port()
    proxy = t.socks(*config(t, server), "--route", f"{FAR}=tcp:", *at(server))
    for host in (NEAR, FAR):
        equal(refusal(t, proxy, host, port), 5, "reply")
    equal(vias(proxy, 2), ["ssh", "tcp"], "the ways out")


def test_a_further_servers_key_is_checked(t):
    """Nothing of the destination's options holds for it."""
    first = Sshd(t)
    second = Sshd(t, host_keys=[cached_key("other-host", "ed25519")])
    status, text = t.fails(
        "-D", "127.0.0.1:0", *config(t, first, more="BatchMode yes"), "-o",
        "StrictHostKeyChecking=no", "--route", f"a={uri(second)}", *at(first))
    equal(status, 255, "exit status")
    matches(re.escape(uri(second)), text)
    first.wait_sessions(0)


def test_a_routes_server_that_is_down_ends_the_start(t):
    first, second = Sshd(t), Sshd(t)
    second.stop()
    status, text = t.fails("-D", "127.0.0.1:0", *config(t, first, second),
                           "--route", f"a={uri(second)}", *at(first))
    equal(status, 255, "exit status")
    matches(rf"culvert: {re.escape(uri(second))}: .*refused", text)
    check("listening" not in text, "it listened")
    first.wait_sessions(0)


def test_status_and_reconnect_cover_all(t):
    first, second, echo = Sshd(t), Sshd(t), t.server(Echo)
    path = t.tmp("control")
    proxy = t.socks("-M", "-S", path, *config(t, first, second),
                    "--route", f"localhost={uri(second)}", *at(first))
    socks = [through(t, proxy, echo), through(t, proxy, echo, "localhost")]
    for sock in socks:
        check_echo(sock)
    asked = done(ask(t, "culvert", "status", path))
    matches(rf" server={re.escape(name(first))}$", asked.out.splitlines()[0])
    for server in (first, second):
        matches(rf"(?m)^link server={re.escape(name(server))} state=up "
                r"worker=\d+ channels=1 ", asked.out)
    proxy.signal(signal.SIGUSR1)
    for server in (first, second):
        proxy.wait_line(rf"^culvert: link .*server={re.escape(name(server))} "
                        "state=up ")
    for again in (lambda: done(ask(t, "culvert", "reconnect", path)),
                  lambda: proxy.signal(signal.SIGUSR2)):
        before = first.sessions() + second.sessions()
        again()
        for server in (first, second):
            wait_until(lambda server=server: server.sessions() and
                       not set(before) & set(server.sessions()), "new links")
    for sock in socks:
        gone(sock)
    use(t, proxy, echo)
    use(t, proxy, echo, "localhost")


def test_one_server_is_lost_and_the_other_goes_on(t):
    first, second, echo = Sshd(t), Sshd(t), t.server(Echo)
    proxy = t.socks(*config(t, first, second), "--connect-timeout", "1",
                    "--route", f"localhost={uri(second)}", *at(first))
    kept = through(t, proxy, echo)
    second.stop()
    proxy.wait_line("link to .* lost")
    check_echo(kept)
    equal(refusal(t, proxy, "localhost", echo.port), 1, "reply")
    use(t, proxy, echo)
    second.start()
    wait_until(lambda: refusal(t, proxy, "localhost", echo.port) == 0,
               "that it is back")


def test_both_ways_have_their_own_links_and_workers(t):
    """Sessions go to the worker of the link that they leave by."""
    first, second, echo = Sshd(t), Sshd(t), t.server(Echo)
    proxy = t.socks(*config(t, first, second), "--workers", 3,
                    "--connections", 1,
                    "--route", f"localhost={uri(second)}", *at(first))
    socks = [through(t, proxy, echo, host)
             for host in (NEAR, "localhost") * 10]
    for number, sock in enumerate(socks):
        check_echo(sock, os.urandom(1000 + number))
    proxy.signal(signal.SIGUSR1)
    lines = proxy.wait_line("^culvert: counters ", count=3)
    live = {int(found[1]): int(found[2]) for found in
            (re.search(r"worker=(\d+) .*live=(\d+)", line) for line in lines)}
    equal(live, {0: 10, 1: 10, 2: 0}, "live sessions of the workers")
    for sock in socks:
        sock.close()
    words = vias(proxy, 20)
    equal((words.count("ssh"), words.count(uri(second))), (10, 10),
          "the ways out")
