"""No request ever reaches the service twice, and none is lost that need not be."""

from __future__ import annotations

import threading

import pytest
from support.load import Load
from support.tunnel_kit import Starter
from support.wire import Wire, eventually, response

QUICK_PINGS = "--ping-interval=0.5"


def test_no_request_arrives_twice_when_the_link_is_cut_under_load(start: Starter) -> None:
    backend, server = start.backend(), start.server(QUICK_PINGS)
    relay = start.relay(server.control_port)
    client = start.connected_client(relay, backend)
    load, pace = Load(backend, server.port), threading.Event()
    with load.running():
        for times in range(1, 7):
            client.wait_until_connected(times)
            # After a link that lasted, the client dials again at once; only then do requests flow.
            pace.wait(1.1 + 0.01 * times)
            relay.cut()
        client.wait_until_connected(7)
    load.check()
    assert load.count("link-lost") > 6, "the cuts found hardly a request under way"


def test_no_request_arrives_twice_when_the_link_falls_silent_under_load(start: Starter) -> None:
    """The requests on the dead link are given up, and may have arrived or not: they are not repeated."""
    backend, server = start.backend(), start.server("--ping-interval=0.3")
    relay = start.relay(server.control_port)
    client = start.connected_client(relay, backend)
    load, pace = Load(backend, server.port), threading.Event()
    with load.running():
        for times in range(1, 4):
            client.wait_until_connected(times)
            pace.wait(1.1 + 0.01 * times)
            relay.mute()
        client.wait_until_connected(4)
    load.check()


def test_no_request_arrives_twice_when_the_client_is_killed_under_load(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    load, pace = Load(backend, server.port), threading.Event()
    client = start.connected_client(server, backend)
    with load.running():
        for times in range(1, 6):
            pace.wait(0.3 + 0.01 * times)
            client.kill()
            client = start.connected_client(server, backend)
        pace.wait(0.3)
    load.check()


def test_no_request_arrives_twice_when_the_server_is_killed_under_load(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    load, pace = Load(backend, server.port), threading.Event()
    client = start.connected_client(server, backend)
    with load.running():
        for times in range(1, 4):
            pace.wait(1.1 + 0.01 * times)
            server.kill()
            server = start.server(port=server.port, control_port=server.control_port)
            client.wait_until_connected(times + 1)
        pace.wait(0.3)
    load.check()


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_service_that_closes_kept_connections_without_a_word_loses_no_request(
    start: Starter, after: int
) -> None:
    """It says no Connection: close.  A request on such a connection is lost, and may not be repeated."""
    backend, server = start.backend(), start.server()
    start.connected_client(server, backend)
    load = Load(backend, server.port)

    def play(wire: Wire) -> None:
        for _ in range(after):
            asked = wire.read_request()
            load.note(asked.target)
            wire.send(response(200, b"si"))

    backend.play(play)
    with server.visit() as wire:
        for number in range(1, 151):
            assert wire.ask("POST", f"/{number}", content=b"x").status == 200
            if number % after == 0:  # wait for what the service does next: it closes
                eventually(lambda: not backend.open_connections, "it closed")
    assert len(load.arrivals) == 150
    assert set(load.arrivals.values()) == {1}


def test_an_idle_connection_that_the_service_closes_costs_nothing(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    start.connected_client(server, backend)
    with server.visit() as wire:
        for _ in range(20):
            assert wire.ask("POST", content=b"x").content == b"hola"
            backend.hang_up()
