"""Who may use a port on a gateway, and for what: passwords, rules, limits,
and the warning for a port that has none of them."""

from harness import check, equal, free_port, matches
from origins import Echo, Http, Refused
from remote import dynamic, fixed, free_ports, remote
from sshd import Sshd
from test_auth import try_password
from test_programs import curl, fetch
from test_rules import from_address, may_come
from wire import (GREETING, check_echo, connect, gone, open_socks5, refusal,
                  socks4, take, take_all, take_head, through, turned_away)

NAMESPACE = True

DENIED = 2
USERS = "me:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n"
LIMITS = "--max-sessions", "5"


def with_users(t, *options):
    return dynamic(t, Sshd(t), "--users", t.file("users", USERS), *options)


# --- --users ------------------------------------------------------------------

def test_good_password(t):
    proxy, port = with_users(t)
    sock = open_socks5(t, port, "127.0.0.1", t.server(Echo).port, "me",
                       "secret")
    check_echo(sock)
    sock.close()
    equal(proxy.session()["user"], "me", "user in the log")


def test_wrong_password(t):
    """With a line in the log, which tells who on the gateway tried."""
    proxy, port = with_users(t)
    check(try_password(t, port, "me", "wrong") != 0, "it came in")
    check(try_password(t, port, "you", "secret") != 0, "it came in")
    line = proxy.wait_line("^culvert: auth-failed ", count=2)[0]
    matches("client=127.0.0.1 user=me proto=socks5", line, "line")


def test_no_password(t):
    """S5-1: no method of those offered."""
    proxy, port = with_users(t)
    sock = t.socket(port.address)
    sock.sendall(GREETING)
    equal(take(sock, 2), b"\x05\xff", "method")
    gone(sock)


def test_socks4_has_no_password(t):
    proxy, port = with_users(t)
    sock = t.socket(port.address)
    sock.sendall(socks4("127.0.0.1", t.server(Echo).port, "me"))
    check(take_all(sock)[1] in (0x5b, 0x5d), "it came in")


def test_http_password(t):
    proxy, port = with_users(t)
    target = "127.0.0.1", t.server(Echo).port
    for user, secret, status in ((None, "", 407), ("me", "wrong", 407),
                                 ("me", "secret", 200)):
        sock = t.socket(port.address)
        sock.sendall(connect(*target, user, secret))
        equal(take_head(sock)[0], status, f"status for {user} {secret}")
        sock.close()


def test_curl_with_a_password(t):
    web = t.server(Http)
    proxy, port = with_users(t)
    gateway = f"127.0.0.1:{port.port}"
    fetch(t, f"socks5h://me:secret@{gateway}", web.url("localhost"))
    equal(curl(t, f"socks5h://me:wrong@{gateway}", web.url())[0], 97,
          "exit status with a wrong password")
    equal(curl(t, f"socks5h://{gateway}", web.url())[0], 97,
          "exit status without one")


def test_users_are_not_asked_on_a_fixed_port(t):
    """There is nobody to ask there, as with -L."""
    proxy, port = fixed(t, Sshd(t), t.server(Echo), "--users",
                        t.file("users", USERS))
    check_echo(t.socket(port.address))


# --- rules --------------------------------------------------------------------

def test_permit(t):
    good, bad = t.server(Echo), t.server(Echo)
    proxy, port = dynamic(t, Sshd(t), "--permit", f"127.0.0.1:{good.port}")
    check_echo(through(t, port, good))
    equal(refusal(t, port, "127.0.0.1", bad.port), DENIED, "reply")
    equal(bad.accepted, 0, "connections made")


def test_deny(t):
    good, bad = t.server(Echo), t.server(Echo)
    proxy, port = dynamic(t, Sshd(t), "--deny", f":{bad.port}")
    check_echo(through(t, port, good))
    equal(refusal(t, port, "localhost", bad.port), DENIED, "reply")
    equal(bad.accepted, 0, "connections made")


def test_denied_to_each_protocol(t):
    web = t.server(Http)
    proxy, port = dynamic(t, Sshd(t), "--deny", "127.0.0.0/8")
    sock = t.socket(port.address)
    sock.sendall(socks4("127.0.0.1", web.port))
    equal(take_all(sock), b"\0\x5b" + bytes(6), "SOCKS4's answer")
    sock = t.socket(port.address)
    sock.sendall(connect("127.0.0.1", web.port))
    equal(take_head(sock)[0], 403, "HTTP's status")
    status, out, said = curl(t, f"socks5://127.0.0.1:{port.port}", web.url())
    equal((status, out), (97, b""), f"curl's exit status ({said})")
    matches(r"\(2\)", said, "curl's word for the reply")


def test_rules_hold_for_fixed_ports_too(t):
    echo = t.server(Echo)
    proxy, port = fixed(t, Sshd(t), echo, "--deny", "127.0.0.0/8")
    turned_away(t, port.address)
    equal(proxy.session()["reason"], "denied", "reason")
    equal(echo.accepted, 0, "connections made")


def test_allow_from(t):
    """By who connected to the gateway, as the server tells."""
    proxy, port = dynamic(t, Sshd(t), "--allow-from", "127.0.0.1",
                          "--allow-from", "127.0.4.0/24")
    for source, wanted in (("127.0.0.1", True), ("127.0.0.2", False),
                           ("127.0.4.9", True), ("127.0.5.0", False)):
        equal(may_come(t, port, source), wanted, f"from {source}")
    proxy.wait_line("client=127.0.0.2:.*reason=denied")


def test_allow_from_for_a_fixed_port(t):
    echo = t.server(Echo)
    proxy, port = fixed(t, Sshd(t), echo, "--allow-from", "127.0.0.1")
    check_echo(from_address(t, port, "127.0.0.1"))
    turned_away(t, port.address, "127.0.0.2")
    equal(echo.accepted, 1, "connections made")


# --- PermitRemoteOpen ---------------------------------------------------------

def permitted(t, value, *options):
    proxy, port = dynamic(t, Sshd(t), "-o", f"PermitRemoteOpen={value}",
                          *options)
    return port


def test_permit_remote_open(t):
    """What is listed, as it is written there."""
    good, also, bad = t.server(Echo), t.server(Echo), t.server(Echo)
    port = permitted(t, f"127.0.0.1:{good.port} localhost:{also.port}")
    check_echo(through(t, port, good))
    check_echo(through(t, port, also, "localhost"))
    equal(refusal(t, port, "127.0.0.1", also.port), DENIED, "reply")
    equal(refusal(t, port, "127.0.0.1", bad.port), DENIED, "reply")
    equal(bad.accepted, 0, "connections made")


def test_permit_remote_open_any_port(t):
    port = permitted(t, "127.0.0.1:*")
    check_echo(through(t, port, t.server(Echo)))
    equal(refusal(t, port, "127.0.0.2", t.server(Refused).port), DENIED,
          "reply")


def test_permit_remote_open_any_host(t):
    echo = t.server(Echo)
    port = permitted(t, f"*:{echo.port}")
    check_echo(through(t, port, echo))
    check_echo(through(t, port, echo, "localhost"))
    equal(refusal(t, port, "127.0.0.1", t.server(Refused).port), DENIED,
          "reply")


def test_permit_remote_open_none(t):
    echo = t.server(Echo)
    port = permitted(t, "none")
    equal(refusal(t, port, "127.0.0.1", echo.port), DENIED, "reply")
    equal(echo.accepted, 0, "connections made")


def test_permit_remote_open_any(t):
    check_echo(through(t, permitted(t, "any"), t.server(Echo)))


def test_permit_remote_open_is_for_dynamic_ports(t):
    """Neither fixed ones nor -D and -L are asked for it."""
    echo = t.server(Echo)
    server = Sshd(t)
    proxy, (port,) = remote(
        t, server, "-R", f"{free_port()}:127.0.0.1:{echo.port}", "-D",
        "127.0.0.1:0", "-o", "PermitRemoteOpen=none")
    check_echo(t.socket(port.address))
    where, = [where for where, _ in proxy.listening if " at " not in where]
    check_echo(through(t, ("127.0.0.1", int(where.rpartition(":")[2])), echo))


def test_permit_remote_open_and_permit(t):
    """Both must let it pass."""
    one, two, three = t.server(Echo), t.server(Echo), t.server(Echo)
    port = permitted(t, f"127.0.0.1:{one.port} 127.0.0.1:{two.port}",
                     "--permit", f":{one.port}", "--permit",
                     f":{three.port}")
    check_echo(through(t, port, one))
    equal(refusal(t, port, "127.0.0.1", two.port), DENIED, "reply")
    equal(refusal(t, port, "127.0.0.1", three.port), DENIED, "reply")


# --- limits -------------------------------------------------------------------

def test_max_sessions(t):
    """One too many is told so; a place that is free again is given."""
    echo = t.server(Echo)
    proxy, port = dynamic(t, Sshd(t), *LIMITS)
    socks = [through(t, port, echo) for _ in range(5)]
    equal(refusal(t, port, "127.0.0.1", echo.port), DENIED, "reply")
    equal(proxy.session()["reason"], "limit", "reason")
    socks[0].close()
    proxy.sessions(2)
    check_echo(through(t, port, echo))


def test_max_sessions_of_a_fixed_port(t):
    echo = t.server(Echo)
    proxy, port = fixed(t, Sshd(t), echo, *LIMITS)
    socks = [t.socket(port.address) for _ in range(5)]
    for sock in socks:
        check_echo(sock)
    turned_away(t, port.address)
    socks[0].close()
    proxy.sessions(2)
    check_echo(t.socket(port.address))


def test_max_per_source(t):
    """By who connected to the gateway."""
    echo = t.server(Echo)
    proxy, port = fixed(t, Sshd(t), echo, "--max-per-source", "1")
    for source in ("127.0.0.1", "127.0.0.2"):
        first = from_address(t, port, source)
        check_echo(first)
        turned_away(t, port.address, source)
        check_echo(first)


def test_handshake_timeout(t):
    """Who says nothing to a SOCKS port has no channel for ever."""
    proxy, port = dynamic(t, Sshd(t), "--handshake-timeout", "1")
    turned_away(t, port.address)
    equal(proxy.session()["reason"], "handshake-timeout", "reason")


# --- the warning --------------------------------------------------------------

WARNING = "warning: whoever reaches the port"


def warnings(t, specs, *options):
    """What is said when these are asked for, by a server that lets them on
    its loopback only. Its end is waited for, so that this is all."""
    server = Sshd(t)
    words = [word for spec in specs for word in ("-R", spec)]
    proxy, _ = remote(t, server, *words, *options)
    proxy.stop()
    return server, [line for line in proxy.lines() if WARNING in line]


def test_warning(t):
    port = free_ports(2)[1]
    for spec in (f"*:{port}", f":{port}", f"0.0.0.0:{port}", f"[::]:{port}",
                 f"198.51.100.1:{port}", f"gateway.test:{port}"):
        server, said = warnings(t, [spec])
        equal(said, [
            f"culvert: -R {spec}: warning: whoever reaches the port at "
            f"{server.user}@127.0.0.1:{server.port} can connect to all that "
            f"this machine reaches; --users, --permit or PermitRemoteOpen "
            f"restrict that"], f"lines for {spec}")


def test_no_warning_on_loopback(t):
    said = warnings(t, ["0", "localhost:0", "127.0.0.1:0", "127.0.0.2:0",
                        "[::1]:0"])[1]
    equal(said, [], "lines")


def test_no_warning_for_a_fixed_port(t):
    equal(warnings(t, ["*:0:localhost:80"])[1], [], "lines")


def test_no_warning_with_a_rule(t):
    users = t.file("users", USERS)
    for rule in (("--users", users), ("--allow-from", "127.0.0.1"),
                 ("--permit", "127.0.0.1"), ("--deny", "10.0.0.0/8"),
                 ("-o", "PermitRemoteOpen=127.0.0.1:80"),
                 ("-o", "PermitRemoteOpen=none")):
        equal(warnings(t, ["*:0"], *rule)[1], [], f"lines with {rule}")
