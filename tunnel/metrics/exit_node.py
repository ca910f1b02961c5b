"""Reads a server.  On loopback everything is seen; with a token its own names, and all with that of ``*``."""

from __future__ import annotations

import time

from tunnel import __version__
from tunnel.config import CATCH_ALL
from tunnel.connected import ConnectedClient
from tunnel.events import ClientConnected, ClientGone, Event
from tunnel.http.head import RequestHead
from tunnel.http.own_answer import OwnAnswer
from tunnel.metrics.books import LinkBook, RequestBook
from tunnel.metrics.model import OTHERS, LinkStatus, MemoryStatus, ServerStatus, TotalsStatus
from tunnel.metrics.pages import EVERYTHING, Viewer
from tunnel.protocol.flow import MAX_GROWTH_BYTES
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.session import Session
from tunnel.routing import normalize_host
from tunnel.server import TunnelServer

__all__ = ["MAX_LINKS", "ServerWatch", "read_memory"]

MAX_LINKS = 1000
"""That are told one by one; the totals are of all."""


class ServerWatch:
    """Counts what a server does from the moment that it is made; to be made before the server starts."""

    def __init__(self, server: TunnelServer) -> None:
        self._server = server
        self._requests = RequestBook()
        self._links = LinkBook()
        self._began_s = time.monotonic()
        self._on_event, self._on_request = server.on_event, server.on_request
        server.on_event, server.on_request = self._event, self._request
        server.on_own_answer = self._own_answer

    def find_token(self, key_id: str) -> str | None:
        """Return the token that ``key_id`` names; None for one that is not valid."""
        access = self._server.access
        token = access.find(key_id)
        return token if access.is_valid(key_id) else None

    def viewer(self, key_id: str) -> Viewer:
        """Return what the holder of a token may see: all, with a token for every name."""
        return EVERYTHING if self._server.access.allows(key_id, CATCH_ALL) else Viewer(key_id)

    def status(self, viewer: Viewer) -> ServerStatus:
        """Return what ``viewer`` may see now."""
        server, access = self._server, self._server.access
        sees_all = viewer is EVERYTHING
        clients = [client for client in server.clients if sees_all or client.key_id == viewer.key_id]
        names = self._requests.read()
        labels = self._links.labels()
        if not sees_all:
            names = tuple(
                name for name in names if name.name != OTHERS and access.allows(viewer.key_id, name.name)
            )
            labels = tuple(
                label for label in labels if label != OTHERS and label == access.label(viewer.key_id)
            )
        return ServerStatus(
            role="server",
            version=__version__,
            uptime_s=round(time.monotonic() - self._began_s, 1),
            sees_all=sees_all,
            is_draining=server.is_draining,
            visitors=server.visitor_count if sees_all else None,
            max_clients=server.config.client_limits.max_clients if sees_all else None,
            memory=read_memory(server.memory) if sees_all else None,
            links=tuple(
                map(_link, sorted(clients, key=lambda client: (client.label, client.session_id))[:MAX_LINKS])
            ),
            links_left_out=max(0, len(clients) - MAX_LINKS),
            totals=self._totals(labels, clients),
            names=names,
        )

    def _totals(self, labels: tuple[str, ...], clients: list[ConnectedClient]) -> tuple[TotalsStatus, ...]:
        sessions: dict[str, list[Session]] = {label: [] for label in labels}
        for client in clients:
            sessions.get(self._links.label(client.label), []).append(client.session)
        return tuple(self._total(label, sessions[label]) for label in labels)

    def _total(self, label: str, sessions: list[Session]) -> TotalsStatus:
        past = self._links.read(label)
        return TotalsStatus(
            client=label,
            links=len(sessions),
            links_opened=past.opened,
            links_closed=dict(past.closed),
            received_bytes=past.received_bytes + sum(session.received_bytes for session in sessions),
            sent_bytes=past.sent_bytes + sum(session.sent_bytes for session in sessions),
            streams=sum(session.stream_count for session in sessions),
            round_trip_ms=max((_round_trip_ms(session) for session in sessions), default=None),
            window_growth_bytes=sum(map(_growth, sessions)),
        )

    # ── what the server tells ────────────────────────────────────────────────────────────────────

    def _event(self, event: Event) -> None:
        if isinstance(event, ClientConnected):
            self._requests.expect(event.names)
            self._links.opened(event.label)
        elif isinstance(event, ClientGone):
            self._links.closed(event.label, event.reason, self._server.session_of(event.session))
        self._on_event(event)

    def _request(self, session: Session, head: RequestHead, status: int, seconds: float) -> None:
        self._requests.answered(normalize_host(head.host), status, seconds)
        if self._on_request is not None:
            self._on_request(session, head, status, seconds)

    def _own_answer(self, head: RequestHead | None, answer: OwnAnswer) -> None:
        if answer.error:  # or a redirect to HTTPS, say, and no fault
            self._requests.failed("" if head is None else normalize_host(head.host), answer.error)


def read_memory(memory: MemoryBudget | None) -> MemoryStatus | None:
    """Return a budget's state, or None without one."""
    return None if memory is None else MemoryStatus(memory.limit_bytes, memory.free_bytes)


def _link(client: ConnectedClient) -> LinkStatus:
    session = client.session
    return LinkStatus(
        session=client.session_id,
        client=client.label,
        peer=client.link.peer,
        names=client.names,
        ports=client.ports,
        agent=client.agent,
        streams=session.stream_count,
        max_streams=session.max_streams,
        received_bytes=session.received_bytes,
        sent_bytes=session.sent_bytes,
        round_trip_ms=_round_trip_ms(session),
        window_growth_bytes=_growth(session),
    )


def _round_trip_ms(session: Session) -> float:
    return round(session.last_round_trip_s * 1000, 2)


def _growth(session: Session) -> int:
    return MAX_GROWTH_BYTES - session.growth.free_bytes
