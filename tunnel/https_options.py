"""HTTPS for visitors, as it was asked for.

Apart from the rooms that do it (``tunnel.https``, ``tunnel.acme``), so that the configuration can hold it
without loading them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["AcmeOptions", "CertificateFiles", "DnsHook", "HttpsOptions", "HttpsPortUnusable", "Rfc2136"]


class HttpsPortUnusable(OSError):  # noqa: N818 - as FileUnusable
    """The port with TLS cannot be bound."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate that somebody else keeps in date."""

    certificate: Path  # PEM, the server's first and then those between it and its CA
    key: Path  # PEM


@dataclass(frozen=True, slots=True)
class Rfc2136:
    """DNS-01 by dynamic updates (RFC 2136), signed with TSIG (RFC 8945)."""

    server: str  # the primary's name or address
    port: int
    zone: str  # "" for the shortest that fits: what is left of the name without its first label
    key_file: Path  # mode 0600


@dataclass(frozen=True, slots=True)
class DnsHook:
    """DNS-01 by a program of the owner's."""

    program: Path


@dataclass(frozen=True, slots=True)
class AcmeOptions:
    """Certificates from an ACME issuer (RFC 8555)."""

    directory: str  # the issuer's URL
    state_folder: Path
    domains: tuple[str, ...] = ()  # always
    allowed: tuple[str, ...] = ()  # patterns: on demand, once a client claims a name that they cover
    email: str = ""
    ca_file: Path | None = None  # what the issuer's own HTTPS is verified by; None: the system's CAs
    dns: Rfc2136 | DnsHook | None = None  # None: HTTP-01
    dns_wait_s: float = 0.0  # from a record's being there to its being seen by the issuer


@dataclass(frozen=True, slots=True)
class HttpsOptions:
    """HTTPS for visitors, on a port of its own."""

    port: int
    certificates: tuple[CertificateFiles, ...] = ()  # the first is also for who names nobody
    acme: AcmeOptions | None = None
    redirects: bool = False  # from http to https, for the names that have it
    hsts_s: int = 0  # 0: no Strict-Transport-Security
