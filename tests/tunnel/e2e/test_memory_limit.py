"""Many visitors who stop reading, under ``--memory-limit``: what is held for them, counted in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.backend import Backend
from support.tunnel_in_process import InProcessTunnel, in_process_tunnel
from support.wire import Wire, eventually, request, response

MIB = 1 << 20

LIMIT_BYTES = 8 * MIB
SLOW = 40
CONTENT = bytes(range(256)) * (16 * MIB // 256)
RECEIVE_BUFFER = 512 * 1024  # several segments of loopback, or its windows open at the pace of timers
READ_FIRST_BYTES = 2 * MIB  # quickly, so that their windows grow; then no more


def slow_readers(stack: ExitStack, tunnel: InProcessTunnel) -> list[Wire]:
    """Ask for the content forty times, read a part of each, and stop."""
    wires = []
    for _ in range(SLOW):
        wire = stack.enter_context(tunnel.visit(receive_buffer=RECEIVE_BUFFER))
        wire.send(request("GET", "/large"))
        assert wire.read_response_head().status == 200
        assert wire.read_exactly(READ_FIRST_BYTES) == CONTENT[:READ_FIRST_BYTES]
        wires.append(wire)
    return wires


def most_held(tunnel: InProcessTunnel) -> int:
    """Return what is held for visitors once it grows no more."""
    most = seen = still = 0

    def is_still() -> bool:
        nonlocal most, seen, still
        held = tunnel.unwritten_bytes
        still = still + 1 if held == seen else 0
        seen, most = held, max(most, held)
        return still >= 40

    eventually(is_still, "nothing moves any more", 20.0)
    return most


@pytest.fixture
def backend() -> Iterator[Backend]:
    service = Backend()
    service.answer(lambda asked: response(200, CONTENT if asked.target == "/large" else b"hola"))
    yield service
    service.close()


@pytest.mark.timeout(180)
def test_slow_readers_stay_within_the_memory_limit_and_everybody_is_served(backend: Backend) -> None:
    with in_process_tunnel(backend.url, memory_limit_bytes=LIMIT_BYTES) as tunnel, ExitStack() as stack:
        wires = slow_readers(stack, tunnel)
        held = most_held(tunnel)
        free, _ = tunnel.free_memory_bytes
        print(f"{held / MIB:.1f} MiB held for {SLOW} slow readers, {free / MIB:.1f} MiB free")  # noqa: T201
        assert 0 < held <= LIMIT_BYTES - free
        assert free > 0
        for _ in range(100):  # while they stall
            with tunnel.visit() as visitor:
                assert visitor.ask().content == b"hola"
        for wire in wires[::4]:
            assert wire.read_exactly(len(CONTENT) - READ_FIRST_BYTES) == CONTENT[READ_FIRST_BYTES:]
            assert wire.ask().content == b"hola"
        for wire in wires:
            wire.close()  # most of them in the middle
        eventually(lambda: tunnel.free_memory_bytes == (LIMIT_BYTES, LIMIT_BYTES), "all is given back", 10.0)


@pytest.mark.timeout(120)
def test_without_a_limit_the_same_slow_readers_hold_more(backend: Backend) -> None:
    """Or the test above would show nothing."""
    with in_process_tunnel(backend.url) as tunnel, ExitStack() as stack:
        slow_readers(stack, tunnel)
        assert most_held(tunnel) > 2 * LIMIT_BYTES
