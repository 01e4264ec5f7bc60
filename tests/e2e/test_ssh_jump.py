"""Servers that are reached through others, or by a command."""
import hashlib
import os
import signal
import time

from harness import check, equal, matches, scaled, wait_until
from keys import Askpass, cached_key
from origins import Echo, Sink, Source
from sshd import Odd, Sshd
from wire import check_echo, gone, take_all, through


def known(t, *servers):
    """One file for all."""
    text = ""
    for server in servers:
        with open(server.known_hosts) as file:
            text += file.read()
    return t.file("known_hosts", text)


def hop(server):
    return f"{server.user}@{server.address}:{server.port}"


def chain(t, *servers, config=""):
    """Arguments for the last, through those before it. As with ssh, what is
    to hold for jump hosts too stands in a file."""
    last = servers[-1]
    path = t.file("config", f"""Host *
    IdentityFile {last.key}
    UserKnownHostsFile {known(t, *servers)}
    GlobalKnownHostsFile /dev/null
    {config}
""")
    return ["-F", path, "-J", ",".join(hop(server) for server in servers[:-1]),
            "-p", str(last.port), last.destination]


def sum_of(data):
    return hashlib.sha256(data).hexdigest()


def test_three_hops(t):
    servers = [Sshd(t) for _ in range(3)]
    echo = t.server(Echo)
    proxy = t.socks("--connections", 1, *chain(t, *servers))
    for _ in range(5):
        check_echo(through(t, proxy, echo))
    for server in servers:
        equal(len(server.sessions()), 1, "sessions")


def test_bulk_through_a_jump(t):
    servers = [Sshd(t), Sshd(t)]
    data = os.urandom(24 << 20)
    source, sink = t.server(Source, data), t.server(Sink)
    proxy = t.socks(*chain(t, *servers))
    down, up = through(t, proxy, source), through(t, proxy, sink)
    up.sendall(data)
    up.shutdown(1)
    equal(take_all(up).decode(), sum_of(data), "sum of what went up")
    equal(sum_of(take_all(down)), sum_of(data), "sum of what came down")


def test_a_lost_hop_is_made_anew(t):
    servers = [Sshd(t), Sshd(t), Sshd(t)]
    echo = t.server(Echo)
    proxy = t.socks(*chain(t, *servers))
    for server in servers:
        sock = through(t, proxy, echo)
        check_echo(sock)
        server.kill_sessions()
        gone(sock)
        began = time.monotonic()
        check_echo(through(t, proxy, echo))
        took = time.monotonic() - began
        check(took < scaled(5), f"the next request took {took:.1f} s")
    proxy.wait_line(r"link to jump host .* lost: ")


def test_a_hop_that_falls_silent_is_noticed(t):
    servers = [Sshd(t), Sshd(t)]
    echo = t.server(Echo)
    alert = "ServerAliveInterval 1\n    ServerAliveCountMax 2"
    proxy = t.socks(*chain(t, *servers, config=alert))
    sock = through(t, proxy, echo)
    check_echo(sock)
    servers[0].signal_sessions(signal.SIGSTOP)
    gone(sock)
    check_echo(through(t, proxy, echo))


def test_nothing_of_a_chain_is_left(t):
    servers = [Sshd(t), Sshd(t)]
    echo = t.server(Echo)
    proxy = t.socks("--workers", 1, "--connections", 1, *chain(t, *servers))
    sock = through(t, proxy, echo)
    check_echo(sock)
    sock.close()
    proxy.sessions(1)
    before = proxy.settled_descriptors()
    for number in range(3):
        servers[0].kill_sessions()
        proxy.wait_line("link to .* is back", count=number + 1, seconds=20)
    equal(proxy.settled_descriptors(), before, "descriptors")


def test_a_hop_that_refuses_is_named(t):
    servers = [Sshd(t), Sshd(t)]
    args = chain(t, *servers)
    servers[0].stop()
    status, said = t.fails("-D", "127.0.0.1:0", *args)
    equal(status, 255, "exit status")
    matches(rf"jump host .*: 127\.0\.0\.1 port {servers[0].port}: "
            "connection refused", said)


def test_a_server_behind_a_hop_that_refuses_is_named(t):
    servers = [Sshd(t), Sshd(t)]
    args = chain(t, *servers)
    servers[1].stop()
    status, said = t.fails("-D", "127.0.0.1:0", *args)
    equal(status, 255, "exit status")
    matches(rf"jump host .*: from there to 127\.0\.0\.1 port "
            rf"{servers[1].port}: connection refused", said)


def test_a_hop_that_forwards_nothing(t):
    servers = [Sshd(t, AllowTcpForwarding="no"), Sshd(t)]
    status, said = t.fails("-D", "127.0.0.1:0", *chain(t, *servers))
    equal(status, 255, "exit status")
    matches(r"jump host .*prohibited", said)


# --- ProxyCommand -------------------------------------------------------------

def by_command(server, command):
    return ["-o", f"ProxyCommand={command}", *server.args()]


def test_proxy_command(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = t.socks(*by_command(server, "nc %h %p"))
    for _ in range(5):
        check_echo(through(t, proxy, echo))


def test_a_proxy_command_ends_with_its_link(t):
    server, echo = Sshd(t), t.server(Echo)
    pids = t.tmp("pids")
    proxy = t.socks("--connections", 1, *by_command(
        server, f"sh -c 'echo $$ >>{pids}; exec nc %h %p'"))
    check_echo(through(t, proxy, echo))
    server.kill_sessions()
    proxy.wait_line("is back", seconds=20)
    proxy.stop()
    with open(pids) as file:
        found = [int(line) for line in file]
    equal(len(found), 2, "commands")
    for pid in found:
        wait_until(lambda pid=pid: not os.path.exists(f"/proc/{pid}/exe") or
                   not is_running(pid), "the command's end")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_proxy_command_that_fails(t):
    server = Sshd(t)
    status, said = t.fails("-D", "127.0.0.1:0",
                           *by_command(server, "sh -c 'echo went wrong >&2; "
                                               "exit 3'"))
    equal(status, 255, "exit status")
    matches("^went wrong$", said)
    matches(r"ProxyCommand exited with status 3", said)


def test_proxy_command_none(t):
    server, echo = Sshd(t), t.server(Echo)
    proxy = t.socks(*by_command(server, "none"))
    check_echo(through(t, proxy, echo))


def test_password_is_not_for_a_namesake(t):
    """Behind the jump host the same name, user and port are another server:
    what was typed for the first is not sent there."""
    inner = Odd(t, passwords={"odd": "inner"}, host_key=cached_key("stranger"))
    gate = Odd(t, passwords={"odd": "gate"}, leads=inner.port)
    config = t.file("config", f"""Host inner
    HostName 127.0.0.1
    Port {gate.port}
    ProxyJump gate
Host gate
    HostName 127.0.0.1
    Port {gate.port}
Host *
    User odd
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    GlobalKnownHostsFile /dev/null
    PreferredAuthentications password
""")
    askpass = Askpass(t, "gate", "inner")
    t.socks("--connections", 1, "-F", config, "inner",
            env=dict(askpass.env, SSH_AUTH_SOCK=""), start_new_session=True)
    equal(len(askpass.asked()), 2, "questions")
    equal(gate.lines("password"), ["password odd True"], "at the gate")
    equal(inner.lines("password"), ["password odd True"], "inside")


def test_hosts_with_names_of_any_kind(t):
    """What the system's resolver, or a command, makes something of."""
    server = Sshd(t)
    echo = t.server(Echo)
    with open(server.known_hosts) as file:
        key = file.readline().split(None, 1)[1]
    hosts = t.file("any", f"* {key}")
    for host in ("db_1", "a+b", "t\u00e4st", "a=b", "x:y"):
        proxy = t.socks("--connections", 1, "-F", "none", "-i", server.key,
                        "-o", f"UserKnownHostsFile={hosts}", "-o",
                        "GlobalKnownHostsFile=/dev/null", "-o",
                        f"ProxyCommand=nc {server.address} {server.port}",
                        "-o", f"HostName={host}", "-l", server.user, "there")
        check_echo(through(t, proxy, echo))
        proxy.stop()
