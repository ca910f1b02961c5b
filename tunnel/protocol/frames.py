"""Frames: an eight-byte header and a payload.

::

     0               1               2               3
    +---------------+-----------------------------------------------+
    |  type (8)     |  payload length in bytes (24)                 |
    +---------------+-----------------------------------------------+
    |  stream id (32)                                               |
    +---------------------------------------------------------------+
    |  payload ...

All numbers are big-endian.  Stream 0 is the control stream.  A link is a byte stream: the boundaries
of the websocket messages that carry it mean nothing, so that any number of frames can share one
message.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import Any, Final

from tunnel.protocol.errors import ProtocolViolation

__all__ = [
    "CONTROL_STREAM",
    "CREDIT",
    "DATA",
    "END",
    "HEAD",
    "HEADER",
    "HEADER_BYTES",
    "MAX_CONTROL_PAYLOAD_BYTES",
    "MAX_DATA_PAYLOAD_BYTES",
    "MAX_HEAD_PAYLOAD_BYTES",
    "MAX_STREAM_ID",
    "OPEN",
    "RESET",
    "FrameDecoder",
    "FrameType",
    "Payload",
    "encode_frame",
]

HEADER: Final = Struct("!II")
HEADER_BYTES: Final = HEADER.size

CONTROL_STREAM: Final = 0
MAX_STREAM_ID: Final = 2**32 - 1

MAX_DATA_PAYLOAD_BYTES: Final = 64 * 1024
"""One DATA frame.  Small enough that a bulk transfer gives way to others often, large enough that the
eight bytes of header and the Python around them vanish."""

MAX_HEAD_PAYLOAD_BYTES: Final = 128 * 1024
"""One OPEN or HEAD frame: twice the 64 KiB of header fields that the edge lets through."""

MAX_CONTROL_PAYLOAD_BYTES: Final = 16 * 1024
"""Anything else.  A claim of a hundred names of 100 bytes fits."""


class FrameType(IntEnum):
    """The first byte of a frame.  1-15 belong to the control stream, 16-31 to the others."""

    HELLO = 1
    CHALLENGE = 2
    CLAIM = 3
    GRANT = 4
    REFUSE = 5
    PING = 6
    PONG = 7
    GOAWAY = 8
    HEALTH = 9
    OPEN = 16
    HEAD = 17
    DATA = 18
    END = 19
    RESET = 20
    CREDIT = 21


# For the hot path: to find a member on its class takes Python 3.11 ten times as long as to find a name.
OPEN: Final[int] = FrameType.OPEN
HEAD: Final[int] = FrameType.HEAD
DATA: Final[int] = FrameType.DATA
END: Final[int] = FrameType.END
RESET: Final[int] = FrameType.RESET
CREDIT: Final[int] = FrameType.CREDIT

_LIMITS: dict[int, int] = dict.fromkeys(FrameType, MAX_CONTROL_PAYLOAD_BYTES)
_LIMITS[OPEN] = _LIMITS[HEAD] = MAX_HEAD_PAYLOAD_BYTES
_LIMITS[DATA] = MAX_DATA_PAYLOAD_BYTES

_SHARED_BYTES: Final = 16 * 1024
_SHARED_PART: Final = 4
"""A piece of DATA is a view of the bytes that it came in from this size on, if it is a fourth of them; else a
copy of its own, for it would keep all of them in memory while it waits."""

Payload = bytes | memoryview

Frame = tuple[int, int, Any]
"""(type, stream id, payload).  A tuple and not an object: one is made for every frame received.  The payload
is bytes, and only of DATA it may be a view: which no type can say here."""


def encode_frame(kind: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return the frame as bytes.

    The caller has checked that the payload is within the limit of its type.
    """
    return HEADER.pack(kind << 24 | len(payload), stream_id) + payload


class FrameDecoder:
    """Turns bytes, in chunks of any size, into frames.

    A DATA frame comes out piece by piece, as its bytes come in, for its boundaries mean nothing: to put it
    together again would copy every byte of a bulk transfer once more.  Of any other at most one incomplete
    frame is kept between calls, so that the memory held is bounded by the largest limit plus the header.

    Args:
        shares: large pieces of DATA may be views of what arrived, which is not copied then, but held whole
            for as long as one of them is.
    """

    __slots__ = ("_least_view", "_left", "_rest", "_stream_id")

    def __init__(self, *, shares: bool = True) -> None:
        self._least_view = _SHARED_BYTES if shares else sys.maxsize
        self._rest = b""
        self._left = 0  # bytes still to come of the DATA frame under way
        self._stream_id = 0  # its stream

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of an incomplete frame are waiting for the rest of it."""
        return len(self._rest)

    def receive_data(self, data: Payload) -> Iterator[Frame]:
        """Yield each frame that ``data`` completes, and each piece of a DATA frame in it.

        Bytes past the last complete frame are kept for the next call.  The iterator must be run to its
        end before the next call.

        Raises:
            ProtocolViolation: on an unknown type, a payload over its type's limit, or a frame on the
                wrong kind of stream.  The decoder must not be used afterwards.
        """
        if self._rest:
            data = self._rest + data
            self._rest = b""
        end = len(data)
        least = self._least_view
        if end >= least:
            data = memoryview(data)
            least = max(least, end // _SHARED_PART)
        position = 0
        if self._left:
            position = min(self._left, end)
            self._left -= position
            if position:
                yield DATA, self._stream_id, _owned(data[:position], least)
        unpack = HEADER.unpack_from
        limits = _LIMITS
        while end - position >= HEADER_BYTES:
            word, stream_id = unpack(data, position)
            kind = word >> 24
            length = word & 0xFFFFFF
            limit = limits.get(kind)
            if limit is None:
                raise ProtocolViolation(f"unknown frame type {kind}")
            if length > limit:
                raise ProtocolViolation(f"{FrameType(kind).name} payload of {length} bytes, limit {limit}")
            if (kind < OPEN) is not (stream_id == CONTROL_STREAM):
                raise ProtocolViolation(f"{FrameType(kind).name} on stream {stream_id}")
            start = position + HEADER_BYTES
            if end - start < length:
                if kind != DATA:
                    break
                self._left = length - (end - start)
                self._stream_id = stream_id
                if start < end:
                    yield kind, stream_id, _owned(data[start:], least)
                return
            position = start + length
            payload = data[start:position]
            if type(payload) is memoryview and (kind != DATA or length < least):
                payload = bytes(payload)
            yield kind, stream_id, payload
        if position < end:
            self._rest = bytes(data[position:])


def _owned(piece: Payload, least: int) -> Payload:
    """Return ``piece``, or a copy where it is too small to keep all that it came with."""
    return piece if len(piece) >= least else bytes(piece)
