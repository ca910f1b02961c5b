"""What the exit node itself answers to a visitor, where that is no fault: a redirect, a challenge's file."""

from __future__ import annotations

from dataclasses import dataclass

from tunnel.http.error_pages import reason_phrase

__all__ = ["OwnAnswer"]


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """A response that is known whole."""

    status: int
    media_type: str
    content: bytes
    fields: tuple[tuple[str, str], ...] = ()

    def encode(self, keep_alive: bool, has_body: bool, date: str) -> bytes:
        """Return the whole response: head and, unless the request was a HEAD, the content.

        Args:
            keep_alive: whether the connection goes on.
            has_body: False in the answer to a HEAD request.
            date: the time as an HTTP date.
        """
        lines = [
            f"HTTP/1.1 {self.status} {reason_phrase(self.status).decode()}",
            f"Content-Type: {self.media_type}",
            f"Content-Length: {len(self.content)}",
            f"Date: {date}",
            *(f"{name}: {value}" for name, value in self.fields),
        ]
        if not keep_alive:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head + self.content if has_body else head
