"""What a visitor's browser keeps of a login: sealed, so that it can neither be read nor made up."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tunnel.sites.oidc.options import OidcOptions

__all__ = ["Seal", "Sealed"]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a cookie says."""

    kind: str  # "session" or "login": one is never taken for the other
    host: str  # whom it was given to: what one name's service could learn is of no use at another's
    values: tuple[str, ...]


class Seal:
    """Makes and opens cookies; its key comes from the client's secret, so that a restart logs nobody out."""

    def __init__(self, options: OidcOptions, pattern: str) -> None:
        info = "\0".join(("tunelab oidc 1", options.issuer, options.client_id, pattern)).encode()
        key = HKDF(SHA256(), 32, None, info).derive(options.client_secret.reveal().encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def close(self, sealed: Sealed, now_s: float) -> str:
        """Return the cookie's value."""
        text = json.dumps([sealed.kind, sealed.host, *sealed.values])
        return self._fernet.encrypt_at_time(text.encode(), int(now_s)).decode().rstrip("=")

    def open(self, value: bytes, kind: str, host: str, max_age_s: int, now_s: float) -> Sealed | None:
        """Return what a cookie of ``kind`` says, or None: made up, of another name, or too old."""
        try:
            padded = value + b"=" * (-len(value) % 4)
            text = self._fernet.decrypt_at_time(padded, max_age_s, int(now_s))
        except InvalidToken:
            return None
        found_kind, found_host, *values = json.loads(text)
        if (found_kind, found_host) != (kind, host):
            return None
        return Sealed(kind, host, tuple(values))
