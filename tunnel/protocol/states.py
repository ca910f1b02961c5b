"""The life of a stream, as one table.

A stream is opened by the exit node and has two directions.  Each direction ends by an END frame of its
sender (half-close); RESET ends both at once.  Every change of a stream's state goes through
:func:`next_state`; what the table does not list is forbidden.
"""

from __future__ import annotations

from enum import Enum, auto

__all__ = ["StreamEvent", "StreamState", "next_state"]


class StreamState(Enum):
    """Which directions of a stream are open."""

    OPEN = auto()
    HALF_CLOSED_LOCAL = auto()  # we ended ours
    HALF_CLOSED_REMOTE = auto()  # the peer ended theirs
    CLOSED = auto()

    @property
    def may_send(self) -> bool:
        """Whether we may still send DATA or END."""
        return self is StreamState.OPEN or self is StreamState.HALF_CLOSED_REMOTE

    @property
    def may_receive(self) -> bool:
        """Whether the peer may still send DATA or END."""
        return self is StreamState.OPEN or self is StreamState.HALF_CLOSED_LOCAL


class StreamEvent(Enum):
    """What moves a stream from one state to the next."""

    SEND_END = auto()
    RECEIVE_END = auto()
    SEND_RESET = auto()
    RECEIVE_RESET = auto()


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
