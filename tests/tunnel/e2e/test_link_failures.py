"""The link dies in every way a link dies, and the tunnel heals; what was under way fails visibly."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.backend import Backend
from support.raw_agent import RawAgent
from support.relay import Relay
from support.tunnel_kit import Starter
from support.tunnel_process import Client, Server
from support.wire import Broken, Wire, eventually, request, response, unread_bytes

WAIT_S = 20
QUICK_PINGS = "--ping-interval=0.5"

HEAL_S = 8.0
"""What is promised is about a second; what is asserted leaves room for a busy machine and for jitter."""


@contextmanager
def healed(server: Server, what: str) -> Iterator[None]:
    """Check that visitors are served again soon after the block began; print how soon it was."""
    started = time.monotonic()
    yield
    eventually(lambda: serves(server), f"{what}: served again", HEAL_S)
    print(f"{what}: served again after {time.monotonic() - started:.3f} s")  # noqa: T201


def serves(server: Server) -> bool:
    """Whether a visitor is served by the service now."""
    with server.visit() as wire:
        return wire.ask().content == b"hola"


def through_relay(start: Starter) -> tuple[Server, Relay, Client, Backend]:
    """Start a tunnel whose link passes through a relay."""
    backend, server = start.backend(), start.server(QUICK_PINGS)
    relay = start.relay(server.control_port)
    client = start.connected_client(relay, backend)
    return server, relay, client, backend


def test_a_link_that_is_cut_heals_by_itself(start: Starter) -> None:
    server, relay, client, _ = through_relay(start)
    for times in range(2, 5):
        with healed(server, "link cut"):
            relay.cut()
            client.wait_until_connected(times)
    assert server.count("client_gone") == 3
    assert client.count("disconnected") == 3


def test_a_link_that_dies_in_silence_is_noticed_within_two_ping_intervals(start: Starter) -> None:
    server, relay, client, _ = through_relay(start)
    time_of_death = time.monotonic()
    relay.mute()
    gone = client.wait_for("disconnected")
    # Two intervals of half a second, and room for a busy machine.
    assert time.monotonic() - time_of_death < 4.0
    assert gone["reason"] == "ping-timeout"
    client.wait_until_connected(2)
    eventually(lambda: serves(server), "served again", HEAL_S)
    gone = server.wait_for("client_gone")
    assert gone["reason"] in ("ping-timeout", "replaced")


def test_the_server_notices_by_itself_that_a_link_is_dead(start: Starter) -> None:
    """The client is stopped and cannot reconnect: only silence tells."""
    backend, server = start.backend(), start.server(QUICK_PINGS)
    client = start.connected_client(server, backend)
    client.signal(signal.SIGSTOP)
    try:
        with server.visit() as wire:
            answer = wire.ask()  # under way when the link is given up
            assert (answer.status, answer.code) == (502, "link-lost")
            assert server.wait_for("client_gone")["reason"] == "ping-timeout"
            answer = wire.ask()
            assert (answer.status, answer.code) == (503, "no-client")
    finally:
        client.signal(signal.SIGCONT)
    client.wait_until_connected(2)
    assert serves(server)


def test_a_half_open_link_is_noticed_by_the_server_too_without_its_client_s_help(start: Starter) -> None:
    """The agent here never pings, never leaves and never comes back: only the server can notice."""
    backend, server = start.backend(), start.server(QUICK_PINGS)
    relay = start.relay(server.control_port)
    with RawAgent(relay.port, receive_buffer=0):
        server.wait_for("client_connected")
        time_of_death = time.monotonic()
        relay.mute()
        assert server.wait_for("client_gone")["reason"] == "ping-timeout"
        # Two intervals of half a second, and room for a busy machine.
        assert time.monotonic() - time_of_death < 4.0
        start.connected_client(server, backend)
        assert serves(server)


def test_who_comes_back_from_a_half_open_link_has_its_name_at_the_first_attempt(start: Starter) -> None:
    """Whichever side notices first, and whatever the server still believes then."""
    backend, server = start.backend(), start.server(QUICK_PINGS)
    relay = start.relay(server.control_port)
    client = start.connected_client(relay, f"todo.example={backend.url}")
    relay.mute()
    client.wait_until_connected(2)
    assert (client.count("disconnected"), client.count("refused")) == (1, 0)
    with server.visit() as wire:
        assert wire.ask("GET", "/", "Host: todo.example").content == b"hola"
    server.wait_for("client_gone")
    assert server.count("client_connected") == 2


def test_a_server_that_is_killed_and_started_again_has_its_client_back(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    client = start.connected_client(server, backend)
    server.kill()
    again = start.server(port=server.port, control_port=server.control_port)
    with healed(again, "server killed and restarted"):
        client.wait_until_connected(2)
    assert again.count("client_connected") == 1


def test_a_client_that_starts_before_its_server_connects_when_it_appears(start: Starter) -> None:
    backend, former = start.backend(), start.server()
    former.kill()
    client = start.client(former.control_port, backend)
    first = client.wait_for("disconnected")
    assert first["reason"] == "unreachable"
    server = start.server(port=former.port, control_port=former.control_port)
    with healed(server, "client before server"):
        client.wait_until_connected()


@pytest.mark.parametrize("is_half_open", [False, True], ids=["closed", "half-open"])
def test_a_client_that_is_killed_and_started_again_has_its_name_back_at_once(
    start: Starter, is_half_open: bool
) -> None:
    """Also while the server still believes in the link of the one that is dead."""
    backend, server = start.backend(), start.server("--ping-interval=60")
    relay = start.relay(server.control_port)
    name = f"todo.example={backend.url}"
    client = start.connected_client(relay, name)
    if is_half_open:
        relay.mute()
    client.kill()
    if is_half_open:
        assert server.count("client_gone") == 0
    started = time.monotonic()
    start.connected_client(server, name)
    print(f"connected {time.monotonic() - started:.3f} s after its start")  # noqa: T201
    with server.visit() as wire:
        assert wire.ask("GET", "/", "Host: todo.example").content == b"hola"
    server.wait_for("client_gone")


def test_requests_under_way_when_the_link_is_cut_fail_visibly(start: Starter) -> None:
    server, relay, client, backend = through_relay(start)
    asked = threading.Semaphore(0)
    over = threading.Semaphore(0)

    def play(wire: Wire) -> None:
        target = wire.read_request_head().target
        if target == "/half":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nmedia")
        asked.release()
        try:
            wire.read_to_end()
        finally:
            over.release()

    backend.play(play)
    with server.visit() as waiting, server.visit() as reading, server.visit() as sending:
        waiting.send(request("GET", "/wait"))
        reading.send(request("GET", "/half"))
        sending.send(request("POST", "/send", "Content-Length: 100") + b"x")
        for _ in range(3):
            assert asked.acquire(timeout=WAIT_S)
        assert reading.read_response_head().status == 200
        assert reading.read_exactly(5) == b"media"
        relay.cut()
        for wire in (waiting, sending):
            answer = wire.read_response()
            assert (answer.status, answer.code) == (502, "link-lost")
        with pytest.raises(Broken):
            reading.read_exactly(1)
        for _ in range(3):  # the client ends them at the service too
            assert over.acquire(timeout=WAIT_S)
        backend.reset()
        client.wait_until_connected(2)
        assert waiting.ask().content == b"hola"  # the visitor's connection goes on


def test_a_visitor_whose_upload_stood_still_is_read_on_once_the_link_is_lost(start: Starter) -> None:
    """It was not read while the link gave no credit; its next request on the connection must be."""
    backend, server = start.backend(), start.server("--ping-interval=0.5")
    relay = start.relay(server.control_port)
    start.connected_client(relay, backend)
    with server.visit() as wire:
        assert wire.ask().content == b"hola"
        relay.mute()
        own_port = wire.sock.getsockname()[1]
        wire.send(request("POST", "/", "Content-Length: 195000"))
        for size in (60_000, 60_000, 20_000):  # more than a stream's first window and its queue
            wire.send(b"x" * size)
            eventually(lambda: not unread_bytes(server.port, own_port), "it was read")
        wire.send(b"x" * 55_000)  # little enough to be dropped
        answer = wire.read_response()
        assert (answer.status, answer.code) == (502, "link-lost")
        assert answer.fields.get("Connection") != "close"
        assert wire.ask().status in (200, 503)


def test_an_upgraded_connection_ends_with_its_link(start: Starter) -> None:
    server, relay, _, backend = through_relay(start)
    over = threading.Event()

    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: prueba\r\n\r\n")
        try:
            wire.read_to_end()
        finally:
            over.set()

    backend.play(play)
    with server.visit() as wire:
        assert wire.ask("GET", "/", "Connection: Upgrade", "Upgrade: prueba").status == 101
        relay.cut()
        with pytest.raises(Broken):
            wire.read_to_end()
        assert over.wait(WAIT_S)


def test_a_visitor_between_two_links_is_told_to_come_back(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    client = start.connected_client(server, backend)
    client.kill()
    server.wait_for("client_gone")
    with server.visit() as wire:
        answer = wire.ask()
        assert (answer.status, answer.code) == (503, "no-client")
        assert int(answer.fields.get("Retry-After") or 0) > 0
        start.connected_client(server, backend)
        assert wire.ask().content == b"hola"


def test_a_link_that_is_slow_and_full_is_not_taken_for_a_dead_one(start: Starter) -> None:
    """Bulk in both directions queues for seconds before the pings; both sides must hear each other anyway."""
    backend, server = start.backend(), start.server("--ping-interval=0.8")
    relay = start.relay(server.control_port, bytes_per_s=4_000_000)
    client = start.connected_client(relay, backend)
    stop = threading.Event()
    sizes = {"down": 0, "up": 0}

    def play(wire: Wire) -> None:
        asked = wire.read_request_head()
        if asked.target == "/down":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while not stop.is_set():
                wire.send(bytes(64 * 1024))
        elif asked.target == "/up":
            while not stop.is_set():
                sizes["up"] += len(wire.read_some())
        else:
            wire.send(response(200, b"hola", "Connection: close"))

    def download(wire: Wire) -> None:
        wire.send(request("GET", "/down"))
        while not stop.is_set():
            sizes["down"] += len(wire.read_some())

    def upload(wire: Wire) -> None:
        wire.send(request("POST", "/up", "Content-Length: 1000000000"))
        while not stop.is_set():
            wire.send(bytes(64 * 1024))

    backend.play(play)
    with server.visit() as down, server.visit() as up, server.visit() as small:
        workers = [
            threading.Thread(target=download, args=(down,)),
            threading.Thread(target=upload, args=(up,)),
        ]
        for worker in workers:
            worker.start()
        try:
            deadline = time.monotonic() + 4.0  # five ping intervals, and two are enough to be given up
            asked = 0
            while time.monotonic() < deadline:
                assert small.ask("GET", "/small").content == b"hola"
                asked += 1
        finally:
            stop.set()
            for worker in workers:
                worker.join()
    print(f"{asked} small requests beside {sizes}")  # noqa: T201
    assert asked > 1
    assert min(sizes.values()) > 1_000_000
    assert client.count("disconnected") == 0
    assert server.count("client_gone") == 0
