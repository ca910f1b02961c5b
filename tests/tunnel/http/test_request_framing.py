"""How long a request's content is, whether its connection goes on, what it asks to become.

Each row names the section that decides it; numbers such as 9110 and 9112 are RFCs.
"""

from __future__ import annotations

import pytest

from tests.tunnel.http.kit import head, parse, refusal
from tunnel.http.head import NO_CONTENT, UNKNOWN_LENGTH

# ── how long the content is ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param(
            b"Content-Length: 5\r\nContent-Length: 5\r\n", 400, id="9112 6.3: the same length twice"
        ),
        pytest.param(b"Content-Length: 5\r\ncontent-length: 6\r\n", 400, id="9112 6.3: two lengths"),
        pytest.param(b"Content-Length: 5, 5\r\n", 400, id="9112 6.3: a list of lengths"),
        pytest.param(b"Content-Length: 5 5\r\n", 400, id="9110 8.6: two numbers"),
        pytest.param(b"Content-Length:\r\n", 400, id="9110 8.6: empty"),
        pytest.param(b"Content-Length: +5\r\n", 400, id="9110 8.6: a sign"),
        pytest.param(b"Content-Length: -5\r\n", 400, id="9110 8.6: negative"),
        pytest.param(b"Content-Length: 0x5\r\n", 400, id="9110 8.6: hexadecimal"),
        pytest.param(b"Content-Length: 1_0\r\n", 400, id="9110 8.6: an underscore, which int() would take"),
        pytest.param(b"Content-Length: 5.0\r\n", 400, id="9110 8.6: a fraction"),
        pytest.param(b"Content-Length: 1e3\r\n", 400, id="9110 8.6: an exponent"),
        pytest.param(b'Content-Length: "5"\r\n', 400, id="9110 8.6: quoted"),
        pytest.param("Content-Length: \u0665\r\n".encode(), 400, id="9110 8.6: a digit that is not ASCII"),
        pytest.param(b"Content-Length: \xb2\r\n", 400, id="9110 8.6: superscript two in Latin-1"),
        pytest.param(b"Content-Length: 1000000000000000000\r\n", 400, id="9110 8.6: 19 digits"),
        pytest.param(b"Content-Length: 18446744073709551621\r\n", 400, id="9110 8.6: 2^64 + 5"),
        pytest.param(
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400, id="9112 6.1: length, coding"
        ),
        pytest.param(
            b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400, id="9112 6.1: coding, length"
        ),
        pytest.param(
            b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400, id="9112 6.1: coding, zero"
        ),
        pytest.param(
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400, id="9112 6.1: chunked twice"
        ),
        pytest.param(b"Transfer-Encoding: chunked, chunked\r\n", 400, id="9112 6.1: chunked, chunked"),
        pytest.param(b"Transfer-Encoding: chunked, gzip\r\n", 400, id="9112 6.3: chunked is not the last"),
        pytest.param(b"Transfer-Encoding: gzip\r\n", 400, id="9112 6.3: no chunked"),
        pytest.param(b"Transfer-Encoding: identity\r\n", 400, id="9112 6.3: identity"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            400,
            id="9112 6.3: identity after",
        ),
        pytest.param(b"Transfer-Encoding: gzip, chunked\r\n", 501, id="9112 6.1: a coding not understood"),
        pytest.param(
            b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501, id="9112 6.1: in two lines"
        ),
        pytest.param(b"Transfer-Encoding: , chunked\r\n", 501, id="9110 5.6.1: an empty element"),
        pytest.param(b"Transfer-Encoding:\r\n", 400, id="9112 6.1: empty"),
        pytest.param(b"Transfer-Encoding: xchunked\r\n", 400, id="9112 7: unknown coding"),
        pytest.param(b"Transfer-Encoding: chunked;q=1\r\n", 400, id="9112 7: a parameter"),
        pytest.param(b'Transfer-Encoding: "chunked"\r\n', 400, id="9112 7: quoted"),
        pytest.param(b"Transfer-Encoding: chunked\x00\r\n", 400, id="9110 5.5: NUL"),
        pytest.param(b"Transfer-Encoding: chunked\t\r\n", 400, id="a tab behind, stricter than 9110 5.5"),
        pytest.param(b"Transfer-Encoding: \x0bchunked\r\n", 400, id="9110 5.5: vertical tab"),
        pytest.param(b"Transfer-Encoding: \xa0chunked\r\n", 400, id="9110 5.6.3: a space of Latin-1"),
    ],
)
def test_framing_that_two_recipients_could_read_differently_is_refused(fields: bytes, status: int) -> None:
    code = {400: "bad-request", 501: "transfer-coding"}[status]
    assert refusal(head(fields, line=b"POST / HTTP/1.1")) == (status, code)


def test_a_transfer_coding_in_http_1_0_is_refused() -> None:
    """RFC 9112, section 6.1: an HTTP/1.0 recipient ahead would not have understood it."""
    data = head(b"Transfer-Encoding: chunked\r\n", line=b"POST / HTTP/1.0")
    assert refusal(data) == (400, "bad-request")


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        pytest.param(b"", NO_CONTENT, id="9112 6.3: nothing said"),
        pytest.param(b"Content-Length: 0\r\n", 0, id="zero"),
        pytest.param(b"Content-Length:5\r\n", 5, id="9112 5: no space"),
        pytest.param(b"Content-Length: \t 5 \t\r\n", 5, id="9110 5.5: white space around"),
        pytest.param(b"Content-Length: 007\r\n", 7, id="9110 8.6: leading zeros"),
        pytest.param(b"CONTENT-LENGTH: 5\r\n", 5, id="9110 5.1: any case"),
        pytest.param(b"Content-Length: 999999999999999999\r\n", 10**18 - 1, id="18 digits"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", UNKNOWN_LENGTH, id="chunked"),
        pytest.param(b"transfer-encoding:CHUNKED\r\n", UNKNOWN_LENGTH, id="9112 7: any case"),
        pytest.param(b"Transfer-Encoding:  chunked \r\n", UNKNOWN_LENGTH, id="9110 5.5: spaces around"),
        pytest.param(b"Transfer-Encoding:\tchunked\r\n", UNKNOWN_LENGTH, id="9110 5.5: tab in front"),
        pytest.param(b"Connection: content-length\r\nContent-Length: 5\r\n", 5, id="9110 7.6.1: nominated"),
        pytest.param(
            b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
            UNKNOWN_LENGTH,
            id="9110 7.6.1: nominated coding",
        ),
    ],
)
def test_the_length_of_the_content(fields: bytes, length: int) -> None:
    for line in (b"POST / HTTP/1.1", b"GET / HTTP/1.1", b"DELETE / HTTP/1.1", b"HEAD / HTTP/1.1"):
        assert parse(head(fields, line=line)).length == length


# ── the connection ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("version", "fields", "keep_alive"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: keep-alive\r\n", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: CLOSE\r\n", False),
        (b"1.1", b"Connection: close, keep-alive\r\n", False),
        (b"1.1", b"Connection: keep-alive\r\nConnection: close\r\n", False),
        (b"1.1", b"Connection: , ,\tclose ,\r\n", False),
        (b"1.1", b"Connection: closed\r\n", True),
        (b"1.1", b"Connection:\r\n", True),
        (b"1.1", b"Proxy-Connection: close\r\n", True),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"Connection: keep-alive, close\r\n", False),
        (b"1.0", b"Proxy-Connection: keep-alive\r\n", False),
    ],
)
def test_whether_the_connection_goes_on(version: bytes, fields: bytes, keep_alive: bool) -> None:
    """RFC 9112, section 9.3."""
    assert parse(head(fields, line=b"GET / HTTP/" + version)).keep_alive is keep_alive


@pytest.mark.parametrize(
    "option", [b"host", b"Host, content-length", b"transfer-encoding", b"x-forwarded-for"]
)
def test_nominating_a_field_does_not_change_what_the_head_says(option: bytes) -> None:
    """RFC 9110, section 7.6.1, forbids to nominate these; whoever does gains nothing by it."""
    plain = parse(head(b"Content-Length: 5\r\n"))
    nominated = parse(head(b"Content-Length: 5\r\nConnection: " + option + b"\r\n"))
    assert (nominated.host, nominated.length) == (plain.host, plain.length) == (b"todo.example", 5)
    assert nominated.keep_alive


ASKS = b"Connection: Upgrade\r\n"


@pytest.mark.parametrize(
    ("fields", "upgrade"),
    [
        pytest.param(ASKS + b"Upgrade: websocket\r\n", b"websocket", id="9110 7.8: websocket"),
        pytest.param(
            b"Connection: keep-alive, UPGRADE\r\nUpgrade: WebSocket\r\n", b"websocket", id="Firefox's"
        ),
        pytest.param(ASKS + b"Upgrade: foo/2, bar\r\n", b"foo/2, bar", id="9110 7.8: a list"),
        pytest.param(ASKS + b"Upgrade: foo\r\nUpgrade: bar\r\n", b"foo, bar", id="9110 5.3: in two lines"),
        pytest.param(ASKS + b"Upgrade: websocket\r\nContent-Length: 0\r\n", b"websocket", id="no content"),
        pytest.param(b"Upgrade: websocket\r\n", b"", id="9110 7.8: not nominated"),
        pytest.param(b"Connection: close\r\nUpgrade: websocket\r\n", b"", id="9110 7.8: another nominated"),
        pytest.param(ASKS + b"Upgrade:\r\n", b"", id="nothing asked for"),
        pytest.param(ASKS, b"", id="no Upgrade at all"),
        pytest.param(ASKS + b"Upgrade: h2c\r\n", b"", id="9113 3.1: h2c"),
        pytest.param(ASKS + b"Upgrade: H2C\r\n", b"", id="9113 3.1: h2c in capitals"),
        pytest.param(ASKS + b"Upgrade: , h2c\r\n", b"", id="9113 3.1: h2c after a comma"),
        pytest.param(ASKS + b"Upgrade: websocket, h2c\r\n", b"websocket", id="9113 3.1: h2c in second place"),
        pytest.param(
            ASKS + b"Upgrade: websocket\r\nUpgrade: h2c\r\n", b"websocket", id="9113 3.1: second line"
        ),
        pytest.param(ASKS + b"Upgrade: HTTP/2.0\r\n", b"", id="9110 7.8: HTTP/2.0"),
        pytest.param(ASKS + b"Upgrade: TLS/1.2, HTTP/1.1\r\n", b"", id="2817 3.1: TLS"),
        pytest.param(ASKS + b"Upgrade: web socket\r\n", b"", id="9110 7.8: no token"),
        pytest.param(ASKS + b"Upgrade: a/b/c\r\n", b"", id="9110 7.8: two versions"),
        pytest.param(ASKS + b"Upgrade: \xf1\r\n", b"", id="9110 7.8: not ASCII"),
        pytest.param(ASKS + b"Upgrade: websocket\r\nContent-Length: 5\r\n", b"", id="with content"),
        pytest.param(ASKS + b"Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n", b"", id="with chunks"),
    ],
)
def test_an_upgrade_is_asked_for_only_where_it_can_be_granted(fields: bytes, upgrade: bytes) -> None:
    assert parse(head(fields)).upgrade == upgrade


def test_an_upgrade_in_http_1_0_is_ignored() -> None:
    """RFC 9110, section 7.8."""
    assert parse(head(ASKS + b"Upgrade: websocket\r\n", line=b"GET / HTTP/1.0")).upgrade == b""


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue", b" 100-CONTINUE\t"])
def test_a_visitor_may_expect_100_continue(value: bytes) -> None:
    found = parse(head(b"Content-Length: 5\r\nExpect:" + value + b"\r\n", line=b"PUT / HTTP/1.1"))
    assert found.expects_continue


def test_an_expectation_in_http_1_0_is_ignored() -> None:
    """RFC 9110, section 10.1.1."""
    assert not parse(head(b"Expect: 100-continue\r\n", line=b"PUT / HTTP/1.0")).expects_continue


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"Expect: 200-maybe\r\n", id="another"),
        pytest.param(b"Expect: 100-continue, other\r\n", id="a list"),
        pytest.param(b"Expect: 100-continue\r\nExpect: other\r\n", id="another after it"),
        pytest.param(b"Expect: other\r\nExpect: 100-continue\r\n", id="another before it"),
    ],
)
def test_any_other_expectation_is_refused(fields: bytes) -> None:
    """RFC 9110, section 10.1.1."""
    assert refusal(head(fields)) == (417, "expectation")
