"""One client of an exit node: what it may have, what it has, and what becomes of its link."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from tunnel.access.keeper import AccessKeeper
from tunnel.access.quota import NO_QUOTA
from tunnel.config import CATCH_ALL, ServerConfig
from tunnel.events import HealthChanged, OnEvent
from tunnel.protocol.errors import CloseCode, LocalMisuse, ProtocolViolation
from tunnel.protocol.messages import Claim, Grant, Hello, Refusal
from tunnel.protocol.session import Session, SessionState
from tunnel.protocol.stream import Stream, StreamSink
from tunnel.routing import RoutingTable, normalize_host
from tunnel.transport.link import ExitNodeLink

if TYPE_CHECKING:
    from tunnel.https.edge import HttpsEdge
    from tunnel.mtls.guests import Guest
    from tunnel.quotas.quota import Quota, QuotaBook
    from tunnel.sni.edge import SniTable
    from tunnel.tcp.edge import PortTable

__all__ = ["ConnectedClient", "ExitNode"]

_log = logging.getLogger(__name__)


class ExitNode(Protocol):
    """What a client needs of its exit node."""

    config: ServerConfig
    access: AccessKeeper
    on_event: OnEvent
    data_port: int
    is_draining: bool
    routes: RoutingTable[ConnectedClient]
    ports: PortTable[ConnectedClient] | None
    sni: SniTable[ConnectedClient] | None
    https: HttpsEdge | None

    @property
    def initial_window_bytes(self) -> int:
        """What a stream may carry towards the exit node before it is granted more."""

    def has_room_for(self, hello: Hello, claim: Claim) -> bool:
        """Whether one more client may come, or this one comes back for what it has."""

    @property
    def quotas(self) -> QuotaBook:
        """What tokens with a quota have taken."""

    def client_opened(self, client: ConnectedClient) -> None:
        """It was granted what it claimed."""

    def client_closed(self, client: ConnectedClient, reason: str) -> None:
        """Its link ended."""


class ConnectedClient:
    """One client's link, as the exit node sees it: the session's handler and the table's holder."""

    def __init__(self, server: ExitNode, link: ExitNodeLink) -> None:
        self._server = server
        self.link = link
        self.guest: Guest | None = None  # where certificates are asked for
        self.session_id = secrets.token_hex(4)
        self.key_id = ""
        self.label = ""
        self.agent = ""
        self.is_open = False
        self.names: tuple[str, ...] = ()  # what it was granted
        self.ports: tuple[int, ...] = ()
        self.sni: tuple[str, ...] = ()
        self._quota: Quota | None = None
        self.shared_as = ""  # its instance, where it shares them with others
        self._down: set[int] = set()  # names that are not ready for visitors, by their index
        self._told: set[int] = set()  # names whose health was told of
        self._claim = Claim(())

    def why_not(self, index: int) -> str:
        """Return why it cannot take a visitor of a name of its own now, as a fault's code; "" if it can."""
        session = self.link.session
        if session.draining:
            return "draining"
        if self._down and index in self._down:
            return "upstream-down"
        return "" if self.has_room() else "too-many-streams"

    def has_room(self) -> bool:
        """Whether it takes one more stream, and its token one more."""
        limit = self._server.config.client_limits.max_streams
        return self.session.stream_count < limit and (self._quota is None or self._quota.has_room())

    def settle_quota(self) -> None:
        """Keep to what its token may take now."""
        rules = self._server.access.quota(self.key_id)
        if rules != NO_QUOTA:
            self._quota = self._server.quotas.settle(self.key_id, rules, self.session)
        else:
            self.leave_quota()

    def leave_quota(self) -> None:
        """Count in no quota any more."""
        if self._quota is not None:
            self._quota = None
            self._server.quotas.leave(self.key_id, self.session)

    def load(self) -> int:
        """Return how many streams it has under way."""
        return self.link.session.stream_count

    @property
    def session(self) -> Session:
        """Its link's session."""
        return self.link.session

    def authorize(self, hello: Hello, claim: Claim) -> Grant | Refusal:
        """Decide on a claim whose maker has proven that it holds the token."""
        server = self._server
        if server.is_draining:
            return Refusal("draining", "this exit node is stopping", retry=True)
        if self.guest is not None:
            hello = replace(hello, key_id=self.guest.key_id(hello.key_id))
        names = claim.names
        if len(set(names)) != len(names) or any(not name or name != name.lower() for name in names):
            return Refusal("bad-claim", "names are given once each, in lower case")
        if not server.access.is_valid(hello.key_id):
            return Refusal("revoked", "this token is no longer valid")
        forbidden = next((name for name in names if not server.access.allows(hello.key_id, name)), None)
        if forbidden is not None:
            return Refusal("name-not-allowed", f"this token may not claim {forbidden}")
        if not server.has_room_for(hello, claim):
            return Refusal("too-many-clients", "this exit node has as many clients as it takes", retry=True)
        if claim.sni and server.sni is None:
            return Refusal("sni-not-allowed", "this exit node has no port for TLS names")
        if claim.sni and server.sni is not None:
            refusal = server.sni.why_not(claim.sni, hello.key_id)
            if refusal is not None:
                return refusal
        held = server.routes.held_by_others(names, hello.key_id)
        if held is not None:
            return Refusal("name-taken", f"{held} belongs to a client with another token")
        if claim.ports and server.ports is None:
            return Refusal("port-not-allowed", "this exit node gives away no ports")
        if claim.ports and server.ports is not None:
            refusal = server.ports.reserve(claim.ports, hello.key_id)
            if refusal is not None:
                return refusal
        self.key_id, self.agent = hello.key_id, hello.agent
        self.shared_as = hello.instance if claim.balance else ""
        self.label = server.access.label(hello.key_id)
        self._claim = claim
        return Grant(
            session=self.session_id,
            urls=tuple(self._public_url(name) for name in names),
            ping_interval_s=server.config.ping_interval_s,
            initial_window=server.initial_window_bytes,
            ports=claim.ports,
            balance=claim.balance,
            sni=tuple(map(server.sni.url, claim.sni)) if server.sni is not None else (),
            health=claim.health,
        )

    def check_certificate(self) -> None:
        """End the link if the certificate that it was opened with has expired."""
        if self.guest is not None and self.guest.has_expired:
            self.link.session.close(CloseCode.REVOKED, "the certificate has expired")

    def check_access(self) -> None:
        """End the link if its token is gone, has expired or may not have all of the names any more."""
        access = self._server.access
        if not self.is_open:
            return  # its handshake asks by itself
        if not access.is_valid(self.key_id):
            self.link.session.close(CloseCode.REVOKED, "the token is no longer valid")
            return
        for name in (*self.names, *self.sni):
            if not access.allows(self.key_id, name):
                self.link.session.close(CloseCode.REVOKED, f"the token may no longer serve {name}")
                return
        for port in self.ports:
            if not access.allows_port(self.key_id, port):
                self.link.session.close(CloseCode.REVOKED, f"the token may no longer serve port {port}")
                return

    def _public_url(self, name: str) -> str:
        if name == CATCH_ALL:  # the agent reached us by this name, and so will visitors
            name = normalize_host(self.link.dialled_host.encode("latin-1", "replace")) or "localhost"
        https = self._server.https
        if https is not None and https.is_for(name):
            return https.public_url(name)
        port = self._server.data_port
        return f"http://{name}" if port == 80 else f"http://{name}:{port}"

    # ── the session's handler ────────────────────────────────────────────────────────────────────

    def session_opened(self, grant: Grant) -> None:
        """The handshake ended well."""
        self.settle_quota()
        self.is_open, self.names, self.ports = True, self._claim.names, self._claim.ports
        self.sni = self._claim.sni
        self.link.reschedule_tick()
        if self._claim.health:  # a name is not ready before it is said to be
            self._down = set(range(len(self.names)))
            self.session.on_health = self._health_changed
        self._server.client_opened(self)

    def _health_changed(self, index: int, is_up: bool, detail: str) -> None:
        if index >= len(self.names):
            raise ProtocolViolation(f"HEALTH of name {index} of {len(self.names)}")
        was_up = index not in self._down
        if is_up:
            self._down.discard(index)
        else:
            self._down.add(index)
        if is_up is was_up and index in self._told:
            return  # nothing new: an agent that repeats itself fills no log
        self._told.add(index)
        self._server.on_event(HealthChanged(self.session_id, self.names[index], is_up, detail, self.label))

    def stream_opened(self, stream: Stream, payload: bytes) -> StreamSink:
        """Never called: an exit node opens streams and is asked for none."""
        raise LocalMisuse("an exit node does not answer streams")

    def session_draining(self, code: CloseCode, detail: str) -> None:
        """The client finishes what is under way; its names are free for the next."""
        if self.link.session.state is SessionState.OPEN:
            _log.info("session %s drains: %s", self.session_id, detail)

    def session_closed(self, code: CloseCode, detail: str) -> None:
        """The link ended."""
        session = self.link.session
        if session.error is not None:
            _log.warning("session %s from %s: %s", self.session_id, self.link.peer, session.error)
        if code is CloseCode.CONNECTION_LOST and session.draining:
            code = CloseCode.DRAINING  # it had said that it would
        self._server.client_closed(self, code.name.lower().replace("_", "-"))
