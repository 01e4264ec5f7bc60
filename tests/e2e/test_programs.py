"""The programs that people use with a proxy, as they are packaged."""
import os
import shutil
import signal
import threading

from harness import (CULVERT, Failed, check, equal, free_port, matches,
                     sanitizer_environment, wait_until)
from origins import PAGE, Echo, Http, Sink, Source

HOSTS = ("127.0.0.1", "[::1]", "localhost")


def need(program):
    path = shutil.which(program)
    if not path:
        raise Failed(f"{program} is not installed")
    return path


def curl(t, proxy, url, *options):
    done = t.run([need("curl"), "-sS", "--max-time", "20", "-x", proxy,
                  *options, url])
    return done.returncode, done.stdout, done.stderr.decode()


def fetch(t, proxy, url, *options):
    status, out, said = curl(t, proxy, url, *options)
    equal(status, 0, f"curl -x {proxy} {url}: {said}")
    equal(out, PAGE, f"page through {proxy} of {url}")


# --- curl ---------------------------------------------------------------------

def test_curl_socks5h(t):
    web = t.server(Http)
    proxy = t.socks()
    for host in HOSTS:
        fetch(t, f"socks5h://{proxy.where}", web.url(host))


def test_curl_socks5(t):
    web = t.server(Http)
    proxy = t.socks()
    for host in HOSTS:
        fetch(t, f"socks5://{proxy.where}", web.url(host))


def test_curl_socks4(t):
    web = t.server(Http)
    proxy = t.socks()
    for host in ("127.0.0.1", "localhost"):
        fetch(t, f"socks4://{proxy.where}", web.url(host))


def test_curl_socks4a(t):
    web = t.server(Http)
    proxy = t.socks()
    for host in ("127.0.0.1", "localhost"):
        fetch(t, f"socks4a://{proxy.where}", web.url(host))


def test_curl_http_connect(t):
    web = t.server(Http)
    proxy = t.socks()
    for host in HOSTS:
        fetch(t, f"http://{proxy.where}", web.url(host), "-p")


def test_curl_through_a_v6_listener(t):
    web = t.server(Http)
    proxy = t.culvert("-D", "[::1]:0")
    for scheme, options in (("socks5h", ()), ("socks5", ()), ("socks4a", ()),
                            ("http", ("-p",))):
        fetch(t, f"{scheme}://[::1]:{proxy.port}", web.url("localhost"),
              *options)


def test_curl_through_a_unix_socket(t):
    web = t.server(Http)
    path = t.tmp("proxy")
    t.culvert("-D", path)
    fetch(t, f"socks5h://localhost{path}", web.url("localhost"))
    fetch(t, f"socks4a://localhost{path}", web.url("localhost"))


def test_curl_without_connect_is_told_why(t):
    """A client told to use an HTTP proxy."""
    web = t.server(Http)
    proxy = t.socks()
    status, out, said = curl(t, f"http://{proxy.where}", web.url(), "-i")
    matches("^HTTP/1.1 501 ", out.decode(), "the answer")
    matches("SOCKS", out.decode(), "the answer")
    equal(web.requests, [], "requests that arrived")


def test_curl_with_user_and_password(t):
    users = t.file("users", "me:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n")
    web = t.server(Http)
    proxy = t.socks("--users", users)
    fetch(t, f"socks5h://me:secret@{proxy.where}", web.url())
    fetch(t, f"http://me:secret@{proxy.where}", web.url(), "-p")
    for url in (f"socks5h://me:wrong@{proxy.where}",
                f"socks5h://{proxy.where}", f"socks4://me@{proxy.where}"):
        equal(curl(t, url, web.url())[0], 97, f"exit status of {url}")
    for url in (f"http://me:wrong@{proxy.where}", f"http://{proxy.where}"):
        status, out, said = curl(t, url, web.url(), "-p")
        equal(status, 56, f"exit status of {url}: {said}")
        matches("407", said, "what curl says")


def test_curl_says_why_it_failed(t):
    """The code that culvert gave, as curl prints it."""
    proxy = t.socks("--deny", "127.0.0.9")
    port = free_port()
    for host, code in (("127.0.0.1", 5), ("127.0.0.9", 2)):
        status, out, said = curl(t, f"socks5h://{proxy.where}",
                                 f"http://{host}:{port}/")
        equal(status, 97, f"exit status: {said}")
        matches(rf"\({code}\)", said, "what curl says")


def test_curl_big_files_at_once(t):
    web = t.server(Http)
    proxy = t.socks()
    wanted = bytes(range(256)) * 4096 * 4
    names = [t.tmp(f"big{index}") for index in range(8)]
    argv = [need("curl"), "-sS", "--parallel", "--parallel-immediate",
            "-x", f"socks5h://{proxy.where}"]
    for index, name in enumerate(names):
        argv += ["-o", name, web.url("localhost", f"/big{index}")]
    done = t.run(argv)
    equal(done.returncode, 0, f"exit status: {done.stderr.decode()}")
    for name in names:
        with open(name, "rb") as file:
            check(file.read() == wanted, f"{name} differs")


# --- netcat, ncat, socat ------------------------------------------------------

def exchange(t, argv, server):
    """What a program gives back for an input, through an echo."""
    text = b"some text\n" * 1000
    done = t.run(argv, input=text)
    equal(done.returncode, 0, f"exit status of {argv}: {done.stderr}")
    equal(done.stdout, text, f"what came back to {argv}")
    equal(server.wait_seen()[-1], len(text), "bytes that the server saw")


def test_netcat_openbsd(t):
    proxy = t.socks()
    for version in ("4", "5", "connect"):
        for host in ("127.0.0.1", "localhost"):
            server = t.server(Echo)
            exchange(t, [need("nc"), "-N", "-X", version, "-x", proxy.where,
                         host, server.port], server)


def test_netcat_openbsd_to_v6(t):
    proxy = t.socks()
    for version in ("5", "connect"):
        server = t.server(Echo, "::1")
        exchange(t, [need("nc"), "-N", "-X", version, "-x", proxy.where,
                     "::1", server.port], server)


def test_ncat(t):
    proxy = t.socks()
    for kind in ("socks4", "socks5", "http"):
        for host in ("127.0.0.1", "localhost"):
            server = t.server(Echo)
            exchange(t, [need("ncat"), "--proxy", proxy.where, "--proxy-type",
                         kind, host, server.port], server)


def test_socat(t):
    proxy = t.socks()
    for kind, options in (
            ("SOCKS4", f"socksport={proxy.port}"),
            ("SOCKS4A", f"socksport={proxy.port}"),
            ("PROXY", f"proxyport={proxy.port}")):
        server = t.server(Echo)
        exchange(t, [need("socat"), "-t", "10", "-",
                     f"{kind}:127.0.0.1:localhost:{server.port},{options}"],
                 server)


def test_ssh_proxy_command(t):
    """`-W` in ssh's ProxyCommand is a two-way pipe; nc's is too."""
    server = t.server(Source, b"SSH-2.0-test\r\n")
    proxy = t.socks()
    done = t.run([need("nc"), "-N", "-X", "5", "-x", proxy.where,
                  "localhost", server.port], input=b"")
    equal(done.stdout, b"SSH-2.0-test\r\n", "banner")


# --- proxychains, iperf3 ------------------------------------------------------

def proxychains(t, proxy, kind):
    path = t.file("proxychains.conf", "\n".join((
        "strict_chain", "quiet_mode", "proxy_dns", "remote_dns_subnet 224",
        "tcp_read_time_out 15000", "tcp_connect_time_out 8000",
        "[ProxyList]", f"{kind} 127.0.0.1 {proxy.port}", "")))
    return [need("proxychains4"), "-q", "-f", path]


def test_proxychains_with_curl(t):
    web = t.server(Http)
    proxy = t.socks()
    for kind in ("socks4", "socks5", "http"):
        done = t.run(proxychains(t, proxy, kind) +
                     [need("curl"), "-sS", "--max-time", "20", web.url()])
        equal(done.returncode, 0, f"{kind}: {done.stderr.decode()}")
        equal(done.stdout, PAGE, f"page by {kind}")
    proxy.sessions(3)


def test_proxychains_with_iperf3(t):
    proxy = t.socks()
    port = free_port()
    server = t.program([need("iperf3"), "-s", "-1", "-B", "127.0.0.1", "-p",
                        port, "--forceflush"], stdout=-1, stderr=-1)
    for line in server.stdout:
        if b"listening" in line:
            break
    threading.Thread(target=server.stdout.read, daemon=True).start()
    done = t.run(proxychains(t, proxy, "socks5") +
                 [need("iperf3"), "-c", "127.0.0.1", "-p", port, "-t", "1",
                  "-P", "4", "--bidir"])
    equal(done.returncode, 0,
          f"exit status: {done.stdout[-500:]} {done.stderr}")
    sessions = proxy.sessions(9)
    moved = sum(int(s["in"]) + int(s["out"]) for s in sessions)
    check(moved > 1000000, f"{moved} bytes moved")


# --- PySocks ------------------------------------------------------------------

# By Debian's own Python, for which the package is.
PYSOCKS = """
import socks, sys
kind, proxy, host, port, remote, user, secret = sys.argv[1:]
sock = socks.socksocket()
sock.settimeout(20)
sock.set_proxy(getattr(socks, kind), "127.0.0.1", int(proxy),
               remote == "remote", user or None, secret or None)
try:
    sock.connect((host, int(port)))
except socks.ProxyError as error:
    print(error)
    sys.exit(9)
sock.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
while True:
    some = sock.recv(1000)
    if not some:
        break
    sys.stdout.buffer.write(some)
"""


def pysocks(t, kind, proxy, host, port, remote="remote", user="", secret=""):
    return t.run(["/usr/bin/python3", "-c", PYSOCKS, kind, proxy.port, host,
                  port, remote, user, secret])


def test_pysocks(t):
    web = t.server(Http)
    proxy = t.socks()
    for kind, host, remote in (("SOCKS4", "127.0.0.1", "local"),
                               ("SOCKS4", "localhost", "remote"),
                               ("SOCKS5", "127.0.0.1", "local"),
                               ("SOCKS5", "localhost", "remote"),
                               ("SOCKS5", "::1", "remote"),
                               ("HTTP", "localhost", "remote")):
        done = pysocks(t, kind, proxy, host, web.port, remote)
        check(done.stdout.endswith(PAGE),
              f"{kind} to {host}: {done.stdout} {done.stderr.decode()}")


def test_pysocks_with_a_password(t):
    users = t.file("users", "me:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n")
    web = t.server(Http)
    proxy = t.socks("--users", users)
    done = pysocks(t, "SOCKS5", proxy, "localhost", web.port, "remote", "me",
                   "secret")
    check(done.stdout.endswith(PAGE), f"page: {done.stderr.decode()}")
    done = pysocks(t, "SOCKS5", proxy, "localhost", web.port, "remote", "me",
                   "wrong")
    equal(done.returncode, 9, f"exit status: {done.stderr.decode()}")
    matches("authentication failed", done.stdout.decode(), "what it says")


# --- what goes away -----------------------------------------------------------

def test_client_killed_in_the_middle(t):
    server = t.server(Sink)
    proxy = t.socks()
    nc = t.program([need("nc"), "-X", "5", "-x", proxy.where, "localhost",
                    server.port], stdin=-1, stdout=-1)
    nc.stdin.write(b"x" * 100000)
    nc.stdin.flush()
    server.wait_accepted()
    before = proxy.settled_descriptors()  # a pipe of the pool may be opened
    nc.send_signal(signal.SIGKILL)
    wait_until(lambda: proxy.descriptors() <= before - 2, "descriptors")
    proxy.session()


# --- what a newcomer runs -----------------------------------------------------

def test_demo(t):
    """Both pages come, and nothing is left behind."""
    env = sanitizer_environment(t.new_report(), {"TMPDIR": t.tmp()})
    done = t.run(["contrib/demo", CULVERT], env=env)
    said = done.stdout.decode()
    equal(done.returncode, 0, f"status; {said} {done.stderr.decode()}")
    equal(said.count("\nHello from behind the agent.\n"), 2, "pages")
    matches("== Both work", said)
    equal([name for name in os.listdir(t.tmp()) if "demo" in name], [],
          "what is left")
