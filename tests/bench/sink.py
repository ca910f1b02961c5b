"""A service that takes uploads and throws them away: ``sink.py PORT``."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


class Sink(asyncio.Protocol):
    """Reads one request after the other, each with a Content-Length."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is none by inheritance
        self._head = b""
        self._left = 0

    def data_received(self, data: bytes) -> None:
        while data:
            if not self._left:
                head, mark, rest = (self._head + data).partition(b"\r\n\r\n")
                if not mark:
                    self._head = head
                    return
                self._head, data = b"", rest
                fields = (line.partition(b":") for line in head.lower().split(b"\r\n")[1:])
                self._left = next((int(value) for name, _, value in fields if name == b"content-length"), 0)
            taken = min(self._left, len(data))
            self._left -= taken
            data = data[taken:]
            if not self._left:
                self._transport.write(_ANSWER)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
