"""Where connections come from, and how much comes from there."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, ip_address

__all__ = ["SourceCount", "SourceRate", "source_of"]

_BURST_S = 5.0
_MAX_SOURCES = 10_000


def source_of(address: str) -> str:
    """Return the source that an address, without a port or zone, belongs to.

    An IPv6 address stands for its /64: that is what one subscriber gets (RFC 6177), and whoever has it has
    18 trillion million addresses to come from.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> 64 << 64))


class SourceCount:
    """How many connections each source has."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, source: str) -> int:
        """Count one more; return how many there are now."""
        self._counts[source] += 1
        return self._counts[source]

    def remove(self, source: str) -> None:
        """Count one less."""
        left = self._counts[source] - 1
        if left > 0:
            self._counts[source] = left
        else:
            del self._counts[source]


class SourceRate:
    """Lets a source do something so many times a second on average, and ``burst`` times at once.

    A bucket for each source: it holds what may be done at once, and fills again with time.  Sources whose
    bucket is full again are forgotten; past ten thousand of them so is the one that waited longest.

    Args:
        burst: five seconds' worth where it is not given.
    """

    __slots__ = ("_buckets", "_burst", "_rate")

    def __init__(self, per_s: float, burst: float = 0.0) -> None:
        self._rate = per_s
        self._burst = max(burst or per_s * _BURST_S, 1.0)
        self._buckets: dict[str, tuple[float, float]] = {}  # what is left, and when; the oldest first

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, source: str, now: float) -> bool:
        """Whether ``source`` may do it now; if so it has."""
        left, then = self._buckets.pop(source, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        is_allowed = left >= 1.0
        self._buckets[source] = (left - 1.0 if is_allowed else left, now)
        self._forget(now)
        return is_allowed

    def give_back(self, source: str) -> None:
        """What was taken last does not count after all."""
        found = self._buckets.get(source)
        if found is not None:
            self._buckets[source] = (min(self._burst, found[0] + 1.0), found[1])

    def wait_s(self, source: str, now: float) -> float:
        """How long until ``source`` may do it again, in seconds; 0.0: now."""
        left, then = self._buckets.get(source, (self._burst, now))
        return max(0.0, (1.0 - left) / self._rate - (now - then))

    def _forget(self, now: float) -> None:
        # Full again, or too many: in either case the oldest are first.
        while len(self._buckets) > 1:
            oldest = next(iter(self._buckets))
            left, then = self._buckets[oldest]
            if left + (now - then) * self._rate < self._burst and len(self._buckets) <= _MAX_SOURCES:
                return
            del self._buckets[oldest]
