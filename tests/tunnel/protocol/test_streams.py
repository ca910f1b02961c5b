"""Streams on a session: every frame and every call in every state, half-close, late frames, ids, limits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tunnel.protocol.kit import (
    EVERYTHING,
    START_S,
    Pair,
    Sink,
    assert_violated,
    code,
    credit,
    frame,
    make_hello,
    open_session,
    open_stream,
    sent_by,
)
from tunnel.protocol.errors import LocalMisuse, ResetCode
from tunnel.protocol.frames import MAX_HEAD_PAYLOAD_BYTES, MAX_STREAM_ID, FrameType
from tunnel.protocol.session import Role, Session
from tunnel.protocol.states import StreamState
from tunnel.protocol.stream import Stream

every_role = pytest.mark.parametrize("role", Role, ids=lambda role: role.name)

# ── every frame in every state ───────────────────────────────────────────────────────────────────

PAYLOADS = {
    FrameType.OPEN: b"open",
    FrameType.HEAD: b"head",
    FrameType.DATA: b"data",
    FrameType.END: b"",
    FrameType.RESET: code(ResetCode.CANCELLED, "se fue"),
    FrameType.CREDIT: credit(10),
}
HEAD = ("head", b"head")
DATA = ("data", 4)
END = ("end",)
RESET = ("reset", ResetCode.CANCELLED, "se fue")
CREDIT = "credit"
IGNORED = "ignored"
OPENED = "opened"
VIOLATION = "violation"

# What each frame does: to (an exit node's stream, an agent's stream) in each state.
EXPECTED: dict[str, dict[FrameType, tuple[object, object]]] = {
    "never opened": {
        FrameType.OPEN: (VIOLATION, OPENED),
        FrameType.HEAD: (VIOLATION, VIOLATION),
        FrameType.DATA: (VIOLATION, VIOLATION),
        FrameType.END: (VIOLATION, VIOLATION),
        FrameType.RESET: (VIOLATION, VIOLATION),
        FrameType.CREDIT: (VIOLATION, VIOLATION),
    },
    "OPEN": {
        FrameType.OPEN: (VIOLATION, VIOLATION),
        FrameType.HEAD: (HEAD, VIOLATION),
        FrameType.DATA: (DATA, DATA),
        FrameType.END: (END, END),
        FrameType.RESET: (RESET, RESET),
        FrameType.CREDIT: (CREDIT, CREDIT),
    },
    "HALF_CLOSED_LOCAL": {
        FrameType.OPEN: (VIOLATION, VIOLATION),
        FrameType.HEAD: (HEAD, VIOLATION),
        FrameType.DATA: (DATA, DATA),
        FrameType.END: (END, END),
        FrameType.RESET: (RESET, RESET),
        FrameType.CREDIT: (CREDIT, CREDIT),
    },
    "HALF_CLOSED_REMOTE": {
        FrameType.OPEN: (VIOLATION, VIOLATION),
        FrameType.HEAD: (VIOLATION, VIOLATION),
        FrameType.DATA: (VIOLATION, VIOLATION),
        FrameType.END: (VIOLATION, VIOLATION),
        FrameType.RESET: (RESET, RESET),
        FrameType.CREDIT: (CREDIT, CREDIT),
    },
    "CLOSED": {
        FrameType.OPEN: (VIOLATION, VIOLATION),
        FrameType.HEAD: (IGNORED, IGNORED),
        FrameType.DATA: (IGNORED, IGNORED),
        FrameType.END: (IGNORED, IGNORED),
        FrameType.RESET: (IGNORED, IGNORED),
        FrameType.CREDIT: (IGNORED, IGNORED),
    },
}
WAYS_TO_CLOSE = ["reset here", "reset there", "ended here, then there", "ended there, then here"]


def bring(stream: Stream, session: Session, way: str) -> None:
    """Bring a stream that is open into another state."""
    for step in {
        "OPEN": [],
        "HALF_CLOSED_LOCAL": ["end"],
        "HALF_CLOSED_REMOTE": ["END"],
        "reset here": ["reset"],
        "reset there": ["RESET"],
        "ended here, then there": ["end", "END"],
        "ended there, then here": ["END", "end"],
    }[way]:
        if step == "end":
            stream.send_end()
        elif step == "reset":
            stream.reset(ResetCode.CANCELLED)
        elif step == "END":
            session.receive_data(frame(FrameType.END, stream.id), START_S)
        else:
            session.receive_data(frame(FrameType.RESET, stream.id, code(0)), START_S)
    assert stream.state.name == (way if way.isupper() else "CLOSED")
    session.data_to_send(EVERYTHING)


TABLE = [
    (state, way, kind)
    for state, row in EXPECTED.items()
    for way in (WAYS_TO_CLOSE if state == "CLOSED" else [state])
    for kind in row
]


@every_role
@pytest.mark.parametrize(("state", "way", "kind"), TABLE, ids=lambda one: getattr(one, "name", one))
def test_a_frame_does_what_its_state_allows(role: Role, state: str, way: str, kind: FrameType) -> None:
    session, handler = open_session(role)
    stream, sink = open_stream(session, handler)
    stream_id = stream.id
    if state == "never opened":
        stream_id += 1
    else:
        bring(stream, session, way)
    before = stream.state, stream.credit, session.stream_count, len(handler.streams), list(sink.log)

    session.receive_data(frame(kind, stream_id, PAYLOADS[kind]), START_S)

    expected = EXPECTED[state][kind][0 if role is Role.EXIT_NODE else 1]
    if expected is VIOLATION:
        assert_violated(session, handler, kind.name, str(stream_id))
        return
    assert session.error is None
    assert not session.is_closed
    if expected is OPENED:
        assert handler.payloads[-1] == b"open"
        assert handler.streams[-1].id == stream_id
        assert session.stream_count == 2
    elif expected is CREDIT:
        assert stream.credit == before[1] + 10
        assert sink.log == before[4]
    elif expected is IGNORED:
        after = stream.state, stream.credit, session.stream_count, len(handler.streams), sink.log
        assert after == before
        assert not session.has_output
    else:
        assert sink.log == [*before[4], expected]
    if expected == END:
        assert stream.state.name == ("CLOSED" if state == "HALF_CLOSED_LOCAL" else "HALF_CLOSED_REMOTE")
    if expected == RESET:
        assert stream.state is StreamState.CLOSED
    assert session.stream_count == (stream.state is not StreamState.CLOSED) + (expected is OPENED)


# ── every call in every state ────────────────────────────────────────────────────────────────────

CALLS: dict[str, Callable[[Stream], object]] = {
    "send_head": lambda stream: stream.send_head(b"head"),
    "send_data": lambda stream: stream.send_data(b"data"),
    "send no data": lambda stream: stream.send_data(b""),
    "send_end": lambda stream: stream.send_end(),
}
STATES = ["OPEN", "HALF_CLOSED_LOCAL", "HALF_CLOSED_REMOTE", *WAYS_TO_CLOSE]


@every_role
@pytest.mark.parametrize("way", STATES)
@pytest.mark.parametrize("call", CALLS)
def test_sending_is_possible_exactly_while_our_direction_is_open(role: Role, way: str, call: str) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    bring(stream, session, way)
    if way in ("OPEN", "HALF_CLOSED_REMOTE"):
        CALLS[call](stream)
        expected = {"send_head": [FrameType.HEAD], "send_data": [FrameType.DATA], "send_end": [FrameType.END]}
        assert [kind for kind, _, _ in sent_by(session)] == expected.get(call, [])
    else:
        with pytest.raises(LocalMisuse, match=f"stream {stream.id}: our direction has ended"):
            CALLS[call](stream)
        assert not session.has_output


@every_role
@pytest.mark.parametrize("way", STATES)
def test_a_reset_is_possible_in_every_state_and_does_nothing_in_the_last(role: Role, way: str) -> None:
    session, handler = open_session(role)
    stream, sink = open_stream(session, handler)
    bring(stream, session, way)
    log = list(sink.log)
    stream.reset(ResetCode.UPSTREAM_TIMEOUT, "tardó")
    stream.reset(ResetCode.INTERNAL, "otra vez")
    expected = [(FrameType.RESET, stream.id, code(ResetCode.UPSTREAM_TIMEOUT, "tardó"))]
    assert sent_by(session) == (expected if way.isupper() else [])
    assert stream.state is StreamState.CLOSED
    assert session.stream_count == 0
    assert sink.log == log


@every_role
@pytest.mark.parametrize("way", STATES)
def test_nothing_is_sent_for_what_is_consumed_once_the_peer_has_ended(role: Role, way: str) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    session.receive_data(frame(FrameType.DATA, stream.id, b"x" * 60_000), START_S)
    bring(stream, session, way)
    stream.consume(60_000, START_S + 10)
    is_open = way in ("OPEN", "HALF_CLOSED_LOCAL")
    assert sent_by(session) == ([(FrameType.CREDIT, stream.id, credit(60_000))] if is_open else [])


@every_role
def test_nothing_follows_an_end_that_waits_for_its_turn(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    stream.send_data(b"x" * 100_000)
    stream.send_end()
    for call in CALLS.values():
        with pytest.raises(LocalMisuse):
            call(stream)


# ── half-close, both ways ────────────────────────────────────────────────────────────────────────


def test_a_request_may_end_while_its_answer_goes_on() -> None:
    pair = Pair()
    asking, asking_sink, answering, answering_sink = pair.open_stream(b"GET")
    asking.send_end()
    pair.flush()
    assert answering_sink.log == [("end",)]
    answering.send_head(b"200")
    for part in (b"uno", b"dos"):
        answering.send_data(part)
        pair.flush()
    assert asking_sink.log == [("head", b"200"), ("data", 3), ("data", 3)]
    assert pair.agent.stream_count == pair.exit_node.stream_count == 1
    answering.send_end()
    pair.flush()
    assert asking_sink.log[-1] == ("end",)
    assert bytes(asking_sink.data) == b"unodos"
    assert asking.state is answering.state is StreamState.CLOSED
    assert pair.agent.stream_count == pair.exit_node.stream_count == 0


def test_an_answer_may_end_while_its_request_goes_on() -> None:
    pair = Pair()
    asking, asking_sink, answering, answering_sink = pair.open_stream(b"POST")
    answering.send_head(b"200")
    answering.send_end()
    pair.flush()
    assert asking_sink.log == [("head", b"200"), ("end",)]
    for part in (b"uno", b"dos"):
        asking.send_data(part)
        pair.flush()
    assert pair.agent.stream_count == pair.exit_node.stream_count == 1
    asking.send_end()
    pair.flush()
    assert bytes(answering_sink.data) == b"unodos"
    assert answering_sink.log[-1] == ("end",)
    assert pair.agent.stream_count == pair.exit_node.stream_count == 0


def test_several_heads_come_in_order_before_the_data() -> None:
    pair = Pair()
    _, sink, answering, _ = pair.open_stream()
    answering.send_head(b"100")
    answering.send_head(b"200")
    answering.send_data(b"x")
    pair.flush()
    assert sink.log == [("head", b"100"), ("head", b"200"), ("data", 1)]


def test_both_may_end_at_once() -> None:
    pair = Pair()
    asking, asking_sink, answering, answering_sink = pair.open_stream()
    asking.send_end()
    answering.send_end()
    assert pair.agent.stream_count == pair.exit_node.stream_count == 1
    pair.flush()
    assert asking_sink.log == answering_sink.log == [("end",)]
    assert pair.agent.stream_count == pair.exit_node.stream_count == 0


def test_both_may_reset_at_once_and_neither_is_told() -> None:
    pair = Pair()
    asking, asking_sink, answering, answering_sink = pair.open_stream()
    asking.reset(ResetCode.CANCELLED)
    answering.reset(ResetCode.UPSTREAM_CLOSED)
    pair.flush()
    assert asking_sink.log == answering_sink.log == []
    assert pair.agent.error is pair.exit_node.error is None
    assert pair.agent.stream_count == pair.exit_node.stream_count == 0


# ── resets ───────────────────────────────────────────────────────────────────────────────────────


def test_a_reset_drops_what_was_queued_and_comes_before_it() -> None:
    pair = Pair()
    asking, _, _, answering_sink = pair.open_stream()
    asking.send_data(b"x" * 500_000)
    asking.send_end()
    asking.reset(ResetCode.CANCELLED, "se fue")
    assert asking.queued_bytes == 0
    pair.flush()
    assert answering_sink.log == [("reset", ResetCode.CANCELLED, "se fue")]
    assert pair.exit_node.stream_count == pair.agent.stream_count == 0
    assert pair.exit_node.error is pair.agent.error is None


def test_frames_under_way_when_a_stream_is_reset_are_ignored() -> None:
    pair = Pair()
    asking, asking_sink, answering, answering_sink = pair.open_stream()
    answering.send_head(b"200")
    answering.send_data(b"x" * 1000)
    answering.send_end()
    asking.reset(ResetCode.CANCELLED)
    pair.flush()
    assert asking_sink.log == []
    assert answering_sink.resets == [("reset", ResetCode.CANCELLED, "")]
    assert pair.exit_node.error is pair.agent.error is None


@every_role
@pytest.mark.parametrize("number", range(8))
def test_a_reset_code_arrives_as_it_was_sent(role: Role, number: int) -> None:
    pair = Pair()
    asking, asking_sink, answering, answering_sink = pair.open_stream()
    stream, sink = (asking, answering_sink) if role is Role.EXIT_NODE else (answering, asking_sink)
    stream.reset(ResetCode(number), "porque sí")
    pair.flush()
    assert sink.log == [("reset", ResetCode(number), "porque sí")]


@every_role
@pytest.mark.parametrize("number", [8, 9, 255, 65535])
def test_a_reset_code_that_is_unknown_or_never_travels_means_a_fault_over_there(
    role: Role, number: int
) -> None:
    session, handler = open_session(role)
    stream, sink = open_stream(session, handler)
    session.receive_data(frame(FrameType.RESET, stream.id, code(number, "raro")), START_S)
    assert sink.log == [("reset", ResetCode.INTERNAL, "raro")]
    assert not session.is_closed


@pytest.mark.parametrize(
    ("detail", "arrives"),
    [
        ("", ""),
        ("conexión rehusada", "conexión rehusada"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200),
        ("ñ" * 101, "ñ" * 100),
        ("x" + "ñ" * 100, "x" + "ñ" * 99 + "\ufffd"),
        ("a\r\nb\x1b[31m\x00", "a??b?[31m?"),
        ("mal \udcff", "mal ?"),
    ],
    ids=[
        "none",
        "some",
        "at the limit",
        "past it",
        "letters of two bytes",
        "half a letter",
        "controls",
        "no text",
    ],
)
def test_a_detail_arrives_short_and_printable(detail: str, arrives: str) -> None:
    pair = Pair()
    asking, _, _, sink = pair.open_stream()
    asking.reset(ResetCode.INTERNAL, detail)
    pair.flush()
    assert sink.log == [("reset", ResetCode.INTERNAL, arrives)]


def test_a_detail_that_is_not_text_is_shown_as_far_as_it_goes() -> None:
    session, handler = open_session(Role.AGENT)
    stream, sink = open_stream(session, handler)
    session.receive_data(frame(FrameType.RESET, stream.id, b"\0\1ab\xff\xfec\n"), START_S)
    assert sink.log == [("reset", ResetCode.CANCELLED, "ab\ufffd\ufffdc?")]


# ── frames that are malformed ────────────────────────────────────────────────────────────────────

MALFORMED = {
    "an END with a payload": (FrameType.END, b"x"),
    "an empty DATA": (FrameType.DATA, b""),
    "a RESET of no bytes": (FrameType.RESET, b""),
    "a RESET of one byte": (FrameType.RESET, b"\0"),
    "a CREDIT of no bytes": (FrameType.CREDIT, b""),
    "a CREDIT of three bytes": (FrameType.CREDIT, b"\0\0\1"),
    "a CREDIT of five bytes": (FrameType.CREDIT, b"\0\0\0\1\0"),
    "a CREDIT of nothing": (FrameType.CREDIT, credit(0)),
    "a CREDIT of 2^32 - 1": (FrameType.CREDIT, credit(2**32 - 1)),
    "a CREDIT past 2^31 - 1": (FrameType.CREDIT, credit(2**31 - 65536)),
    "a DATA past the credit": (FrameType.DATA, b"x" * 65536 + b"y"),
}


@every_role
@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_frame_ends_the_session_and_each_stream_is_told_once(role: Role, case: str) -> None:
    kind, payload = MALFORMED[case]
    session, handler = open_session(role)
    streams = [open_stream(session, handler) for _ in range(3)]
    if len(payload) > 65536:
        session.receive_data(frame(kind, 2, payload[:65536]), START_S)
        payload = payload[65536:]
    session.receive_data(frame(kind, 2, payload), START_S)
    assert_violated(session, handler, "2" if kind in (FrameType.END, FrameType.DATA) else "")
    for stream, sink in streams:
        assert [reset[1] for reset in sink.resets] == [ResetCode.LINK_LOST]
        assert sink.log[-1][0] == "reset"
        assert stream.state is StreamState.CLOSED


@every_role
def test_a_credit_up_to_2_to_the_31_less_one_is_taken(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    session.receive_data(frame(FrameType.CREDIT, stream.id, credit(2**31 - 65536 - 1)), START_S)
    assert session.error is None
    assert stream.credit == 2**31 - 1
    session.receive_data(frame(FrameType.CREDIT, stream.id, credit(1)), START_S)
    assert_violated(session, handler, "CREDIT of 1 ")


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────


def test_ids_start_at_one_and_go_up_by_one() -> None:
    pair = Pair()
    assert [pair.open_stream()[0].id for _ in range(3)] == [1, 2, 3]
    assert [stream.id for stream in pair.agent_handler.streams] == [1, 2, 3]


def start_ids_at(pair: Pair, newest_id: int) -> None:
    """Pretend that as many streams were opened before."""
    pair.agent._newest_id = pair.exit_node._newest_id = newest_id


def test_ids_start_again_after_the_last_without_zero_and_without_those_in_use() -> None:
    pair = Pair()
    kept = [pair.open_stream() for _ in range(2)]
    assert [one[0].id for one in kept] == [1, 2]
    start_ids_at(pair, MAX_STREAM_ID - 2)
    later = [pair.open_stream() for _ in range(4)]
    assert [one[0].id for one in later] == [MAX_STREAM_ID - 1, MAX_STREAM_ID, 3, 4]
    assert pair.agent.error is pair.exit_node.error is None
    for number, (asking, _, answering, sink) in enumerate(kept + later):
        asking.send_data(bytes([number]))
        pair.flush()
        assert sink.data == bytes([number])
        assert asking.id == answering.id


def test_what_is_late_is_told_from_what_is_new_across_the_last_id() -> None:
    pair = Pair()
    start_ids_at(pair, MAX_STREAM_ID - 1)
    last, _, _, _ = pair.open_stream()
    first, _, _, _ = pair.open_stream()
    assert (last.id, first.id) == (MAX_STREAM_ID, 1)
    last.reset(ResetCode.CANCELLED)
    first.reset(ResetCode.CANCELLED)
    pair.flush()
    for session in (pair.agent, pair.exit_node):
        for stream_id in (MAX_STREAM_ID - 5, MAX_STREAM_ID, 1):
            session.receive_data(frame(FrameType.DATA, stream_id, b"late"), START_S)
            assert session.error is None
    pair.agent.receive_data(frame(FrameType.OPEN, MAX_STREAM_ID - 5), START_S)
    assert_violated(pair.agent, pair.agent_handler, f"OPEN of stream {MAX_STREAM_ID - 5} after 1")


def test_a_stream_that_outlives_thousands_of_millions_may_be_reset_with_frames_under_way() -> None:
    pair = Pair()
    old, sink, answering, _ = pair.open_stream()
    start_ids_at(pair, 2**31 - 1)
    assert pair.open_stream()[0].id == 2**31
    start_ids_at(pair, MAX_STREAM_ID)  # the next id would be that of the old stream
    answering.send_data(b"under way")
    old.reset(ResetCode.CANCELLED)
    pair.flush()
    assert sink.log == []
    assert pair.agent.error is pair.exit_node.error is None


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
@pytest.mark.parametrize(
    ("distance", "is_late"), [(0, True), (-3, True), (1, False), (2**31 - 1, False), (2**31, True)]
)
def test_half_of_all_ids_are_new_and_half_are_late(role: Role, distance: int, is_late: bool) -> None:
    session, handler = open_session(role)
    for _ in range(5):
        stream, _ = open_stream(session, handler)
        stream.reset(ResetCode.CANCELLED)
    session.data_to_send(EVERYTHING)
    session.receive_data(frame(FrameType.DATA, 5 + distance, b"x"), START_S)
    if is_late:
        assert session.error is None
    else:
        assert_violated(session, handler, f"stream {5 + distance}, which was never opened")


def test_an_agent_takes_ids_with_gaps_but_none_twice() -> None:
    session, handler = open_session(Role.AGENT)
    session.receive_data(frame(FrameType.OPEN, 7) + frame(FrameType.OPEN, 1000), START_S)
    assert [stream.id for stream in handler.streams] == [7, 1000]
    session.receive_data(frame(FrameType.OPEN, 8), START_S)
    assert_violated(session, handler, "OPEN of stream 8 after 1000")


# ── limits ───────────────────────────────────────────────────────────────────────────────────────


def test_an_exit_node_opens_as_many_streams_as_the_agent_takes_and_no_more() -> None:
    pair = Pair(hello=make_hello(max_streams=3))
    streams = [pair.open_stream()[0] for _ in range(3)]
    assert pair.exit_node.open_stream(b"", Sink(), START_S) is None
    assert pair.exit_node.stream_count == pair.agent.stream_count == 3
    assert not pair.exit_node.has_output
    streams[1].reset(ResetCode.CANCELLED)
    assert pair.open_stream()[0].id == 4
    assert pair.exit_node.open_stream(b"", Sink(), START_S) is None
    assert pair.agent.error is None


def test_one_stream_more_than_an_agent_takes_is_a_violation() -> None:
    session, handler = open_session(Role.AGENT, hello=make_hello(max_streams=3))
    for _ in range(3):
        open_stream(session, handler)
    assert session.stream_count == 3
    session.receive_data(frame(FrameType.OPEN, 4), START_S)
    assert_violated(session, handler, "more than 3 streams")
    assert [sink.resets[0][1] for sink in handler.sinks] == [ResetCode.LINK_LOST] * 3


def test_a_head_at_its_limit_passes_and_one_past_it_is_our_own_mistake() -> None:
    pair = Pair()
    _, sink, answering, _ = pair.open_stream(b"o" * MAX_HEAD_PAYLOAD_BYTES)
    assert pair.agent_handler.payloads == [b"o" * MAX_HEAD_PAYLOAD_BYTES]
    answering.send_head(b"h" * MAX_HEAD_PAYLOAD_BYTES)
    pair.flush()
    assert sink.log == [("head", b"h" * MAX_HEAD_PAYLOAD_BYTES)]
    with pytest.raises(LocalMisuse, match="131073"):
        answering.send_head(b"h" * (MAX_HEAD_PAYLOAD_BYTES + 1))
    with pytest.raises(LocalMisuse, match="131073"):
        pair.exit_node.open_stream(b"o" * (MAX_HEAD_PAYLOAD_BYTES + 1), Sink(), START_S)
    assert pair.exit_node.stream_count == 1
    assert not pair.exit_node.has_output
    assert not pair.agent.has_output


def test_only_an_exit_node_opens_streams_and_only_on_an_open_session() -> None:
    pair = Pair(handshake=False)
    for session in (pair.agent, pair.exit_node):
        with pytest.raises(LocalMisuse):
            session.open_stream(b"", Sink(), START_S)
    pair.flush()
    with pytest.raises(LocalMisuse):
        pair.agent.open_stream(b"", Sink(), START_S)
    pair.exit_node.connection_lost()
    with pytest.raises(LocalMisuse):
        pair.exit_node.open_stream(b"", Sink(), START_S)


BACKLOG = 8 * 1024 * 1024
"""What may wait to be fetched before no stream is opened or taken any more."""


def test_no_stream_is_opened_while_heads_that_nobody_fetches_pile_up() -> None:
    session, _ = open_session(Role.EXIT_NODE)
    opened = 0
    while (stream := session.open_stream(b"o" * 65536, Sink(), START_S)) is not None:
        stream.reset(ResetCode.CANCELLED)  # the visitor leaves at once, and another one comes
        opened += 1
        assert opened < 1000
    assert session.stream_count == 0
    waiting = sum(len(piece) for piece in session.data_to_send(0))
    assert BACKLOG < waiting < BACKLOG + 2 * 65536
    assert session.open_stream(b"", Sink(), START_S) is not None


def test_no_stream_is_taken_while_heads_that_nobody_fetches_pile_up() -> None:
    session, handler = open_session(Role.AGENT)
    stream_id = 0
    while len(handler.streams) == stream_id:
        stream_id += 1
        assert stream_id < 1000
        session.receive_data(frame(FrameType.OPEN, stream_id), START_S)
        if len(handler.streams) == stream_id:
            handler.streams[-1].send_head(b"h" * 65536)
            handler.streams[-1].reset(ResetCode.UPSTREAM_CLOSED)
    assert session.error is None
    assert session.stream_count == 0
    frames = sent_by(session)
    assert BACKLOG < sum(8 + len(payload) for _, _, payload in frames) < BACKLOG + 2 * 65536
    assert frames[-1] == (
        FrameType.RESET,
        stream_id,
        code(ResetCode.REFUSED_STREAM, "the link is far behind"),
    )
    session.receive_data(frame(FrameType.OPEN, stream_id + 1), START_S)
    assert handler.streams[-1].id == stream_id + 1


def test_many_heads_that_wait_are_no_reason_to_end_the_session() -> None:
    # All of it is what honest sides do while a link is slow; the ping must not turn it into a violation.
    session, handler = open_session(Role.AGENT)
    for _ in range(100):
        open_stream(session, handler)
    for stream in handler.streams:
        stream.send_head(b"h" * MAX_HEAD_PAYLOAD_BYTES)
    session.receive_data(frame(FrameType.PING, 0, b"12345678"), START_S)
    assert session.error is None
    assert sent_by(session)[-1] == (FrameType.PONG, 0, b"12345678")


def test_a_handler_may_reset_a_stream_as_it_is_opened() -> None:
    session, handler = open_session(Role.AGENT)

    def refuse(stream: Stream) -> Sink:
        stream.reset(ResetCode.UPSTREAM_REFUSED, "no hay nadie")
        return Sink()

    handler.make_sink = refuse
    session.receive_data(frame(FrameType.OPEN, 1) + frame(FrameType.DATA, 1, b"x"), START_S)
    assert session.error is None
    assert session.stream_count == 0
    assert sent_by(session) == [(FrameType.RESET, 1, code(ResetCode.UPSTREAM_REFUSED, "no hay nadie"))]


def test_a_handler_may_answer_a_stream_as_it_is_opened() -> None:
    pair = Pair()

    def answer(stream: Stream) -> Sink:
        stream.send_head(b"204")
        stream.send_end()
        return Sink()

    pair.agent_handler.make_sink = answer
    asking, sink, _, _ = pair.open_stream()
    assert sink.log == [("head", b"204"), ("end",)]
    asking.send_end()
    pair.flush()
    assert pair.agent.stream_count == pair.exit_node.stream_count == 0


def test_a_session_may_be_closed_from_within_a_sink() -> None:
    session, handler = open_session(Role.AGENT)
    stream, sink = open_stream(session, handler)
    sink.on_data = lambda data: session.connection_lost("de pronto")
    rest = frame(FrameType.DATA, stream.id, b"b") + frame(99)
    session.receive_data(frame(FrameType.DATA, stream.id, b"a") + rest, START_S)
    assert session.error is None
    assert sink.data == b"a"
    assert [reset[1] for reset in sink.resets] == [ResetCode.LINK_LOST]
    assert len(handler.closings) == 1
