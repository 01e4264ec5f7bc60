"""What a gateway has for those who want more than to forward: a text and
nothing else for a shell, and no command, file, display, agent, socket or
interface by any of the ways that stock clients have of asking."""
import os
import pty
import select
import subprocess
import time

from gateway import Client, Gateway
from harness import CULVERT, check, equal, free_port, matches, wait_until
from keys import Agent, user_key
from mux import string
from origins import Echo
from processes import PYTHON
from raw import (CLOSE, CONFIRMED, DATA, DONE, EOF, FAILED, OPEN, PACKET,
                 REFUSED, REQUEST, WINDOW, Raw)
from remote import listeners
from wire import check_echo, take_all

NAMESPACE = True

# A command that leaves something behind if it runs.
MARK = "echo it ran >&2; echo it ran; touch %s"


def ssh(t, gateway, *words, env=None, input=b"", options=()):
    """One that ends, with nothing to tell by standard input."""
    return t.run(["ssh", "-o", "BatchMode=yes", *options, *gateway.args(),
                  *words], input=input, env=env and dict(os.environ, **env))


def nothing_ran(t, done, what):
    """Checks that a client was told so, and that nobody did what it asked."""
    check(done.returncode != 0, f"{what}: exit status 0 ({done.stdout!r})")
    check(b"it ran" not in done.stdout + done.stderr, f"{what} ran")
    check(not os.path.exists(t.tmp("mark")), f"{what} left something")


# --- commands and files -------------------------------------------------------

def test_commands(t):
    gateway = Gateway(t)
    mark = MARK % t.tmp("mark")
    for words in (["id"], [mark], ["sh", "-c", mark], ["exec sh"],
                  ["x" * 30000]):
        done = ssh(t, gateway, *words)
        nothing_ran(t, done, str(words)[:60])
        equal(done.stdout, b"", f"output of {words}"[:60])
    nothing_ran(t, ssh(t, gateway, mark, options=["-tt"]), "with a terminal")


def test_commands_of_the_key(t):
    """command= runs as little as what is asked for."""
    gateway = Gateway(t, options=f'command="{MARK % t.tmp("mark")}"')
    nothing_ran(t, ssh(t, gateway, "id"), "command=")


def test_subsystems(t):
    gateway = Gateway(t)
    for name in ("sftp", "netconf", "/bin/sh", "internal-sftp"):
        nothing_ran(t, ssh(t, gateway, name, options=["-s"]), name)


def test_files(t):
    """sftp, and scp in both of its ways, there and back."""
    gateway = Gateway(t)
    options = ["-P", str(gateway.port), *gateway.options(), "-o",
               "BatchMode=yes"]
    where = "home@127.0.0.1"
    secret = t.file("secret", "it ran\n")
    batch = t.file("batch", f"get {secret} {t.tmp('mark')}\n"
                   f"put {secret} {t.tmp('mark')}\n")
    nothing_ran(t, t.run(["sftp", "-b", batch, *options, where]), "sftp")
    for way in ("-O", "-s"):
        for one, other in ((f"{where}:{secret}", t.tmp("mark")),
                           (secret, f"{where}:{t.tmp('mark')}")):
            nothing_ran(t, t.run(["scp", way, *options, one, other]),
                        f"scp {way} {one}")


def test_a_shell_reads_nothing(t):
    """What is typed there goes nowhere."""
    gateway = Gateway(t)
    mark = MARK % t.tmp("mark")
    for options in ((), ("-T",), ("-tt",)):
        client = Terminal(t, gateway, *options)
        client.wait("home")
        client.type(f"{mark}\r\n{mark}\n$({mark})\n`{mark}`\n")
        time.sleep(0.3)
        check("it ran\r" not in client.text(), f"it ran with {options}")
        check(not os.path.exists(t.tmp("mark")), "it left something")
        client.end()


def test_culvert_as_the_client(t):
    """Ours asks for nothing but forwards."""
    gateway, echo = Gateway(t), t.server(Echo)
    done = t.run([CULVERT, "-W", f"127.0.0.1:{echo.port}", *gateway.args()],
                 input=b"there and back")
    equal((done.returncode, done.stdout), (0, b"there and back"),
          f"-W ({done.stderr})")


# --- what else there is to ask for --------------------------------------------

def test_displays(t):
    """Neither refused nor granted to a client that asks for no more: its
    shell is the text; no display is made."""
    gateway = Gateway(t)
    before = listening(t)
    done = ssh(t, gateway, "id", env={"DISPLAY": "127.0.0.1:7"},
               options=["-X", "-v"])
    nothing_ran(t, done, "with a display")
    equal(listening(t), before, "what is listened on")


def listening(t):
    return sorted(line.split()[3] for line in
                  t.run(["ss", "-Hltnx"]).stdout.decode().splitlines()
                  if "127.0.0.1:60" in line)


def test_agents_of_keys(t):
    """No socket of ours leads to the client's ssh-agent."""
    gateway = Gateway(t)
    keys = Agent(t, user_key())
    done = ssh(t, gateway, "ssh-add -l", env=keys.env, options=["-A"])
    nothing_ran(t, done, "with an agent")


def test_unix_sockets(t):
    """Neither as a target (-L, -W) nor to listen on (-R)."""
    gateway = Gateway(t)
    echo = t.server(Echo, t.tmp("there"))
    port = free_port()
    Client(t, ["ssh", "-N", "-L", f"127.0.0.1:{port}:{echo.host}",
               *gateway.args()])
    wait_until(lambda: listeners(t, port), "ssh's port")
    equal(take_all(t.socket(("127.0.0.1", port))), b"", "what came")
    far = t.tmp("far")
    client = Client(t, ["ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-R",
                        f"{far}:127.0.0.1:1", *gateway.args()])
    equal(client.wait(), 255, "exit status")
    check(not os.path.exists(far), "it listens")
    equal(echo.accepted, 0, "connections made")


def test_interfaces(t):
    """ssh -w; without /dev/net/tun it does not come so far as to ask."""
    gateway = Gateway(t)
    raw = Raw(t, gateway)
    for mode in (1, 2):
        raw.send(OPEN, string("tun@openssh.com"), mode, WINDOW, PACKET, mode,
                 0x7fffffff)
        equal(raw.next(REFUSED, channel=mode).kind, REFUSED, "answer")
    if os.path.exists("/dev/net/tun"):
        done = t.run(["ssh", "-o", "BatchMode=yes", "-o",
                      "ExitOnForwardFailure=yes", "-w", "any", "-N",
                      *gateway.args()])
        equal(done.returncode, 255, f"exit status ({done.stderr})")


def test_other_channels(t):
    """All of them are refused, and the session goes on."""
    gateway, echo = Gateway(t), t.server(Echo)
    raw = Raw(t, gateway)
    kinds = ("x11", "auth-agent@openssh.com", "forwarded-tcpip", "",
             "direct-streamlocal@openssh.com", "no-such@example.org",
             "forwarded-streamlocal@openssh.com", "k" * 3000)
    for number, kind in enumerate(kinds):
        raw.send(OPEN, string(kind), number, WINDOW, PACKET,
                 string("/etc/passwd"), 0, string("127.0.0.1"), 1)
        check(raw.next(REFUSED, channel=number).number() in (1, 2, 3),
              f"reason for {kind}")
    peer = raw.open(50, "127.0.0.1", echo.port)
    raw.send(DATA, peer, string("there and back"))
    equal(raw.take(50, 14), b"there and back", "echo")


def test_other_requests(t):
    """Of the connection and of a session channel: a no for each."""
    gateway = Gateway(t)
    raw = Raw(t, gateway)
    for word in ("streamlocal-forward@openssh.com", "no-such@example.org",
                 "tun@openssh.com", "hostkeys-prove-00@openssh.com",
                 "w" * 5000, ""):
        equal(raw.ask(word, string(t.tmp("far"))), None, word[:40])
    check(not os.path.exists(t.tmp("far")), "it listens")
    mark = MARK % t.tmp("mark")
    peer = session(raw, 1)
    for word, more in (("x11-req", [False, string("MIT-MAGIC-COOKIE-1"),
                                    string("00" * 16), 0]),
                       ("auth-agent-req@openssh.com", []),
                       ("no-such@example.org", []), ("w" * 5000, [])):
        equal(request(raw, 1, peer, word, *more), FAILED, word[:40])
    # A refused command is the end of its session: it has nothing else.
    for mine, (word, what) in enumerate((("exec", mark), ("exec", ""),
                                         ("subsystem", "sftp")), 2):
        peer = session(raw, mine)
        equal(request(raw, mine, peer, word, string(what)), FAILED, word)
        raw.next(CLOSE, channel=mine)
    check(not os.path.exists(t.tmp("mark")), "it ran")


def session(raw, mine):
    raw.send(OPEN, string("session"), mine, WINDOW, PACKET)
    return raw.opened_to(mine)


def request(raw, mine, peer, word, *more):
    """What a channel's request is answered with."""
    raw.send(REQUEST, peer, string(word), True, *more)
    return raw.next(DONE, FAILED, CLOSE, channel=mine).kind


def test_environment(t):
    """It is taken or not, and nothing comes of it."""
    gateway = Gateway(t)
    raw = Raw(t, gateway)
    peer = session(raw, 1)
    for name in ("LD_PRELOAD", "PATH", "N" * 3000):
        check(request(raw, 1, peer, "env", string(name), string("x")) in
              (DONE, FAILED), "no answer")
    equal(request(raw, 1, peer, "shell"), DONE, "answer")
    matches("home", raw.next(DATA, channel=1).string().decode(), "text")


PARAMIKO = """
import paramiko, sys
port, key, mark = int(sys.argv[1]), sys.argv[2], sys.argv[3]
t = paramiko.Transport(("127.0.0.1", port))
t.connect(username="home", pkey=paramiko.Ed25519Key.from_private_key_file(key))
def tries(what, call):
    try:
        got = call()
        print(what, "worked" if got not in (None, b"") else "gave nothing")
    except Exception as error:
        print(what, "failed", type(error).__name__)
def execute():
    channel = t.open_session()
    channel.settimeout(5)
    channel.exec_command("touch " + mark)
    return channel.recv(100)
def subsystem():
    channel = t.open_session()
    channel.settimeout(5)
    channel.invoke_subsystem("sftp")
    return channel.recv(100)
def sftp():
    return paramiko.SFTPClient.from_transport(t).listdir("/")
tries("exec", execute)
tries("subsystem", subsystem)
tries("sftp", sftp)
channel = t.open_session()
channel.get_pty()
channel.invoke_shell()
channel.settimeout(5)
print("shell", "home" in channel.recv(10000).decode())
t.close()
"""


def test_paramiko(t):
    gateway = Gateway(t)
    done = t.run([PYTHON, "-W", "ignore", "-c", PARAMIKO, gateway.port,
                  user_key(), t.tmp("mark")])
    said = done.stdout.decode().splitlines()
    equal(len(said), 4, f"lines ({done.stderr})")
    for line in said[:3]:
        check("worked" not in line, line)
    equal(said[3], "shell True", "the text")
    check(not os.path.exists(t.tmp("mark")), "it ran")


# --- the text -----------------------------------------------------------------

class Terminal:
    """ssh at a terminal, or with -T at a pipe."""

    def __init__(self, t, gateway, *options, words=()):
        self.t = t
        self.master, slave = pty.openpty()
        self.said = b""
        self.process = subprocess.Popen(
            ["ssh", "-o", "BatchMode=yes", *options, *gateway.args(),
             *words], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True)
        os.close(slave)
        t.defer(os.close, self.master)
        t.defer(self.end)

    def read(self, seconds=0.0):
        while select.select([self.master], [], [], seconds)[0]:
            try:
                some = os.read(self.master, 65536)
            except OSError:
                return
            if not some:
                return
            self.said += some

    def text(self):
        self.read()
        return self.said.decode(errors="replace")

    def wait(self, pattern):
        wait_until(lambda: pattern in self.text(), f"{pattern} on its screen")

    def type(self, text):
        os.write(self.master, text.encode())

    def leave(self, key):
        """Types it until that was seen: ssh may still be about to set its
        terminal up."""
        def ended():
            self.type(key)
            self.read(0.1)
            return self.process.poll() is not None
        wait_until(ended, "its end")

    def end(self):
        self.process.kill()
        self.process.wait()


def test_text(t):
    """It says who one is there, and stays; ^C and ^D end it."""
    gateway = Gateway(t)
    for options in (("-tt",), ()):
        for end in ("\x03", "\x04"):
            client = Terminal(t, gateway, *options)
            client.wait("home")
            time.sleep(0.2)
            equal(client.process.poll(), None, "its status before its end")
            client.leave(end)
            check("home" in client.text(), "no text")


def test_text_tells_of_ports(t):
    """Without -N, with a port: what is forwarded stays as long as it."""
    gateway, echo = Gateway(t), t.server(Echo)
    port = free_port()
    client = Terminal(t, gateway, "-R", f"{port}:127.0.0.1:{echo.port}")
    client.wait("home")
    gateway.wait_agents()
    sock = t.socket(("127.0.0.1", port))
    check_echo(sock)
    sock.close()
    client.leave("\x03")
    gateway.wait_agents(count=0)
    equal(listeners(t, port), [], "addresses")


def test_text_at_a_pipe(t):
    """Without a terminal; the end of what it reads is not its own, as with
    ssh -n."""
    gateway, echo = Gateway(t), t.server(Echo)
    for options in ("-T", "-n"):
        port = free_port()
        client = t.program(["ssh", options, "-R",
                            f"{port}:127.0.0.1:{echo.port}",
                            *gateway.args()], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE)
        matches("home", client.stdout.readline().decode(), "text")
        time.sleep(0.3)
        equal(client.poll(), None, f"status with {options}")
        check_echo(t.socket(("127.0.0.1", port)))
        client.terminate()
        gateway.wait_agents(count=0, ports=None)


def test_sessions_are_ten(t):
    """And no more, of one connection."""
    gateway = Gateway(t)
    raw = Raw(t, gateway)
    peers = [session(raw, number) for number in range(10)]
    raw.send(OPEN, string("session"), 10, WINDOW, PACKET)
    check(raw.next(CONFIRMED, REFUSED, channel=10).kind == REFUSED,
          "an eleventh")
    for number, peer in enumerate(peers):
        if number % 2:
            raw.send(EOF, peer)
        raw.send(CLOSE, peer)
    for number in range(10):
        raw.next(CLOSE, channel=number)
    for number in range(11, 21):
        session(raw, number)


def test_master_with_many_sessions(t):
    """-M: each of those that come has its text, and -O exit ends all."""
    gateway, path = Gateway(t), t.tmp("master")
    master = Client(t, ["ssh", "-M", "-N", "-S", path, *gateway.args()])
    wait_until(lambda: os.path.exists(path), "a control socket")
    for _ in range(12):
        client = Terminal(t, gateway, "-tt", "-S", path)
        client.wait("home")
        client.leave("\x03")
    done = t.run(["ssh", "-S", path, *gateway.args(), "id"])
    check(done.returncode != 0, "a command ran")
    t.run(["ssh", "-O", "exit", "-S", path, *gateway.args()])
    master.wait()
