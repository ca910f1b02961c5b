"""What our parser lets through, llhttp reads alike: the parser of Node.js, which many services are behind."""

from __future__ import annotations

import httptools
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.http.kit import head
from tests.tunnel.protocol.kit import examples
from tunnel.http.errors import BadMessage
from tunnel.http.head import NO_CONTENT, UNKNOWN_LENGTH, parse_request_head, parse_response_head
from tunnel.http.lines import Fields

NAMES = st.sampled_from(
    b"X|Content-Length|content-length|Transfer-Encoding|Connection|Upgrade|Content-Length |X Y|X\t|X_Y".split(
        b"|"
    )
)
VALUES = st.sampled_from(
    b"5|0|05| 5 |\t5\t|+5|5,5|5 5|0x5|chunked|Chunked |\tchunked|chunked\t|gzip, chunked|chunked, gzip|close|"
    b"keep-alive, X|upgrade|websocket|\x7f|\x00|a\rb|a\nb|a\r\n b|\xff|\x80|99999999999999999999|".split(b"|")
)
ENDS = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b" \r\n"])
LINES = st.tuples(NAMES, st.sampled_from([b":", b": ", b" :", b""]), VALUES, ENDS).map(b"".join)
BLOCKS = st.lists(LINES, max_size=4).map(b"".join)


class Seen:
    """What llhttp calls back with."""

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.target = b""
        self.heads = 0

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.heads += 1


def pairs(fields: Fields) -> list[tuple[bytes, bytes]]:
    """Return the fields of a block."""
    split = (line.partition(b":") for line in fields.split(b"\r\n")[1:])
    return [(name, value.strip(b" \t")) for name, _, value in split]


@given(target=st.sampled_from([b"/", b"/a?b", b"*", b"http://todo.example/x", b"//", b"/\x7f"]), block=BLOCKS)
@examples(600)
def test_a_request_that_passes_is_the_same_to_llhttp(target: bytes, block: bytes) -> None:
    data = head(block, line=b"POST " + target + b" HTTP/1.1")
    try:
        found = parse_request_head(data)
    except BadMessage:
        return
    seen = Seen()
    parser = httptools.HttpRequestParser(seen)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        assert found.length in (0, NO_CONTENT)
    assert seen.heads == 1
    assert (parser.get_method(), seen.target) == (found.method, target)
    assert seen.fields == pairs(found.fields)
    lengths = [value for name, value in seen.fields if name.lower() == b"content-length"]
    codings = [value.lower() for name, value in seen.fields if name.lower() == b"transfer-encoding"]
    assert codings == ([b"chunked"] if found.length == UNKNOWN_LENGTH else [])
    assert lengths == [] if found.length < 0 else [int(value) for value in lengths] == [found.length]


@given(status=st.sampled_from([200, 204, 304]), block=BLOCKS)
@examples(600)
def test_an_answer_that_passes_is_the_same_to_llhttp(status: int, block: bytes) -> None:
    data = b"HTTP/1.1 %d x\r\n%b\r\n" % (status, block)
    try:
        found = parse_response_head(data, b"GET")
    except BadMessage:
        return
    seen = Seen()
    parser = httptools.HttpResponseParser(seen)
    parser.feed_data(data)
    assert seen.heads == 1
    assert parser.get_status_code() == found.status
    assert seen.fields == pairs(found.fields)
