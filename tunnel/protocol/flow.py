"""Flow control by credit: the receiver of a stream says how many bytes it will take.

A sender may have at most the *window* of a stream under way: sent and not yet consumed at the far end.
The receiver hands credit back as its own far socket takes the bytes, and withholds it while that socket
is paused; so one reader that stops costs one window and stalls nobody else.

A fixed window is either too small for a long path (throughput = window / round trip) or too large to be
held for many stalled readers.  So each stream starts small.  When half of its window was consumed in less
than two round trips the window and not the path is the limit, and it grows to eight times what was consumed
in one round trip, to four times its size at the most.  A window that holds the path back is four times as
large a round trip later; one that does not stays below eight times what the path holds.

What windows have grown by, together, is capped for the session (:class:`GrowthBudget`).  The most that peers
can make one session hold is therefore

    MAX_STREAMS x INITIAL_WINDOW_BYTES + MAX_GROWTH_BYTES = 1024 x 64 KiB + 64 MiB = 128 MiB

of content, and a stream that stalls with a grown window takes nobody's initial window away.  Where content is
passed on without a copy, a piece that waits may hold what it came with, some times its size (see
:class:`tunnel.protocol.frames.FrameDecoder`).  A process may set a budget for all of its sessions beside it
(:mod:`tunnel.protocol.memory`), and then nothing is held that is not counted.
"""

from __future__ import annotations

from typing import Final

from tunnel.protocol.errors import LocalMisuse
from tunnel.protocol.memory import INITIAL_WINDOW_BYTES, MemoryBudget

__all__ = [
    "INITIAL_WINDOW_BYTES",
    "MAX_GROWTH_BYTES",
    "MAX_STREAMS",
    "MAX_WINDOW_BYTES",
    "GrowthBudget",
    "ReceiveWindow",
]

MAX_STREAMS: Final = 1024
MAX_WINDOW_BYTES: Final = 16 * 1024 * 1024  # 320 MB/s at a round trip of 50 ms
MAX_GROWTH_BYTES: Final = 64 * 1024 * 1024

_MAX_STEP: Final = 4
"""A window at its limit is a quarter of the next one: from 64 KiB to 16 MiB are four round trips."""

_MIN_ROUND_TRIP_S: Final = 0.001
"""Below this it is event loops and not the path that a round trip measures."""


class GrowthBudget:
    """What the windows of one session may grow by, in bytes, all streams together.

    Args:
        memory: what all sessions of the process share; None without a bound.
    """

    __slots__ = ("free_bytes", "memory")

    def __init__(self, free_bytes: int = MAX_GROWTH_BYTES, memory: MemoryBudget | None = None) -> None:
        self.free_bytes = free_bytes
        self.memory = memory

    def has_room_for(self, initial_bytes: int) -> bool:
        """Whether one more stream may open, with a window of ``initial_bytes``."""
        return self.memory is None or self.memory.free_bytes >= initial_bytes

    def largest_window(self) -> int:
        """Return how large a window may be at present, in bytes."""
        if self.memory is None:
            return MAX_WINDOW_BYTES
        return min(MAX_WINDOW_BYTES, self.memory.largest_window_bytes)

    def open_window(self, initial_bytes: int) -> None:
        """Count a new window."""
        if self.memory is not None:
            self.memory.take(initial_bytes)

    def close_window(self, initial_bytes: int, grown_bytes: int) -> None:
        """Count it no more."""
        self.give_back(grown_bytes)
        if self.memory is not None:
            self.memory.give_back(initial_bytes)

    def take(self, wanted_bytes: int) -> int:
        """Take up to ``wanted_bytes``; return how many were to be had."""
        taken = min(wanted_bytes, self.free_bytes)
        self.free_bytes -= taken
        if self.memory is not None:
            self.memory.take(taken)
        return taken

    def give_back(self, taken_bytes: int) -> None:
        """Return what a stream had taken."""
        self.free_bytes += taken_bytes
        if self.memory is not None:
            self.memory.give_back(taken_bytes)


class ReceiveWindow:
    """The receiver's book for one stream: what the peer may still send, what credit is due."""

    __slots__ = ("_budget", "_consumed", "_initial", "_since_s", "left", "size")

    def __init__(self, initial_bytes: int, budget: GrowthBudget, now: float) -> None:
        self.size = initial_bytes
        self.left = initial_bytes  # bytes the peer may still send
        self._initial = initial_bytes
        self._budget = budget
        self._consumed = 0  # consumed here and not yet given back as credit
        self._since_s = now
        budget.open_window(initial_bytes)

    def receive(self, size: int) -> bool:
        """Note that ``size`` bytes arrived; return False when the peer had no credit for them."""
        self.left -= size
        return self.left >= 0

    def consume(self, size: int, now: float, round_trip_s: float) -> int:
        """Note that ``size`` bytes were passed on; return the credit to send now, 0 for none yet.

        Credit is collected until it is half a window: one CREDIT frame then serves many DATA frames.  While
        a window is larger than there is memory for, it is granted less than was consumed, or nothing.

        Raises:
            LocalMisuse: more was passed on than had arrived.
        """
        self._consumed += size
        if self.left + self._consumed > self.size:
            raise LocalMisuse("more bytes were consumed than received")
        if self._consumed * 2 < self.size:
            return 0
        credit, self._consumed = self._consumed, 0
        largest = max(self._budget.largest_window(), self._initial)
        took_s = now - self._since_s
        round_trip_s = max(round_trip_s, _MIN_ROUND_TRIP_S)
        if self.size > largest:  # others came meanwhile: what is not granted again is theirs
            surplus = min(self.size - largest, credit)
            self._budget.give_back(surplus)
            self.size -= surplus
            credit -= surplus
        elif took_s < 2 * round_trip_s and self.size < largest:
            wanted = 8 * credit * round_trip_s / took_s if took_s > 0 else MAX_WINDOW_BYTES
            size = int(min(wanted, _MAX_STEP * self.size, largest))
            growth = self._budget.take(size - self.size)
            self.size += growth
            credit += growth
        self._since_s = now
        self.left += credit
        return credit

    def close(self) -> None:
        """Return to the budgets what the window had of them.  Called once."""
        self._budget.close_window(self._initial, self.size - self._initial)
        self.size = self._initial
