"""A GiB in each direction, whole and in order, through processes whose memory does not grow with it."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.backend import Backend
from support.tunnel_kit import Tunnel, Visit, linux_only
from support.wire import Wire, request, response

MIB = 1024 * 1024
SIZE = 1024 * MIB
BLOCK_BYTES = 256 * 1024

MAX_GROWTH_BYTES = 64 * MIB
"""Windows grow to 16 MiB a stream, and the transports buffer beside them; without credit it would be GiBs."""

# No two blocks of one transfer are alike, so that one that is lost, doubled or out of place is found.
PATTERN = memoryview(bytes((number * number // 7) % 251 for number in range(2 * MIB)))
BLOCKS = SIZE // BLOCK_BYTES


def block(number: int) -> memoryview:
    """Return a block of the content."""
    start = number * 389 % (len(PATTERN) - BLOCK_BYTES)
    return PATTERN[start : start + BLOCK_BYTES]


def checksum() -> int:
    """Return the CRC of the whole content."""
    value = 0
    for number in range(BLOCKS):
        value = zlib.crc32(block(number), value)
    return value


def receive_all(wire: Wire) -> int:
    """Read the content, and return its CRC."""
    value, left = 0, SIZE
    buffer = memoryview(bytearray(MIB))
    while left:
        size = wire.read_into(buffer[: min(left, MIB)])
        assert size, f"{left} bytes early"
        value = zlib.crc32(buffer[:size], value)
        left -= size
    return value


def send_all(wire: Wire) -> None:
    """Write the content."""
    for number in range(BLOCKS):
        wire.sock.sendall(block(number))


@contextmanager
def steady_memory(tunnel: Tunnel, what: str) -> Iterator[None]:
    """Watch both processes during the block, and fail when one has grown."""
    processes = {"server": tunnel.server, "client": tunnel.client}
    before = {name: process.resident_bytes for name, process in processes.items()}
    most = dict(before)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            for name, process in processes.items():
                most[name] = max(most[name], process.resident_bytes)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.monotonic()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    speed = SIZE / MIB / (time.monotonic() - started)
    growth = {name: most[name] - before[name] for name in processes}
    figures = ", ".join(f"{name} +{size / MIB:.1f} MiB" for name, size in growth.items())
    print(f"{what}: {speed:.0f} MiB/s, {figures}")  # noqa: T201
    assert max(growth.values()) < MAX_GROWTH_BYTES, figures


@linux_only
@pytest.mark.timeout(120)
def test_a_gib_is_downloaded_whole_without_growing_memory(
    tunnel: Tunnel, visit: Visit, backend: Backend
) -> None:
    def serve(wire: Wire) -> None:
        wire.read_request()
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n".encode())
        send_all(wire)

    backend.play(serve)
    with visit() as wire, steady_memory(tunnel, "down"):
        wire.send(request())
        assert wire.read_response_head().status == 200
        assert receive_all(wire) == checksum()


@linux_only
@pytest.mark.timeout(120)
def test_a_gib_is_uploaded_whole_without_growing_memory(
    tunnel: Tunnel, visit: Visit, backend: Backend
) -> None:
    def take(wire: Wire) -> None:
        wire.read_request_head()
        wire.send(response(200, b"%d" % receive_all(wire)))

    backend.play(take)
    with visit() as wire, steady_memory(tunnel, "up"):
        wire.send(request("POST", "/", f"Content-Length: {SIZE}"))
        send_all(wire)
        assert wire.read_response().content == b"%d" % checksum()
