"""What the exit node itself answers to a visitor: a fault's page, a redirect, a challenge's file."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

__all__ = ["OwnAnswer", "reason_phrase"]


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """A response that is known whole.  ``fields`` say nothing of the connection or the framing."""

    status: int
    media_type: str
    content: bytes
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def error(self) -> str:
        """The code of the error that it tells of, "" for none."""
        return next((value for name, value in self.fields if name == "Tunelab-Error"), "")

    def encode(self, keep_alive: bool, has_body: bool = True, date: str = "") -> bytes:
        """Return the whole response: head and, unless the request was a HEAD, the content.

        Args:
            keep_alive: whether the connection goes on.
            has_body: False in the answer to a HEAD request.
            date: the time as an HTTP date (RFC 9110, section 6.6.1), from a caller that has a clock.
        """
        lines = [
            f"HTTP/1.1 {self.status} {reason_phrase(self.status).decode()}",
            f"Content-Type: {self.media_type}",
            f"Content-Length: {len(self.content)}",
            *(f"{name}: {value}" for name, value in self.fields),
        ]
        if date:
            lines.append(f"Date: {date}")
        if not keep_alive:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head + self.content if has_body else head


def reason_phrase(status: int) -> bytes:
    """Return the standard reason phrase of ``status``, or b"" for one that has none."""
    return _REASONS.get(status, b"")


_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_REASONS |= {413: b"Content Too Large", 414: b"URI Too Long", 422: b"Unprocessable Content"}  # RFC 9110
