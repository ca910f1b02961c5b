"""A visitor's connection: read strictly, request by request, each routed by itself.

Requests that are pipelined wait, unparsed, until the answer before them is complete.  Reading goes on
meanwhile, up to a limit: that is how a visitor who leaves is noticed.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import sys
from collections.abc import Callable
from email.utils import formatdate
from enum import Enum, auto
from typing import Final, Protocol, cast

from tunnel.http.body import BodyReader, ChunkedBody, LengthBody
from tunnel.http.error_pages import FAULTS, Fault, error_answer
from tunnel.http.errors import BadMessage
from tunnel.http.fields import find_field, request_fields
from tunnel.http.forwarded import Networks, is_within, visitor_behind
from tunnel.http.head import UNKNOWN_LENGTH, RequestHead, find_head_end, parse_request_head
from tunnel.http.own_answer import OwnAnswer
from tunnel.http.wire import encode_open
from tunnel.limits import VisitorLimits
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.session import Session
from tunnel.sources import source_of
from tunnel.transport.exchange import VisitorExchange
from tunnel.transport.gate import Gate, Verdict, Visit
from tunnel.transport.link import CONTROL_PATH
from tunnel.transport.sockets import StallClock, reset

__all__ = ["Edge", "FrontDesk", "OnOwnAnswer", "OnRequest", "VisitorConnection"]

_log = logging.getLogger(__name__)

_RESERVED_PREFIX: Final = CONTROL_PATH[: CONTROL_PATH.rindex("/") + 1].encode()
_CONTROL_REQUEST: Final = b"GET " + CONTROL_PATH.encode()

_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)+")

_MAX_DRAINED_BYTES: Final = 64 * 1024
"""Content of a request that was answered with a fault: up to this it is read and dropped, so that the
connection can go on; above it the connection is closed."""

_MAX_UNFLUSHED: Final = 64  # writes put together in one turn of the event loop, where more requests wait


OnRequest = Callable[[Session, RequestHead, int, float], None]
"""Told of each request that a client answers: whose client, the head, the status, and how many seconds passed
from the head of the request to that of the answer."""

OnOwnAnswer = Callable[[RequestHead | None, OwnAnswer], None]
"""Told of each request that the exit node answers by itself, and how; without a head where it had none."""


class FrontDesk(Protocol):
    """What the exit node answers by itself, before any routing."""

    def answer(self, head: RequestHead, scheme: bytes) -> OwnAnswer | None:
        """Return the answer to a request that came by ``scheme``; None: it is routed like any other."""


class Edge(Protocol):
    """What visitors' connections need of the exit node."""

    limits: VisitorLimits
    is_draining: bool
    trusted_proxies: Networks
    on_request: OnRequest | None
    on_own_answer: OnOwnAnswer | None
    memory: MemoryBudget | None
    front_desk: FrontDesk | None

    @property
    def gate(self) -> Gate | None:
        """What decides whether a request passes, where anything does."""

    def find(self, host: bytes) -> tuple[Session, int] | Fault:
        """Return the session and the name's index there for a Host, or why there is none."""

    def visitor_connected(self, connection: VisitorConnection) -> None:
        """A visitor came; it may be turned away."""

    def visitor_gone(self, connection: VisitorConnection) -> None:
        """A visitor's connection is closed."""

    def link_arrived(self, transport: asyncio.Transport, data: bytes) -> bool:
        """A client calls on this port: take its connection over, or return False."""


class _State(Enum):
    HEAD = auto()  # between requests, or reading a head
    GATE = auto()  # a head was read, and whether it may pass is being found out
    CONTENT = auto()  # reading a request's content
    ANSWER = auto()  # the request is complete, its answer is not
    RAW = auto()  # after a 101
    LINGER = auto()  # answered early: dropping what still comes, so that the answer is seen


# Names, for the hot path (see tunnel.protocol.frames).
_HEAD, _GATE, _CONTENT, _ANSWER, _RAW, _LINGER = _State


class VisitorConnection(asyncio.Protocol):
    """One TCP connection of a visitor's, on the data plane.

    Args:
        is_tls: its transport encrypts.
        own_fields: lines that the exit node adds to every answer, each with its CRLF.
    """

    def __init__(self, edge: Edge, *, is_tls: bool = False, own_fields: bytes = b"") -> None:
        self._edge = edge
        self._is_tls = is_tls
        self.own_fields = own_fields
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.visitor_ip = ""  # of the socket's other side
        self._is_behind_proxy = False
        self._taken_bytes = 0  # of the content of the request that is being read
        self._stall = StallClock()
        self.source = ""  # whom the connection is counted for; "" for a proxy, which has many behind it
        self._state = _HEAD
        self._buffer = b""
        self._body: BodyReader | None = None
        self._exchange: VisitorExchange | None = None
        self._is_first = not is_tls  # of a connection that may turn out to be a client's
        self._is_advancing = False
        self._is_read_paused = False
        self._is_write_paused = False
        self._out: list[bytes | memoryview] = []  # written in this turn of the event loop
        self._unwritten: list[tuple[MemoryBudget, int]] = []  # of answers that are complete
        self.name = "?"
        self.deadline = float("inf")

    # ── asyncio.Protocol ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: a visitor came."""
        self._transport = cast(asyncio.Transport, transport)
        if self._edge.memory is not None:  # 64 KiB by themselves, which nobody would have counted
            # Over TLS 0 would never be reached: it pauses with as much as that and not with more.
            self._transport.set_write_buffer_limits(high=1 if self._is_tls else 0, low=0)
        peer = transport.get_extra_info("peername")
        if peer:
            self.visitor_ip = peer[0].partition("%")[0]
            self.name = f"{peer[0]}:{peer[1]}"
            self._is_behind_proxy = is_within(self.visitor_ip, self._edge.trusted_proxies)
            self.source = "" if self._is_behind_proxy else source_of(self.visitor_ip)
        self.deadline = self.now() + self._edge.limits.head_timeout_s
        self._edge.visitor_connected(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: bytes of a request."""
        if self._state is _RAW:
            self._send_content(data)
        elif self._state is not _LINGER:
            self._buffer = self._buffer + data if self._buffer else data
            self._advance()

    def eof_received(self) -> bool:
        """Called by asyncio: the visitor ended its direction.

        After a 101 that is a half-close.  Before, it is how a visitor leaves: browsers and libraries do
        not end their direction while they wait for an answer.
        """
        if self._state is _RAW and self._exchange is not None:
            self._exchange.end_content()
            # True: keep the other direction open, which asyncio's TLS cannot.
            return not self._exchange.is_answered and not self._is_tls
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the visitor is gone."""
        self._transport = None
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()
        self._give_memory_back()
        self._edge.visitor_gone(self)

    def pause_writing(self) -> None:
        """Called by asyncio: the visitor reads too slowly."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """Called by asyncio: the visitor has read."""
        self._is_write_paused = False
        self._give_memory_back()
        if self._exchange is not None:
            self._exchange.written()
        elif self._state is _HEAD and self._buffer:
            self.deadline = self.now() + self._edge.limits.head_timeout_s
            self.resume_reading()
            self._advance()

    # ── the exchange's side ──────────────────────────────────────────────────────────────────────

    def now(self) -> float:
        """The event loop's time, in seconds."""
        return self._loop.time()

    @property
    def may_keep_alive(self) -> bool:
        """Whether another request may follow on this connection."""
        return not self._edge.is_draining

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes to the visitor, with all else that is written in this turn of the event loop.

        A head, its content and the last chunk then cost one system call and not three.
        """
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if not out or self._transport is None:
            return
        if len(out) == 1:
            self._transport.write(out[0])
        else:
            self._transport.writelines(out)
        if not self._is_write_paused:
            self._give_memory_back()
            if self._exchange is not None:
                self._exchange.written()

    def count_unwritten(self, memory: MemoryBudget, size: int) -> None:
        """Count the last ``size`` bytes of an answer until the visitor's socket has taken them."""
        if size:
            memory.take(size)
            self._unwritten.append((memory, size))

    def _give_memory_back(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        for memory, size in unwritten:
            memory.give_back(size)

    def write_eof(self) -> None:
        """End our direction (after a 101, or before a lingering close)."""
        self._flush()
        if self._transport is None:
            return
        if self._is_tls:  # which ends both with close_notify, and reads on until the visitor's own
            self._transport.close()
        elif self._transport.can_write_eof():
            self._transport.write_eof()

    def abort(self) -> None:
        """Break the connection: the visitor sees that the answer is not whole."""
        self._exchange = None
        if self._transport is not None:
            reset(self._transport)

    def resume_reading(self) -> None:
        """Read on."""
        if self._is_read_paused and self._transport is not None:
            self._is_read_paused = False
            self._transport.resume_reading()
            if self._state is _CONTENT:
                self.deadline = self.now() + self._edge.limits.body_timeout_s

    def go_raw(self) -> None:
        """After a 101: what was read ahead, and all that comes, passes as it is."""
        self._state = _RAW
        self.deadline = float("inf")
        self.resume_reading()
        data, self._buffer = self._buffer, b""
        if data:
            self._send_content(data)

    def request_passed(self, session: Session, head: RequestHead, status: int, started_s: float) -> None:
        """A client has answered: tell of it, where that is wanted."""
        if self._edge.on_request is not None:
            self._edge.on_request(session, head, status, self.now() - started_s)

    def exchange_over(self, keep_alive: bool) -> None:
        """The answer has been written whole."""
        self._exchange = None
        if self._state is _CONTENT:
            self._linger()  # the request is not complete, and what follows is not a new one
        elif not keep_alive or self._edge.is_draining:
            self._close()
        else:
            self._state = _HEAD
            self.deadline = self.now() + self._edge.limits.idle_timeout_s
            self.resume_reading()
            if self._buffer:
                self._advance()

    def answer_fault(self, fault: Fault, head: RequestHead | None) -> None:
        """Answer with an error page."""
        self._answer(error_answer(fault, b"" if head is None else find_field(head.fields, b"accept")), head)

    def _answer(self, answer: OwnAnswer, head: RequestHead | None) -> None:
        """Answer without a service; go on with the connection where its state is certain."""
        self._exchange = None
        if self._edge.on_own_answer is not None:
            self._edge.on_own_answer(head, answer)
        is_complete = self._state is not _CONTENT
        is_drainable = isinstance(self._body, LengthBody) and self._body.left <= _MAX_DRAINED_BYTES
        keep_alive = (
            head is not None
            and head.keep_alive
            and self.may_keep_alive
            and (is_complete or (is_drainable and not head.expects_continue))
        )
        has_body = head is None or head.method != b"HEAD"
        data = answer.encode(keep_alive, has_body, formatdate(usegmt=True))
        if self.own_fields:
            data = data.replace(b"\r\n", b"\r\n" + self.own_fields, 1)  # behind the status line
        self.write(data)
        if not keep_alive:
            self._linger()
        elif is_complete:
            self.exchange_over(keep_alive=True)
        else:
            self.resume_reading()  # the rest of the content is read and, without an exchange, dropped

    # ── time ─────────────────────────────────────────────────────────────────────────────────────

    def tick(self, now: float) -> None:
        """Called by the edge a few times a second."""
        if self._transport is not None and self._stall.is_over(
            self._transport, now, self._edge.limits.write_timeout_s
        ):
            self._cut()
        elif now >= self.deadline:
            self._time_out()
        elif self._is_read_paused and self._has_left():
            self._cut()

    def turn_away(self, *, is_quiet: bool) -> None:
        """Refuse a visitor who has said nothing yet; ``is_quiet``: without a word, which costs nothing."""
        if is_quiet:
            self.abort()
        else:
            self.answer_fault(FAULTS["too-many-connections"], None)

    def drain(self) -> None:
        """Close when idle; else after the answer that is under way."""
        if self._exchange is None and self._state is _HEAD and not self._buffer:
            self._close()

    def _time_out(self) -> None:
        if self._state is _HEAD and not self._buffer:
            self._close()
        elif self._state is _LINGER:
            if self._transport is not None and self._transport.get_write_buffer_size():
                self.deadline = self.now() + self._edge.limits.linger_s  # the answer is still being read
            elif self._transport is not None:
                self._transport.abort()
        elif self._exchange is None and self._state is _CONTENT:
            self._close()  # answered with a fault already: a second answer would be that of no request
        elif self._exchange is None or not self._exchange.is_started:
            exchange, self._exchange = self._exchange, None
            if exchange is not None:
                exchange.cancel()
            self.answer_fault(FAULTS["request-timeout"], None)
        else:
            self._cut()

    def _cut(self) -> None:
        """End the connection and the request that is under way, in the middle of whatever they do."""
        if self._exchange is not None:
            self._exchange.cancel()
        self.abort()

    def _has_left(self) -> bool:
        """Whether the visitor closed while we do not read: only the kernel knows, and only Linux tells."""
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        if sock is None or sys.platform != "linux":
            return False
        state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        # TCP_CLOSE, TCP_CLOSE_WAIT (include/net/tcp_states.h); after a 101 the latter is a half-close.
        return state == 7 or (state == 8 and self._state is not _RAW)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def _advance(self) -> None:
        """Read as far as the state allows.

        An answer can be complete while its request is still being read here, and would come back in.
        """
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while self._buffer and self._transport is not None:
                if self._state is _HEAD and self._may_answer():
                    if not self._read_head():
                        return
                elif self._state is _CONTENT:
                    self._read_content()
                else:
                    self._hold_back()
                    return
        except BadMessage as error:
            self._refuse(error)
        finally:
            self._is_advancing = False

    def _may_answer(self) -> bool:
        """Whether the visitor reads what it asked for: one that only asks would fill the memory here."""
        if len(self._out) > _MAX_UNFLUSHED:
            self._flush()  # pages with a fault, one after the other in one turn of the event loop
        return not self._is_write_paused

    def _read_head(self) -> bool:
        """Read one head and start its exchange; return False when it is not complete."""
        limits = self._edge.limits
        if self._is_first and self._take_link():
            return False
        if self._buffer.startswith(b"\r\n"):  # RFC 9112, section 2.2: an empty line before a request
            # All at once: cutting off one after the other copies the rest of a flood of them each time.
            self._buffer = _EMPTY_LINES.sub(b"", self._buffer, count=1)
            return bool(self._buffer)
        end = find_head_end(self._buffer)
        if max(end, len(self._buffer) if end < 0 else 0) > limits.max_head_bytes:
            if self._buffer.find(b"\r\n", 0, limits.max_target_bytes) < 0:
                raise BadMessage("the request line is too long", 414, "uri-too-long")
            raise BadMessage("the head is too large", 431, "headers-too-large")
        if end < 0:
            if not self._buffer[:1].isalpha() and self._buffer != b"\r":
                # A TLS ClientHello, say, to which no empty line will ever come.
                raise BadMessage("this does not begin like a request")
            self.deadline = min(self.deadline, self.now() + limits.head_timeout_s)
            return False
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        self._is_first = False
        head = parse_request_head(data)
        if len(head.target) > limits.max_target_bytes:
            raise BadMessage("the request line is too long", 414, "uri-too-long")
        if head.fields.count(b"\r\n") > limits.max_fields:
            raise BadMessage("too many fields", 431, "headers-too-large")
        self._begin(head)
        return True

    def _begin(self, head: RequestHead) -> None:
        """A head is complete: make ready for its content, and let it pass the gate where there is one."""
        limits = self._edge.limits
        if 0 < limits.max_body_bytes < head.length:
            raise BadMessage("the content is too large", 413, "content-too-large")
        self._taken_bytes = 0
        if head.length > 0:
            self._body = LengthBody(head.length)
        elif head.length == UNKNOWN_LENGTH:
            self._body = ChunkedBody()
        else:
            self._body = None
        self._state = _ANSWER if self._body is None else _CONTENT
        self.deadline = float("inf")
        if self._body is not None and not head.expects_continue:  # or it waits for the service's word
            self.deadline = self.now() + limits.body_timeout_s
        visitor_ip, scheme = self.visitor_ip, b"https" if self._is_tls else b"http"
        if self._is_behind_proxy:
            visitor_ip, scheme = visitor_behind(head.fields, visitor_ip, self._edge.trusted_proxies)
        if self._edge.front_desk is not None:
            own = self._edge.front_desk.answer(head, scheme)
            if own is not None:
                self._answer(own, head)
                return
        if self._edge.gate is None:
            self._open(head, visitor_ip, scheme)
        else:
            self._ask(self._edge.gate, Visit(head, visitor_ip, scheme))

    def _ask(self, gate: Gate, visit: Visit) -> None:
        """Let the gate judge; nothing more of the request is read until it has."""
        verdict = gate.judge(visit)
        if isinstance(verdict, asyncio.Future):
            waiting, self._state, self.deadline = self._state, _GATE, float("inf")
            verdict.add_done_callback(lambda done: self._judged(visit, waiting, done))
        else:
            self._obey(visit, verdict)

    def _judged(self, visit: Visit, state: _State, done: asyncio.Future[Verdict]) -> None:
        if self._transport is None or self._transport.is_closing():
            return  # the visitor did not wait
        if done.cancelled() or done.exception() is not None:  # a fault of the gate's opens nothing
            _log.error("%s: no verdict", self.name, exc_info=None if done.cancelled() else done.exception())
            self.abort()
            return
        self._state = state
        self.resume_reading()
        if state is _CONTENT and not visit.head.expects_continue:
            self.deadline = self.now() + self._edge.limits.body_timeout_s
        self._obey(visit, done.result())
        if self._buffer:
            self._advance()

    def _obey(self, visit: Visit, verdict: Verdict) -> None:
        if verdict is None:
            self._open(visit.head, visit.visitor_ip, visit.scheme)
        elif isinstance(verdict, OwnAnswer):
            self._answer(verdict, visit.head)
        else:
            visit.head.passed = verdict.fields
            self._open(visit.head, visit.visitor_ip, visit.scheme, verdict.lines)

    def _open(self, head: RequestHead, visitor_ip: str, scheme: bytes, lines: bytes = b"") -> None:
        """Route one request, and open its stream; ``lines`` are fields for the service."""
        if head.target.startswith(_RESERVED_PREFIX):
            self.answer_fault(FAULTS["reserved-path"], head)
            return
        route = self._edge.find(head.host)
        if isinstance(route, Fault):
            self.answer_fault(route, head)
            return
        session, index = route
        exchange = VisitorExchange(self, head)
        payload = encode_open(head, index, request_fields(head, visitor_ip, scheme) + lines)
        if not exchange.start(session, payload, self.now()):
            self.answer_fault(FAULTS["too-many-streams"], head)
            return
        self._exchange = exchange
        if self._body is None:
            exchange.end_content()

    def _read_content(self) -> None:
        body = self._body
        assert body is not None  # noqa: S101 - the state says so
        data, self._buffer = self._buffer, b""
        content = body.feed(data)
        limits = self._edge.limits
        self._taken_bytes += len(content)
        if 0 < limits.max_body_bytes < self._taken_bytes:  # of chunks nobody knows before
            raise BadMessage("the content is too large", 413, "content-too-large")
        self.deadline = self.now() + limits.body_timeout_s
        if content:
            self._send_content(content)
        if body.is_complete:
            self._buffer = body.rest
            self._body = None
            self.deadline = float("inf")
            if self._exchange is not None:
                self._state = _ANSWER
                self._exchange.end_content()
            elif self._state is _CONTENT:  # answered with a fault, and now read to its end
                self._state = _ANSWER
                self.exchange_over(keep_alive=True)

    def _send_content(self, content: bytes) -> None:
        if self._exchange is not None and not self._exchange.send_content(content):
            self._pause_reading()

    def _hold_back(self) -> None:
        """Bytes came while an answer is under way: keep some, then let the visitor wait."""
        if self._state is _HEAD:
            self.deadline = float("inf")  # the answers before it are not read: that has a clock of its own
        if len(self._buffer) > self._edge.limits.max_pipelined_bytes:
            self._pause_reading()

    def _pause_reading(self) -> None:
        if not self._is_read_paused and self._transport is not None:
            self._is_read_paused = True
            self._transport.pause_reading()
            self.deadline = float("inf")  # now it is not the visitor who is silent

    def _take_link(self) -> bool:
        """On a shared port, recognise a client by its first bytes and hand the connection over."""
        start = self._buffer[: len(_CONTROL_REQUEST)]
        if not _CONTROL_REQUEST.startswith(start):
            self._is_first = False
            return False
        transport = self._transport
        if len(start) < len(_CONTROL_REQUEST) or transport is None:
            return False
        self._is_first = False
        data, self._buffer = self._buffer, b""
        if not self._edge.link_arrived(transport, data):
            self._buffer = data
            return False
        self._transport = None
        self._edge.visitor_gone(self)
        return True

    # ── the end ──────────────────────────────────────────────────────────────────────────────────

    def _refuse(self, error: BadMessage) -> None:
        """A request that breaks the rules: answer where nothing was answered yet, and close."""
        _log.info("%s: %s", self.name, error.reason)
        exchange, self._exchange = self._exchange, None
        self._buffer = b""
        if exchange is not None:
            exchange.cancel()
            if exchange.is_started:
                self.abort()
                return
        self.answer_fault(FAULTS[error.code], None)

    def _linger(self) -> None:
        """End our direction and drop what still comes for a while, so that the answer is read.

        Closing at once would make the kernel send a RST, which takes the answer away from a visitor that
        is still sending (RFC 9112, section 9.6).
        """
        self._state = _LINGER
        self._exchange = None
        self._buffer = b""
        self.deadline = self.now() + self._edge.limits.linger_s
        self.resume_reading()
        self.write_eof()

    def _close(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()
