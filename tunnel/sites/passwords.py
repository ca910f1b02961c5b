"""Passwords that cannot be read back: scrypt (RFC 7914), in the PHC string format.

``$scrypt$ln=14,r=8,p=5$SALT$HASH``: the cost, and two binary strings in base64 without padding
(https://github.com/P-H-C/phc-string-format).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass
from hmac import compare_digest

__all__ = ["PasswordHash", "hash_password", "parse_hash"]

_FORM = re.compile(
    r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})"
)

# 16 MiB and five passes: as hard to guess as the 128 MiB in one that OWASP's cheat sheet on password storage
# names first, for an exit node that may have no more than that.
_LOG_N, _R, _P = 14, 8, 5
_MIN_LOG_N = 10
_MAX_MEMORY_BYTES = 256 * 1024 * 1024
_SALT_BYTES = 16
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """What is kept of a password."""

    log_n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def __repr__(self) -> str:
        return "PasswordHash(***)"

    def matches(self, password: str) -> bool:
        """Whether this is of ``password``; takes a tenth of a second or so, and lets other threads run."""
        found = _scrypt(password, self.salt, self.log_n, self.r, self.p, len(self.digest))
        return compare_digest(found, self.digest)

    def encode(self) -> str:
        """Return it in the PHC string format."""
        salt, digest = (base64.b64encode(each).rstrip(b"=").decode() for each in (self.salt, self.digest))
        return f"$scrypt$ln={self.log_n},r={self.r},p={self.p}${salt}${digest}"


def hash_password(password: str, log_n: int = _LOG_N, p: int = _P) -> PasswordHash:
    """Return what is to be kept of ``password``, with a salt of its own."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return PasswordHash(log_n, _R, p, salt, _scrypt(password, salt, log_n, _R, p, _HASH_BYTES))


def parse_hash(text: str) -> PasswordHash:
    """Parse the PHC string format.

    Raises:
        ValueError: it is something else, costs less than is safe, or more than this exit node would pay.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("not scrypt in the PHC string format")
    log_n, r, p = int(match[1]), int(match[2]), int(match[3])
    if log_n < _MIN_LOG_N or not r or not 1 <= p <= 16 or _memory_bytes(log_n, r, p) > _MAX_MEMORY_BYTES:
        raise ValueError("a cost out of range")
    return PasswordHash(log_n, r, p, _decode(match[4]), _decode(match[5]))


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int, size: int) -> bytes:
    # RFC 7617, section 2.1, asks for NFC: the same letters are the same bytes on every keyboard.
    data = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    memory = _memory_bytes(log_n, r, p)
    return hashlib.scrypt(data, salt=salt, n=1 << log_n, r=r, p=p, maxmem=memory + 1024 * 1024, dklen=size)


def _memory_bytes(log_n: int, r: int, p: int) -> int:
    return 128 * r * ((1 << log_n) + p + 2)
