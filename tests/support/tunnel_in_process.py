"""An exit node and an agent inside the test's own process, for what the commands have no option for.

They run in asyncio's own event loop, in a thread; the commands run in uvloop where it is installed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from support.tunnel_kit import TOKEN
from support.wire import PATIENCE_S, Wire, eventually

from tunnel.client import TunnelClient
from tunnel.config import (
    ClientConfig,
    Secret,
    ServerConfig,
    parse_control_url,
    parse_upstreams,
)
from tunnel.events import Connected, Event
from tunnel.limits import ClientLimits, VisitorLimits
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.session import Session
from tunnel.server import TunnelServer

__all__ = ["InProcessTunnel", "in_process_tunnel"]

T = TypeVar("T")


class InProcessTunnel:
    """A running exit node and an agent that is connected to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: TunnelServer, client: TunnelClient) -> None:
        self.loop = loop
        self.server = server
        self.client = client

    def visit(self, receive_buffer: int = 0) -> Wire:
        """Connect as a visitor."""
        return Wire.to(self.server.data_port, receive_buffer=receive_buffer)

    def ask(self, question: Callable[[], T]) -> T:
        """Return what ``question`` returns in the event loop's thread."""

        async def answer() -> T:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self.loop).result(PATIENCE_S)

    @property
    def open_requests(self) -> int:
        """How many visitors' requests the exit node has under way."""
        return self.ask(lambda: self.server.open_requests)

    @property
    def answers_under_way(self) -> int:
        """How many streams the agent has open."""
        return self.ask(lambda: self._agent_session.stream_count)

    @property
    def free_growth_bytes(self) -> tuple[int, int]:
        """What windows may still grow by, at the exit node and at the agent."""
        (client,) = self.server._clients
        return self.ask(
            lambda: (client.link.session.growth.free_bytes, self._agent_session.growth.free_bytes)
        )

    @property
    def unwritten_bytes(self) -> int:
        """What the exit node holds for visitors who do not read."""
        transports = (visitor._transport for visitor in self.server._visitors)
        return self.ask(lambda: sum(each.get_write_buffer_size() for each in transports if each is not None))

    @property
    def free_memory_bytes(self) -> tuple[int, int]:
        """What is left of ``memory_limit_bytes``, at the exit node and at the agent."""
        server, client = self.server.memory, self.client.memory
        assert server is not None
        assert client is not None
        return self.ask(lambda: (server.free_bytes, client.free_bytes))

    @property
    def _agent_session(self) -> Session:
        assert self.client._link is not None, "the link is lost"
        return self.client._link.session

    @property
    def tasks(self) -> set[str]:
        """The coroutines that run in the event loop, this question aside."""
        names = self.ask(lambda: {str(task.get_coro().__qualname__) for task in asyncio.all_tasks()})
        return {name for name in names if "InProcessTunnel" not in name}


@contextmanager
def in_process_tunnel(
    upstream: str,
    limits: VisitorLimits | None = None,
    upstream_timeout_s: float = 10.0,
    client_limits: ClientLimits | None = None,
    memory_limit_bytes: int = 0,
) -> Iterator[InProcessTunnel]:
    """Run an exit node with these limits and an agent for ``upstream`` while the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE_S)

    is_connected = threading.Event()

    def on_event(event: Event) -> None:
        if isinstance(event, Connected):
            is_connected.set()

    server = TunnelServer(
        ServerConfig(
            Secret(TOKEN),
            "127.0.0.1",
            0,
            "127.0.0.1",
            0,
            limits=limits or VisitorLimits(),
            client_limits=client_limits or ClientLimits(),
            drain_timeout_s=1.0,
            memory_limit_bytes=memory_limit_bytes,
        )
    )
    try:
        run(server.start())
        client = TunnelClient(
            ClientConfig(
                parse_control_url(f"ws://127.0.0.1:{server.control_port}"),
                Secret(TOKEN),
                parse_upstreams([upstream]),
                upstream_timeout_s,
            ),
            on_event,
            MemoryBudget(memory_limit_bytes) if memory_limit_bytes else None,
        )
        running = asyncio.run_coroutine_threadsafe(client.run(), loop)
        assert is_connected.wait(PATIENCE_S), "the agent did not connect"
        try:
            yield InProcessTunnel(loop, server, client)
        finally:
            run(client.stop(0.5))
            running.result(PATIENCE_S)
    finally:
        run(server.close())
        eventually(lambda: not run(_others()), "no task is left", 5.0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}
