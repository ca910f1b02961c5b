"""Heads as payloads of OPEN and HEAD frames: there and back, and what a far end may not say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.http.kit import head
from tests.tunnel.protocol.kit import examples
from tunnel.http.errors import BadMessage
from tunnel.http.fields import request_fields, response_fields
from tunnel.http.head import NO_CONTENT, UNKNOWN_LENGTH, parse_request_head, parse_response_head
from tunnel.http.wire import decode_head, decode_open, encode_head, encode_open

LINE = b"GET /x?y HTTP/1.1"


def open_payload(lines: bytes, *, kind: int = 1, index: int = 0, length: int = NO_CONTENT) -> bytes:
    """Return the payload of an OPEN, written independently of the code under test."""
    return bytes([kind, 0]) + index.to_bytes(2, "big") + length.to_bytes(8, "big", signed=True) + lines


def head_payload(lines: bytes = b"", *, status: int = 200, length: int = UNKNOWN_LENGTH) -> bytes:
    """Return the payload of a HEAD, written independently of the code under test."""
    return status.to_bytes(2, "big") + length.to_bytes(8, "big", signed=True) + lines


def assert_open_refused(payload: bytes) -> None:
    with pytest.raises(BadMessage):
        decode_open(payload)


def assert_head_refused(payload: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_head(payload)
    assert (caught.value.status, caught.value.code) == (502, "upstream-protocol")


REFUSED_LINES = [
    pytest.param(b"X: y", id="no CRLF at the end"),
    pytest.param(b"X: y\r\n\r\n", id="an empty line ends the head early"),
    pytest.param(b"X: y\r\n\r\nHTTP/1.1 200 OK\r\n", id="response splitting"),
    pytest.param(b"\r\n", id="an empty line alone"),
    pytest.param(b"X: y\nZ: z\r\n", id="bare LF"),
    pytest.param(b"X: y\rZ: z\r\n", id="bare CR"),
    pytest.param(b"X: y\x00\r\n", id="NUL"),
    pytest.param(b"X: y\x7f\r\n", id="DEL"),
    pytest.param(b" X: y\r\n", id="space in front"),
    pytest.param(b"X: y\r\n z\r\n", id="obs-fold"),
    pytest.param(b"X : y\r\n", id="space before the colon"),
    pytest.param(b": y\r\n", id="no name"),
    pytest.param(b"no colon\r\n", id="no colon"),
    pytest.param("Ñ: y\r\n".encode(), id="name that is not ASCII"),
    *(
        pytest.param(b"X: y\r\n" + name + b": a\r\nZ: z\r\n", id=name.decode())
        for name in (
            b"Content-Length",
            b"content-length",
            b"CONTENT-LENGTH",
            b"Transfer-Encoding",
            b"TE",
            b"Trailer",
            b"Keep-Alive",
            b"Proxy-Connection",
            b"Connection",
            b"Tunelab-Error",
            b"tunelab-",
        )
    ),
]

KEPT_LINES = [
    pytest.param(b"", id="none"),
    pytest.param(b"X:\r\n", id="empty value"),
    pytest.param(b"X: \xf1\t \r\nx: y\r\n", id="bytes that are not ASCII"),
    pytest.param(b"Tell: Content-Length: 5\r\n", id="a framing field's name in a value"),
    pytest.param(b"X-Content-Length: 5\r\nContent-Lengths: 5\r\nTEx: 5\r\n", id="similar names"),
    pytest.param(b"X: y\r\n" * 2000, id="thousands of lines"),
]


# ── OPEN ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        (b"Content-Length: 5\r\nX: y\r\n", 5),
        (b"Transfer-Encoding: chunked\r\nX: y\r\n", UNKNOWN_LENGTH),
        (b"X: y\r\n", NO_CONTENT),
        (b"Content-Length: 999999999999999999\r\n", 10**18 - 1),
        (b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a==\r\n", NO_CONTENT),
    ],
    ids=["a length", "chunked", "no content", "an enormous length", "an upgrade"],
)
def test_a_request_s_head_goes_over_the_link_and_back(fields: bytes, length: int) -> None:
    parsed = parse_request_head(head(fields, line=LINE))
    lines = request_fields(parsed, "2001:db8::7", b"http")
    found = decode_open(encode_open(parsed, 65535, lines))
    assert (found.index, found.length, found.method) == (65535, length, b"GET")
    assert found.lines == b"GET /x?y\r\n" + lines


def test_an_open_looks_like_this_on_the_wire() -> None:
    parsed = parse_request_head(head(b"Content-Length: 5\r\n", line=b"PUT /x HTTP/1.1"))
    payload = encode_open(parsed, 3, b"Host: todo.example\r\n")
    assert payload == open_payload(b"PUT /x\r\nHost: todo.example\r\n", index=3, length=5)
    assert payload.startswith(b"\x01\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x05PUT /x\r\n")


@pytest.mark.parametrize("lines", KEPT_LINES)
def test_an_open_s_fields_are_kept_as_they_are(lines: bytes) -> None:
    assert decode_open(open_payload(b"GET /\r\n" + lines)).lines == b"GET /\r\n" + lines


@pytest.mark.parametrize("lines", REFUSED_LINES)
def test_an_open_with_a_line_that_does_not_belong_is_refused(lines: bytes) -> None:
    assert_open_refused(open_payload(b"GET /\r\nHost: a\r\n" + lines))


@pytest.mark.parametrize("value", [b"Upgrade", b"upgrade", b"  UPGRADE\t"])
def test_an_open_may_ask_for_an_upgrade(value: bytes) -> None:
    lines = b"GET /\r\nConnection:" + value + b"\r\nUpgrade: websocket\r\n"
    assert decode_open(open_payload(lines)).lines == lines


@pytest.mark.parametrize("value", [b"close", b"upgrade, close", b"keep-alive", b"", b"content-length"])
def test_an_open_may_say_nothing_else_about_the_connection(value: bytes) -> None:
    assert_open_refused(open_payload(b"GET /\r\nConnection: " + value + b"\r\n"))


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(open_payload(b"")[:11], id="too short by one byte"),
        pytest.param(open_payload(b""), id="no request line"),
        pytest.param(open_payload(b"GET /\r\n", kind=0), id="kind 0"),
        pytest.param(open_payload(b"GET /\r\n", kind=2), id="a kind of a later version"),
        pytest.param(open_payload(b"GET /\r\n", length=-3), id="a length below -2"),
        pytest.param(open_payload(b"GET /\r\n", length=-(2**63)), id="the lowest length"),
        pytest.param(open_payload(b"GET /"), id="request line without CRLF"),
        pytest.param(open_payload(b"GET\r\n"), id="no target"),
        pytest.param(open_payload(b"GET \r\n"), id="empty target"),
        pytest.param(open_payload(b" /\r\n"), id="no method"),
        pytest.param(open_payload(b"G T /\r\n"), id="space in the method"),
        pytest.param(open_payload(b"GET /a b\r\n"), id="space in the target"),
        pytest.param(open_payload(b"GET / HTTP/1.1\r\n"), id="a version, which would then be there twice"),
        pytest.param(open_payload(b"GET /\xf1\r\n"), id="target that is not ASCII"),
        pytest.param(open_payload(b"GET /\n"), id="bare LF"),
    ],
)
def test_a_malformed_open_is_refused(payload: bytes) -> None:
    assert_open_refused(payload)


@given(payload=st.binary(max_size=60) | st.binary(max_size=40).map(open_payload))
@examples(200)
def test_an_arbitrary_open_raises_nothing_but_bad_message(payload: bytes) -> None:
    try:
        found = decode_open(payload)
    except BadMessage:
        return
    assert found.lines.endswith(b"\r\n")


# ── HEAD ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "fields", "length"),
    [
        (b"HTTP/1.1 200 OK", b"Content-Length: 5\r\nX: y\r\n", 5),
        (b"HTTP/1.0 200 OK", b"X: y\r\n", UNKNOWN_LENGTH),
        (
            b"HTTP/1.1 200 OK",
            b"Transfer-Encoding: chunked\r\nTrailer: X\r\nSet-Cookie: a\r\n",
            UNKNOWN_LENGTH,
        ),
        (b"HTTP/1.1 204 No Content", b"Connection: close\r\n", NO_CONTENT),
        (b"HTTP/1.1 304 Not Modified", b"Content-Length: 5\r\n", 5),
        (b"HTTP/1.1 103 Early Hints", b"Link: </a>\r\n", NO_CONTENT),
        (b"HTTP/1.1 100 Continue", b"Content-Length: 0\r\n", NO_CONTENT),
        (b"HTTP/1.1 101 Switching Protocols", b"Connection: upgrade\r\nUpgrade: websocket\r\n", NO_CONTENT),
        (b"HTTP/1.1 426 Upgrade Required", b"Upgrade: h2c\r\nContent-Length: 0\r\n", 0),
    ],
    ids=lambda value: value.decode()[:40] if isinstance(value, bytes) else None,
)
def test_a_response_s_head_goes_over_the_link_and_back(line: bytes, fields: bytes, length: int) -> None:
    parsed = parse_response_head(line + b"\r\n" + fields + b"\r\n", b"GET")
    lines = response_fields(parsed)
    found = decode_head(encode_head(parsed, lines))
    assert (found.status, found.length, found.lines) == (int(line.split()[1]), length, lines)


def test_a_head_looks_like_this_on_the_wire() -> None:
    parsed = parse_response_head(b"HTTP/1.1 404 x\r\nContent-Length: 5\r\n\r\n", b"GET")
    payload = encode_head(parsed, b"X: y\r\n")
    assert payload == head_payload(b"X: y\r\n", status=404, length=5)
    assert payload == b"\x01\x94\x00\x00\x00\x00\x00\x00\x00\x05X: y\r\n"


@pytest.mark.parametrize("lines", KEPT_LINES)
def test_a_head_s_fields_are_kept_as_they_are(lines: bytes) -> None:
    assert decode_head(head_payload(lines)).lines == lines


@pytest.mark.parametrize("status", [200, 101])
@pytest.mark.parametrize("lines", REFUSED_LINES)
def test_a_head_with_a_line_that_does_not_belong_is_refused(lines: bytes, status: int) -> None:
    assert_head_refused(head_payload(lines, status=status, length=NO_CONTENT))


def test_upgrade_belongs_to_a_101_alone() -> None:
    lines = b"uPgrade: websocket\r\n"
    assert decode_head(head_payload(lines, status=101, length=NO_CONTENT)).lines == lines
    for status in (100, 103, 200, 204, 426):
        assert_head_refused(head_payload(lines, status=status, length=NO_CONTENT))


def test_a_head_may_not_ask_the_visitor_to_upgrade_the_connection() -> None:
    lines = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    assert_head_refused(head_payload(lines, status=101, length=NO_CONTENT))


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(head_payload()[:9], id="too short by one byte"),
        pytest.param(head_payload(status=0), id="status 0"),
        pytest.param(head_payload(status=99), id="status 99"),
        pytest.param(head_payload(status=600), id="status 600"),
        pytest.param(head_payload(status=65535), id="status 65535"),
        pytest.param(head_payload(length=-3), id="a length below -2"),
        pytest.param(head_payload(status=100, length=0), id="100 with a length"),
        pytest.param(head_payload(status=101, length=5), id="101 with a length"),
        pytest.param(head_payload(status=199, length=UNKNOWN_LENGTH), id="199 with content"),
    ],
)
def test_a_malformed_head_is_refused(payload: bytes) -> None:
    assert_head_refused(payload)


@pytest.mark.parametrize("status", [100, 101, 199])
def test_an_interim_head_without_content_passes(status: int) -> None:
    assert decode_head(head_payload(status=status, length=NO_CONTENT)).status == status


@pytest.mark.parametrize("status", [200, 599])
def test_the_lowest_and_the_highest_final_status_pass(status: int) -> None:
    assert decode_head(head_payload(status=status)).status == status


@given(payload=st.binary(max_size=60) | st.binary(max_size=40).map(head_payload))
@examples(200)
def test_an_arbitrary_head_raises_nothing_but_bad_message(payload: bytes) -> None:
    try:
        found = decode_head(payload)
    except BadMessage:
        return
    assert b"\r\n\r\n" not in b"\r\n" + found.lines


# ── whatever passes the edge passes the link ─────────────────────────────────────────────────────

NAMES = b"Connection|Upgrade|Content-Length|TE|Trailer|Keep-Alive|Host|X|Expect".split(b"|")
VALUES = b"upgrade|close|5|websocket|h2c|x, te|\xf1|".split(b"|")
FIELDS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)).map(lambda pair: b"%b: %b\r\n" % pair),
    max_size=6,
).map(b"".join)


@given(fields=FIELDS, method=st.sampled_from([b"GET", b"POST", b"OPTIONS"]))
@examples(400)
def test_every_request_that_the_edge_accepts_is_accepted_by_the_far_end(fields: bytes, method: bytes) -> None:
    try:
        parsed = parse_request_head(head(fields, line=method + b" / HTTP/1.1"))
    except BadMessage:
        return
    lines = request_fields(parsed, "192.0.2.7", b"http")
    found = decode_open(encode_open(parsed, 0, lines))
    assert (found.method, found.length) == (method, parsed.length)
    assert found.lines.lower().count(b"\r\nhost:") == 1


@given(fields=FIELDS, status=st.sampled_from([100, 101, 103, 200, 204, 304, 426, 500]))
@examples(400)
def test_every_answer_that_the_agent_accepts_is_accepted_by_the_far_end(fields: bytes, status: int) -> None:
    try:
        parsed = parse_response_head(b"HTTP/1.1 %d x\r\n" % status + fields + b"\r\n", b"GET")
    except BadMessage:
        return
    found = decode_head(encode_head(parsed, response_fields(parsed)))
    assert (found.status, found.length) == (status, parsed.length)
