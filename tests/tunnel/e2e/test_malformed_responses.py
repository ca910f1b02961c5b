"""What a service answers is held to the same rules: nobody sees what a lenient reader would make of it.

Behind each answer comes a whole one that nobody asked for.  The visitor must not see it, and neither must
the next one: the connection that carried it is not used again.
"""

from __future__ import annotations

import pytest
from support.backend import Backend
from support.tunnel_kit import Visit
from support.wire import Wire, request, response

from tests.tunnel.e2e.malformed_requests import Row
from tests.tunnel.e2e.malformed_responses import REFUSED, SMUGGLED, TOLERATED, WITHOUT_CONTENT

SIZES = pytest.mark.parametrize("size", [1 << 20, 1], ids=["whole", "byte by byte"])


def say(backend: Backend, data: bytes, size: int) -> None:
    """Let the service answer the first request with ``data``, and ``hola`` on every other connection."""
    is_first = True

    def misbehave(wire: Wire) -> None:
        nonlocal is_first
        wire.read_request()
        if not is_first:
            wire.send(response(200, b"hola"))
            return
        is_first = False
        step = max(size, len(data) // 500)
        for start in range(0, len(data), step):
            wire.send(data[start : start + step])
        wire.read_request()
        wire.send(response(200, b"the connection was used again"))

    backend.play(misbehave)


def name_of(row: Row) -> str:
    return f"{row.section}: {row.what}"


def ask_next(wire: Wire, backend: Backend, size: int) -> bytes:
    """Return what the next request on the same visitor's connection is answered."""
    if size == 1:
        # What comes later than the next request cannot be told from its answer, in HTTP/1.1.
        backend.reset()
    answer = wire.ask("GET", "/siguiente")
    assert answer.fields.get("X-Contrabando") is None
    return answer.content


def test_no_row_is_there_twice() -> None:
    rows = [*REFUSED, *TOLERATED, *WITHOUT_CONTENT]
    assert len(REFUSED) >= 60
    assert len({row.data for row in rows}) == len({row.what for row in rows}) == len(rows)


@SIZES
@pytest.mark.parametrize("row", REFUSED, ids=name_of)
def test_a_malformed_answer_is_a_502_and_nothing_of_it_is_seen(
    visit: Visit, backend: Backend, row: Row, size: int
) -> None:
    say(backend, row.data + SMUGGLED, size)
    with visit() as wire:
        answer = wire.ask()
        for _ in range(8):  # interim answers that came before the fault have been passed on
            if answer.status >= 200:
                break
            answer = wire.read_response()
        assert (answer.status, answer.code) == (row.status, "upstream-protocol")
        assert b"contrabando" not in answer.content
        assert answer.fields.get("Set-Cookie") is None
        assert ask_next(wire, backend, size) == b"hola"


@SIZES
@pytest.mark.parametrize("row", TOLERATED, ids=name_of)
def test_what_is_behind_an_answer_is_nobody_s(visit: Visit, backend: Backend, row: Row, size: int) -> None:
    say(backend, row.data + SMUGGLED, size)
    with visit() as wire:
        answer = wire.ask()
        while answer.status < 200:
            assert not answer.fields.names & {"content-length", "transfer-encoding"}
            answer = wire.read_response()
        assert (answer.status, answer.content) == (200, b"hola")
        assert answer.code is None
        assert ask_next(wire, backend, size) == b"hola"


@SIZES
@pytest.mark.parametrize("row", WITHOUT_CONTENT, ids=name_of)
def test_an_answer_that_has_no_content_ends_with_its_head(
    visit: Visit, backend: Backend, row: Row, size: int
) -> None:
    say(backend, row.data + SMUGGLED, size)
    with visit() as wire:
        answer = wire.ask()
        assert answer.status == row.status
        assert answer.fields.get("Transfer-Encoding") is None
        assert ask_next(wire, backend, size) == b"hola"


@SIZES
@pytest.mark.parametrize("framing", [b"Content-Length: 4", b"Transfer-Encoding: chunked", b"X-A: 1"])
def test_the_content_of_an_answer_to_a_head_is_nobody_s(
    visit: Visit, backend: Backend, framing: bytes, size: int
) -> None:
    say(backend, b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\nhola" + SMUGGLED, size)
    with visit() as wire:
        wire.send(request("HEAD"))
        assert wire.read_response("HEAD").status == 200
        assert ask_next(wire, backend, size) == b"hola"
