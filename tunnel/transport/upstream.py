"""Connections to a service, kept and reused.

A connection carries one exchange at a time.  After a complete answer it rests in the pool, and is used
again only while it is surely alive: a request is never sent twice, so a request on a connection that the
service has just closed would be lost.
"""

from __future__ import annotations

import asyncio
import logging
import select
import ssl
import sys
from collections import deque
from typing import Any, Final, Protocol, cast

from tunnel.config import Upstream
from tunnel.http.body import BodyReader, ChunkedBody, LengthBody, UntilCloseBody
from tunnel.http.errors import BadMessage
from tunnel.http.head import UNKNOWN_LENGTH, ResponseHead, find_head_end, parse_response_head
from tunnel.protocol.errors import ResetCode
from tunnel.transport.sockets import read_what_is_left, reset

__all__ = ["ResponseReceiver", "UpstreamConnection", "UpstreamPool"]

_log = logging.getLogger(__name__)

MAX_IDLE_CONNECTIONS: Final = 256

MAX_IDLE_S: Final = 1.5
"""How long a connection rests before it is dropped.  The shortest keep-alive time among common servers
is gunicorn's 2 s; staying under it leaves them no moment to close while a request is on its way."""

_START: Final = b"HTTP/1."

MAX_RESPONSE_HEAD_BYTES: Final = 64 * 1024
MAX_INTERIM_RESPONSES: Final = 8  # 1xx answers before the final one


class ResponseReceiver(Protocol):
    """Who gets the answer that a connection reads."""

    def response_head(self, head: ResponseHead) -> None:
        """An interim (1xx) or the final head."""

    def response_content(self, content: bytes) -> None:
        """Some content, or raw bytes after a 101."""

    def response_end(self) -> None:
        """The answer is complete (after a 101: the service ended its direction)."""

    def response_failed(self, code: ResetCode, detail: str) -> None:
        """There will be no (complete) answer.  The connection is closed already."""

    def request_paused(self, is_paused: bool) -> None:
        """The service's socket takes no more of the request, or does again."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to a service."""

    def __init__(self, pool: UpstreamPool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._receiver: ResponseReceiver | None = None
        self._method = b""
        self._buffer = b""
        self._head: ResponseHead | None = None
        self._body: BodyReader | None = None
        self._interim_count = 0
        self.is_raw = False
        self._is_read_paused = False
        self._poll: Any = None  # select.poll: asks the socket, past the event loop; none on Windows
        self.idle_since = 0.0
        self.is_write_paused = False

    # ── the exchange's side ──────────────────────────────────────────────────────────────────────

    def begin(self, receiver: ResponseReceiver, method: bytes) -> None:
        """Start an exchange: what is read from now on answers a request with ``method``."""
        self._receiver = receiver
        self._method = method
        self._head = self._body = None
        self._interim_count = 0

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes of the request."""
        if self._transport is not None:
            self._transport.write(data)

    def write_eof(self) -> None:
        """End our direction (after a 101)."""
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def pause_reading(self) -> None:
        """Read no more of the answer for now."""
        if self._transport is not None and not self._is_read_paused:
            self._is_read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None and self._is_read_paused:
            self._is_read_paused = False
            self._transport.resume_reading()

    def release(self, is_request_complete: bool) -> None:
        """The exchange is over; keep the connection where that is safe, or else close it.

        ``is_request_complete`` says that the request was sent whole.
        """
        head, self._receiver = self._head, None
        if (
            is_request_complete
            and head is not None
            and head.keep_alive
            and not self._buffer
            and not self.is_raw
        ):
            self.resume_reading()
            self._pool.keep(self)
        elif is_request_complete:
            self.close()
        else:
            self.abort()  # the request is not complete and nobody will send the rest of it

    def close(self) -> None:
        """Close the connection once what was written has left."""
        self._receiver = None
        self._pool.forget(self)
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once, which ends the request at the service too."""
        is_under_way, self._receiver = self._receiver is not None, None
        self._pool.forget(self)
        if self._transport is not None:
            if is_under_way:
                reset(self._transport)
            else:
                self._transport.abort()

    def is_alive(self) -> bool:
        """Whether an idle connection can be used: open, and with nothing to read.

        The event loop may not have seen yet that the service closed; the socket itself knows.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        return self._poll is None or not self._poll.poll(0)

    # ── asyncio.Protocol ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: the connection is up."""
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sys.platform != "win32":  # its loop reads ahead anyway
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: bytes of the answer."""
        receiver = self._receiver
        if receiver is None:
            self.close()  # an idle service has nothing to say; whatever it is, no request asked for it
            return
        if self.is_raw:
            receiver.response_content(data)
            return
        try:
            if self._body is None:
                data = self._read_heads(self._buffer + data if self._buffer else data)
            self._read_content(data)
        except BadMessage as error:
            self._fail(ResetCode.UPSTREAM_PROTOCOL, error.reason)

    def eof_received(self) -> bool:
        """Called by asyncio: the service ended its direction."""
        receiver = self._receiver
        if receiver is None:
            return False
        if self.is_raw:
            receiver.response_end()
            return True  # half-close: the other direction goes on
        if isinstance(self._body, UntilCloseBody):
            receiver.response_end()
        else:
            self._fail(ResetCode.UPSTREAM_CLOSED, "closed before the answer was complete")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the connection is gone."""
        if exc is not None:
            self._read_last_words()
        self._transport = None
        self._pool.forget(self)
        self._fail(ResetCode.UPSTREAM_CLOSED, "connection lost")

    def pause_writing(self) -> None:
        """Called by asyncio: the socket takes no more for now."""
        self.is_write_paused = True
        if self._receiver is not None:
            self._receiver.request_paused(True)

    def resume_writing(self) -> None:
        """Called by asyncio: there is room again."""
        self.is_write_paused = False
        if self._receiver is not None:
            self._receiver.request_paused(False)

    def _read_last_words(self) -> None:
        """Read the answer of a service that closed without reading the whole request (a 413, say).

        Its kernel sends a RST behind the answer, and what fails here first is often our next write.
        """
        transport = self._transport
        if transport is None or self._pool.upstream.is_tls:  # under TLS these bytes are not the answer's
            return
        for data in read_what_is_left(transport):
            if self._receiver is None:
                break
            self.data_received(data)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def _read_heads(self, data: bytes) -> bytes:
        """Read interim heads and the final one; return what follows it, keep what is incomplete."""
        while (receiver := self._receiver) is not None:  # an interim head may be the last that it wants
            end = find_head_end(data)
            if max(end, len(data) if end < 0 else 0) > MAX_RESPONSE_HEAD_BYTES:
                raise BadMessage("the head is too large")
            if end < 0:
                if data[: len(_START)] != _START[: len(data)]:
                    # Wrong port, say: a TLS or SSH server waits for us as long as we wait for it.
                    raise BadMessage("this does not begin like HTTP/1")
                self._buffer = data
                return b""
            head = parse_response_head(data[:end], self._method)
            data, self._buffer = data[end:], b""
            if head.status < 200 and head.status != 101:
                self._interim_count += 1
                if self._interim_count > MAX_INTERIM_RESPONSES:
                    raise BadMessage("too many interim responses")
                receiver.response_head(head)
                continue
            self._head = head
            if head.status == 101:
                self.is_raw = True
                self._body = UntilCloseBody()
            elif head.is_chunked:
                self._body = ChunkedBody()
            elif head.length == UNKNOWN_LENGTH:
                self._body = UntilCloseBody()
            else:
                self._body = LengthBody(max(head.length, 0) if self._has_content(head) else 0)
            receiver.response_head(head)
            return data
        return b""

    def _has_content(self, head: ResponseHead) -> bool:
        return self._method != b"HEAD" and head.status not in (204, 304)

    def _read_content(self, data: bytes) -> None:
        body, receiver = self._body, self._receiver
        if body is None or receiver is None:
            return  # the head is not complete, or nobody wants more
        content = body.feed(data) if data else b""
        if content:
            receiver.response_content(content)
        if body.is_complete and self._receiver is not None:
            self._buffer = body.rest  # not empty: bytes nobody asked for; release() will close
            receiver.response_end()

    def _fail(self, code: ResetCode, detail: str) -> None:
        receiver = self._receiver
        self.abort()
        if receiver is not None:
            receiver.response_failed(code, detail)


class UpstreamPool:
    """The connections to one service."""

    def __init__(self, upstream: Upstream, loop: asyncio.AbstractEventLoop) -> None:
        self.upstream = upstream
        self._loop = loop
        self._idle: deque[UpstreamConnection] = deque()  # the longest idle first
        self._all: set[UpstreamConnection] = set()
        self._ssl = ssl.create_default_context() if upstream.is_tls else None

    def take(self) -> UpstreamConnection | None:
        """Return an idle connection that is alive, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_alive():
                return connection
            connection.close()
        return None

    async def connect(self) -> UpstreamConnection:
        """Open a connection.

        Raises:
            OSError: the service is not to be reached (ssl.SSLError is one too).
        """
        upstream = self.upstream
        _, connection = await self._loop.create_connection(
            lambda: UpstreamConnection(self), upstream.host, upstream.port, ssl=self._ssl
        )
        self._all.add(connection)
        return connection

    def keep(self, connection: UpstreamConnection) -> None:
        """Take a connection back for reuse."""
        if len(self._idle) >= MAX_IDLE_CONNECTIONS:
            connection.close()
            return
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """Drop a connection that is closed."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def drop_stale(self, now: float) -> None:
        """Close the connections that rested too long; to be called now and then."""
        while self._idle and now - self._idle[0].idle_since > MAX_IDLE_S:
            self._idle[0].close()

    def close(self) -> None:
        """Close every connection."""
        for connection in list(self._all):
            connection.abort()
