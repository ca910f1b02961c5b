"""Exit nodes, agents, services and relays, started for a test and ended with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.backend import Backend
from support.relay import Relay
from support.storm import Storm
from support.tunnel_process import Client, Server, TunnelProcess, ended
from support.wire import Wire

__all__ = ["TOKEN", "Starter", "Tunnel", "Visit", "linux_only", "write_token"]

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="mira lo que solo cuenta el núcleo de Linux / asks what only Linux tells"
)
"""For tests that look at a process or a connection through the kernel."""

TOKEN = "token-de-prueba-5f2c9a7e41d8b603"


def write_token(path: Path, token: str = TOKEN) -> Path:
    """Write a token file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(token + "\n")
    return path


@dataclass(slots=True)
class Starter:
    """Starts what a test needs, and ends it with the test."""

    token_file: Path
    processes: list[TunnelProcess] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def server(self, *options: str, port: int = 0, control_port: int = 0, host: str = "127.0.0.1") -> Server:
        """Start an exit node; it listens when this returns."""
        server = Server(self.token_file, *options, port=port, control_port=control_port, host=host)
        self.processes.append(server)
        return server

    def client(
        self, to: Server | Relay | int, *upstreams: str | Backend, options: tuple[str, ...] = ()
    ) -> Client:
        """Start an agent; it may not be connected yet when this returns."""
        port = to if isinstance(to, int) else to.control_port if isinstance(to, Server) else to.port
        urls = [upstream.url if isinstance(upstream, Backend) else upstream for upstream in upstreams]
        host = to.host if isinstance(to, Server) else "127.0.0.1"
        client = Client(self.token_file, urls, port, *options, host=host)
        self.processes.append(client)
        return client

    def connected_client(
        self, to: Server | Relay | int, *upstreams: str | Backend, options: tuple[str, ...] = ()
    ) -> Client:
        """Start an agent and wait until it is connected."""
        client = self.client(to, *upstreams, options=options)
        client.wait_until_connected()
        return client

    def backend(self, host: str = "127.0.0.1") -> Backend:
        """Start a service."""
        backend = Backend(host)
        self._stack.callback(_close_backend, backend)
        return backend

    def relay(
        self,
        target_port: int,
        *,
        is_recording: bool = False,
        bytes_per_s: float = 0,
        storm: Storm | None = None,
    ) -> Relay:
        """Start a relay."""
        relay = Relay(target_port, is_recording=is_recording, bytes_per_s=bytes_per_s, storm=storm)
        self._stack.callback(relay.close)
        return relay

    @contextmanager
    def running(self) -> Iterator[Starter]:
        """End everything after the block: first the processes, then what they were connected to."""
        with self._stack, ended(self.processes):
            yield self


def _close_backend(backend: Backend) -> None:
    backend.close()
    assert not backend.failures, backend.failures


@dataclass(frozen=True, slots=True)
class Tunnel:
    """An exit node, an agent and a service, connected."""

    server: Server
    client: Client
    backend: Backend


Visit = Callable[[], Wire]
"""Connects a visitor."""
