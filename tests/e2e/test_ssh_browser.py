"""A browser, and programs that don't know of proxies, through SSH."""
import threading

from harness import check, equal, free_port, matches
from origins import PAGE, Http
from sshd import Sshd
from test_browser import load
from test_programs import need, proxychains

ALONE = True


def ssh_socks(t, *options):
    return t.culvert("-D", "127.0.0.1:0", *options, *Sshd(t).args())


def test_chromium(t):
    web = t.server(Http)
    proxy = ssh_socks(t)
    page = load(t, "socks5", proxy, web.url("localhost"))
    matches("the culvert page", page, "page")
    check("/" in web.requests, f"requests: {web.requests}")


def test_chromium_socks4(t):
    web = t.server(Http)
    proxy = ssh_socks(t)
    matches("the culvert page", load(t, "socks4", proxy, web.url()), "page")


def test_proxychains_with_curl(t):
    web = t.server(Http)
    proxy = ssh_socks(t)
    for kind in ("socks4", "socks5", "http"):
        done = t.run(proxychains(t, proxy, kind) +
                     [need("curl"), "-sS", "--max-time", "20", web.url()])
        equal(done.stdout, PAGE, f"page by {kind} ({done.stderr.decode()})")


def iperf(t, proxy, *options):
    """One run of a client, which must end well."""
    port = free_port()
    server = t.program([need("iperf3"), "-s", "-1", "-B", "127.0.0.1", "-p",
                        port, "--forceflush"], stdout=-1, stderr=-1)
    for line in server.stdout:
        if b"listening" in line:
            break
    threading.Thread(target=server.stdout.read, daemon=True).start()
    done = t.run(proxychains(t, proxy, "socks5") +
                 [need("iperf3"), "-c", "127.0.0.1", "-p", port, *options])
    equal(done.returncode, 0,
          f"exit status: {done.stdout[-500:]} {done.stderr}")


def test_proxychains_with_iperf3(t):
    """Several streams, each way and both at once."""
    proxy = ssh_socks(t)
    for number, options in enumerate((("-P", "4"), ("-P", "4", "-R"),
                                      ("-P", "3", "--bidir"))):
        iperf(t, proxy, "-t", 1, *options)
        sessions = proxy.sessions((5, 10, 17)[number])
    moved = sum(int(s["in"]) + int(s["out"]) for s in sessions)
    check(moved > 10000000, f"{moved} bytes moved")
