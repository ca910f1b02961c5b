"""What a site says of its OpenID Connect provider, and of who may come."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from tunnel.config import ConfigError, Secret, is_domain_name
from tunnel.secret_files import read_secret_file
from tunnel.toml_text import refuse_unknown_keys

__all__ = ["OidcOptions", "is_loopback_url", "is_usable_email", "parse_oidc"]

_KEYS = ("issuer", "client_id", "client_secret_file", "emails", "domains", "session")
_SESSION = re.compile(r"(\d{1,4})(min|h|d)")
_UNIT_S = {"min": 60, "h": 3600, "d": 86400}
_MAX_SECRET_BYTES = 4096
# What passes in a field for the service: RFC 5322's dot-atom, ASCII.
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}")


@dataclass(frozen=True, slots=True)
class OidcOptions:
    """A provider, what the exit node is to it, and which accounts may come."""

    issuer: str
    client_id: str
    client_secret: Secret = field(compare=False)  # Secrets do not compare: its digest does
    secret_digest: bytes
    emails: frozenset[str]  # lower case
    domains: frozenset[str]  # of e-mail addresses, lower case
    session_s: int = 8 * 3600

    def allows(self, email: str) -> bool:
        """Whether an account with this address, which the provider has verified, may come."""
        lower = email.lower()
        return lower in self.emails or lower.rpartition("@")[2] in self.domains


def is_usable_email(text: object) -> bool:
    """Whether a claim is an address that can be passed on."""
    return isinstance(text, str) and _EMAIL.fullmatch(text) is not None


def is_loopback_url(url: str) -> bool:
    """Whether what is sent there stays on this machine."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def parse_oidc(table: object, folder: Path) -> tuple[OidcOptions, Path]:
    """Return what a site's ``oidc`` says, and the file of its secret.

    Raises:
        ConfigError: something in it is wrong, or what speaks OpenID Connect is not installed.
    """
    if not isinstance(table, dict):
        raise ConfigError('oidc es una tabla: oidc = { issuer = "https://…", client_id = "…", … }.')
    refuse_unknown_keys(table, _KEYS, "oidc")
    if find_spec("authlib") is None or find_spec("joserfc") is None:
        raise ConfigError("oidc necesita una parte que no está instalada: pip install 'tunelab[oidc]'.")
    issuer, client_id, file = (_text(table, key) for key in _KEYS[:3])
    parts = urlsplit(issuer)
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ConfigError(f"el issuer de oidc es una URL, como https://accounts.google.com; no «{issuer}».")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback_url(issuer)):
        raise ConfigError(f"el issuer de oidc «{issuer}» debe ir con https: por él pasa quién es cada uno.")
    emails, domains = _list(table, "emails"), _list(table, "domains")
    if not emails and not domains:
        raise ConfigError(
            'oidc necesita saber quién puede entrar: emails = ["ana@example.com"] o domains = '
            '["example.com"]; sin ellas entraría cualquiera con una cuenta.'
        )
    for email in emails:
        if not is_usable_email(email):
            raise ConfigError(f"«{email}», en emails de oidc, no es un correo.")
    for domain in domains:
        if not is_domain_name(domain):
            raise ConfigError(f"«{domain}», en domains de oidc, no es un dominio: example.com, sin @.")
    path = folder / file
    advice = "Guarde en él el secreto que le dio el proveedor."
    secret = read_secret_file(path, "del secreto de oidc", "client_secret_file", advice, _MAX_SECRET_BYTES)
    secret = secret.strip()
    if not secret:
        raise ConfigError(f"el archivo {path} está vacío. {advice}")
    options = OidcOptions(
        issuer=issuer,
        client_id=client_id,
        client_secret=Secret(secret),
        secret_digest=hashlib.sha256(secret.encode()).digest(),
        emails=frozenset(emails),
        domains=frozenset(domains),
        session_s=_session_s(table.get("session", "8h")),
    )
    return options, path


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ConfigError(f'a oidc le falta {key}, entre comillas: {key} = "…".')
    return value


def _list(table: Mapping[str, object], key: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f'{key}, en oidc, es una lista: {key} = ["…", "…"].')
    return [item.strip().lower() for item in value]


def _session_s(value: object) -> int:
    match = _SESSION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 60 <= int(match[1]) * _UNIT_S[match[2]] <= 90 * 86400:
        raise ConfigError('session, en oidc, dice cuánto dura: "30min", "8h" o "7d", hasta 90 días.')
    return int(match[1]) * _UNIT_S[match[2]]
