"""The life of a stream, as one table.

A stream is opened by the exit node and has two directions.  Each direction ends by an END frame of its
sender (half-close); RESET ends both at once.  Every change of a stream's state goes through
:func:`next_state`; what the table does not list is forbidden.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

__all__ = ["StreamEvent", "StreamState", "next_state"]


class StreamState(IntEnum):
    """Which directions of a stream are open.  (An IntEnum, because a plain one hashes ten times slower.)"""

    may_send: bool  # whether we may still send DATA or END
    may_receive: bool  # whether the peer may

    def __new__(cls, value: int, may_send: bool, may_receive: bool) -> Self:
        """Make a member from its number and its two directions."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.may_send = may_send
        member.may_receive = may_receive
        return member

    OPEN = 1, True, True
    HALF_CLOSED_LOCAL = 2, False, True  # we ended ours
    HALF_CLOSED_REMOTE = 3, True, False  # the peer ended theirs
    CLOSED = 4, False, False


class StreamEvent(IntEnum):
    """What moves a stream from one state to the next."""

    SEND_END = 1
    RECEIVE_END = 2
    SEND_RESET = 3
    RECEIVE_RESET = 4


_OPEN, _LOCAL, _REMOTE, _CLOSED = StreamState

_TABLE: dict[tuple[StreamState, StreamEvent], StreamState] = {
    (_OPEN, StreamEvent.SEND_END): _LOCAL,
    (_OPEN, StreamEvent.RECEIVE_END): _REMOTE,
    (_OPEN, StreamEvent.SEND_RESET): _CLOSED,
    (_OPEN, StreamEvent.RECEIVE_RESET): _CLOSED,
    (_LOCAL, StreamEvent.RECEIVE_END): _CLOSED,
    (_LOCAL, StreamEvent.SEND_RESET): _CLOSED,
    (_LOCAL, StreamEvent.RECEIVE_RESET): _CLOSED,
    (_REMOTE, StreamEvent.SEND_END): _CLOSED,
    (_REMOTE, StreamEvent.SEND_RESET): _CLOSED,
    (_REMOTE, StreamEvent.RECEIVE_RESET): _CLOSED,
}


def next_state(state: StreamState, event: StreamEvent) -> StreamState | None:
    """Return the state after ``event``, or None where ``event`` is forbidden in ``state``."""
    return _TABLE.get((state, event))
