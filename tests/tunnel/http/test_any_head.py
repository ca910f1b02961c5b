"""Where a head ends, and what holds for every head, well made or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.http.kit import head
from tests.tunnel.protocol.kit import examples, in_chunks
from tunnel.http.error_pages import FAULTS
from tunnel.http.errors import BadMessage
from tunnel.http.head import UNKNOWN_LENGTH, find_head_end, parse_request_head
from tunnel.http.lines import find_fields

# ── where a head ends ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("trailing", [b"", b"x", b"\r\n\r\n", b"\n", b"GET / HTTP/1.1\r\n\r\n"])
@pytest.mark.parametrize("buffer", [bytes, bytearray])
def test_a_head_ends_after_its_empty_line_whatever_follows(
    trailing: bytes, buffer: type[bytes] | type[bytearray]
) -> None:
    data = head(b"Content-Length: 5\r\n")
    assert find_head_end(buffer(data + trailing)) == len(data)


def test_the_end_is_found_with_its_last_byte_and_no_earlier() -> None:
    data = head(b"X: y\r\n")
    for size in range(len(data)):
        assert find_head_end(data[:size]) == -1
    assert find_head_end(data) == len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r\nHost: a\n",
        b"GET / HTTP/1.1\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n\n",
        b"GET / HTTP/1.1\r\n\nx",
        b"GET / HTTP/1.1\nHost: a\n\nname=value",
    ],
)
def test_a_bare_lf_is_refused_at_once_and_not_waited_for(data: bytes) -> None:
    """RFC 9112, section 2.2."""
    with pytest.raises(BadMessage):
        find_head_end(data)


@given(
    values=st.lists(st.binary(max_size=30).map(lambda value: value.translate(None, b"\r\n")), max_size=5),
    trailing=st.binary(max_size=30),
    size=st.integers(1, 20),
)
@examples(100)
def test_the_end_of_a_head_is_found_in_any_cut(values: list[bytes], trailing: bytes, size: int) -> None:
    data = b"GET / HTTP/1.1\r\n" + b"".join(b"X:" + value + b"\r\n" for value in values) + b"\r\n"
    buffer = b""
    for piece in in_chunks(data + trailing, size):
        buffer += piece
        end = find_head_end(buffer)
        assert end == (len(data) if len(buffer) >= len(data) else -1)
        if end > 0:
            return
    pytest.fail("the end was never found")


# ── anything ─────────────────────────────────────────────────────────────────────────────────────

WORDS = st.sampled_from(
    b"GET|POST|OPTIONS| |/|*|HTTP/1.1|HTTP/1.0|\r\n|\n|\r|:|,|Host: a\r\n|Host:|Content-Length:|5|chunked|"
    b"Transfer-Encoding:|Connection:|Upgrade:|websocket|h2c|Expect:|http://|[::1]|\x00|\xff".split(b"|")
)
LINES = st.sampled_from(
    b"Host: a|Host: [::1]:80|Content-Length: 5|Transfer-Encoding: chunked|Connection: upgrade|X: y|"
    b"Upgrade: websocket|Upgrade: h2c|Expect: 100-continue|Connection: X, close".split(b"|")
)
TARGETS = st.sampled_from([b"/", b"/x?y", b"*", b"http://a", b"http://a/b", b"//"]) | st.binary(max_size=6)


@given(data=st.lists(WORDS | st.binary(max_size=5), max_size=25).map(b"".join))
@examples(400)
def test_arbitrary_bytes_raise_nothing_but_bad_message(data: bytes) -> None:
    error = None
    try:
        end = find_head_end(data)
        found = parse_request_head(data[:end] if end >= 0 else data)
    except BadMessage as caught:
        error = caught
    if error is None:
        assert found.target
    else:
        assert error.code in FAULTS
        assert error.reason.isascii()
        assert error.reason.isprintable()


@given(
    target_bytes=TARGETS,
    lines=st.lists(
        LINES | st.tuples(st.binary(max_size=4), st.binary(max_size=4)).map(b": ".join), max_size=6
    ),
)
@examples(400)
def test_what_passes_is_free_of_anything_that_ends_a_line(target_bytes: bytes, lines: list[bytes]) -> None:
    data = b"GET " + target_bytes + b" HTTP/1.1\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    try:
        found = parse_request_head(data)
    except BadMessage:
        return
    assert found.target == b"*" or found.target.startswith(b"/")
    assert not set(found.target) - set(range(0x21, 0x7F))
    assert found.length >= UNKNOWN_LENGTH
    lines = found.fields.split(b"\r\n")[1:]
    assert all(line.index(b":") > 0 for line in lines)
    assert not set(b"".join(lines)) & set(b"\r\n\x00")
    assert len(find_fields(found.fields, b"host")) == 1
    assert not find_fields(found.passed, b"host")
