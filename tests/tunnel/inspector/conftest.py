"""An exit node, a client with its inspector, and a service, each real.

Map
    ``start``       starts exit nodes, clients and services of a test's own
    ``inspect``     starts a tunnel whose client has an inspector, with the client's options
    ``inspected``   one of those, without any
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.inspected import Inspected, inspector_port
from support.tunnel_kit import Starter, write_token
from support.tunnel_process import Server


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Starts what the test asks for; all of it is ended with the test."""
    with Starter(write_token(tmp_path / "token.txt")).running() as starter:
        yield starter


@pytest.fixture
def inspect(start: Starter) -> Callable[..., Inspected]:
    """Return what starts a tunnel whose client has these options."""

    def begin(*options: str, server: Server | None = None) -> Inspected:
        server, backend = server or start.server(), start.backend()
        client = start.connected_client(server, backend, options=("--inspector=0", *options))
        return Inspected(server, client, backend, inspector_port(client))

    return begin


@pytest.fixture
def inspected(inspect: Callable[..., Inspected]) -> Inspected:
    """A tunnel whose client has an inspector, and no other options."""
    return inspect()
