"""A token bucket: so many bytes a second, with a short burst, shared fairly by all flows that want some.

A piece is passed on whole while anything is left, which may leave a debt; the next one waits until it is
paid.  So pieces of any size pass, and over time no more than the rate.  Flows that wait take turns, one piece
each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

__all__ = ["Flow", "TokenBucket"]

_BURST_S = 0.1
_MIN_BURST_BYTES = 64 * 1024  # one DATA frame
_MIN_WAIT_S = 0.002  # below this it is the event loop's own grain


class TokenBucket:
    """Bytes that may pass, which grow with time."""

    def __init__(self, bytes_per_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Flow] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._since_s = loop.time()
        self.set_rate(bytes_per_s)
        self._left = self._burst

    def set_rate(self, bytes_per_s: float) -> None:
        """Change the rate from now on."""
        self._rate = bytes_per_s
        self._burst = max(bytes_per_s * _BURST_S, _MIN_BURST_BYTES)

    def take(self, size: int) -> bool:
        """Take ``size`` bytes; return False when their flow has to wait for its turn."""
        if self._waiting:
            return False
        self._refill()
        if self._left <= 0:
            return False
        self._left -= size
        return True

    def wait(self, flow: Flow) -> None:
        """Let ``flow`` go on when its turn comes."""
        self._waiting.append(flow)
        self._schedule()

    def _refill(self) -> None:
        now = self._loop.time()
        self._left = min(self._left + (now - self._since_s) * self._rate, self._burst)
        self._since_s = now

    def _schedule(self) -> None:
        if self._timer is None:
            delay = max(-self._left / self._rate, _MIN_WAIT_S)
            self._timer = self._loop.call_later(delay, self._run)

    def _run(self) -> None:
        self._timer = None
        self._refill()
        waiting = self._waiting
        while waiting and self._left > 0:
            flow = waiting.popleft()
            size = flow.next_size
            if size:
                self._left -= size
                if flow.holds_more_than_one:
                    waiting.append(flow)
                flow.go_on()
        if waiting:
            self._schedule()


class Flow:
    """One direction of one stream: passes pieces on as they come, or holds them for their turn.

    Args:
        pass_on: given a piece whose turn has come.
        end: called when the direction has ended and nothing is held any more.
        on_room: called when nothing is held any more and more may come.
    """

    __slots__ = ("_bucket", "_end", "_held", "_is_ended", "_on_room", "_pass_on")

    def __init__(
        self,
        bucket: TokenBucket,
        pass_on: Callable[[bytes], object],
        end: Callable[[], None],
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._bucket = bucket
        self._pass_on = pass_on
        self._end = end
        self._on_room = on_room
        self._held: deque[bytes] = deque()
        self._is_ended = False

    @property
    def is_holding(self) -> bool:
        """Whether anything waits here."""
        return bool(self._held)

    @property
    def holds_more_than_one(self) -> bool:
        """Whether a piece is left after the next."""
        return len(self._held) > 1

    @property
    def next_size(self) -> int:
        """The size of the next piece in bytes; 0 where there is none, after ``drop``."""
        return len(self._held[0]) if self._held else 0

    def push(self, data: bytes) -> bool:
        """Pass ``data`` on or hold it; return whether it was passed on."""
        if not self._held and self._bucket.take(len(data)):
            self._pass_on(data)
            return True
        self._held.append(data)
        if len(self._held) == 1:
            self._bucket.wait(self)
        return False

    def end(self) -> None:
        """Nothing more comes."""
        if self._held:
            self._is_ended = True
        else:
            self._end()

    def drop(self) -> None:
        """Forget what is held."""
        self._held.clear()
        self._is_ended = False

    def go_on(self) -> None:
        """Called by the bucket: pass the next piece on."""
        self._pass_on(self._held.popleft())
        if not self._held:
            if self._is_ended:
                self._is_ended = False
                self._end()
            else:
                self._on_room()
