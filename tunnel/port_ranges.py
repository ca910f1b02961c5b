"""Sets of TCP ports, written as people write them: ``5432,6000-6010``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["EVERY_PORT", "NO_PORT", "PortRanges", "parse_port_ranges"]

_MAX_PORT = 65535
_RANGE = re.compile(r"([0-9]{1,5})(?: *- *([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class PortRanges:
    """A set of ports, as ranges with both ends in it, in the order in which they were given."""

    ranges: tuple[tuple[int, int], ...] = ()

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and any(low <= port <= high for low, high in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __str__(self) -> str:
        return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in self.ranges)


NO_PORT = PortRanges()
EVERY_PORT = PortRanges(((1, _MAX_PORT),))


def parse_port_ranges(parts: Iterable[str]) -> PortRanges:
    """Return the set that ``5432`` and ``6000-6010`` stand for; each part may be several, by commas.

    Raises:
        ValueError: a part is neither a port nor a range of them; its text (Spanish) says which.
    """
    ranges = []
    for part in (piece.strip() for text in parts for piece in text.split(",")):
        match = _RANGE.fullmatch(part)
        low = int(match[1]) if match else 0
        high = int(match[2] or low) if match else 0
        if not 1 <= low <= high <= _MAX_PORT:
            raise ValueError(
                f"«{part}» no es un puerto ni un rango de puertos (de 1 a {_MAX_PORT}). "
                "Ejemplo: 5432,6000-6010"
            )
        ranges.append((low, high))
    return PortRanges(tuple(ranges))
