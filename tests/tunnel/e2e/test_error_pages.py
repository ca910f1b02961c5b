"""The exit node's own answers: the same code for everybody, in the form that each visitor can read."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser

import pytest
from support.tunnel_kit import Starter
from support.wire import Response, request, response

BROWSER = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
VOID = {"meta", "br", "hr", "img", "input", "link"}


class StrictPage(HTMLParser):
    """Reads a page and complains of every tag that is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.language: str | None = None
        self.text: list[str] = []
        self.outside: list[str] = []  # what it would load from elsewhere
        self.feed(text)
        self.close()
        assert not self.stack, f"never closed: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "html":
            self.language = dict(attrs).get("lang")
        self.outside += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag, f"</{tag}> is out of order"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def no_client(start: Starter, *lines: str, method: str = "GET", target: str = "/") -> Response:
    """Return the answer of an exit node without a client."""
    server = start.server()
    with server.visit() as wire:
        return wire.ask(method, target, *lines)


def check_head(answer: Response) -> None:
    """Check what every such answer says in its head."""
    assert (answer.status, answer.code) == (503, "no-client")
    assert answer.fields.get("Retry-After") == "2"
    assert answer.fields.get("Cache-Control") == "no-store"
    assert answer.fields.get("Vary") == "Accept"
    assert parsedate_to_datetime(str(answer.fields.get("Date"))).tzname() == "UTC"  # RFC 9110, section 6.6.1


@pytest.mark.parametrize("accept", ["Accept: */*", "Accept: image/png", "X-Nada: 1"])
def test_curl_reads_plain_text_that_names_the_hop(start: Starter, accept: str) -> None:
    answer = no_client(start, accept)
    check_head(answer)
    assert answer.fields.get("Content-Type") == "text/plain; charset=utf-8"
    text = answer.content.decode()
    assert "No hay ningún cliente del túnel conectado" in text
    assert "[✗ enlace]" in text
    assert "no-client" in text
    assert text.endswith("\n")


def test_a_browser_reads_a_pagewords_of_detail_that_is_well_formed(start: Starter) -> None:
    answer = no_client(start, BROWSER)
    check_head(answer)
    assert answer.fields.get("Content-Type") == "text/html; charset=utf-8"
    text = answer.content.decode()
    assert text.startswith("<!doctype html>")
    page = StrictPage(text)
    assert page.language == "es"
    assert not page.outside, "it loads something from elsewhere"
    words = " ".join("".join(page.text).split())
    assert "No hay ningún cliente del túnel conectado" in words
    assert "aquí falló" in words
    assert "no-client" in words


@pytest.mark.parametrize(
    "accept", ["Accept: application/json", "Accept: application/problem+json, */*;q=0.1"]
)
def test_a_program_reads_json(start: Starter, accept: str) -> None:
    answer = no_client(start, accept)
    check_head(answer)
    assert answer.fields.get("Content-Type") == "application/json; charset=utf-8"
    error = json.loads(answer.content)["error"]
    assert (error["code"], error["hop"]) == ("no-client", "enlace")
    assert "Arranque" in error["message"]


def test_the_answer_to_head_is_the_head_alone_and_the_connection_goes_on(start: Starter) -> None:
    server = start.server()
    with server.visit() as wire:
        lengths = set()
        for method in ("GET", "HEAD", "GET", "HEAD"):
            answer = wire.ask(method)
            check_head(answer)
            lengths.add(answer.fields.get("Content-Length"))
    assert len(lengths) == 1


def test_pages_never_show_what_the_visitor_sent(start: Starter) -> None:
    """No reflection, so nothing to escape: not the target, not the Host, not a field."""
    server, backend = start.server(), start.backend()
    start.connected_client(server, f"todo.example={backend.url}")
    evil = "<script>alert(1)</script>"
    with server.visit() as wire:
        for host in ("malo.example", "todo.example"):
            wire.send(request("GET", f"/.tunelab/{evil}", f"Host: {host}", BROWSER, f"X-A: {evil}"))
            answer = wire.read_response()
            assert answer.status == 404
            assert b"<script>" not in answer.content
            assert b"malo.example" not in answer.content
        wire.send(f"GET / HTTP/1.1\r\nHost: {evil}\r\n{BROWSER}\r\n\r\n".encode())
        answer = wire.read_response()
        assert answer.status == 400
        assert b"<script>" not in answer.content


def test_pages_tell_nothing_of_where_the_service_is(start: Starter) -> None:
    server, backend = start.server(), start.backend()
    backend.close()
    start.connected_client(server, backend)
    for accept in (BROWSER, "Accept: */*", "Accept: application/json"):
        with server.visit() as wire:
            answer = wire.ask("GET", "/", accept)
        assert answer.code == "upstream-refused"
        for secret in (str(backend.port), str(server.control_port), "127.0.0.1"):
            assert secret not in answer.content.decode()


def test_a_services_own_errors_pass_untouched(start: Starter) -> None:
    """A 502 of the service's is not the tunnel's, and says so by carrying no code."""
    server, backend = start.server(), start.backend()
    backend.answer(lambda _: response(502, b"cosa mia", "Content-Type: text/x-mio"))
    start.connected_client(server, backend)
    with server.visit() as wire:
        answer = wire.ask("GET", "/", BROWSER)
    assert (answer.status, answer.code, answer.content) == (502, None, b"cosa mia")
    assert answer.fields.get("Content-Type") == "text/x-mio"
