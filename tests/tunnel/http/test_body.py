"""Where content ends: whole, byte by byte, in random chunks, with trailing data, at each limit."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import examples, in_chunks
from tunnel.http.body import LAST_CHUNK, BodyReader, ChunkedBody, LengthBody, UntilCloseBody, encode_chunk
from tunnel.http.errors import BadMessage

# Written out once more, and not taken from the code, so that a limit cannot change unnoticed.
MAX_CHUNK_LINE = 1024
MAX_TRAILER = 16 * 1024

NEXT = b"GET /next HTTP/1.1\r\n"


def whole(data: bytes) -> list[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    return in_chunks(data, 1)


def in_threes(data: bytes) -> list[bytes]:
    return in_chunks(data, 3)


every_cut = pytest.mark.parametrize("cut", [whole, byte_by_byte, in_threes], ids=lambda cut: cut.__name__)

Cut = Callable[[bytes], list[bytes]]


def read(body: BodyReader, pieces: Iterable[bytes]) -> tuple[bytes, bytes]:
    """Feed ``pieces`` as a connection does, until the content is complete; return it and what follows."""
    content = b""
    rest = b""
    for piece in pieces:
        if body.is_complete:
            rest += piece
        else:
            content += body.feed(piece)
            if body.is_complete:
                rest = body.rest
    return content, rest


def is_refused(pieces: Iterable[bytes]) -> bool:
    """Whether a chunked body made of ``pieces`` is refused before it is complete."""
    try:
        read(ChunkedBody(), pieces)
    except BadMessage as error:
        return (error.status, error.code) == (400, "bad-request")
    return False


# ── Content-Length ───────────────────────────────────────────────────────────────────────────────


@every_cut
@pytest.mark.parametrize("trailing", [b"", b"x", NEXT], ids=["alone", "one byte more", "a request more"])
def test_content_of_a_length_ends_there_and_what_follows_is_handed_over(cut: Cut, trailing: bytes) -> None:
    body = LengthBody(11)
    assert read(body, cut(b"hola, mundo" + trailing)) == (b"hola, mundo", trailing)
    assert body.is_complete
    assert body.left == 0


def test_content_of_length_zero_is_complete_from_the_start() -> None:
    assert LengthBody(0).is_complete


def test_content_that_lacks_a_byte_is_not_complete() -> None:
    body = LengthBody(5)
    assert body.feed(b"hola") == b"hola"
    assert not body.is_complete
    assert body.left == 1


def test_a_length_beyond_any_memory_costs_none() -> None:
    body = LengthBody(10**17)
    assert body.feed(b"x" * 1000) == b"x" * 1000
    assert body.left == 10**17 - 1000


@given(data=st.data(), content=st.binary(max_size=200), trailing=st.binary(max_size=50))
@examples(100)
def test_content_of_a_length_survives_any_cut(data: st.DataObject, content: bytes, trailing: bytes) -> None:
    body = LengthBody(len(content))
    assert read(body, random_cut(data, content + trailing)) == (content, trailing)
    assert body.is_complete


# ── to the end of the connection ─────────────────────────────────────────────────────────────────


@every_cut
def test_content_to_the_end_of_the_connection_is_all_of_it_and_never_complete(cut: Cut) -> None:
    body = UntilCloseBody()
    assert read(body, cut(b"0\r\n\r\n" + NEXT)) == (b"0\r\n\r\n" + NEXT, b"")
    assert not body.is_complete


# ── chunked ──────────────────────────────────────────────────────────────────────────────────────

CHUNKED = [
    pytest.param(b"0\r\n\r\n", b"", id="empty"),
    pytest.param(b"5\r\nhello\r\n0\r\n\r\n", b"hello", id="one chunk"),
    pytest.param(b"1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", b"abcdef", id="three chunks"),
    pytest.param(b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", id="lower-case size"),
    pytest.param(b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", id="upper-case size"),
    pytest.param(b"00005\r\nhello\r\n000\r\n\r\n", b"hello", id="RFC 9112 7.1: leading zeros"),
    pytest.param(b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello", id="RFC 9112 7.1.1: extension"),
    pytest.param(
        b'5 ; a="x;y\xc3\xb1" ;c\r\nhello\r\n0;z\r\n\r\n', b"hello", id="RFC 9112 7.1.1: extensions"
    ),
    pytest.param(b"5\r\n\r\n\r\n\r\r\n0\r\n\r\n", b"\r\n\r\n\r", id="content that looks like line ends"),
    pytest.param(b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", id="content that looks like the end"),
    pytest.param(b"0\r\nDigest: a\r\nX-Y:\r\n\r\n", b"", id="RFC 9112 7.1.2: trailers"),
    pytest.param(
        b"1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n", b"a", id="RFC 9110 6.5.1: framing in a trailer"
    ),
]


@every_cut
@pytest.mark.parametrize(
    "trailing", [b"", b"\r\n", NEXT], ids=["alone", "an empty line more", "a request more"]
)
@pytest.mark.parametrize(("coded", "content"), CHUNKED)
def test_chunks_are_decoded_and_what_follows_is_handed_over(
    cut: Cut, trailing: bytes, coded: bytes, content: bytes
) -> None:
    body = ChunkedBody()
    assert read(body, cut(coded + trailing)) == (content, trailing)
    assert body.is_complete


@pytest.mark.parametrize(("coded", "content"), CHUNKED)
def test_chunks_are_complete_at_their_last_byte_and_no_earlier(coded: bytes, content: bytes) -> None:
    body = ChunkedBody()
    assert body.feed(coded[:-1]) == content
    assert not body.is_complete
    assert body.feed(coded[-1:]) == b""
    assert body.is_complete


@every_cut
@pytest.mark.parametrize(
    "coded",
    [
        pytest.param(b"\r\n", id="RFC 9112 7.1: no size"),
        pytest.param(b"5\r\nhello\r\n\r\n", id="RFC 9112 7.1: no size, later"),
        pytest.param(b";a=b\r\nhello\r\n", id="an extension and no size"),
        pytest.param(b" 5\r\nhello\r\n", id="space before the size"),
        pytest.param(b"5 \r\nhello\r\n", id="space after the size"),
        pytest.param(b"5\t\r\nhello\r\n", id="tab after the size"),
        pytest.param(b"+5\r\nhello\r\n", id="a sign"),
        pytest.param(b"-5\r\nhello\r\n", id="a negative size"),
        pytest.param(b"0x5\r\nhello\r\n", id="0x"),
        pytest.param(b"5_0\r\nhello\r\n", id="an underscore, which int() would take"),
        pytest.param(b"5,5\r\nhello\r\n", id="two sizes"),
        pytest.param(b"5.0\r\nhello\r\n", id="a fraction"),
        pytest.param(b"g\r\n", id="no hexadecimal digit"),
        pytest.param("\u0665\r\nhello\r\n".encode(), id="a digit that is not ASCII"),
        pytest.param(b"1000000000000000\r\n", id="a size of 16 digits"),
        pytest.param(b"0000000000000005\r\nhello\r\n", id="a size of 16 digits, all but one zero"),
        pytest.param(b"5\nhello\r\n0\r\n\r\n", id="RFC 9112 2.2: bare LF after the size"),
        pytest.param(b"5;a\nhello\r\n0\r\n\r\n", id="RFC 9112 2.2: bare LF in an extension"),
        pytest.param(b"5;a\rb\r\nhello\r\n0\r\n\r\n", id="RFC 9112 2.2: bare CR in an extension"),
        pytest.param(b"5;a\x00\r\nhello\r\n0\r\n\r\n", id="NUL in an extension"),
        pytest.param(b"5\rhello\r\n", id="RFC 9112 2.2: bare CR after the size"),
        pytest.param(b"5\r\nhelloX\r\n", id="content longer than its size"),
        pytest.param(b"5\r\nhell\r\n0\r\n\r\n", id="content shorter than its size"),
        pytest.param(b"5\r\nhello\n0\r\n\r\n", id="RFC 9112 2.2: bare LF after the content"),
        pytest.param(b"5\r\nhello\rX", id="RFC 9112 2.2: bare CR after the content"),
        pytest.param(b"0\r\n\n", id="bare LF for the empty line"),
        pytest.param(b"0\r\nX: y\n\r\n", id="bare LF after a trailer"),
        pytest.param(b"0\r\n folded\r\n\r\n", id="RFC 9112 5.2: a trailer that is folded"),
        pytest.param(b"0\r\nno colon\r\n\r\n", id="a trailer without a colon"),
        pytest.param(b"0\r\n: y\r\n\r\n", id="a trailer without a name"),
        pytest.param(b"0\r\nX : y\r\n\r\n", id="RFC 9112 5.1: space before a trailer's colon"),
        pytest.param(b"0\r\nX: \x00\r\n\r\n", id="NUL in a trailer"),
    ],
)
def test_malformed_chunks_are_refused_however_they_are_cut(cut: Cut, coded: bytes) -> None:
    assert is_refused(cut(coded + b"0\r\n\r\n"))


@every_cut
def test_a_chunk_line_may_have_1024_bytes_and_not_one_more(cut: Cut) -> None:
    line = b"1;" + b"x" * (MAX_CHUNK_LINE - 2)
    assert read(ChunkedBody(), cut(line + b"\r\na\r\n0\r\n\r\n")) == (b"a", b"")
    assert is_refused(cut(line + b"x" + b"\r\na\r\n0\r\n\r\n"))


def test_a_chunk_line_that_never_ends_is_refused_once_it_is_too_long() -> None:
    body = ChunkedBody()
    body.feed(b"1;" + b"x" * (MAX_CHUNK_LINE - 1))  # the last byte could still have been a CR
    with pytest.raises(BadMessage):
        body.feed(b"x")


@every_cut
def test_trailers_may_have_16_kib_together_and_not_one_byte_more(cut: Cut) -> None:
    trailers = b"A: " + b"x" * (8 * 1024 - 3) + b"\r\n" + b"B: " + b"x" * (8 * 1024 - 3) + b"\r\n"
    assert read(ChunkedBody(), cut(b"0\r\n" + trailers + b"\r\n" + NEXT)) == (b"", NEXT)
    assert is_refused(cut(b"0\r\n" + trailers[:-2] + b"x\r\n\r\n"))


def test_a_trailer_that_never_ends_is_refused_once_all_are_too_long() -> None:
    body = ChunkedBody()
    body.feed(b"0\r\nA: " + b"x" * 10_000 + b"\r\n")
    body.feed(b"B: " + b"x" * (MAX_TRAILER - 10_003 - 3 + 1))
    with pytest.raises(BadMessage):
        body.feed(b"x")


@given(
    data=st.data(),
    pieces=st.lists(st.binary(min_size=1, max_size=80), max_size=8),
    trailing=st.binary(max_size=40),
)
@examples(200)
def test_what_encode_chunk_wrote_is_read_back_in_any_cut(
    data: st.DataObject, pieces: list[bytes], trailing: bytes
) -> None:
    coded = b"".join(encode_chunk(piece) for piece in pieces) + LAST_CHUNK + trailing
    body = ChunkedBody()
    assert read(body, random_cut(data, coded)) == (b"".join(pieces), trailing)
    assert body.is_complete


FRAGMENTS = st.sampled_from(
    [
        b"\r\n",
        b"\r",
        b"\n",
        b"0",
        b"5",
        b"a",
        b"F",
        b";",
        b"; a=b",
        b" ",
        b"X: y",
        b"hello",
        b"0\r\n\r\n",
        b"\x00",
    ]
)


@given(data=st.data(), parts=st.lists(FRAGMENTS | st.binary(max_size=4), max_size=30))
@examples(400)
def test_arbitrary_bytes_are_read_alike_in_any_cut_and_raise_nothing_but_bad_message(
    data: st.DataObject, parts: list[bytes]
) -> None:
    """What is refused may be noticed a little earlier or later, but content and end are always the same."""
    stream = b"".join(parts)
    outcomes = []
    for pieces in ([stream], byte_by_byte(stream), random_cut(data, stream)):
        body = ChunkedBody()
        content = b""
        was_refused = False
        rest = b""
        try:
            for number, piece in enumerate(pieces):
                content += body.feed(piece)
                if body.is_complete:
                    rest = body.rest + b"".join(pieces[number + 1 :])
                    break
        except BadMessage:
            was_refused = True
            content = b""  # how much was decoded before the fault depends on the cut
        outcomes.append((content, body.is_complete, rest, was_refused))
    assert outcomes[0] == outcomes[1] == outcomes[2]


@given(pieces=st.lists(FRAGMENTS | st.binary(max_size=2000), max_size=60))
@examples(100)
def test_the_reader_keeps_no_more_than_one_line(pieces: list[bytes]) -> None:
    body = ChunkedBody()
    try:
        for piece in pieces:
            body.feed(piece)
            assert len(body._buffer) <= MAX_TRAILER + 1
            if body.is_complete:
                break
    except BadMessage:
        pass


def test_a_large_chunk_is_passed_on_as_it_comes_and_not_collected() -> None:
    body = ChunkedBody()
    piece = b"x" * 65536
    assert body.feed(b"%x\r\n" % (1000 * len(piece))) == b""
    tracemalloc.start()
    try:
        for _ in range(1000):
            assert len(body.feed(piece)) == len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(piece)
    assert body.feed(b"\r\n0\r\n\r\n") == b""
    assert body.is_complete


@pytest.mark.parametrize("size", [1, 9, 15, 16, 255, 65536])
def test_encode_chunk_writes_the_size_in_hexadecimal(size: int) -> None:
    assert encode_chunk(b"x" * size) == f"{size:x}\r\n".encode() + b"x" * size + b"\r\n"


def random_cut(data: st.DataObject, stream: bytes) -> list[bytes]:
    """Cut ``stream`` in a few places that Hypothesis chooses; some pieces are empty."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12), label="cuts"))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
