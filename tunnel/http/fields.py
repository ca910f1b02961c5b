"""Which header fields cross a hop, and which the edge sets anew.

Three kinds never cross the link: fields about one connection (RFC 9110, section 7.6.1), the framing of
the message (it travels as a number, see ``wire``), and what only the edge may say: who the visitor is
and how it came.  A visitor's own claim about the latter is dropped, not appended to, and so is the same
name with underscores: to an application behind CGI or WSGI ``X_Real_IP`` and ``X-Real-IP`` are one.
"""

from __future__ import annotations

from tunnel.http.head import Fields, RequestHead, ResponseHead

__all__ = [
    "CONNECTION_FIELDS",
    "INTERNAL_PREFIX",
    "find_field",
    "find_fields",
    "request_fields",
    "response_fields",
]

INTERNAL_PREFIX = b"tunelab-"

CONNECTION_FIELDS = frozenset(
    (
        b"connection",
        b"content-length",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

_DROPPED = CONNECTION_FIELDS | {b"forwarded", b"host", b"x-real-ip"}
_EDGE_PREFIXES = (b"x-forwarded-", INTERNAL_PREFIX)

_VIA = b"Via: 1.1 tunelab\r\n"


def request_fields(head: RequestHead, visitor_ip: str, scheme: bytes) -> bytes:
    """Return a visitor's fields as lines for the upstream, with those that the edge sets.

    Args:
        visitor_ip: the address of the visitor's socket, without a port; "" where nobody knows it any more.
        scheme: ``b"http"`` or ``b"https"``, as the visitor spoke it.
    """
    nominated = frozenset(head.connection_options)
    lines = [b"Host: %b\r\n" % head.host]
    for name, value in head.fields:
        lower = name.lower()
        if lower in nominated:
            continue
        lower = lower.replace(b"_", b"-")
        if lower in _DROPPED or lower.startswith(_EDGE_PREFIXES):
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    if head.upgrade:
        lines.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.upgrade)
    address = visitor_ip.encode() or b"unknown"
    # RFC 7239, section 6: an IPv6 address is bracketed and quoted; "unknown" is a word of the RFC's own.
    node = b'"[%b]"' % address if b":" in address else address
    host = head.host
    lines.append(
        b"X-Forwarded-For: %b\r\nX-Forwarded-Host: %b\r\nX-Forwarded-Proto: %b\r\nX-Real-IP: %b\r\n"
        b'Forwarded: for=%b;host="%b";proto=%b\r\n' % (address, host, scheme, address, node, host, scheme)
    )
    lines.append(_VIA)  # RFC 9110, section 7.6.3
    return b"".join(lines)


def response_fields(head: ResponseHead) -> bytes:
    """Return an upstream's fields as lines for the visitor."""
    dropped = CONNECTION_FIELDS.union(head.connection_options)
    lines = [
        b"%b: %b\r\n" % (name, value)
        for name, value in head.fields
        if (lower := name.lower()) not in dropped and not lower.startswith(INTERNAL_PREFIX)
    ]
    if head.upgrade:
        lines.append(b"Upgrade: %b\r\n" % head.upgrade)
    return b"".join(lines)


def find_field(fields: Fields, wanted: bytes) -> bytes:
    """Return the first value of the field ``wanted`` (lower case), or b""."""
    for name, value in fields:
        if name.lower() == wanted:
            return value
    return b""


def find_fields(fields: Fields, wanted: bytes) -> list[bytes]:
    """Return every value of the field ``wanted`` (lower case)."""
    return [value for name, value in fields if name.lower() == wanted]
