"""An SSH client of a gateway that says what the test says, packet by packet
(RFC 4254), once it has logged in: see odd_client.py."""
import os
import struct
import subprocess
import threading

from harness import SOON, Failed, equal, scaled
from keys import user_key
from mux import number, string
from processes import HERE, PYTHON
from wire import take

GLOBAL, YES, NO = 80, 81, 82
OPEN, CONFIRMED, REFUSED, ADJUST, DATA, EXTENDED, EOF, CLOSE = range(90, 98)
REQUEST, DONE, FAILED = 98, 99, 100

WINDOW = 1 << 21
PACKET = 1 << 15


def pack(part):
    """A number, a truth, or bytes as they are."""
    if isinstance(part, bool):
        return bytes((part,))
    return number(part) if isinstance(part, int) else part


class Body:
    """What follows a packet's type, read from its start."""

    def __init__(self, kind, data):
        self.kind = kind
        self.rest = data

    def number(self):
        value, = struct.unpack(">I", self.rest[:4])
        self.rest = self.rest[4:]
        return value

    def string(self):
        size = self.number()
        text, self.rest = self.rest[:size], self.rest[size:]
        return text

    def truth(self):
        value, self.rest = self.rest[0] != 0, self.rest[1:]
        return value


class Pipe:
    """What comes out of a process, as a socket has it."""

    def __init__(self, file):
        self.file = file

    def recv(self, count):
        return self.file.read(count)


class Raw:
    """answers is what channels that the gateway opens are answered with: None
    (nothing), (REFUSED, reason) or (CONFIRMED, window, most)."""

    def __init__(self, t, gateway, name="home", key=None, answers=None):
        self.answers = answers
        self.news = threading.Condition()
        self.packets = []
        self.opened = {}
        self.lost = False
        self.process = t.program(
            [PYTHON, "-W", "ignore", os.path.join(HERE, "odd_client.py"),
             gateway.address, gateway.port, name, key or user_key()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pipe = Pipe(self.process.stdout)
        first = self.read()
        equal(first, b"in", "what became of the login")
        self.reader = threading.Thread(target=self.read_all, daemon=True)
        self.reader.start()
        t.defer(self.end)

    def end(self):
        self.process.kill()
        self.reader.join()

    def read(self):
        return take(self.pipe, struct.unpack(">I", take(self.pipe, 4))[0])

    def read_all(self):
        try:
            while True:
                data = self.read()
                if data == b"lost":
                    break
                self.came(Body(data[0], data[1:]))
        except (Failed, OSError, ValueError):
            pass
        with self.news:
            self.lost = True
            self.news.notify_all()

    def came(self, body):
        """Keep-alives are answered, and channels as answers has it."""
        if body.kind == GLOBAL:
            body.string()
            if body.truth():
                self.send(NO)
            return
        if body.kind == OPEN:
            self.came_open(body)
            return
        with self.news:
            self.packets.append(body)
            self.news.notify_all()

    def came_open(self, body):
        body.string()
        peer, window, most = body.number(), body.number(), body.number()
        with self.news:
            mine = 1000 + len(self.opened)
            self.opened[mine] = peer, window, most, body.string(), \
                body.number()
            self.news.notify_all()
        if self.answers and self.answers[0] == REFUSED:
            self.send(REFUSED, peer, self.answers[1], string("no"),
                      string(""))
        elif self.answers:
            self.send(CONFIRMED, peer, mine, *self.answers[1:])

    def send(self, kind, *parts):
        self.send_all([(kind, *parts)])

    def send_all(self, packets):
        """In one, as fast as it goes."""
        data = b"".join(
            string(bytes(packet[:1]) + b"".join(map(pack, packet[1:])))
            for packet in packets)
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except OSError:
            pass

    # --- what comes ---

    def wait(self, condition, what, seconds=SOON):
        found = None

        def look():
            nonlocal found
            found = condition()
            return found or self.lost
        with self.news:
            self.news.wait_for(look, scaled(seconds))
        if not found:
            raise Failed(f"{'ended before' if self.lost else 'no'} {what}")
        return found

    def next(self, *kinds, channel=None, seconds=SOON):
        """The next packet of these kinds, and of one channel; others stay."""
        def find():
            for index, body in enumerate(self.packets):
                if body.kind in kinds and (
                        channel is None or
                        struct.unpack(">I", body.rest[:4])[0] == channel):
                    return self.packets.pop(index)
            return None
        body = self.wait(find, f"packet of {kinds}", seconds)
        if channel is not None:
            body.number()
        return body

    def wait_lost(self, seconds=SOON):
        self.wait(lambda: self.lost, "end", seconds)

    def rest(self):
        """Waits for an answer to a request that is sent last: all before is
        answered, too."""
        self.send(GLOBAL, string("keepalive@openssh.com"), True)
        return self.next(YES, NO)

    # --- what it asks for ---

    def ask(self, word, *parts):
        """A global request; returns what came with a yes, or None."""
        self.send(GLOBAL, string(word), True, *parts)
        body = self.next(YES, NO)
        return body if body.kind == YES else None

    def listen(self, port=0, address="localhost"):
        """Returns the port, or None."""
        body = self.ask("tcpip-forward", string(address), port)
        return body and (port or body.number())

    def cancel(self, port, address="localhost"):
        return self.ask("cancel-tcpip-forward", string(address), port)

    @staticmethod
    def opening(mine, host, port, window=WINDOW, most=PACKET):
        return (OPEN, string("direct-tcpip"), mine, window, most,
                string(host), port, string("127.0.0.1"), 1)

    def open(self, mine, host, port, window=WINDOW, most=PACKET):
        """A direct-tcpip channel of our number mine; returns its number
        there, or the reason why there is none."""
        self.send(*self.opening(mine, host, port, window, most))
        return self.opened_to(mine)

    def opened_to(self, mine):
        body = self.next(CONFIRMED, REFUSED, channel=mine)
        if body.kind == REFUSED:
            raise Refused(body.number(), body.string().decode())
        return body.number()

    def take(self, mine, count):
        """That many bytes of a channel's data; the window is the caller's."""
        got = b""
        while len(got) < count:
            got += self.next(DATA, channel=mine).string()
        return got


class Refused(Failed):
    """A channel was not opened."""

    def __init__(self, reason, text):
        super().__init__(f"refused with {reason}: {text}")
        self.reason = reason
        self.text = text
