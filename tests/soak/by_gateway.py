"""The second subject: a gateway, while the agents and users that have dialled
in, of stock ssh and of culvert, are killed, stopped, cut off, kicked, locked
out and started again.

Clients leave through agents by the gateway's own SOCKS port, by each way that
there is to name one, and by the agents' ports; and they come by the ports of
users (-D and -L), and leave from the gateway or through an agent. Each depends
on few of these, and the others' troubles are none of it."""
import random
import signal
import socket
import threading
import time

import base
import harness
import remote
from clients import Way
from gateway import Gateway
from programs import BAD, Program
from sshd import cached_key, public_text

HOST = "127.0.0.1"
# Leads to the same target, by a way of its own.
ROUTED = "127.0.0.2"

# The programs: those that are agents have so many ports, together.
AGENTS = {"home": 2, "office": 2, "shed": 2, "barn": 1}
PROGRAMS = (("ssh", "home"), ("culvert", "home"), ("ssh", "office"),
            ("culvert", "shed"), ("ssh", "lodger"), ("ssh", "tenant"),
            ("culvert", "guest"), ("dbclient", "barn"))
# Where each of their forwards is.
PORTS = ("home", "office", "office_web", "shed", "shed_web", "lodger",
         "tenant", "tenant_far", "guest", "barn")

# The gateway asks a silent agent after 15 s whether it lives, and ends it
# after at most three times that.
GIVEN_UP_SECONDS = 46

# Options of a key that take nothing from who has it.
HARMLESS = ("", "no-pty", "no-X11-forwarding,no-user-rc",
            "restrict,port-forwarding", 'from="127.0.0.0/8"')


class Disturbances:
    """What is done to a gateway's programs, one after the other but for those
    that take long. Each tells whom it may harm."""

    def pick(self, names=None):
        """One that nothing is done to as yet."""
        return self.random.choice([
            program for program in self.programs
            if not self.disturbing[program.name] and
            (names is None or program.name in names)])

    def aside(self, call, program):
        """Beside others; a pause waits for its end."""
        about = call.__name__, program.name

        def run():
            try:
                call(self, program)
            except AssertionError as error:
                self.fail(f"{' '.join(about)}: {error}")
            finally:
                self.over(*about)
        self.begin(*about)
        threading.Thread(target=run, daemon=True).start()

    # --- programs that end or stand still ---

    def end_one(self, program, number):
        with self.unrest(signal.Signals(number).name, program.name):
            program.signal(number)

    def kill(self):
        self.end_one(self.pick(), signal.SIGKILL)

    def interrupt(self):
        self.end_one(self.pick(), signal.SIGINT)

    def terminate(self):
        self.end_one(self.pick(), signal.SIGTERM)

    def kill_name(self):
        """All that are called so at once."""
        name = self.pick().name
        with self.unrest("kill_name", name):
            for program in self.programs:
                if program.name == name:
                    program.signal(signal.SIGKILL)

    def stand_still(self):
        program = self.pick()
        with self.unrest("stand_still", program.name):
            program.signal(signal.SIGSTOP)
            time.sleep(self.random.random() * 6)
            program.signal(signal.SIGCONT)

    def stand_still_and_die(self):
        program = self.pick()
        with self.unrest("stand_still_and_die", program.name):
            program.signal(signal.SIGSTOP)
            time.sleep(self.random.random() * 4)
            program.signal(signal.SIGKILL)

    def reconnect(self):
        program = self.pick()
        if program.is_culvert:
            self.end_one(program, signal.SIGUSR2)

    # --- the network ---

    def reset(self):
        program = self.pick()
        with self.unrest("reset", program.name):
            program.cut.reset()

    def cut_off(self):
        program = self.pick()
        with self.unrest("cut_off", program.name):
            program.cut.silence()
            time.sleep(self.random.random() * 6)
            program.cut.reset()
            program.cut.resume()

    def stall(self):
        """Nothing is lost."""
        program = self.pick()
        with self.unrest("stall", program.name):
            program.cut.silence()
            time.sleep(self.random.random() * 4)
            program.cut.resume()

    def vanish(self, program):
        """Without a word: until long after it must have been given up."""
        before = self.ports_from(program)
        program.cut.silence()
        time.sleep(GIVEN_UP_SECONDS)
        left = before & self.ports_from(program)
        program.cut.reset()
        program.cut.resume()
        harness.check(not left, "is still in")

    def ports_from(self, program):
        return {one["addr"] for one in self.gateway.status_json()["agents"]
                if one["addr"].startswith(f"{program.cut.source}:")}

    # --- by the gateway ---

    def kick(self):
        name = self.pick().name
        with self.unrest("kick", name):
            self.gateway.kick(name)

    def reload(self):
        """The file is written anew, with other options; it is noticed, too,
        if nobody says so."""
        with self.unrest("reload"):
            self.authorize()
            if self.random.random() < 0.7:
                self.proxy.signal(signal.SIGHUP)

    def reload_wrong(self):
        """The keys before stay."""
        with self.unrest("reload_wrong"), self.writing:
            self.gateway.authorize_lines("no key at all")
            self.proxy.signal(signal.SIGHUP)
            time.sleep(1)
            self.authorize()

    def lock_out(self, program):
        """Its key is taken out of the file, and put back."""
        name = program.name
        self.locked.append(name)
        with self.writing:
            self.authorize()
            self.proxy.signal(signal.SIGHUP)
            time.sleep(0.5)
        self.gateway.kick(name)
        time.sleep(2)
        found = self.gateway.agents(name)
        self.locked.remove(name)
        with self.writing:
            self.authorize()
            self.proxy.signal(signal.SIGHUP)
            time.sleep(1)
        harness.equal(found, [], "sessions without a key")
        # culvert gives one that refuses its key a minute, if nobody says more.
        for one in self.programs:
            if one.name == name and one.is_culvert:
                one.signal(signal.SIGUSR2)
        # Those that failed in between are kept out for some time.
        harness.wait_until(lambda: self.is_in(name), "the way back in", 40)

    # --- others who come ---

    def visit(self):
        """One more of a name: it has the port at once, and clients, and
        leaves again."""
        program = self.pick(AGENTS)
        with self.unrest("visit"):
            visitor = program.launch(self.gateway.port)
            time.sleep(1 + self.random.random() * 3)
        with self.unrest("visitor_leaves", program.name):
            visitor.send_signal(self.random.choice((signal.SIGTERM,
                                                    signal.SIGKILL)))
            program.judge(visitor.wait())

    def strangers(self):
        """They have no key, or speak no SSH, and leave in the middle."""
        with self.unrest("strangers"):
            for low in range(1, 9):
                with socket.create_connection(
                        (HOST, self.gateway.port),
                        source_address=(f"127.4.0.{low}", 0)) as sock:
                    sock.sendall(random.choice((
                        b"", b"SSH-2.0-x\r\n", b"GET / HTTP/1.0\r\n\r\n",
                        random.randbytes(300),
                        b"SSH-2.0-x\r\n" + random.randbytes(300))))
                    time.sleep(random.random() / 10)
            self.t.run(["ssh", "-o", "BatchMode=yes", "-b", "127.4.1.1",
                        *self.gateway.args("home", key=cached_key("nobody"))])

    def status(self):
        with self.unrest("status"):
            self.gateway.status()
            self.gateway.status_json()

    SHORT = (kill, kill, kill, interrupt, terminate, kill_name, stand_still,
             stand_still_and_die, reconnect, reset, reset, reset, cut_off,
             cut_off, stall, kick, kick, reload, reload_wrong, visit, visit,
             strangers, status)
    LONG = vanish, lock_out


class GatewaySoak(Disturbances, base.Soak):
    # A stream through one that vanished ends with it.
    HANG_SECONDS = GIVEN_UP_SECONDS + 14
    SETTLE_SECONDS = 8
    CALM_SECONDS = (0.3, 1, 2, 10)
    FIRST_DESCRIPTORS = 90

    def __init__(self, t, seconds, seed):
        super().__init__(t, seconds, seed)
        self.locked = []
        self.writing = threading.RLock()
        self.gateway = Gateway(
            t, "--route", f"{ROUTED}=reverse:shed", "--workers", "3",
            "--connect-timeout", "20", start_new_session=True)
        self.proxy = self.gateway.proxy
        self.programs = [Program(t, self.gateway, program, name,
                                 cached_key(name), self.fail)
                         for program, name in PROGRAMS]
        self.authorize()
        self.proxy.signal(signal.SIGHUP)
        self.at = dict(zip(PORTS, remote.free_ports(len(PORTS))))
        for program, words in zip(self.programs, self.words()):
            program.start(*words)
        for program in self.programs:
            harness.wait_until(lambda: self.is_in(program.name),
                               f"{program.name} to be in")
        self.ways = (self.ways_by_socks() + self.ways_by_agents() +
                     self.ways_by_users())

    def words(self):
        """What each program is told, in their order."""
        at = self.at
        port = self.clients.target.port
        target = f"{HOST}:{port}"
        rekey = "-o", "RekeyLimit=8M"
        return (("-R", at["home"]), ("-R", at["home"]),
                ("-R", at["office"], "-R", f"{at['office_web']}:{target}",
                 *rekey),
                ("-R", at["shed"], "-R", f"{at['shed_web']}:{target}",
                 *rekey),
                ("-D", at["lodger"], *rekey),
                ("-L", f"{at['tenant']}:{target}", "-L",
                 f"{at['tenant_far']}:localhost.office.culvert:{port}"),
                ("-D", at["guest"]),
                ("-R", f"{at['barn']}:{target}"))

    def way(self, name, port, *parts, **more):
        return Way(name, (HOST, self.at[port]), parts, **more)

    def ways_by_socks(self):
        """Each way there is to name an agent. By a stock ssh the code is one
        for whatever went wrong."""
        socks = self.gateway.socks
        return [
            Way("via", socks, ("home",), resets=True, refused=(4, 5)),
            Way("user", socks, ("office",), user="any@office", resets=True,
                refused=(4,)),
            Way("route", socks, ("shed",), host=ROUTED, resets=True),
            Way("name", socks, ("shed",), host="localhost.shed.culvert",
                resets=True),
        ]

    def ways_by_agents(self):
        """By their ports. A stock ssh closes without a code."""
        return [
            self.way("home's port", "home", "home", resets=True,
                     refused=(None, 5)),
            self.way("office's port", "office", "office", resets=True,
                     refused=(None,)),
            self.way("shed's port", "shed", "shed", resets=True),
            self.way("office's fixed port", "office_web", "office",
                     fixed=True, resets=True),
            self.way("shed's fixed port", "shed_web", "shed", fixed=True,
                     resets=True),
            self.way("barn's fixed port", "barn", "barn", fixed=True,
                     resets=True),
        ]

    def ways_by_users(self):
        """A gateway has one reason for all channels that it refuses, as libssh
        has no other: prohibited."""
        return [
            self.way("ssh -D", "lodger", "lodger", refused=(None,)),
            self.way("ssh -D to an agent", "lodger", "lodger", "home",
                     host="localhost.home.culvert", refused=(None,)),
            self.way("ssh -L", "tenant", "tenant", fixed=True),
            self.way("ssh -L to an agent", "tenant_far", "tenant", "office",
                     fixed=True),
            self.way("culvert -D", "guest", "guest", refused=(2,)),
            self.way("culvert -D to an agent", "guest", "guest", "shed",
                     host="localhost.shed.culvert", refused=(2,)),
        ]

    def authorize(self):
        """The keys of all that are not locked out, in any order."""
        with self.writing:
            lines = []
            for name in {program.name for program in self.programs}:
                if name not in self.locked:
                    words = [f'agent="{name}"', random.choice(HARMLESS)]
                    lines.append(
                        ",".join(word for word in words if word) + " " +
                        public_text(cached_key(name)) +
                        f" {random.random()}")
            self.gateway.authorize_lines(*lines)

    def is_in(self, name, status=None):
        """With all the ports that it has."""
        agents = (status or self.gateway.status_json())["agents"]
        found = [one["ports"] for one in agents if one["name"] == name]
        ports = [port for text in found for port in text.split(",") if port]
        return len(ports) == AGENTS[name] if name in AGENTS else bool(found)

    def missing(self):
        """What is not as it was in the beginning."""
        status = self.gateway.status_json()
        found = {program.name for program in self.programs
                 if not self.is_in(program.name, status)}
        if status["sessions"]:
            found.add(f"{status['sessions']} sessions")
        return found

    def at_rest(self):
        try:
            harness.wait_until(lambda: not self.missing(), "all as before", 30)
        except harness.Failed as error:
            self.proxy.signal(signal.SIGUSR1)  # its log has the sessions
            raise harness.Failed(f"{error}: {self.missing()}") from None

    def judge(self):
        super().judge()
        for line in self.proxy.lines():
            if line.startswith("culvert: agent ") and BAD.search(line):
                self.fail(f"the gateway said: {line}")

    def disturb(self):
        call = self.random.choice(self.SHORT + self.LONG)
        if call not in self.LONG:
            call(self)
        elif not any(self.disturbing.values()):
            self.aside(call, self.pick())
