"""The agent's half of an exchange: one stream answered by one upstream connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from tunnel.http.body import LAST_CHUNK, encode_chunk
from tunnel.http.errors import BadMessage
from tunnel.http.fields import response_fields
from tunnel.http.head import NO_CONTENT, UNKNOWN_LENGTH, ResponseHead
from tunnel.http.rules import ServiceRules
from tunnel.http.wire import OpenHead, decode_open, encode_head
from tunnel.protocol.errors import ResetCode
from tunnel.protocol.frames import Payload
from tunnel.transport.upstream import UpstreamConnection, UpstreamPool

__all__ = ["AgentExchange", "AgentExchanges", "Answering"]

_log = logging.getLogger(__name__)

# RFC 9110, section 8.6: a request with one of these and no content says so, or services wait for it.
_METHODS_WITH_CONTENT: Final = (b"POST", b"PUT", b"PATCH")

_TICK_S: Final = 0.25


class Answering(Protocol):
    """What an exchange needs of its stream, as :class:`tunnel.protocol.stream.Stream` does it."""

    @property
    def id(self) -> int:
        """Its number on the link; 0 where it is on none."""

    def send_head(self, payload: bytes) -> None:
        """Send a HEAD frame."""

    def send_data(self, data: bytes) -> bool:
        """Send content; return False when no more of it should come for now."""

    def send_end(self) -> None:
        """End the answer."""

    def reset(self, code: ResetCode, detail: str = "") -> None:
        """Cut it."""

    def consume(self, size: int, now: float) -> None:
        """Say that ``size`` bytes of the request have been passed on."""


class AgentExchanges:
    """The exchanges of one agent: what they share, and the clock that ends those that wait too long.

    Args:
        new_exchange: makes each of them; None for a plain one.
    """

    def __init__(
        self,
        pools: list[UpstreamPool],
        upstream_timeout_s: float,
        loop: asyncio.AbstractEventLoop,
        new_exchange: NewExchange | None = None,
    ) -> None:
        self.loop = loop
        self.upstream_timeout_s = upstream_timeout_s
        self._pools = pools
        self._new_exchange = new_exchange or AgentExchange
        self._running: set[AgentExchange] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._timer = loop.call_later(_TICK_S, self._tick)

    def __len__(self) -> int:
        return len(self._running)

    def open(self, stream: Answering, payload: bytes) -> AgentExchange:
        """Answer a stream that the exit node opened."""
        exchange = self._new_exchange(self, stream)
        self._running.add(exchange)
        try:
            head = decode_open(payload)
            pool = self._pools[head.index]
        except (BadMessage, IndexError) as error:
            _log.warning("stream %d: %s", stream.id, error)
            exchange.fail(ResetCode.INTERNAL, "malformed OPEN")
        else:
            exchange.start(head, pool)
        return exchange

    def connect(self, exchange: AgentExchange, pool: UpstreamPool) -> None:
        """Open a connection for ``exchange`` in the background."""
        task = self.loop.create_task(self._connect(exchange, pool))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def done(self, exchange: AgentExchange) -> None:
        """The exchange is over."""
        self._running.discard(exchange)

    async def close(self) -> None:
        """Stop the clock, and close every connection."""
        self._timer.cancel()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for pool in self._pools:
            pool.close()

    async def _connect(self, exchange: AgentExchange, pool: UpstreamPool) -> None:
        try:
            async with asyncio.timeout(self.upstream_timeout_s):
                connection = await pool.connect()
        except TimeoutError:
            exchange.fail(ResetCode.UPSTREAM_TIMEOUT, "no connection in time")
        except OSError as error:
            _log.warning("upstream %s: %s", pool.upstream.url, error)
            exchange.fail(ResetCode.UPSTREAM_REFUSED, type(error).__name__)
        else:
            exchange.connected(connection)

    def _tick(self) -> None:
        now = self.loop.time()
        for exchange in [exchange for exchange in self._running if now >= exchange.deadline]:
            exchange.fail(ResetCode.UPSTREAM_TIMEOUT, f"silent for {self.upstream_timeout_s:g} s")
        for pool in self._pools:
            pool.drop_stale(now)
        self._timer = self.loop.call_later(_TICK_S, self._tick)


class AgentExchange:
    """A stream's sink and an upstream connection's receiver at once."""

    __slots__ = ("_connection", "_early", "_is_answered", "_is_ended", "_is_final", "_is_over", "_left",
                 "_method", "_owner", "_rules", "_stream", "_withheld", "deadline")  # fmt: skip

    def __init__(self, owner: AgentExchanges, stream: Answering) -> None:
        self._owner = owner
        self._stream = stream
        self._connection: UpstreamConnection | None = None
        self._early: list[Payload] = []  # the request's bytes while the connection is being made
        self._method = b""
        self._rules: ServiceRules | None = None
        self._left = 0  # content bytes still to come, UNKNOWN_LENGTH or NO_CONTENT
        self._is_ended = False  # the request is complete
        self._is_answered = False  # the answer is complete, though it may still wait for credit
        self._is_final = False  # the final response head has been sent
        self._is_over = False
        self._withheld = 0  # bytes whose credit waits until the service reads on
        self.deadline = float("inf")  # when the service's silence ends the exchange

    def start(self, head: OpenHead, pool: UpstreamPool) -> None:
        """Send the request's head to the service, over a connection kept or new."""
        self._method, self._left, self._rules = head.method, head.length, pool.upstream.rules
        data = self.upstream_head(head)
        self._set_deadline()
        connection = pool.take()
        if connection is None:
            self._early.append(data)
            self._owner.connect(self, pool)
        else:
            self._connection = connection
            connection.begin(self, head.method)
            connection.write(data)

    def upstream_head(self, head: OpenHead) -> bytes:
        """Return the request's head as the service gets it."""
        framing = b""
        if head.length >= 0:
            framing = b"Content-Length: %d\r\n" % head.length
        elif head.length == UNKNOWN_LENGTH:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif head.method in _METHODS_WITH_CONTENT:
            framing = b"Content-Length: 0\r\n"
        lines = head.lines if self._rules is None else self._rules.of_request(head.lines)
        return lines.replace(b"\r\n", b" HTTP/1.1\r\n", 1) + framing + b"\r\n"

    def connected(self, connection: UpstreamConnection) -> None:
        """The new connection is up: send what has come meanwhile."""
        if self._is_over:
            connection.abort()
            return
        self._connection = connection
        connection.begin(self, self._method)
        connection.write(b"".join(self._early))
        self._early.clear()
        self._set_deadline()
        self._consume(0)

    def fail(self, code: ResetCode, detail: str) -> None:
        """End the exchange without a (complete) answer."""
        if not self._is_over:
            self._abort()
            self._stream.reset(code, detail)

    # ── the stream's side ────────────────────────────────────────────────────────────────────────

    def head_received(self, payload: bytes) -> None:
        """Never called: the session refuses HEAD frames from an exit node."""

    def data_received(self, data: Payload) -> None:
        """Content of the request, or raw bytes after a 101."""
        size = len(data)
        if self._is_over:  # the answer is complete already: nobody wants this
            self._stream.consume(size, self._owner.loop.time())
            return
        if self._left == UNKNOWN_LENGTH:
            data = encode_chunk(data)
        elif self._left != NO_CONTENT:
            if size > self._left:
                self.fail(ResetCode.CANCELLED, "more content than announced")
                return
            self._left -= size
        self._set_deadline()
        if self._connection is None:
            self._early.append(data)
            self._withheld += size
        else:
            self._connection.write(data)
            self._consume(size)

    def end_received(self) -> None:
        """The request is complete, or the visitor ended its direction after a 101."""
        self._is_ended = True
        if self._is_over:
            return
        if self._left == UNKNOWN_LENGTH:
            if self._connection is None:
                self._early.append(LAST_CHUNK)
            else:
                self._connection.write(LAST_CHUNK)
        elif self._left > 0:
            self.fail(ResetCode.CANCELLED, "less content than announced")
        elif self._is_raw and self._connection is not None:
            self._connection.write_eof()
            if self._is_answered:
                self._finish()

    def reset_received(self, code: ResetCode, detail: str) -> None:
        """The visitor left, or the link is gone: end the request at the service too."""
        self._abort()

    def writable(self) -> None:
        """The stream takes more of the answer."""
        if self._connection is not None:
            self._connection.resume_reading()

    # ── the connection's side ────────────────────────────────────────────────────────────────────

    def response_head(self, head: ResponseHead) -> None:
        """An interim or the final head."""
        if head.status >= 200 or head.status == 101:
            self._is_final = True
            self.deadline = float("inf")
            if head.status == 101:
                self._left = NO_CONTENT
        else:
            self._set_deadline()
        fields = response_fields(head)
        if self._rules is not None and self._is_final:
            fields = self._rules.response.apply(fields)
        self._stream.send_head(encode_head(head, fields))

    def response_content(self, content: bytes) -> None:
        """Some of the answer's content."""
        if not self._stream.send_data(content) and self._connection is not None:
            self._connection.pause_reading()

    def response_end(self) -> None:
        """The answer is complete; the exit node resets the stream if the request was not."""
        self._stream.send_end()
        self._is_answered = True
        if not self._is_raw:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.release(self._is_ended or self._left in (0, NO_CONTENT))
            self._finish()
        elif self._is_ended:
            self._finish()

    def response_failed(self, code: ResetCode, detail: str) -> None:
        """The connection broke, or what it said was not HTTP."""
        self._connection = None
        self.fail(code, detail)

    def request_paused(self, is_paused: bool) -> None:
        """The service reads no more of the request, or again."""
        if not is_paused:
            self._set_deadline()
            self._consume(0)

    # ── both ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def _is_raw(self) -> bool:
        return self._is_final and self._connection is not None and self._connection.is_raw

    def _set_deadline(self) -> None:
        """The service has ``upstream_timeout_s`` from the last byte it was sent to start its answer."""
        if not self._is_final:
            self.deadline = self._owner.loop.time() + self._owner.upstream_timeout_s

    def _consume(self, size: int) -> None:
        """Give credit for ``size`` bytes and all that was withheld, unless the service's socket is full."""
        self._withheld += size
        if self._withheld and self._connection is not None and not self._connection.is_write_paused:
            size, self._withheld = self._withheld, 0
            self._stream.consume(size, self._owner.loop.time())

    def _abort(self) -> None:
        """Leave the service at once, in the middle of whatever it does."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
        self._finish()

    def _finish(self) -> None:
        self._is_over = True
        self._early.clear()
        self.deadline = float("inf")
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._owner.done(self)


NewExchange = Callable[[AgentExchanges, Answering], AgentExchange]
