"""Names: which client serves which, request by request, and what becomes of those that nobody serves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.backend import Backend
from support.tunnel_kit import Starter
from support.tunnel_process import COMMAND, Client, Server
from support.wire import Wire, eventually, request, response


def named(start: Starter, *words: str) -> list[Backend]:
    """Start a service for each of ``words``, which it says."""
    backends = []
    for word in words:
        backend = start.backend()
        backend.answer(lambda _, word=word: response(200, word.encode()))
        backends.append(backend)
    return backends


def ask(server: Server, host: str) -> str:
    """Return what the service behind ``host`` says, or the exit node's code."""
    with server.visit() as wire:
        answer = wire.ask("GET", "/", f"Host: {host}")
        return answer.code or answer.content.decode()


def test_several_names_lead_to_several_services_request_by_request(start: Starter) -> None:
    """Routing by the connection instead of the request would send the second one astray."""
    todo, blog = named(start, "todo", "blog")
    server = start.server()
    start.connected_client(server, f"todo.example={todo.url},blog.example={blog.url}")
    hosts = {
        "todo.example": "todo",
        "blog.example": "blog",
        "todo.example:8000": "todo",
        "BLOG.Example": "blog",
        "Todo.EXAMPLE.:80": "todo",
        "blog.example.": "blog",
    }
    with server.visit() as wire:
        for _ in range(3):
            for host, word in hosts.items():
                assert wire.ask("GET", "/", f"Host: {host}").content.decode() == word, host
        for host in hosts:
            wire.send(request("GET", "/", f"Host: {host}"))
        for word in hosts.values():
            assert wire.read_response().content.decode() == word
    assert [seen.fields.get("Host") for seen in todo.requests][:3] == [
        "todo.example",
        "todo.example:8000",
        "Todo.EXAMPLE.:80",
    ]


def test_a_target_in_absolute_form_routes_by_its_own_authority(start: Starter) -> None:
    todo, blog = named(start, "todo", "blog")
    server = start.server()
    start.connected_client(server, f"todo.example={todo.url}", f"blog.example={blog.url}")
    with server.visit() as wire:
        wire.send(request("GET", "http://blog.example:8000/x?y=1", "Host: todo.example"))
        assert wire.read_response().content == b"blog"
    seen = blog.requests[0]
    assert (seen.target, seen.fields.get("Host")) == ("/x?y=1", "blog.example:8000")
    assert not todo.requests


def test_an_unknown_name_is_a_404_and_the_connection_goes_on(start: Starter) -> None:
    (todo,) = named(start, "todo")
    server = start.server()
    start.connected_client(server, f"todo.example={todo.url}")
    with server.visit() as wire:
        for host in (
            "otro.example",
            "xtodo.example",
            "todo.example.otro",
            "example",
            "127.0.0.1",
            "[::1]:80",
        ):
            answer = wire.ask("GET", "/", f"Host: {host}")
            assert (answer.status, answer.code) == (404, "unknown-host"), host
        answer = wire.ask("POST", "/", "Host: otro.example", content=b"x" * 1000)
        assert answer.code == "unknown-host"
        assert wire.ask("GET", "/", "Host: todo.example").content == b"todo"
    assert len(todo.requests) == 1


def test_a_name_whose_client_has_gone_is_a_503_and_not_a_404(start: Starter) -> None:
    (todo,) = named(start, "todo")
    server = start.server()
    client = start.connected_client(server, f"todo.example={todo.url}")
    client.kill()
    server.wait_for("client_gone")
    assert ask(server, "todo.example") == "no-client"
    assert ask(server, "otro.example") == "unknown-host"


def test_before_any_client_every_name_is_a_503(start: Starter) -> None:
    server = start.server()
    assert ask(server, "todo.example") == "no-client"


def test_without_a_name_the_client_takes_every_host(start: Starter) -> None:
    (every,) = named(start, "todos")
    server = start.server()
    start.connected_client(server, every)
    for host in ("todo.example", "127.0.0.1:8000", "[::1]", "LOCALHOST", "xn--and-8ma.example", ""):
        assert ask(server, host) == "todos", host


def test_two_clients_share_an_exit_node_under_different_names(start: Starter) -> None:
    todo, blog = named(start, "todo", "blog")
    server = start.server()
    first = start.connected_client(server, f"todo.example={todo.url}")
    second = start.connected_client(server, f"blog.example={blog.url}")
    assert ask(server, "todo.example") == "todo"
    assert ask(server, "blog.example") == "blog"
    second.kill()
    eventually(lambda: server.count("client_gone") == 1, "the second is gone")
    assert ask(server, "todo.example") == "todo"
    assert ask(server, "blog.example") == "no-client"
    assert first.process.poll() is None


def test_a_claimed_name_goes_before_the_client_that_takes_every_host(start: Starter) -> None:
    every, todo = named(start, "todos", "todo")
    server = start.server()
    start.connected_client(server, every)
    named_client = start.connected_client(server, f"todo.example={todo.url}")
    assert ask(server, "todo.example") == "todo"
    assert ask(server, "otro.example") == "todos"
    named_client.kill()
    server.wait_for("client_gone")
    assert ask(server, "todo.example") == "todos"


def test_a_second_client_with_the_same_token_takes_the_name_over(start: Starter) -> None:
    old, new = named(start, "viejo", "nuevo")
    server = start.server()
    first = start.connected_client(server, f"todo.example={old.url}")
    assert ask(server, "todo.example") == "viejo"
    second = start.connected_client(server, f"todo.example={new.url}")
    assert ask(server, "todo.example") == "nuevo"
    assert first.wait() == 1
    assert first.wait_for("refused")["code"] == "replaced"
    assert "otro cliente con este mismo token tomó su lugar" in first.err
    assert server.wait_for("client_gone")["reason"] == "replaced"
    assert second.process.poll() is None
    assert second.count("disconnected") == 0
    assert server.count("client_connected") == 2, "the first came back to fight for the name"


def test_a_request_under_way_at_a_client_that_is_replaced_fails_visibly(start: Starter) -> None:
    old, new = named(start, "viejo", "nuevo")

    def wait(wire: Wire) -> None:
        wire.read_request()
        wire.read_to_end()

    old.play(wait)
    server = start.server()
    start.connected_client(server, old)
    with server.visit() as wire:
        wire.send(request())
        eventually(lambda: old.open_connections, "the request arrived")
        start.connected_client(server, new)
        answer = wire.read_response()
        assert (answer.status, answer.code) == (502, "link-lost")
        assert wire.ask().content == b"nuevo"


@pytest.mark.parametrize(
    "values",
    [
        ("a.example=http://127.0.0.1:9", "a.example=http://127.0.0.1:8"),
        ("http://127.0.0.1:9", "http://127.0.0.1:8"),
    ],
)
def test_a_name_given_twice_is_wrong_usage(start: Starter, values: tuple[str, ...]) -> None:
    client = start.client(9, *values)
    assert client.wait() == 2
    assert "--upstream" in client.err


def test_the_urls_that_a_client_prints_lead_to_its_services(start: Starter) -> None:
    every, todo = named(start, "todos", "todo")
    server = start.server()
    client = start.connected_client(server, f"{every.url},todo.example={todo.url}")
    connected = client.wait_for("connected")
    assert connected["urls"] == [f"http://127.0.0.1:{server.port}", f"http://todo.example:{server.port}"]
    assert connected["upstreams"] == [every.url, todo.url]


def test_a_wildcard_leads_to_one_service_where_no_name_is_more_precise(start: Starter) -> None:
    every, blog, rest = named(start, "every", "blog", "rest")
    server = start.server()
    client = start.connected_client(
        server, f"*.Ana.example={every.url},blog.ana.example={blog.url}", rest.url
    )
    assert client.wait_for("connected")["urls"][0] == f"http://*.ana.example:{server.port}"
    for host, word in {
        "todo.ana.example": "every",
        "A.B.ana.example:80": "every",
        "blog.ana.example": "blog",
        "ana.example": "rest",
        "otraana.example": "rest",
    }.items():
        assert ask(server, host) == word, host


def test_a_wildcard_gives_no_right_to_a_name_of_another_token(start: Starter, tmp_path: Path) -> None:
    tokens, files = tmp_path / "tokens.toml", {}
    for label, names in (("curso", "*.example"), ("ana", "ana.example")):
        files[label] = tmp_path / f"{label}.txt"
        subprocess.run(
            [COMMAND, "token", f"--a={tokens}", f"--etiqueta={label}", f"--nombres={names}",
             f"--salida={files[label]}"],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
    server = Server(None, f"--tokens-file={tokens}")
    start.processes.append(server)
    (every,) = named(start, "every")
    client = Client(files["curso"], f"*.example={every.url}", server.control_port)
    start.processes.append(client)
    client.wait_until_connected()
    assert ask(server, "luis.example") == "every"
    assert ask(server, "ana.example") == "no-client"
    for wanted in ("*.example", "*.ana.example", "b.ana.example"):
        refused = Client(files["ana"], f"{wanted}={every.url}", server.control_port)
        start.processes.append(refused)
        assert refused.wait() == 1, wanted


@pytest.mark.parametrize("name", ["*.", "*ana.example", "a.*.example", "*.*.example", "*.ana.example:80"])
def test_what_is_no_wildcard_is_refused(start: Starter, name: str) -> None:
    client = Client(start.token_file, f"{name}=http://localhost:5000", 9)
    start.processes.append(client)
    assert client.wait() == 2
    assert "no es un nombre de dominio" in client.err
