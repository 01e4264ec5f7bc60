"""The hosts of two guides to SSH tunnels, whose commands are run there word for
word but for the program's name: networks of their own, with the addresses, the
port 22 and the ~/.ssh that they take for granted."""
import os
import shlex
import shutil
import subprocess

from dns import bind_file, sh
from harness import equal
from hosts import Host, join
from keys import cached_key, public_text, user_key
from sshd import Sshd

REACHED = b"internal service reached\n"

# Answers each request with one line; what it listens on is in its arguments.
SERVICE = r"""
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = b"internal service reached\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])),
                                         Handler)
print("up", flush=True)
server.serve_forever()
"""

TUNNEL_HOST, WORKSTATION = "192.0.2.40", "192.0.2.77"
GATEWAY = "198.51.100.10"
DATABASE = "10.0.0.5"
PUBLIC, VISITOR = "203.0.113.1", "203.0.113.9"
LAPTOP, DEVICE = "192.168.7.2", "192.168.7.20"


class World:
    """This host is the laptop, and the tunnel host. The gateway is
    host.example.net; behind it is a database, which only it can reach; beside
    us a workstation, which can reach us only."""

    def __init__(self, t, **config):
        self.t = t
        self.gateway, self.workstation = Host(t), Host(t)
        self.database = Host(t)
        join(None, "198.51.100.1", self.gateway, GATEWAY, "out0")
        join(None, TUNNEL_HOST, self.workstation, WORKSTATION, "in0")
        join(self.gateway, "10.0.0.1", self.database, DATABASE, "db0")
        t.defer(sh, "ip", "link", "del", "out0")
        t.defer(sh, "ip", "link", "del", "in0")
        self.gateway.serve(SERVICE, "127.0.0.1", "8000")
        self.database.serve(SERVICE, DATABASE, "8000")
        bind_file(t, "/etc/hosts", "127.0.0.1 localhost\n"
                  f"{GATEWAY} host.example.net\n{DATABASE} db.internal\n")
        self.make_home()
        self.sshd = Sshd(t, GATEWAY, 22, wrap=self.gateway.inside, **config)

    def make_home(self):
        """The user's own, with a key and the gateway's; and on the gateway
        a user who is called user."""
        t = self.t
        home = t.tmp("home")
        os.makedirs(os.path.join(home, ".ssh"), 0o700)
        for suffix in ("", ".pub"):
            shutil.copy(user_key() + suffix,
                        os.path.join(home, ".ssh", "id_ed25519" + suffix))
        with open(os.path.join(home, ".ssh", "known_hosts"), "w") as file:
            for host in ("host.example.net", GATEWAY):
                file.write(f"{host} {public_text(cached_key('host'))}\n")
        with open("/etc/passwd") as file:
            others = [line for line in file if not line.startswith("root:")]
        bind_file(t, "/etc/passwd", "".join(
            [f"{name}:x:0:0::{home}:/bin/sh\n" for name in ("root", "user")] +
            others))
        self.env = {"HOME": home, "USER": "root", "LOGNAME": "root"}

    def serve_here(self, host, port):
        """The service, on the laptop itself."""
        service = self.t.program(["/usr/bin/python3", "-c", SERVICE, host,
                                  str(port)], stdout=subprocess.PIPE)
        equal(service.stdout.readline(), b"up\n", "the service's word")

    def culvert(self, command, **keywords):
        """A command line of ssh's, with our program in its place."""
        words = shlex.split(command)
        equal(words[0], "ssh", "the command")
        return self.t.culvert(*words[1:], env=self.env, **keywords)

    def fetch(self, url, *options, host=None):
        wrap = host.inside if host else []
        done = self.t.run([*wrap, "curl", "-sS", "--max-time", "10",
                           *options, url])
        return done.stdout, done.stderr


class Home(World):
    """The same with a device in the laptop's network, which nobody else can
    reach, and a visitor who can reach the gateway's public address only."""

    def __init__(self, t, **config):
        super().__init__(t, **config)
        self.visitor, self.device = Host(t), Host(t)
        join(self.gateway, PUBLIC, self.visitor, VISITOR, "net0")
        join(None, LAPTOP, self.device, DEVICE, "home0")
        t.defer(sh, "ip", "link", "del", "home0")
        self.device.serve(SERVICE, DEVICE, "8000")
        self.serve_here("127.0.0.1", 8000)


def check_fetch(world, url, *options, host=None):
    out, said = world.fetch(url, *options, host=host)
    equal(out, REACHED, f"{url} {options} ({said})")
