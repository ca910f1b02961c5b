"""The exit node: visitors on the data plane, clients on the control plane, and the table between them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING

from tunnel.access.keeper import AccessKeeper
from tunnel.config import ConfigError, ServerConfig
from tunnel.connected import ConnectedClient
from tunnel.events import (
    Address,
    ClientConnected,
    ClientGone,
    Listening,
    OnEvent,
    RequestPassed,
    Stopping,
    TokensReloaded,
)
from tunnel.http.error_pages import FAULTS, Fault
from tunnel.http.head import RequestHead
from tunnel.passages import PassageLog, trace_of
from tunnel.protocol.auth import NONCE_BYTES
from tunnel.protocol.errors import CloseCode
from tunnel.protocol.flow import INITIAL_WINDOW_BYTES
from tunnel.protocol.handshake import ExitNodeHandshake
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.messages import Claim, Hello
from tunnel.protocol.session import HANDSHAKE_TIMEOUT_S, Session
from tunnel.routing import RoutingTable, normalize_host
from tunnel.secret_files import FileUnusable
from tunnel.sources import SourceCount, SourceRate, source_of
from tunnel.transport.link import ExitNodeLink
from tunnel.transport.questions import CA_PATH, REQUESTS_PATH, Answerer
from tunnel.transport.visitor import FrontDesk, OnOwnAnswer, OnRequest, VisitorConnection

if TYPE_CHECKING:
    from tunnel.encryption import ControlTls
    from tunnel.https.edge import HttpsEdge
    from tunnel.https.listener import TlsListener
    from tunnel.identity import Verified
    from tunnel.mtls.guests import Guest
    from tunnel.quotas.quota import QuotaBook
    from tunnel.sites.gate import SitesGate
    from tunnel.sni.edge import SniTable
    from tunnel.tcp.edge import PortTable, TcpVisitor

__all__ = ["TunnelServer"]

_log = logging.getLogger(__name__)

_TICK_S = 0.25
_BACKLOG = 1024
_TOLD_APART = 64  # connections past a source's limit that are told why they are closed
_GOODBYE_S = 1.0  # how long a link may take to say goodbye


class TunnelServer:
    """An exit node.  ``start`` binds both planes, ``drain`` stops gracefully, ``close`` at once.

    Args:
        clock: returns the Unix time; certificates and tokens end by it.

    Raises:
        ConfigError: its tokens file or its sites file cannot be used, or a file of its TLS.
        FileUnusable: a file of its TLS cannot be written.
    """

    def __init__(
        self,
        config: ServerConfig,
        on_event: OnEvent = lambda event: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self.limits = config.limits
        self.trusted_proxies = config.trusted_proxies
        self.on_request: OnRequest | None = self._request_passed if config.logs_requests else None
        self.on_own_answer: OnOwnAnswer | None = None
        self.is_draining = False
        self.routes: RoutingTable[ConnectedClient] = RoutingTable()
        self.access = AccessKeeper(config.token, config.tokens_file, clock)
        self.on_event = on_event
        self.data_port = 0
        self.control_port = 0
        limit = config.memory_limit_bytes
        self.memory = MemoryBudget(limit) if limit else None
        self._listeners: list[asyncio.Server | TlsListener] = []
        self._visitors: set[VisitorConnection | TcpVisitor] = set()
        self._no_visitors = asyncio.Event()
        self._clients: set[ConnectedClient] = set()
        self._open_clients = 0
        self._sources = SourceCount()
        self._attempts = SourceRate(config.client_limits.handshakes_per_s)
        self._ticker: asyncio.TimerHandle | None = None
        self.ports: PortTable[ConnectedClient] | None = None
        if config.tcp_ports:
            from tunnel.tcp.edge import PortTable

            self.ports = PortTable(self, config.host, config.tcp_ports)
        self.sni: SniTable[ConnectedClient] | None = None
        if config.sni_port is not None:
            from tunnel.sni.edge import SniTable

            self.sni = SniTable(self, config.host, config.sni_port)
        self.https: HttpsEdge | None = None
        if config.https is not None:
            from tunnel.https.edge import HttpsEdge

            self.https = HttpsEdge(config.https, self, on_event, clock, self.routes.is_claimed)
        self.front_desk: FrontDesk | None = self.https
        self.answerers: dict[str, Answerer] = {}  # by path, on the control plane beside the links
        self._passages: PassageLog | None = None
        if config.logs_requests:
            self._passages = PassageLog(self.access.find, clock)
            self.answerers[REQUESTS_PATH] = self._passages.answer
        self.gate: SitesGate | None = None
        if config.sites_file or config.allowed_networks or config.denied_networks:
            from tunnel.sites.gate import SitesGate

            self.gate = SitesGate(
                config.sites_file, config.allowed_networks, config.denied_networks, on_event, clock
            )
        self._tls: ControlTls | None = None
        if config.auto_tls is not None or config.tls_files is not None:
            from tunnel.encryption import make_control_tls  # with cryptography, which takes a while to load

            self._tls = make_control_tls(config, self.access.find, clock)
            if self._tls.answer_ca is not None:
                self.answerers[CA_PATH] = self._tls.answer_ca
        self._new_guest: Callable[[ExitNodeLink], Guest] | None = None
        self._verify: Callable[[ExitNodeLink], Verified | None] = lambda _: None
        if config.client_ca is not None and self._tls is not None:
            from tunnel.mtls.guests import Guest, ask_for_certificates, verified

            ask_for_certificates(self._tls.context, config.client_ca)
            self._new_guest = lambda link: Guest(self.access, link, clock)
            self._verify = partial(verified, self.access)

    async def start(self) -> None:
        """Bind both planes.

        Raises:
            OSError: an address cannot be bound; nothing is left bound.
            ConfigError: there is no place for the connection file; nothing is left bound.
            FileUnusable: the connection file cannot be written; nothing is left bound.
        """
        config, tls = self.config, self._tls
        pin = connection_file = ""
        loop = asyncio.get_running_loop()
        try:
            data = await loop.create_server(
                lambda: VisitorConnection(self), config.host, config.port, backlog=_BACKLOG
            )
            self._listeners.append(data)
            self.data_port = self.control_port = data.sockets[0].getsockname()[1]
            if not config.is_shared:
                control = await loop.create_server(
                    self._new_link,
                    config.control_host,
                    config.control_port,
                    backlog=_BACKLOG,
                    ssl=None if tls is None else tls.context,
                    ssl_handshake_timeout=None if tls is None else HANDSHAKE_TIMEOUT_S,
                )
                self._listeners.append(control)
                self.control_port = control.sockets[0].getsockname()[1]
            if self.sni is not None:
                await self.sni.start()
            if self.https is not None:
                self._listeners.append(self.https.listen(config.host))
            if tls is not None:
                pin, connection_file = tls.pin, tls.write_connection(self.control_port, self.data_port)
        except (OSError, ConfigError, FileUnusable):
            await self.close()
            raise
        self._tick()
        control_host = config.host if config.is_shared else config.control_host
        self.on_event(
            Listening(
                Address(config.host, self.data_port),
                Address(control_host, self.control_port),
                pin,
                connection_file,
                is_encrypted=tls is not None,
                sni=None if self.sni is None else Address(config.host, self.sni.port),
                https=None if self.https is None else Address(config.host, self.https.port),
            )
        )

    async def drain(self, timeout_s: float) -> None:
        """Stop gracefully: take nothing new, finish what is under way for up to ``timeout_s``."""
        self.is_draining = True
        self.on_event(Stopping(self.open_requests))
        self._listen_no_more()
        for visitor in list(self._visitors):
            visitor.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._visitors:
                    self._no_visitors.clear()
                    await self._no_visitors.wait()
        await self.close()

    async def close(self) -> None:
        """Stop now; requests under way are cut."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._listen_no_more()
        for client in list(self._clients):
            client.session.close(CloseCode.DRAINING, "the exit node stops")
        links = [client.link for client in self._clients]
        if links:
            await asyncio.wait([link.closed for link in links], timeout=_GOODBYE_S)
        for visitor in list(self._visitors):
            visitor.abort()
        for link in links:
            link.abort()
        if self.gate is not None:
            self.gate.close()

    def _listen_no_more(self) -> None:
        for listener in self._listeners:
            listener.close()
        for table in (self.ports, self.sni):
            if table is not None:
                table.close()

    @property
    def open_requests(self) -> int:
        """How many visitors' requests are under way."""
        return sum(client.link.session.stream_count for client in self._clients)

    @property
    def initial_window_bytes(self) -> int:
        """What a stream may carry towards this side before it is granted more."""
        return INITIAL_WINDOW_BYTES if self.memory is None else self.memory.initial_window_bytes

    # ── what visitors' connections need (transport.visitor.Edge) ─────────────────────────────────

    def find(self, host: bytes) -> tuple[Session, int] | Fault:
        """Return the session that serves a Host and the name's index in its claim, or why none does."""
        if self.is_draining:
            return FAULTS["draining"]
        name = normalize_host(host)
        route = self.routes.find(name)
        # Asked anew for every stream: what a token allows may have changed since its client came, and who
        # serves what nobody claims has no right to what is somebody else's by name.
        if route is None or not self.access.allows(route.holder.key_id, name):
            is_known = self.routes.is_known(name) or self.access.is_named(name)
            return FAULTS["no-client" if is_known else "unknown-host"]
        if route.group is not None:
            chosen = route.group.choose(ConnectedClient.why_not, ConnectedClient.load)
            return FAULTS[chosen] if isinstance(chosen, str) else (chosen.holder.session, chosen.index)
        reason = route.holder.why_not(route.index)
        return FAULTS[reason] if reason else (route.holder.session, route.index)

    def allows_name(self, key_id: str, name: str) -> bool:
        """Whether a token may serve a TLS name now."""
        return self.access.allows(key_id, name)

    def admits_to(self, name: str, address: str) -> bool:
        """Whether a visitor from ``address`` may come to a TLS name."""
        return self.gate is None or self.gate.admits_to(name, address)

    def allows_port(self, key_id: str, port: int) -> bool:
        """Whether a token may serve a port now."""
        return self.access.allows_port(key_id, port)

    @property
    def clients(self) -> tuple[ConnectedClient, ...]:
        """Those that have their names."""
        return tuple(
            client for client in self._clients if client.is_open and not client.link.session.is_closed
        )

    def session_of(self, session_id: str) -> Session | None:
        """Return a client's session, also while its end is being told, or None."""
        return next((client.session for client in self._clients if client.session_id == session_id), None)

    @property
    def visitor_count(self) -> int:
        """How many connections of visitors' are open."""
        return len(self._visitors)

    def _request_passed(self, session: Session, head: RequestHead, status: int, seconds: float) -> None:
        client = next((client for client in self._clients if client.session is session), None)
        trace = trace_of(head)
        if client is not None and self._passages is not None:
            self._passages.add(client.key_id, status, trace)
        self.on_event(RequestPassed("" if client is None else client.session_id, status, trace))

    def welcomes(self, address: str) -> bool:
        """Whether visitors from an address may come at all."""
        return self.gate is None or self.gate.admits(address)

    def visitor_connected(self, connection: VisitorConnection | TcpVisitor) -> None:
        """A visitor came; one too many from its source is told so, and a flood of them is not."""
        self._visitors.add(connection)
        if connection.source:
            excess = self._sources.add(connection.source) - self.limits.max_visitors_per_source
            if self.gate is not None and not self.gate.admits(connection.visitor_ip):
                connection.turn_away(is_quiet=True)
            elif excess > 0:
                connection.turn_away(is_quiet=excess > _TOLD_APART)

    def visitor_gone(self, connection: VisitorConnection | TcpVisitor) -> None:
        """A visitor's connection is closed."""
        self._visitors.discard(connection)
        if connection.source:
            self._sources.remove(connection.source)
        if not self._visitors:
            self._no_visitors.set()

    def link_arrived(self, transport: asyncio.Transport, data: bytes) -> bool:
        """A client calls on the visitors' port: welcome when the planes share it."""
        if not self.config.is_shared:
            return False
        link = self._new_link()
        transport.set_protocol(link)
        link.connection_made(transport)
        link.data_received(data)
        return True

    # ── clients ──────────────────────────────────────────────────────────────────────────────────

    def client_opened(self, client: ConnectedClient) -> None:
        """A client was granted its names: they lead to it from now on."""
        self._open_clients += 1
        former = self.routes.claim(client.names, client, client.shared_as)
        if self.ports is not None:
            former += self.ports.claim(client.ports, client, client.shared_as)
        if self.sni is not None:
            former += self.sni.routes.claim(client.sni, client, client.shared_as)
        for other in dict.fromkeys(former):
            if not other.session.draining:  # one that stops finishes what is under way, and leaves
                other.session.close(CloseCode.REPLACED, "another client with this token took over")
        if self.https is not None:
            self.https.claimed(client.names)
        _log.info("session %s is open: %r from %s", client.session_id, client.label, client.link.peer)
        self.on_event(
            ClientConnected(
                client.session_id,
                client.link.peer,
                client.names,
                client.agent,
                client.label,
                client.ports,
                client.sni,
            )
        )

    def client_closed(self, client: ConnectedClient, reason: str) -> None:
        """A client's link ended."""
        if self.ports is not None:
            self.ports.release(client)
        if self.sni is not None:
            self.sni.routes.release(client)
        if client.is_open:
            self._open_clients -= 1
            client.leave_quota()
            self.routes.release(client)
            self.on_event(
                ClientGone(
                    client.session_id,
                    client.link.peer,
                    client.names,
                    reason,
                    client.label,
                    client.ports,
                    client.sni,
                )
            )

    def reload(self, *, is_urgent: bool = True) -> None:
        """Read the files that may change while this runs: those of the tokens and of the sites."""
        self._reload_tokens(is_urgent=is_urgent)
        if self.gate is not None:
            self.gate.poll(is_urgent=is_urgent)

    def _reload_tokens(self, *, is_urgent: bool) -> None:
        """Read the tokens file if it has changed, and end the links that it does not allow any more."""
        event = self.access.poll(is_urgent=is_urgent)
        if event is not None:
            self.on_event(event)
        if isinstance(event, TokensReloaded) or self.access.has_expired():
            for client in list(self._clients):
                client.check_access()
                if client.is_open and not client.session.is_closed:
                    client.settle_quota()

    def _new_link(self) -> ExitNodeLink:
        link = ExitNodeLink(self._may_try, self.answerers, self._verify)
        client = ConnectedClient(self, link)
        self._clients.add(client)
        link.closed.add_done_callback(lambda _: self._clients.discard(client))
        find_token = self.access.find
        if self._new_guest is not None:
            client.guest = self._new_guest(link)
            find_token = client.guest.find_token
        handshake = ExitNodeHandshake(find_token, client.authorize, secrets.token_hex(NONCE_BYTES))
        link.session = Session(
            handshake,
            client,
            link.schedule_flush,
            asyncio.get_running_loop().time(),
            self.config.ping_interval_s,
            self.memory,
        )
        return link

    def _may_try(self, address: str) -> bool:
        return self._attempts.take(source_of(address), asyncio.get_running_loop().time())

    @cached_property
    def quotas(self) -> QuotaBook:
        """What tokens with a quota have taken; made for the first of them."""
        from tunnel.quotas.quota import QuotaBook

        return QuotaBook()

    def has_room_for(self, hello: Hello, claim: Claim) -> bool:
        """Whether one more client may come, or this one comes back for what it has."""
        key_id = hello.key_id
        if self._open_clients < self.config.client_limits.max_clients:
            return True
        if claim.balance:  # it takes nobody's place, but for that of a former link of its own
            return any(each.is_open and each.shared_as == hello.instance for each in self._clients)
        if self.ports is not None and self.ports.is_held_by(claim.ports, key_id):
            return True
        if self.sni is not None and self.sni.routes.is_held_by(claim.sni, key_id):
            return True
        return self.routes.is_held_by(claim.names, key_id)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._ticker = loop.call_later(_TICK_S, self._tick)  # first: no fault below may stop the clock
        now = loop.time()
        for visitor in list(self._visitors):
            visitor.tick(now)
        self.reload(is_urgent=False)
        if self._tls is not None:
            self._tls.poll()
        if self.https is not None:
            self.https.poll()
        if self._new_guest is not None:
            for client in list(self._clients):
                client.check_certificate()
