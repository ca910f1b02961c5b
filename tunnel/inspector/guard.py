"""Who may ask the inspector: a browser on this machine, for this page.

The page listens on loopback only, but every page that the browser shows can send requests there.  So:

* the Host must be this machine's own name and the page's port; a site whose name was pointed at 127.0.0.1
  (DNS rebinding) says its own,
* a request that a browser says comes from another site or origin (``Sec-Fetch-Site``, ``Origin``) is refused,
* whatever changes something needs the token that is drawn for each run and that only the page knows.

The headers that answers carry let the page run its own script and no other, and nobody embed it.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["ANSWER_FIELDS", "TOKEN_FIELD", "Guard"]

TOKEN_FIELD = "X-Inspector-Token"  # noqa: S105 - a field's name

ANSWER_FIELDS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Fields(Protocol):
    """Header fields by name, whatever its case."""

    def get(self, key: str, default: str, /) -> str:
        """Return a field's value, or ``default``."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules for one run of the page on ``port``."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def objection(self, method: str, path: str, fields: Fields) -> str:
        """Return why a request is refused (Spanish), or "" where it is not.

        Args:
            fields: the request's.
        """
        host = fields.get("Host", "").lower()
        if host not in self._hosts:
            return f"Abra esta página como http://127.0.0.1:{self.port}."
        origin = fields.get("Origin", "")
        if origin and origin.lower() != f"http://{host}":
            return "Esta petición viene de otra página."
        # https://www.w3.org/TR/fetch-metadata/: "none" is somebody who typed the address.
        site = fields.get("Sec-Fetch-Site", "same-origin")
        is_visit = method == "GET" and path == "/" and fields.get("Sec-Fetch-Dest", "") == "document"
        if site not in ("same-origin", "none") and not is_visit:
            return "Esta petición viene de otra página."
        if method not in ("GET", "HEAD"):
            given = fields.get(TOKEN_FIELD, "").encode()
            if not hmac.compare_digest(given, self.token.encode()):
                return "La página es de una vez anterior que se abrió el inspector: recárguela."
        return ""

    @property
    def _hosts(self) -> tuple[str, ...]:
        names = ("127.0.0.1", "localhost", "[::1]")
        bare = names if self.port == 80 else ()  # RFC 9110, section 4.2.1: a default port goes unsaid
        return (*(f"{name}:{self.port}" for name in names), *bare)
