#!/usr/bin/python3
"""An SSH server whose sockets have TCP_NODELAY, as asyncio sets it: what a
round trip takes where the server does not wait for acknowledgements.

nodelay.py ADDRESS PORT DIRECTORY, with the files host, key.pub in there."""
import asyncio
import sys

import asyncssh


class Server(asyncssh.SSHServer):
    """Lets everybody with the key connect to anything."""

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        return True


async def main(address, port, directory):
    await asyncssh.listen(
        address, int(port), server_factory=Server,
        server_host_keys=[f"{directory}/host"],
        authorized_client_keys=f"{directory}/key.pub")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
