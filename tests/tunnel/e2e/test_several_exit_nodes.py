"""One client with links to several exit nodes: visitors may use any of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.tunnel_kit import TOKEN, Starter
from support.tunnel_process import Server, TunnelProcess
from support.wire import eventually

OTHER_TOKEN = "otro-token-de-prueba-90210-abcdef"


def connection_to(server: Server, folder: Path, token: str = TOKEN) -> str:
    path = folder / f"{server.control_port}.toml"
    path.touch(mode=0o600)
    path.write_text(f'version = 1\nurl = "ws://127.0.0.1:{server.control_port}"\ntoken = "{token}"\n')
    return f"--conexion={path}"


ClientOf = Callable[..., TunnelProcess]


@pytest.fixture
def client(start: Starter, tmp_path: Path) -> ClientOf:
    """Starts a client of several exit nodes and of one service."""

    def start_one(*servers: Server, token_of_last: str = TOKEN) -> TunnelProcess:
        tokens = [TOKEN] * (len(servers) - 1) + [token_of_last]
        files = [
            connection_to(server, tmp_path, token) for server, token in zip(servers, tokens, strict=True)
        ]
        process = TunnelProcess("client", *files, f"--upstream={start.backend().url}", "--json")
        start.processes.append(process)
        return process

    return start_one


def connected_to(process: TunnelProcess) -> set[str]:
    return {event["exit_node"] for event in process.events if event["event"] == "connected"}


def url_of(server: Server) -> str:
    return f"ws://127.0.0.1:{server.control_port}"


def content_through(server: Server) -> bytes:
    with server.visit() as wire:
        return wire.ask().content


def test_visitors_reach_one_service_through_each_exit_node(start: Starter, client: ClientOf) -> None:
    servers = [start.server() for _ in range(3)]
    process = client(*servers)
    eventually(lambda: connected_to(process) == {url_of(server) for server in servers}, "all the links")
    assert [content_through(server) for server in servers] == [b"hola"] * 3


def test_an_exit_node_that_dies_leaves_the_others_and_is_come_back_to(
    start: Starter, client: ClientOf
) -> None:
    servers = [start.server(), start.server()]
    process = client(*servers)
    eventually(lambda: len(connected_to(process)) == 2, "both links")
    servers[0].kill()
    eventually(lambda: process.count("disconnected"), "the loss to be told")
    assert content_through(servers[1]) == b"hola"
    lost = next(event for event in process.events if event["event"] == "disconnected")
    assert lost["exit_node"] == url_of(servers[0])
    again = start.server(control_port=servers[0].control_port)
    again.wait_for("client_connected")
    assert content_through(again) == b"hola"
    assert process.count("connected") == 3


def test_one_that_refuses_is_named_and_the_others_go_on(start: Starter, client: ClientOf) -> None:
    servers = [start.server(), start.server()]
    process = client(*servers, token_of_last=OTHER_TOKEN)
    process.wait_for("refused")
    eventually(lambda: "no conoce este token" in process.err, "the words")
    assert f"tunnel client: {url_of(servers[1])}: " in process.err
    eventually(lambda: connected_to(process) == {url_of(servers[0])}, "the other link")
    assert content_through(servers[0]) == b"hola"
    assert process.process.poll() is None


def test_when_all_have_refused_it_ends_with_1(start: Starter, tmp_path: Path) -> None:
    files = [connection_to(start.server(), tmp_path, OTHER_TOKEN) for _ in range(2)]
    process = TunnelProcess("client", *files, "--upstream=http://127.0.0.1:9", "--json")
    start.processes.append(process)
    assert process.wait() == 1
    assert process.count("refused") == 2


def test_a_stop_takes_leave_of_each(start: Starter, client: ClientOf) -> None:
    servers = [start.server(), start.server()]
    process = client(*servers)
    eventually(lambda: len(connected_to(process)) == 2, "both links")
    process.terminate()
    assert process.wait() == 0
    assert [server.wait_for("client_gone")["reason"] for server in servers] == ["draining", "draining"]


def test_the_same_exit_node_twice_is_wrong_usage(start: Starter, tmp_path: Path) -> None:
    file = connection_to(start.server(), tmp_path)
    process = TunnelProcess("client", file, file, "--upstream=http://127.0.0.1:9")
    start.processes.append(process)
    assert process.wait() == 2
    assert "hay dos --conexion" in process.err
