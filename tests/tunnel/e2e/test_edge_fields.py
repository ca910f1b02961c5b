"""Which fields pass the edge: what is about one hop never does, and only the edge says who the visitor is."""

from __future__ import annotations

import pytest
from support.backend import Backend
from support.tunnel_kit import Starter, Visit
from support.wire import Fields, response


def fields_at_service(visit: Visit, backend: Backend, *lines: str, method: str = "GET") -> Fields:
    """Return the fields that the service sees of a request with these."""
    with visit() as wire:
        assert wire.ask(method, "/", *lines).content == b"hola"
    return backend.requests[-1].fields


def test_hop_by_hop_fields_of_a_request_end_at_the_edge(visit: Visit, backend: Backend) -> None:
    seen = fields_at_service(
        visit,
        backend,
        "Connection: keep-alive, X-Salto, Close-Me",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eA==",
        "TE: trailers",
        "Trailer: X-Fin",
        "X-Salto: 1",
        "close-me: 1",
        "X-Sigue: 1",
    )
    gone = {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer"}
    assert not seen.names & (gone | {"x-salto", "close-me"})
    assert seen.get("X-Sigue") == "1"


def test_hop_by_hop_fields_of_an_answer_end_at_the_edge(visit: Visit, backend: Backend) -> None:
    backend.answer(
        lambda _: response(
            200,
            b"x",
            "Connection: keep-alive, X-Salto",
            "Keep-Alive: timeout=5",
            "Proxy-Authenticate: Basic",
            "X-Salto: 1",
            "Upgrade: h2c",
            "Tunelab-Error: no-client",
            "X-Sigue: 1",
            "Set-Cookie: a=1",
            "Set-Cookie: b=2",
        )
    )
    with visit() as wire:
        seen = wire.ask().fields
    gone = {"connection", "keep-alive", "proxy-authenticate", "x-salto", "upgrade", "tunelab-error"}
    assert not seen.names & gone
    assert seen.get("X-Sigue") == "1"
    assert seen.all("Set-Cookie") == ["a=1", "b=2"]


SPOOFED = (
    "X-Forwarded-For: 203.0.113.9",
    "X-FORWARDED-FOR: 203.0.113.10",
    "X-Forwarded-Host: malo.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Port: 443",
    "X-Forwarded-User: admin",
    "X-Real-IP: 203.0.113.9",
    "Forwarded: for=203.0.113.9;proto=https",
    "Tunelab-Error: no-client",
    "Tunelab-Visitor: admin",
)


@pytest.mark.parametrize("underscored", [False, True], ids=["as they are", "with underscores"])
def test_what_a_visitor_says_of_itself_is_dropped_and_set_anew(
    visit: Visit, backend: Backend, underscored: bool
) -> None:
    """CGI and WSGI make X_Real_IP and X-Real-IP one variable: whoever comes last would win."""
    lines = [line.replace("-", "_", 3) if underscored else line for line in SPOOFED]
    seen = fields_at_service(visit, backend, "Host: todo.example:8000", *lines)
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Real-IP") == "127.0.0.1"
    assert seen.get("X-Forwarded-Host") == "todo.example:8000"
    assert seen.get("X-Forwarded-Proto") == "http"
    assert seen.get("Forwarded") == 'for=127.0.0.1;host="todo.example:8000";proto=http'
    everything = str(seen)
    for lie in ("203.0.113", "malo.example", "https", "443", "admin"):
        assert lie not in everything
    assert not any(name.replace("_", "-").startswith("tunelab-") for name in seen.names)


@pytest.mark.parametrize("name", ["Content_Length", "Transfer_Encoding", "Host_", "Connection"])
def test_a_field_that_only_looks_like_framing_frames_nothing(
    visit: Visit, backend: Backend, name: str
) -> None:
    seen = fields_at_service(visit, backend, f"{name}: 5")
    assert not seen.names & {"content_length", "transfer_encoding", "content-length", "transfer-encoding"}


def test_the_edges_own_fields_cannot_be_removed_by_naming_them(visit: Visit, backend: Backend) -> None:
    """Connection: X-Forwarded-For asks a careless proxy to drop what it has just set."""
    seen = fields_at_service(
        visit, backend, "Connection: X-Forwarded-For, X-Real-IP, Forwarded, Host, Via, Content-Length"
    )
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Real-IP") == "127.0.0.1"
    assert seen.get("Host") == "visita.example"
    assert seen.get("Via") == "1.1 tunelab"


def test_naming_content_length_does_not_unframe_a_request(visit: Visit, backend: Backend) -> None:
    with visit() as wire:
        answer = wire.ask("POST", "/", "Connection: Content-Length, Transfer-Encoding", content=b"entero")
        assert answer.content == b"hola"
    assert backend.requests[0].content == b"entero"


def test_host_passes_as_the_visitor_wrote_it(visit: Visit, backend: Backend) -> None:
    for host in ("Todo.Example:8000", "127.0.0.1", "[2001:db8::1]:80"):
        assert fields_at_service(visit, backend, f"Host: {host}").get("Host") == host


def test_via_is_added_to_what_was_there(visit: Visit, backend: Backend) -> None:
    seen = fields_at_service(visit, backend, "Via: 1.0 fred")
    assert seen.all("Via") == ["1.0 fred", "1.1 tunelab"]


def test_fields_keep_their_order_their_case_and_their_repetitions(visit: Visit, backend: Backend) -> None:
    lines = ("X-Uno: 1", "x-dos: 2", "X-Uno: 3", "Cookie: a=1; b=2", "X-Vacio:", "X-Latin: ñ é")
    seen = fields_at_service(visit, backend, "Host: a", *lines)
    kept = [f"{name}: {value}".strip() for name, value in seen if name.lower().startswith(("x-uno", "x-dos"))]
    assert kept == ["X-Uno: 1", "x-dos: 2", "X-Uno: 3"]
    assert seen.get("X-Vacio") == ""
    assert seen.get("X-Latin") == "ñ é"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("/a/../b/./c//d", "/a/../b/./c//d"),
        ("/%2e%2e/%00?x=%0d%0a", "/%2e%2e/%00?x=%0d%0a"),
        ("/?", "/?"),
        ("http://todo.example", "/"),
        ("http://todo.example?x=1", "/?x=1"),
        ("HTTP://todo.example:80/a?b", "/a?b"),
    ],
)
def test_the_target_passes_as_it_is_but_for_absolute_form(
    visit: Visit, backend: Backend, asked: str, expected: str
) -> None:
    with visit() as wire:
        assert wire.ask("GET", asked).content == b"hola"
    assert backend.targets == [expected]


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "TRACE"])
def test_methods_pass(visit: Visit, backend: Backend, method: str) -> None:
    with visit() as wire:
        assert wire.ask(method).content == b"hola"
    assert backend.requests[0].method == method


def test_options_of_the_server_as_a_whole_passes(visit: Visit, backend: Backend) -> None:
    with visit() as wire:
        assert wire.ask("OPTIONS", "*").content == b"hola"
    assert backend.targets == ["*"]


# ── behind a proxy ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("network", ["127.0.0.1", "127.0.0.0/8"])
def test_a_trusted_proxy_says_who_the_visitor_is_and_nothing_else(start: Starter, network: str) -> None:
    server, backend = start.server("--trust-proxy=192.0.2.0/24", f"--trust-proxy={network}"), start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        wire.ask(
            "GET",
            "/",
            "Host: a.example",
            "X-Forwarded-For: 198.51.100.1",
            "X-Forwarded-For: 203.0.113.9, 192.0.2.5",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: malo.example",
            "X-Real-IP: 198.51.100.1",
            "Forwarded: for=198.51.100.1",
        )
        wire.ask("GET", "/", "Host: a.example")
    through, direct = (request.fields for request in backend.requests)
    assert through.get("X-Forwarded-For") == through.get("X-Real-IP") == "203.0.113.9"
    assert through.get("X-Forwarded-Proto") == "https"
    assert through.get("X-Forwarded-Host") == "a.example"
    assert through.get("Forwarded") == 'for=203.0.113.9;host="a.example";proto=https'
    assert direct.get("X-Forwarded-For") == "127.0.0.1"
    assert direct.get("X-Forwarded-Proto") == "http"


def test_who_is_not_a_trusted_proxy_is_not_believed(start: Starter) -> None:
    server, backend = start.server("--trust-proxy=192.0.2.0/24"), start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        wire.ask("GET", "/", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https")
    assert backend.requests[0].fields.get("X-Forwarded-For") == "127.0.0.1"
    assert backend.requests[0].fields.get("X-Forwarded-Proto") == "http"
