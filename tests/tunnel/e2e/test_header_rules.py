"""Rules for header fields, on the way to a service and back."""

from __future__ import annotations

import pytest
from support.tunnel_kit import Starter
from support.tunnel_process import Server, TunnelProcess
from support.wire import Request, Response, response


def shared(start: Starter, *options: str, names: tuple[str, ...] = ()) -> tuple[Server, list[Request]]:
    """Share a service under rules; return the exit node and what the service is asked."""
    server, backend = start.server(), start.backend()
    backend.answer(
        lambda _: response(200, b"hola", "Server: werkzeug/3", "Set-Cookie: a=1", "X-Frame-Options: DENY")
    )
    upstreams = [f"{name}={backend.url}" for name in names] or [backend.url]
    start.connected_client(server, *upstreams, options=options)
    return server, backend.requests


def ask(server: Server, *lines: str, host: str = "todo.example") -> Response:
    with server.visit() as wire:
        return wire.ask("GET", "/", f"Host: {host}", *lines)


def test_without_rules_fields_pass_as_they_are(start: Starter) -> None:
    server, requests = shared(start)
    answer = ask(server, "X-Env: casa")
    assert requests[0].fields.all("X-Env") == ["casa"]
    assert requests[0].fields.all("Host") == ["todo.example"]
    assert answer.fields.all("Server") == ["werkzeug/3"]


def test_a_request_s_fields_are_set_added_and_removed(start: Starter) -> None:
    rules = ("X-Env: clase", "+Accept: text/plain", "-User-Agent")
    server, requests = shared(start, *(f"--request-header={rule}" for rule in rules))
    ask(server, "x-env: casa", "X-Env: otra", "Accept: */*", "User-Agent: curl")
    fields = requests[0].fields
    assert fields.all("X-Env") == ["clase"]
    assert fields.all("Accept") == ["*/*", "text/plain"]
    assert fields.all("User-Agent") == []
    assert fields.all("Host") == ["todo.example"]


def test_an_answer_s_fields_are_set_added_and_removed(start: Starter) -> None:
    rules = ("X-Frame-Options: SAMEORIGIN", "+Set-Cookie: b=2", "-Server")
    server, _ = shared(start, *(f"--response-header={rule}" for rule in rules))
    answer = ask(server)
    assert answer.content == b"hola"
    assert answer.fields.all("X-Frame-Options") == ["SAMEORIGIN"]
    assert answer.fields.all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.fields.all("Server") == []


def test_the_later_of_two_rules_counts(start: Starter) -> None:
    server, requests = shared(start, "--request-header=+X-A: 1", "--request-header=X-A: 2")
    ask(server)
    assert requests[0].fields.all("X-A") == ["2"]


@pytest.mark.parametrize(
    ("value", "seen"),
    [("preserve", "todo.example"), ("localhost:3000", "localhost:3000"), ("[::1]:80", "[::1]:80")],
)
def test_a_service_sees_the_host_that_was_chosen(start: Starter, value: str, seen: str) -> None:
    server, requests = shared(start, f"--host-header={value}")
    ask(server)
    assert requests[0].fields.all("Host") == [seen]
    assert requests[0].fields.all("X-Forwarded-Host") == ["todo.example"]


def test_a_service_sees_its_own_host_where_it_is_rewritten(start: Starter) -> None:
    server, backend = start.server(), start.backend()
    start.connected_client(server, backend, options=("--host-header=rewrite",))
    ask(server)
    assert [request.fields.all("Host") for request in backend.requests] == [[f"127.0.0.1:{backend.port}"]]


def test_a_rule_may_be_for_one_name_alone(start: Starter) -> None:
    server, requests = shared(
        start,
        "--request-header=a.example=X-Only: a=b",
        "--request-header=X-Both: x=y",
        "--host-header=b.example=interno",
        names=("a.example", "b.example"),
    )
    ask(server, host="a.example")
    ask(server, host="b.example")
    first, second = (request.fields for request in requests)
    assert (first.all("X-Only"), second.all("X-Only")) == (["a=b"], [])
    assert (first.all("X-Both"), second.all("X-Both")) == (["x=y"], ["x=y"])
    assert (first.all("Host"), second.all("Host")) == (["a.example"], ["interno"])


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--request-header=X-Env", "no es una regla de cabecera"),
        ("--request-header=-X-Env: a", "no es una regla de cabecera"),
        ("--request-header=X Env: a", "no es una regla de cabecera"),
        ("--request-header=Content-Length: 3", "no se puede tocar"),
        ("--response-header=transfer-encoding: chunked", "no se puede tocar"),
        ("--response-header=-Upgrade", "no se puede tocar"),
        ("--request-header=Tunelab-Error: x", "no se puede tocar"),
        ("--request-header=Host: x", "--host-header"),
        ("--request-header=X-A: a\r\nX-B: b", "no es una regla de cabecera"),
        ("--request-header=X-A: \x01", "caracteres que una cabecera no admite"),
        ("--host-header=a b", "no es un nombre"),
        ("--host-header=a\r\nX: y", "no es un nombre"),
    ],
)
def test_a_rule_that_cannot_be_is_named(start: Starter, option: str, said: str) -> None:
    process = TunnelProcess(
        "client",
        "--url=ws://127.0.0.1:9",
        f"--token-file={start.token_file}",
        "--upstream=http://a:1",
        option,
    )
    start.processes.append(process)
    assert process.wait() == 2
    assert said in process.err


def test_what_a_service_says_of_other_origins_passes_as_it_is(start: Starter) -> None:
    server, backend = start.server(), start.backend()
    said = (
        "Access-Control-Allow-Origin: https://pagina.example",
        "Access-Control-Allow-Methods: PUT, DELETE",
        "Access-Control-Allow-Headers: x-curso",
        "Access-Control-Allow-Credentials: true",
        "Access-Control-Max-Age: 600",
        "Vary: Origin, Access-Control-Request-Method",
    )
    backend.answer(lambda asked: response(204 if asked.method == "OPTIONS" else 200, b"", *said))
    start.connected_client(server, backend)
    asked = (
        "Origin: https://pagina.example",
        "Access-Control-Request-Method: PUT",
        "Access-Control-Request-Headers: x-curso",
    )
    with server.visit() as wire:
        for method, status in (("OPTIONS", 204), ("PUT", 200)):
            answer = wire.ask(method, "/", *asked)
            assert answer.status == status
            for line in said:
                name, _, value = line.partition(": ")
                assert answer.fields.all(name) == [value], line
    for request in backend.requests:
        for line in asked:
            name, _, value = line.partition(": ")
            assert request.fields.all(name) == [value], line
