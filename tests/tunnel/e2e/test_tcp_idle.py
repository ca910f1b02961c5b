"""Connections that say little for long: a remote desktop's bursts and pauses, and a thousand idle ones."""

from __future__ import annotations

import random
import selectors
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from support.own_service import free_port
from support.relay import Relay
from support.tunnel_kit import Starter, linux_only
from support.wire import Wire, eventually

if sys.platform != "win32":
    import resource

COUNT = 1000
PINGS = ("--ping-interval=0.2",)


def pings_seen(relay: Relay, times: int) -> int:
    """Wait until the exit node has sent about so many pings; return how many bytes passed both ways."""
    # A PING and a PONG, each in a websocket message of its own or in one: 16 to 18 bytes towards the agent.
    before, since = len(relay.from_target), len(relay.from_target) + len(relay.to_target)
    eventually(lambda: len(relay.from_target) - before >= times * 32, f"{times} pings", 60)
    return len(relay.from_target) + len(relay.to_target) - since


def test_bursts_from_both_sides_with_pauses_between_them_stay_whole(start: Starter) -> None:
    """As a remote desktop's session is; each pause is several times what a dead link takes to be noticed."""
    port, service = free_port(), start.backend()
    server = start.server(f"--tcp-ports={port}", *PINGS)
    relay = start.relay(server.control_port, is_recording=True)
    client = start.connected_client(relay, options=(f"--tcp={port}=127.0.0.1:{service.port}",))
    draw = random.Random(12)
    # Clicks and keys one way, small tiles of the screen the other.
    bursts = [
        ([draw.randbytes(draw.randint(4, 40)) for _ in range(60)],
         [draw.randbytes(draw.randint(50, 3000)) for _ in range(80)])
        for _ in range(12)
    ]  # fmt: skip
    heard: list[bytes] = []

    def play(wire: Wire) -> None:
        wire.sock.settimeout(60)
        for typed, shown in bursts:
            sender = threading.Thread(target=lambda shown=shown: [wire.send(tile) for tile in shown])  # type: ignore[misc]
            sender.start()
            heard.append(wire.read_exactly(sum(map(len, typed))))
            sender.join()
        wire.read_to_end()

    service.play(play)
    with Wire.to(port) as wire:
        for number, (typed, shown) in enumerate(bursts):
            for key in typed:
                wire.send(key)
            assert wire.read_exactly(sum(map(len, shown))) == b"".join(shown)
            if number % 3 == 0:
                pings_seen(relay, 8)
        wire.end()
        assert wire.read_to_end() == b""
    assert heard == [b"".join(typed) for typed, _ in bursts]
    assert client.count("connected") == 1


@contextmanager
def descriptors(soft: int) -> Iterator[None]:
    """Let this process and those that it starts have so many descriptors; 0: as many as they may."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft or before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class QuietService:
    """Takes connections and holds them; what comes on one it sends back."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=COUNT)
        self.port: int = self._listener.getsockname()[1]
        self.held: set[socket.socket] = set()
        self._is_over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._is_over:
                for key, _ in selector.select(0.1):
                    sock = key.fileobj
                    assert isinstance(sock, socket.socket)
                    if sock is self._listener:
                        taken, _ = sock.accept()
                        self.held.add(taken)
                        selector.register(taken, selectors.EVENT_READ)
                    elif data := sock.recv(4096):
                        sock.sendall(data)
                    else:
                        selector.unregister(sock)
                        self.held.discard(sock)
                        sock.close()

    def close(self) -> None:
        self._is_over = True
        self._thread.join(10)
        for sock in (self._listener, *self.held):
            sock.close()


@pytest.fixture
def quiet() -> Iterator[QuietService]:
    service = QuietService()
    yield service
    service.close()


@linux_only
@pytest.mark.timeout(180)
def test_a_thousand_idle_connections_cost_little_memory_and_nothing_on_the_link(
    start: Starter, quiet: QuietService
) -> None:
    port = free_port()
    with descriptors(256):  # what systems start programs with is too few; the commands ask for more
        server = start.server(f"--tcp-ports={port}", *PINGS)
        relay = start.relay(server.control_port, is_recording=True)
        client = start.connected_client(relay, options=(f"--tcp={port}=127.0.0.1:{quiet.port}",))
    alone = pings_seen(relay, 10)
    sizes = [process.resident_bytes for process in (server, client)]
    with descriptors(0), ExitStack() as stack:
        wires = [stack.enter_context(Wire.to(port)) for _ in range(COUNT)]
        eventually(lambda: len(quiet.held) == COUNT, "all of them to reach the service", 60)
        assert min(server.descriptors, client.descriptors) > COUNT
        for process, before in zip((server, client), sizes, strict=True):
            each = (process.resident_bytes - before) / COUNT
            assert each < 16 * 1024, f"{each:.0f} bytes for each connection: {process.arguments[0]}"
        # Ten pings with them are as many bytes as ten without: they send nothing, give or take a ping.
        assert pings_seen(relay, 10) < alone + 200
        for wire in (wires[0], wires[COUNT // 2], wires[-1]):
            wire.send(b"sigue")
            assert wire.read_exactly(5) == b"sigue"
    eventually(lambda: not quiet.held, "all of them to be closed", 60)
    eventually(lambda: max(server.descriptors, client.descriptors) < 100, "their descriptors to be free")
    assert client.count("connected") == 1
