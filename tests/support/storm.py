"""Bad weather for a link: what a relay does to each connection, drawn from a seed.

    delay      pieces arrive late, each by another time
    throttle   a few hundred kilobytes a second
    drop       both sides see an end in order, in mid-frame
    reset      both sides see a reset, in mid-frame
    truncate   one direction ends in mid-frame, the other goes on
    half_open  nothing passes any more, and nobody is told
    corrupt    one bit is another one, once

Each begins after a number of bytes of its own: some in the handshake, some megabytes later.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["Fault", "FaultKind", "Storm"]

#: Where faults begin, in bytes of one direction: from a handshake's first ones to a megabyte later.
MIN_AFTER_BYTES = 10
MAX_AFTER_BYTES = 1 << 20


class FaultKind(Enum):
    """What happens."""

    DELAY = "delay"
    THROTTLE = "throttle"
    DROP = "drop"
    RESET = "reset"
    TRUNCATE = "truncate"
    HALF_OPEN = "half_open"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one connection: to one direction of it, after so many bytes of that direction."""

    kind: FaultKind
    to_target: bool
    after_bytes: int
    delay_s: float = 0.0
    bytes_per_s: float = 0.0


class Storm:
    """Draws a fault for each connection, the same ones for the same seed.  ``calm`` ends it."""

    def __init__(self, seed: int, kinds: Sequence[FaultKind] = tuple(FaultKind)) -> None:
        self._draw = random.Random(seed)
        self._kinds = tuple(kinds)
        self._is_over = threading.Event()
        self.faults: list[Fault] = []

    def calm(self) -> None:
        """Leave the connections that come from now on alone."""
        self._is_over.set()

    def next_fault(self) -> Fault | None:
        """Return what is to happen to the next connection."""
        if self._is_over.is_set():
            return None
        draw = self._draw
        kind = self._kinds[len(self.faults) % len(self._kinds)]  # every kind has its turn
        size = MIN_AFTER_BYTES * (MAX_AFTER_BYTES / MIN_AFTER_BYTES) ** draw.random()
        fault = Fault(
            kind,
            to_target=draw.random() < 0.5,
            after_bytes=int(size),
            delay_s=draw.uniform(0.001, 0.03),
            bytes_per_s=draw.uniform(200e3, 800e3),
        )
        self.faults.append(fault)
        return fault
