"""What odd_server.py has on its channels, and the ports that it listens on for
a client: as stock servers have them, but for what it is told to do."""
import asyncio

import asyncssh
from asyncssh.constants import MSG_CHANNEL_DATA
from asyncssh.misc import ChannelOpenError
from asyncssh.packet import String

CHUNK = 1 << 16
HELD = 1 << 18


def tell(*words):
    print(*words, flush=True)


class Forward(asyncssh.SSHTCPSession):
    """One channel, and the target's connection behind it."""

    def __init__(self, state, reader, writer):
        self.state = state
        self.reader = reader
        self.writer = writer
        self.chan = None
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.closed = False
        self.ends = 0

    def connection_made(self, chan):
        self.chan = chan
        most = self.state.get("send_packet")
        if most:
            chan._send_pktsize = min(chan._send_pktsize, most)
        if self.state.get("ends") == "eof-only":
            chan._close_send = lambda: None

    def session_started(self):
        if self.state.get("ends") == "at-once":
            self.chan.close()
            return
        packet = String(bytes(1 << 15))
        for _ in range(self.state.get("overrun", 0) >> 15):
            self.chan.send_packet(MSG_CHANNEL_DATA, packet)
        asyncio.ensure_future(self.pump())

    def connection_lost(self, exc):
        tell("closed", exc or "")
        self.closed = True
        self.may_write.set()
        self.writer.close()

    def data_received(self, data, datatype):
        self.writer.write(data)
        if self.writer.transport.get_write_buffer_size() > HELD:
            self.chan.pause_reading()
            asyncio.ensure_future(self.drain())

    async def drain(self):
        try:
            await self.writer.drain()
        except ConnectionError:
            pass
        if not self.closed:
            self.chan.resume_reading()

    def eof_received(self):
        try:
            self.writer.write_eof()
        except OSError:
            pass
        self.end()
        return True

    def pause_writing(self):
        self.may_write.clear()

    def resume_writing(self):
        self.may_write.set()

    async def pump(self):
        try:
            while not self.closed:
                data = await self.reader.read(CHUNK)
                if not data:
                    break
                self.chan.write(data)
                await self.may_write.wait()
        except ConnectionError:
            if not self.closed:
                self.chan.close()
            return
        if not self.closed:
            self.target_ended()

    def target_ended(self):
        how = self.state.get("ends")
        if how == "close-only":
            self.chan.close()
            return
        self.chan.write_eof()
        if how == "more":
            self.chan.send_packet(MSG_CHANNEL_DATA, String(b"more"))
        self.end()

    def end(self):
        self.ends += 1
        if self.ends == 2 and self.state.get("ends") != "eof-only":
            self.chan.close()


class Port(asyncssh.SSHListener):
    """A port that it was asked to listen on; each client has a channel."""

    def __init__(self, server, address, port):
        self.server = server
        self.state = server.state
        self.address = address
        self.port = port
        self.number = port
        self.listener = None

    async def start(self):
        """On loopback, whatever was asked for."""
        here = (self.address if self.address.startswith("127.") else
                "127.0.0.1")
        self.listener = await asyncio.start_server(self.serve, here,
                                                   self.port, backlog=1024)
        self.number = self.listener.sockets[0].getsockname()[1]
        if self.port == 0:
            self.number = self.state.get("allocates", self.number)

    def get_port(self):
        return self.number

    def close(self):
        tell("cancel" if self.server.cancelling else "unlisten",
             f"[{self.address}]:{self.number}")
        if self.listener:
            self.listener.close()

    async def wait_closed(self):
        pass

    async def serve(self, reader, writer):
        try:
            await self.server.ring(
                lambda: Forward(self.state, reader, writer),
                self.state.get("spells", self.address), self.number,
                *writer.get_extra_info("peername")[:2])
        except ChannelOpenError as error:
            tell("refused", error.code, error.reason)
            writer.close()

    async def ring(self, when):
        """What is to be opened then, and how much of it was refused."""
        for moment, address, port, count in self.state.get("rings", ()):
            if moment != when:
                continue
            answers = await asyncio.gather(
                *(self.server.ring(asyncssh.SSHTCPSession,
                                   self.address if address is None else
                                   address,
                                   self.number if port is None else port)
                  for _ in range(count)), return_exceptions=True)
            refused = [answer for answer in answers
                       if isinstance(answer, ChannelOpenError)]
            tell("rang", when, count, "refused", len(refused))
            for answer in answers:
                if isinstance(answer, tuple):
                    answer[0].close()
