"""Heads of responses: what an upstream may say, and what is answered with 502 instead.

Each row names the section that decides it; numbers such as 9110 and 9112 are RFCs.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import examples
from tunnel.http.errors import BadMessage
from tunnel.http.head import NO_CONTENT, UNKNOWN_LENGTH, ResponseHead, parse_response_head

OK = b"HTTP/1.1 200 OK"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def parse(fields: bytes = b"", *, line: bytes = OK, method: bytes = b"GET") -> ResponseHead:
    return parse_response_head(line + b"\r\n" + fields + b"\r\n", method)


def assert_refused(data: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        parse_response_head(data, b"GET")
    assert (caught.value.status, caught.value.code) == (502, "upstream-protocol")


# ── the status line ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2", id="another protocol"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x50", id="a TLS alert: --upstream says http for https"),
        pytest.param(b"ICY 200 OK", id="Shoutcast"),
        pytest.param(b"HTTP/2 200", id="9112 2.3: HTTP/2"),
        pytest.param(b"HTTP/1.2 200 OK", id="9112 2.3: a version that does not exist"),
        pytest.param(b"http/1.1 200 OK", id="9112 2.3: lower case"),
        pytest.param(b"HTTP/1.1  200 OK", id="9112 4: two spaces"),
        pytest.param(b"HTTP/1.1\t200 OK", id="9112 4: tab"),
        pytest.param(b" HTTP/1.1 200 OK", id="9112 4: space in front"),
        pytest.param(b"HTTP/1.1 200OK", id="9112 4: no space after the code"),
        pytest.param(b"HTTP/1.1 20 OK", id="9110 15: two digits"),
        pytest.param(b"HTTP/1.1 2000 OK", id="9110 15: four digits"),
        pytest.param(b"HTTP/1.1 +20 OK", id="9110 15: a sign"),
        pytest.param(b"HTTP/1.1 099 Low", id="9110 15: below 100"),
        pytest.param(b"HTTP/1.1 600 High", id="9110 15: above 599"),
        pytest.param(b"HTTP/1.1 200 O\x00K", id="9112 4: NUL in the phrase"),
        pytest.param(b"HTTP/1.1 200 O\rK", id="9112 2.2: bare CR in the phrase"),
    ],
)
def test_a_malformed_status_line_is_refused(line: bytes) -> None:
    assert_refused(line + b"\r\n\r\n")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"HTTP/1.1 404 Not Found", id="ordinary"),
        pytest.param(b"HTTP/1.1 404 ", id="9112 4: empty phrase"),
        pytest.param(b"HTTP/1.1 404", id="9112 4: without the space that some leave out"),
        pytest.param(b"HTTP/1.1 404 No se encontr\xc3\xb3", id="9112 4: phrase that is not ASCII"),
        pytest.param(b"HTTP/1.0 404 Not Found", id="9112 2.3: HTTP/1.0"),
    ],
)
def test_a_status_line_passes(line: bytes) -> None:
    assert parse(line=line).status == 404


@pytest.mark.parametrize("status", [100, 103, 199, 200, 204, 299, 304, 418, 451, 499, 500, 599])
def test_every_status_passes_known_or_not(status: int) -> None:
    assert parse(line=b"HTTP/1.1 %d x" % status).status == status


# ── fields ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"X : y\r\n", id="9112 5.1: space before the colon"),
        pytest.param(b"X: y\r\n z\r\n", id="9112 5.2: obs-fold"),
        pytest.param(b"X: y\nZ: z\r\n", id="9112 2.2: bare LF"),
        pytest.param(b"X: y\rZ: z\r\n", id="9112 2.2: bare CR"),
        pytest.param(b"X: \x00\r\n", id="9110 5.5: NUL"),
        pytest.param(b"X: \x01\r\n", id="9110 5.5: control character"),
        pytest.param(b"\xc3\xb1: y\r\n", id="9110 5.1: name that is not ASCII"),
        pytest.param(b": y\r\n", id="9110 5.1: no name"),
        pytest.param(b"no colon\r\n", id="9112 5: no colon"),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 5\r\n", id="9112 6.3: the same length twice"),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 6\r\n", id="9112 6.3: two lengths"),
        pytest.param(b"Content-Length: 5, 5\r\n", id="9112 6.3: a list of lengths"),
        pytest.param(b"Content-Length: -5\r\n", id="9110 8.6: negative"),
        pytest.param(b"Content-Length: 1_0\r\n", id="9110 8.6: an underscore"),
        pytest.param(b"Content-Length: 1000000000000000000\r\n", id="9110 8.6: 19 digits"),
        pytest.param(b"Content-Length: 5\r\n" + CHUNKED, id="9112 6.3: length and coding"),
        pytest.param(CHUNKED + b"Content-Length: 5\r\n", id="9112 6.3: coding and length"),
        pytest.param(b"Transfer-Encoding: gzip\r\n", id="9112 6.1: a coding not understood"),
        pytest.param(b"Transfer-Encoding: gzip, chunked\r\n", id="9112 6.1: two codings"),
        pytest.param(b"Transfer-Encoding: chunked, gzip\r\n", id="9112 6.3: chunked is not the last"),
        pytest.param(b"Transfer-Encoding: identity\r\n", id="9112 7: identity"),
        pytest.param(CHUNKED + CHUNKED, id="9112 6.1: chunked twice"),
        pytest.param(b"Transfer-Encoding:\r\n", id="9112 6.1: empty"),
    ],
)
def test_a_malformed_or_ambiguous_field_is_refused(fields: bytes) -> None:
    assert_refused(OK + b"\r\n" + fields + b"\r\n")


def test_fields_keep_their_order_case_and_bytes() -> None:
    lines = b"x-A: 1\r\nSet-Cookie: a\r\nSet-Cookie:b\r\nX-Empty: \r\nX-L: \xf1 \t\r\n"
    found = parse(lines + b"Content-Length: 0\r\n")
    assert found.passed + b"\r\n" == b"\r\n" + lines
    assert found.fields == found.passed + b"\r\nContent-Length: 0"


# ── how the content is delimited ─────────────────────────────────────────────────────────────────

LENGTH_5 = b"Content-Length: 5\r\n"


@pytest.mark.parametrize(
    ("method", "status", "fields", "length", "is_chunked"),
    [
        pytest.param(b"GET", 200, LENGTH_5, 5, False, id="9112 6.3: a length"),
        pytest.param(b"GET", 200, b"Content-Length: 0\r\n", 0, False, id="9112 6.3: length zero"),
        pytest.param(b"GET", 200, CHUNKED, UNKNOWN_LENGTH, True, id="9112 6.3: chunked"),
        pytest.param(b"GET", 200, b"transfer-encoding:  CHUNKED \r\n", UNKNOWN_LENGTH, True, id="any case"),
        pytest.param(b"GET", 200, b"", UNKNOWN_LENGTH, False, id="9112 6.3: to the end of the connection"),
        pytest.param(b"GET", 205, LENGTH_5, 5, False, id="9110 15.3.6: 205 is delimited as any other"),
        pytest.param(b"POST", 500, CHUNKED, UNKNOWN_LENGTH, True, id="an error is delimited as any other"),
        pytest.param(b"HEAD", 200, LENGTH_5, 5, False, id="9110 9.3.2: what a GET would have had"),
        pytest.param(b"HEAD", 200, CHUNKED, NO_CONTENT, False, id="9110 9.3.2: HEAD, chunked"),
        pytest.param(b"HEAD", 200, b"", NO_CONTENT, False, id="9110 9.3.2: HEAD, nothing said"),
        pytest.param(b"GET", 304, LENGTH_5, 5, False, id="9110 15.4.5: what a 200 would have had"),
        pytest.param(b"GET", 304, CHUNKED, NO_CONTENT, False, id="9112 6.3: 304, chunked"),
        pytest.param(b"GET", 304, b"", NO_CONTENT, False, id="9112 6.3: 304, nothing said"),
        pytest.param(b"GET", 204, b"", NO_CONTENT, False, id="9112 6.3: 204"),
        pytest.param(b"GET", 204, CHUNKED, NO_CONTENT, False, id="9112 6.1: 204 with a coding"),
        pytest.param(b"GET", 100, b"", NO_CONTENT, False, id="9112 6.3: 100"),
        pytest.param(b"PUT", 100, LENGTH_5, NO_CONTENT, False, id="9110 8.6: 100 with a length"),
        pytest.param(b"GET", 103, b"Link: </a>\r\n", NO_CONTENT, False, id="8297 2: 103"),
    ],
)
def test_how_the_content_is_delimited(
    method: bytes, status: int, fields: bytes, length: int, is_chunked: bool
) -> None:
    found = parse(fields, line=b"HTTP/1.1 %d x" % status, method=method)
    assert (found.length, found.is_chunked) == (length, is_chunked)


@pytest.mark.parametrize(
    ("line", "fields", "keep_alive"),
    [
        pytest.param(OK, LENGTH_5, True, id="9112 9.3: HTTP/1.1"),
        pytest.param(OK, CHUNKED, True, id="9112 9.3: HTTP/1.1, chunked"),
        pytest.param(OK, LENGTH_5 + b"Connection: Close\r\n", False, id="9112 9.6: close"),
        pytest.param(OK, LENGTH_5 + b"Connection: x, close\r\n", False, id="9112 9.6: close among others"),
        pytest.param(OK, b"", False, id="9112 6.3: the end of the connection is the end of the content"),
        pytest.param(OK, b"Connection: keep-alive\r\n", False, id="9112 6.3: whatever it promises"),
        pytest.param(b"HTTP/1.1 204 x", b"", True, id="9112 6.3: 204 needs no length"),
        pytest.param(b"HTTP/1.1 304 x", b"", True, id="9112 6.3: 304 needs no length"),
        pytest.param(b"HTTP/1.0 200 OK", LENGTH_5, False, id="9112 9.3: HTTP/1.0"),
        pytest.param(
            b"HTTP/1.0 200 OK", LENGTH_5 + b"Connection: Keep-Alive\r\n", True, id="9112 C.2.2: 1.0"
        ),
        pytest.param(
            b"HTTP/1.0 200 OK",
            CHUNKED + b"Connection: keep-alive\r\n",
            False,
            id="9112 6.1: a coding in HTTP/1.0 is faulty framing",
        ),
    ],
)
def test_whether_the_connection_can_carry_another_request(
    line: bytes, fields: bytes, keep_alive: bool
) -> None:
    assert parse(fields, line=line).keep_alive is keep_alive


def test_a_head_request_s_connection_goes_on_without_a_length() -> None:
    assert parse(method=b"HEAD").keep_alive


# ── upgrades ─────────────────────────────────────────────────────────────────────────────────────

SWITCHING = b"HTTP/1.1 101 Switching Protocols"


def test_a_101_says_to_what_it_switches() -> None:
    found = parse(b"Connection: upgrade\r\nUpgrade: WebSocket\r\n", line=SWITCHING)
    assert (found.status, found.upgrade, found.length) == (101, b"WebSocket", NO_CONTENT)


def test_a_length_in_a_101_says_nothing() -> None:
    """RFC 9110, section 8.6, forbids it, and RFC 9112, section 6.3, tells to go on without it."""
    found = parse(b"Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 0\r\n", line=SWITCHING)
    assert (found.upgrade, found.length) == (b"a", NO_CONTENT)


def test_a_101_in_two_lines_says_both() -> None:
    found = parse(b"Connection: upgrade\r\nUpgrade: tls/1.3\r\nUpgrade: foo\r\n", line=SWITCHING)
    assert found.upgrade == b"tls/1.3, foo"


def test_a_101_that_does_not_say_to_what_is_refused() -> None:
    """RFC 9110, section 15.2.2."""
    assert_refused(SWITCHING + b"\r\n\r\n")


@pytest.mark.parametrize("line", [OK, b"HTTP/1.1 426 Upgrade Required"])
def test_an_upgrade_that_is_only_offered_is_none(line: bytes) -> None:
    assert parse(b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n", line=line).upgrade == b""


# ── anything ─────────────────────────────────────────────────────────────────────────────────────

WORDS = st.sampled_from(
    b"HTTP/1.1 200 OK\r\n|HTTP/1.0 204 \r\n|HTTP/1.1 101 x\r\n|\r\n|\n|\r|:| |X: y\r\n|5|close|\x00|\xff|"
    b"Content-Length: 5\r\n|Transfer-Encoding: chunked\r\n|Connection: upgrade\r\n|Upgrade: a\r\n".split(b"|")
)


@given(
    data=st.lists(WORDS | st.binary(max_size=5), max_size=20).map(b"".join),
    method=st.sampled_from([b"GET", b"HEAD"]),
)
@examples(400)
def test_arbitrary_bytes_raise_nothing_but_bad_message(data: bytes, method: bytes) -> None:
    try:
        found = parse_response_head(data, method)
    except BadMessage as caught:
        found = None
        error = caught
    if found is None:
        assert (error.status, error.code) == (502, "upstream-protocol")
        assert error.reason.isascii()
    else:
        assert 100 <= found.status <= 599
        assert found.length >= UNKNOWN_LENGTH
        assert not set(b"".join(found.fields.split(b"\r\n"))) & set(b"\r\n\x00")
