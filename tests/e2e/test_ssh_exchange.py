"""What comes before a login: the server's version and the key exchange, and
servers that don't get so far."""
import select
import socket
import threading
import time

from harness import check, matches, scaled
from login import args_of, refused, works
from sshd import Sshd


class Crude:
    """A server of a few bytes: what each client gets, and when it ends. It
    stays for a client's silence if hold is true."""

    def __init__(self, t, say, hold=False):
        self.say = say
        self.hold = hold
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.held = []
        t.defer(self.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        self.listener.close()
        for client in self.held:
            client.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                client.sendall(self.say)
                if self.hold:
                    self.held.append(client)
                    continue
                client.shutdown(socket.SHUT_WR)
                client.settimeout(5)
                while client.recv(4096):
                    pass
            except OSError:
                pass
            client.close()

    def args(self, *more):
        return ["-F", "none", "-p", self.port, *more, "odd@127.0.0.1"]


def test_no_ssh_server(t):
    server = Crude(t, b"HTTP/1.1 400 Bad\x1b[31m Request\r\n\r\n")
    matches(r'odd@127.0.0.1:\d+: not an SSH server: it said "HTTP/1.1 400 '
            r'Bad\?\[31m Request"', refused(t, *server.args()))


def test_endless_lines_before_the_version(t):
    matches('not an SSH server: it said "hello"',
            refused(t, *Crude(t, b"hello\r\n" * 150000, hold=True).args()))
    matches("not an SSH server: it sends long lines",
            refused(t, *Crude(t, b"x" * (1 << 20), hold=True).args()))


def test_some_lines_before_the_version_are_no_fault(t):
    """RFC 4253 4.2 allows them."""
    server = Sshd(t)
    relay = Preface(t, server, b"Welcome\r\nto the gate\r\n")
    works(t, "-F", "none", "-p", relay.port, "-i", server.key, "-o",
          f"UserKnownHostsFile={server.known_hosts}", "-o",
          f"HostKeyAlias=[127.0.0.1]:{server.port}", server.destination)


class Preface(Crude):
    """Says something first, then is a pipe to a server."""

    def __init__(self, t, server, say):
        self.server = server
        super().__init__(t, say)

    def serve(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        far = socket.create_connection(("127.0.0.1", self.server.port))
        client.sendall(self.say)
        while True:
            for sock in select.select([client, far], [], [])[0]:
                other = far if sock is client else client
                try:
                    some = sock.recv(1 << 16)
                except OSError:
                    some = b""
                if not some:
                    client.close()
                    far.close()
                    return
                other.sendall(some)


def test_server_that_closes_at_once(t):
    said = refused(t, *Crude(t, b"").args())
    matches("closed the connection before it said its version.*MaxStartups",
            said)
    said = refused(t, *Crude(t, b"SSH-2.0-odd\r\n").args())
    matches("closed the connection during key exchange", said)


def test_server_of_another_version(t):
    said = refused(t, *Crude(t, b"SSH-1.5-old\r\n", hold=True).args())
    matches("No version of SSH protocol usable", said)


def test_server_that_sends_rubbish(t):
    """A key exchange message without an end, and a packet of no length."""
    for packet in (b"\0\0\0\x1c\x0a\x14" + bytes(26), bytes(16)):
        said = refused(t, *Crude(t, b"SSH-2.0-odd\r\n" + packet,
                                 hold=True).args())
        matches("key exchange failed: the server sent what can't be read",
                said)


def test_silent_servers_time_out(t):
    for say, step in ((b"", "never said its version"),
                      (b"SSH-2.0-odd\r\n", "fell silent during key exchange")):
        server = Crude(t, say, hold=True)
        started = time.monotonic()
        said = refused(t, *server.args("-o", "ConnectTimeout=1"))
        matches(f"{step}: timed out", said)
        check(time.monotonic() - started < scaled(5), "it took too long")


def test_no_algorithm_in_common(t):
    server = Sshd(t, KexAlgorithms="diffie-hellman-group14-sha256")
    said = refused(t, *args_of(server, "-o",
                               "KexAlgorithms=curve25519-sha256"))
    matches("no algorithm in common for kex algos; the server offers "
            "diffie-hellman-group14-sha256", said)


def test_the_users_ciphers_win(t):
    server = Sshd(t, LogLevel="DEBUG1")
    works(t, *args_of(server, "-c", "aes256-ctr")).stop()
    server.wait_line("kex: client->server cipher: aes256-ctr")
