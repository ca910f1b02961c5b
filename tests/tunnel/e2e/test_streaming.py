"""Content in both directions is passed on as it comes, and each side may stop the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.backend import Backend
from support.tunnel_kit import Visit
from support.wire import Broken, Wire, request, response

WAIT_S = 20


@contextmanager
def released(*events: threading.Event) -> Iterator[None]:
    """Set ``events`` after the block, so that no backend waits for ever for a test that failed."""
    try:
        yield
    finally:
        for event in events:
            event.set()


@pytest.mark.parametrize("media_type", ["text/event-stream", "text/plain", "application/octet-stream"])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_each_piece_arrives_while_the_service_still_works_on_the_next(
    visit: Visit, backend: Backend, media_type: str, framing: str
) -> None:
    """Nothing is held back: the service goes on only when the visitor has seen the piece before."""
    pieces = [f"data: {number}\n\n".encode() for number in range(5)]
    seen = [threading.Event() for _ in pieces]
    framings = {
        "chunked": "Transfer-Encoding: chunked\r\n",
        "length": f"Content-Length: {sum(map(len, pieces))}\r\n",
        "close": "",
    }

    def stream(wire: Wire) -> None:
        wire.read_request()
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n{framings[framing]}\r\n".encode())
        for piece, event in zip(pieces, seen, strict=True):
            wire.send(b"%x\r\n%b\r\n" % (len(piece), piece) if framing == "chunked" else piece)
            assert event.wait(WAIT_S)
        if framing == "chunked":
            wire.send(b"0\r\n\r\n")

    backend.play(stream)
    with released(*seen), visit() as wire:
        wire.send(request("GET", "/sucesos", "Accept: text/event-stream"))
        answer = wire.read_response_head()
        assert answer.fields.get("Content-Type") == media_type
        for piece, event in zip(pieces, seen, strict=True):
            assert (
                wire.read_exactly(len(piece)) == piece if framing == "length" else wire.read_chunk() == piece
            )
            event.set()
        if framing != "length":
            assert wire.read_chunk() == b""


def test_the_head_of_an_answer_arrives_before_any_content(visit: Visit, backend: Backend) -> None:
    seen = threading.Event()

    def slowly(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        assert seen.wait(WAIT_S)
        wire.send(b"ya")

    backend.play(slowly)
    with released(seen), visit() as wire:
        wire.send(request())
        assert wire.read_response_head().status == 200
        seen.set()
        assert wire.read_exactly(2) == b"ya"


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 15"])
def test_each_piece_of_an_upload_arrives_before_the_next_is_sent(
    visit: Visit, backend: Backend, framing: str
) -> None:
    is_chunked = framing.endswith("chunked")
    arrived = [threading.Event() for _ in range(5)]

    def collect(wire: Wire) -> None:
        asked = wire.read_request_head()
        assert asked.fields.get(framing.partition(":")[0]) == framing.partition(": ")[2]
        for number, event in enumerate(arrived):
            assert (wire.read_chunk() if is_chunked else wire.read_exactly(3)) == b"<%d>" % number
            event.set()
        if is_chunked:
            assert wire.read_chunk() == b""
        wire.send(response(200, b"completo"))

    backend.play(collect)
    with visit() as wire:
        wire.send(request("POST", "/", framing))
        for number, event in enumerate(arrived):
            piece = b"<%d>" % number
            wire.send(b"3\r\n%b\r\n" % piece if is_chunked else piece)
            assert event.wait(WAIT_S)
        if is_chunked:
            wire.send(b"0\r\n\r\n")
        assert wire.read_response().content == b"completo"


def test_a_chunked_upload_and_a_chunked_download_pass_whole(visit: Visit, backend: Backend) -> None:
    def echo(wire: Wire) -> None:
        while True:
            asked = wire.read_request()
            size = b"%x\r\n" % len(asked.content)
            wire.send(response(200, size + asked.content + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked"))

    backend.play(echo)
    content = bytes(range(256)) * 4096
    chunks = [content[start : start + 7001] for start in range(0, len(content), 7001)]
    with visit() as wire:
        for _ in range(2):
            wire.send(request("POST", "/", "Transfer-Encoding: chunked"))
            wire.send(b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n")
            answer = wire.read_response()
            assert answer.fields.get("Transfer-Encoding") == "chunked"
            assert answer.content == content


def test_trailer_fields_are_dropped_in_both_directions(visit: Visit, backend: Backend) -> None:
    """They would let a visitor add fields after the edge has decided which may pass."""
    seen: list[bytes] = []

    def with_trailer(wire: Wire) -> None:
        wire.read_request_head()
        seen.append(wire.read_until(b"0\r\n\r\n"))
        wire.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Fin\r\n\r\n"
            b"2\r\nya\r\n0\r\nX-Fin: 1\r\n\r\n"
        )
        wire.read_request()

    backend.play(with_trailer)
    with visit() as wire:
        wire.send(request("POST", "/", "Transfer-Encoding: chunked", "Trailer: X-Real-IP"))
        wire.send(b"3\r\nuno\r\n0\r\nX-Real-IP: 203.0.113.9\r\n\r\n")
        answer = wire.read_response_head()
        assert wire.read_until(b"0\r\n\r\n") == b"2\r\nya\r\n0\r\n\r\n"
    assert seen == [b"3\r\nuno\r\n0\r\n\r\n"]
    assert "trailer" not in answer.fields.names


def test_100_continue_comes_from_the_service_and_before_the_body(visit: Visit, backend: Backend) -> None:
    may_ask = threading.Event()

    def careful(wire: Wire) -> None:
        asked = wire.read_request_head()
        assert asked.fields.get("Expect") == "100-continue"
        assert may_ask.wait(WAIT_S)
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert wire.read_exactly(4) == b"dato"
        wire.send(response(201, b"creado"))
        wire.read_request()

    backend.play(careful)
    with released(may_ask), visit() as wire:
        wire.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 4"))
        wire.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):  # the exit node does not say it in the service's name
            wire.read_some()
        wire.sock.settimeout(WAIT_S)
        may_ask.set()
        assert wire.read_response().status == 100
        wire.send(b"dato")
        assert wire.read_response().status == 201
        assert wire.ask("GET", "/").code == "upstream-closed"  # the connection goes on; the script does not


def test_a_refusal_instead_of_100_continue_needs_no_body(visit: Visit, backend: Backend) -> None:
    def refuse(wire: Wire) -> None:
        asked = wire.read_request_head()
        assert asked.fields.get("Content-Length") == "1000000000"
        wire.send(response(417, b"no"))
        assert wire.read_to_end() == b""

    backend.play(refuse)
    with visit() as wire:
        wire.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 1000000000"))
        answer = wire.read_response()
        assert (answer.status, answer.content) == (417, b"no")
        # RFC 9110, section 10.1.1: say whether the connection closes, since the body was not read.
        assert answer.fields.get("Connection") == "close"
        assert wire.read_to_end() == b""


@pytest.mark.parametrize("status", [401, 413])
def test_an_early_answer_reaches_a_visitor_that_still_uploads(
    visit: Visit, backend: Backend, status: int
) -> None:
    """The answer must not be lost in a reset, and the upload must stop."""
    stopped = threading.Event()

    def refuse(wire: Wire) -> None:
        wire.read_request_head()
        wire.read_exactly(100_000)
        wire.send(response(status, b"basta"))
        try:
            while wire.read_some():
                pass
        except ConnectionResetError:
            pass
        stopped.set()

    backend.play(refuse)
    with visit() as wire:
        wire.send(request("POST", "/", "Content-Length: 10000000000"))
        ended = threading.Event()

        def upload() -> None:
            try:
                while not ended.is_set():
                    wire.send(bytes(65536))
            except OSError:
                pass

        uploader = threading.Thread(target=upload)
        uploader.start()
        try:
            answer = wire.read_response()
            assert (answer.status, answer.content) == (status, b"basta")
            assert answer.fields.get("Connection") == "close"
            assert stopped.wait(WAIT_S)
        finally:
            ended.set()
            wire.wake()
            uploader.join()


def test_an_answer_may_begin_before_the_upload_ends_and_both_are_whole(
    visit: Visit, backend: Backend
) -> None:
    """A service that transforms as it reads: the directions do not wait for each other."""

    def upper(wire: Wire) -> None:
        wire.read_request_head()
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while content := wire.read_chunk():
            wire.send(b"%x\r\n%b\r\n" % (len(content), content.upper()))
        wire.send(b"0\r\n\r\n")

    backend.play(upper)
    with visit() as wire:
        wire.send(request("POST", "/", "Transfer-Encoding: chunked"))
        assert wire.read_response_head().status == 200
        for word in (b"uno", b"dos", b"tres"):
            wire.send(b"%x\r\n%b\r\n" % (len(word), word))
            assert wire.read_chunk() == word.upper()
        wire.send(b"0\r\n\r\n")
        assert wire.read_chunk() == b""


def test_a_chunk_that_breaks_the_rules_in_mid_upload_ends_the_request_at_the_service(
    visit: Visit, backend: Backend
) -> None:
    outcome: list[str] = []
    arrived = threading.Event()
    over = threading.Event()

    def collect(wire: Wire) -> None:
        wire.read_request_head()
        assert wire.read_chunk() == b"uno"
        arrived.set()
        try:
            wire.read_chunk()
            outcome.append("complete")
        except Broken:
            outcome.append("broken")
        over.set()

    backend.play(collect)
    with visit() as wire:
        wire.send(request("POST", "/", "Transfer-Encoding: chunked") + b"3\r\nuno\r\n")
        assert arrived.wait(WAIT_S)
        wire.send(b"zz\r\n")
        assert wire.read_response().code == "bad-request"
        wire.read_nothing_more()
        assert over.wait(WAIT_S)
    assert outcome == ["broken"]
