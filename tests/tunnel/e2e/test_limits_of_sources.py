"""What one source, one client and one body may take: at each limit, and one past it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.backend import Backend
from support.tunnel_in_process import in_process_tunnel
from support.tunnel_kit import Starter, linux_only
from support.wire import Broken, Wire, eventually, request, response

from tunnel.limits import ClientLimits, VisitorLimits

WAIT_S = 20


@pytest.fixture
def service() -> Iterator[Backend]:
    """A service of the test's own."""
    backend = Backend()
    yield backend
    backend.close()
    assert not backend.failures, backend.failures


# ── the content of a request ─────────────────────────────────────────────────────────────────────


def test_content_at_the_limit_passes_and_a_byte_more_is_a_413_that_reaches_no_service(
    service: Backend,
) -> None:
    limits = VisitorLimits(max_body_bytes=1000)
    with in_process_tunnel(service.url, limits) as tunnel, tunnel.visit() as wire:
        assert wire.ask("POST", "/justo", content=b"x" * 1000).content == b"hola"
        wire.send(request("POST", "/pasado", "Content-Length: 1001"))
        answer = wire.read_response()
        assert (answer.status, answer.code) == (413, "content-too-large")
        assert answer.fields.get("Connection") == "close"
        assert wire.read_to_end() == b""
    assert service.targets == ["/justo"]


def test_a_413_comes_before_the_100_that_a_visitor_waits_for(service: Backend) -> None:
    limits = VisitorLimits(max_body_bytes=1000)
    with in_process_tunnel(service.url, limits) as tunnel, tunnel.visit() as wire:
        wire.send(request("POST", "/", "Content-Length: 1001", "Expect: 100-continue"))
        assert wire.read_response().status == 413
    assert service.targets == []


def test_chunks_at_the_limit_pass_and_a_byte_more_ends_the_request_in_the_middle(service: Backend) -> None:
    whole: list[bytes] = []

    def take(wire: Wire) -> None:
        while True:
            wire.read_request_head()
            whole.append(wire.read_chunked())
            wire.send(response(200, b"hola"))

    service.play(take)
    limits = VisitorLimits(max_body_bytes=1000)
    chunk = b"1f4\r\n" + b"x" * 500 + b"\r\n"
    with in_process_tunnel(service.url, limits) as tunnel, tunnel.visit() as wire:
        for _ in range(2):  # what was taken is counted anew for each request
            wire.send(request("POST", "/", "Transfer-Encoding: chunked") + chunk * 2 + b"0\r\n\r\n")
            assert wire.read_response().content == b"hola"
        wire.send(request("POST", "/", "Transfer-Encoding: chunked") + chunk * 2 + b"1\r\nx\r\n0\r\n\r\n")
        assert wire.read_response().code == "content-too-large"
        assert wire.read_to_end() == b""
        service.wait_until_idle(5.0)
    assert [len(content) for content in whole] == [1000, 1000]


# ── a visitor who does not read ──────────────────────────────────────────────────────────────────


def endless(wire: Wire) -> None:
    """Play a service whose answer has no end."""
    wire.read_request()
    wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        wire.send(bytes(64 * 1024))


def test_a_visitor_who_never_reads_is_cut_off_and_its_request_ends_at_the_service(service: Backend) -> None:
    service.play(endless)
    limits = VisitorLimits(write_timeout_s=0.6)
    with in_process_tunnel(service.url, limits) as tunnel, tunnel.visit(receive_buffer=4096) as wire:
        wire.send(request())
        wire.read_head()
        started = time.monotonic()
        service.wait_until_idle(WAIT_S)
        assert time.monotonic() - started >= 0.6
        eventually(lambda: tunnel.open_requests == 0, "the request is over")
        with pytest.raises((Broken, OSError)):
            wire.read_exactly(1 << 40)  # what had arrived, and then the reset


def test_a_visitor_who_never_reads_does_not_outlive_the_end_of_its_answer(service: Backend) -> None:
    """Nothing is under way any more, and the end of the connection waits for what nobody reads."""
    content = bytes(12 * 1024 * 1024)
    service.answer(lambda _: response(200, content, "Connection: close"))
    limits = VisitorLimits(write_timeout_s=0.6, idle_timeout_s=0.3)
    with in_process_tunnel(service.url, limits) as tunnel, tunnel.visit(receive_buffer=4096) as wire:
        wire.send(request("GET", "/", "Connection: close"))
        wire.read_head()
        eventually(lambda: not tunnel.ask(lambda: len(tunnel.server._visitors)), "the visitor is gone")


@linux_only
def test_slow_is_told_from_never_in_the_event_loop_of_the_commands_too(start: Starter) -> None:
    content = bytes(range(256)) * 16 * 1024
    server, backend = start.server("--limit=write-timeout-s=1"), start.backend()
    backend.answer(lambda _: response(200, content))
    start.connected_client(server, backend)
    with server.visit(receive_buffer=4096) as slow, server.visit(receive_buffer=4096) as never:
        for wire in (slow, never):
            wire.send(request())
            wire.read_head()
        pace = threading.Event()
        received = b""
        for _ in range(15):  # far past the limit, some kilobytes at a time
            pace.wait(0.2)
            received += slow.read_exactly(8 * 1024)
        assert received + slow.read_exactly(len(content) - len(received)) == content
        with pytest.raises((Broken, OSError)):
            never.read_exactly(len(content))


def test_a_websocket_visitor_who_never_reads_is_cut_off_too(service: Backend) -> None:
    def flood(wire: Wire) -> None:
        wire.read_request_head()
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        while True:
            wire.send(bytes(64 * 1024))

    service.play(flood)
    limits = VisitorLimits(write_timeout_s=0.6)
    with in_process_tunnel(service.url, limits) as tunnel, tunnel.visit(receive_buffer=4096) as wire:
        wire.send(request("GET", "/", "Connection: Upgrade", "Upgrade: x"))
        assert wire.read_response_head().status == 101
        service.wait_until_idle(WAIT_S)
        eventually(lambda: tunnel.open_requests == 0, "the request is over")


# ── connections of one source ────────────────────────────────────────────────────────────────────


@linux_only
def test_as_many_visitors_as_the_limit_are_served_and_one_more_is_a_429(start: Starter) -> None:
    server, backend = start.server("--limit=max-visitors-per-source=3"), start.backend()
    start.connected_client(server, backend)
    with ExitStack() as stack:
        wires = [stack.enter_context(server.visit()) for _ in range(3)]
        for wire in wires:
            assert wire.ask().content == b"hola"
        with server.visit() as fourth:
            answer = fourth.read_response()  # it need not even ask
            assert (answer.status, answer.code) == (429, "too-many-connections")
            assert int(answer.fields.get("Retry-After") or 0) > 0
            assert fourth.read_to_end() == b""
        with server.visit(source="127.0.0.2") as other:
            assert other.ask().content == b"hola"
        for wire in wires:
            assert wire.ask().content == b"hola"
        wires[0].close()

        def is_served() -> bool:
            with server.visit() as wire:
                wire.send(request())
                return wire.read_response().status == 200

        eventually(is_served, "who leaves makes room")


@linux_only
def test_a_flood_of_connections_is_cut_without_a_word_and_the_others_are_served(start: Starter) -> None:
    server, backend = (
        start.server("--limit=max-visitors-per-source=5", "--limit=linger-s=60"),
        start.backend(),
    )
    start.connected_client(server, backend)
    outcomes = {"held": 0, "told": 0, "cut": 0}
    with ExitStack() as stack:
        flood = []
        for _ in range(200):
            try:
                flood.append(stack.enter_context(server.visit()))
            except ConnectionResetError:  # the cut came before connect(2) had looked
                outcomes["cut"] += 1
        with server.visit(source="127.0.0.2") as other:
            assert other.ask().content == b"hola"
        for wire in flood:
            wire.sock.settimeout(0.02 if outcomes["held"] < 5 else WAIT_S)
            try:
                outcomes["told" if wire.read_response().status == 429 else "held"] += 1
            except TimeoutError:
                outcomes["held"] += 1
            except (Broken, OSError):
                outcomes["cut"] += 1
        assert outcomes == {"held": 5, "told": 64, "cut": 131}


def test_those_behind_a_trusted_proxy_are_not_one_source(start: Starter) -> None:
    options = ("--limit=max-visitors-per-source=1", "--trust-proxy=127.0.0.1")
    server, backend = start.server(*options), start.backend()
    start.connected_client(server, backend)
    with server.visit() as first, server.visit() as second:
        assert first.ask().content == b"hola"
        assert second.ask().content == b"hola"


# ── clients ──────────────────────────────────────────────────────────────────────────────────────


def test_as_many_clients_as_the_limit_are_taken_and_one_more_waits_for_a_place(start: Starter) -> None:
    server, backend = start.server("--limit=max-clients=2", "--limit=handshakes-per-s=1000"), start.backend()
    first = start.connected_client(server, f"a.example={backend.url}")
    start.connected_client(server, f"b.example={backend.url}")
    third = start.client(server, f"c.example={backend.url}")
    assert third.wait_for("disconnected")["reason"] == "refused"
    assert third.process.poll() is None
    again = start.client(server, f"b.example={backend.url}")
    again.wait_until_connected()  # it comes back for what its token holds
    assert third.count("connected") == 0
    first.kill()
    third.wait_until_connected()


def test_attempts_past_the_rate_are_asked_to_wait_and_come_in_later(start: Starter) -> None:
    server, backend = start.server("--limit=handshakes-per-s=0.5"), start.backend()
    names = [f"c{number}.example" for number in range(4)]
    clients = [start.client(server, f"{name}={backend.url}") for name in names]
    for client in clients:
        client.wait_until_connected(timeout_s=40)
    refused = [event for client in clients for event in client.events if event["event"] == "disconnected"]
    assert refused, "four came at once, where two may and then one each two seconds"
    assert {event["reason"] for event in refused} == {"refused"}
    with server.visit() as wire:
        assert wire.ask("GET", "/", "Host: c3.example").content == b"hola"


@linux_only
def test_connections_to_the_control_plane_that_say_nothing_count_as_attempts_and_do_not_stay(
    start: Starter,
) -> None:
    """Each may be silent for ten seconds; past the rate for one."""
    server, backend = start.server("--limit=handshakes-per-s=1"), start.backend()
    calm = server.descriptors
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(Wire.to(server.control_port))
        eventually(lambda: server.descriptors >= calm + 50, "all are in")
        eventually(lambda: server.descriptors <= calm + 6, "only those within the rate stay", 8.0)
        other = Wire.to(server.control_port, source="127.0.0.2")
        stack.enter_context(other)
        other.send(b"GET /.tunelab/link HTTP/1.1\r\nHost: a\r\n\r\n")
        assert other.read_response().status != 429
        statuses = set()
        for _ in range(20):
            wire = stack.enter_context(Wire.to(server.control_port))
            wire.send(b"GET /.tunelab/link HTTP/1.1\r\nHost: a\r\n\r\n")
            statuses.add(wire.read_response().status)
        assert 429 in statuses
    start.connected_client(server, backend)


def test_streams_of_one_client_past_the_limit_are_a_503(service: Backend) -> None:
    go_on = threading.Event()

    def wait(wire: Wire) -> None:
        wire.read_request()
        assert go_on.wait(WAIT_S)
        wire.send(response(200, b"hola"))

    service.play(wait)
    limits = ClientLimits(max_streams=2)
    with in_process_tunnel(service.url, client_limits=limits) as tunnel, ExitStack() as stack:
        stack.callback(go_on.set)
        wires = [stack.enter_context(tunnel.visit()) for _ in range(2)]
        for wire in wires:
            wire.send(request())
        eventually(lambda: tunnel.open_requests == 2, "two are under way")
        with tunnel.visit() as third:
            assert third.ask().code == "too-many-streams"
            go_on.set()
            for wire in wires:
                assert wire.read_response().content == b"hola"
            eventually(lambda: tunnel.open_requests == 0, "none is under way")
            assert third.ask().content == b"hola"
