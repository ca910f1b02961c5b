"""One socket and one stream: what comes from either goes to the other.

Each direction ends by itself (half-close) and is held back by itself: the socket is not read while the
stream has no room, and the stream is given no credit while the socket does not take what was written.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from tunnel.protocol.errors import ResetCode
from tunnel.protocol.frames import Payload
from tunnel.protocol.stream import Stream
from tunnel.transport.sockets import reset

__all__ = ["Pipe", "PipeSink"]

# A dead peer of an idle connection is noticed in two minutes; a living one costs a segment a minute.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class Pipe(asyncio.Protocol):
    """A socket's protocol.  Whoever makes one gives it a stream, whose sink is ``sink``."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.sink = PipeSink(self)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._is_write_paused = False
        self._withheld = 0  # bytes whose credit waits until the socket has taken them
        self._has_read_end = False
        self._has_written_end = False

    # ── asyncio.Protocol ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: the socket is connected."""
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):  # not on every system
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self.stream is not None and not self.stream.send_data(data) and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Called by asyncio: the socket's peer ended its direction; the other goes on."""
        self._has_read_end = True
        if self.stream is not None:
            self.stream.send_end()
        return not self._has_written_end  # False: closed, once all is written

    def pause_writing(self) -> None:
        """Called by asyncio: the socket is full."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """Called by asyncio: there is room again."""
        self._is_write_paused = False
        self._consume(0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the socket is gone."""
        self._transport = None
        stream, self.stream = self.stream, None
        is_in_order = self._has_read_end and self._has_written_end
        if stream is not None and not is_in_order:  # in order, what was read may still wait for credit
            stream.reset(ResetCode.CANCELLED, "the connection is gone")
        self.over()

    # ── what the sink passes on ──────────────────────────────────────────────────────────────────

    def write(self, data: Payload) -> None:
        """Write bytes of the stream's to the socket."""
        if self._transport is not None:
            self._transport.write(data)
        self._consume(len(data))

    def write_end(self) -> None:
        """The stream's peer ended its direction."""
        self._has_written_end = True
        if self._transport is None:
            return
        if self._has_read_end:
            self._transport.close()  # once all is written
        elif self._transport.can_write_eof():
            self._transport.write_eof()

    def read_on(self) -> None:
        """The stream takes more."""
        if self._transport is not None:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Cut the connection at once, and not in order: half of the bytes must not pass for all."""
        self.stream = None
        if self._transport is not None:
            reset(self._transport)

    def over(self) -> None:
        """The connection is gone; for who needs to know."""

    def _consume(self, size: int) -> None:
        self._withheld += size
        if self._withheld and not self._is_write_paused and self.stream is not None:
            size, self._withheld = self._withheld, 0
            self.stream.consume(size, self._loop.time())


class PipeSink:
    """A pipe, as its stream sees it."""

    __slots__ = ("_pipe",)

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def head_received(self, payload: bytes) -> None:
        """A HEAD has no place in a TCP stream."""
        if self._pipe.stream is not None:
            self._pipe.stream.reset(ResetCode.INTERNAL, "a HEAD on a TCP stream")
        self._pipe.abort()

    def data_received(self, data: Payload) -> None:
        """Bytes for the socket."""
        self._pipe.write(data)

    def end_received(self) -> None:
        """The peer ended its direction."""
        self._pipe.write_end()

    def reset_received(self, code: ResetCode, detail: str) -> None:
        """The stream is cut."""
        self._pipe.abort()

    def writable(self) -> None:
        """The stream takes more."""
        self._pipe.read_on()
