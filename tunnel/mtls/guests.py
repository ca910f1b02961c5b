"""The exit node's side: certificates are asked for, and who shows one is an entry of the tokens file.

OpenSSL has verified a certificate (its chain up to ``--client-ca``, its dates, that it is for clients:
RFC 5280, section 6) before any of its words is read here.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tunnel.access.keeper import AccessKeeper
from tunnel.config import ConfigError
from tunnel.identity import Verified
from tunnel.os_errors import describe_os_error
from tunnel.protocol.auth import certificate_token, key_id

__all__ = ["Guest", "ask_for_certificates", "names_in", "verified"]


def ask_for_certificates(context: ssl.SSLContext, client_ca: Path) -> None:
    """Have a server's context ask for a certificate that this CA signed; who has none goes on without.

    Raises:
        ConfigError: the file cannot be used.
    """
    try:
        context.load_verify_locations(client_ca)
    except ssl.SSLError:
        raise ConfigError(
            f"el archivo {client_ca} (--client-ca) no tiene el certificado de una CA en PEM "
            "(«-----BEGIN CERTIFICATE-----»)."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"no se puede leer la CA de los clientes {client_ca} (--client-ca): {describe_os_error(error)}. "
            "Se hace con «tunnel cert ca»."
        ) from None
    context.verify_mode = ssl.CERT_OPTIONAL
    # A resumed session carries the certificate of the one before it, unverified: agents resume none.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET


class _Link(Protocol):
    @property
    def tls(self) -> ssl.SSLObject | None: ...


@dataclass(frozen=True, slots=True)
class _Shown:
    """A certificate that was verified."""

    token: str
    names: tuple[str, ...]  # its digest first: ``sha256:…``
    ends_s: float  # Unix time


class Guest:
    """Who is on a link, on an exit node that asks for certificates.

    Args:
        clock: returns the Unix time.
    """

    def __init__(self, access: AccessKeeper, link: _Link, clock: Callable[[], float] = time.time) -> None:
        self._access = access
        self._link = link
        self._clock = clock
        self._shown: _Shown | None = None  # and named in the handshake

    def find_token(self, wanted_id: str) -> str | None:
        """Return what ``wanted_id`` names: a token, or what stands for the certificate of this link."""
        shown = _look(self._link)
        if shown is None or key_id(shown.token) != wanted_id:
            return self._access.find(wanted_id)
        if not self._access.find_certificate(shown.names):
            return None
        self._shown = shown
        return shown.token

    def key_id(self, hello_id: str) -> str:
        """Return under what id the rights of who is here are known; "" for a certificate that lost them."""
        if self._shown is None:
            return hello_id
        return self._access.find_certificate(self._shown.names)

    @property
    def has_expired(self) -> bool:
        """Whether the certificate that was shown has expired since."""
        return self._shown is not None and self._clock() >= self._shown.ends_s


def verified(access: AccessKeeper, link: _Link) -> Verified | None:
    """Return whose certificate was shown on a link that asks something, or None: it has rights now."""
    shown = _look(link)
    entry_id = "" if shown is None else access.find_certificate(shown.names)
    return Verified(shown.token, entry_id) if shown is not None and access.is_valid(entry_id) else None


def names_in(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of a certificate as ``getpeercert`` tells them.

    Those of its subjectAltName (DNS names, e-mail addresses and URIs); the common names only of one that
    has none there (RFC 6125, section 6.4.4).
    """
    kinds = ("DNS", "email", "URI")
    alternative = [value for kind, value in facts.get("subjectAltName", ()) if kind in kinds]
    common = [value for part in facts.get("subject", ()) for kind, value in part if kind == "commonName"]
    return tuple(alternative or common)


def _look(link: _Link) -> _Shown | None:
    tls = link.tls
    der = None if tls is None else tls.getpeercert(binary_form=True)
    facts: dict[str, Any] | None = None if tls is None else tls.getpeercert()
    if not der or not facts:
        return None
    token = certificate_token(der)
    digest = token.rpartition(" ")[2]
    # A name may be anything, and must not pass for another certificate's digest.
    names = (name for name in names_in(facts) if not name.startswith("sha256:"))
    return _Shown(token, (f"sha256:{digest}", *names), ssl.cert_time_to_seconds(facts["notAfter"]))
