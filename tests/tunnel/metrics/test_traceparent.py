"""W3C Trace Context: the tunnel takes no part in a trace, and stands in the way of none."""

from __future__ import annotations

import pytest
from support.tunnel_kit import Starter

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # the example of W3C Trace Context, section 3.2.3
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.mark.parametrize("options", [(), ("--metrics=0", "--log-requests")])
def test_a_traceparent_and_its_tracestate_reach_the_service_as_they_are(
    start: Starter, options: tuple[str, ...]
) -> None:
    server, backend = start.server(*options), start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        wire.ask(
            "GET", "/", f"traceparent: {PARENT}", "tracestate: congo=t61rcWkgMzE", "tracestate: rojo=00f067"
        )
    fields = backend.requests[0].fields
    assert fields.all("traceparent") == [PARENT]
    assert fields.all("tracestate") == ["congo=t61rcWkgMzE", "rojo=00f067"]
    if options:
        assert server.wait_for("request")["trace"] == TRACE


@pytest.mark.parametrize("options", [(), ("--metrics=0", "--log-requests")])
def test_none_is_made_up_where_there_is_none(start: Starter, options: tuple[str, ...]) -> None:
    server, backend = start.server(*options), start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        wire.ask()
        wire.ask("GET", "/", "traceparent: esto no lo es")
    first, second = backend.requests
    assert first.fields.all("traceparent") + first.fields.all("tracestate") == []
    assert second.fields.all("traceparent") == ["esto no lo es"]  # judged by who takes part in it
