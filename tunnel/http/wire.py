"""A head as the payload of an OPEN or HEAD frame.

::

    OPEN   kind (8) | zero (8) | name index (16) | content length (64, signed)
           METHOD SP target CRLF
           *( field CRLF )

    HEAD   status (16) | content length (64, signed)
           *( field CRLF )

A length of -1 says that there is no content, -2 that its end tells.  No field is about framing or about
one connection, but for ``Connection: Upgrade`` and ``Upgrade`` where an upgrade is asked for and
``Upgrade`` where a 101 grants it; whoever writes the message to a socket adds the framing.  Neither end
takes the other's word for that: a field that would frame the content a second time, or end the head early
(response splitting), is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from struct import Struct
from typing import Final

from tunnel.http.errors import BadMessage
from tunnel.http.head import NO_CONTENT, UNKNOWN_LENGTH, RequestHead, ResponseHead
from tunnel.http.lines import TEXT, TOKEN

__all__ = [
    "KIND_HTTP",
    "OpenHead",
    "WireResponse",
    "decode_head",
    "decode_open",
    "encode_head",
    "encode_open",
]

KIND_HTTP: Final = 1

_OPEN: Final = Struct("!BxHq")
_HEAD: Final = Struct("!Hq")

_FRAMING: Final = (
    rb"(?:content-length|keep-alive|proxy-connection|te|trailer|transfer-encoding|tunelab-[^:\r\n]*):"
)


def _lines(refused: bytes) -> bytes:
    """Return a pattern for field lines that do not begin with ``refused``.

    Their initials are looked at first: few lines have one of them, and the others are spared the names.
    """
    return rb"(?:(?!(?=[ckptuCKPTU])(?i:" + refused + rb"))" + TOKEN + rb":" + TEXT + rb"\r\n)*+"


_REQUEST: Final = re.compile(
    rb"(" + TOKEN + rb") [\x21-\x7e]+\r\n"
    + _lines(_FRAMING + rb"|connection:(?![ \t]*upgrade[ \t]*\r\n)")
)  # fmt: skip
_RESPONSE: Final = re.compile(_lines(_FRAMING + rb"|connection:|upgrade:"))
_RESPONSE_101: Final = re.compile(_lines(_FRAMING + rb"|connection:"))


@dataclass(slots=True)
class OpenHead:
    """A request as the agent gets it."""

    index: int  # of the name, in the agent's claim
    length: int
    method: bytes
    lines: bytes  # request line without version, and the fields; each line with its CRLF


@dataclass(slots=True)
class WireResponse:
    """A response's head as the exit node gets it."""

    status: int
    length: int
    lines: bytes  # the fields, each line with its CRLF


def encode_open(head: RequestHead, index: int, fields: bytes) -> bytes:
    """Return the payload of an OPEN frame."""
    return b"%b%b %b\r\n%b" % (_OPEN.pack(KIND_HTTP, index, head.length), head.method, head.target, fields)


def decode_open(payload: bytes) -> OpenHead:
    """Parse the payload of an OPEN frame.  Raises BadMessage."""
    if len(payload) < _OPEN.size:
        raise BadMessage("OPEN is too short")
    kind, index, length = _OPEN.unpack_from(payload)
    lines = bytes(payload[_OPEN.size :])
    match = _REQUEST.fullmatch(lines)
    if kind != KIND_HTTP or length < UNKNOWN_LENGTH or match is None:
        raise BadMessage("malformed OPEN")
    return OpenHead(index, length, match[1], lines)


def encode_head(head: ResponseHead, fields: bytes) -> bytes:
    """Return the payload of a HEAD frame."""
    return _HEAD.pack(head.status, head.length) + fields


def decode_head(payload: bytes) -> WireResponse:
    """Parse the payload of a HEAD frame.

    Raises:
        BadMessage: the visitor is answered 502.
    """
    if len(payload) < _HEAD.size:
        raise BadMessage("HEAD is too short", 502, "upstream-protocol")
    status, length = _HEAD.unpack_from(payload)
    lines = bytes(payload[_HEAD.size :])
    if (
        not 100 <= status <= 599
        or length < UNKNOWN_LENGTH
        or (status < 200 and length != NO_CONTENT)
        or not (_RESPONSE_101 if status == 101 else _RESPONSE).fullmatch(lines)
    ):
        raise BadMessage("malformed HEAD", 502, "upstream-protocol")
    return WireResponse(status, length, lines)
