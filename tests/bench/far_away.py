"""A relay that is far away: ``far_away.py PORT TARGET_PORT DELAY_MS``.  Each byte arrives so much later.

It reads as fast as the sender sends, up to a bound: what a path of that length would hold at 400 MB/s.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

_MAX_IN_FLIGHT_BYTES = 64 << 20


class Side(asyncio.Protocol):
    """One side of a connection; what it reads is written to the other one later."""

    def __init__(self, delay_s: float, other: Side | None = None) -> None:
        self._delay_s = delay_s
        self.other = other
        self.transport: asyncio.Transport | None = None
        self._in_flight = 0
        self._is_paused = False
        self._early: list[bytes] = []  # came before the other side was there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is none by inheritance
        self.transport.set_write_buffer_limits(high=_MAX_IN_FLIGHT_BYTES)

    def data_received(self, data: bytes) -> None:
        self._in_flight += len(data)
        if self._in_flight > _MAX_IN_FLIGHT_BYTES and self.transport is not None and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()
        asyncio.get_running_loop().call_later(self._delay_s, self._arrive, data)

    def eof_received(self) -> bool:
        asyncio.get_running_loop().call_later(self._delay_s, self._end)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            asyncio.get_running_loop().call_later(self._delay_s, self.other.transport.close)

    def _arrive(self, data: bytes) -> None:
        self._in_flight -= len(data)
        if self._is_paused and self._in_flight <= _MAX_IN_FLIGHT_BYTES and self.transport is not None:
            self._is_paused = False
            self.transport.resume_reading()
        if self.other is None:
            self._early.append(data)
        elif self.other.transport is not None:
            self.other.transport.write(data)

    def _end(self) -> None:
        far = None if self.other is None else self.other.transport
        if far is not None and not far.is_closing():
            far.write_eof()


class Near(Side):
    """The side that was called; it calls the target."""

    def __init__(self, delay_s: float, target: int) -> None:
        super().__init__(delay_s)
        self._target = target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._dialling = asyncio.ensure_future(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(2 * self._delay_s)
        assert self.transport is not None
        try:
            _, other = await loop.create_connection(
                lambda: Side(self._delay_s, self), "127.0.0.1", self._target
            )
        except OSError:
            self.transport.abort()
        else:
            self.other = other
            if other.transport is not None:
                other.transport.writelines(self._early)


async def _serve(port: int, target: int, delay_s: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Near(delay_s, target), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
