"""The Autobahn suite's cases, or their like: through the tunnel each ends as it does without one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from support.tunnel_kit import Starter, write_token
from support.wire import Broken, Wire, request
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.tunnel.e2e.websocket_cases import CASES, CLOSE, CONT, PONG, Case

MAX_MESSAGE_BYTES = 16 << 20

UPGRADE = request(
    "GET",
    "/",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


class Frame(NamedTuple):
    """What came back."""

    first: int  # FIN, reserved bits, opcode
    payload: bytes


class Ports(NamedTuple):
    """Where the service is, and where the tunnel to it."""

    service: int
    tunnel: int


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    def echo(peer: ServerConnection) -> None:
        try:
            for message in peer:
                peer.send(message)
        except ConnectionClosed:
            return

    with (
        serve(
            echo, "127.0.0.1", 0, max_size=MAX_MESSAGE_BYTES, compression=None, ping_interval=None
        ) as service,
        Starter(write_token(tmp_path_factory.mktemp("eco") / "token.txt")).running() as start,
    ):
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        try:
            server = start.server()
            port = service.socket.getsockname()[1]
            start.connected_client(server, f"http://127.0.0.1:{port}")
            yield Ports(port, server.port)
        finally:
            service.shutdown()
            thread.join()


def play(port: int, case: Case) -> list[Frame]:
    """Do what the case says; return all that came back, up to the end of the connection."""
    received: list[Frame] = []
    with Wire.to(port) as wire:
        wire.send(UPGRADE)
        assert b" 101 " in wire.read_until(b"\r\n\r\n")
        reader = threading.Thread(target=read_frames, args=(wire, received))
        reader.start()
        try:
            awaited = 0
            for data, answers in case.steps:
                try:
                    for start in range(0, len(data), case.chop or len(data)):
                        wire.send(data[start : start + (case.chop or len(data))])
                except OSError:
                    break  # the service has closed: what it said before is what counts
                awaited += answers
                wait_for_answers(reader, received, awaited)
        finally:
            reader.join(20)
            wire.wake()
            reader.join()
    return received


def wait_for_answers(reader: threading.Thread, received: list[Frame], count: int) -> None:
    """Wait until so many messages and pongs are there, or the connection has ended."""
    pause = threading.Event()
    for _ in range(4000):
        done = sum(1 for frame in list(received) if frame.first & 0x80 and frame.first & 0xF != CLOSE)
        if done >= count or not reader.is_alive():
            return
        pause.wait(0.005)
    raise AssertionError(f"{count} answers were expected, {len(received)} frames came")


def read_frames(wire: Wire, received: list[Frame]) -> None:
    """Read frames until the connection ends, in whatever way."""
    try:
        while True:
            first, size = wire.read_exactly(2)
            if size >= 126:
                size = int.from_bytes(wire.read_exactly(2 if size == 126 else 8), "big")
            received.append(Frame(first, wire.read_exactly(size)))
    except (Broken, OSError):
        return


def outcome(frames: list[Frame]) -> tuple[list[Frame], list[Frame], list[Frame]]:
    """Return messages, pongs and closes: the service answers pings beside its echoes, in either order."""
    kinds = {PONG: 1, CLOSE: 2}
    parts: tuple[list[Frame], list[Frame], list[Frame]] = ([], [], [])
    for frame in frames:
        assert frame.first & 0xF != CONT, "this service does not fragment"
        parts[kinds.get(frame.first & 0xF, 0)].append(frame)
    return parts


def test_there_are_cases_of_every_section() -> None:
    assert {case.name[0] for case in CASES} == set("12345679")
    assert len({case.name for case in CASES}) == len(CASES) > 200


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_websocket_ends_through_the_tunnel_as_it_does_without_one(ports: Ports, case: Case) -> None:
    direct = outcome(play(ports.service, case))
    through = outcome(play(ports.tunnel, case))
    answers = sum(answers for _, answers in case.steps)
    assert len(direct[0]) + len(direct[1]) >= answers
    assert direct[2], "the service says goodbye"
    assert through == direct
