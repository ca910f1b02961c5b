"""The protocol's document suffices: a client written from it alone serves through the real exit node."""

from __future__ import annotations

import ast
import random
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.backend import Backend
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import Server
from support.wire import PATIENCE_S, Request, eventually, response

PROGRAM = Path(__file__).with_name("minimal_client.py")
NAME = "todo.example"
HOST = f"Host: {NAME}"


class MinimalClient:
    """The client under test, as a process: Python, but none of ours."""

    def __init__(self, server: Server, upstream: str, token_file: Path, log: Path) -> None:
        self._log = log
        url = f"ws://127.0.0.1:{server.control_port}"
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), url, str(token_file), NAME, upstream],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def lines(self) -> list[str]:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8").splitlines()

    def wait_until_open(self, times: int = 1) -> None:
        """Wait until its session has been open for the ``times``-th time."""

        def is_open() -> bool:
            return sum(line.startswith("open ") for line in self.lines) >= times

        eventually(is_open, f"the client is open for the {times}. time")

    def wait(self) -> int:
        """Return its exit code once it has ended."""
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        sys.stderr.write("\n".join(["minimal_client.py said:", *self.lines, ""]))
        assert not any("Traceback" in line for line in self.lines)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Starts what the test asks for; all of it is ended with the test."""
    with Starter(write_token(tmp_path / "token.txt")).running() as starter:
        yield starter


StartClient = Callable[..., MinimalClient]


@pytest.fixture
def start_client(start: Starter, tmp_path: Path) -> Iterator[StartClient]:
    """Starts the client under test, for an exit node and an upstream; ended with the test."""
    with ExitStack() as stack:

        def start_one(server: Server, upstream: str, token_file: Path | None = None) -> MinimalClient:
            log = tmp_path / f"client-{secrets.token_hex(4)}.log"
            client = MinimalClient(server, upstream, token_file or start.token_file, log)
            stack.callback(client.close)
            return client

        yield start_one


@pytest.fixture
def served(start: Starter, start_client: StartClient) -> tuple[Server, Backend, MinimalClient]:
    """An exit node, a service, and the client under test between them, connected."""
    server, backend = start.server("--ping-interval=1"), start.backend()
    client = start_client(server, f"127.0.0.1:{backend.port}")
    client.wait_until_open()
    assert client.lines == [f"open http://{NAME}:{server.port}"]
    return server, backend, client


Served = tuple[Server, Backend, MinimalClient]


def test_the_client_is_written_without_a_line_of_ours() -> None:
    tree = ast.parse(PROGRAM.read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    foreign = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    assert foreign == {"websockets"}


def test_requests_and_answers_pass_whole(served: Served) -> None:
    server, backend, _ = served
    seen: list[Request] = []

    def answer(asked: Request) -> bytes:
        seen.append(asked)
        return response(201, asked.content[::-1], "X-Visto: sí")

    backend.answer(answer)
    with server.visit() as visitor:
        for content in (b"", b"hola", random.Random(1).randbytes(300_000)):
            method = "POST" if content else "GET"
            answered = visitor.ask(method, "/tareas?x=1", HOST, "X-Propio: uno", content=content)
            assert (answered.status, answered.content) == (201, content[::-1])
            assert answered.fields.get("X-Visto") == "sí"
    assert [one.target for one in seen] == ["/tareas?x=1"] * 3
    assert [one.fields.get("X-Propio") for one in seen] == ["uno"] * 3
    assert seen[0].fields.get("Host") == NAME
    assert seen[0].fields.get("X-Forwarded-For") == "127.0.0.1"


def test_a_download_larger_than_any_window_passes_as_credit_allows(served: Served) -> None:
    server, backend, _ = served
    content = random.Random(2).randbytes(5_000_000)
    backend.answer(lambda asked: response(200, content))
    with server.visit() as visitor:
        assert visitor.ask("GET", "/", HOST).content == content


def test_a_reader_that_stops_stalls_nobody_else(served: Served) -> None:
    server, backend, _ = served
    content = random.Random(3).randbytes(8_000_000)
    backend.answer(lambda asked: response(200, content if asked.target == "/largo" else b"corto"))
    with server.visit(receive_buffer=32 * 1024) as slow, server.visit() as visitor:
        slow.send(b"GET /largo HTTP/1.1\r\nHost: todo.example\r\n\r\n")
        assert slow.read_response_head().status == 200
        for _ in range(5):
            assert visitor.ask("GET", "/corto", HOST).content == b"corto"
        assert slow.read_exactly(len(content)) == content


def test_answers_without_content_pass(served: Served) -> None:
    server, backend, _ = served

    def answer(asked: Request) -> bytes:
        if asked.method == "HEAD":
            return response(200, b"", "Content-Length: 1234")
        return b"HTTP/1.1 204 Nada\r\n\r\n"

    backend.answer(answer)
    with server.visit() as visitor:
        answered = visitor.ask("HEAD", "/", HOST)
        assert answered.fields.get("Content-Length") == "1234"
        assert visitor.ask("DELETE", "/", HOST).status == 204
        assert visitor.ask("HEAD", "/", HOST).status == 200


def test_an_upstream_that_is_down_is_a_502_and_no_more(start: Starter, start_client: StartClient) -> None:
    server = start.server()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        unused = taken.getsockname()[1]
    client = start_client(server, f"127.0.0.1:{unused}")
    client.wait_until_open()
    with server.visit() as visitor:
        for _ in range(2):
            answered = visitor.ask("GET", "/", HOST)
            assert (answered.status, answered.code) == (502, "upstream-refused")


def test_the_client_comes_back_when_the_exit_node_does(served: Served, start: Starter) -> None:
    server, _, client = served
    server.kill()
    again = start.server(port=server.port, control_port=server.control_port)
    client.wait_until_open(times=2)
    with again.visit() as visitor:
        assert visitor.ask("GET", "/", HOST).content == b"hola"


def test_pings_keep_the_link_while_nobody_visits(served: Served) -> None:
    server, _, client = served
    time.sleep(3)  # three intervals: a peer that does not answer pings is given up after two
    with server.visit() as visitor:
        assert visitor.ask("GET", "/", HOST).content == b"hola"
    assert len(client.lines) == 1
    assert server.count("client_gone") == 0


def test_a_token_that_the_exit_node_does_not_know_is_refused(
    start: Starter, start_client: StartClient, tmp_path: Path
) -> None:
    other = write_token(tmp_path / "otro.txt", TOKEN[::-1])
    client = start_client(start.server(), "127.0.0.1:1", other)
    assert client.wait() == 1
    assert client.lines == ["refused unknown-token"]


def test_a_second_client_takes_the_name_over_and_the_first_does_not_fight_for_it(
    served: Served, start_client: StartClient
) -> None:
    server, backend, first = served
    second = start_client(server, f"127.0.0.1:{backend.port}")
    second.wait_until_open()
    assert first.wait() == 1
    assert first.lines[-1] == "refused closed with 1"
    with server.visit() as visitor:
        assert visitor.ask("GET", "/", HOST).content == b"hola"


def test_it_and_our_own_client_serve_one_exit_node_side_by_side(served: Served, start: Starter) -> None:
    server, _, _ = served
    ours = start.backend()
    ours.answer(lambda asked: response(200, b"nuestro"))
    start.connected_client(server, f"blog.example={ours.url}")
    with server.visit() as visitor:
        assert visitor.ask("GET", "/", HOST).content == b"hola"
        assert visitor.ask("GET", "/", "Host: blog.example").content == b"nuestro"
