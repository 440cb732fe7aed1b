"""The smallest server that answers a create: HTTP/1.1 in one asyncio protocol; it echoes with an id.

Run as a process it prints its port on one line and serves until its standard input is closed.
"""

import asyncio
import itertools
import sys

_HEAD_END = b"\r\n\r\n"


class Echo(asyncio.Protocol):
    """One connection."""

    ids = itertools.count()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._heard = b""

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(_HEAD_END)) >= 0:
            head = self._heard[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            whole = end + len(_HEAD_END) + length
            if len(self._heard) < whole:
                return
            body, self._heard = self._heard[whole - length : whole], self._heard[whole:]
            echo = b'{"id":"bcus_%d","payment_rules":{"min_amount":1},' % next(self.ids) + body[1:]
            self._transport.write(
                b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(echo), echo)
            )


async def serve() -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
