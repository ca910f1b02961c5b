"""``--log-requests``: that a request passed, and nothing of what it said."""

from __future__ import annotations

import pytest
from support.tunnel_kit import Starter
from support.wire import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # the example of W3C Trace Context, section 3.2.3
PARENT = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01"


def test_a_request_that_passed_is_told_with_its_trace_and_nothing_else(start: Starter) -> None:
    server, backend = start.server("--log-requests"), start.backend()
    client = start.connected_client(server, backend)
    with server.visit() as wire:
        wire.ask("POST", "/secreto?clave=1", PARENT, "Authorization: Bearer oculto", content=b"contenido")
    event = server.wait_for("request")
    assert event == {"event": "request", "session": client.wait_for("connected")["session"],
                     "status": 200, "trace": TRACE}  # fmt: skip
    assert backend.requests[0].fields.all("traceparent") == [PARENT.partition(": ")[2]]
    for secret in ("secreto", "clave", "oculto", "contenido"):
        assert secret not in server.out + server.err


@pytest.mark.parametrize("line", ["X-A: b", "traceparent: 00-xyz-1-01", f"traceparent: {TRACE}"])
def test_a_request_without_a_good_traceparent_has_no_trace(start: Starter, line: str) -> None:
    server = start.server("--log-requests")
    start.connected_client(server, start.backend())
    with server.visit() as wire:
        wire.ask("GET", "/", line)
    assert server.wait_for("request")["trace"] == ""


def test_what_no_client_answered_did_not_pass(start: Starter) -> None:
    server = start.server("--log-requests")
    with server.visit() as wire:
        assert wire.ask().status == 503
    start.connected_client(server, start.backend())
    with server.visit() as wire:
        assert wire.ask().status == 200
    eventually(lambda: server.count("request") == 1, "the one that passed")


def test_nothing_is_told_unless_it_is_asked_for(start: Starter) -> None:
    server = start.server()
    start.connected_client(server, start.backend())
    with server.visit() as wire:
        wire.ask("GET", "/", PARENT)
        wire.ask("GET", "/", PARENT)
    assert server.count("request") == 0
