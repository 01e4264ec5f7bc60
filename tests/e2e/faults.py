"""What a network does to an SSH server's clients: connections that fall silent
or are reset, ports that close, names that take their time."""
import socket
import struct
import threading

from dns import Zone, name_server
from harness import free_port
from origins import CHUNK, reset

# SO_LINGER that makes close(2) send a reset.
RESET = struct.pack("ii", 1, 0)


class Cut:
    """A TCP middleman before a server, whose network can be cut: silence()
    lets nothing through any more, either way, and says nothing, as a firewall
    that drops; resume() delivers what was held; reset() ends each connection
    with a reset; refuse() and accept() close and open its port. source: the
    address that it comes to the server from."""

    def __init__(self, test, server, source=""):
        self.server = server
        self.source = source
        self.port = free_port()
        self.news = threading.Condition()
        self.flows = True
        self.ended = False
        self.pairs = []
        self.forwarded = 0
        self.listener = None
        test.defer(self.close)
        self.accept()

    def args(self):
        """The server's own, through here."""
        return ["-p", str(self.port), "-o",
                f"HostKeyAlias=[{self.server.address}]:{self.server.port}",
                *self.server.options(), self.server.destination]

    def accept(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(256)
        threading.Thread(target=self.serve, args=(self.listener,),
                         daemon=True).start()

    def refuse(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def silence(self):
        with self.news:
            self.flows = False

    def resume(self):
        with self.news:
            self.flows = True
            self.news.notify_all()

    def reset(self):
        with self.news:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for sock in pair:
                try:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    RESET)
                    sock.shutdown(socket.SHUT_RD)
                except OSError:
                    pass
                sock.close()

    def close(self):
        self.refuse()
        with self.news:
            self.ended = True
            self.news.notify_all()
        self.reset()

    def serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.connect, args=(client,),
                             daemon=True).start()

    def connect(self, client):
        """In silence the server hears nothing of the client."""
        if not self.wait_flow():
            client.close()
            return
        try:
            far = socket.create_connection(
                (self.server.address, self.server.port),
                source_address=(self.source, 0))
        except OSError:
            reset(client)
            return
        for sock in (client, far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.news:
            self.pairs.append((client, far))
        for one, other in ((client, far), (far, client)):
            threading.Thread(target=self.copy, args=(one, other),
                             daemon=True).start()

    def wait_flow(self):
        """Returns whether to go on."""
        with self.news:
            self.news.wait_for(lambda: self.flows or self.ended)
            return not self.ended

    def copy(self, source, sink):
        try:
            while True:
                some = source.recv(CHUNK)
                if not self.wait_flow():
                    return
                if not some:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(some)
                self.forwarded += len(some)
        except OSError:
            for sock in (source, sink):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def slow_names(t, names, seconds):
    """From now on the processes of this module (NAMESPACE = True) that look
    up one of these names have 127.0.0.1 after so many seconds. Returns the
    name server."""
    zones = {name: Zone(v4=["127.0.0.1"], delay=seconds) for name in names}
    return name_server(t, zones, f"timeout:{int(seconds) + 10} attempts:1")
