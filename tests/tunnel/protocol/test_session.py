"""The life of a session: pings, silence, draining, closing, the output, and each way to break the rules."""

from __future__ import annotations

from struct import pack, unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import (
    EVERYTHING,
    START_S,
    Handler,
    Pair,
    Sink,
    assert_violated,
    code,
    credit,
    examples,
    frame,
    frames_of,
    in_chunks,
    make_grant,
    open_session,
    open_stream,
    sent_by,
)
from tunnel.protocol.errors import CloseCode, LocalMisuse, ResetCode
from tunnel.protocol.frames import FrameType
from tunnel.protocol.session import PING_INTERVAL_S, Role, Session, SessionState

every_role = pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
FOREVER = float("inf")


def ping(now: float) -> bytes:
    """Return the payload of a PING sent at ``now``."""
    return pack("!Q", int(now * 1e6))


# ── pings, and a peer that is silent ─────────────────────────────────────────────────────────────


@every_role
def test_the_first_ping_leaves_as_the_session_opens(role: Role) -> None:
    pair = Pair(handshake=False)
    pair.flush()
    sent = pair.to_exit_node if role is Role.AGENT else pair.to_agent
    assert sent[2] == (FrameType.PING, 0, ping(START_S))


@every_role
def test_a_ping_is_answered_with_its_own_bytes(role: Role) -> None:
    session, _ = open_session(role)
    session.receive_data(frame(FrameType.PING, 0, b"\xff" * 8), START_S)
    assert sent_by(session) == [(FrameType.PONG, 0, b"\xff" * 8)]


@every_role
def test_a_ping_leaves_at_every_interval_and_not_before(role: Role) -> None:
    session, _ = open_session(role)
    due = START_S + PING_INTERVAL_S
    assert session.tick(START_S) == due
    assert session.tick(due - 0.001) == due
    assert not session.has_output
    session.receive_data(b"\x12", due - 0.001)  # any byte is a sign of life
    assert session.tick(due) == due + PING_INTERVAL_S
    assert sent_by(session) == [(FrameType.PING, 0, ping(due))]
    assert session.tick(due + 1) == due + PING_INTERVAL_S
    assert not session.has_output


@every_role
def test_a_peer_that_is_silent_is_given_up_at_two_intervals_and_not_before(role: Role) -> None:
    session, handler = open_session(role)
    _, sink = open_stream(session, handler)
    session.receive_data(frame(FrameType.PING, 0, b"12345678"), START_S + 1)
    assert session.tick(START_S + 5) == START_S + 10
    assert session.tick(START_S + 10) == START_S + 11  # the end comes before the next ping
    assert session.tick(START_S + 10.999) == START_S + 11
    assert session.state is SessionState.OPEN
    assert handler.closings == sink.log == []
    session.data_to_send(EVERYTHING)

    assert session.tick(START_S + 11) == FOREVER
    assert session.is_closed
    assert session.error is None
    assert handler.closings == [(CloseCode.PING_TIMEOUT, "nothing heard for 10.0 s")]
    assert [reset[1] for reset in sink.resets] == [ResetCode.LINK_LOST]
    assert sent_by(session) == [
        (FrameType.GOAWAY, 0, code(CloseCode.PING_TIMEOUT, "nothing heard for 10.0 s"))
    ]
    assert session.tick(START_S + 20) == FOREVER
    assert len(handler.closings) == 1


@every_role
def test_a_peer_that_says_anything_at_just_under_two_intervals_is_alive(role: Role) -> None:
    session, _ = open_session(role)
    now = START_S
    for _ in range(20):
        now += 2 * PING_INTERVAL_S - 0.001
        session.tick(now)
        assert session.state is SessionState.OPEN
        session.receive_data(b"", now)
    session.tick(now + 2 * PING_INTERVAL_S)
    assert session.is_closed


def test_two_sides_that_only_ping_stay_together() -> None:
    pair = Pair()
    for _ in range(100):
        pair.now = min(pair.agent.tick(pair.now), pair.exit_node.tick(pair.now))
        assert pair.now < FOREVER
        pair.agent.tick(pair.now)
        pair.exit_node.tick(pair.now)
        pair.flush()
    assert pair.agent.state is pair.exit_node.state is SessionState.OPEN
    assert pair.now == START_S + 100 * PING_INTERVAL_S


def test_both_sides_keep_to_the_interval_that_was_granted() -> None:
    agent, _ = open_session(Role.AGENT, grant=make_grant(ping_interval_s=0.5))
    assert agent.tick(START_S + 0.1) == START_S + 0.5
    assert agent.tick(START_S + 1) == FOREVER


# ── the round trip ───────────────────────────────────────────────────────────────────────────────


@every_role
def test_the_round_trip_is_the_least_that_was_measured(role: Role) -> None:
    session, _ = open_session(role)
    session.round_trip_s = session.last_round_trip_s = 0.0
    now = START_S
    for took, least in ((0.08, 0.08), (0.2, 0.08), (0.05, 0.05), (0.06, 0.05)):
        now += PING_INTERVAL_S
        session.receive_data(b"", now)
        session.tick(now)
        [(_, _, payload)] = sent_by(session)
        session.receive_data(frame(FrameType.PONG, 0, payload), now + took)
        assert session.last_round_trip_s == pytest.approx(took, abs=2e-6)
        assert session.round_trip_s == pytest.approx(least, abs=2e-6)


@every_role
@pytest.mark.parametrize("number", [2**64 - 1, 0, int((START_S + 100) * 1e6)])
def test_a_pong_that_is_made_up_does_no_harm(role: Role, number: int) -> None:
    session, _ = open_session(role)
    session.receive_data(frame(FrameType.PONG, 0, pack("!Q", number)), START_S + 0.5)
    assert session.error is None
    assert session.last_round_trip_s >= 0
    assert session.round_trip_s >= 0


def test_a_ping_says_microseconds_of_the_senders_own_clock() -> None:
    session, _ = open_session(Role.AGENT)
    session.tick(1005.25)
    [(_, _, payload)] = sent_by(session)
    assert unpack("!Q", payload) == (1_005_250_000,)


# ── draining ─────────────────────────────────────────────────────────────────────────────────────


def test_a_side_that_drains_tells_the_other_once_and_finishes_what_is_under_way() -> None:
    pair = Pair()
    asking, sink, answering, _ = pair.open_stream()
    pair.agent.drain("reinicio")
    pair.agent.drain("otra vez")
    pair.to_exit_node.clear()
    pair.flush()
    assert pair.to_exit_node == [
        (FrameType.GOAWAY, 0, code(CloseCode.DRAINING, "reinicio")),
        (FrameType.PING, 0, b"\xff" * 8),
    ]
    assert pair.exit_node_handler.drainings == [(CloseCode.DRAINING, "reinicio")]
    assert pair.agent_handler.drainings == []
    assert pair.agent.draining
    assert pair.exit_node.draining
    assert pair.agent.state is pair.exit_node.state is SessionState.OPEN

    answering.send_head(b"200")
    answering.send_data(b"todo")
    answering.send_end()
    asking.send_end()
    pair.flush()
    assert sink.log == [("head", b"200"), ("data", 4), ("end",)]
    assert pair.agent.stream_count == pair.exit_node.stream_count == 0


@every_role
def test_no_stream_is_opened_once_either_side_drains(role: Role) -> None:
    pair = Pair()
    pair.end(role).drain()
    pair.flush()
    with pytest.raises(LocalMisuse):
        pair.exit_node.open_stream(b"", Sink(), START_S)
    assert not pair.exit_node.has_output


def test_a_stream_that_crosses_a_draining_on_the_link_is_taken_and_finished() -> None:
    pair = Pair()
    pair.agent.drain()
    assert not pair.agent.is_drain_heard
    sink = Sink()
    stream = pair.exit_node.open_stream(b"GET", sink, START_S)
    assert stream is not None
    pair.flush_to_agent()
    stream.send_end()
    assert len(pair.agent_handler.streams) == 1
    told: list[int] = []
    pair.agent.on_idle = lambda: told.append(pair.agent.stream_count)
    pair.flush()
    assert pair.agent.is_drain_heard
    assert told == [1], "it is told that it was heard while the stream is open"
    pair.agent_handler.streams[0].send_end()
    pair.flush()
    assert sink.log == [("end",)]
    assert told == [1, 0]
    assert pair.agent.error is pair.exit_node.error is None
    assert pair.agent.round_trip_s < 1, "that PONG says nothing of the time"


def test_a_stream_that_comes_though_the_draining_was_heard_is_refused_and_not_begun() -> None:
    pair = Pair()
    pair.agent.drain()
    pair.flush()
    pair.agent.receive_data(frame(FrameType.OPEN, 1, b"GET"), START_S)
    assert pair.agent_handler.streams == []
    pair.flush_to_exit_node()
    kind, _, payload = pair.to_exit_node[-1]
    assert (kind, payload) == (FrameType.RESET, code(ResetCode.REFUSED_STREAM, "draining"))
    assert pair.agent.error is None


@every_role
def test_draining_is_for_open_sessions(role: Role) -> None:
    pair = Pair(handshake=False)
    pair.agent.data_to_send(1)
    session = pair.end(role)
    session.drain()
    assert not session.draining
    assert not session.has_output
    session.connection_lost()
    session.drain()
    assert not session.draining
    assert not session.has_output


@every_role
def test_the_owner_may_hear_when_the_last_stream_is_gone(role: Role) -> None:
    session, handler = open_session(role)
    idle: list[int] = []
    session.on_idle = lambda: idle.append(session.stream_count)
    first, _ = open_stream(session, handler)
    second, _ = open_stream(session, handler)
    first.reset(ResetCode.CANCELLED)
    assert idle == []
    second.send_end()
    assert idle == []
    session.receive_data(frame(FrameType.END, second.id), START_S)
    assert idle == [0]
    open_stream(session, handler)
    session.connection_lost()
    assert idle == [0, 0]


# ── the end ──────────────────────────────────────────────────────────────────────────────────────


class OrderedSink(Sink):
    """Writes its resets into a log that it shares with the handler."""

    def __init__(self, shared: list[str]) -> None:
        super().__init__()
        self.shared = shared

    def reset_received(self, code: ResetCode, detail: str) -> None:
        super().reset_received(code, detail)
        self.shared.append(f"{code.name} {detail}")


class OrderedHandler(Handler):
    """Writes the end into a log that it shares with the sinks."""

    shared: list[str]

    def session_closed(self, code: CloseCode, detail: str) -> None:
        super().session_closed(code, detail)
        self.shared.append(f"closed: {code.name} {detail}")


WAYS_TO_END = {
    "closed by us": lambda session: session.close(CloseCode.INTERNAL, "fin"),
    "closed by the peer": lambda session: session.receive_data(
        frame(FrameType.GOAWAY, 0, code(CloseCode.INTERNAL, "fin")), START_S
    ),
    "lost": lambda session: session.connection_lost("fin"),
}
CODES = {
    "closed by us": CloseCode.INTERNAL,
    "closed by the peer": CloseCode.INTERNAL,
    "lost": CloseCode.CONNECTION_LOST,
}


@every_role
@pytest.mark.parametrize("first", WAYS_TO_END)
@pytest.mark.parametrize("second", WAYS_TO_END)
def test_the_end_is_told_to_each_stream_and_then_to_the_handler_once(
    role: Role, first: str, second: str
) -> None:
    session, handler = open_session(role)
    handler.__class__ = OrderedHandler
    assert isinstance(handler, OrderedHandler)
    handler.shared = []
    for _ in range(3):
        stream, _ = open_stream(session, handler)
        stream.sink = OrderedSink(handler.shared)
        stream.send_data(b"x" * 100_000)
    session.data_to_send(EVERYTHING)
    WAYS_TO_END[first](session)
    expected = ["LINK_LOST fin"] * 3 + [f"closed: {CODES[first].name} fin"]
    assert handler.shared == expected
    assert session.stream_count == 0
    assert session.error is None
    WAYS_TO_END[second](session)
    session.tick(START_S + 1000)
    session.receive_data(frame(99), START_S)
    assert handler.shared == expected
    assert session.error is None


@every_role
def test_closing_tells_the_peer_why_and_nothing_else(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    stream.send_data(b"x" * 500_000)
    session.data_to_send(0)
    session.close(CloseCode.REVOKED, "ya no vale")
    assert sent_by(session) == [(FrameType.GOAWAY, 0, code(CloseCode.REVOKED, "ya no vale"))]
    assert not session.has_output


@every_role
def test_what_was_sent_before_closing_still_leaves(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    stream.send_data(b"hola")
    session.close(CloseCode.INTERNAL)
    assert sent_by(session) == [
        (FrameType.DATA, stream.id, b"hola"),
        (FrameType.GOAWAY, 0, code(CloseCode.INTERNAL)),
    ]


@every_role
def test_nothing_leaves_on_a_link_that_is_lost(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    stream.send_data(b"x" * 500_000)
    session.tick(START_S + 5)
    session.connection_lost()
    assert not session.has_output
    assert session.data_to_send(EVERYTHING) == []
    other, _ = open_session(role)
    other.close(CloseCode.INTERNAL)
    other.connection_lost()
    assert other.data_to_send(EVERYTHING) == []


def test_a_stream_that_another_cuts_as_the_session_ends_is_not_told_again() -> None:
    pair = Pair()
    first, first_sink, _, _ = pair.open_stream()
    second, second_sink, _, _ = pair.open_stream()
    first_sink.on_reset = lambda: second.reset(ResetCode.CANCELLED)
    pair.exit_node.connection_lost()
    assert [reset[1] for reset in first_sink.resets] == [ResetCode.LINK_LOST]
    assert second_sink.log == []
    assert pair.exit_node.stream_count == 0
    assert first.state is second.state


@every_role
@pytest.mark.parametrize("number", sorted(set(CloseCode) - {CloseCode.DRAINING, CloseCode.CONNECTION_LOST}))
def test_a_close_code_arrives_as_it_was_sent(role: Role, number: CloseCode) -> None:
    pair = Pair()
    pair.end(role).close(number, "motivo")
    pair.flush()
    other = pair.exit_node_handler if role is Role.AGENT else pair.agent_handler
    assert other.closings == [(number, "motivo")]
    assert pair.agent.is_closed
    assert pair.exit_node.is_closed


@every_role
@pytest.mark.parametrize("number", [8, 10, 255, 65535])
def test_a_close_code_that_is_unknown_or_never_travels_means_a_fault_over_there(
    role: Role, number: int
) -> None:
    session, handler = open_session(role)
    session.receive_data(frame(FrameType.GOAWAY, 0, code(number, "a\nb")), START_S)
    assert handler.closings == [(CloseCode.INTERNAL, "a?b")]
    assert session.error is None


@every_role
def test_what_follows_a_goaway_is_not_read(role: Role) -> None:
    session, handler = open_session(role)
    stream, sink = open_stream(session, handler)
    rest = frame(FrameType.DATA, stream.id, b"x") + frame(99)
    session.receive_data(frame(FrameType.GOAWAY, 0, code(CloseCode.REPLACED)) + rest, START_S)
    assert session.error is None
    assert sink.log == [("reset", ResetCode.LINK_LOST, "")]
    assert handler.closings == [(CloseCode.REPLACED, "")]
    assert not session.has_output


# ── violations on the control stream ─────────────────────────────────────────────────────────────

VIOLATIONS = {
    "an unknown type": (frame(10), "unknown frame type 10"),
    "a HEALTH that was not granted": (frame(FrameType.HEALTH, 0, b"\0\0\1"), "HEALTH after the handshake"),
    "a type of streams on stream 0": (frame(FrameType.DATA, 0, b"x"), "DATA on stream 0"),
    "a control type on a stream": (frame(FrameType.PING, 1, b"12345678"), "PING on stream 1"),
    "a payload past its limit": (frame(FrameType.PING, 0, b"x" * 16385)[:8], "PING payload of 16385"),
    "a PING of seven bytes": (frame(FrameType.PING, 0, b"1234567"), "PING of 7 bytes"),
    "a PING of nine bytes": (frame(FrameType.PING, 0, b"123456789"), "PING of 9 bytes"),
    "a PING of no bytes": (frame(FrameType.PING, 0), "PING of 0 bytes"),
    "a PONG of seven bytes": (frame(FrameType.PONG, 0, b"1234567"), "PONG of 7 bytes"),
    "a PONG of nine bytes": (frame(FrameType.PONG, 0, b"123456789"), "PONG of 9 bytes"),
    "a GOAWAY of no bytes": (frame(FrameType.GOAWAY, 0), "a code of 0 bytes"),
    "a GOAWAY of one byte": (frame(FrameType.GOAWAY, 0, b"\0"), "a code of 1 bytes"),
    "a REFUSE": (frame(FrameType.REFUSE, 0, b"{}"), "REFUSE after the handshake"),
}


@every_role
@pytest.mark.parametrize("case", VIOLATIONS)
@pytest.mark.parametrize("size", [1, 1 << 20], ids=["byte by byte", "whole"])
def test_a_violation_is_recorded_told_and_the_end(role: Role, case: str, size: int) -> None:
    data, words = VIOLATIONS[case]
    session, handler = open_session(role)
    sinks = [open_stream(session, handler)[1] for _ in range(2)]
    for chunk in in_chunks(data + b"rest", size):
        session.receive_data(chunk, START_S)
    assert_violated(session, handler, words)
    for sink in sinks:
        assert [reset[1] for reset in sink.log] == [ResetCode.LINK_LOST]


@every_role
def test_frames_before_a_violation_count(role: Role) -> None:
    session, handler = open_session(role)
    stream, sink = open_stream(session, handler)
    session.receive_data(frame(FrameType.DATA, stream.id, b"antes") + frame(9), START_S)
    assert sink.data == b"antes"
    assert_violated(session, handler)


@every_role
def test_pings_whose_answers_nobody_fetches_end_the_session(role: Role) -> None:
    session, handler = open_session(role)
    thousand = frame(FrameType.PING, 0, b"12345678") * 1000
    session.receive_data(thousand, START_S)
    assert session.error is None
    assert len(sent_by(session)) == 1000
    session.receive_data(thousand, START_S)
    assert session.error is None
    session.receive_data(frame(FrameType.PING, 0, b"12345678"), START_S)
    assert_violated(session, handler, "pings are sent but their answers not read")


# ── arbitrary input ──────────────────────────────────────────────────────────────────────────────


def plausible_frames() -> st.SearchStrategy[bytes]:
    """Frames that are about right: known types, few streams, payloads of the right size now and then."""
    payloads = st.one_of(
        st.just(b""),
        st.binary(max_size=12),
        st.integers(0, 2**32 - 1).map(credit),
        st.sampled_from([1, 1000, 2**31]).map(credit),
        st.tuples(st.integers(0, 12), st.text(max_size=5)).map(lambda one: code(*one)),
        st.integers(1, 65536).map(lambda size: b"x" * size),
        st.just(b'{"names":["a"]}'),
    )
    ids = st.sampled_from([1, 2, 3, 4, 100, 2**31 + 2, 2**32 - 1])
    kinds = st.sampled_from([*FrameType, 15, 22])
    return st.builds(
        lambda kind, stream_id, payload: frame(kind, 0 if kind < FrameType.OPEN else stream_id, payload),
        kinds,
        ids,
        payloads,
    )


def assert_sane(session: Session, handler: Handler, sinks: list[Sink]) -> None:
    """Check that whatever came in, a session is open and well, or closed and all were told once."""
    if session.is_closed:
        assert len(handler.closings) == 1
        assert session.stream_count == 0
        assert session.error is None or handler.closings == [(CloseCode.PROTOCOL_ERROR, str(session.error))]
        assert session.tick(START_S + 1) == FOREVER
    else:
        assert session.error is None
        assert handler.closings == []
    frames_of(session.data_to_send(EVERYTHING))
    for sink in sinks:
        assert len(sink.resets) <= 1
        assert not sink.resets or sink.log[-1][0] == "reset"


@examples(300)
@given(
    role=st.sampled_from(Role),
    frames=st.lists(plausible_frames(), max_size=12),
    tail=st.binary(max_size=10),
    size=st.sampled_from([1, 7, 1000, 1 << 20]),
)
def test_no_frames_raise_out_of_a_session(role: Role, frames: list[bytes], tail: bytes, size: int) -> None:
    session, handler = open_session(role)
    sinks = [open_stream(session, handler)[1] for _ in range(3)]
    data = b"".join(frames) + tail
    for chunk in in_chunks(data, size if len(data) < 5000 else max(size, 1000)):
        session.receive_data(chunk, START_S)
    assert_sane(session, handler, sinks + handler.sinks)


@examples(200)
@given(role=st.sampled_from(Role), chunks=st.lists(st.binary(max_size=30), max_size=10), early=st.booleans())
def test_no_bytes_raise_out_of_a_session(role: Role, chunks: list[bytes], early: bool) -> None:
    pair = Pair(handshake=not early)
    session = pair.end(role)
    handler = pair.agent_handler if role is Role.AGENT else pair.exit_node_handler
    for chunk in chunks:
        session.receive_data(chunk, START_S)
    assert_sane(session, handler, [])


@examples(150)
@given(role=st.sampled_from(Role), frames=st.lists(plausible_frames(), max_size=4), late=st.booleans())
def test_no_frames_raise_out_of_a_handshake(role: Role, frames: list[bytes], late: bool) -> None:
    pair = Pair(handshake=False)
    if late:
        pair.flush_to_exit_node()
        pair.flush_to_agent()
    session = pair.end(role)
    handler = pair.agent_handler if role is Role.AGENT else pair.exit_node_handler
    session.receive_data(b"".join(frames), START_S)
    assert_sane(session, handler, [])


# ── output ───────────────────────────────────────────────────────────────────────────────────────


@every_role
def test_the_owner_is_called_when_there_is_something_to_fetch_after_there_was_nothing(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    assert not session.has_output
    handler.outputs = 0
    stream.send_head(b"head") if role is Role.AGENT else stream.send_data(b"data")
    assert handler.outputs == 1
    assert session.has_output
    stream.send_data(b"more")
    session.tick(START_S + 5)
    assert handler.outputs == 1
    session.data_to_send(EVERYTHING)
    assert not session.has_output
    stream.send_end()
    assert handler.outputs == 2


@every_role
def test_the_owner_is_called_when_credit_wakes_a_stream(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    stream.send_data(b"x" * 65536)
    session.data_to_send(EVERYTHING)
    handler.outputs = 0
    stream.send_data(b"one more")
    assert handler.outputs == 0
    assert not session.has_output
    assert stream.queued_bytes == 8
    session.receive_data(frame(FrameType.CREDIT, stream.id, credit(5)), START_S)
    assert handler.outputs == 1
    assert session.has_output
    assert sent_by(session) == [(FrameType.DATA, stream.id, b"one m")]
    assert stream.queued_bytes == 3


def test_an_agent_has_something_to_fetch_from_the_start_and_an_exit_node_has_not() -> None:
    pair = Pair(handshake=False)
    assert pair.agent_handler.outputs == 1
    assert pair.agent.has_output
    assert pair.exit_node_handler.outputs == 0
    assert not pair.exit_node.has_output
