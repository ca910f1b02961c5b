"""Who may watch a client at work.

An observer makes the client's exchanges and sessions itself: its own kinds, that do what the plain ones do
and take notes.  Where there is none, the plain ones are made, and nothing on the way of the data asks
whether somebody watches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tunnel.protocol.handshake import AgentHandshake
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.session import Session, SessionHandler
from tunnel.transport.agent import AgentExchange, AgentExchanges, Answering

__all__ = ["ClientObserver"]


class ClientObserver(Protocol):
    """Sees what passes through a client.  Called in the client's event loop."""

    def new_exchange(self, owner: AgentExchanges, stream: Answering) -> AgentExchange:
        """Return what answers a stream."""

    def new_session(
        self,
        exit_node: str,
        handshake: AgentHandshake,
        handler: SessionHandler,
        on_output: Callable[[], None],
        now: float,
        memory: MemoryBudget | None,
    ) -> Session:
        """Return the session of a fresh link with ``exit_node``, a URL."""
