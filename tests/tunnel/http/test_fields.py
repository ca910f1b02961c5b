"""Which fields cross the link, and which the edge sets."""

from __future__ import annotations

import pytest

from tests.tunnel.http.kit import head, host
from tunnel.http.fields import find_field, request_fields, response_fields
from tunnel.http.head import parse_request_head, parse_response_head

EDGE = (
    b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: todo.example\r\nX-Forwarded-Proto: http\r\n"
    b'X-Real-IP: 192.0.2.7\r\nForwarded: for=192.0.2.7;host="todo.example";proto=http\r\nVia: 1.1 tunelab\r\n'
)


def sent(data: bytes, visitor_ip: str = "192.0.2.7", scheme: bytes = b"http") -> bytes:
    """Return the lines that the upstream is sent for a request."""
    return request_fields(parse_request_head(data), visitor_ip, scheme)


def passed(fields: bytes) -> bytes:
    """Return what is left between Host and what the edge sets."""
    lines = sent(head(fields))
    assert lines.startswith(b"Host: todo.example\r\n")
    assert lines.endswith(EDGE)
    return lines.removeprefix(b"Host: todo.example\r\n").removesuffix(EDGE)


def answered(fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Return the lines that the visitor is sent for an answer."""
    return response_fields(parse_response_head(line + b"\r\n" + fields + b"\r\n", b"GET"))


# ── requests ─────────────────────────────────────────────────────────────────────────────────────


def test_a_request_without_fields_gets_those_of_the_edge() -> None:
    assert passed(b"") == b""


def test_end_to_end_fields_pass_with_their_order_case_and_bytes() -> None:
    fields = (
        b"x-CuStOm: a  b\r\nAccept: */*\r\nCookie: a=1\r\ncookie: b=2\r\nAuthorization: Basic eDp5\r\n"
        b"X-Empty: \r\nX-Latin: \xf1\r\nX_Custom: c\r\nVia: 1.0 visitor\r\n"
        b"Cache-Control: no-cache\r\nMax-Forwards: 3\r\nContent-Encoding: gzip\r\nSec-WebSocket-Key: a==\r\n"
    )
    assert passed(fields) == fields


def test_what_is_expected_crosses_once() -> None:
    fields = b"Expect: 100-Continue\r\nX: y\r\nexpect: 100-continue\r\n"
    assert passed(fields) == b"X: y\r\nExpect: 100-continue\r\n"


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "HTTP2-Settings",
    ],
)
def test_fields_about_one_connection_are_dropped(name: str) -> None:
    """RFC 9110, section 7.6.1."""
    for spelling in (name, name.lower(), name.upper(), name.replace("-", "_")):
        assert passed(spelling.encode() + b": a\r\nAccept: b\r\n") == b"Accept: b\r\n"


@pytest.mark.parametrize("fields", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_framing_is_dropped_for_it_travels_as_a_number(fields: bytes) -> None:
    assert passed(fields + b"Accept: b\r\n") == b"Accept: b\r\n"


@pytest.mark.parametrize(
    "name",
    [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "Tunelab-Error",
        "Tunelab-Whatever",
    ],
)
def test_a_visitor_s_own_claim_of_who_it_is_is_dropped_and_not_appended_to(name: str) -> None:
    spellings = {name, name.lower(), name.upper(), name.replace("-", "_"), name.replace("-", "_", 1)}
    for spelling in spellings:
        assert passed(spelling.encode() + b": 203.0.113.9\r\nAccept: b\r\n") == b"Accept: b\r\n"


@pytest.mark.parametrize("name", ["Content_Length", "Transfer_Encoding", "content_LENGTH"])
def test_framing_spelled_as_cgi_would_is_dropped(name: str) -> None:
    """To an application behind CGI or WSGI it is the same as the real one."""
    assert passed(name.encode() + b": 5\r\n") == b""


def test_nominated_fields_are_dropped_with_the_field_that_nominates_them() -> None:
    """RFC 9110, section 7.6.1."""
    fields = b"X-Hop: a\r\nAccept: b\r\nconnection: x-HOP, close, X_Other\r\nX-Hop: c\r\nX_Other: d\r\n"
    assert passed(fields) == b"Accept: b\r\n"


@pytest.mark.parametrize(
    "option", ["host", "x-forwarded-for", "forwarded", "x-real-ip", "via", "content-length"]
)
def test_nominating_what_the_edge_sets_does_not_strip_it(option: str) -> None:
    assert passed(b"Connection: " + option.encode() + b"\r\n") == b""


def test_a_host_from_the_target_replaces_the_one_in_the_field() -> None:
    """RFC 9112, section 3.2.2."""
    lines = sent(head(line=b"GET http://other.example/ HTTP/1.1"))
    assert lines.startswith(b"Host: other.example\r\n")
    assert b"todo.example" not in lines
    assert b'host="other.example"' in lines


def test_a_request_without_a_host_is_sent_with_an_empty_one() -> None:
    """RFC 9110, section 7.2."""
    assert sent(head(line=b"GET / HTTP/1.0", host=b"")).startswith(b"Host: \r\n")


def test_an_ipv6_visitor_is_bracketed_and_quoted_in_forwarded_and_nowhere_else() -> None:
    """RFC 7239, section 6."""
    lines = sent(head(), "2001:db8::7")
    assert b'Forwarded: for="[2001:db8::7]";host="todo.example";proto=http\r\n' in lines
    assert b"X-Forwarded-For: 2001:db8::7\r\n" in lines
    assert b"X-Real-IP: 2001:db8::7\r\n" in lines


def test_a_visitor_whose_address_is_not_known_is_called_unknown() -> None:
    """RFC 7239, section 6.2."""
    lines = sent(head(), "")
    assert b"Forwarded: for=unknown;" in lines
    assert b"X-Forwarded-For: unknown\r\n" in lines


def test_a_host_with_a_port_and_another_scheme_are_told() -> None:
    """RFC 7239, section 5: the host is quoted, for a colon is no token."""
    lines = sent(host(b"[2001:db8::1]:8443"), scheme=b"https")
    assert b'Forwarded: for=192.0.2.7;host="[2001:db8::1]:8443";proto=https\r\n' in lines
    assert b"X-Forwarded-Host: [2001:db8::1]:8443\r\nX-Forwarded-Proto: https\r\n" in lines


def test_an_upgrade_that_may_be_granted_is_asked_for_anew() -> None:
    lines = sent(head(b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket, h2c\r\nX: y\r\n"))
    assert lines == b"Host: todo.example\r\nX: y\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + EDGE


def test_an_upgrade_that_may_not_leaves_no_trace() -> None:
    fields = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    assert passed(fields) == b""


def test_thousands_of_nominations_strip_only_what_they_name() -> None:
    options = b", ".join(b"x%d" % number for number in range(9000))
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(90))
    assert passed(b"Connection: " + options + b"\r\n" + fields) == fields


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_s_end_to_end_fields_pass_with_their_order_case_and_bytes() -> None:
    fields = (
        b"server: x\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n"
        b"Location: http://localhost:5000/x\r\nX-Empty: \r\nX-Latin: \xf1\r\nWWW-Authenticate: Basic\r\n"
        b'Content-Encoding: gzip\r\nVary: *\r\nETag: "a"\r\nX-Forwarded-For: kept\r\n'
    )
    assert answered(fields) == fields


def test_an_answer_s_fields_about_one_connection_and_framing_are_dropped() -> None:
    fields = (
        b"Connection: close, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: a\r\nProxy-Authenticate: Basic\r\n"
        b"Trailer: X\r\nTransfer-Encoding: chunked\r\nUpgrade: h2c\r\nAccept-Ranges: bytes\r\n"
    )
    assert answered(fields) == b"Accept-Ranges: bytes\r\n"
    assert answered(b"Content-Length: 5\r\n") == b""


def test_an_application_cannot_pose_as_the_tunnel() -> None:
    assert answered(b"Tunelab-Error: no-client\r\ntunelab-x: y\r\nX: y\r\n") == b"X: y\r\n"


def test_a_101_says_to_what_it_switches() -> None:
    fields = b"Connection: Upgrade\r\nSec-WebSocket-Accept: a=\r\nupgrade: WebSocket\r\n"
    line = b"HTTP/1.1 101 Switching Protocols"
    assert answered(fields, line) == b"Sec-WebSocket-Accept: a=\r\nUpgrade: WebSocket\r\n"


def test_find_field_returns_the_first_in_any_case() -> None:
    fields = b"\r\nX: a\r\naCCept:b \r\nAccept: c"
    assert find_field(fields, b"accept") == b"b"
    assert find_field(fields, b"cookie") == b""
