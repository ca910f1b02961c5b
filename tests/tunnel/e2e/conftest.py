"""The whole path over real sockets: visitor → exit node → link → agent → service, all on loopback.

Map
    ``tunnel``   one exit node, one agent and one service, shared by a module's tests
    ``backend``  its service, fresh for each test
    ``visit``    connects visitors to it
    ``start``    starts exit nodes, agents, services and relays of a test's own
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.backend import Backend
from support.tunnel_kit import Starter, Tunnel, Visit, write_token


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A token, in a file that only its owner can read."""
    return write_token(tmp_path / "token.txt")


@pytest.fixture
def start(token_file: Path) -> Iterator[Starter]:
    """Starts what the test asks for; all of it is ended with the test."""
    with Starter(token_file).running() as starter:
        yield starter


@pytest.fixture(scope="module")
def tunnel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tunnel]:
    """One tunnel for a module's tests; it must come out of them as it was."""
    directory = tmp_path_factory.mktemp("tunnel")
    with Starter(write_token(directory / "token.txt")).running() as starter:
        backend = starter.backend()
        server = starter.server()
        client = starter.connected_client(server, backend)
        yield Tunnel(server, client, backend)
        assert client.process.poll() is None, client.description
        assert server.process.poll() is None, server.description
        assert client.count("connected") == 1, f"the link was lost: {client.description}"
    shutil.rmtree(directory)


@pytest.fixture
def backend(tunnel: Tunnel) -> Iterator[Backend]:
    """The service behind ``tunnel``, as if new."""
    tunnel.backend.requests.clear()
    tunnel.backend.failures.clear()
    tunnel.backend.reset()
    yield tunnel.backend
    tunnel.backend.hang_up()
    assert not tunnel.backend.failures, tunnel.backend.failures


@pytest.fixture
def visit(tunnel: Tunnel) -> Iterator[Visit]:
    """Connects a visitor; its connection is closed with the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(tunnel.server.visit())
