"""Names, looked up at a server of the test's own, in a network and mounts of
the test's own; and networks that cannot be reached."""
import subprocess
import time

from dns import (A, AAAA, SERVFAIL, Server, Zone, bind_file, name_server,
                 sh)
from harness import check, equal, scaled, wait_until
from origins import Echo
from wire import (GREETED, GREETING, check_echo, connect, open_socks5,
                  refusal, socks4, socks5, take, take_all, take_head,
                  take_reply)

NAMESPACE = True


def test_name_is_asked_for_both_families(t):
    dns = name_server(t, {"web.test": Zone(v4=["127.0.0.1"])})
    server = t.server(Echo)
    proxy = t.socks()
    check_echo(open_socks5(t, proxy, "web.test", server.port))
    check(("web.test", A) in dns.asked and ("web.test", AAAA) in dns.asked,
          f"asked: {dns.asked}")


def test_session_line_has_name_and_address(t):
    name_server(t, {"web.test": Zone(v4=["127.0.0.1"])})
    server = t.server(Echo)
    proxy = t.socks()
    open_socks5(t, proxy, "web.test", server.port).close()
    session = proxy.session()
    equal(session["target"], f"web.test:{server.port}", "target")
    equal(session["addr"], f"127.0.0.1:{server.port}", "address")


def test_v6_name(t):
    name_server(t, {"six.test": Zone(v6=["::1"])})
    server = t.server(Echo, "::1")
    check_echo(open_socks5(t, t.socks(), "six.test", server.port))


def test_name_that_does_not_exist(t):
    name_server(t, {"empty.test": Zone(), "broken.test": Zone(code=SERVFAIL)})
    proxy = t.socks()
    for name in ("nobody.test", "empty.test", "broken.test",
                 "a" * 63 + ".test", ".".join(["a" * 49] * 5)[:253]):
        equal(refusal(t, proxy, name, 80), 4, f"code for {name}")
        sock = t.socket(proxy.address)
        sock.sendall(socks4(name, 80))
        equal(take_all(sock), b"\0\x5b" + bytes(6), f"SOCKS4 for {name}")
        sock = t.socket(proxy.address)
        sock.sendall(connect(name, 80))
        equal(take_head(sock)[0], 502, f"HTTP for {name}")
    reasons = {s["reason"] for s in proxy.sessions(15)}
    check(reasons <= {"name-not-found", "name-failed"}, f"{reasons}")


def test_name_that_the_dns_cannot_have(t):
    """A label over 63 bytes, 255 bytes in all, two dots: 04, no query."""
    name_server(t, {})
    proxy = t.socks()
    for name in ("a" * 64 + ".test", "x" * 255, "a..test", ".test", "."):
        code = refusal(t, proxy, name, 80)
        check(code in (1, 4), f"code {code} for {name}")


def test_server_that_does_not_answer(t):
    """04, and 504 by HTTP, within the resolver's time."""
    name_server(t, {"lost.test": Zone(drop=True)})
    proxy = t.socks()
    began = time.monotonic()
    equal(refusal(t, proxy, "lost.test", 80), 4, "code")
    check(time.monotonic() - began < scaled(6), "it took too long")
    equal(proxy.session()["reason"], "name-timed-out", "reason")
    sock = t.socket(proxy.address)
    sock.sendall(connect("lost.test", 80))
    equal(take_head(sock)[0], 504, "HTTP's status")


def test_slow_name_holds_nobody_up(t):
    zones = {f"slow{n}.test": Zone(v4=["127.0.0.1"], delay=2)
             for n in range(20)}
    zones["fast.test"] = Zone(v4=["127.0.0.1"])
    name_server(t, zones, "timeout:5 attempts:1")
    server = t.server(Echo)
    proxy = t.socks("--workers", "1")
    slow = []
    for n in range(20):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5(f"slow{n}.test", server.port))
        slow.append(sock)
    began = time.monotonic()
    check_echo(open_socks5(t, proxy, "fast.test", server.port))
    check_echo(open_socks5(t, proxy, "127.0.0.1", server.port))
    took = time.monotonic() - began
    check(took < scaled(0.8), f"a fast name took {took:.2f} s")
    for sock in slow:
        equal(take(sock, 2), GREETED, "method")
        equal(take_reply(sock)[0], 0, "reply")
        check_echo(sock)
    took = time.monotonic() - began
    check(took < scaled(4), f"all of them took {took:.2f} s")


def test_late_aaaa_is_not_waited_for(t):
    """RFC 8305 3: the other family has 50 ms."""
    name_server(t, {"half.test": Zone(v4=["127.0.0.1"], v6=["::1"],
                                      delay_v6=3)}, "timeout:5 attempts:1")
    server = t.server(Echo)
    began = time.monotonic()
    check_echo(open_socks5(t, t.socks(), "half.test", server.port))
    took = time.monotonic() - began
    check(took < scaled(1), f"it took {took:.2f} s")


def dead_network(t):
    """Addresses that swallow what is sent to them: 10.77.0.2 and up."""
    try:
        sh("ip", "link", "add", "dead0", "type", "veth", "peer", "name",
           "dead1")
    except subprocess.CalledProcessError:
        t.skip("no veth devices here")
    t.defer(sh, "ip", "link", "del", "dead0")
    sh("ip", "addr", "add", "10.77.0.1/24", "dev", "dead0")
    sh("ip", "link", "set", "dead0", "up")
    sh("ip", "link", "set", "dead1", "up")
    for last in (2, 3):
        sh("ip", "neigh", "add", f"10.77.0.{last}", "lladdr",
           "02:00:00:00:00:09", "dev", "dead0", "nud", "permanent")


def test_first_address_is_dead(t):
    """The second is tried 250 ms later, not after a time-out."""
    dead_network(t)
    name_server(t, {"two.test": Zone(v4=["10.77.0.2", "127.0.0.1"])})
    server = t.server(Echo)
    proxy = t.socks()
    for _ in range(3):
        began = time.monotonic()
        check_echo(open_socks5(t, proxy, "two.test", server.port))
        took = time.monotonic() - began
        check(took < scaled(1.5), f"it took {took:.2f} s")


def test_first_address_refuses(t):
    """The next one at once."""
    name_server(t, {"two.test": Zone(v4=["127.0.0.9", "127.0.0.1"]),
                    "mixed.test": Zone(v4=["127.0.0.1"], v6=["::1"])})
    server = t.server(Echo)
    proxy = t.socks()
    for name in ("two.test", "mixed.test"):
        began = time.monotonic()
        check_echo(open_socks5(t, proxy, name, server.port))
        took = time.monotonic() - began
        check(took < scaled(0.6), f"{name} took {took:.2f} s")


def test_dead_address_times_out(t):
    dead_network(t)
    name_server(t, {"dead.test": Zone(v4=["10.77.0.2", "10.77.0.3"])})
    proxy = t.socks("--connect-timeout", "2")
    began = time.monotonic()
    for host in ("dead.test", "10.77.0.2"):
        equal(refusal(t, proxy, host, 80), 6, f"code for {host}")
    took = time.monotonic() - began
    check(3.8 < took < scaled(8), f"both took {took:.2f} s")
    sock = t.socket(proxy.address)
    sock.sendall(connect("10.77.0.2", 80))
    equal(take_head(sock)[0], 504, "HTTP's status")


def test_unreachable(t):
    """Table 6: no route to the network is 03, to the host 04."""
    sh("ip", "route", "add", "unreachable", "10.78.0.0/16")
    t.defer(sh, "ip", "route", "del", "unreachable", "10.78.0.0/16")
    name_server(t, {"far.test": Zone(v4=["10.78.0.1"])})
    proxy = t.socks()
    equal(refusal(t, proxy, "10.78.0.1", 80), 4, "host unreachable")
    equal(refusal(t, proxy, "far.test", 80), 4, "host unreachable, a name")
    equal(refusal(t, proxy, "10.79.0.1", 80), 3, "network unreachable")
    equal(refusal(t, proxy, "2001:db8::1", 80), 3, "network unreachable, v6")
    equal([s["reason"] for s in proxy.sessions(4)],
          ["host-unreachable"] * 2 + ["net-unreachable"] * 2, "reasons")


def test_most_specific_error_is_told(t):
    """One family has no network, the other refuses: it is refused."""
    name_server(t, {"both.test": Zone(v4=["127.0.0.1"],
                                      v6=["2001:db8::1"])})
    equal(refusal(t, t.socks(), "both.test", 1), 5, "code")


def test_denied_address_of_an_allowed_name(t):
    """A name that leads inside does not get past a rule (DNS rebinding)."""
    name_server(t, {"inside.test": Zone(v4=["127.0.0.1"]),
                    "mixed.test": Zone(v4=["127.0.0.1", "127.0.1.1"])})
    server = t.server(Echo)
    other = t.server(Echo, "127.0.1.1", server.port)
    proxy = t.socks("--deny", "127.0.0.0/24")
    equal(refusal(t, proxy, "inside.test", server.port), 2, "code")
    check_echo(open_socks5(t, proxy, "mixed.test", other.port))
    equal(server.accepted, 0, "connections to the denied address")
    proxy = t.socks("--permit", "*.test", "--deny", "127.0.0.0/24")
    equal(refusal(t, proxy, "inside.test", server.port), 2, "code")


def test_denied_name_is_not_looked_up(t):
    dns = name_server(t, {})
    equal(refusal(t, t.socks("--deny", "*.test"), "a.test", 80), 2, "code")
    equal(dns.asked, [], "queries")


def test_cache(t):
    """Asked once while the time to live lasts, then again; an answer of no
    life is used, and not kept."""
    dns = name_server(t, {"kept.test": Zone(v4=["127.0.0.1"], ttl=1),
                          "brief.test": Zone(v4=["127.0.0.1"], ttl=0)})
    server = t.server(Echo)
    proxy = t.socks("--workers", "1")
    for _ in range(5):
        check_echo(open_socks5(t, proxy, "kept.test", server.port))
    equal(dns.asked.count(("kept.test", A)), 1, "queries")
    time.sleep(2.2)
    check_echo(open_socks5(t, proxy, "kept.test", server.port))
    equal(dns.asked.count(("kept.test", A)), 2, "queries after its life")
    for _ in range(3):
        check_echo(open_socks5(t, proxy, "brief.test", server.port))
    equal(dns.asked.count(("brief.test", A)), 3, "queries of no life")


def test_equal_lookups_are_one_query(t):
    dns = name_server(t, {"slow.test": Zone(v4=["127.0.0.1"], delay=0.5)},
                      "timeout:5 attempts:1")
    server = t.server(Echo)
    proxy = t.socks("--workers", "1")
    socks = []
    for _ in range(20):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5("slow.test", server.port))
        socks.append(sock)
    for sock in socks:
        equal(take(sock, 12)[3], 0, "reply")
    equal(dns.asked.count(("slow.test", A)), 1, "queries")


def test_change_of_resolv_conf_is_noticed(t):
    """Without a signal, within a second or so; in place, as a bind mount and
    resolvconf do it."""
    name_server(t, {"web.test": Zone(v4=["127.0.0.9"])})
    other = t.server(Server, {"web.test": Zone(v4=["127.0.0.1"]),
                              "new.test": Zone(v4=["127.0.0.1"])},
                     "127.0.0.54")
    server = t.server(Echo)
    proxy = t.socks("--workers", "1")
    equal(refusal(t, proxy, "new.test", server.port), 4, "code")
    with open(t.tmp("bound-resolv.conf"), "w") as file:
        file.write(f"nameserver {other.host}\n")
    wait_until(lambda: refusal(t, proxy, "new.test", server.port) == 0,
               "the other server's answer", 8)
    check_echo(open_socks5(t, proxy, "web.test", server.port))


def test_hosts_file(t):
    name_server(t, {"listed.test": Zone(v4=["127.0.0.9"])})
    hosts = bind_file(t, "/etc/hosts", "127.0.0.1 listed.test other\n")
    server = t.server(Echo)
    proxy = t.socks()
    check_echo(open_socks5(t, proxy, "listed.test", server.port))
    check_echo(open_socks5(t, proxy, "OTHER", server.port))
    with open(hosts, "a") as file:
        file.write("127.0.0.1 late.test\n")
    wait_until(lambda: refusal(t, proxy, "late.test", server.port) == 0,
               "the line that was added", 8)


def test_search_domains(t):
    server = t.server(Echo)
    dns = t.server(Server, {"web.corp.test": Zone(v4=["127.0.0.1"])})
    bind_file(t, "/etc/resolv.conf",
              f"nameserver {dns.host}\nsearch none.test corp.test\n")
    proxy = t.socks()
    check_echo(open_socks5(t, proxy, "web", server.port))
    equal(refusal(t, proxy, "web.", server.port), 4, "code for web.")


def test_localhost_is_never_asked_for(t):
    """RFC 6761 6.3, whatever the name server and the hosts file say."""
    dns = name_server(t, {"localhost": Zone(v4=["10.1.1.1"]),
                          "x.localhost": Zone(v4=["10.1.1.1"])})
    bind_file(t, "/etc/hosts", "10.1.1.1 localhost\n")
    four, six = t.server(Echo), t.server(Echo, "::1")
    proxy = t.socks()
    for name in ("localhost", "x.localhost", "localhost."):
        for server in (four, six):
            check_echo(open_socks5(t, proxy, name, server.port))
    equal(dns.asked, [], "queries")


def test_client_leaves_during_the_look_up(t):
    name_server(t, {"slow.test": Zone(v4=["127.0.0.1"], delay=1)},
                "timeout:5 attempts:1")
    proxy = t.socks()
    for _ in range(20):
        sock = t.socket(proxy.address)
        sock.sendall(GREETING + socks5("slow.test", 1))
        take(sock, 2)
        sock.close()
    found = proxy.sessions(20, 0.9)
    equal({s["reason"] for s in found}, {"peer-gone"}, "reasons")


def test_no_name_server_at_all(t):
    """Addresses still work."""
    bind_file(t, "/etc/resolv.conf", "nameserver 127.0.0.77\n"
              "options timeout:1 attempts:1\n")
    server = t.server(Echo)
    proxy = t.socks()
    equal(refusal(t, proxy, "web.test", 80), 4, "code")
    check_echo(open_socks5(t, proxy, "127.0.0.1", server.port))
    check_echo(open_socks5(t, proxy, "localhost", server.port))
