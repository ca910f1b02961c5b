"""What must be counted as it happens.  Labels are bounded: past ``MAX_LABELS``, all go to ``otros``."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tunnel.access.patterns import patterns_for
from tunnel.metrics.model import BUCKETS_S, OTHERS, NameStatus
from tunnel.protocol.session import Session

__all__ = ["MAX_LABELS", "LinkBook", "RequestBook"]

MAX_LABELS = 100
"""Of names, and of clients.  So many of both are 170 kB of /metrics, and (measured) 16 ms of work for each
reading, in the thread that serves visitors."""

_CLASSES = {hundreds: f"{hundreds}xx" for hundreds in range(1, 6)}


@dataclass(slots=True)
class _Name:
    requests: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    duration_counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    duration_sum_s: float = 0.0


class RequestBook:
    """Requests by name: the name as a client claimed it, never what a visitor wrote."""

    def __init__(self, max_labels: int = MAX_LABELS) -> None:
        self._max_labels = max_labels
        self._names: dict[str, _Name] = {}

    def expect(self, names: Iterable[str]) -> None:
        """Count the requests for ``names`` from now on, each by itself while there is room."""
        for name in names:
            if name not in self._names and len(self._names) < self._max_labels:
                self._names[name] = _Name()

    def answered(self, host: str, status: int, seconds: float) -> None:
        """A client answered a request for ``host`` (normalized)."""
        name = self._find(host)
        name.requests[_CLASSES.get(status // 100, "?")] += 1
        name.duration_counts[bisect_left(BUCKETS_S, seconds)] += 1
        name.duration_sum_s += seconds

    def failed(self, host: str, code: str) -> None:
        """The exit node answered a request for ``host`` itself."""
        self._find(host).faults[code] += 1

    def read(self) -> tuple[NameStatus, ...]:
        """Return what was counted, by name."""
        return tuple(
            NameStatus(
                label,
                dict(name.requests),
                dict(name.faults),
                tuple(name.duration_counts),
                name.duration_sum_s,
            )
            for label, name in sorted(self._names.items())
        )

    def _find(self, host: str) -> _Name:
        known = self._names
        for pattern in patterns_for(host):
            if pattern in known:
                return known[pattern]
        name = known.get(OTHERS)
        if name is None:
            name = known[OTHERS] = _Name()
        return name


@dataclass(slots=True)
class _Links:
    opened: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    received_bytes: int = 0  # of those that are closed, as below
    sent_bytes: int = 0


class LinkBook:
    """Links that came and went, by the label of their token, or by what else tells them apart."""

    def __init__(self, max_labels: int = MAX_LABELS) -> None:
        self._max_labels = max_labels
        self._links: dict[str, _Links] = {}

    def label(self, wanted: str) -> str:
        """Return the label that ``wanted`` is counted under."""
        if wanted in self._links or len(self._links) < self._max_labels:
            return wanted
        return OTHERS

    def opened(self, label: str) -> None:
        """A link came."""
        self._find(label).opened += 1

    def closed(self, label: str, reason: str, session: Session | None) -> None:
        """A link went, and with it what its session counted."""
        links = self._find(label)
        links.closed[reason] += 1
        if session is not None:
            links.received_bytes += session.received_bytes
            links.sent_bytes += session.sent_bytes

    def read(self, label: str) -> _Links:
        """Return what was counted under a label."""
        return self._find(label)

    def labels(self) -> tuple[str, ...]:
        """Return every label there is."""
        return tuple(sorted(self._links))

    def _find(self, label: str) -> _Links:
        return self._links.setdefault(self.label(label), _Links())
