"""What a server or a client tells those who run it.

Each event is a frozen dataclass; ``name`` is its stable name in ``--json`` output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "CertificateFailed",
    "CertificateObtained",
    "ClientConnected",
    "ClientGone",
    "Connected",
    "Disconnected",
    "Event",
    "HealthChanged",
    "InspectorReady",
    "Listening",
    "MetricsListening",
    "OnEvent",
    "Refused",
    "RequestPassed",
    "SitesRejected",
    "SitesReloaded",
    "Stopping",
    "TokensRejected",
    "TokensReloaded",
]


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events."""

    name: ClassVar[str] = "event"


@dataclass(frozen=True, slots=True)
class Address:
    """A socket's address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """Server: both planes accept connections."""

    name: ClassVar[str] = "listening"
    data: Address
    control: Address
    pin: str = ""  # of the exit node's own CA; none where it has none
    connection_file: str = ""  # for the client; none without TLS, or with a token for each client
    is_encrypted: bool = False  # the control plane speaks TLS
    sni: Address | None = None  # where visitors of TLS services come
    https: Address | None = None  # visitors' port with TLS


@dataclass(frozen=True, slots=True)
class MetricsListening(Event):
    """Either, where it was asked to: what it counts can be read at ``url``/metrics and ``url``/status."""

    name: ClassVar[str] = "metrics"
    url: str


@dataclass(frozen=True, slots=True)
class ClientConnected(Event):
    """Server: a client was granted its names."""

    name: ClassVar[str] = "client_connected"
    session: str
    peer: str
    names: tuple[str, ...]
    agent: str
    label: str = ""  # of its token; none where the exit node has but one
    ports: tuple[int, ...] = ()  # TCP
    sni: tuple[str, ...] = ()  # names of TLS services


@dataclass(frozen=True, slots=True)
class ClientGone(Event):
    """Server: a client's link ended."""

    name: ClassVar[str] = "client_gone"
    session: str
    peer: str
    names: tuple[str, ...]
    reason: str
    label: str = ""
    ports: tuple[int, ...] = ()
    sni: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestPassed(Event):
    """Server, where it was asked to tell: a client answered a visitor's request.  What passed is not told."""

    name: ClassVar[str] = "request"
    session: str  # the client's
    status: int
    trace: str = ""  # the trace id of the request's traceparent (W3C Trace Context, section 3.2.2.3), if any


@dataclass(frozen=True, slots=True)
class HealthChanged(Event):
    """Either: a service that its client checks (``--health``) is ready for visitors, or not any more."""

    name: ClassVar[str] = "health"
    session: str  # the client's; "" at a client that has no link now
    upstream: str  # the name that visitors call it by, or ``*``
    is_up: bool
    detail: str  # what is wrong, in the system's words
    label: str = ""  # at a server: of the client's token


@dataclass(frozen=True, slots=True)
class CertificateObtained(Event):
    """Server: the issuer gave a certificate for visitors, and it is served from now on."""

    name: ClassVar[str] = "certificate_obtained"
    domain: str
    ends: str  # ISO 8601, UTC


@dataclass(frozen=True, slots=True)
class CertificateFailed(Event):
    """Server: the issuer gave none; the next attempt comes in ``retry_in_s`` seconds."""

    name: ClassVar[str] = "certificate_failed"
    domain: str
    reason: str  # of tunnel.acme.patience.FailureKind
    detail: str  # the issuer's own words, say
    retry_in_s: float
    is_served: bool  # the former certificate goes on, and is still valid


@dataclass(frozen=True, slots=True)
class TokensReloaded(Event):
    """Server: the tokens file has changed and is in force; the rest are labels."""

    name: ClassVar[str] = "tokens_reloaded"
    tokens: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokensRejected(Event):
    """Server: the tokens file has changed and cannot be used; what was in force stays so."""

    name: ClassVar[str] = "tokens_rejected"
    file: str
    message: str  # Spanish


@dataclass(frozen=True, slots=True)
class SitesReloaded(Event):
    """Server: the sites file has changed and is in force; the rest are names and patterns in it."""

    name: ClassVar[str] = "sites_reloaded"
    sites: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SitesRejected(Event):
    """Server: the sites file has changed and cannot be used; what was in force stays so."""

    name: ClassVar[str] = "sites_rejected"
    file: str
    message: str  # Spanish


@dataclass(frozen=True, slots=True)
class Connected(Event):
    """Client: the exit node granted the names."""

    name: ClassVar[str] = "connected"
    session: str
    urls: tuple[str, ...]
    upstreams: tuple[str, ...]
    tcp: tuple[tuple[int, str], ...] = ()  # ports of the exit node's, and the services they lead to
    sni: tuple[tuple[str, str], ...] = ()  # where visitors find TLS services, and these


@dataclass(frozen=True, slots=True)
class Disconnected(Event):
    """Client: there is no link (any more); the next attempt comes in ``retry_in_s`` seconds."""

    name: ClassVar[str] = "disconnected"
    reason: str
    detail: str
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """Client: the exit node said no, and asking again would not help."""

    name: ClassVar[str] = "refused"
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class InspectorReady(Event):
    """Client: the inspector's page can be opened."""

    name: ClassVar[str] = "inspector"
    url: str


@dataclass(frozen=True, slots=True)
class Stopping(Event):
    """Either: a planned stop; requests under way are being finished."""

    name: ClassVar[str] = "stopping"
    open_requests: int


OnEvent = Callable[[Event], None]
