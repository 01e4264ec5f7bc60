"""An SSH client whose packets are another program's: it logs in, by
python3-asyncssh, and from then on sends what it reads from standard input and
writes what comes, each packet's type and body behind four bytes of length.
asyncssh itself answers key exchanges alone. Its first packet is b"in"; before
that there is b"out" with the reason why it did not come in.

    odd_client.py HOST PORT USER KEY
"""
import asyncio
import struct
import sys

import asyncssh
from asyncssh.constants import MSG_GLOBAL_REQUEST


def write(data):
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()


class Client(asyncssh.SSHClient):
    def connection_lost(self, exc):
        write(b"lost")


class Channels:
    """In which every number is found."""

    def values(self):
        return ()

    def __len__(self):
        return 0

    def __getitem__(self, number):
        return Channel()


class Channel:
    """What a packet to a channel is given to."""

    def log_received_packet(self, *args):
        pass

    def process_packet(self, kind, sequence, packet):
        tell(kind, packet)
        return True


def tell(kind, packet):
    """The packet as it came, from its type on."""
    write(bytes((kind,)) + packet.get_consumed_payload()[1:] +
          packet.get_remaining_payload())


def take_over(conn):
    """All packets of the connection protocol go out as they are."""
    conn._channels = Channels()
    handlers = dict(conn._packet_handlers)
    for kind in range(MSG_GLOBAL_REQUEST, 128):
        handlers[kind] = lambda self, kind, sequence, packet: tell(kind,
                                                                   packet)
    conn._packet_handlers = handlers


async def main():
    host, port, user, key = sys.argv[1:]
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    try:
        conn, _ = await asyncssh.create_connection(
            Client, host, int(port), username=user, client_keys=[key],
            known_hosts=None, agent_path=None, config=None,
            compression_algs=["none"])
    except (OSError, asyncssh.Error) as error:
        write(b"out" + str(error).encode())
        return
    take_over(conn)
    write(b"in")
    while True:
        try:
            size = struct.unpack(">I", await stdin.readexactly(4))[0]
            packet = await stdin.readexactly(size)
        except asyncio.IncompleteReadError:
            break
        try:
            conn.send_packet(packet[0], packet[1:])
        except (OSError, AttributeError):
            break
    conn.abort()


if __name__ == "__main__":
    asyncio.run(main())
