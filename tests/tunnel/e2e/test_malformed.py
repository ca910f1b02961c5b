"""Requests that are malformed or could be read in two ways: refused, the connection closed, nothing smuggled.

Behind each comes a second request.  It must never reach the service, whatever a lenient reader might think
the first one was.  The service keeps every byte it is sent.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from support.backend import Backend
from support.tunnel_kit import Visit
from support.wire import Wire, request, response

from tests.tunnel.e2e.malformed_requests import CHUNKED, CHUNKS, HEADS, HIDDEN, READ_ONE_WAY, Row, head

SMUGGLED = request("GET", "/contrabando")


class Recorder:
    """A service that keeps every byte it is sent, whatever it is, apart for each connection.

    ``is_answering``: whether it answers each line that ends like a request line, as soon as it comes.
    """

    def __init__(self, backend: Backend) -> None:
        self.received: list[bytearray] = []
        self.is_answering = True
        backend.play(self._record)

    def _record(self, wire: Wire) -> None:
        record = bytearray()
        self.received.append(record)
        while data := wire.read_some():
            record += data
            for _ in range(data.count(b" HTTP/1.1\r\n") * self.is_answering):
                wire.send(response(200, b"recibida"))


@pytest.fixture
def recorder(backend: Backend) -> Recorder:
    return Recorder(backend)


def send_all(wire: Wire, data: bytes, size: int) -> None:
    """Send ``data`` in pieces of ``size``; the exit node may have had enough before its end."""
    with suppress(BrokenPipeError, ConnectionResetError):
        for start in range(0, len(data), size):
            wire.send(data[start : start + size])


def name_of(row: Row) -> str:
    return f"{row.section}: {row.what}"


def test_there_are_rows_for_every_way_that_is_known_and_none_twice() -> None:
    rows = [*HEADS, *CHUNKS, *READ_ONE_WAY]
    assert len([*HEADS, *CHUNKS]) >= 150
    assert len({row.data for row in rows}) == len(rows)
    assert len({row.what for row in rows}) == len(rows)


@pytest.mark.parametrize("size", [1 << 20, 1, 7], ids=["whole", "byte by byte", "in sevens"])
@pytest.mark.parametrize("row", HEADS, ids=name_of)
def test_a_malformed_head_is_refused_and_nothing_of_it_or_behind_it_reaches_the_service(
    visit: Visit, recorder: Recorder, row: Row, size: int
) -> None:
    if len(row.data) > 4000:
        size = max(size, 1000)  # a bomb is no other in single bytes
    with visit() as wire:
        send_all(wire, row.data + SMUGGLED, size)
        answer = wire.read_response()
        assert answer.status == row.status
        assert answer.code is not None
        assert answer.fields.get("Connection") == "close"
        assert wire.read_to_end() == b""
    assert recorder.received == []


def test_a_malformed_head_behind_a_good_request_is_refused_in_its_turn(
    visit: Visit, backend: Backend
) -> None:
    with visit() as wire:
        wire.send(request("GET", "/bueno") + head("Content-Length: 5", CHUNKED) + b"0\r\n\r\n" + SMUGGLED)
        assert wire.read_response().content == b"hola"
        assert wire.read_response().code == "bad-request"
        assert wire.read_to_end() == b""
    assert backend.targets == ["/bueno"]


@pytest.mark.parametrize("size", [1 << 20, 1, 7], ids=["whole", "byte by byte", "in sevens"])
@pytest.mark.parametrize("row", CHUNKS, ids=name_of)
def test_malformed_chunks_never_make_a_whole_request(
    visit: Visit, backend: Backend, recorder: Recorder, row: Row, size: int
) -> None:
    recorder.is_answering = False
    if len(row.data) > 4000:
        size = max(size, 1000)
    with visit() as wire:
        send_all(wire, row.data + SMUGGLED, size)
        answer = wire.read_response()
        assert (answer.status, answer.code) == (row.status, "bad-request")
        assert answer.fields.get("Connection") == "close"
        assert wire.read_to_end() == b""
    backend.wait_until_idle(5.0)
    for received in map(bytes, recorder.received):
        assert received.count(b" HTTP/1.1\r\n") <= 1
        assert b"/contrabando" not in received
        assert not received.endswith(b"0\r\n\r\n"), "the service has a request that looks complete"


@pytest.mark.parametrize("size", [1 << 20, 1, 7], ids=["whole", "byte by byte", "in sevens"])
@pytest.mark.parametrize("row", READ_ONE_WAY, ids=name_of)
def test_what_has_one_meaning_reaches_the_service_with_that_one_and_framed_anew(
    visit: Visit, backend: Backend, row: Row, size: int
) -> None:
    """Each hides a second request in its content; behind each comes one more, which is a real one."""
    with visit() as wire:
        send_all(wire, row.data + request("GET", "/siguiente"), size)
        assert wire.read_response().content == b"hola"
        assert wire.read_response().content == b"hola"
    first, second = backend.requests
    assert (first.target, second.target) == ("/", "/siguiente")
    assert first.content == HIDDEN
    assert len(first.fields.all("Content-Length")) + len(first.fields.all("Transfer-Encoding")) == 1
    assert first.fields.get("Host") == "a"
    assert first.fields.get("Connection") is None


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", b"\x05\x01\x00", b"\0", b" "]
)
def test_what_cannot_become_a_request_is_refused_at_its_first_byte(
    visit: Visit, backend: Backend, data: bytes
) -> None:
    """A browser that was told https waits for us as long as we wait for the end of its head."""
    with visit() as wire:
        wire.send(data)
        wire.sock.settimeout(10.0)  # the head of a request may take 15 s
        assert wire.read_response().code == "bad-request"
        assert wire.read_to_end() == b""


@pytest.mark.timeout(20)
def test_a_flood_of_empty_lines_stalls_nobody(visit: Visit, backend: Backend) -> None:
    """RFC 9112, section 2.2, says to ignore one; it took a minute of the processor to do so with these."""
    with visit() as noisy, visit() as wire:
        for _ in range(16):
            noisy.send(b"\r\n" * 500_000)
            assert wire.ask().content == b"hola"
        noisy.send(request("GET", "/al-fin"))
        assert noisy.read_response().content == b"hola"
