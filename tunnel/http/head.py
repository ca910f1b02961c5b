"""Heads of requests and responses, parsed strictly.

A head is parsed by itself: the caller finds its end (the first empty line) and keeps what follows, so
that no parser ever guesses where the next message starts.  Its fields stay one block of bytes (see
:mod:`tunnel.http.lines`): all lines are checked at once, and only those that mean something to the tunnel
are looked at one by one.  What RFC 9112 leaves to a recipient's taste is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from tunnel.http.errors import BadMessage
from tunnel.http.fields import REQUEST_CUTTER, RESPONSE_CUTTER
from tunnel.http.lines import TOKEN, Fields, are_field_lines, without

__all__ = [
    "HEAD_END",
    "MAX_HOST_BYTES",
    "NO_CONTENT",
    "UNKNOWN_LENGTH",
    "RequestHead",
    "ResponseHead",
    "find_head_end",
    "parse_request_head",
    "parse_response_head",
]

HEAD_END: Final = b"\r\n\r\n"

NO_CONTENT: Final = -1
"""A length: the message has no content and says nothing of its length."""

UNKNOWN_LENGTH: Final = -2
"""A length: there may be content, and only its end tells how much."""

MAX_HOST_BYTES: Final = 261
"""A domain name has at most 255 bytes (RFC 1035, section 2.3.4); a colon and a port follow."""

# Bytes are asked for one number and not for other bytes: for those they first make an exception and drop it.
_COMMA, _HASH = b",#"

_REQUEST_LINE: Final = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e]+) HTTP/(\d)\.(\d)(?=\r\n)")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?(?=\r\n)")
_ABSOLUTE_FORM: Final = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE)

# RFC 3986, section 3.2.2, without userinfo (RFC 9110, section 4.2.4: treat it as an error) and, on purpose,
# without what a registered name may hold there and no name in DNS does: a comma would make two hosts of one
# in X-Forwarded-Host, and what "%" stands for is read differently by each who reads it.
_HOST: Final = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|[A-Za-z0-9\-._~]+)(?::\d{0,5})?")

# IANA's registry, and six more that are in use (UPnP's, caches' PURGE, Icecast's SOURCE).  CONNECT is for
# forward proxies, PRI for HTTP/2.
_METHODS: Final = frozenset(
    b"ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE OPTIONS PATCH "
    b"POST PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH TRACE UNBIND UNLINK UNLOCK "
    b"M-SEARCH NOTIFY PURGE SOURCE SUBSCRIBE UNSUBSCRIBE".split()
)

_PROTOCOL: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9a-z]+)(?:/[!#$%&'*+\-.^_`|~0-9a-z]+)?")

# Upgrades that would change how the rest of the connection is framed as HTTP: never taken (RFC 9113,
# section 3.1 withdraws h2c), and used to smuggle requests past proxies that pass them on.
_REFUSED_UPGRADES: Final = (b"h2c", b"h2", b"h3", b"http", b"tls")


@dataclass(slots=True)
class RequestHead:
    """What a request's head says.  ``fields`` are as received; those in ``passed`` cross as they are."""

    method: bytes
    target: bytes  # origin-form, or b"*"
    is_http_11: bool
    fields: Fields
    passed: Fields
    host: bytes  # without userinfo; may carry a port
    length: int  # content length in bytes, NO_CONTENT or UNKNOWN_LENGTH (chunked)
    keep_alive: bool
    upgrade: bytes  # the protocols asked for, less the refused ones, or b""
    expects_continue: bool


@dataclass(slots=True)
class ResponseHead:
    """What a response's head says.  ``fields`` are as received; those in ``passed`` cross as they are."""

    status: int
    fields: Fields
    passed: Fields
    length: int  # the Content-Length, UNKNOWN_LENGTH (chunked or to the end of the connection) or NO_CONTENT
    is_chunked: bool
    keep_alive: bool
    upgrade: bytes


def find_head_end(buffer: bytes | bytearray) -> int:
    """Return the index past the empty line that ends a head, or -1 where it has not come yet.

    Raises:
        BadMessage: a line ends in a bare LF, so that the end might never come (RFC 9112, section 2.2
            lets a recipient accept those; two recipients that differ in it are a smuggling hole).
    """
    end = buffer.find(HEAD_END)
    if end >= 0:
        return end + 4
    if buffer.count(b"\n") != buffer.count(b"\r\n"):  # a tenth of a regular expression's time
        raise BadMessage("a line of the head ends in a bare LF")
    return -1


def parse_request_head(data: bytes) -> RequestHead:
    """Parse one request head, from its first byte to the empty line that ends it.

    Raises:
        BadMessage: with the status that the visitor is answered.
    """
    line = _REQUEST_LINE.match(data)
    if line is None:
        raise BadMessage("malformed request line")  # RFC 9112, section 3
    method, target, major, minor = line.groups()
    if major != b"1" or minor > b"1":
        raise BadMessage("only HTTP/1.0 and HTTP/1.1 are spoken here", 505, "http-version")
    is_http_11 = minor == b"1"
    if method not in _METHODS:
        raise BadMessage("unknown method", 501, "unknown-method")  # RFC 9110, section 9.1
    # Its end first: a slice whose end comes before its start is an error in the compiled module.
    if not (data.endswith(HEAD_END) and are_field_lines(fields := data[line.end() : -len(HEAD_END)])):
        raise BadMessage("malformed field line")  # RFC 9112, section 5

    hosts: list[bytes] = []
    lengths: list[bytes] = []
    codings: list[bytes] = []
    options: tuple[bytes, ...] = ()
    upgrade = expect = b""
    passed, meant_here = REQUEST_CUTTER.cut(fields)
    for name, around in meant_here:
        value = around.strip(b" \t")
        if name == b"host":
            hosts.append(value)
        elif name == b"connection":
            options += _parse_options(value)
        elif name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            codings.append(around.lstrip(b" \t").rstrip(b" ").lower())  # a tab stays: not all take it off
        elif name == b"upgrade":
            upgrade = b"%b,%b" % (upgrade, value.lower())
        elif name == b"expect" and value:
            expect = value.lower()
            if expect != b"100-continue":  # RFC 9110, section 10.1.1
                raise BadMessage("an expectation other than 100-continue", 417, "expectation")

    length = _parse_length(lengths) if lengths else NO_CONTENT
    if codings:
        # RFC 9112, section 6.1: beside a length, or in HTTP/1.0, it is a sign of an attack.
        if lengths or not is_http_11:
            raise BadMessage("a transfer coding beside a length, or in HTTP/1.0")
        _check_codings(codings)
        length = UNKNOWN_LENGTH
    target, host = _parse_target(method, target, hosts, is_http_11)

    if upgrade:
        # With content the bytes before and after a 101 cannot be told apart for sure.
        is_possible = b"upgrade" in options and is_http_11 and length in (0, NO_CONTENT)
        upgrade = _parse_upgrade(upgrade) if is_possible else b""
    return RequestHead(
        method=method,
        target=target,
        is_http_11=is_http_11,
        fields=fields,
        passed=_less_nominated(passed, options),
        host=host,
        length=length,
        keep_alive=b"close" not in options and (is_http_11 or b"keep-alive" in options),
        upgrade=upgrade,
        expects_continue=bool(expect) and is_http_11,
    )


def parse_response_head(data: bytes, request_method: bytes) -> ResponseHead:
    """Parse one response head, from its first byte to the empty line that ends it.

    Raises:
        BadMessage: the upstream's answer cannot be passed on; the visitor is answered 502.
    """
    line = _STATUS_LINE.match(data)
    if line is None:
        raise BadMessage("malformed status line", 502, "upstream-protocol")  # RFC 9112, section 4
    is_http_11 = line[1] == b"1"
    status = int(line[2])
    if not (data.endswith(HEAD_END) and are_field_lines(fields := data[line.end() : -len(HEAD_END)])):
        raise BadMessage("malformed field line", 502, "upstream-protocol")

    lengths: list[bytes] = []
    codings: list[bytes] = []
    options: tuple[bytes, ...] = ()
    upgrade = b""
    passed, meant_here = RESPONSE_CUTTER.cut(fields)
    for name, around in meant_here:
        value = around.strip(b" \t")
        if name == b"content-length":
            lengths.append(value)
        elif name == b"connection":
            options += _parse_options(value)
        elif name == b"transfer-encoding":
            codings.append(value.lower())
        elif name == b"upgrade":
            upgrade = b"%b, %b" % (upgrade, value) if upgrade else value

    declared = _parse_length(lengths, 502, "upstream-protocol") if lengths else NO_CONTENT
    if codings and (lengths or codings != [b"chunked"]):
        raise BadMessage("a transfer coding other than chunked", 502, "upstream-protocol")
    if status == 101 and not (upgrade and b"upgrade" in options):  # RFC 9110, section 15.2.2
        raise BadMessage("a 101 that does not say to what", 502, "upstream-protocol")
    # RFC 9112, section 6.3: these have no content, whatever their fields say.  A Content-Length in the
    # answer to a HEAD or in a 304 tells of the content that a GET would have had; in a 1xx it tells nothing.
    has_content = not (request_method == b"HEAD" or status < 200 or status in (204, 304))
    if not has_content:
        length = declared if status >= 200 else NO_CONTENT
    elif codings:
        length = UNKNOWN_LENGTH
    else:
        length = declared if declared >= 0 else UNKNOWN_LENGTH
    # RFC 9112, section 6.1: a transfer coding in HTTP/1.0 is faulty framing; close afterwards.
    is_delimited = is_http_11 if codings else (declared >= 0 or not has_content)
    return ResponseHead(
        status=status,
        fields=fields,
        passed=_less_nominated(passed, options),
        length=length,
        is_chunked=bool(codings) and has_content,
        keep_alive=is_delimited and b"close" not in options and (is_http_11 or b"keep-alive" in options),
        upgrade=upgrade if status == 101 else b"",
    )


def _less_nominated(fields: Fields, options: tuple[bytes, ...]) -> Fields:
    """Return ``fields`` without those that Connection names (RFC 9110, section 7.6.1)."""
    return fields if _NO_FIELDS.issuperset(options) else without(fields, options)


_NO_FIELDS: Final = frozenset((b"close", b"keep-alive", b"upgrade"))
"""What Connection says nearly always; fields of these names are cut anyway, or are none."""


def _parse_length(values: list[bytes], status: int = 400, code: str = "bad-request") -> int:
    # RFC 9110, section 8.6.  Twice the same could be let through; 18 digits fit the frame's signed field.
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > 18:
        raise BadMessage("malformed or repeated Content-Length", status, code)
    return int(values[0])


def _check_codings(values: list[bytes]) -> None:
    """Raise BadMessage unless ``values``, in lower case, are ``chunked`` alone (RFC 9112, section 6.1)."""
    if values == [b"chunked"]:
        return
    codings = b",".join(values)
    if codings.rpartition(b",")[2].lstrip(b" \t") != b"chunked" or codings.count(b"chunked") > 1:
        raise BadMessage("chunked is not the last transfer coding, or there twice")
    raise BadMessage("transfer coding other than chunked", 501, "transfer-coding")


def _parse_options(value: bytes) -> tuple[bytes, ...]:
    value = value.lower()
    if _COMMA not in value:
        value = value.strip(b" \t")
        return (value,) if value else ()
    return tuple(option for part in value.split(b",") if (option := part.strip(b" \t")))


def _parse_upgrade(value: bytes) -> bytes:
    """Return the protocols in an Upgrade field (RFC 9110, section 7.8) that may be asked for."""
    kept = []
    for protocol in _parse_options(value):
        match = _PROTOCOL.fullmatch(protocol)
        if match is None:
            return b""  # a server may ignore the field
        if match[1] not in _REFUSED_UPGRADES:
            kept.append(protocol)
    return b", ".join(kept)


def _is_host(host: bytes) -> bool:
    match = _HOST.fullmatch(host)
    if match is None or len(host) > MAX_HOST_BYTES:
        return False
    if match[1] is not None:
        try:
            IPv6Address(match[1].decode())
        except AddressValueError:
            return False
    return True


def _parse_target(method: bytes, target: bytes, hosts: list[bytes], is_http_11: bool) -> tuple[bytes, bytes]:
    """Return the target in origin-form (or ``*``) and the host that the request is for."""
    if len(hosts) > 1 or (is_http_11 and not hosts):
        raise BadMessage("Host must be given once")  # RFC 9112, section 3.2
    host = hosts[0] if hosts else b""
    if host and not _is_host(host):
        raise BadMessage("malformed Host")
    if _HASH in target:
        raise BadMessage("a fragment in the request target")  # RFC 9112, section 3.2.1
    if target.startswith(b"/"):
        return target, host
    if target == b"*":
        if method != b"OPTIONS":
            raise BadMessage("* is a target for OPTIONS alone")  # RFC 9112, section 3.2.4
        return target, host
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None or not _is_host(absolute[1]):
        raise BadMessage("malformed request target")
    # RFC 9112, section 3.2.2: the target's authority stands in for whatever Host said.
    path = absolute[2]
    if not path and method == b"OPTIONS":
        return b"*", absolute[1]  # RFC 9112, section 3.2.4
    return path if path.startswith(b"/") else b"/" + path, absolute[1]
