"""Two sessions back to back, what happens to them written down, and frames made by hand.

``Pair`` is both ends of one link: what each returns is handed to the other when ``flush`` says so.
``open_session`` gives one end alone, past its handshake, for tests that play the other end by hand.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from struct import pack

from hypothesis import settings

from tunnel.protocol.auth import key_id
from tunnel.protocol.errors import CloseCode, ResetCode
from tunnel.protocol.flow import INITIAL_WINDOW_BYTES, MAX_STREAMS
from tunnel.protocol.frames import FrameDecoder, FrameType
from tunnel.protocol.handshake import AgentHandshake, ExitNodeHandshake
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.messages import Claim, Grant, Hello, Refusal
from tunnel.protocol.session import Role, Session, SessionState
from tunnel.protocol.stream import Stream, StreamSink

TOKEN = "mi-token-de-prueba-0123456789-XYZ"
KEY_ID = key_id(TOKEN)
AGENT_NONCE = "a1" * 32
EXIT_NODE_NONCE = "e2" * 32
START_S = 1000.0

EVERYTHING = 1 << 40
"""More than any test queues, for ``data_to_send``."""

FACTOR = int(os.environ.get("TUNELAB_HYPOTHESIS_FACTOR", "1"))


def examples(count: int, steps: int = 50) -> settings:
    """Return settings for ``count`` examples: the same ones each time, unless a factor asks for more."""
    return settings(
        max_examples=count * FACTOR,
        stateful_step_count=steps,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
    )


def frame(kind: int, stream_id: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame, written independently of the code under test."""
    return bytes([kind]) + len(payload).to_bytes(3, "big") + stream_id.to_bytes(4, "big") + payload


def code(number: int, detail: str = "") -> bytes:
    """Return the payload of a RESET or GOAWAY."""
    return pack("!H", number) + detail.encode()


def credit(amount: int) -> bytes:
    """Return the payload of a CREDIT."""
    return pack("!I", amount)


def in_chunks(data: bytes, size: int) -> list[bytes]:
    """Cut ``data`` into pieces of ``size`` bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def frames_of(pieces: Iterable[bytes | memoryview]) -> list[tuple[FrameType, int, bytes]]:
    """Parse what a session returned."""
    data = b"".join(pieces)
    decoder = FrameDecoder()
    frames = [
        (FrameType(kind), stream_id, payload) for kind, stream_id, payload in decoder.receive_data(data)
    ]
    assert not decoder.buffered_bytes, "a session returned half a frame"
    return frames


def sent_by(session: Session) -> list[tuple[FrameType, int, bytes]]:
    """Fetch and parse all that ``session`` has to send."""
    return frames_of(session.data_to_send(EVERYTHING))


class Sink:
    """Writes down what happens to a stream.

    ``log`` holds, in order: ``("head", payload)``, ``("data", size)``, ``("end",)``, ``("reset", code,
    detail)`` and ``("writable",)``.
    """

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.data = bytearray()
        self.on_data: Callable[[bytes], None] = lambda data: None
        self.on_reset: Callable[[], None] = lambda: None

    def head_received(self, payload: bytes) -> None:
        self.log.append(("head", payload))

    def data_received(self, data: bytes) -> None:
        assert data
        self.log.append(("data", len(data)))
        self.data += data
        self.on_data(data)

    def end_received(self) -> None:
        self.log.append(("end",))

    def reset_received(self, code: ResetCode, detail: str) -> None:
        self.log.append(("reset", code, detail))
        self.on_reset()

    def writable(self) -> None:
        self.log.append(("writable",))

    @property
    def resets(self) -> list[tuple[object, ...]]:
        """The resets alone."""
        return [event for event in self.log if event[0] == "reset"]


@dataclass
class Handler:
    """Writes down what happens to a session."""

    grants: list[Grant] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    sinks: list[Sink] = field(default_factory=list)
    drainings: list[tuple[CloseCode, str]] = field(default_factory=list)
    closings: list[tuple[CloseCode, str]] = field(default_factory=list)
    outputs: int = 0
    make_sink: Callable[[Stream], Sink] = lambda stream: Sink()

    def session_opened(self, grant: Grant) -> None:
        self.grants.append(grant)

    def stream_opened(self, stream: Stream, payload: bytes) -> StreamSink:
        sink = self.make_sink(stream)
        self.streams.append(stream)
        self.payloads.append(payload)
        self.sinks.append(sink)
        return sink

    def session_draining(self, code: CloseCode, detail: str) -> None:
        self.drainings.append((code, detail))

    def session_closed(self, code: CloseCode, detail: str) -> None:
        self.closings.append((code, detail))

    def output(self) -> None:
        self.outputs += 1


def make_hello(**changes: object) -> Hello:
    """Return the HELLO of the tests' agent."""
    values: dict[str, object] = {
        "key_id": KEY_ID,
        "nonce": AGENT_NONCE,
        "instance": "i-1",
        "agent": "test/1",
        "initial_window": INITIAL_WINDOW_BYTES,
        "max_streams": MAX_STREAMS,
    }
    return Hello(**(values | changes))  # type: ignore[arg-type]


def make_grant(**changes: object) -> Grant:
    """Return the GRANT of the tests' exit node."""
    values: dict[str, object] = {
        "session": "s-1",
        "urls": ("http://todo.example:8000",),
        "ping_interval_s": 5.0,
        "initial_window": INITIAL_WINDOW_BYTES,
    }
    return Grant(**(values | changes))  # type: ignore[arg-type]


class Pair:
    """Both ends of one link, and the time."""

    def __init__(
        self,
        *,
        agent_token: str = TOKEN,
        find_token: Callable[[str], str | None] = {KEY_ID: TOKEN}.get,
        authorize: Callable[[Hello, Claim], Grant | Refusal] | None = None,
        hello: Hello | None = None,
        grant: Grant | None = None,
        claim: Claim | None = None,
        handshake: bool = True,
        memory: MemoryBudget | None = None,
    ) -> None:
        self.now = START_S
        self.agent_handler = Handler()
        self.exit_node_handler = Handler()
        granted = grant or make_grant()
        self.agent_handshake = AgentHandshake(
            agent_token, hello or make_hello(), claim or Claim(("todo.example",))
        )
        self.agent = Session(
            self.agent_handshake, self.agent_handler, self.agent_handler.output, self.now, memory=memory
        )
        self.exit_node = Session(
            ExitNodeHandshake(find_token, authorize or (lambda hello, claim: granted), EXIT_NODE_NONCE),
            self.exit_node_handler,
            self.exit_node_handler.output,
            self.now,
            memory=memory,
        )
        self.to_exit_node: list[tuple[FrameType, int, bytes]] = []
        self.to_agent: list[tuple[FrameType, int, bytes]] = []
        if handshake:
            self.flush()
            assert self.agent.state is self.exit_node.state is SessionState.OPEN
            self.to_exit_node.clear()
            self.to_agent.clear()

    def flush_to_exit_node(self) -> int:
        """Hand over what the agent has to send; return how many bytes."""
        return self._hand_over(self.agent, self.exit_node, self.to_exit_node)

    def flush_to_agent(self) -> int:
        """Hand over what the exit node has to send; return how many bytes."""
        return self._hand_over(self.exit_node, self.agent, self.to_agent)

    def flush(self) -> None:
        """Hand over in both directions until neither has anything to say."""
        while self.flush_to_exit_node() + self.flush_to_agent():
            pass

    def _hand_over(self, source: Session, target: Session, seen: list[tuple[FrameType, int, bytes]]) -> int:
        data = b"".join(source.data_to_send(EVERYTHING))
        seen += frames_of([data])
        target.receive_data(data, self.now)
        return len(data)

    def open_stream(self, payload: bytes = b"open") -> tuple[Stream, Sink, Stream, Sink]:
        """Open a stream; return both its ends: the exit node's and the agent's, each with its sink."""
        sink = Sink()
        stream = self.exit_node.open_stream(payload, sink, self.now)
        assert stream is not None
        self.flush()
        return stream, sink, self.agent_handler.streams[-1], self.agent_handler.sinks[-1]

    def end(self, role: Role) -> Session:
        """Return the session that has ``role``."""
        return self.agent if role is Role.AGENT else self.exit_node


def open_session(role: Role, **arguments: object) -> tuple[Session, Handler]:
    """Return one end, past its handshake and with nothing left to send."""
    pair = Pair(**arguments)  # type: ignore[arg-type]
    if role is Role.AGENT:
        return pair.agent, pair.agent_handler
    return pair.exit_node, pair.exit_node_handler


def open_stream(session: Session, handler: Handler, payload: bytes = b"open") -> tuple[Stream, Sink]:
    """Open a stream on one end, playing the other by hand where that is an exit node."""
    if session.role is Role.EXIT_NODE:
        sink = Sink()
        stream = session.open_stream(payload, sink, START_S)
        assert stream is not None
    else:
        session.receive_data(frame(FrameType.OPEN, len(handler.streams) + 1, payload), START_S)
        stream, sink = handler.streams[-1], handler.sinks[-1]
    session.data_to_send(EVERYTHING)
    return stream, sink


def assert_violated(session: Session, handler: Handler, *words: str) -> None:
    """Check all that a violation must do: recorded, told to the peer, session closed, told once."""
    assert session.error is not None
    assert session.state is SessionState.CLOSED
    for word in words:
        assert word in str(session.error)
    assert handler.closings == [(CloseCode.PROTOCOL_ERROR, str(session.error))]
    kind, stream_id, payload = sent_by(session)[-1]
    assert (kind, stream_id) == (FrameType.GOAWAY, 0)
    assert payload == code(CloseCode.PROTOCOL_ERROR, str(session.error))
    assert session.stream_count == 0
