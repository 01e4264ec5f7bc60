"""Who may come in from where, and where they may go."""

from harness import check, equal
from origins import Echo, Refused
from wire import (GREETED, GREETING, check_echo, connect, open_socks5, refusal,
                  socks4, socks5, take, take_all, take_head, take_reply,
                  through, turned_away)

DENIED = 2
REFUSED = 5


def from_address(t, proxy, source):
    """A client whose own address is source."""
    return t.socket(proxy.address, source=source, seconds=20)


def may_come(t, proxy, source):
    """Table 6: a client that may not gets 02 for its request."""
    port = t.server(Refused).port
    sock = from_address(t, proxy, source)
    sock.sendall(GREETING + socks5("127.0.0.1", port))
    equal(take(sock, 2), GREETED, "method")
    code = take_reply(sock)[0]
    sock.close()
    check(code in (DENIED, REFUSED), f"code {code} from {source}")
    return code == REFUSED


def test_allow_from(t):
    proxy = t.socks("--allow-from", "127.0.0.1", "--allow-from",
                    "127.0.4.0/24")
    for source, wanted in (("127.0.0.1", True), ("127.0.0.2", False),
                           ("127.0.4.0", True), ("127.0.4.255", True),
                           ("127.0.5.0", False), ("127.0.3.255", False)):
        equal(may_come(t, proxy, source), wanted, f"from {source}")
    proxy.wait_line("client=127.0.0.2:.*reason=denied")


def test_allow_from_for_the_other_protocols(t):
    proxy = t.socks("--allow-from", "127.0.0.1")
    sock = from_address(t, proxy, "127.0.0.2")
    sock.sendall(socks4("127.0.0.1", 1))
    equal(take_all(sock), b"\0\x5b" + bytes(6), "SOCKS4's answer")
    sock = from_address(t, proxy, "127.0.0.2")
    sock.sendall(connect("127.0.0.1", 1))
    equal(take_head(sock)[0], 403, "HTTP's status")


def test_allow_from_any_and_v6(t):
    proxy = t.socks("--allow-from", "any")
    equal(may_come(t, proxy, "127.0.0.2"), True, "from 127.0.0.2")
    proxy = t.culvert("--allow-from", "::1", "-D", "[::1]:0")
    equal(may_come(t, proxy, "::1"), True, "from ::1")
    proxy = t.culvert("--allow-from", "127.0.0.1", "-D", "[::1]:0")
    equal(may_come(t, proxy, "::1"), False, "from ::1")


def test_allow_from_sees_v4_on_a_v6_socket(t):
    """A client that comes mapped is judged as what it is."""
    proxy = t.culvert("--allow-from", "127.0.0.0/8", "-D", "*:0",
                      listeners=2)
    sock = t.socket(("127.0.0.1", proxy.port))
    sock.sendall(GREETING)
    equal(take(sock, 2), GREETED, "method")


def test_allow_from_and_unix_sockets(t):
    path = t.tmp("socks")
    t.culvert("--allow-from", "10.0.0.0/8", "-D", path)
    sock = t.socket(path)
    sock.sendall(GREETING)
    equal(take(sock, 2), GREETED, "method")


def test_allow_from_for_a_forward(t):
    server = t.server(Echo)
    proxy = t.culvert("--allow-from", "127.0.0.1", "-L",
                      f"127.0.0.1:0:localhost:{server.port}")
    check_echo(from_address(t, proxy, "127.0.0.1"))
    turned_away(t, proxy.address, "127.0.0.2")
    equal(server.accepted, 1, "connections made")


def test_deny(t):
    """By name, wildcard, address, network and port; in every spelling."""
    server = t.server(Echo)
    proxy = t.socks("--deny", "blocked.localhost", "--deny", "*.bad.localhost",
                    "--deny", "127.0.9.0/24", "--deny", ":1-1023", "--deny",
                    "127.0.0.3")
    for host, port, wanted in (
            ("blocked.localhost", 5000, DENIED),
            ("BLOCKED.localhost", 5000, DENIED),
            ("blocked.localhost.", 5000, DENIED),
            ("a.bad.localhost", 5000, DENIED),
            ("a.b.bad.localhost", 5000, DENIED),
            ("bad.localhost", server.port, 0),
            ("xblocked.localhost", server.port, 0),
            ("127.0.9.77", 5000, DENIED),
            ("::ffff:127.0.9.77", 5000, DENIED),
            ("127.0.0.3", 5000, DENIED),
            ("127.0.0.1", 80, DENIED),
            ("localhost", 1023, DENIED),
            ("localhost", server.port, 0),
            ("127.0.0.1", server.port, 0)):
        equal(refusal(t, proxy, host, port), wanted, f"{host}:{port}")
    equal(refusal(t, proxy, b"127.0.9.77", 5000), DENIED, "a literal as name")


def test_deny_by_the_resolved_address(t):
    """A name that leads to a denied address is denied, by any name."""
    server = t.server(Echo)
    proxy = t.socks("--deny", "127.0.0.0/8", "--deny", "::1")
    for host in ("localhost", "any.localhost", "LOCALHOST."):
        equal(refusal(t, proxy, host, server.port), DENIED, host)
    equal(server.accepted, 0, "connections made")
    # With one family denied the other is still there.
    six = t.server(Echo, "::1")
    proxy = t.socks("--deny", "127.0.0.0/8")
    check_echo(open_socks5(t, proxy, "localhost", six.port))
    equal(refusal(t, proxy, "localhost", server.port), REFUSED, "refused")


def test_permit(t):
    """With one permission, everything else is denied."""
    server = t.server(Echo)
    proxy = t.socks("--permit", f"good.localhost:{server.port}", "--permit",
                    "127.0.7.0/24", "--permit", ":7000-7002,7009")
    for host, port, wanted in (
            ("good.localhost", server.port, 0),
            ("good.localhost", 6999, DENIED),
            ("localhost", server.port, DENIED),
            ("127.0.0.1", server.port, DENIED),
            ("127.0.7.1", 6999, REFUSED),
            ("127.0.0.1", 7001, REFUSED), ("127.0.0.1", 7009, REFUSED),
            ("127.0.0.1", 7003, DENIED)):
        equal(refusal(t, proxy, host, port), wanted, f"{host}:{port}")


def test_denial_wins(t):
    server = t.server(Echo)
    for order in (("--permit", "*", "--deny", "127.0.0.0/8"),
                  ("--deny", "127.0.0.0/8", "--permit", "*")):
        proxy = t.socks(*order)
        equal(refusal(t, proxy, "127.0.0.1", server.port), DENIED, "code")
    proxy = t.socks("--permit", "localhost", "--deny", "127.0.0.0/8",
                    "--deny", "::1")
    equal(refusal(t, proxy, "localhost", server.port), DENIED, "code")
    equal(server.accepted, 0, "connections made")


def test_deny_all(t):
    server = t.server(Echo)
    proxy = t.socks("--deny", "*")
    equal(refusal(t, proxy, "localhost", server.port), DENIED, "code")
    equal(refusal(t, proxy, "::1", server.port), DENIED, "code")


def test_permit_by_address_for_a_name(t):
    """A name that no permission has by name is looked up, and its address
    decides."""
    server = t.server(Echo)
    proxy = t.socks("--permit", "127.0.0.0/8")
    check_echo(open_socks5(t, proxy, "localhost", server.port))
    six = t.server(Echo, "::1")
    equal(refusal(t, proxy, "::1", six.port), DENIED, "code")


def test_v6_patterns(t):
    six = t.server(Echo, "::1")
    proxy = t.socks("--permit", f"[::1]:{six.port}", "--deny", "fd00::/8")
    check_echo(through(t, proxy, six))
    equal(refusal(t, proxy, "::1", 1), DENIED, "code")
    equal(refusal(t, proxy, "fd00::1", six.port), DENIED, "code")


def test_codes_of_the_other_protocols(t):
    proxy = t.socks("--deny", "127.0.0.1")
    sock = t.socket(proxy.address)
    sock.sendall(socks4("127.0.0.1", 80))
    equal(take_all(sock), b"\0\x5b" + bytes(6), "SOCKS4's answer")
    sock = t.socket(proxy.address)
    sock.sendall(connect("127.0.0.1", 80))
    equal(take_head(sock)[0], 403, "HTTP's status")
    sessions = proxy.sessions(2)
    equal([s["reason"] for s in sessions], ["denied"] * 2, "reasons")


def test_rules_hold_for_forwards_too(t):
    server = t.server(Echo)
    proxy = t.culvert("--deny", "127.0.0.0/8", "--deny", "::1", "-L",
                      f"127.0.0.1:0:localhost:{server.port}")
    turned_away(t, proxy.address)
    equal(server.accepted, 0, "connections made")


def test_unix_targets_and_rules(t):
    """A path is matched by * alone."""
    server = t.server(Echo, t.tmp("origin"))
    for options, served in (((), True), (("--permit", "*"), True),
                            (("--permit", "localhost"), False),
                            (("--deny", "*"), False),
                            (("--deny", ":80"), True)):
        proxy = t.culvert(*options, "-L", f"127.0.0.1:0:{server.host}")
        if served:
            check_echo(t.socket(proxy.address))
        else:
            turned_away(t, proxy.address)
        proxy.stop()
    check(server.accepted == 3, f"{server.accepted} connections made")
