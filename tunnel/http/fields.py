"""Which header fields cross a hop, and which the edge sets anew.

Three kinds never cross the link: fields about one connection (RFC 9110, section 7.6.1), the framing of
the message (it travels as a number, see ``wire``), and what only the edge may say: who the visitor is
and how it came.  A visitor's own claim about the latter is dropped, not appended to, and so is the same
name with underscores: to an application behind CGI or WSGI ``X_Real_IP`` and ``X-Real-IP`` are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tunnel.http.lines import Cutter, find_field, find_fields

if TYPE_CHECKING:
    from tunnel.http.head import RequestHead, ResponseHead

__all__ = [
    "CONNECTION_FIELDS",
    "INTERNAL_PREFIX",
    "REQUEST_CUTTER",
    "RESPONSE_CUTTER",
    "find_field",
    "find_fields",
    "request_fields",
    "response_fields",
]

INTERNAL_PREFIX: Final = b"tunelab-"

_COLON: Final = ord(":")

CONNECTION_FIELDS: Final = frozenset(
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

_SET_BY_THE_EDGE: Final = (b"forwarded", b"host", b"x-forwarded-*", b"x-real-ip")

RESPONSE_CUTTER: Final = Cutter((*CONNECTION_FIELDS, INTERNAL_PREFIX + b"*"))
REQUEST_CUTTER: Final = Cutter(
    (*CONNECTION_FIELDS, *_SET_BY_THE_EDGE, INTERNAL_PREFIX + b"*", b"expect"), is_cgi=True
)
"""What these cut out crosses in another form, or not at all."""


def request_fields(head: RequestHead, visitor_ip: str, scheme: bytes) -> bytes:
    """Return a visitor's fields as lines for the upstream, with those that the edge sets.

    Args:
        visitor_ip: the address of the visitor's socket, without a port; "" where nobody knows it any more.
        scheme: ``b"http"`` or ``b"https"``, as the visitor spoke it.
    """
    address = visitor_ip.encode() or b"unknown"
    # RFC 7239, section 6: an IPv6 address is bracketed and quoted; "unknown" is a word of the RFC's own.
    node = b'"[%b]"' % address if _COLON in address else address
    host = head.host
    asked = b"\r\nConnection: Upgrade\r\nUpgrade: %b" % head.upgrade if head.upgrade else b""
    if head.expects_continue:
        asked += b"\r\nExpect: 100-continue"
    return (
        b"Host: %b%b%b\r\n"
        b"X-Forwarded-For: %b\r\nX-Forwarded-Host: %b\r\nX-Forwarded-Proto: %b\r\nX-Real-IP: %b\r\n"
        b'Forwarded: for=%b;host="%b";proto=%b\r\n'
        b"Via: 1.1 tunelab\r\n"  # RFC 9110, section 7.6.3
        % (host, head.passed, asked, address, host, scheme, address, node, host, scheme)
    )


def response_fields(head: ResponseHead) -> bytes:
    """Return an upstream's fields as lines for the visitor."""
    passed = b"%b\r\nUpgrade: %b" % (head.passed, head.upgrade) if head.upgrade else head.passed
    return passed[2:] + b"\r\n" if passed else b""
