"""The budget that the windows of all sessions of a process share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import (
    START_S,
    Pair,
    Sink,
    code,
    examples,
    frame,
    open_session,
    open_stream,
    sent_by,
)
from tunnel.protocol.errors import ResetCode
from tunnel.protocol.flow import MAX_WINDOW_BYTES, GrowthBudget, ReceiveWindow
from tunnel.protocol.frames import FrameType
from tunnel.protocol.memory import INITIAL_WINDOW_BYTES, MIN_MEMORY_BYTES, MemoryBudget
from tunnel.protocol.session import Role

KIB = 1024
MIB = 1024 * KIB

every_role = pytest.mark.parametrize("role", Role, ids=lambda role: role.name)


def drink(window: ReceiveWindow) -> int:
    """Receive and consume all that the window allows, at once; return the credit."""
    size = window.left
    assert window.receive(size)
    return window.consume(size, 0.0, 0.05)


@pytest.mark.parametrize(
    ("limit_bytes", "initial_bytes"),
    [(MIN_MEMORY_BYTES, 4 * KIB), (16 * MIB, 8 * KIB), (128 * MIB, 64 * KIB), (1024 * MIB, 64 * KIB)],
)
def test_initial_windows_leave_room_for_two_thousand_streams(limit_bytes: int, initial_bytes: int) -> None:
    memory = MemoryBudget(limit_bytes)
    assert memory.initial_window_bytes == initial_bytes <= INITIAL_WINDOW_BYTES
    budgets = [GrowthBudget(memory=memory) for _ in range(2)]
    for number in range(2048):
        budget = budgets[number % 2]
        assert budget.has_room_for(initial_bytes)
        ReceiveWindow(initial_bytes, budget, 0.0)
    assert memory.free_bytes >= 0


def test_a_window_alone_takes_a_tenth_of_the_memory() -> None:
    memory = MemoryBudget(40 * MIB)
    window = ReceiveWindow(memory.initial_window_bytes, GrowthBudget(memory=memory), 0.0)
    for _ in range(20):
        drink(window)
    assert 3 * MIB < window.size < 5 * MIB < MAX_WINDOW_BYTES


def test_windows_of_other_sessions_come_out_of_the_same_memory() -> None:
    memory = MemoryBudget(16 * MIB)
    sizes = []
    for _ in range(30):
        window = ReceiveWindow(memory.initial_window_bytes, GrowthBudget(memory=memory), 0.0)
        for _ in range(20):
            drink(window)
        sizes.append(window.size)  # and then it stalls
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) + memory.free_bytes == 16 * MIB
    assert memory.free_bytes >= 8 * MIB - memory.initial_window_bytes * 30


def test_a_window_shrinks_when_others_need_the_memory_and_stays_consistent() -> None:
    memory = MemoryBudget(16 * MIB)
    window = ReceiveWindow(memory.initial_window_bytes, GrowthBudget(memory=memory), 0.0)
    for _ in range(20):
        drink(window)
    before = window.size
    memory.take(memory.free_bytes - 400 * KIB)  # somebody else's
    for _ in range(8):
        drink(window)
    assert window.left == window.size < before / 4
    assert window.size >= memory.initial_window_bytes


def test_a_window_never_shrinks_below_its_initial_size() -> None:
    memory = MemoryBudget(16 * MIB)
    window = ReceiveWindow(memory.initial_window_bytes, GrowthBudget(memory=memory), 0.0)
    drink(window)
    memory.take(memory.free_bytes)
    for _ in range(8):
        drink(window)
    assert window.left == window.size == memory.initial_window_bytes


@examples(200)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.2)), max_size=200
    )
)
def test_whatever_happens_no_more_is_promised_than_there_is(
    steps: list[tuple[int, float, float, float]],
) -> None:
    memory = MemoryBudget(MIN_MEMORY_BYTES)
    windows = [ReceiveWindow(4 * KIB, GrowthBudget(memory=memory), 0.0) for _ in range(6)]
    unread = [0] * 6
    now = 0.0
    for number, share, read, elapsed_s in steps:
        now += elapsed_s
        window = windows[number]
        size = int(window.left * share)
        assert window.receive(size)
        unread[number] += size
        taken = int(unread[number] * read)
        unread[number] -= taken
        window.consume(taken, now, 0.05)
        assert window.left + unread[number] + window._consumed == window.size
        assert sum(each.size for each in windows) + memory.free_bytes == memory.limit_bytes
        assert memory.free_bytes >= 0
    for window in windows:
        window.close()
    assert memory.free_bytes == memory.limit_bytes


@every_role
def test_a_stream_for_which_there_is_no_memory_is_refused(role: Role) -> None:
    memory = MemoryBudget(MIN_MEMORY_BYTES)
    session, handler = open_session(role)
    session.growth = GrowthBudget(memory=memory)
    stream, _ = open_stream(session, handler)
    taken = memory.free_bytes
    memory.take(taken)
    if role is Role.EXIT_NODE:
        assert session.open_stream(b"open", Sink(), START_S) is None
    else:
        session.receive_data(frame(FrameType.OPEN, stream.id + 1, b"open"), START_S)
        refused = code(ResetCode.REFUSED_STREAM, "no memory for one more")
        assert sent_by(session)[-1] == (FrameType.RESET, stream.id + 1, refused)
    assert session.stream_count == 1
    assert memory.free_bytes == 0
    memory.give_back(taken)
    stream.reset(ResetCode.CANCELLED)
    assert memory.free_bytes == memory.limit_bytes


@pytest.mark.parametrize(
    ("memory", "kind"), [(None, memoryview), (MemoryBudget(128 * MIB), bytes)], ids=["unbounded", "bounded"]
)
def test_content_holds_what_it_came_with_only_where_memory_has_no_bound(
    memory: MemoryBudget | None, kind: type
) -> None:
    pair = Pair(memory=memory)
    asking, _, _, answering = pair.open_stream()
    seen: list[type] = []
    answering.on_data = lambda data: seen.append(type(data))
    asking.send_data(b"x" * 32 * KIB)
    pair.flush()
    assert seen == [kind]
