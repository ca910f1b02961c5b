"""One stream of a session, as the code that answers or asks on it sees it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, cast

from tunnel.protocol.errors import LocalMisuse, ResetCode
from tunnel.protocol.flow import ReceiveWindow
from tunnel.protocol.frames import DATA, END, HEAD, MAX_DATA_PAYLOAD_BYTES, MAX_HEAD_PAYLOAD_BYTES, Payload
from tunnel.protocol.states import CLOSED, OPEN, SEND_END, SEND_RESET, StreamEvent, next_state

if TYPE_CHECKING:
    from tunnel.protocol.session import Session

__all__ = ["QUEUE_HIGH_BYTES", "Stream", "StreamSink"]

QUEUE_HIGH_BYTES: Final = 64 * 1024
"""Above this a stream asks its source to pause: one frame is ready for when its turn comes."""

_MERGED_BYTES: Final = 4096
"""Pieces up to this are joined while they wait: each costs 200 bytes beside its own, so that a source which
dribbles towards a far side that stopped would hold 13 MB in a queue of 64 KiB."""


class StreamSink(Protocol):
    """What the owner of a stream provides: it is called as things happen to the stream.

    The owner calls :meth:`Stream.consume` for every byte it was given, once its own far side has taken
    it; that, and nothing else, lets the peer send more.
    """

    def head_received(self, payload: bytes) -> None:
        """A HEAD frame arrived."""

    def data_received(self, data: Payload) -> None:
        """A piece of DATA arrived, never empty; a large one may be a view of more that did."""

    def end_received(self) -> None:
        """The peer ended its direction; ours goes on."""

    def reset_received(self, code: ResetCode, detail: str) -> None:
        """The stream is gone in both directions, cut by the peer or with the link."""

    def writable(self) -> None:
        """After ``send_data`` returned False: there is room again.  Not called once our END is due."""


_NOBODY: Final = cast(StreamSink, None)
"""Told of nothing: a stream that is over and its owner would keep each other in memory for the collector."""


class Stream:
    """One visitor's request and its answer.  Made by the session only."""

    __slots__ = ("_blocked", "_end_queued", "_queue", "_queued_bytes", "_ready", "_session", "credit", "id",
                 "sink", "state", "window")  # fmt: skip

    def __init__(self, session: Session, stream_id: int, credit: int, window: ReceiveWindow) -> None:
        self.id = stream_id
        self.sink: StreamSink = _NOBODY
        self.state = OPEN
        self.credit = credit  # bytes we may still send
        self.window = window  # what we may still receive
        self._session = session
        self._queue: deque[memoryview] = deque()
        self._queued_bytes = 0
        self._end_queued = False
        self._ready = False  # stands in the session's round
        self._blocked = False  # send_data returned False and writable() is owed

    def attach(self, sink: StreamSink) -> None:
        """Say who is told what happens; called once, by the session."""
        self.sink = sink

    def send_head(self, payload: bytes) -> None:
        """Send a HEAD frame; it must come before any DATA.

        Raises:
            LocalMisuse: our direction has ended, or the payload is over the limit.
        """
        self._check_may_send()
        if len(payload) > MAX_HEAD_PAYLOAD_BYTES:
            raise LocalMisuse(f"a head of {len(payload)} bytes, limit {MAX_HEAD_PAYLOAD_BYTES}")
        self._session._emit(HEAD, self.id, payload)

    def send_data(self, data: bytes) -> bool:
        """Send ``data``, now or as credit and its turn allow.

        Returns:
            False when the source should pause until ``sink.writable()`` is called.

        Raises:
            LocalMisuse: our direction has ended.
        """
        self._check_may_send()
        size = len(data)
        if not size:
            return not self._blocked
        if (
            size <= self.credit
            and size <= MAX_DATA_PAYLOAD_BYTES
            and not self._queue
            and self._session.is_drained
        ):
            self.credit -= size
            self._session._emit(DATA, self.id, data)
            return True
        if self._queue and len(self._queue[-1]) + size <= _MERGED_BYTES:
            data = b"".join((self._queue.pop(), data))
        # Sockets are read in larger pieces than the queue's limit.  To pause a socket and read on in the same
        # turn of the event loop, again and again, costs more than to wait and see whether all of it leaves.
        leaves_soon = size <= self.credit and self._session.is_line_empty
        self._queue.append(memoryview(data))
        self._queued_bytes += size
        self._stand_in_line()
        if self._queued_bytes > QUEUE_HIGH_BYTES and not leaves_soon:
            self._blocked = True
        return not self._blocked

    def send_end(self) -> None:
        """End our direction, after all that was sent.

        Raises:
            LocalMisuse: our direction has ended already.
        """
        self._check_may_send()
        self._end_queued = True
        if not self._queue:
            self._send_end_now()

    def reset(self, code: ResetCode, detail: str = "") -> None:
        """Cut the stream in both directions; what was queued is dropped.  Does nothing on a closed stream."""
        if self.state is CLOSED:
            return
        self._move(SEND_RESET)
        self._session._emit_reset(self.id, code, detail)

    def consume(self, size: int, now: float) -> None:
        """Say that ``size`` received bytes have been passed on, so that the peer may send more.

        Raises:
            LocalMisuse: more was passed on than had arrived.
        """
        if self.state.may_receive:
            credit = self.window.consume(size, now, self._session.round_trip_s)
            if credit:
                self._session._emit_credit(self.id, credit)

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait here for credit or for their turn."""
        return self._queued_bytes

    # What follows is called by the session.

    def _send_turn(self) -> None:
        """Send one frame's worth of what is queued, as far as credit allows, and stand in line again."""
        self._ready = False
        chunk = self._queue.popleft()
        room = min(self.credit, MAX_DATA_PAYLOAD_BYTES)
        if len(chunk) > room:
            self._queue.appendleft(chunk[room:])
            chunk = chunk[:room]
        self.credit -= len(chunk)
        self._queued_bytes -= len(chunk)
        self._session._emit(DATA, self.id, chunk)
        if self._queue:
            self._stand_in_line()
        elif self._end_queued:
            self._send_end_now()
        if self._blocked and not self._end_queued and self._queued_bytes <= QUEUE_HIGH_BYTES // 2:
            self._blocked = False
            self.sink.writable()

    def _add_credit(self, credit: int) -> None:
        self.credit += credit
        self._stand_in_line()

    def _stand_in_line(self) -> None:
        if self._queue and self.credit > 0 and not self._ready:
            self._ready = True
            self._session._stand_in_line(self)

    def _check_may_send(self) -> None:
        if self._end_queued or not self.state.may_send:
            raise LocalMisuse(f"stream {self.id}: our direction has ended ({self.state.name})")

    def _send_end_now(self) -> None:
        self._session._emit(END, self.id, b"")
        self._move(SEND_END)

    def _move(self, event: StreamEvent) -> bool:
        """Apply the table; return False when it forbids ``event``."""
        state = next_state(self.state, event)
        if state is None:
            return False
        self.state = state
        if state is CLOSED:
            self._queue.clear()
            self._queued_bytes = 0
            self.window.close()
            self.sink = _NOBODY
            self._session._forget(self)
        return True
