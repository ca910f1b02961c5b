"""What the service does wrong, and what the visitor sees of it: never a half answer taken for a whole one."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress

import pytest
from support.backend import Backend
from support.tunnel_in_process import in_process_tunnel
from support.tunnel_kit import Starter, Visit
from support.wire import Broken, Wire, request, response

WAIT_S = 20


def unused_port(start: Starter) -> int:
    """Return a port that nothing listens on."""
    backend = start.backend()
    backend.close()
    return backend.port


def test_a_service_that_is_down_is_a_502_at_once_and_served_again_when_it_is_up(start: Starter) -> None:
    port = unused_port(start)
    server = start.server()
    start.connected_client(server, f"http://127.0.0.1:{port}")
    with server.visit() as wire:
        for method in ("GET", "POST"):
            answer = wire.ask(method)
            assert (answer.status, answer.code) == (502, "upstream-refused")
        backend = Backend(port=port)
        try:
            assert wire.ask().content == b"hola"
        finally:
            wire.close()
            backend.close()


def test_a_silent_service_is_a_504_after_the_upstream_timeout(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    ended = threading.Event()

    def silent(wire: Wire) -> None:
        wire.read_request()
        try:
            wire.read_some()
        finally:
            ended.set()

    backend.play(silent)
    start.connected_client(server, backend, options=("--upstream-timeout=1",))
    with server.visit() as wire:
        started = time.monotonic()
        answer = wire.ask()
        assert (answer.status, answer.code) == (504, "upstream-timeout")
        assert time.monotonic() - started >= 1.0
        assert ended.wait(WAIT_S), "the request goes on at the service"
        backend.reset()
        assert wire.ask().content == b"hola"


def test_the_upstream_timeout_does_not_end_an_answer_that_has_begun(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    resumed = threading.Event()

    def pause(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nan")
        resumed.wait(2.0)
        wire.send(b"tes!")

    backend.play(pause)
    start.connected_client(server, backend, options=("--upstream-timeout=1",))
    with server.visit() as wire:
        assert wire.ask().content == b"antes!"


def test_an_upload_that_goes_on_is_not_silence(start: Starter) -> None:
    """The timeout counts from the last byte that the service was sent."""
    backend, server = start.backend(), start.server()
    start.connected_client(server, backend, options=("--upstream-timeout=1.5",))
    pace = threading.Event()
    with server.visit() as wire:
        wire.send(request("POST", "/", "Content-Length: 8"))
        for _ in range(8):
            pace.wait(0.3)
            wire.send(b"x")
        assert wire.read_response().content == b"hola"


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"], ids=["no", "half", "most"]
)
def test_a_service_that_closes_before_its_head_is_complete_is_a_502(
    visit: Visit, backend: Backend, sent: bytes
) -> None:
    def close(wire: Wire) -> None:
        wire.read_request()
        wire.send(sent)

    backend.play(close)
    with visit() as wire:
        answer = wire.ask()
        assert (answer.status, answer.code) == (502, "upstream-closed")
        backend.reset()
        assert wire.ask().content == b"hola"


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize(
    "framing",
    ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n", ""],
    ids=["length", "chunked", "close"],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_an_answer_that_breaks_off_is_broken_for_the_visitor_too(
    visit: Visit, backend: Backend, framing: str, how: str, version: str
) -> None:
    seen = threading.Event()

    def break_off(wire: Wire) -> None:
        wire.read_request()
        chunk = b"5\r\nmedia\r\n" if "chunked" in framing else b"media"
        wire.send(b"HTTP/1.1 200 OK\r\n" + framing.encode() + b"\r\n" + chunk)
        assert seen.wait(WAIT_S)
        wire.reset() if how == "reset" else wire.close()

    backend.play(break_off)
    with visit() as wire:
        wire.send(f"GET / HTTP/{version}\r\nHost: a\r\n\r\n".encode())
        head = wire.read_response_head()
        assert head.status == 200
        chunked = head.fields.get("Transfer-Encoding") is not None
        assert (wire.read_chunk() if chunked else wire.read_exactly(5)) == b"media"
        seen.set()
        if framing or how == "reset":
            with pytest.raises(Broken):
                wire.read_chunk() if chunked else wire.read_to_end()
        else:  # here the end of the connection is the end of the content
            assert (wire.read_chunk() if chunked else wire.read_to_end()) == b""


@pytest.mark.parametrize(
    "chunk", [b"zz\r\n", b"-1\r\n", b"3\r\nunoX\r\n", b"3\nuno\r\n", b"0\r\nsin dos puntos\r\n\r\n"]
)
def test_a_chunk_that_is_none_breaks_the_answer_that_has_begun(
    visit: Visit, backend: Backend, chunk: bytes
) -> None:
    seen = threading.Event()

    def misbehave(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nuno\r\n")
        assert seen.wait(WAIT_S)
        wire.send(chunk)
        wire.read_some()

    backend.play(misbehave)
    with visit() as wire:
        wire.send(request())
        assert wire.read_response_head().status == 200
        assert wire.read_chunk() == b"uno"
        seen.set()
        with pytest.raises(Broken):
            wire.read_chunked()


@pytest.mark.parametrize("size", [2_000_000, 10_000_000_000], ids=["sent whole", "endless"])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_the_answer_of_a_service_that_closes_without_reading_everything_is_not_lost(
    start: Starter, loop: str, size: int
) -> None:
    """Its kernel sends a RST behind the answer: the write that fails must not hide what there is to read."""
    backend = start.backend()

    def refuse(wire: Wire) -> None:
        wire.read_request_head()
        wire.read_exactly(100_000)
        wire.send(response(413, b"basta", "Connection: close"))

    backend.play(refuse)
    with ExitStack() as stack:
        if loop == "uvloop":
            server = start.server()
            start.connected_client(server, backend)
            visit = server.visit
        else:
            visit = stack.enter_context(in_process_tunnel(backend.url)).visit
        for _ in range(20):
            with visit() as wire:
                wire.send(request("POST", "/", f"Content-Length: {size}"))
                uploader = threading.Thread(target=upload, args=(wire, size))
                uploader.start()
                try:
                    answer = wire.read_response()
                    assert (answer.status, answer.content) == (413, b"basta")
                finally:
                    wire.wake()
                    uploader.join()


def upload(wire: Wire, size: int) -> None:
    """Send that many bytes, or fewer when the connection ends."""
    with suppress(OSError):
        for _ in range(size // 10_000):
            wire.send(bytes(10_000))


def test_what_a_service_says_unasked_is_not_taken_for_an_answer(visit: Visit, backend: Backend) -> None:
    """Bytes behind a complete answer belong to no request."""

    def chatter(wire: Wire) -> None:
        wire.read_request()
        wire.send(response(200, b"una") + response(200, b"otra"))
        wire.read_some()

    backend.play(chatter)
    with visit() as wire:
        for _ in range(5):
            assert wire.ask().content == b"una"


def test_one_requests_fault_leaves_those_beside_it_alone(visit: Visit, backend: Backend) -> None:
    go_on = threading.Event()

    def mixed(wire: Wire) -> None:
        while True:
            asked = wire.read_request()
            if asked.target == "/mal":
                wire.send(b"\0" * 100)
                return
            assert go_on.wait(WAIT_S)
            wire.send(response(200, b"bien"))

    backend.play(mixed)
    with visit() as good:
        good.send(request("GET", "/bien"))
        try:
            for _ in range(10):
                with visit() as bad:
                    assert bad.ask("GET", "/mal").code == "upstream-protocol"
        finally:
            go_on.set()
        assert good.read_response().content == b"bien"
