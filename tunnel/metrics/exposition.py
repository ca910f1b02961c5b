"""A status as Prometheus reads it: in its text format, or in OpenMetrics where it asks for that.

Counters and gauges are made anew for each answer from a status, so that nothing is counted twice and a label
that is gone is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from tunnel.http.error_pages import FAULTS
from tunnel.metrics.model import BUCKETS_S, AgentStatus, MemoryStatus, NameStatus, ServerStatus, TotalsStatus

__all__ = ["expose"]

_ONE_TOKEN = "*"  # noqa: S105 - the label of the only token of an exit node that has no file of them


def expose(status: ServerStatus | AgentStatus, accept: str) -> tuple[str, str]:
    """Return the content type and the text for an Accept field."""
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(_Families(_server(status) if isinstance(status, ServerStatus) else _agent(status)))
    if not isinstance(status, ServerStatus) or status.sees_all:
        ProcessCollector(registry=registry)
    return content_type, encode(registry).decode()


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _server(status: ServerStatus) -> Iterator[Metric]:
    yield from _both(status.version, status.uptime_s, status.memory)
    yield _gauge("draining", "Whether the exit node takes nothing new.", int(status.is_draining))
    if status.visitors is not None:
        yield _gauge("visitors", "Connections of visitors.", status.visitors)
    if status.max_clients is not None:
        yield _gauge("clients_limit", "Clients that the exit node takes.", status.max_clients)
    yield from _requests(status.names)
    yield from _links(status.totals)


def _links(totals: Iterable[TotalsStatus]) -> Iterator[Metric]:
    by_client = ("client",)
    streams = GaugeMetricFamily("tunelab_streams", "Requests and connections under way.", labels=by_client)
    window = GaugeMetricFamily(
        "tunelab_link_window_growth_bytes",
        "What the windows of a client's streams hold above their initial size.",
        labels=by_client,
    )
    trip = GaugeMetricFamily(
        "tunelab_link_round_trip_seconds", "Round trip of the link, a client's longest.", labels=by_client
    )
    current = GaugeMetricFamily("tunelab_links", "Links that are open.", labels=by_client)
    opened = CounterMetricFamily("tunelab_links_opened", "Links that there were.", labels=by_client)
    closed = CounterMetricFamily(
        "tunelab_links_closed", "Links that ended, by why.", labels=("client", "reason")
    )
    received = CounterMetricFamily(
        "tunelab_link_received_bytes", "Bytes of links, from a client.", labels=by_client
    )
    sent = CounterMetricFamily("tunelab_link_sent_bytes", "Bytes of links, to a client.", labels=by_client)
    for one in totals:
        name = [one.client or _ONE_TOKEN]
        streams.add_metric(name, one.streams)
        window.add_metric(name, one.window_growth_bytes)
        if one.round_trip_ms is not None:
            trip.add_metric(name, one.round_trip_ms / 1000)
        current.add_metric(name, one.links)
        opened.add_metric(name, one.links_opened)
        received.add_metric(name, one.received_bytes)
        sent.add_metric(name, one.sent_bytes)
        for reason, count in sorted(one.links_closed.items()):
            closed.add_metric([*name, reason], count)
    yield from (streams, window, trip, current, opened, closed, received, sent)


def _requests(names: Iterable[NameStatus]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "tunelab_requests", "Requests that a client answered, by class of status.", labels=("name", "class")
    )
    faults = CounterMetricFamily(
        "tunelab_faults",
        "Requests that the exit node answered with an error of its own.",
        labels=("name", "class", "code"),
    )
    durations = HistogramMetricFamily(
        "tunelab_request_duration_seconds",
        "From the head of a request to the head of a client's answer.",
        labels=("name",),
    )
    bounds = [*map(str, BUCKETS_S), "+Inf"]
    for name in names:
        for kind in ("2xx", "3xx", "4xx", "5xx"):  # there from the start, so that rates begin at 0
            requests.add_metric([name.name, kind], name.requests.get(kind, 0))
        for kind in sorted(name.requests.keys() - {"2xx", "3xx", "4xx", "5xx"}):
            requests.add_metric([name.name, kind], name.requests[kind])
        for code, count in sorted(name.faults.items()):
            fault = FAULTS.get(code)
            faults.add_metric([name.name, "?" if fault is None else f"{fault.status // 100}xx", code], count)
        buckets = list(zip(bounds, map(float, accumulate(name.duration_counts)), strict=True))
        durations.add_metric([name.name], buckets, name.duration_sum_s)
    yield from (requests, faults, durations)


def _agent(status: AgentStatus) -> Iterator[Metric]:
    yield from _both(status.version, status.uptime_s, status.memory)
    where = ("exit_node",)
    up = GaugeMetricFamily("tunelab_agent_link_up", "Whether the link is open.", labels=where)
    connects = CounterMetricFamily("tunelab_agent_connects", "Links that there were.", labels=where)
    disconnects = CounterMetricFamily(
        "tunelab_agent_disconnects",
        "Links that ended and attempts that failed, by why.",
        labels=("exit_node", "reason"),
    )
    streams = GaugeMetricFamily("tunelab_agent_streams", "Requests and connections under way.", labels=where)
    opened = CounterMetricFamily(
        "tunelab_agent_streams_opened", "Requests and connections that there were.", labels=where
    )
    received = CounterMetricFamily(
        "tunelab_agent_received_bytes", "Bytes of links, from an exit node.", labels=where
    )
    sent = CounterMetricFamily("tunelab_agent_sent_bytes", "Bytes of links, to an exit node.", labels=where)
    trip = GaugeMetricFamily("tunelab_agent_link_round_trip_seconds", "Round trip of the link.", labels=where)
    window = GaugeMetricFamily(
        "tunelab_agent_link_window_growth_bytes",
        "What the windows of the streams hold above their initial size.",
        labels=where,
    )
    for node in status.exit_nodes:
        name = [node.url]
        up.add_metric(name, int(node.is_up))
        connects.add_metric(name, node.connects)
        streams.add_metric(name, node.streams)
        opened.add_metric(name, node.streams_opened)
        received.add_metric(name, node.received_bytes)
        sent.add_metric(name, node.sent_bytes)
        window.add_metric(name, node.window_growth_bytes)
        if node.is_up:
            trip.add_metric(name, node.round_trip_ms / 1000)
        for reason, count in sorted(node.disconnects.items()):
            disconnects.add_metric([node.url, reason], count)
    yield from (up, connects, disconnects, streams, opened, received, sent, trip, window)


def _both(version: str, uptime_s: float, memory: MemoryStatus | None) -> Iterator[Metric]:
    info = GaugeMetricFamily("tunelab_build_info", "The program's version.", labels=("version",))
    info.add_metric([version], 1)
    yield info
    yield _gauge("uptime_seconds", "How long it has been running.", uptime_s)
    if memory is not None:
        yield _gauge("memory_limit_bytes", "What all windows together may hold.", memory.limit_bytes)
        yield _gauge("memory_free_bytes", "What is left of it.", memory.free_bytes)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"tunelab_{name}", documentation, value=value)
