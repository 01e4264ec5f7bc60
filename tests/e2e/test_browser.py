"""A real browser loads a page."""
import shutil

from harness import Failed, check, equal, matches
from origins import Http

# A browser starts a dozen processes: they are to have the machine to
# themselves.
ALONE = True

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--proxy-bypass-list=<-loopback>",
         "--virtual-time-budget=10000")


def load(t, scheme, proxy, url):
    browser = shutil.which("chromium")
    if not browser:
        raise Failed("chromium is not installed")
    done = t.run([browser, *FLAGS, f"--user-data-dir={t.tmp(scheme)}",
                  f"--proxy-server={scheme}://{proxy.where}", "--dump-dom",
                  url], seconds=50)
    return done.stdout.decode(errors="replace")


def test_chromium_socks5(t):
    web = t.server(Http)
    proxy = t.socks()
    page = load(t, "socks5", proxy, web.url("localhost"))
    matches("the culvert page", page, "page")
    check("/" in web.requests, f"requests: {web.requests}")
    session = [s for s in proxy.sessions(1)
               if s["target"] == f"localhost:{web.port}"]
    check(session, "no session with the name as the target")
    equal(session[0]["proto"], "socks5", "protocol")


def test_chromium_socks4(t):
    web = t.server(Http)
    proxy = t.socks()
    matches("the culvert page", load(t, "socks4", proxy, web.url()), "page")


def test_chromium_shows_its_error_page(t):
    proxy = t.socks("--deny", "*")
    page = load(t, "socks5", proxy, "http://localhost:1/")
    check("the culvert page" not in page, "a page")
    proxy.wait_line("reason=denied")
