"""The exit node's half of an exchange: one visitor's request, answered by one stream."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from tunnel.http.body import LAST_CHUNK, encode_chunk
from tunnel.http.error_pages import FAULTS, Fault, reason_phrase
from tunnel.http.errors import BadMessage
from tunnel.http.head import UNKNOWN_LENGTH, RequestHead
from tunnel.http.wire import WireResponse, decode_head
from tunnel.protocol.errors import ResetCode
from tunnel.protocol.frames import Payload
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.session import Session
from tunnel.protocol.stream import Stream

if TYPE_CHECKING:
    from tunnel.transport.visitor import VisitorConnection

__all__ = ["VisitorExchange"]

_log = logging.getLogger(__name__)

MAX_INTERIM_RESPONSES: Final = 8

_FAULTS: Final = {
    ResetCode.UPSTREAM_REFUSED: FAULTS["upstream-refused"],
    ResetCode.UPSTREAM_TIMEOUT: FAULTS["upstream-timeout"],
    ResetCode.UPSTREAM_CLOSED: FAULTS["upstream-closed"],
    ResetCode.UPSTREAM_PROTOCOL: FAULTS["upstream-protocol"],
    ResetCode.REFUSED_STREAM: FAULTS["draining"],
    ResetCode.LINK_LOST: FAULTS["link-lost"],
}


class VisitorExchange:
    """A stream's sink; it writes the answer to the visitor's connection."""

    __slots__ = ("_connection", "_head", "_interim_count", "_is_chunked", "_is_request_complete",
                 "_left", "_memory", "_session", "_started_s", "_stream", "_withheld",
                 "is_answered", "is_raw", "is_started", "keep_alive")  # fmt: skip

    def __init__(self, connection: VisitorConnection, head: RequestHead) -> None:
        self._connection = connection
        self._head = head
        self._session: Session | None = None
        self._stream: Stream | None = None
        self._is_request_complete = False
        self._interim_count = 0
        self._started_s = 0.0
        self._is_chunked = False
        self._left = 0  # content bytes still to come, or UNKNOWN_LENGTH
        self._withheld = 0  # bytes whose credit waits until the visitor's socket has taken them
        self._memory: MemoryBudget | None = None
        self.is_started = False  # the final head has been written
        self.is_answered = False  # the answer has been written whole
        self.is_raw = False  # after a 101
        self.keep_alive = head.keep_alive

    # ── the visitor's side ───────────────────────────────────────────────────────────────────────

    def start(self, session: Session, payload: bytes, now: float) -> bool:
        """Open the stream; return False when the client takes no more of them."""
        self._memory = session.growth.memory
        self._session = session
        self._started_s = now
        self._stream = session.open_stream(payload, self, now)
        return self._stream is not None

    def send_content(self, content: bytes) -> bool:
        """Pass on content of the request, or raw bytes; return False when the visitor must wait."""
        stream = self._stream
        if stream is None or not stream.state.may_send or self._is_request_complete:
            return True
        return stream.send_data(content)

    def end_content(self) -> None:
        """The request is complete.  One that asks for an upgrade stays open until the answer."""
        stream = self._stream
        if not self._head.upgrade or self.is_started:
            self._is_request_complete = True
            if stream is not None and stream.state.may_send:
                stream.send_end()

    def cancel(self) -> None:
        """The visitor left."""
        if self._stream is not None:
            self._stream.reset(ResetCode.CANCELLED, "the visitor left")

    def written(self) -> None:
        """The visitor's socket takes more: give credit for what was written to it."""
        if self._withheld and self._stream is not None:
            size, self._withheld = self._withheld, 0
            self._stream.consume(size, self._connection.now())

    # ── the stream's side ────────────────────────────────────────────────────────────────────────

    def head_received(self, payload: bytes) -> None:
        """An interim or the final head."""
        try:
            response = decode_head(payload)
            if response.status < 200 and response.status != 101:
                self._write_interim(response)
                return
            if self.is_started or (response.status == 101) > bool(self._head.upgrade):
                raise BadMessage("a head that was not asked for")
        except BadMessage as error:
            _log.warning("%s: %s", self._connection.name, error.reason)
            self._give_up(FAULTS["upstream-protocol"])
            return
        self.is_started = True
        if self._session is not None:
            self._connection.request_passed(self._session, self._head, response.status, self._started_s)
        if response.status == 101:
            self._begin_raw(response)
        else:
            self._begin_content(response)

    def data_received(self, data: Payload) -> None:
        """Content of the answer, or raw bytes."""
        size = len(data)
        if self._left == UNKNOWN_LENGTH:
            if self._is_chunked:
                data = encode_chunk(data)
        elif size > self._left or not self.is_started:
            _log.warning("%s: more content than announced", self._connection.name)
            self._give_up(FAULTS["upstream-protocol"])
            return
        else:
            self._left -= size
        self._withheld += size
        self._connection.write(data)

    def end_received(self) -> None:
        """The answer is complete."""
        if self._memory is not None:  # the stream's window ends with it; what is unwritten does not
            self._connection.count_unwritten(self._memory, self._withheld)
        if self.is_raw:
            self.is_answered = True
            self._connection.write_eof()
            if self._is_request_complete:
                self._connection.exchange_over(keep_alive=False)
            return
        if not self.is_started or self._left > 0:
            self._give_up(FAULTS["upstream-closed"])
            return
        if self._is_chunked:
            self._connection.write(LAST_CHUNK)
        if not self._is_request_complete and self._stream is not None:
            # The answer came before the end of the request (an early 413, say): no more of it is wanted.
            self._stream.reset(ResetCode.NO_ERROR, "the answer is complete")
        self._connection.exchange_over(self.keep_alive)

    def reset_received(self, code: ResetCode, detail: str) -> None:
        """The stream is gone: say so where that is still possible, or else break the connection."""
        _log.info("%s: %s %s", self._connection.name, code.name, detail)
        self._stream = None
        if self.is_raw:
            self._connection.abort()
        else:
            self._give_up(_FAULTS.get(code, FAULTS["client-fault"]))

    def writable(self) -> None:
        """The stream takes more of the request."""
        self._connection.resume_reading()

    # ── writing the answer ───────────────────────────────────────────────────────────────────────

    def _write_interim(self, response: WireResponse) -> None:
        self._interim_count += 1
        if self._interim_count > MAX_INTERIM_RESPONSES or self.is_started:
            raise BadMessage("too many interim responses")
        if self._head.is_http_11:  # RFC 9110, section 15.2: never to an HTTP/1.0 visitor
            self._connection.write(_status_line(response.status) + response.lines + b"\r\n")

    def _begin_raw(self, response: WireResponse) -> None:
        self.is_raw = True
        self._left = UNKNOWN_LENGTH
        head = _status_line(101) + response.lines + b"Connection: Upgrade\r\n\r\n"
        self._connection.write(head)
        self._connection.go_raw()

    def _begin_content(self, response: WireResponse) -> None:
        head = self._head
        status, length = response.status, response.length
        framing = b""
        if status == 204:  # RFC 9110, section 8.6: no Content-Length
            self._left = 0
        elif head.method == b"HEAD" or status == 304:
            self._left = 0
            if length >= 0:
                framing = b"Content-Length: %d\r\n" % length
        elif length == UNKNOWN_LENGTH:
            self._left = UNKNOWN_LENGTH
            if head.is_http_11:
                self._is_chunked = True
                framing = b"Transfer-Encoding: chunked\r\n"
            else:
                self.keep_alive = False  # the end of the connection is the end of the content
        else:
            self._left = max(length, 0)
            framing = b"Content-Length: %d\r\n" % self._left
        if not self._connection.may_keep_alive:
            self.keep_alive = False
        if not (self._is_request_complete or head.upgrade):
            # RFC 9110, section 10.1.1: what is left of the request will not be read to its end.
            self.keep_alive = False
        if not self.keep_alive:
            framing += b"Connection: close\r\n"
        elif not head.is_http_11:
            framing += b"Connection: keep-alive\r\n"
        own = self._connection.own_fields
        if own and own.partition(b":")[0].lower() not in response.lines.lower():  # or the service says it
            framing += own
        self._connection.write(_status_line(status) + response.lines + framing + b"\r\n")
        if head.upgrade:
            self.end_content()  # refused: the request was complete all along

    def _give_up(self, fault: Fault) -> None:
        """Answer with ``fault``, or cut the connection when the answer has begun already."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.reset(ResetCode.CANCELLED, fault.code)
        if self.is_started:
            # A visitor must not take half an answer for the whole of it.
            self._connection.abort()
        else:
            self._connection.answer_fault(fault, self._head)


def _status_line(status: int) -> bytes:
    line = _STATUS_LINES.get(status)
    return line or b"HTTP/1.1 %d %b\r\n" % (status, reason_phrase(status))


_STATUS_LINES: Final = {
    status: b"HTTP/1.1 %d %b\r\n" % (status, reason_phrase(status)) for status in range(100, 600)
}
