"""Servers that a proxy's clients want to reach, all on loopback, each
connection in a thread of its own; and one that nobody can reach."""
import hashlib
import http.server
import socket
import struct
import threading

CHUNK = 1 << 16

PAGE = b"<!doctype html><title>page</title><p>the culvert page</p>\n"


def reset(sock):
    """Closes so that the other side sees a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


def listener(host, port, backlog=1024):
    family = (socket.AF_UNIX if host.startswith("/") else
              socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_UNIX:
        sock.bind(host)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    sock.listen(backlog)
    return sock


class Server:
    """Accepts, and calls serve(sock) for each connection. seen holds what
    serve returned, in the order in which they ended; peers who came."""

    def __init__(self, host="127.0.0.1", port=0):
        self.listener = listener(host, port)
        self.host = host
        self.port = (0 if host.startswith("/") else
                     self.listener.getsockname()[1])
        self.news = threading.Condition()
        self.seen = []
        self.peers = []
        self.socks = set()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def address(self):
        return self.host, self.port

    @property
    def accepted(self):
        return len(self.peers)

    def accept(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            with self.news:
                self.peers.append(peer)
                self.socks.add(sock)
                self.news.notify_all()
            threading.Thread(target=self.run, args=(sock,),
                             daemon=True).start()

    def run(self, sock):
        value = None
        try:
            value = self.serve(sock)
        except OSError as error:
            value = error
        finally:
            with self.news:
                self.socks.discard(sock)
                self.seen.append(value)
                self.news.notify_all()
            sock.close()

    def wait(self, condition, what, seconds=20):
        with self.news:
            if not self.news.wait_for(condition, seconds):
                raise AssertionError(f"the server did not see {what}")

    def wait_accepted(self, count=1):
        self.wait(lambda: self.accepted >= count, f"{count} clients")

    def wait_seen(self, count=1):
        """What the first count connections came to."""
        self.wait(lambda: len(self.seen) >= count, f"{count} ends")
        return self.seen[:count]

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for sock in list(self.socks):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve(self, sock):
        raise NotImplementedError


class Echo(Server):
    """Sends back what comes, and ends when its client does."""

    def serve(self, sock):
        total = 0
        while True:
            some = sock.recv(CHUNK)
            if not some:
                return total
            sock.sendall(some)
            total += len(some)


class Sink(Server):
    """Reads to the end, says what it got by its sum, and closes."""

    def serve(self, sock):
        digest = hashlib.sha256()
        while True:
            some = sock.recv(CHUNK)
            if not some:
                break
            digest.update(some)
        sock.sendall(digest.hexdigest().encode())
        return digest.hexdigest()


class Keep(Server):
    """Keeps what comes, as bytes; answers nothing."""

    def serve(self, sock):
        got = b""
        while True:
            some = sock.recv(CHUNK)
            if not some:
                return got
            got += some


class Source(Server):
    """Sends data as soon as a client is there, ends its own side, and then
    reads to the end of the client's: gives what that was."""

    def __init__(self, data, **keywords):
        self.data = data
        super().__init__(**keywords)

    def serve(self, sock):
        sock.sendall(self.data)
        sock.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            some = sock.recv(CHUNK)
            if not some:
                return got
            got += some


class Both(Server):
    """Sends data while it reads; gives the sum of what it read."""

    def __init__(self, data, **keywords):
        self.data = data
        super().__init__(**keywords)

    def serve(self, sock):
        def send():
            try:
                sock.sendall(self.data)
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        digest = hashlib.sha256()
        while True:
            some = sock.recv(CHUNK)
            if not some:
                break
            digest.update(some)
        sender.join()
        return digest.hexdigest()


class Hold(Server):
    """Accepts, and does nothing until it is told to let go."""

    def __init__(self, *args, **keywords):
        self.released = threading.Event()
        super().__init__(*args, **keywords)

    def serve(self, sock):
        self.released.wait()

    def close(self):
        self.released.set()
        super().close()


class Resetter(Server):
    """Waits for a byte, and then resets."""

    def serve(self, sock):
        sock.recv(1)
        reset(sock)


class Full:
    """A listener whose queue is full: the kernel answers no SYN, so that who
    connects waits for ever."""

    def __init__(self, host="127.0.0.1"):
        self.listener = listener(host, 0, 0)
        self.host = host
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            filler = socket.socket(self.listener.family, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex((host, self.port))
            self.fillers.append(filler)

    def close(self):
        for filler in self.fillers:
            filler.close()
        self.listener.close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append(self.path)
        if self.path.startswith("/big"):
            body = bytes(range(256)) * 4096 * 4
        else:
            body = PAGE
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass


class Http6(HttpServer):
    address_family = socket.AF_INET6


class Http:
    """A web server with one page, on 127.0.0.1 and on ::1 at the same port;
    requests holds the paths that were asked for."""

    def __init__(self):
        self.requests = []
        self.servers = []
        while len(self.servers) < 2:
            self.close()
            self.servers = [HttpServer(("127.0.0.1", 0), Handler)]
            self.port = self.servers[0].server_address[1]
            try:
                self.servers.append(Http6(("::1", self.port), Handler))
            except OSError:
                continue  # taken there: try another
        for server in self.servers:
            server.requests = self.requests
            threading.Thread(target=server.serve_forever, args=(0.05,),
                             daemon=True).start()

    def url(self, host="127.0.0.1", path="/"):
        return f"http://{host}:{self.port}{path}"

    def close(self):
        for server in self.servers:
            if len(self.servers) == 2:
                server.shutdown()
            server.server_close()
        self.servers = []


class Refused:
    """A port that refuses: bound and never listening, so that nobody else
    can take it."""

    def __init__(self, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.bind((host, 0))
        self.port = self.sock.getsockname()[1]

    def close(self):
        self.sock.close()
