"""Limits of size, at the limit and one past it, and limits of time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from support.backend import Backend
from support.tunnel_in_process import in_process_tunnel
from support.tunnel_kit import Visit
from support.wire import Wire, eventually, request, response

from tunnel.limits import VisitorLimits

WAIT_S = 20
DEFAULTS = VisitorLimits()


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────


def head_of(size: int) -> bytes:
    """Return a request whose head has exactly ``size`` bytes."""
    start = b"GET / HTTP/1.1\r\nHost: a\r\n"
    lines = []
    left = size - len(start) - 2
    while left:
        # Lines of 8 KiB; the last one takes what is left, which must be enough for a line.
        line = left if left < 16 * 1024 else 8 * 1024
        lines.append(b"X-A: " + b"x" * (line - 7) + b"\r\n")
        left -= line
    data = start + b"".join(lines) + b"\r\n"
    assert len(data) == size
    return data


def target_of(size: int) -> str:
    """Return a target of exactly ``size`` bytes."""
    return "/" + "t" * (size - 1)


def test_a_head_at_the_limit_passes_and_one_past_it_is_a_431(visit: Visit, backend: Backend) -> None:
    with visit() as wire:
        wire.send(head_of(DEFAULTS.max_head_bytes))
        assert wire.read_response().content == b"hola"
        wire.send(head_of(DEFAULTS.max_head_bytes + 1))
        answer = wire.read_response()
        assert (answer.status, answer.code) == (431, "headers-too-large")
        wire.read_nothing_more()
    assert len(backend.requests) == 1
    assert sum(len(value) for name, value in backend.requests[0].fields if name == "X-A") > 65_000


def test_a_head_that_never_ends_is_a_431_as_soon_as_it_is_past_the_limit(
    visit: Visit, backend: Backend
) -> None:
    with visit() as wire:
        wire.send(request()[:-2] + b"X-A: " + b"x" * DEFAULTS.max_head_bytes)
        assert wire.read_response().code == "headers-too-large"


def test_as_many_fields_as_the_limit_pass_and_one_more_is_a_431(visit: Visit, backend: Backend) -> None:
    lines = [f"X-{number}: {number}" for number in range(DEFAULTS.max_fields - 1)]
    with visit() as wire:
        assert wire.ask("GET", "/", "Host: a", *lines).content == b"hola"
        answer = wire.ask("GET", "/", "Host: a", *lines, "X-Mas: 1")
        assert (answer.status, answer.code) == (431, "headers-too-large")


def test_a_target_at_the_limit_passes_and_one_past_it_is_a_414(visit: Visit, backend: Backend) -> None:
    with visit() as wire:
        assert wire.ask("GET", target_of(DEFAULTS.max_target_bytes)).content == b"hola"
        answer = wire.ask("GET", target_of(DEFAULTS.max_target_bytes + 1))
        assert (answer.status, answer.code) == (414, "uri-too-long")
        wire.read_nothing_more()
    assert [len(target) for target in backend.targets] == [DEFAULTS.max_target_bytes]


def test_a_request_line_that_never_ends_is_a_414(visit: Visit, backend: Backend) -> None:
    with visit() as wire:
        wire.send(b"GET /" + b"t" * (DEFAULTS.max_head_bytes + 1))
        assert wire.read_response().code == "uri-too-long"


def test_an_answers_head_at_the_limit_passes_and_one_past_it_is_a_502(visit: Visit, backend: Backend) -> None:
    limit = 64 * 1024

    def answer_of(size: int) -> bytes:
        bare = response(200, b"", "X-A: ")
        return response(200, b"", "X-A: " + "x" * (size - len(bare)))

    backend.answer(lambda asked: answer_of(limit if asked.target == "/justo" else limit + 1))
    with visit() as wire:
        answer = wire.ask("GET", "/justo")
        assert (answer.status, len(answer.fields.get("X-A") or "")) > (200, 65_000)
        assert wire.ask("GET", "/pasado").code == "upstream-protocol"


# ── times ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def service() -> Iterator[Backend]:
    """A service of the test's own."""
    backend = Backend()
    yield backend
    backend.close()
    assert not backend.failures, backend.failures


def test_a_slow_head_is_a_408(service: Backend) -> None:
    with in_process_tunnel(service.url, VisitorLimits(head_timeout_s=0.3)) as tunnel, tunnel.visit() as wire:
        pace = threading.Event()
        started = time.monotonic()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        for _ in range(3):  # a byte now and then does not buy more time
            pace.wait(0.08)
            wire.send(b"X")
        answer = wire.read_response()
        assert (answer.status, answer.code) == (408, "request-timeout")
        assert time.monotonic() - started >= 0.3
        assert wire.read_to_end() == b""
    assert not service.requests


def test_a_slow_second_head_is_a_408_too(service: Backend) -> None:
    with in_process_tunnel(service.url, VisitorLimits(head_timeout_s=0.3)) as tunnel, tunnel.visit() as wire:
        assert wire.ask().content == b"hola"
        wire.send(b"GET / HTTP/1.1\r\n")
        assert wire.read_response().status == 408


def test_a_visitor_who_says_nothing_is_left_without_a_word(service: Backend) -> None:
    with in_process_tunnel(service.url, VisitorLimits(head_timeout_s=1.0, idle_timeout_s=0.3)) as tunnel:
        with tunnel.visit() as wire:
            assert wire.read_to_end() == b""
        with tunnel.visit() as wire:
            assert wire.ask().content == b"hola"
            assert wire.read_to_end() == b""


def test_a_body_that_stops_coming_is_a_408_and_ends_the_request(service: Backend) -> None:
    over = threading.Event()

    def take(wire: Wire) -> None:
        wire.read_request_head()
        try:
            wire.read_to_end()
        finally:
            over.set()

    service.play(take)
    with in_process_tunnel(service.url, VisitorLimits(body_timeout_s=0.4)) as tunnel, tunnel.visit() as wire:
        wire.send(request("POST", "/", "Content-Length: 100") + b"x")
        answer = wire.read_response()
        assert (answer.status, answer.code) == (408, "request-timeout")
        assert wire.read_to_end() == b""
        assert over.wait(WAIT_S)


def test_a_body_that_comes_slowly_but_comes_is_no_timeout(service: Backend) -> None:
    pace = threading.Event()
    with in_process_tunnel(service.url, VisitorLimits(body_timeout_s=1.2)) as tunnel, tunnel.visit() as wire:
        wire.send(request("POST", "/", "Content-Length: 6"))
        for _ in range(6):
            pace.wait(0.3)
            wire.send(b"x")
        assert wire.read_response().content == b"hola"


def test_a_service_that_reads_slowly_is_not_the_visitors_fault(service: Backend) -> None:
    """The exit node holds the visitor back: it may not blame it for the silence."""
    go_on = threading.Event()
    size = 32 * 1024 * 1024

    def take_late(wire: Wire) -> None:
        wire.read_request_head()
        assert go_on.wait(WAIT_S)
        wire.send(response(200, b"%d" % len(wire.read_exactly(size))))

    service.play(take_late)
    limits = VisitorLimits(body_timeout_s=0.4)
    with in_process_tunnel(service.url, limits) as tunnel, tunnel.visit() as wire:
        wire.send(request("POST", "/", f"Content-Length: {size}"))
        uploader = threading.Thread(target=wire.send, args=(bytes(size),))
        uploader.start()
        uploader.join(1.5)
        assert uploader.is_alive(), "nothing was held back"
        go_on.set()
        assert wire.read_response().content == b"%d" % size
        uploader.join()


def test_waiting_for_100_continue_is_not_the_visitors_fault(service: Backend) -> None:
    go_on = threading.Event()

    def consider(wire: Wire) -> None:
        wire.read_request_head()
        go_on.wait(1.2)
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.send(response(200, wire.read_exactly(4)))

    service.play(consider)
    with in_process_tunnel(service.url, VisitorLimits(body_timeout_s=0.4)) as tunnel, tunnel.visit() as wire:
        wire.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 4"))
        assert wire.read_response().status == 100
        wire.send(b"dato")
        assert wire.read_response().content == b"dato"


def test_a_fault_is_answered_once_also_when_the_rest_of_its_body_never_comes(service: Backend) -> None:
    """A second answer would be taken for that of the visitor's next request."""
    limits = VisitorLimits(body_timeout_s=0.4)
    with in_process_tunnel(f"todo.example={service.url}", limits) as tunnel, tunnel.visit() as wire:
        wire.send(request("POST", "/", "Host: otro.example", "Content-Length: 10") + b"x")
        assert wire.read_response().code == "unknown-host"
        assert wire.read_to_end() == b""


def test_an_answer_may_take_as_long_as_it_likes_once_the_request_is_complete(service: Backend) -> None:
    pace = threading.Event()

    def slowly(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        for _ in range(3):
            pace.wait(0.5)
            wire.send(b"x")
        wire.read_some()

    service.play(slowly)
    limits = VisitorLimits(head_timeout_s=1.0, idle_timeout_s=1.0, body_timeout_s=1.0)
    with in_process_tunnel(service.url, limits, upstream_timeout_s=1.0) as tunnel, tunnel.visit() as wire:
        assert wire.ask().content == b"xxx"


def test_an_early_answer_reaches_a_visitor_who_reads_it_late(service: Backend) -> None:
    """The exit node lingers for a moment after an early answer, and not less than it takes to be read."""
    content = bytes(range(256)) * 40_000

    def refuse(wire: Wire) -> None:
        wire.read_request_head()
        wire.send(response(413, content))
        wire.read_to_end()

    service.play(refuse)
    limits = VisitorLimits(linger_s=0.2)
    with in_process_tunnel(service.url, limits) as tunnel, tunnel.visit(receive_buffer=4096) as wire:
        wire.send(request("POST", "/", "Content-Length: 100"))
        assert wire.read_response_head().status == 413
        received = b""
        while tunnel.open_requests:  # until the exit node has the end of the answer
            received += wire.read_exactly(16 * 1024)
        assert len(received) < len(content), "nothing waits to be read"
        threading.Event().wait(1.0)
        assert received + wire.read_exactly(len(content) - len(received)) == content


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def test_one_stream_more_than_the_client_takes_is_a_503(
    service: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunnel.client.MAX_STREAMS", 3)
    go_on = threading.Event()

    def wait(wire: Wire) -> None:
        while True:
            wire.read_request()
            assert go_on.wait(WAIT_S)
            wire.send(response(200, b"por fin"))

    service.play(wait)
    with in_process_tunnel(service.url) as tunnel:
        wires = [tunnel.visit() for _ in range(3)]
        try:
            for wire in wires:
                wire.send(request())
            eventually(lambda: tunnel.open_requests == 3, "three are under way")
            with tunnel.visit() as fourth:
                for _ in range(2):
                    answer = fourth.ask()
                    assert (answer.status, answer.code) == (503, "too-many-streams")
                    assert int(answer.fields.get("Retry-After") or 0) > 0
                go_on.set()
                for wire in wires:
                    assert wire.read_response().content == b"por fin"
                eventually(lambda: tunnel.open_requests == 0, "none is under way")
                assert fourth.ask().content == b"por fin"
        finally:
            go_on.set()
            for wire in wires:
                wire.close()
