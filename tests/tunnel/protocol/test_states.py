"""The life of a stream: every pair of state and event, listed or forbidden."""

from __future__ import annotations

from itertools import product

import pytest

from tunnel.protocol.states import StreamEvent, StreamState, next_state

OPEN, LOCAL, REMOTE, CLOSED = (
    StreamState.OPEN,
    StreamState.HALF_CLOSED_LOCAL,
    StreamState.HALF_CLOSED_REMOTE,
    StreamState.CLOSED,
)
FORBIDDEN = None

EXPECTED: dict[StreamState, dict[str, StreamState | None]] = {
    OPEN: {"SEND_END": LOCAL, "RECEIVE_END": REMOTE, "SEND_RESET": CLOSED, "RECEIVE_RESET": CLOSED},
    LOCAL: {"SEND_END": FORBIDDEN, "RECEIVE_END": CLOSED, "SEND_RESET": CLOSED, "RECEIVE_RESET": CLOSED},
    REMOTE: {"SEND_END": CLOSED, "RECEIVE_END": FORBIDDEN, "SEND_RESET": CLOSED, "RECEIVE_RESET": CLOSED},
    CLOSED: {
        "SEND_END": FORBIDDEN,
        "RECEIVE_END": FORBIDDEN,
        "SEND_RESET": FORBIDDEN,
        "RECEIVE_RESET": FORBIDDEN,
    },
}


def test_the_table_of_this_test_names_every_state_and_event() -> None:
    assert set(EXPECTED) == set(StreamState)
    assert all(set(row) == {event.name for event in StreamEvent} for row in EXPECTED.values())


@pytest.mark.parametrize(
    ("state", "event"), list(product(StreamState, StreamEvent)), ids=lambda one: one.name
)
def test_an_event_leads_where_the_table_says_or_nowhere(state: StreamState, event: StreamEvent) -> None:
    assert next_state(state, event) is EXPECTED[state][event.name]


@pytest.mark.parametrize(
    ("state", "may_send", "may_receive"),
    [(OPEN, True, True), (LOCAL, False, True), (REMOTE, True, False), (CLOSED, False, False)],
    ids=lambda one: getattr(one, "name", str(one)),
)
def test_each_direction_is_open_until_its_sender_ends_it(
    state: StreamState, may_send: bool, may_receive: bool
) -> None:
    assert state.may_send is may_send
    assert state.may_receive is may_receive


@pytest.mark.parametrize("state", StreamState, ids=lambda state: state.name)
def test_a_direction_may_end_exactly_while_it_is_open(state: StreamState) -> None:
    assert (next_state(state, StreamEvent.SEND_END) is not None) is state.may_send
    assert (next_state(state, StreamEvent.RECEIVE_END) is not None) is state.may_receive
