"""Where a message's content ends (RFC 9112, sections 6 and 7).

Each reader takes bytes as they come and returns the content in them; bytes past the end are in ``rest``,
for whatever message follows.
"""

from __future__ import annotations

import re
from typing import Final

from tunnel.http.errors import BadMessage

__all__ = ["LAST_CHUNK", "BodyReader", "ChunkedBody", "LengthBody", "UntilCloseBody", "encode_chunk"]

LAST_CHUNK: Final = b"0\r\n\r\n"

_MAX_CHUNK_LINE_BYTES: Final = 1024
_MAX_TRAILER_BYTES: Final = 16 * 1024

# A size of at most 15 digits stays below 2^60; extensions are read and ignored (RFC 9112, section 7.1.1).
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


def encode_chunk(content: bytes | memoryview) -> bytes:
    """Return ``content``, which is not empty, as one chunk."""
    return b"".join((b"%x\r\n" % len(content), content, b"\r\n"))


class LengthBody:
    """Content of a length known beforehand, in bytes."""

    __slots__ = ("left", "rest")

    def __init__(self, length: int) -> None:
        self.left = length
        self.rest = b""

    @property
    def is_complete(self) -> bool:
        """Whether all of it has been fed."""
        return self.left == 0

    def feed(self, data: bytes) -> bytes:
        """Return the content in ``data``."""
        size = len(data)
        if size > self.left:
            data, self.rest = data[: self.left], data[self.left :]
            size = self.left
        self.left -= size
        return data


class UntilCloseBody:
    """Content that goes on until the connection ends (responses only, RFC 9112, section 6.3)."""

    __slots__ = ()

    rest = b""
    is_complete = False

    def feed(self, data: bytes) -> bytes:
        """Return ``data``: all of it is content."""
        return data


class ChunkedBody:
    """Content in chunks.  Extensions are ignored and trailer fields dropped."""

    __slots__ = ("_buffer", "_in_trailer", "_left", "_trailer_bytes", "is_complete", "rest")

    def __init__(self) -> None:
        self._buffer = b""  # an incomplete line, or an incomplete CRLF after a chunk
        self._left = 0  # bytes of the current chunk still to come, its CRLF included
        self._in_trailer = False
        self._trailer_bytes = 0
        self.is_complete = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return the content in ``data``.

        Raises:
            BadMessage: on a malformed or oversized chunk line, chunk end or trailer.
        """
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        pieces: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            if self._left > 2:
                piece = data[position : position + self._left - 2]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                continue
            if self._left:  # exactly the CRLF after a chunk
                if end - position < 2:
                    if data[position:end] != b"\r":
                        raise BadMessage("a chunk does not end in CRLF")
                    break
                if data[position : position + 2] != b"\r\n":
                    raise BadMessage("a chunk does not end in CRLF")
                position += 2
                self._left = 0
                continue
            line_end = data.find(b"\r\n", position)
            if line_end < 0:
                self._check_incomplete_line(data, position)
                break
            self._read_line(data[position:line_end])
            position = line_end + 2
            if self.is_complete:
                self.rest = data[position:]
                return b"".join(pieces)
        self._buffer = data[position:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_line(self, line: bytes) -> None:
        if self._in_trailer:
            if not line:
                self.is_complete = True
                return
            self._trailer_bytes += len(line)
            if self._trailer_bytes > _MAX_TRAILER_BYTES or not _TRAILER_LINE.fullmatch(line):
                raise BadMessage("malformed or oversized trailer")
            return
        match = _CHUNK_LINE.fullmatch(line)
        if match is None or len(line) > _MAX_CHUNK_LINE_BYTES:
            raise BadMessage("malformed chunk size")
        size = int(match[1], 16)
        if size:
            self._left = size + 2
        else:
            self._in_trailer = True

    def _check_incomplete_line(self, data: bytes, position: int) -> None:
        limit = _MAX_TRAILER_BYTES - self._trailer_bytes if self._in_trailer else _MAX_CHUNK_LINE_BYTES
        # One byte more may be the CR of a line that is just within its limit.
        if len(data) - position > limit + 1 or b"\n" in data[position:]:
            raise BadMessage("malformed chunk line")


BodyReader = LengthBody | ChunkedBody | UntilCloseBody
