"""A gateway (culvert --gateway), and what dials in to it: agents, of stock ssh,
of culvert and of others, here or in networks of their own."""
import json
import os
import signal
import subprocess

import harness
from dns import sh
from harness import (Culvert, Failed, Lines, fields, free_port,
                     sanitizer_environment, wait_until)
from hosts import Host, join
from keys import cached_key, public_text, user_key
from mux import ask, done
from processes import family, send_signal
from sshd import Daemon, wait_in
from wire import open_socks5, take

# Where a gateway is, for agents in networks of their own, and what each of
# these has for itself.
OUTSIDE = "10.9.%d.1"
INSIDE = "10.20.0.1"
PAGES, WORDS = 8000, 7000

# A web server whose page, and one for anything whose first line, is the first
# argument: only who is let in here can know it.
SERVICE = r"""
import http.server, socketserver, socket, sys
WORD = sys.argv[1].encode() + b"\n"
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(WORD)))
        self.end_headers()
        self.wfile.write(WORD)
    def log_message(self, *args):
        pass
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(WORD)
        some = self.request.recv(65536)
        while some:
            self.request.sendall(some)
            some = self.request.recv(65536)
def server(kind, host, port, handler):
    class Server(socketserver.ThreadingMixIn, kind):
        daemon_threads = allow_reuse_address = True
        request_queue_size = 512
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        def handle_error(self, *args):
            pass
    return Server((host, port), handler)
import threading
for host in sys.argv[2:]:
    for kind, port, handler in ((http.server.HTTPServer, 8000, Page),
                                (socketserver.TCPServer, 7000, Echo)):
        threading.Thread(target=server(kind, host, port, handler)
                         .serve_forever).start()
print("up", flush=True)
"""


def count_ports(agent):
    ports = agent.get("ports", "-")
    return 0 if ports == "-" else len(ports.split(","))


class Gateway:
    """A culvert that is a gateway on a port of 127.0.0.1, with a SOCKS port
    that leaves through the agent called via (None: says nothing of it) and a
    control socket.

    options are put before the authorized key; users is the text of a users
    file; keys=False: there are no authorized keys; socks=False: no -D; ready:
    how many ready lines more there are."""

    def __init__(self, t, *args, options="", users=None, keys=True, via="home",
                 at="127.0.0.1:0", socks=True, host_key=None, control=None,
                 ready=0, **keywords):
        self.t = t
        self.key = user_key()
        self.user = "home"
        self.address = "127.0.0.1"
        self.folder = t.tmp(f"gateway{len(t.undo)}")
        os.mkdir(self.folder, 0o755)
        self.control = control or os.path.join(self.folder, "control")
        self.keys_path = os.path.join(self.folder, "authorized_keys")
        host_key = host_key or cached_key("host")
        words = ["--gateway", at, "--host-key", host_key]
        if keys:
            self.authorize(options)
            words += ["--authorized-keys", self.keys_path]
        if users is not None:
            self.users_path = self.write("users", users)
            words += ["--users", self.users_path]
        words += ["-D", "127.0.0.1:0"] if socks else []
        words += ["--via", f"reverse:{via}"] if via else []
        self.proxy = Culvert(t, [*words, "-M", "-S", self.control, *args],
                             listeners=1 + bool(socks) + ready, **keywords)
        self.port = self.port_of("gateway")
        self.known_hosts = self.write("known_hosts", "".join(
            f"[{host}]:{self.port} {public_text(host_key)}\n"
            for host in ("127.0.0.1", "localhost", "::1",
                         *(OUTSIDE % index for index in range(1, 4)))))
        wait_until(lambda: os.path.exists(self.control), "a control socket")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def authorize(self, options="", key=None):
        """Only this key may come in from now on."""
        self.authorize_lines(f"{options} {public_text(key or self.key)}")

    def authorize_lines(self, *lines):
        """Puts the new file in the old one's place, as editors do."""
        path = self.write("authorized_keys.new", "".join(
            f"{line.strip()}\n" for line in lines))
        os.rename(path, self.keys_path)

    def port_of(self, kind):
        """Of the first ready line of this kind."""
        for where, what in self.proxy.listening:
            if what.startswith(kind):
                return int(where.rpartition(":")[2])
        raise Failed(f"no ready line of {kind}: {self.proxy.listening}")

    @property
    def socks(self):
        """Where its own clients come in."""
        return "127.0.0.1", self.port_of("socks")

    @property
    def url(self):
        return "127.0.0.1:%d" % self.socks[1]

    # --- how it is reached ---

    options = Daemon.options

    def args(self, name=None, address=None, key=None):
        """What ssh and culvert are told to come in as name."""
        words = self.options()
        if key:
            words[words.index("-i") + 1] = key
        return ["-p", str(self.port), *words,
                f"{name or self.user}@{address or self.address}"]

    # --- what it tells ---

    def status(self):
        """The lines of -O status."""
        return done(ask(self.t, "culvert", "status",
                        self.control)).out.splitlines()

    def status_json(self):
        return json.loads(done(ask(self.t, "culvert", "status", self.control,
                                   "--log-format", "json")).out)

    def agents(self, name=None):
        """Of each session that is in, what its line tells."""
        found = [fields(line) for line in self.status()
                 if line.startswith("agent ")]
        return [one for one in found
                if name is None or one["name"].lower() == name.lower()]

    def wait_agents(self, name="home", count=1, ports=1, seconds=10):
        """Waits until exactly so many are in with so many ports each; returns
        them."""
        def there():
            found = [one for one in self.agents(name)
                     if ports is None or count_ports(one) >= ports]
            return len(found) == count and (found or True)
        return wait_until(there, f"{count} agents called {name}", seconds)

    def kick(self, name):
        return ask(self.t, "culvert", "kick", self.control, name)

    def wait_event(self, word="agent", seconds=10, **wanted):
        """The fields of the first line about an agent that has these."""
        def look(lines):
            for line in lines:
                if line.startswith(f"culvert: {word}"):
                    found = fields(line)
                    if all(found.get(name) == value
                           for name, value in wanted.items()):
                        return found
            return None
        return self.proxy.log.wait(look, f"a line of {word} with {wanted}",
                                   seconds)

    def events(self, word="agent"):
        return [fields(line) for line in self.proxy.lines()
                if line.startswith(f"culvert: {word} ")]


# --- agents -------------------------------------------------------------------

class Client:
    """A program that stands until it is ended; log is what it says."""

    def __init__(self, t, argv, wrap=(), env=None, **keywords):
        self.t = t
        self.argv = [*wrap, *(str(word) for word in argv)]
        keywords.setdefault("stdin", subprocess.DEVNULL)
        self.process = subprocess.Popen(
            self.argv, env=sanitizer_environment(t.new_report(), env),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **keywords)
        self.log = Lines(self.process.stderr, open(t.stderr_path(), "wb"))
        self.pid = self.process.pid
        t.defer(self.end)

    def wait_line(self, pattern, seconds=harness.SOON):
        return wait_in(self.log, pattern, seconds)

    def text(self):
        return "\n".join(self.log.lines)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """As kill -9 does."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """As ^C does."""
        self.signal(signal.SIGINT)
        try:
            return self.process.wait(harness.scaled(harness.SOON))
        except subprocess.TimeoutExpired:
            raise Failed(f"still runs: {' '.join(self.argv)}") from None

    def wait(self, seconds=harness.SOON):
        """Until it ends by itself; returns its status."""
        try:
            return self.process.wait(harness.scaled(seconds))
        except subprocess.TimeoutExpired:
            raise Failed(f"still runs: {' '.join(self.argv)}") from None

    def end(self):
        """With all that it has started."""
        send_signal(family(self.pid), signal.SIGKILL)
        self.process.wait()
        with self.log.news:
            self.log.news.wait_for(lambda: self.log.ended, 5)
        self.log.file.close()
        self.log.copy.close()
        self.t.note(f"stderr of {' '.join(self.argv)}", self.log.lines)


def ssh_words(*more):
    return ["ssh", "-N", "-o", "BatchMode=yes", "-o",
            "ExitOnForwardFailure=yes", *more]


PROGRAMS = ("ssh", "culvert")


def start(t, gateway, program, *words, name="home", host=None):
    """ssh or culvert with these -R, -D and -L, dialling in as name, in the
    network of a host or here; returns at once."""
    wrap = host.inside if host else ()
    where = gateway.args(name, host.gateway if host else None)
    if program == "ssh":
        return Client(t, ssh_words(*words, *where), wrap)
    argv = [harness.CULVERT, *words, *where]
    if harness.WRAP:
        argv = [*harness.valgrind(t.new_report()), *argv]
    return Client(t, argv, wrap)


def agent(t, gateway, program="ssh", spec=None, name="home", host=None,
          count=1):
    """The same with one port, and once count of that name are in. spec: what
    its -R is."""
    one = start(t, gateway, program, "-R", spec or free_port(), name=name,
                host=host)
    gateway.wait_agents(name, count)
    return one


class Inner(Host):
    """A network of an agent's own, cabled to this one, in which servers that
    nobody else reaches say word: PAGES and WORDS on both loopback addresses
    and on INSIDE. gateway is where this host is from there."""

    def __init__(self, t, word, index=1):
        super().__init__(t)
        self.word = word.encode() + b"\n"
        self.gateway = OUTSIDE % index
        cable = f"agent{index}"
        join(None, self.gateway, self, f"10.9.{index}.2", cable)
        t.defer(sh, "ip", "link", "del", cable)
        self.sh("ip", "addr", "add", INSIDE + "/24", "dev", "lo")
        self.serve(SERVICE, word, "127.0.0.1", "::1", INSIDE)


def word_of(t, proxy, host=INSIDE, port=WORDS, user=None, secret=""):
    """What the server there, or whoever answers, says first."""
    sock = open_socks5(t, proxy, host, port, user, secret)
    try:
        return take_line(sock)
    finally:
        sock.close()


def take_line(sock):
    got = b""
    while not got.endswith(b"\n"):
        got += take(sock, 1)
    return got
