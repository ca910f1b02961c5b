"""What the windows of all sessions of a process may hold together, in bytes.

Every window is counted whole from the moment its stream opens, since its peer may fill it at any time; what
is promised never exceeds the budget, so what is held cannot either.  Half of it is for initial windows, so
that there is one for who comes next.  In the other half no window may be larger than a quarter of what is
free there (the dynamic threshold of Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory
packet switches", 1998): those that stall leave room for those that move, however many stall, and one that
reads on gives back what has become too much.
"""

from __future__ import annotations

from typing import Final

__all__ = ["INITIAL_WINDOW_BYTES", "MIN_MEMORY_BYTES", "MemoryBudget"]

INITIAL_WINDOW_BYTES: Final = 64 * 1024

_STREAMS: Final = 2048
"""Streams for which there is room at once, each with its initial window.  Half of them, as many as one
session opens, have it whatever the others do."""

_MIN_INITIAL_WINDOW_BYTES: Final = 4 * 1024

MIN_MEMORY_BYTES: Final = _STREAMS * _MIN_INITIAL_WINDOW_BYTES

_SHARE: Final = 4


class MemoryBudget:
    """A budget of ``limit_bytes``, which are at least ``MIN_MEMORY_BYTES``."""

    __slots__ = ("free_bytes", "initial_window_bytes", "limit_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = self.free_bytes = limit_bytes
        self.initial_window_bytes = min(INITIAL_WINDOW_BYTES, limit_bytes // _STREAMS)

    @property
    def largest_window_bytes(self) -> int:
        """How large a window may be at present."""
        return max(0, self.free_bytes - self.limit_bytes // 2) // _SHARE

    def take(self, size: int) -> None:
        """Count ``size`` bytes."""
        self.free_bytes -= size

    def give_back(self, size: int) -> None:
        """Count them no more."""
        self.free_bytes += size
