"""No request ever reaches the service twice, and none is lost that need not be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.backend import Backend
from support.tunnel_kit import Starter
from support.wire import Broken, Wire, eventually, response

QUICK_PINGS = "--ping-interval=0.5"
VISITORS = 12


class Load:
    """Visitors that ask without a pause, each request with a nonce of its own, and the service they ask."""

    def __init__(self, backend: Backend, port: int) -> None:
        self.outcomes: dict[str, str] = {}
        self.arrivals: dict[str, int] = {}
        self._port = port
        self._lock = threading.Lock()
        self._pace = threading.Event()
        self._stop = threading.Event()
        self._failures: list[Exception] = []
        backend.play(self._serve)

    def note(self, nonce: str) -> None:
        """Note that a request arrived."""
        with self._lock:
            self.arrivals[nonce] = self.arrivals.get(nonce, 0) + 1

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the visitors ask for as long as the block lasts."""
        visitors = [threading.Thread(target=self._visit, args=(number,)) for number in range(VISITORS)]
        for visitor in visitors:
            visitor.start()
        try:
            yield
        finally:
            self._stop.set()
            for visitor in visitors:
                visitor.join()

    def check(self) -> None:
        """What was answered had arrived once; what failed had arrived once or never."""
        kinds = sorted(set(self.outcomes.values()))
        counts = {kind: list(self.outcomes.values()).count(kind) for kind in kinds}
        print(f"{len(self.arrivals)} arrivals, outcomes: {counts}")  # noqa: T201
        assert not self._failures, self._failures
        assert set(kinds) <= {"200", "link-lost", "no-client", "draining", "Broken", "refused"}, counts
        assert counts.get("200", 0) > 100, counts
        twice = [nonce for nonce, times in self.arrivals.items() if times > 1]
        assert not twice, f"arrived twice: {twice}"
        lost = [
            key for key, outcome in self.outcomes.items() if outcome == "200" and key not in self.arrivals
        ]
        assert not lost, f"answered by nobody: {lost}"
        denied = [key for key in self.arrivals if self.outcomes.get(key) in ("no-client", "draining")]
        assert not denied, f"answered as if they had not been sent, and they were: {denied}"

    def _serve(self, wire: Wire) -> None:
        while True:
            asked = wire.read_request()
            self.note(asked.target)
            self._pace.wait(0.03)  # so that what breaks finds requests under way
            wire.send(response(200, asked.target.encode()))

    def _visit(self, visitor: int) -> None:
        number = 0
        wire: Wire | None = None
        while not self._stop.is_set():
            number += 1
            target = f"/{visitor}-{number}"
            method, content = ("POST", b"x" * 2000) if number % 2 else ("GET", b"")
            try:
                wire = wire or Wire.to(self._port)
                answer = wire.ask(method, target, content=content)
            except (Broken, OSError) as error:
                refused = isinstance(error, ConnectionRefusedError)
                self.outcomes[target] = "refused" if refused else "Broken"
                if wire is not None:
                    wire.close()
                wire = None
                self._pace.wait(0.02)
                continue
            except Exception as error:
                self._failures.append(error)
                break
            self.outcomes[target] = str(answer.code or answer.status)
            if answer.status != 200:
                self._pace.wait(0.02)
            elif answer.content != target.encode():
                self._failures.append(AssertionError(f"{target} was answered with {answer.content!r}"))
        if wire is not None:
            wire.close()


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
    assert list(load.outcomes.values()).count("link-lost") > 6, "the cuts found hardly a request under way"


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
