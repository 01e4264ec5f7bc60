"""An agent that has a security key, whose signatures are made here: each is
what a person would have to touch the key for."""
import base64
import hashlib
import socket
import struct
import threading

from cryptography.hazmat.primitives.asymmetric.ed25519 import \
    Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (Encoding,
                                                          PublicFormat)

FAILURE = b"\x05"
LIST, LISTED, SIGN, SIGNED = 11, b"\x0c", 13, b"\x0e"
KIND = b"sk-ssh-ed25519@openssh.com"
APPLICATION = b"ssh:"
TOUCHED = b"\x01" + struct.pack(">I", 1)


def string(text):
    return struct.pack(">I", len(text)) + text


class TouchAgent:
    """env is what its clients need, public_text the key's line, and touches
    how many signatures it has made."""

    def __init__(self, t):
        self.touches = 0
        self.key = Ed25519PrivateKey.generate()
        public = self.key.public_key().public_bytes(Encoding.Raw,
                                                    PublicFormat.Raw)
        self.blob = string(KIND) + string(public) + string(APPLICATION)
        self.public_text = (f"{KIND.decode()} "
                            f"{base64.b64encode(self.blob).decode()}\n")
        path = t.tmp("touch_agent")
        self.env = {"SSH_AUTH_SOCK": path}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        t.defer(self.close)
        threading.Thread(target=self.serve_all, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve_all(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,),
                             daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rb") as requests:
            while True:
                head = requests.read(4)
                if len(head) < 4:
                    return
                request = requests.read(struct.unpack(">I", head)[0])
                client.sendall(string(self.answer(request)))

    def answer(self, request):
        if request[0] == LIST:
            return (LISTED + struct.pack(">I", 1) + string(self.blob) +
                    string(b"a key to touch"))
        if request[0] != SIGN:
            return FAILURE
        rest = request[5 + len(self.blob):]
        data = rest[4:4 + struct.unpack(">I", rest[:4])[0]]
        self.touches += 1
        signature = self.key.sign(hashlib.sha256(APPLICATION).digest() +
                                  TOUCHED + hashlib.sha256(data).digest())
        return SIGNED + string(string(KIND) + string(signature) + TOUCHED)
