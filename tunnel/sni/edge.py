"""The exit node's side: one port, the names that clients hold on it, and the visitors that come to it."""

from __future__ import annotations

import asyncio
import logging
from typing import Generic, Protocol, TypeVar

from tunnel.config import is_domain_name
from tunnel.limits import VisitorLimits
from tunnel.protocol.messages import Refusal
from tunnel.protocol.session import Session
from tunnel.routing import RoutingTable
from tunnel.sni import SniPortUnusable
from tunnel.sni.hello import Alert, ClientHelloReader, HelloError, encode_alert
from tunnel.tcp.edge import PortHolder, TcpEdge, TcpVisitor
from tunnel.tcp.wire import KIND_TLS

__all__ = ["SniEdge", "SniTable", "SniVisitor"]

_log = logging.getLogger(__name__)

_BACKLOG = 1024

H = TypeVar("H", bound=PortHolder)


class SniEdge(TcpEdge, Protocol):
    """What visitors of the port need of the exit node."""

    limits: VisitorLimits

    def allows_name(self, key_id: str, name: str) -> bool:
        """Whether a token may serve a name now."""

    def admits_to(self, name: str, address: str) -> bool:
        """Whether a visitor from ``address`` may come to a TLS name."""


class SniTable(Generic[H]):
    """Names and who serves them over TLS, on one port that always listens.

    Args:
        host: where to listen.
        port: where to listen; 0 for a free one, which ``port`` then says.
    """

    def __init__(self, edge: SniEdge, host: str, port: int) -> None:
        self._edge = edge
        self._host = host
        self.port = port
        self.routes: RoutingTable[H] = RoutingTable()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen.  Raises SniPortUnusable."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: SniVisitor(self._edge, self), self._host, self.port, backlog=_BACKLOG
            )
        except OSError as error:
            raise SniPortUnusable(error.errno, error.strerror) from error
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no more; connections go on."""
        if self._server is not None:
            self._server.close()

    def why_not(self, names: tuple[str, ...], key_id: str) -> Refusal | None:
        """Return why a claim's names cannot be had, or None."""
        if len(set(names)) != len(names) or not all(map(is_domain_name, names)):
            return Refusal("bad-claim", "TLS names are host names, in lower case, once each")
        for name in names:
            if not self._edge.allows_name(key_id, name):
                return Refusal("name-not-allowed", f"this token may not claim {name}")
        held = self.routes.held_by_others(names, key_id)
        if held is not None:
            return Refusal("name-taken", f"{held} belongs to a client with another token")
        return None

    def url(self, name: str) -> str:
        """Return where visitors find a name."""
        return f"https://{name}" if self.port == 443 else f"https://{name}:{self.port}"

    def find(self, name: str, address: str) -> tuple[Session, int] | Alert:
        """Return the session that serves a name and the name's index there, or why there is none.

        Args:
            address: the visitor's.
        """
        route = self.routes.find(name)
        if route is None or not self._edge.allows_name(route.holder.key_id, name):
            return Alert.UNRECOGNIZED_NAME
        if not self._edge.admits_to(name, address):
            return Alert.ACCESS_DENIED
        if route.group is not None:
            chosen = route.group.choose(self._why_not_now, lambda holder: holder.session.stream_count)
            return Alert.INTERNAL_ERROR if isinstance(chosen, str) else (chosen.holder.session, chosen.index)
        if self._why_not_now(route.holder, route.index):
            return Alert.INTERNAL_ERROR
        return route.holder.session, route.index

    def _why_not_now(self, holder: H, index: int) -> str:
        if holder.session.draining:
            return "draining"
        return "" if holder.has_room() else "too-many-streams"


class SniVisitor(TcpVisitor):
    """One connection of a visitor's: peeked at until its name is known, and then a TCP visitor's."""

    def __init__(self, edge: SniEdge, table: SniTable[H]) -> None:
        super().__init__(edge, lambda: None)
        self._limits = edge.limits
        self._lookup = table.find
        self._hello: ClientHelloReader | None = ClientHelloReader()
        self._deadline = self._loop.time() + edge.limits.head_timeout_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: a visitor came, who speaks first."""
        if not self.meet(transport):
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: bytes of the ClientHello, or what comes after it."""
        hello = self._hello
        if hello is None:
            super().data_received(data)  # dropped where the visitor was refused, for it has no stream
            return
        try:
            if hello.receive_data(data):
                self._route(hello)
        except HelloError as error:
            _log.info("%s: %s", self.source, error)
            if error.is_tls:
                self._refuse(Alert.DECODE_ERROR)
            else:
                self.abort()

    def eof_received(self) -> bool:
        """Called by asyncio: the visitor ended its direction; before it said all, there is no other."""
        return self.stream is not None and super().eof_received()

    def tick(self, now: float) -> None:
        """Cut a visitor that is slow to say whom it wants, or to leave; idle ones may stay for ever."""
        if now >= self._deadline:
            self.abort()

    def drain(self) -> None:
        """The exit node stops: whoever has no service yet gets none."""
        if self.stream is None:
            self.abort()

    def _route(self, hello: ClientHelloReader) -> None:
        found = self._lookup(hello.name or "", self.visitor_ip)
        if isinstance(found, Alert):
            self._refuse(found)
            return
        self._hello, self._deadline = None, float("inf")
        self.lead(found, KIND_TLS)
        super().data_received(bytes(hello.data))

    def _refuse(self, alert: Alert) -> None:
        """Say why, and drop what still comes for a while, so that it is read (see VisitorConnection)."""
        self._hello = None
        self._deadline = self._loop.time() + self._limits.linger_s
        if self._transport is not None:
            self._transport.write(encode_alert(alert))
            if self._transport.can_write_eof():
                self._transport.write_eof()
