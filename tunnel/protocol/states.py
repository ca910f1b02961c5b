"""The life of a stream, as one table.

A stream is opened by the exit node and has two directions.  Each direction ends by an END frame of its
sender (half-close); RESET ends both at once.  Every change of a stream's state goes through
:func:`next_state`; what the table does not list is forbidden.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

__all__ = [
    "CLOSED",
    "OPEN",
    "RECEIVE_END",
    "RECEIVE_RESET",
    "SEND_END",
    "SEND_RESET",
    "StreamEvent",
    "StreamState",
    "next_state",
]


class StreamState(IntEnum):
    """Which directions of a stream are open.  (Numbers, and not names alone: they are rows of the table.)"""

    may_send: bool  # whether we may still send DATA or END
    may_receive: bool  # whether the peer may

    def __new__(cls, value: int, may_send: bool, may_receive: bool) -> Self:
        """Make a member from its number and its two directions."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.may_send = may_send
        member.may_receive = may_receive
        return member

    OPEN = 0, True, True
    HALF_CLOSED_LOCAL = 1, False, True  # we ended ours
    HALF_CLOSED_REMOTE = 2, True, False  # the peer ended theirs
    CLOSED = 3, False, False


class StreamEvent(IntEnum):
    """What moves a stream from one state to the next: the table's columns."""

    SEND_END = 0
    RECEIVE_END = 1
    SEND_RESET = 2
    RECEIVE_RESET = 3


# A name in a module is found ten times as fast as a member on its class (Python 3.11).
OPEN, _LOCAL, _REMOTE, CLOSED = StreamState
SEND_END, RECEIVE_END, SEND_RESET, RECEIVE_RESET = StreamEvent

_TABLE: tuple[tuple[StreamState | None, ...], ...] = (
    #  SEND_END, RECEIVE_END, SEND_RESET, RECEIVE_RESET
    (_LOCAL, _REMOTE, CLOSED, CLOSED),  # OPEN
    (None, CLOSED, CLOSED, CLOSED),  # HALF_CLOSED_LOCAL
    (CLOSED, None, CLOSED, CLOSED),  # HALF_CLOSED_REMOTE
    (None, None, None, None),  # CLOSED
)


def next_state(state: StreamState, event: StreamEvent) -> StreamState | None:
    """Return the state after ``event``, or None where ``event`` is forbidden in ``state``."""
    return _TABLE[state][event]
