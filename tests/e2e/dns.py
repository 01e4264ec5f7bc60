"""A name server for tests: answers what it was told, when it was told."""
import os
import socket
import struct
import subprocess
import threading
import time

A, AAAA, CNAME, SOA = 1, 28, 5, 6
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


def name_bytes(name):
    parts = [part for part in name.split(".") if part]
    return b"".join(bytes((len(part),)) + part.encode("latin1")
                    for part in parts) + b"\0"


def read_question(packet):
    """(name, type, the question's bytes)."""
    at = 12
    labels = []
    while packet[at]:
        length = packet[at]
        labels.append(packet[at + 1:at + 1 + length].decode("latin1"))
        at += 1 + length
    kind = struct.unpack(">H", packet[at + 1:at + 3])[0]
    return ".".join(labels).lower(), kind, packet[12:at + 5]


class Zone:
    """What one name has: addresses of both families, a code, a delay; drop:
    no answer at all."""

    def __init__(self, v4=(), v6=(), code=NOERROR, delay=0.0, drop=False,
                 ttl=60, delay_v6=None):
        self.v4 = v4
        self.v6 = v6
        self.code = code
        self.delay = delay
        self.delay_v6 = delay if delay_v6 is None else delay_v6
        self.drop = drop
        self.ttl = ttl


class Server:
    """Serves zones (a dict of names) on a UDP and a TCP port of host. asked
    holds the (name, type) of each query."""

    def __init__(self, zones, host="127.0.0.53", port=53):
        self.zones = zones
        self.host = host
        self.asked = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, port))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((host, port))
        self.tcp.listen()
        self.closing = False
        self.threads = []
        for sock, serve in ((self.udp, self.serve_udp),
                            (self.tcp, self.serve_tcp)):
            sock.settimeout(0.05)  # closing does not wake who waits on it
            self.threads.append(threading.Thread(target=serve, daemon=True))
            self.threads[-1].start()

    def close(self):
        self.closing = True
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()

    def serve_udp(self):
        while not self.closing:
            try:
                packet, peer = self.udp.recvfrom(4096)
            except TimeoutError:
                continue
            threading.Thread(target=self.answer, daemon=True,
                             args=(packet, lambda reply, to=peer:
                                   self.udp.sendto(reply, to))).start()

    def serve_tcp(self):
        while not self.closing:
            try:
                sock, peer = self.tcp.accept()
            except TimeoutError:
                continue
            sock.settimeout(2)
            size = sock.recv(2)
            packet = sock.recv(struct.unpack(">H", size)[0])
            self.answer(packet, lambda reply: sock.sendall(
                struct.pack(">H", len(reply)) + reply))
            sock.close()

    def answer(self, packet, send):
        name, kind, question = read_question(packet)
        self.asked.append((name, kind))
        zone = self.zones.get(name)
        if zone is None:
            code, addresses, ttl = NXDOMAIN, (), 60
        elif zone.drop:
            return
        else:
            time.sleep(zone.delay_v6 if kind == AAAA else zone.delay)
            code, ttl = zone.code, zone.ttl
            addresses = {A: zone.v4, AAAA: zone.v6}.get(kind, ())
        records = b""
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            raw = socket.inet_pton(family, address)
            records += (b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl,
                                                  len(raw)) + raw)
        head = packet[:2] + struct.pack(">HHHHH", 0x8180 | code, 1,
                                        len(addresses), 0, 0)
        try:
            send(head + question + records)
        except OSError:
            pass


# --- in a module with mounts of its own ---------------------------------------

def sh(*argv):
    subprocess.run(argv, check=True, capture_output=True)


def bind_file(t, path, text):
    """Puts a file of ours in the place of path, in this mount namespace;
    returns the name by which it is changed."""
    ours = t.file("bound-" + os.path.basename(path), text, 0o644)
    sh("mount", "--bind", ours, path)
    t.defer(sh, "umount", path)
    return ours


def name_server(t, zones, options="timeout:1 attempts:1"):
    server = t.server(Server, zones)
    bind_file(t, "/etc/resolv.conf",
              f"nameserver {server.host}\noptions {options}\n")
    return server
