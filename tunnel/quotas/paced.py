"""A stream whose DATA waits for a bucket in each direction; all else passes as ever.

What the agent sends is held here before the visitor gets it, and no credit is given for it meanwhile, so that
one window of each stream is held at the most.  What the visitor sends is held before it is sent, and the
visitor is read no further.
"""

from __future__ import annotations

from tunnel.protocol.errors import ResetCode
from tunnel.protocol.flow import ReceiveWindow
from tunnel.protocol.frames import MAX_DATA_PAYLOAD_BYTES, Payload
from tunnel.protocol.session import Session
from tunnel.protocol.stream import Stream, StreamSink
from tunnel.quotas.bucket import Flow, TokenBucket

__all__ = ["PacedStream"]


class PacedStream(Stream):
    """A stream that shares two buckets with others.

    Args:
        inbound: for what comes from the agent.
        outbound: for what goes to it.
    """

    __slots__ = ("_has_room", "_holding", "_inbound", "_outbound")

    def __init__(
        self,
        session: Session,
        stream_id: int,
        credit: int,
        window: ReceiveWindow,
        inbound: TokenBucket,
        outbound: TokenBucket,
    ) -> None:
        self._inbound = inbound
        self._has_room = True
        self._holding: _PacedSink | None = None  # what came and waits, maybe longer than the stream lives
        super().__init__(session, stream_id, credit, window)
        self._outbound = Flow(outbound, self._send_now, super().send_end, self._made_room)

    def attach(self, sink: StreamSink) -> None:
        """Say who is told what happens, when its turn has come."""
        self.sink = self._holding = _PacedSink(sink, self._inbound, self)

    def send_data(self, data: bytes) -> bool:
        """Send ``data`` when its turn comes, as :meth:`Stream.send_data` says."""
        if not data:
            return not self._outbound.is_holding and self._has_room
        self._check_may_send()
        is_passed = True
        for start in range(0, len(data), MAX_DATA_PAYLOAD_BYTES):  # sockets are read in larger pieces
            is_passed = self._outbound.push(data[start : start + MAX_DATA_PAYLOAD_BYTES])
        return is_passed and self._has_room

    def send_end(self) -> None:
        """End our direction, after all that was sent."""
        self._outbound.end()

    def reset(self, code: ResetCode, detail: str = "") -> None:
        """Cut the stream in both directions; what is held is dropped, also once the stream is over."""
        self.drop()
        super().reset(code, detail)

    def drop(self) -> None:
        """Forget what is held."""
        self._outbound.drop()
        holding, self._holding = self._holding, None
        if holding is not None:
            holding.drop()

    def passed_all(self) -> None:
        """What came has been passed on, to its end: the two need to know of each other no more."""
        self._holding = None

    @property
    def is_held_back(self) -> bool:
        """Whether what was sent waits for its turn, so that the source has to."""
        return self._outbound.is_holding

    def _send_now(self, data: bytes) -> None:
        self._has_room = super().send_data(data)

    def _made_room(self) -> None:
        if self._has_room and self.state.may_send:
            self.sink.writable()

    def room_again(self) -> None:
        """The session takes more of this stream."""
        self._has_room = True


class _PacedSink:
    """A sink before the real one: its pieces wait for their turn."""

    __slots__ = ("_flow", "_sink", "_stream")

    def __init__(self, sink: StreamSink, bucket: TokenBucket, stream: PacedStream) -> None:
        self._sink = sink
        self._stream = stream
        self._flow = Flow(bucket, sink.data_received, self._end)

    def head_received(self, payload: bytes) -> None:
        """A head, which does not count."""
        self._sink.head_received(payload)

    def data_received(self, data: Payload) -> None:
        """Bytes, to be passed on in their turn: a copy, for a view would hold more than itself meanwhile."""
        self._flow.push(bytes(data))

    def end_received(self) -> None:
        """The end, which comes after them."""
        self._flow.end()

    def reset_received(self, code: ResetCode, detail: str) -> None:
        """The stream is cut: at once, for what is held is not the whole of it."""
        self._stream.drop()
        self._sink.reset_received(code, detail)

    def writable(self) -> None:
        """The session takes more."""
        self._stream.room_again()
        if not self._stream.is_held_back:
            self._sink.writable()

    def drop(self) -> None:
        """Forget what is held."""
        self._flow.drop()

    def _end(self) -> None:
        self._stream.passed_all()
        self._sink.end_received()
