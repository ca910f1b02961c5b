"""A message that cannot be passed on."""

from __future__ import annotations

__all__ = ["BadMessage"]


class BadMessage(Exception):  # noqa: N818 - a fault of the peer's, not of this program
    """The peer's HTTP message is malformed, ambiguous or over a limit.

    Args:
        reason: English, for logs; it never repeats the peer's bytes.
        status: what a visitor is answered (RFC 9110, section 15).
        code: the stable code for ``Tunelab-Error``.
    """

    def __init__(self, reason: str, status: int = 400, code: str = "bad-request") -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.code = code
