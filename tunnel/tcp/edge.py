"""The exit node's side: which client holds which port, and the visitors that come to it."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from tunnel.balance.group import Group
from tunnel.port_ranges import PortRanges
from tunnel.protocol.messages import Refusal
from tunnel.protocol.session import Session
from tunnel.sources import source_of
from tunnel.tcp.pipe import Pipe
from tunnel.tcp.wire import KIND_TCP, Endpoint, TcpOpen, encode_open
from tunnel.transport.sockets import bound_sockets

__all__ = ["PortHolder", "PortTable", "TcpEdge", "TcpVisitor"]

_log = logging.getLogger(__name__)

_BACKLOG = 1024


class PortHolder(Protocol):
    """A client, as the table sees it."""

    @property
    def key_id(self) -> str:
        """The key id of the token that it proved to hold."""

    @property
    def session(self) -> Session:
        """Its link's session."""

    def has_room(self) -> bool:
        """Whether it takes one more stream."""


H = TypeVar("H", bound=PortHolder)


class TcpEdge(Protocol):
    """What TCP visitors need of the exit node."""

    is_draining: bool

    def allows_port(self, key_id: str, port: int) -> bool:
        """Whether a token may serve a port now."""

    def visitor_connected(self, connection: TcpVisitor) -> None:
        """A visitor came; it may be turned away."""

    def visitor_gone(self, connection: TcpVisitor) -> None:
        """A visitor's connection is closed."""


class PortTable(Generic[H]):
    """Ports and who holds them.  A port listens while it is held, and at no other time.

    Args:
        host: where to listen.
        allowed: the ports that the exit node gives to anybody at all.
    """

    def __init__(self, edge: TcpEdge, host: str, allowed: PortRanges) -> None:
        self._edge = edge
        self._host = host
        self._allowed = allowed
        self._held: dict[int, _HeldPort[H]] = {}

    def reserve(self, ports: tuple[int, ...], key_id: str) -> Refusal | None:
        """Bind the ports of a claim that are not bound yet, or return why they cannot be had.

        What is reserved is given to a holder with ``claim`` in the same turn of the event loop.
        """
        if len(set(ports)) != len(ports):
            return Refusal("bad-claim", "ports are given once each")
        for port in ports:
            if port not in self._allowed:
                return Refusal("port-not-allowed", f"this exit node does not give away port {port}")
            if not self._edge.allows_port(key_id, port):
                return Refusal("port-not-allowed", f"this token may not claim port {port}")
        for port in ports:
            held = self._held.get(port)
            if held is not None and held.is_another_s(key_id):
                return Refusal("port-taken", f"port {port} belongs to a client with another token")
        for port in ports:
            if port not in self._held:
                try:
                    self._held[port] = _HeldPort(self._edge, port, bound_sockets(self._host, port))
                except OSError as error:
                    self._drop_unclaimed()
                    _log.warning("port %d: %s", port, error)
                    if error.errno == errno.EADDRINUSE:
                        return Refusal("port-in-use", f"another program has port {port}")
                    return Refusal("port-not-allowed", f"this exit node cannot listen on port {port}")
        return None

    def claim(self, ports: tuple[int, ...], holder: H, shared_as: str = "") -> list[H]:
        """Give reserved ports to ``holder``; return who held them until now and has to go.

        Args:
            shared_as: its instance, where it shares them with others that do; "" where it does not.
        """
        former: list[H] = []
        for index, port in enumerate(ports):
            held = self._held[port]
            former += [other for other in held.group.rivals(holder, shared_as) if other not in former]
            held.give(holder, index, shared_as)
        for other in former:
            self.release(other)
        return former

    def release(self, holder: H) -> None:
        """Take every port from ``holder``; those that nobody else holds are closed."""
        for port, held in list(self._held.items()):
            if held.group.leave(holder) and not held.group:
                self._held.pop(port).close()

    def is_held_by(self, ports: tuple[int, ...], key_id: str) -> bool:
        """Whether a client with this token holds one of ``ports``."""
        firsts = (held.group.first for port in ports if (held := self._held.get(port)) is not None)
        return any(first is not None and first.holder.key_id == key_id for first in firsts)

    def close(self) -> None:
        """Listen no more."""
        while self._held:
            self._held.popitem()[1].close()

    def _drop_unclaimed(self) -> None:
        for port in [port for port, held in self._held.items() if not held.group]:
            self._held.pop(port).close()


class _HeldPort(Generic[H]):
    """A port, listening from the moment that it is bound, and accepting from when it has a holder."""

    def __init__(self, edge: TcpEdge, port: int, sockets: list[socket.socket]) -> None:
        self._edge = edge
        self.port = port
        self.group: Group[H] = Group()  # who holds it
        self._sockets = sockets
        self._servers: list[asyncio.Server] = []
        self._start: asyncio.Task[None] | None = None

    def is_another_s(self, key_id: str) -> bool:
        """Whether a client with another token holds it."""
        first = self.group.first
        return first is not None and first.holder.key_id != key_id

    def give(self, holder: H, index: int, shared_as: str) -> None:
        """Give it to a client; visitors go to it from now on, or to others that share it."""
        self.group.join(holder, index, shared_as)
        if self._start is None:
            self._start = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Listen no more; connections go on."""
        if self._start is not None:
            self._start.cancel()
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            sock.close()

    def find(self) -> tuple[Session, int] | None:
        """Return the session that serves the port now and the port's index there, or None."""
        chosen = self.group.choose(self._why_not, lambda holder: holder.session.stream_count)
        return None if isinstance(chosen, str) else (chosen.holder.session, chosen.index)

    def _why_not(self, holder: H, index: int) -> str:
        if holder.session.draining or not self._edge.allows_port(holder.key_id, self.port):
            return "draining"
        return "" if holder.has_room() else "too-many-streams"

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while self._sockets:
            server = await loop.create_server(
                lambda: TcpVisitor(self._edge, self.find), sock=self._sockets.pop(), backlog=_BACKLOG
            )
            self._servers.append(server)


class TcpVisitor(Pipe):
    """One connection of a visitor's to a port."""

    def __init__(self, edge: TcpEdge, find: Callable[[], tuple[Session, int] | None]) -> None:
        super().__init__()
        self._edge = edge
        self._find = find
        self._ends: tuple[Endpoint, Endpoint]  # the visitor's and ours
        self.source = ""
        self.visitor_ip = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: a visitor came."""
        found = self._find() if self.meet(transport) else None
        if found is not None:
            self.lead(found)
        else:
            self.abort()

    def meet(self, transport: asyncio.BaseTransport) -> bool:
        """Take note of who came and where to; return whether it may stay."""
        super().connection_made(transport)
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not peer or not own:  # it left before it was accepted
            return False
        self._ends = Endpoint.of(peer), Endpoint.of(own)
        self.visitor_ip = str(self._ends[0].address)
        self.source = source_of(self.visitor_ip)
        self._edge.visitor_connected(self)
        return not self._edge.is_draining and not self._is_cut

    def lead(self, found: tuple[Session, int], kind: int = KIND_TCP) -> None:
        """Open its stream on a session, for an index of the claim there."""
        session, index = found
        payload = encode_open(TcpOpen(index, *self._ends, kind))
        self.stream = session.open_stream(payload, self.sink, self._loop.time())
        if self.stream is None:
            self.abort()

    def over(self) -> None:
        """The visitor is gone."""
        self._edge.visitor_gone(self)

    @property
    def _is_cut(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def turn_away(self, is_quiet: bool) -> None:
        """One too many from its source: cut, for there is no way to say why."""
        self.abort()

    def drain(self) -> None:
        """The exit node stops: what is under way goes on while there is time."""

    def tick(self, now: float) -> None:
        """A connection may be idle for as long as it likes."""
