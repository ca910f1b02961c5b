"""One link's state: the handshake, the streams and their credit, pings, the way it ends.

The owner feeds what arrives to :meth:`Session.receive_data`, sends what :meth:`Session.data_to_send`
returns, and calls :meth:`Session.tick` when the time that it returned has come.  What happens is told
by calls to the handler and to each stream's sink, from within those methods.

The peer's bytes never make a method raise: a violation is recorded in ``error``, a GOAWAY is queued and
the session is closed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from struct import Struct
from typing import Final, Protocol

from tunnel.protocol.errors import CloseCode, LocalMisuse, ProtocolViolation, ResetCode
from tunnel.protocol.flow import INITIAL_WINDOW_BYTES, MAX_STREAMS, GrowthBudget, ReceiveWindow
from tunnel.protocol.frames import (
    CONTROL_STREAM,
    CREDIT,
    DATA,
    END,
    HEAD,
    HEADER,
    MAX_HEAD_PAYLOAD_BYTES,
    MAX_STREAM_ID,
    OPEN,
    RESET,
    FrameDecoder,
    FrameType,
    Payload,
)
from tunnel.protocol.handshake import AgentHandshake, ExitNodeHandshake, FalseExitNode, Outgoing
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.messages import Grant, Refusal
from tunnel.protocol.states import CLOSED, RECEIVE_END, RECEIVE_RESET
from tunnel.protocol.stream import Stream, StreamSink

__all__ = [
    "HANDSHAKE_TIMEOUT_S",
    "PING_INTERVAL_S",
    "OnHealth",
    "Role",
    "Session",
    "SessionHandler",
    "SessionState",
]

PING_INTERVAL_S: Final = 5.0
HANDSHAKE_TIMEOUT_S: Final = 10.0

_DIRECT_SEND_BYTES: Final = 64 * 1024
"""While less than this waits to be fetched, streams' frames go out at once; above it they take turns."""

_MAX_BACKLOG_BYTES: Final = 8 * 1024 * 1024
"""While more than this waits to be fetched no stream is opened or taken: credit does not count heads, and
visitors that come and go would fill the memory of a side whose link is slow."""

_MAX_PONGS_WAITING: Final = 1000
"""A peer that makes us answer and never reads is cut off here."""

_MAX_DETAIL_BYTES: Final = 200

_CODE: Final = Struct("!H")
_CREDIT: Final = Struct("!I")
_PING: Final = Struct("!Q")
_HEALTH: Final = Struct("!HB")
_DRAIN_MARK: Final = b"\xff" * _PING.size  # no clock says so: which PING came right behind our GOAWAY
_HALF_SPACE: Final = 2**31

# A number that is unknown here, or that never travels, says only that something went wrong over there.
_RESET_CODES: Final = {code.value: code for code in ResetCode if code is not ResetCode.LINK_LOST}
_CLOSE_CODES: Final = {code.value: code for code in CloseCode if code is not CloseCode.CONNECTION_LOST}


OnHealth = Callable[[int, bool, str], None]
"""Told of an index in the claim's names, whether it is ready for visitors, and why it is not."""


MakeStream = Callable[["Session", int, int, ReceiveWindow], Stream]
"""Makes a stream from its session, its id, its credit and its window."""


class Role(Enum):
    """Which end of the link a session is."""

    EXIT_NODE = auto()  # opens streams
    AGENT = auto()  # answers them


class SessionState(Enum):
    """The life of a session."""

    HANDSHAKE = auto()
    OPEN = auto()
    CLOSED = auto()


_UP, _OVER = SessionState.OPEN, SessionState.CLOSED  # names, for the hot path (see tunnel.protocol.frames)


class SessionHandler(Protocol):
    """What the owner of a session provides."""

    def session_opened(self, grant: Grant) -> None:
        """The handshake ended well: streams may be opened."""

    def stream_opened(self, stream: Stream, payload: bytes) -> StreamSink:
        """The exit node opened a stream; return who is told what happens to it (role AGENT only).

        The stream may be answered or reset at once; the session must not be closed from within.
        """

    def session_draining(self, code: CloseCode, detail: str) -> None:
        """The peer finishes what is under way and wants nothing new."""

    def session_closed(self, code: CloseCode, detail: str) -> None:
        """The session is over; each of its streams has been told before.  Called once."""


class Session:
    """One end of a link.

    Args:
        handshake: this end's side of it, made for this session alone; it fixes the role.
        handler: who is told what happens.
        on_output: called whenever there is something to fetch with ``data_to_send`` after there was
            nothing.
        now: the time, in seconds on any clock that never goes back; likewise in every method.
        ping_interval_s: the exit node's interval; an agent takes over the one it is granted.
        memory: what the windows of all sessions share; the handshake names its initial window.
    """

    def __init__(
        self,
        handshake: AgentHandshake | ExitNodeHandshake,
        handler: SessionHandler,
        on_output: Callable[[], None],
        now: float,
        ping_interval_s: float = PING_INTERVAL_S,
        memory: MemoryBudget | None = None,
    ) -> None:
        self._is_agent = isinstance(handshake, AgentHandshake)
        self.role = Role.AGENT if self._is_agent else Role.EXIT_NODE
        self.state = SessionState.HANDSHAKE
        self.error: ProtocolViolation | None = None
        self.round_trip_s = 0.0  # the least measured so far: the path without its queues
        self.last_round_trip_s = 0.0
        self.ping_interval_s = ping_interval_s
        self.draining = False  # one of the two sides wants no new streams
        self.is_drain_heard = True  # false between our drain and the peer's word that it knows
        self.on_idle: Callable[[], None] | None = None  # called when the last stream is gone, or see drain
        self.on_health: OnHealth | None = None  # told of HEALTH frames, by an exit node that granted them
        self.growth = GrowthBudget(memory=memory)
        self.received_bytes = 0  # frames, whole
        self.sent_bytes = 0  # those that were fetched
        self.make_stream: MakeStream = Stream
        self._handshake = handshake
        self._handler = handler
        self._on_output = on_output
        self._decoder = FrameDecoder(shares=memory is None)  # or it holds more than it counts
        self._streams: dict[int, Stream] = {}
        self._newest_id = 0
        self._ids_came_round = False  # or nearly: no id is surely one that was never used
        self._max_streams = MAX_STREAMS
        self._peer_window = INITIAL_WINDOW_BYTES
        self._own_window = INITIAL_WINDOW_BYTES
        self._out: list[bytes | memoryview] = []
        self._out_bytes = 0
        self._pongs_waiting = 0
        self._turns: deque[Stream] = deque()
        self._started_s = self._heard_s = now
        self._pinged_s = now
        self._send_handshake(handshake.start())

    # ── the link's side ──────────────────────────────────────────────────────────────────────────

    def receive_data(self, data: Payload, now: float) -> None:
        """Take bytes of the link, in chunks of any size."""
        if self.is_closed:
            return
        self._heard_s = now
        self.received_bytes += len(data)
        streams = self._streams
        try:
            for kind, stream_id, payload in self._decoder.receive_data(data):
                if self.state is not _UP:
                    self._receive_early(kind, bytes(payload), now)
                elif stream_id == CONTROL_STREAM:
                    self._receive_control(kind, payload, now)
                elif (stream := streams.get(stream_id)) is None:
                    self._receive_for_no_stream(kind, stream_id, payload, now)
                elif kind == DATA:
                    self._receive_data(stream, payload)
                else:
                    self._receive_for_stream(kind, stream, payload)
                if self.state is _OVER:
                    return
        except ProtocolViolation as violation:
            self.error = violation
            is_false = isinstance(violation, FalseExitNode)
            self.close(CloseCode.BAD_EXIT_NODE if is_false else CloseCode.PROTOCOL_ERROR, str(violation))

    @property
    def is_closed(self) -> bool:
        """Whether the session is over."""
        return self.state is _OVER

    @property
    def has_output(self) -> bool:
        """Whether ``data_to_send`` would return anything."""
        return bool(self._out or self._turns)

    @property
    def is_drained(self) -> bool:
        """Whether little waits to be fetched, so that a stream need not wait for its turn."""
        return self._out_bytes < _DIRECT_SEND_BYTES

    @property
    def is_line_empty(self) -> bool:
        """Whether no stream has frames that wait for its turn."""
        return not self._turns

    def data_to_send(self, max_bytes: int) -> list[bytes | memoryview]:
        """Return the next pieces to send, in order; about ``max_bytes``, a frame more at the most.

        What streams have queued is taken in turns of one frame, so that a small answer waits for one
        frame of each bulk transfer and not for their end.
        """
        turns = self._turns
        while turns and self._out_bytes < max_bytes:
            stream = turns.popleft()
            if stream.queued_bytes:
                stream._send_turn()
        self.sent_bytes += self._out_bytes
        out, self._out, self._out_bytes = self._out, [], 0
        self._pongs_waiting = 0
        return out

    def connection_lost(self, detail: str = "") -> None:
        """The link is gone without a word; nothing can be sent any more."""
        self._finish(CloseCode.CONNECTION_LOST, detail)
        self._out.clear()
        self._out_bytes = 0
        self._turns.clear()

    def tick(self, now: float) -> float:
        """Do what the time asks for: ping, or give up a peer that was silent for two intervals.

        Returns:
            When to call again at the latest; infinity once closed.
        """
        if self.state is _OVER:
            return float("inf")
        if self.state is SessionState.HANDSHAKE:
            deadline = self._started_s + HANDSHAKE_TIMEOUT_S
            if now >= deadline:
                self.close(CloseCode.HANDSHAKE_TIMEOUT, f"no handshake within {HANDSHAKE_TIMEOUT_S:g} s")
                return float("inf")
            return deadline
        interval = self.ping_interval_s
        if now >= self._heard_s + 2 * interval:
            self.close(CloseCode.PING_TIMEOUT, f"nothing heard for {now - self._heard_s:.1f} s")
            return float("inf")
        if now >= self._pinged_s + interval:
            self._send_ping(now)
        return min(self._pinged_s + interval, self._heard_s + 2 * interval)

    # ── the owner's side ─────────────────────────────────────────────────────────────────────────

    @property
    def outcome(self) -> Grant | Refusal | None:
        """How the handshake ended, or None while it goes on."""
        return self._handshake.outcome

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def streams_opened(self) -> int:
        """How many streams there ever were; after 2^32 of them it starts again."""
        return self._newest_id

    @property
    def max_streams(self) -> int:
        """How many may be open at once."""
        return self._max_streams

    def open_stream(self, payload: bytes, sink: StreamSink, now: float) -> Stream | None:
        """Open a stream with an OPEN frame (role EXIT_NODE).

        Returns:
            None when the peer's limit of streams is reached, the link is far behind or memory short.

        Raises:
            LocalMisuse: the session is not open or draining, or this is an agent's.
        """
        if self._is_agent or self.state is not _UP or self.draining:
            raise LocalMisuse("streams are opened by exit nodes, on open sessions")
        if len(payload) > MAX_HEAD_PAYLOAD_BYTES:
            raise LocalMisuse(f"a head of {len(payload)} bytes, limit {MAX_HEAD_PAYLOAD_BYTES}")
        if len(self._streams) >= self._max_streams or self._out_bytes > _MAX_BACKLOG_BYTES:
            return None
        if not self.growth.has_room_for(self._own_window):
            return None
        stream_id = self._newest_id % MAX_STREAM_ID + 1
        while stream_id in self._streams:  # only after 2^32 streams, where ids start again
            stream_id = stream_id % MAX_STREAM_ID + 1
        stream = self._add_stream(stream_id, now)
        stream.attach(sink)
        self._emit(OPEN, stream_id, payload)
        return stream

    def drain(self, detail: str = "") -> None:
        """Tell the peer that no new streams are welcome; those under way go on.

        ``is_drain_heard`` says whether it knows, and ``on_idle`` is called when it does.  Until then the
        streams that cross this on the link are taken, for nobody could have known better.
        """
        if self.state is _UP and not self.draining:
            self.draining = True
            self.is_drain_heard = False
            self._emit_goaway(CloseCode.DRAINING, detail)
            self._emit(FrameType.PING, CONTROL_STREAM, _DRAIN_MARK)  # its PONG comes after all that crosses

    def send_health(self, index: int, is_up: bool, detail: str = "") -> None:
        """Tell the exit node whether a name of the claim is ready for visitors (role AGENT).

        Raises:
            LocalMisuse: the exit node did not grant that it would be told.
        """
        if self.state is _UP:
            if not self._is_agent or not (isinstance(self.outcome, Grant) and self.outcome.health):
                raise LocalMisuse("HEALTH was not granted")
            text = detail.encode(errors="replace")[:_MAX_DETAIL_BYTES]
            self._emit(FrameType.HEALTH, CONTROL_STREAM, _HEALTH.pack(index, is_up) + text)

    def close(self, code: CloseCode, detail: str = "") -> None:
        """End the session now, telling the peer why.  Streams under way are cut."""
        if self.state is _OVER:
            return
        self._emit_goaway(code, detail)
        self._finish(code, detail)

    # ── frames that arrive ───────────────────────────────────────────────────────────────────────

    def _receive_early(self, kind: int, payload: bytes, now: float) -> None:
        """A frame before the session is open: the handshake's, or a GOAWAY."""
        if kind == FrameType.GOAWAY:
            self._receive_goaway(payload)
            return
        handshake = self._handshake
        self._send_handshake(handshake.receive_frame(kind, payload))
        outcome = handshake.outcome
        if outcome is None:
            return
        if not isinstance(outcome, Grant):
            self._finish(CloseCode.REFUSED, outcome.code)
            return
        hello = handshake.hello
        assert hello is not None  # noqa: S101 - a grant comes after a hello; tells the type checker
        if self._is_agent:
            self._max_streams = hello.max_streams
            self._own_window, self._peer_window = hello.initial_window, outcome.initial_window
            self.ping_interval_s = outcome.ping_interval_s
        else:
            self._max_streams = min(hello.max_streams, MAX_STREAMS)  # what an agent asks for bounds nothing
            self._own_window, self._peer_window = outcome.initial_window, hello.initial_window
        self.state = _UP
        self._send_ping(now)  # the round trip is wanted before the first window can grow
        self._handler.session_opened(outcome)

    def _receive_control(self, kind: int, payload: bytes, now: float) -> None:
        if kind == FrameType.PING:
            if len(payload) != _PING.size:
                raise ProtocolViolation(f"PING of {len(payload)} bytes")
            self._pongs_waiting += 1
            if self._pongs_waiting > _MAX_PONGS_WAITING:
                raise ProtocolViolation("pings are sent but their answers not read")
            self._emit(FrameType.PONG, CONTROL_STREAM, payload)
        elif kind == FrameType.PONG:
            self._receive_pong(payload, now)
        elif kind == FrameType.GOAWAY:
            self._receive_goaway(payload)
        elif kind == FrameType.HEALTH and self.on_health is not None:
            self._receive_health(payload, self.on_health)
        else:
            raise ProtocolViolation(f"{FrameType(kind).name} after the handshake")

    def _receive_pong(self, payload: bytes, now: float) -> None:
        if len(payload) != _PING.size:
            raise ProtocolViolation(f"PONG of {len(payload)} bytes")
        if payload == _DRAIN_MARK:
            self.is_drain_heard = True
            if self.on_idle is not None:
                self.on_idle()
            return
        round_trip_s = now - _PING.unpack(payload)[0] / 1e6
        # A peer that makes up its PONGs deceives itself: the value only sets how fast its windows grow.
        self.last_round_trip_s = max(round_trip_s, 0.0)
        self.round_trip_s = min(self.round_trip_s or self.last_round_trip_s, self.last_round_trip_s)

    def _receive_health(self, payload: bytes, on_health: OnHealth) -> None:
        if len(payload) < _HEALTH.size or payload[2] > 1:
            raise ProtocolViolation("malformed HEALTH")
        index, is_up = _HEALTH.unpack_from(payload)
        on_health(index, bool(is_up), _printable(payload[_HEALTH.size :]))

    def _receive_goaway(self, payload: bytes) -> None:
        number, detail = _unpack_code(payload)
        code = _CLOSE_CODES.get(number, CloseCode.INTERNAL)
        if code is CloseCode.DRAINING:
            self.draining = True
            self._handler.session_draining(code, detail)
        else:
            self._finish(code, detail)

    def _receive_for_no_stream(self, kind: int, stream_id: int, payload: Payload, now: float) -> None:
        # Serial number arithmetic (RFC 1982), since ids start again after 2^32 streams.
        is_new = 0 < (stream_id - self._newest_id) & MAX_STREAM_ID < _HALF_SPACE
        if kind != OPEN and (not is_new or self._ids_came_round):
            return  # late: the stream was reset while this was on its way
        if kind != OPEN or not self._is_agent:
            raise ProtocolViolation(f"{FrameType(kind).name} for stream {stream_id}, which was never opened")
        if not is_new:
            raise ProtocolViolation(f"OPEN of stream {stream_id} after {self._newest_id}")
        if len(self._streams) >= self._max_streams:
            raise ProtocolViolation(f"more than {self._max_streams} streams")
        has_room = self.growth.has_room_for(self._own_window)
        stream = self._add_stream(stream_id, now)
        if not has_room:
            stream.reset(ResetCode.REFUSED_STREAM, "no memory for one more")
        elif self.draining and self.is_drain_heard:
            stream.reset(ResetCode.REFUSED_STREAM, "draining")
        elif self._out_bytes > _MAX_BACKLOG_BYTES:
            stream.reset(ResetCode.REFUSED_STREAM, "the link is far behind")
        else:
            sink = self._handler.stream_opened(stream, bytes(payload))
            if stream.state is not CLOSED:
                stream.attach(sink)

    def _receive_data(self, stream: Stream, payload: Payload) -> None:
        if not stream.state.may_receive:
            raise ProtocolViolation(f"DATA after END on stream {stream.id}")
        if not payload:
            raise ProtocolViolation(f"empty DATA on stream {stream.id}")
        if not stream.window.receive(len(payload)):
            raise ProtocolViolation(f"DATA beyond the credit of stream {stream.id}")
        stream.sink.data_received(payload)

    def _receive_for_stream(self, kind: int, stream: Stream, payload: bytes) -> None:
        if kind == HEAD and not self._is_agent and stream.state.may_receive:
            stream.sink.head_received(payload)
        elif kind == END and not payload:
            sink = stream.sink
            if not stream._move(RECEIVE_END):
                raise ProtocolViolation(f"second END on stream {stream.id}")
            sink.end_received()
        elif kind == RESET:
            number, detail = _unpack_code(payload)
            sink = stream.sink
            stream._move(RECEIVE_RESET)
            sink.reset_received(_RESET_CODES.get(number, ResetCode.INTERNAL), detail)
        elif kind == CREDIT:
            if len(payload) != _CREDIT.size:
                raise ProtocolViolation(f"CREDIT of {len(payload)} bytes")
            credit = _CREDIT.unpack(payload)[0]
            if not credit or stream.credit + credit >= _HALF_SPACE:
                raise ProtocolViolation(f"CREDIT of {credit} on stream {stream.id}")
            stream._add_credit(credit)
        else:
            raise ProtocolViolation(f"{FrameType(kind).name} is out of place on stream {stream.id}")

    # ── frames that leave ────────────────────────────────────────────────────────────────────────

    def _emit(self, kind: int, stream_id: int, payload: bytes | memoryview) -> None:
        size = len(payload)
        if not self._out_bytes:
            self._on_output()
        self._out.append(HEADER.pack(kind << 24 | size, stream_id))
        if size:
            self._out.append(payload)
        self._out_bytes += size + 8

    def _emit_credit(self, stream_id: int, credit: int) -> None:
        self._emit(CREDIT, stream_id, _CREDIT.pack(credit))

    def _emit_reset(self, stream_id: int, code: ResetCode, detail: str) -> None:
        self._emit(RESET, stream_id, _pack_code(code, detail))

    def _emit_goaway(self, code: CloseCode, detail: str) -> None:
        self._emit(FrameType.GOAWAY, CONTROL_STREAM, _pack_code(code, detail))

    def _send_handshake(self, frames: Outgoing) -> None:
        for kind, payload in frames:
            self._emit(kind, CONTROL_STREAM, payload)

    def _send_ping(self, now: float) -> None:
        self._pinged_s = now
        self._emit(FrameType.PING, CONTROL_STREAM, _PING.pack(int(now * 1e6)))

    def _stand_in_line(self, stream: Stream) -> None:
        if not self._turns and not self._out:
            self._on_output()
        self._turns.append(stream)

    # ── the book of streams ──────────────────────────────────────────────────────────────────────

    def _add_stream(self, stream_id: int, now: float) -> Stream:
        window = ReceiveWindow(self._own_window, self.growth, now)
        stream = self._streams[stream_id] = self.make_stream(self, stream_id, self._peer_window, window)
        self._newest_id = stream_id
        self._ids_came_round = self._ids_came_round or stream_id >= _HALF_SPACE
        return stream

    def _forget(self, stream: Stream) -> None:
        self._streams.pop(stream.id, None)
        if not self._streams and self.on_idle is not None:
            self.on_idle()

    def _finish(self, code: CloseCode, detail: str) -> None:
        if self.state is _OVER:
            return
        self.state = _OVER
        for stream in list(self._streams.values()):
            # A sink that is told may cut another stream, which then needs no telling.
            sink = stream.sink
            if stream._move(RECEIVE_RESET):
                sink.reset_received(ResetCode.LINK_LOST, detail)
        self._handler.session_closed(code, detail)


def _pack_code(code: int, detail: str) -> bytes:
    return _CODE.pack(code) + detail.encode(errors="replace")[:_MAX_DETAIL_BYTES]


def _unpack_code(payload: bytes) -> tuple[int, str]:
    if len(payload) < _CODE.size:
        raise ProtocolViolation(f"a code of {len(payload)} bytes, 2 are needed")
    return _CODE.unpack_from(payload)[0], _printable(payload[_CODE.size :])


def _printable(detail: bytes) -> str:
    return "".join(c if c.isprintable() else "?" for c in bytes(detail).decode("utf-8", "replace"))
