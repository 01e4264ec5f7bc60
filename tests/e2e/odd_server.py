"""An SSH server that does what others may do to us and stock servers don't:
python3-asyncssh, told what to do by a JSON object in its first argument.

    host_key, authorized   paths; port (0: any)
    passwords              {user: password}
    kbdint                 {user: [[title, text, [[prompt, echo]...],
                           [answer...]]...]}: rounds of questions
    codes                  {user: [code...]}: asked for by a prompt, each good
                           once
    banner                 sent before authentication
    window, max_packet     what a channel lets its client send
    send_packet            most bytes in a data packet of ours
    nodelay                False: leaves Nagle's algorithm on
    open_delay             seconds before each channel's outcome
    refuse                 {"host:port" or "*": [reason, text]}
    leads                  a port of this machine: all opens go there
    never                  targets whose opens get no answer
    rekey_bytes            of what it sends; rekey_seconds
    silent                 "connect", "version", "auth": says no more from there
    silent_after           so many channels have been opened
    drop_after             ends at the so-manieth channel, without a word
    drop_for               ends at an open to this target
    drop_at                "connect", "version": ends instead
    logins                 ends what comes after so many logins
    ends                   "eof-only": no CLOSE of its own; "close-only": no
                           EOF; "more": data after the EOF; "at-once": CLOSE
                           behind the open
    overrun                so many bytes at once on a channel, past any window
    calls                  so many channels it opens itself once one is in
    listens                "refuse": to no port; "never": says nothing to the
                           first who asks
    allocates              the number that it gives for port 0
    spells                 the address that it tells a port's channels are of
    rings                  [[when, address, port, count]...]: channels that it
                           opens itself as if a port had clients; when:
                           "before" or "behind" the reply that it listens;
                           address and port: null for what was asked for
    rush                   so many other packets in one with that reply

Each line on standard output is something that it saw.
"""
import asyncio
import json
import os
import socket
import sys

import asyncssh
from asyncssh.constants import MSG_DEBUG, MSG_GLOBAL_REQUEST, MSG_IGNORE
from asyncssh.misc import ChannelOpenError
from asyncssh.packet import Boolean, String

from odd_channel import Forward, Port, tell

CONNECT_FAILED = 2

# sshd's texts come from the system; so do these.
GAI_TEXT = "Name or service not known"


class State:
    """What all connections of this server share."""

    def __init__(self, settings):
        self.settings = settings
        self.channels = 0
        self.logins = 0
        self.asked = 0
        self.codes = {user: list(codes) for user, codes in
                      settings.get("codes", {}).items()}

    def get(self, name, otherwise=None):
        return self.settings.get(name, otherwise)


class Server(asyncssh.SSHServer):
    def __init__(self, state):
        self.state = state
        self.conn = None
        self.round = 0
        self.cancelling = False

    def connection_made(self, conn):
        self.conn = conn
        sock = conn.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY,
                        int(self.state.get("nodelay", True)))
        tell("connection")
        send = conn._send_kexinit

        def count():
            tell("kexinit")
            send()
        conn._send_kexinit = count
        cancel = conn._process_cancel_tcpip_forward_global_request

        def note(packet):
            self.cancelling = True
            cancel(packet)
            self.cancelling = False
        conn._process_cancel_tcpip_forward_global_request = note
        self.mind_key_exchanges(conn)

    def mind_key_exchanges(self, conn):
        """This asyncssh goes on sending data after its KEXINIT, which RFC
        4253 (7.1) forbids: put it off until the keys are new."""
        send = conn.send_packet

        def careful(kind, *args, **keywords):
            if conn._auth_complete and kind >= MSG_GLOBAL_REQUEST:
                if (conn._kex_complete and
                        conn._rekey_bytes_sent >= conn._rekey_bytes):
                    conn._send_kexinit()
                    conn._kexinit_sent = True
                if not conn._kex_complete:
                    conn._deferred_packets.append((kind, args))
                    return
            send(kind, *args, **keywords)
        conn.send_packet = careful

    def connection_lost(self, exc):
        tell("lost", exc or "")

    async def begin_auth(self, username):
        if self.state.get("silent") == "auth":
            await asyncio.Event().wait()
        if self.state.get("banner"):
            self.conn.send_auth_banner(self.state.get("banner"))
        return True

    def auth_completed(self):
        self.state.logins += 1
        tell("login", self.conn.get_extra_info("username"))
        if self.state.logins > self.state.get("logins", self.state.logins):
            self.conn.abort()
        if self.state.get("calls"):
            asyncio.ensure_future(self.call(self.state.get("calls")))

    async def call(self, count):
        """Opens channels that nobody asked it for."""
        answers = await asyncio.gather(
            *(self.conn.create_connection(asyncssh.SSHTCPSession, "there", 1)
              for _ in range(count)), return_exceptions=True)
        refused = [answer for answer in answers
                   if isinstance(answer, ChannelOpenError)]
        tell("called", count, "refused", len(refused))

    # --- methods ---

    def public_key_auth_supported(self):
        return True

    def validate_public_key(self, username, key):
        wanted = asyncssh.read_public_key(self.state.get("authorized"))
        persons = [self.state.get(method, {})
                   for method in ("passwords", "kbdint", "codes")]
        good = key == wanted and not any(username in who for who in persons)
        tell("publickey", username, good)
        return good

    def password_auth_supported(self):
        return bool(self.state.get("passwords"))

    def validate_password(self, username, password):
        good = self.state.get("passwords").get(username) == password
        tell("password", username, good)
        return good

    def kbdint_auth_supported(self):
        return bool(self.state.get("kbdint") or self.state.get("codes"))

    def rounds(self, username):
        if username in self.state.codes:
            return [["", "", [["Code: ", False]], None]]
        return self.state.get("kbdint", {}).get(username, [])

    def challenge(self, username):
        title, text, prompts, _ = self.rounds(username)[self.round]
        return title, text, "", [tuple(prompt) for prompt in prompts]

    def get_kbdint_challenge(self, username, lang, submethods):
        self.round = 0
        return bool(self.rounds(username)) and self.challenge(username)

    def validate_kbdint_response(self, username, responses):
        if username in self.state.codes:
            good = responses[0] in self.state.codes[username]
            if good:
                self.state.codes[username].remove(responses[0])
            tell("code", username, good)
            return good
        rounds = self.rounds(username)
        good = list(responses) == rounds[self.round][3]
        tell("kbdint", username, self.round, good)
        if not good:
            return False
        self.round += 1
        return self.round == len(rounds) or self.challenge(username)

    # --- ports ---

    async def ring(self, factory, *where):
        """Opens a channel for a client of a port."""
        return await self.conn.create_connection(factory, *where,
                                                 **self.sizes())

    async def server_requested(self, host, port):
        self.state.asked += 1
        tell("listen", f"[{host}]:{port}")
        how = self.state.get("listens")
        if how == "refuse":
            return False
        if how == "never" and self.state.asked == 1:
            await asyncio.Event().wait()
        listener = Port(self, host, port)
        await listener.start()
        rings = [ring[0] for ring in self.state.get("rings", ())]
        if "before" in rings:
            # Some of the answers may be put off until there is our reply.
            asyncio.ensure_future(listener.ring("before"))
            await asyncio.sleep(0.1)
        self.rush(listener)
        return listener

    def rush(self, listener):
        """What follows the next reply, in one segment with it."""
        conn = self.conn
        report = conn._report_global_response
        sock = conn.get_extra_info("socket")

        def reply(result):
            conn._report_global_response = report
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            report(result)
            for index in range(self.state.get("rush", 0)):
                if index % 2:
                    conn.send_packet(MSG_IGNORE, String(b"x" * 7 * index))
                else:
                    conn.send_packet(MSG_DEBUG, Boolean(False),
                                     String(b"y" * 11 * index), String(b""))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            asyncio.ensure_future(listener.ring("behind"))
        conn._report_global_response = reply

    # --- channels ---

    def sizes(self):
        sizes = {}
        if self.state.get("window"):
            sizes["window"] = self.state.get("window")
        if self.state.get("max_packet"):
            sizes["max_pktsize"] = self.state.get("max_packet")
        return sizes

    def channel(self, make):
        return make(**self.sizes())

    def opening(self, target):
        """Counts, and does what is due after so many."""
        self.state.channels += 1
        tell("open", target)
        if self.state.channels == self.state.get("drop_after"):
            self.conn.abort()
        if target == self.state.get("drop_for"):
            self.conn.abort()
        if self.state.channels >= self.state.get("silent_after", 1 << 30):
            self.conn.data_received = lambda data, datatype=None: None
            self.conn.send_packet = lambda *args, **keywords: None

    def connection_requested(self, host, port, orig_host, orig_port):
        target = f"{host}:{port}"
        self.opening(target)
        return (self.channel(self.conn.create_tcp_channel),
                self.reach(target, asyncio.open_connection, host, port))

    def unix_connection_requested(self, path):
        self.opening(path)
        return (self.channel(self.conn.create_unix_channel),
                self.reach(path, asyncio.open_unix_connection, path))

    async def reach(self, target, connect, *where):
        if self.state.get("open_delay"):
            await asyncio.sleep(self.state.get("open_delay"))
        if target in self.state.get("never", ()):
            await asyncio.Event().wait()
        refuse = self.state.get("refuse", {})
        for name in (target, "*"):
            if name in refuse:
                raise ChannelOpenError(*refuse[name])
        if self.state.get("leads"):
            where = "127.0.0.1", self.state.get("leads")
        try:
            reader, writer = await connect(*where)
        except socket.gaierror:
            raise ChannelOpenError(CONNECT_FAILED, GAI_TEXT) from None
        except OSError as error:
            raise ChannelOpenError(CONNECT_FAILED,
                                   os.strerror(error.errno)) from None
        return Forward(self.state, reader, writer)


async def serve_silence(state):
    """Speaks no SSH, or only its first line."""
    version = b"SSH-2.0-Odd\r\n"

    async def serve(reader, writer):
        tell("connection")
        if "version" in (state.get("silent"), state.get("drop_at")):
            writer.write(version)
            await reader.readline()
        if state.get("silent"):
            await reader.read()
        writer.close()
        tell("lost")
    return await asyncio.start_server(serve, "127.0.0.1", state.get("port"))


async def serve_ssh(state):
    more = {name: state.get(name) for name in ("rekey_bytes", "rekey_seconds")
            if state.get(name)}
    return await asyncssh.create_server(
        lambda: Server(state), "127.0.0.1", state.get("port"),
        server_host_keys=[state.get("host_key")], reuse_address=True,
        backlog=1024, line_editor=False, login_timeout=60, **more)


async def main():
    state = State(json.loads(sys.argv[1]))
    if state.get("silent") in ("connect", "version") or state.get("drop_at"):
        server = await serve_silence(state)
    else:
        server = await serve_ssh(state)
    tell("listening", server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
