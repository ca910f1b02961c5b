"""A status: what there is to see of a server or a client at one moment.  ``/status`` has the same fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "BUCKETS_S",
    "OTHERS",
    "AgentStatus",
    "ExitNodeStatus",
    "LinkStatus",
    "MemoryStatus",
    "NameStatus",
    "ServerStatus",
    "TotalsStatus",
    "quantile_s",
]

OTHERS = "otros"
"""The label of all that came after the last label there was room for."""

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the durations' buckets, in seconds; one more has no bound."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One link that is open."""

    session: str
    client: str  # the label of its token
    peer: str
    names: tuple[str, ...]
    ports: tuple[int, ...]
    agent: str
    streams: int
    max_streams: int
    received_bytes: int
    sent_bytes: int
    round_trip_ms: float  # as measured last
    window_growth_bytes: int  # what its streams' windows hold above their initial size


@dataclass(frozen=True, slots=True)
class TotalsStatus:
    """All the links there were with one token."""

    client: str
    links: int  # that are open
    links_opened: int
    links_closed: Mapping[str, int]  # by reason
    received_bytes: int
    sent_bytes: int
    streams: int  # that are open
    round_trip_ms: float | None  # the longest; None without a link
    window_growth_bytes: int


@dataclass(frozen=True, slots=True)
class NameStatus:
    """The requests for one name."""

    name: str
    requests: Mapping[str, int]  # that a client answered, by class: "2xx"
    faults: Mapping[str, int]  # that the exit node answered itself, by the error's code
    duration_counts: tuple[int, ...]  # by bucket; not cumulative
    duration_sum_s: float

    @property
    def answered(self) -> int:
        """How many a client answered."""
        return sum(self.requests.values())


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """The budget of ``--memory-limit``."""

    limit_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """An exit node, as far as who asks may see it."""

    role: str
    version: str
    uptime_s: float
    sees_all: bool
    is_draining: bool
    visitors: int | None  # connections; None for who does not see all, as below
    max_clients: int | None
    memory: MemoryStatus | None
    links: tuple[LinkStatus, ...]
    links_left_out: int
    totals: tuple[TotalsStatus, ...]
    names: tuple[NameStatus, ...]


@dataclass(frozen=True, slots=True)
class ExitNodeStatus:
    """An exit node that a client dials."""

    url: str
    is_up: bool
    session: str
    public_urls: tuple[str, ...]
    upstreams: tuple[str, ...]
    tcp: tuple[tuple[int, str], ...]
    connects: int
    disconnects: Mapping[str, int]  # by reason; attempts that failed too
    last_reason: str  # of being without a link
    last_detail: str
    streams: int
    streams_opened: int
    received_bytes: int
    sent_bytes: int
    round_trip_ms: float
    window_growth_bytes: int


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """A client and its exit nodes."""

    role: str
    version: str
    uptime_s: float
    memory: MemoryStatus | None
    exit_nodes: tuple[ExitNodeStatus, ...]


def quantile_s(counts: Sequence[int], quantile: float) -> float | None:
    """Return an estimate of a quantile of durations from the counts of their buckets, in seconds.

    As Prometheus's ``histogram_quantile`` does: linear within a bucket; the last bound where it is beyond all
    of them; None without a duration.
    """
    total = sum(counts)
    if not total:
        return None
    rank, seen, lower_s = quantile * total, 0, 0.0
    for count, upper_s in zip(counts, BUCKETS_S, strict=False):
        if count and seen + count >= rank:
            return lower_s + (upper_s - lower_s) * (rank - seen) / count
        seen += count
        lower_s = upper_s
    return BUCKETS_S[-1]
