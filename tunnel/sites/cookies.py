"""The exit node's own cookies among those of a service."""

from __future__ import annotations

import re

from tunnel.http.lines import Cutter, Fields, find_fields

__all__ = ["cookie_line", "find_cookie", "without_own_cookies"]

_OWN = re.compile(rb"(?:__Host-|__Secure-)?tunelab(?:-login-[0-9a-f]{16})?")
_COOKIE = Cutter((b"cookie",))


def find_cookie(fields: Fields, name: str) -> bytes:
    """Return the value of a cookie in a request's fields, or b"" (RFC 6265, section 5.4)."""
    wanted = name.encode()
    for line in find_fields(fields, b"cookie"):
        for pair in line.split(b";"):
            key, _, value = pair.strip(b" \t").partition(b"=")
            if key == wanted:
                return value
    return b""


def without_own_cookies(fields: Fields) -> Fields:
    """Return fields without this exit node's cookies; the service's own are left as they are."""
    rest, found = _COOKIE.cut(fields)
    kept = []
    for _, line in found:
        pairs = [pair for pair in line.split(b";") if not _is_own(pair)]
        if pairs:
            kept.append(b"\r\nCookie: " + b";".join(pairs).strip(b" \t"))
    return rest + b"".join(kept)


def cookie_line(name: str, value: str, path: str, max_age_s: int, *, is_secure: bool) -> tuple[str, str]:
    """Return a Set-Cookie field that scripts cannot read and other sites' forms do not send."""
    secure = "; Secure" if is_secure else ""
    return "Set-Cookie", f"{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"


def _is_own(pair: bytes) -> bool:
    return _OWN.fullmatch(pair.partition(b"=")[0].strip(b" \t")) is not None
