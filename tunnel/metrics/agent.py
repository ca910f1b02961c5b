"""Reads clients: the links that they keep, each to an exit node of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tunnel import __version__
from tunnel.client import TunnelClient
from tunnel.events import Connected, Disconnected, Event, Refused
from tunnel.metrics.books import LinkBook
from tunnel.metrics.exit_node import read_memory
from tunnel.metrics.model import AgentStatus, ExitNodeStatus
from tunnel.metrics.pages import EVERYTHING, Viewer
from tunnel.protocol.auth import key_id as digest_of
from tunnel.protocol.auth import proofs_equal
from tunnel.protocol.flow import MAX_GROWTH_BYTES
from tunnel.protocol.session import Session

__all__ = ["AgentWatch"]


class AgentWatch:
    """Counts what clients do from the moment that it is made; to be made before they run."""

    def __init__(self, clients: Sequence[TunnelClient]) -> None:
        self._memory = clients[0].memory
        self._links = [_LinkWatch(client) for client in clients]
        self._began_s = time.monotonic()

    def find_token(self, key_id: str) -> str | None:
        """Return the token of one of the exit nodes, if ``key_id`` is its, or None."""
        found = None
        for secret in (link.client.config.token for link in self._links):
            token = "" if secret is None else secret.reveal()  # with a client certificate there is none
            if token and proofs_equal(digest_of(token), key_id):
                found = token
        return found

    def viewer(self, key_id: str) -> Viewer:
        """Return what the holder of a token may see."""
        return EVERYTHING

    def status(self, viewer: Viewer) -> AgentStatus:
        """Return what there is to see now."""
        return AgentStatus(
            role="client",
            version=__version__,
            uptime_s=round(time.monotonic() - self._began_s, 1),
            memory=read_memory(self._memory),
            exit_nodes=tuple(link.read() for link in self._links),
        )


class _LinkWatch:
    """One client's link, from one to the next."""

    def __init__(self, client: TunnelClient) -> None:
        self.client = client
        self._session: Session | None = None  # the one that is open
        self._connected = Connected("", (), ())
        self._book = LinkBook()
        self._past_streams = 0
        self._last = ("", "")
        self._on_event = client.on_event
        client.on_event = self._event

    def read(self) -> ExitNodeStatus:
        """Return what there is to see now."""
        url, session, connected = self.client.config.address.url, self._session, self._connected
        past = self._book.read(url)
        return ExitNodeStatus(
            url=url,
            is_up=session is not None,
            session=connected.session if session is not None else "",
            public_urls=connected.urls,
            upstreams=tuple(upstream.url for upstream in self.client.config.upstreams),
            tcp=connected.tcp,
            connects=past.opened,
            disconnects=dict(past.closed),
            last_reason=self._last[0],
            last_detail=self._last[1],
            streams=0 if session is None else session.stream_count,
            streams_opened=self._past_streams + (0 if session is None else session.streams_opened),
            received_bytes=past.received_bytes + (0 if session is None else session.received_bytes),
            sent_bytes=past.sent_bytes + (0 if session is None else session.sent_bytes),
            round_trip_ms=0.0 if session is None else round(session.last_round_trip_s * 1000, 2),
            window_growth_bytes=0 if session is None else MAX_GROWTH_BYTES - session.growth.free_bytes,
        )

    def _event(self, event: Event) -> None:
        url = self.client.config.address.url
        if isinstance(event, Connected):
            self._session, self._connected = self.client.session, event
            self._book.opened(url)
        elif isinstance(event, Disconnected | Refused):
            if isinstance(event, Refused):
                self._last = (event.code, event.message)
            else:
                self._last = (event.reason, event.detail)
            session, self._session = self._session, None
            self._book.closed(url, self._last[0], session)
            self._past_streams += 0 if session is None else session.streams_opened
        self._on_event(event)
