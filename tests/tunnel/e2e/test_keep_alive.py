"""One connection, many requests: their order, their framing, and where a connection must end."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from support.backend import Backend
from support.tunnel_kit import Starter, Visit, linux_only
from support.wire import Request, Wire, eventually, request, response, unread_bytes


def echo(asked: Request) -> bytes:
    """Answer with what was asked."""
    return response(200, f"{asked.method} {asked.target} ".encode() + asked.content)


def test_many_requests_share_one_connection_on_both_sides(visit: Visit, backend: Backend) -> None:
    backend.answer(echo)
    before = backend.connections
    with visit() as wire:
        for number in range(50):
            answer = wire.ask("GET", f"/{number}")
            assert (answer.status, answer.content) == (200, f"GET /{number} ".encode())
            assert answer.fields.get("Connection") is None
    assert backend.connections == before + 1


def test_pipelined_requests_are_answered_in_order_with_their_bodies(visit: Visit, backend: Backend) -> None:
    backend.answer(echo)
    asked = []
    data = b""
    for number in range(60):
        content = b"" if number % 3 else b"x" * (number * 37)
        asked.append(("POST" if content else "GET", f"/{number}", content))
        data += request("POST" if content else "GET", f"/{number}", content=content)
    with visit() as wire:
        wire.send(data)
        for method, target, content in asked:
            assert wire.read_response().content == f"{method} {target} ".encode() + content
    assert backend.targets == [target for _, target, _ in asked]


def test_pipelined_chunked_requests_end_where_their_last_chunk_does(visit: Visit, backend: Backend) -> None:
    backend.answer(echo)
    one = (
        request("POST", "/chunked", "Transfer-Encoding: chunked") + b"3\r\nuno\r\n4;x=1\r\n dos\r\n0\r\n\r\n"
    )
    with visit() as wire:
        wire.send((one + request("GET", "/after")) * 5)
        for _ in range(5):
            assert wire.read_response().content == b"POST /chunked uno dos"
            assert wire.read_response().content == b"GET /after "


def test_pipelined_requests_may_come_byte_by_byte(visit: Visit, backend: Backend) -> None:
    backend.answer(echo)
    data = request("POST", "/a", content=b"uno") + request("GET", "/b")
    with visit() as wire:
        for position in range(len(data)):
            wire.send(data[position : position + 1])
        assert wire.read_response().content == b"POST /a uno"
        assert wire.read_response().content == b"GET /b "


def test_more_pipelined_requests_than_are_read_ahead_are_all_answered(visit: Visit, backend: Backend) -> None:
    """The exit node reads 64 KiB ahead; what is beyond waits in the kernel."""
    backend.answer(echo)
    count = 600
    data = b"".join(request("GET", f"/{number}", "X-Relleno: " + "r" * 500) for number in range(count))
    with visit() as wire:
        sender = threading.Thread(target=wire.send, args=(data,))
        sender.start()
        for number in range(count):
            assert wire.read_response().content == f"GET /{number} ".encode()
        sender.join()


def test_a_request_that_asks_to_close_is_the_connections_last(visit: Visit, backend: Backend) -> None:
    backend.answer(echo)
    with visit() as wire:
        wire.send(request("GET", "/last", "Connection: close") + request("GET", "/never"))
        answer = wire.read_response()
        assert answer.content == b"GET /last "
        assert answer.fields.get("Connection") == "close"
        wire.read_nothing_more()
    assert backend.targets == ["/last"]


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_content_keeps_the_connection(visit: Visit, backend: Backend, status: int) -> None:
    backend.answer(lambda _: response(status, b"", 'ETag: "x"', "Content-Length: 10"))
    with visit() as wire:
        for _ in range(3):
            answer = wire.ask()
            assert (answer.status, answer.fields.get("ETag")) == (status, '"x"')
            # RFC 9110, section 8.6: never with 204; with 304 it speaks of what a 200 would carry.
            assert answer.fields.get("Content-Length") == (None if status == 204 else "10")
            assert answer.fields.get("Transfer-Encoding") is None


@pytest.mark.parametrize("framing", ["Content-Length: 12345", "Transfer-Encoding: chunked"])
def test_the_answer_to_head_has_fields_and_no_content(visit: Visit, backend: Backend, framing: str) -> None:
    backend.answer(lambda _: response(200, b"", framing, "Content-Type: text/plain"))
    with visit() as wire:
        for _ in range(3):
            answer = wire.ask("HEAD")
            assert (answer.status, answer.fields.get("Content-Type")) == (200, "text/plain")
            length = framing.removeprefix("Content-Length: ") if "Length" in framing else None
            assert answer.fields.get("Content-Length") == length


def test_content_after_a_204_or_304_never_reaches_a_later_request(visit: Visit, backend: Backend) -> None:
    """Bytes nobody asked for poison a kept connection: it must not be used again."""

    def misbehave(wire: Wire) -> None:
        asked = wire.read_request()
        bad = asked.target == "/bad"
        wire.send(response(304) + response(200, b"veneno") if bad else response(200, b"limpio"))
        wire.read_request()

    backend.play(misbehave)
    with visit() as wire:
        assert wire.ask("GET", "/bad").status == 304
        assert wire.ask("GET", "/good").content == b"limpio"


def test_an_http_10_visitor_gets_a_length_and_the_end_of_the_connection(
    visit: Visit, backend: Backend
) -> None:
    backend.answer(echo)
    with visit() as wire:
        wire.send(b"GET /viejo HTTP/1.0\r\nHost: visita.example\r\n\r\n")
        answer = wire.read_response()
        assert (answer.content, answer.fields.get("Connection")) == (b"GET /viejo ", "close")
        wire.read_nothing_more()


def test_an_http_10_visitor_without_host_is_served_too(visit: Visit, backend: Backend) -> None:
    backend.answer(echo)
    with visit() as wire:
        wire.send(b"GET /viejo HTTP/1.0\r\n\r\n")
        assert wire.read_response().content == b"GET /viejo "


def test_an_http_10_visitor_may_keep_its_connection(visit: Visit, backend: Backend) -> None:
    backend.answer(echo)
    with visit() as wire:
        for _ in range(3):
            wire.send(b"GET /viejo HTTP/1.0\r\nHost: visita.example\r\nConnection: Keep-Alive\r\n\r\n")
            answer = wire.read_response()
            assert (answer.content, answer.fields.get("Connection")) == (b"GET /viejo ", "keep-alive")


def test_an_http_10_visitor_gets_a_chunked_answer_up_to_the_end_of_the_connection(
    visit: Visit, backend: Backend
) -> None:
    backend.answer(
        lambda _: response(200, b"3\r\nuno\r\n3\r\ndos\r\n0\r\n\r\n", "Transfer-Encoding: chunked")
    )
    with visit() as wire:
        wire.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = wire.read_response()
        assert answer.content == b"unodos"
        assert answer.fields.get("Transfer-Encoding") is None
        assert answer.fields.get("Connection") == "close"


def test_an_answer_that_ends_with_its_connection_is_chunked_for_the_visitor(
    visit: Visit, backend: Backend
) -> None:
    def until_close(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhasta el")
        wire.send(b" final")

    backend.play(until_close)
    with visit() as wire:
        for _ in range(3):
            answer = wire.ask()
            assert (answer.content, answer.fields.get("Transfer-Encoding")) == (b"hasta el final", "chunked")


def test_an_interim_answer_comes_before_the_final_one(visit: Visit, backend: Backend) -> None:
    go_on = threading.Event()

    def hint(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </estilo.css>; rel=preload\r\n\r\n")
        assert go_on.wait(20)
        wire.send(response(200, b"listo"))

    backend.play(hint)
    try:
        with visit() as wire:
            wire.send(request())
            interim = wire.read_response()
            assert (interim.status, interim.fields.get("Link")) == (103, "</estilo.css>; rel=preload")
            assert "transfer-encoding" not in interim.fields.names
            assert "content-length" not in interim.fields.names
            go_on.set()
            assert wire.read_response().content == b"listo"
    finally:
        go_on.set()


def test_an_http_10_visitor_sees_no_interim_answer(visit: Visit, backend: Backend) -> None:
    backend.answer(lambda _: b"HTTP/1.1 103 Early Hints\r\n\r\n" + response(200, b"listo"))
    with visit() as wire:
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        answer = wire.read_response()
        assert (answer.status, answer.content) == (200, b"listo")


def test_an_empty_line_before_a_request_is_ignored(visit: Visit, backend: Backend) -> None:
    backend.answer(echo)
    with visit() as wire:
        for _ in range(2):
            wire.send(b"\r\n" + request("GET", "/uno"))
            assert wire.read_response().content == b"GET /uno "


def test_an_idle_visitor_that_leaves_is_no_event(visit: Visit, backend: Backend) -> None:
    with visit() as wire:
        wire.end()
        wire.read_nothing_more()
    with visit() as wire:
        wire.reset()
    with visit() as wire:
        assert wire.ask().content == b"hola"


def test_post_without_content_says_so_to_the_service(visit: Visit, backend: Backend) -> None:
    """RFC 9110, section 8.6: some services wait for a body otherwise."""
    with visit() as wire:
        for method in ("POST", "PUT", "PATCH"):
            assert wire.ask(method).content == b"hola"
        assert wire.ask("DELETE").content == b"hola"
    lengths = [seen.fields.get("Content-Length") for seen in backend.requests]
    assert lengths == ["0", "0", "0", None]


def test_a_connection_that_the_service_closes_after_each_answer_costs_no_request(
    visit: Visit, backend: Backend
) -> None:
    def one_each(wire: Wire) -> None:
        wire.send(response(200, wire.read_request().target.encode(), "Connection: close"))

    backend.play(one_each)
    with visit() as wire:
        for number in range(30):
            assert wire.ask("GET", f"/{number}").content == f"/{number}".encode()


def test_a_large_answer_arrives_whole_before_the_connection_ends(visit: Visit, backend: Backend) -> None:
    content = b"z" * 3_000_000
    backend.answer(lambda _: response(200, content))
    with visit() as wire:
        wire.send(request("GET", "/", "Connection: close"))
        assert wire.read_response().content == content
        assert wire.read_to_end() == b""


def test_who_pipelines_and_reads_no_answer_is_not_answered_for_ever(visit: Visit, backend: Backend) -> None:
    """The answers would wait in the exit node's memory: 64 MB of them here, for 40 kB of requests."""
    content = bytes(64_000)
    backend.answer(lambda asked: response(200, content))
    with visit() as wire:
        sender = threading.Thread(target=wire.send, args=(request("GET", "/") * 1000,))
        sender.start()
        seen = still = 0

        def has_stopped() -> bool:
            nonlocal seen, still
            still = still + 1 if len(backend.requests) == seen else 0
            seen = len(backend.requests)
            return still >= 100

        eventually(has_stopped, "nothing is asked any more", 15.0)
        assert 0 < seen < 300  # what the kernels hold between the two
        for _ in range(1000):
            assert wire.read_response().content == content
        sender.join()


@linux_only
def test_pages_with_a_fault_wait_too_until_they_are_read(start: Starter) -> None:
    """They are made on the spot, one after the other, with no service to slow them down."""
    server = start.server()
    with server.visit(receive_buffer=4096) as wire:

        def send() -> None:
            with suppress(OSError):  # the test ends it
                wire.send(request("GET", "/") * 200_000)

        sender = threading.Thread(target=send)
        before = server.resident_bytes
        sender.start()
        try:
            own_port = wire.sock.getsockname()[1]
            unread = still = 0

            def has_stopped() -> bool:
                nonlocal unread, still
                now = unread_bytes(server.port, own_port)
                still = still + 1 if now == unread else 0
                unread = now
                return still >= 100

            eventually(has_stopped, "nothing is read any more", 30.0)
            assert server.resident_bytes - before < 30_000_000
            assert unread, "all of it was read and answered"
        finally:
            wire.wake()
            sender.join()
