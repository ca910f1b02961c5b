"""Credit: never exceeded, handed back, growing with the path; turns; and who is told to go on."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest

from tests.tunnel.protocol.kit import (
    EVERYTHING,
    START_S,
    Handler,
    Pair,
    Sink,
    credit,
    frame,
    frames_of,
    make_grant,
    make_hello,
    open_session,
    open_stream,
    sent_by,
)
from tunnel.protocol.errors import LocalMisuse, ResetCode
from tunnel.protocol.flow import (
    INITIAL_WINDOW_BYTES,
    MAX_GROWTH_BYTES,
    MAX_STREAMS,
    MAX_WINDOW_BYTES,
    GrowthBudget,
    ReceiveWindow,
)
from tunnel.protocol.frames import MAX_DATA_PAYLOAD_BYTES, FrameType
from tunnel.protocol.session import Role, Session
from tunnel.protocol.stream import QUEUE_HIGH_BYTES, Stream

KIB = 1024
MIB = 1024 * KIB

every_role = pytest.mark.parametrize("role", Role, ids=lambda role: role.name)


def test_the_limits_are_the_documented_ones() -> None:
    assert INITIAL_WINDOW_BYTES == 64 * KIB
    assert MAX_WINDOW_BYTES == 16 * MIB
    assert MAX_GROWTH_BYTES == 64 * MIB
    assert MAX_STREAMS == 1024
    assert MAX_DATA_PAYLOAD_BYTES == QUEUE_HIGH_BYTES == 64 * KIB


# ── the receiver's book ──────────────────────────────────────────────────────────────────────────


def test_a_window_takes_what_it_announced_and_not_a_byte_more() -> None:
    window = ReceiveWindow(100, GrowthBudget(0), START_S)
    assert window.receive(99)
    assert window.receive(1)
    assert not window.receive(1)


def test_credit_is_collected_until_it_is_half_a_window() -> None:
    window = ReceiveWindow(100, GrowthBudget(0), START_S)
    assert window.receive(100)
    assert window.consume(49, START_S, 0.0) == 0
    assert window.consume(1, START_S, 0.0) == 50
    assert window.left == 50
    assert window.consume(0, START_S, 0.0) == 0
    assert window.consume(50, START_S, 0.0) == 50
    assert window.left == window.size == 100


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_smallest_windows_come_back_too(size: int) -> None:
    window = ReceiveWindow(size, GrowthBudget(0), START_S)
    returned = 0
    for _ in range(100):
        assert window.left > 0
        assert window.receive(1)
        returned += window.consume(1, START_S, 0.0)
    assert returned + window.left >= 100
    assert 0 <= size - window.left <= size // 2


def test_more_than_came_cannot_be_consumed() -> None:
    window = ReceiveWindow(100, GrowthBudget(0), START_S)
    assert window.receive(10)
    assert window.consume(10, START_S, 0.0) == 0
    with pytest.raises(LocalMisuse, match="more bytes were consumed than received"):
        window.consume(1, START_S, 0.0)


@pytest.mark.parametrize(
    ("elapsed_s", "round_trip_s", "size"),
    [
        (0.0, 0.05, 4000),
        (0.05, 0.05, 4000),
        (0.0625, 0.05, 3200),  # 500 in 62.5 ms are 400 in a round trip
        (0.08, 0.05, 2500),
        (0.0999, 0.05, 2002),
        (0.1, 0.05, 1000),
        (0.1001, 0.05, 1000),
        (5.0, 0.05, 1000),
        (0.001, 0.0, 4000),  # a round trip of less than a millisecond counts as one
        (0.002, 0.0, 1000),
        (0.0016, 0.0002, 2500),
        (0.002, 0.0002, 1000),
        (0.0021, 0.0011, 2095),
    ],
)
def test_a_window_grows_when_half_of_it_went_in_less_than_two_round_trips(
    elapsed_s: float, round_trip_s: float, size: int
) -> None:
    start_s = 0.0  # sums with a large number would blur the threshold
    window = ReceiveWindow(1000, GrowthBudget(5000), start_s)
    assert window.receive(1000)
    assert window.consume(499, start_s + elapsed_s, round_trip_s) == 0
    credited = window.consume(1, start_s + elapsed_s, round_trip_s)
    assert window.size == size
    assert credited == 500 + size - 1000
    assert window.left == credited


def test_the_time_is_taken_from_one_credit_to_the_next() -> None:
    window = ReceiveWindow(1000, GrowthBudget(10_000), 0.0)
    assert window.receive(1000)
    assert window.consume(500, 3.0, 0.05) == 500  # slow: the window stays
    assert window.consume(500, 3.05, 0.05) == 500 + 3000  # and then fast
    assert window.receive(2000)
    assert window.consume(1999, 3.1, 0.05) == 0
    assert window.consume(1, 3.2, 0.05) == 2000


def grow(window: ReceiveWindow) -> list[int]:
    """Consume at once whatever the window allows, until it grows no more; return its sizes."""
    sizes = [window.size]
    while True:
        assert window.receive(window.left)
        window.consume(window.size, START_S, 0.05)
        if window.size == sizes[-1]:
            return sizes
        sizes.append(window.size)


def test_a_window_is_at_sixteen_mebibytes_after_four_steps() -> None:
    sizes = grow(ReceiveWindow(INITIAL_WINDOW_BYTES, GrowthBudget(), START_S))
    assert sizes == [64 * KIB << 2 * step for step in range(5)]
    assert sizes[-1] == 16 * MIB


def test_the_last_step_of_a_window_is_as_large_as_the_cap_leaves() -> None:
    sizes = grow(ReceiveWindow(100_000, GrowthBudget(), START_S))
    assert sizes[-2:] == [100_000 << 6, 16 * MIB]


def test_a_window_that_starts_at_the_cap_or_above_stays() -> None:
    assert grow(ReceiveWindow(16 * MIB, GrowthBudget(), START_S)) == [16 * MIB]
    assert grow(ReceiveWindow(20 * MIB, GrowthBudget(), START_S)) == [20 * MIB]


def test_what_windows_grow_by_is_taken_from_a_budget_and_returned() -> None:
    budget = GrowthBudget(1500)
    first = ReceiveWindow(1000, budget, START_S)
    second = ReceiveWindow(1000, budget, START_S)
    assert grow(first) == [1000, 2500]
    assert budget.free_bytes == 0
    assert grow(second) == [1000]
    assert second.left == 1000  # the initial window is nobody else's to take
    first.close()
    assert budget.free_bytes == 1500
    assert grow(second) == [1000, 2500]
    second.close()
    assert budget.free_bytes == 1500


def test_the_budget_of_a_session_serves_four_windows_at_the_cap() -> None:
    budget = GrowthBudget()
    windows = [ReceiveWindow(INITIAL_WINDOW_BYTES, budget, START_S) for _ in range(6)]
    assert [grow(window)[-1] for window in windows] == [16 * MIB] * 4 + [64 * KIB + 256 * KIB, 64 * KIB]
    for window in windows:
        window.close()
    assert budget.free_bytes == MAX_GROWTH_BYTES


# ── the sender ───────────────────────────────────────────────────────────────────────────────────


def data_sizes(frames: Iterable[tuple[FrameType, int, bytes]], stream_id: int) -> list[int]:
    """Return the sizes of the DATA frames of a stream."""
    return [len(payload) for kind, of, payload in frames if kind is FrameType.DATA and of == stream_id]


@every_role
@pytest.mark.parametrize("sizes", [[1] * 100, [30, 30, 30, 30], [100], [1000], [99, 1, 1], [100, 1]])
def test_a_sender_never_exceeds_its_credit(role: Role, sizes: list[int]) -> None:
    session, handler = open_session(
        role, hello=make_hello(initial_window=100), grant=make_grant(initial_window=100)
    )
    stream, _ = open_stream(session, handler)
    for size in sizes:
        stream.send_data(b"x" * size)
    sent = sum(data_sizes(sent_by(session), stream.id))
    # What does not fit its credit whole, and what is behind it, waits for its turn, and then goes in part.
    assert sent == min(100, sum(sizes))
    assert stream.credit == 100 - sent
    assert stream.queued_bytes == sum(sizes) - sent
    assert not session.has_output
    for more in (1, 7, 500):
        session.receive_data(frame(FrameType.CREDIT, stream.id, credit(more)), START_S)
        expected = min(sum(sizes), sent + more)
        sent += sum(data_sizes(sent_by(session), stream.id))
        assert sent == expected
        assert stream.queued_bytes == sum(sizes) - sent
        assert stream.credit >= 0


@every_role
def test_a_frame_of_data_is_at_most_64_kib(role: Role) -> None:
    session, handler = open_session(
        role, hello=make_hello(initial_window=MIB), grant=make_grant(initial_window=MIB)
    )
    stream, _ = open_stream(session, handler)
    stream.send_data(b"x" * 65536)
    stream.send_data(b"x" * 65537)
    stream.send_data(b"x" * 200_000)
    assert data_sizes(sent_by(session), stream.id) == [65536, 65536, 1, 65536, 65536, 65536, 3392]


@every_role
def test_data_that_is_split_arrives_whole_and_in_order(role: Role) -> None:
    pair = Pair(hello=make_hello(initial_window=1000), grant=make_grant(initial_window=1000))
    asking, asking_sink, answering, answering_sink = pair.open_stream()
    if role is Role.EXIT_NODE:
        source, far, sink = asking, answering, answering_sink
    else:
        source, far, sink = answering, asking, asking_sink
    sink.on_data = lambda data: far.consume(len(data), pair.now)
    data = bytes(range(256)) * 400
    for start in range(0, len(data), 1234):
        source.send_data(data[start : start + 1234])
    pair.flush()
    assert bytes(sink.data) == data


@every_role
def test_pieces_that_wait_cost_little_more_than_their_bytes(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    stream.send_data(b"x" * 65536)
    session.data_to_send(EVERYTHING)
    data = [bytes([number % 256]) for number in range(QUEUE_HIGH_BYTES)]
    tracemalloc.start()
    try:
        for byte in data:
            assert stream.send_data(byte) is True
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert QUEUE_HIGH_BYTES < held < 2 * QUEUE_HIGH_BYTES
    session.receive_data(frame(FrameType.CREDIT, stream.id, credit(MIB)), START_S)
    frames = sent_by(session)
    assert b"".join(payload for _, _, payload in frames) == b"".join(data)
    assert len(frames) <= 32


@every_role
def test_the_end_comes_after_all_that_was_queued(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    stream.send_data(b"x" * 65536)
    stream.send_data(b"y" * 10)
    stream.send_end()
    assert [kind for kind, _, _ in sent_by(session)] == [FrameType.DATA]
    session.receive_data(frame(FrameType.CREDIT, stream.id, credit(4)), START_S)
    assert [(kind, payload) for kind, _, payload in sent_by(session)] == [(FrameType.DATA, b"yyyy")]
    session.receive_data(frame(FrameType.CREDIT, stream.id, credit(6)), START_S)
    assert [(kind, payload) for kind, _, payload in sent_by(session)] == [
        (FrameType.DATA, b"yyyyyy"),
        (FrameType.END, b""),
    ]
    assert not stream.state.may_send


@every_role
def test_an_end_needs_no_credit(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    stream.send_data(b"x" * 65536)
    assert stream.credit == 0
    stream.send_end()
    assert [kind for kind, _, _ in sent_by(session)] == [FrameType.DATA, FrameType.END]


@every_role
def test_no_data_sends_no_frame(role: Role) -> None:
    session, handler = open_session(role)
    stream, _ = open_stream(session, handler)
    assert stream.send_data(b"") is True
    assert not session.has_output


# ── who is told to go on ─────────────────────────────────────────────────────────────────────────


def test_a_source_is_not_paused_while_all_that_it_sent_leaves_with_the_next_batch() -> None:
    pair = Pair(hello=make_hello(initial_window=4 * QUEUE_HIGH_BYTES))
    first, *_ = pair.open_stream()
    second, *_ = pair.open_stream()
    assert first.send_data(b"x" * 3 * QUEUE_HIGH_BYTES) is True  # there is credit, and nobody before it
    assert second.send_data(b"y" * 3 * QUEUE_HIGH_BYTES) is False  # the first one's frames are
    pair.flush()
    assert first.send_data(b"x" * 2 * QUEUE_HIGH_BYTES) is False  # nobody is, but there is no credit for all


@every_role
def test_a_source_is_told_to_pause_above_the_mark_and_to_go_on_at_half_of_it(role: Role) -> None:
    session, handler = open_session(role)
    stream, sink = open_stream(session, handler)
    assert stream.send_data(b"x" * 65536) is True  # all the credit there is
    assert stream.send_data(b"x" * QUEUE_HIGH_BYTES) is True
    assert stream.send_data(b"") is True
    assert stream.send_data(b"x") is False
    assert stream.send_data(b"") is False
    session.data_to_send(EVERYTHING)

    def give(amount: int) -> None:
        session.receive_data(frame(FrameType.CREDIT, stream.id, credit(amount)), START_S)
        session.data_to_send(EVERYTHING)

    give(QUEUE_HIGH_BYTES // 2)
    assert stream.queued_bytes == QUEUE_HIGH_BYTES // 2 + 1
    assert sink.log == []
    give(1)
    assert sink.log == [("writable",)]
    assert stream.send_data(b"") is True
    give(1)
    give(100_000)
    assert stream.queued_bytes == 0
    assert sink.log == [("writable",)]


@every_role
def test_a_source_that_was_told_to_go_on_may_be_told_to_pause_again(role: Role) -> None:
    session, handler = open_session(role)
    stream, sink = open_stream(session, handler)
    for times in range(1, 4):
        assert stream.send_data(b"x" * (65536 + QUEUE_HIGH_BYTES + 1)) is False
        assert stream.send_data(b"x") is False
        session.receive_data(
            frame(FrameType.CREDIT, stream.id, credit(65536 + QUEUE_HIGH_BYTES + 2)), START_S
        )
        session.data_to_send(EVERYTHING)
        assert sink.log == [("writable",)] * times


@every_role
def test_a_source_that_goes_on_from_within_the_call_loses_nothing(role: Role) -> None:
    pair = Pair()
    asking, asking_sink, answering, answering_sink = pair.open_stream()
    if role is Role.EXIT_NODE:
        source, source_sink, far, sink = asking, asking_sink, answering, answering_sink
    else:
        source, source_sink, far, sink = answering, answering_sink, asking, asking_sink
    sink.on_data = lambda data: far.consume(len(data), pair.now)
    data = bytes(range(251)) * 8000
    position = 0

    def go_on() -> None:
        nonlocal position
        while position < len(data):
            start, position = position, position + 50_000
            if not source.send_data(data[start:position]):
                return
        if source.state.may_send and not ended:
            ended.append(True)
            source.send_end()

    ended: list[bool] = []
    source_sink.writable = go_on  # type: ignore[method-assign]
    go_on()
    assert 0 < position < len(data)
    pair.flush()
    assert bytes(sink.data) == data
    assert sink.log[-1] == ("end",)


@every_role
def test_nobody_is_told_to_go_on_after_the_end(role: Role) -> None:
    session, handler = open_session(role)
    stream, sink = open_stream(session, handler)
    assert stream.send_data(b"x" * 300_000) is False
    stream.send_end()
    session.receive_data(frame(FrameType.CREDIT, stream.id, credit(MIB)), START_S)
    assert sum(data_sizes(sent_by(session), stream.id)) == 300_000
    assert not stream.state.may_send
    assert sink.log == []


@every_role
def test_nobody_is_told_to_go_on_after_a_reset(role: Role) -> None:
    session, handler = open_session(role)
    stream, sink = open_stream(session, handler)
    assert stream.send_data(b"x" * 300_000) is False
    stream.reset(ResetCode.CANCELLED)
    session.receive_data(frame(FrameType.CREDIT, stream.id, credit(MIB)), START_S)
    assert [kind for kind, _, _ in sent_by(session)] == [FrameType.RESET]
    assert sink.log == []


# ── one stream and another ───────────────────────────────────────────────────────────────────────


def pump(pair: Pair, source: Stream, sink: Sink, far: Stream, total: int) -> None:
    """Send ``total`` bytes on a stream whose far end consumes at once; check that they arrive."""
    sink.on_data = lambda data: far.consume(len(data), pair.now)
    before = len(sink.data)
    for _ in range(total // 65536):
        source.send_data(b"p" * 65536)
        pair.flush()
    pair.flush()
    assert len(sink.data) - before == total
    assert source.queued_bytes == 0


@every_role
def test_a_reader_that_stops_stalls_nobody_else(role: Role) -> None:
    pair = Pair()
    stalled = pair.open_stream()
    other = pair.open_stream()
    if role is Role.EXIT_NODE:
        stalled_source, stalled_sink = stalled[0], stalled[3]
        source, far, sink = other[0], other[2], other[3]
    else:
        stalled_source, stalled_sink = stalled[2], stalled[1]
        source, far, sink = other[2], other[0], other[1]
    assert stalled_source.send_data(b"s" * MIB) is False
    pair.flush()
    assert len(stalled_sink.data) == INITIAL_WINDOW_BYTES  # one window, and the rest waits at its source
    pump(pair, source, sink, far, 8 * MIB)
    assert len(stalled_sink.data) == INITIAL_WINDOW_BYTES
    assert stalled_source.queued_bytes == MIB - INITIAL_WINDOW_BYTES


@every_role
def test_readers_that_stop_with_all_the_growth_there_is_stall_nobody_else(role: Role) -> None:
    pair = Pair()
    receiver = pair.end(Role.AGENT if role is Role.EXIT_NODE else Role.EXIT_NODE)
    receiver.growth.free_bytes = 2 * MIB

    def next_stream() -> tuple[Stream, Stream, Sink]:
        asking, asking_sink, answering, answering_sink = pair.open_stream()
        if role is Role.EXIT_NODE:
            return asking, answering, answering_sink
        return answering, asking, asking_sink

    greedy, far, sink = next_stream()
    pump(pair, greedy, sink, far, 8 * MIB)
    assert receiver.growth.free_bytes == 0
    assert far.window.size == INITIAL_WINDOW_BYTES + 2 * MIB
    sink.on_data = lambda data: None
    before = len(sink.data)
    greedy.send_data(b"g" * 8 * MIB)
    pair.flush()
    assert far.window.left == 0  # it holds all it may hold, or soon would: some credit is withheld
    assert far.window.size // 2 < len(sink.data) - before <= far.window.size

    other, other_far, other_sink = next_stream()
    pump(pair, other, other_sink, other_far, 4 * MIB)
    assert other_far.window.size == INITIAL_WINDOW_BYTES
    greedy.reset(ResetCode.CANCELLED)
    pair.flush()
    assert receiver.growth.free_bytes == 2 * MIB
    pump(pair, other, other_sink, other_far, 8 * MIB)
    assert other_far.window.size == INITIAL_WINDOW_BYTES + 2 * MIB


@every_role
@pytest.mark.parametrize("end", ["end", "reset here", "reset there", "lost"])
def test_the_growth_of_a_stream_comes_back_however_it_ends(role: Role, end: str) -> None:
    pair = Pair()
    asking, asking_sink, answering, answering_sink = pair.open_stream()
    source, far, sink = (
        (asking, answering, answering_sink) if role is Role.EXIT_NODE else (answering, asking, asking_sink)
    )
    receiver = pair.end(Role.AGENT if role is Role.EXIT_NODE else Role.EXIT_NODE)
    pump(pair, source, sink, far, 4 * MIB)
    assert receiver.growth.free_bytes < MAX_GROWTH_BYTES
    if end == "end":
        source.send_end()
        far.send_end()
    elif end == "reset here":
        far.reset(ResetCode.CANCELLED)
    elif end == "reset there":
        source.reset(ResetCode.CANCELLED)
    else:
        receiver.connection_lost()
    if end != "lost":
        pair.flush()
    assert receiver.growth.free_bytes == MAX_GROWTH_BYTES
    assert receiver.stream_count == 0


def wide_session(role: Role) -> tuple[Session, Handler]:
    """Return a session whose streams have more credit than any test needs."""
    return open_session(role, hello=make_hello(initial_window=2**30), grant=make_grant(initial_window=2**30))


def fetch(session: Session, max_bytes: int) -> list[tuple[FrameType, int, bytes]]:
    """Fetch once and parse."""
    return frames_of(session.data_to_send(max_bytes))


@every_role
def test_a_small_answer_waits_for_a_frame_of_each_bulk_transfer_and_not_for_their_end(role: Role) -> None:
    session, handler = wide_session(role)
    bulk = [open_stream(session, handler)[0] for _ in range(3)]
    small, _ = open_stream(session, handler)
    for stream in bulk:
        stream.send_data(b"b" * 10 * MIB)
    for _ in range(5):
        fetch(session, 100_000)
    # What was queued before leaves first; at most a round of one frame each, then the small one.
    small.send_data(b"s" * 100)
    order = [stream_id for _ in range(3) for _, stream_id, _ in fetch(session, 100_000)]
    assert small.id in order[: len(bulk) + 1]
    assert small.queued_bytes == 0
    assert all(stream.queued_bytes > 5 * MIB for stream in bulk)


@every_role
def test_bulk_transfers_take_turns_of_one_frame(role: Role) -> None:
    session, handler = wide_session(role)
    streams = [open_stream(session, handler)[0] for _ in range(3)]
    for stream in streams:
        stream.send_data(b"b" * 10 * MIB)
    sent = [(stream_id, len(payload)) for _ in range(30) for _, stream_id, payload in fetch(session, 65536)]
    assert sent == [(stream.id, 65536) for stream in streams] * 10


@every_role
def test_a_stream_without_credit_gives_its_turn_away(role: Role) -> None:
    session, handler = open_session(role)
    first, _ = open_stream(session, handler)
    second, _ = open_stream(session, handler)
    first.send_data(b"f" * 100_000)
    second.send_data(b"s" * 200_000)
    session.receive_data(frame(FrameType.CREDIT, second.id, credit(MIB)), START_S)
    sent = fetch(session, EVERYTHING)
    assert sum(data_sizes(sent, first.id)) == 65536
    assert sum(data_sizes(sent, second.id)) == 200_000
    assert first.queued_bytes == 100_000 - 65536
    assert not session.has_output


@every_role
def test_what_is_fetched_at_a_time_is_about_what_was_asked_for(role: Role) -> None:
    session, handler = wide_session(role)
    stream, _ = open_stream(session, handler)
    stream.send_data(b"b" * 3 * MIB)
    for max_bytes in (1, 65536, 65545, 200_000):
        size = sum(len(piece) for piece in session.data_to_send(max_bytes))
        assert max_bytes <= size <= max_bytes + 65536 + 8
    assert session.data_to_send(0) == []
    assert session.has_output


@every_role
def test_frames_go_out_at_once_until_too_much_waits(role: Role) -> None:
    session, handler = wide_session(role)
    stream, _ = open_stream(session, handler)
    other, _ = open_stream(session, handler)
    for _ in range(20):
        stream.send_data(b"x" * 65536)
    assert not session.is_drained
    waiting = sum(len(piece) for piece in session.data_to_send(0))
    assert 64 * KIB <= waiting < 64 * KIB + 65536 + 16
    assert session.is_drained
    other.send_data(b"now")
    assert data_sizes(frames_of(session.data_to_send(0)), other.id) == [3]
