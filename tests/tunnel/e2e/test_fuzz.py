"""Arbitrary bytes on every port, from visitors, services and whoever calls the control plane.

The same ones each time.  Nothing may break by it: no traceback (which every test here looks for), no lost
link, nothing left behind, and the next visitor is served.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress

import pytest
from support.backend import Backend
from support.tunnel_kit import Starter, linux_only
from support.tunnel_process import Server
from support.wire import Broken, Wire, eventually, request, response

FACTOR = int(os.environ.get("TUNELAB_FUZZ_FACTOR", "1"))
VISITS = 400 * FACTOR

REQUESTS = (
    request("GET", "/"),
    request("POST", "/x", content=b"hola" * 10),
    request("POST", "/c", "Transfer-Encoding: chunked") + b"4\r\nhola\r\n0\r\n\r\n",
    request("GET", "/", "Connection: Upgrade", "Upgrade: websocket") + b"crudo",
    request("POST", "/", "Expect: 100-continue", "Content-Length: 4") + b"hola",
    request(
        "GET",
        "/.tunelab/link",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: tunelab.v1",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    + b"\x82\x94\1\2\3\4" + bytes(range(20)),
)  # fmt: skip

ANSWERS = (
    response(200, b"hola"),
    response(200, b"4\r\nhola\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    b"HTTP/1.1 101 Cambio\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\ncrudo",
    b"HTTP/1.1 100 Continue\r\n\r\n" + response(200, b"hola"),
    response(304),
    response(204),
    b"HTTP/1.0 200 OK\r\n\r\nhasta el final",
)

PIECES = (b"\r\n", b"\n", b"\0", b"\r\n\r\n", b" ", b":", b"0", b"\xff", b"Content-Length: 3\r\n", b"chunked")


def mutated(data: bytes, count: int, draw: random.Random) -> bytes:
    """Return ``data`` with ``count`` random changes."""
    changed = bytearray(data)
    for _ in range(count):
        place = draw.randrange(len(changed) + 1)
        kind = draw.randrange(4)
        if kind == 0 and place < len(changed):
            changed[place] = draw.randrange(256)
        elif kind == 1:
            changed[place:place] = draw.choice(PIECES)
        elif kind == 2:
            del changed[place : place + draw.randrange(1, 8)]
        else:
            changed += changed[:place]
    return bytes(changed)


def babbling(backend: Backend, seed: int) -> None:
    """Let the service answer with anything."""
    draw = random.Random(seed)

    def play(wire: Wire) -> None:
        while draw.random() < 0.7:
            wire.read_until(b"\r\n\r\n")
            wire.send(mutated(draw.choice(ANSWERS), draw.choice((0, 0, 1, 3)), draw))

    backend.play(play)


def babble(server: Server, draw: random.Random) -> None:
    """Visit once, and say anything."""
    with Wire.to(server.control_port if draw.random() < 0.2 else server.port) as wire:
        wire.sock.settimeout(0.02)
        with suppress(OSError, Broken):  # TimeoutError too: the far side waits for more, and rightly so
            for _ in range(draw.randrange(1, 4)):
                data = mutated(draw.choice(REQUESTS), draw.choice((0, 1, 2, 5)), draw)
                cut = draw.randrange(len(data) + 1)
                wire.send(data[:cut])
                wire.send(data[cut:])
                wire.read_some()
        if draw.random() < 0.3:
            wire.reset()


@linux_only
@pytest.mark.timeout(60 * FACTOR)
def test_arbitrary_bytes_on_every_port_break_nothing(start: Starter) -> None:
    seed = random.randrange(2**32) if FACTOR > 1 else 20
    print(f"seed {seed}")  # noqa: T201
    backend, server = start.backend(), start.server()
    client = start.connected_client(server, backend, options=("--upstream-timeout=1",))
    babbling(backend, seed)
    draw = random.Random(seed)
    for _ in range(VISITS):
        babble(server, draw)
    backend.reset()
    with server.visit() as wire:
        assert wire.ask().content == b"hola"
    assert client.count("connected") == 1, "the link was lost"
    # Listeners, the link and what an event loop needs; visitors' connections and services' are gone.
    eventually(lambda: server.descriptors < 20, "the visitors' connections are closed")
    eventually(lambda: client.descriptors < 20, "the service's connections are closed")
