"""A short way past the websockets library for nearly all of a link's frames: binary and unfragmented.

The library keeps what is seldom and easy to get wrong: the handshake, fragments, pings, closing, every
violation.  It gets whole frames of those kinds, byte for byte; the rest never reaches it, which is worth
90 of 230 us a request where each travels in a message of its own, and two copies of every byte of a bulk
transfer.  Frames are RFC 6455's, section 5.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_bytes
from struct import Struct

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel with the C extension for this machine
    from websockets.utils import apply_mask

__all__ = ["FrameCutter", "encode_binary"]

Piece = bytes | memoryview

_FIN, _OPCODE, _RESERVED = 0x80, 0x0F, 0x70
_CONTINUATION, _FIRST_CONTROL = 0x0, 0x8
_BINARY = 0x82  # with FIN, and nothing reserved
_MASK = 0x80

_SHORT, _MEDIUM, _LONG = Struct("!BB"), Struct("!BBH"), Struct("!BBQ")

_VIEWED_BYTES = 16 * 1024
_VIEWED_PART = 4
"""A piece of this size, and a fourth of what arrived, is a view of it and no copy.  A smaller one would hold
too much more than itself in memory."""

_JOINED_BYTES = 32 * 1024
"""Up to this copying a message's pieces into one costs less than handing them to the kernel one by one."""


class FrameCutter:
    """Cuts what arrives after the handshake at the boundaries of frames.

    Args:
        is_masked: whether the peer masks, as clients do (RFC 6455, section 5.3).
        max_bytes: the largest message; the library refuses what is larger.
    """

    __slots__ = ("_head", "_is_fragmented", "_is_masked", "_is_ours", "_key", "_left", "_max_bytes")

    def __init__(self, is_masked: bool, max_bytes: int) -> None:
        self._is_masked = is_masked
        self._max_bytes = max_bytes
        self._head = b""  # the beginning of a frame's header
        self._left = 0.0  # bytes of the frame under way still to come; infinite once the library has it all
        self._is_ours = False  # the frame under way
        self._key = b""  # its mask, from the next byte on
        self._is_fragmented = False  # a message of several frames is under way

    def cut(self, data: bytes) -> Iterator[tuple[bool, Piece]]:
        """Yield what arrived, in order, as ``(is_ours, piece)``.

        Ours is the unmasked content of binary messages, as it comes: a large one in several pieces, which
        may be views of ``data``.  The rest is frames as they are, for the library.
        """
        if self._head:
            data, self._head = self._head + data, b""
        position, end = 0, len(data)
        while position < end:
            if self._left:
                start = position
                position = end if self._left >= end - start else start + int(self._left)
                self._left -= position - start
                if self._is_ours and self._is_masked:
                    yield True, self._unmask(memoryview(data)[start:position])
                elif self._is_ours and position - start >= max(_VIEWED_BYTES, end // _VIEWED_PART):
                    yield True, memoryview(data)[start:position]
                else:
                    yield self._is_ours, data[start:position]  # bytes are not copied where this is all
                continue
            begin = self._read_header(data, position, end)
            if begin < 0:
                self._head = data[position:]
                return
            if not self._is_ours:
                self._left += begin - position  # the library wants the header too
            else:
                position = begin

    def _read_header(self, data: bytes, position: int, end: int) -> int:
        """Read a frame's header; return where its content begins, or -1 when it is not complete."""
        if end - position < 2:
            return -1
        first, second = data[position], data[position + 1]
        size = second & 0x7F
        begin = position + 2
        if size >= 126:
            begin += 2 if size == 126 else 8
            if begin > end:
                return -1
            size = int.from_bytes(data[position + 2 : begin], "big")
        is_as_agreed = bool(second & _MASK) is self._is_masked
        if self._is_masked and is_as_agreed:
            begin += 4
            if begin > end:
                return -1
        is_sound = is_as_agreed and size <= self._max_bytes
        self._is_ours = is_sound and first == _BINARY and not self._is_fragmented
        self._left = size
        if self._is_ours:
            self._key = data[begin - 4 : begin]
        elif not is_sound or first & _RESERVED:
            self._left = float("inf")  # there is no going on after this, and the library will say why
        elif first & _OPCODE < _FIRST_CONTROL:
            self._is_fragmented = not first & _FIN
        return begin

    def _unmask(self, piece: memoryview) -> bytes:
        key = self._key
        turn = len(piece) & 3
        if turn:
            self._key = key[turn:] + key[:turn]
        return apply_mask(piece, key)


def encode_binary(pieces: list[Piece], is_masked: bool, max_bytes: int) -> list[Piece]:
    """Return binary messages of one frame each, one where it has room, as pieces for the socket."""
    size = sum(map(len, pieces))
    if size > max_bytes:
        data = memoryview(b"".join(pieces))
        parts = (data[start : start + max_bytes] for start in range(0, size, max_bytes))
        return [piece for part in parts for piece in encode_binary([part], is_masked, max_bytes)]
    bit = _MASK if is_masked else 0
    if size < 126:
        head = _SHORT.pack(_BINARY, bit | size)
    elif size < 65536:
        head = _MEDIUM.pack(_BINARY, bit | 126, size)
    else:
        head = _LONG.pack(_BINARY, bit | 127, size)
    if is_masked:
        key = token_bytes(4)
        pieces = [head, key, apply_mask(pieces[0] if len(pieces) == 1 else b"".join(pieces), key)]
    else:
        pieces = [head, *pieces]
    return [b"".join(pieces)] if size < _JOINED_BYTES else pieces
