"""The codec of frames: whole, byte by byte, in random chunks, with trailing data, at each limit."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import examples, frame, in_chunks
from tunnel.protocol.errors import ProtocolViolation
from tunnel.protocol.frames import HEADER_BYTES, FrameDecoder, FrameType, encode_frame

KIB = 1024

# Written out once more, and not taken from the code, so that a limit cannot change unnoticed.
LIMITS = {
    FrameType.HELLO: 16 * KIB,
    FrameType.CHALLENGE: 16 * KIB,
    FrameType.CLAIM: 16 * KIB,
    FrameType.GRANT: 16 * KIB,
    FrameType.REFUSE: 16 * KIB,
    FrameType.PING: 16 * KIB,
    FrameType.PONG: 16 * KIB,
    FrameType.GOAWAY: 16 * KIB,
    FrameType.HEALTH: 16 * KIB,
    FrameType.OPEN: 128 * KIB,
    FrameType.HEAD: 128 * KIB,
    FrameType.DATA: 64 * KIB,
    FrameType.END: 16 * KIB,
    FrameType.RESET: 16 * KIB,
    FrameType.CREDIT: 16 * KIB,
}
NUMBERS = {
    "HELLO": 1,
    "CHALLENGE": 2,
    "CLAIM": 3,
    "GRANT": 4,
    "REFUSE": 5,
    "PING": 6,
    "PONG": 7,
    "GOAWAY": 8,
    "HEALTH": 9,
    "OPEN": 16,
    "HEAD": 17,
    "DATA": 18,
    "END": 19,
    "RESET": 20,
    "CREDIT": 21,
}
LARGEST_INCOMPLETE_FRAME = HEADER_BYTES + 128 * KIB - 1

every_type = pytest.mark.parametrize("kind", FrameType, ids=lambda kind: kind.name)


def stream_of(kind: FrameType) -> int:
    """Return a stream on which ``kind`` may travel."""
    return 0 if kind < FrameType.OPEN else 7


def decode(decoder: FrameDecoder, *chunks: bytes) -> list[tuple[int, int, bytes]]:
    """Feed ``chunks`` one after the other; return all the frames."""
    return [one for chunk in chunks for one in decoder.receive_data(chunk)]


def whole(data: bytes) -> list[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    return in_chunks(data, 1)


def with_empty_chunks(data: bytes) -> list[bytes]:
    return [b"", data[:5], b"", b"", data[5:], b""]


def header_apart(data: bytes) -> list[bytes]:
    return [data[:HEADER_BYTES], data[HEADER_BYTES:]]


every_feed = pytest.mark.parametrize(
    "feed", [whole, byte_by_byte, with_empty_chunks, header_apart], ids=lambda feed: feed.__name__
)


def test_the_numbers_of_the_frame_types_are_the_documented_ones() -> None:
    assert {kind.name: kind.value for kind in FrameType} == NUMBERS
    assert set(LIMITS) == set(FrameType)


@pytest.mark.parametrize(
    ("kind", "stream_id", "payload", "data"),
    [
        (FrameType.PING, 0, b"12345678", b"\x06\x00\x00\x08\x00\x00\x00\x0012345678"),
        (FrameType.DATA, 1, b"hola", b"\x12\x00\x00\x04\x00\x00\x00\x01hola"),
        (FrameType.END, 0xFFFFFFFF, b"", b"\x13\x00\x00\x00\xff\xff\xff\xff"),
        (
            FrameType.CREDIT,
            0x01020304,
            b"\x00\x01\x00\x00",
            b"\x15\x00\x00\x04\x01\x02\x03\x04\x00\x01\x00\x00",
        ),
        (FrameType.HEAD, 2, b"x" * 0x12345, b"\x11\x01\x23\x45\x00\x00\x00\x02" + b"x" * 0x12345),
    ],
    ids=["ping", "data", "end on the last stream", "credit", "three bytes of length"],
)
def test_a_frame_is_these_bytes(kind: FrameType, stream_id: int, payload: bytes, data: bytes) -> None:
    assert encode_frame(kind, stream_id, payload) == data
    assert decode(FrameDecoder(), data) == [(kind, stream_id, payload)]


@every_type
@every_feed
@pytest.mark.parametrize("size", [0, 1, 300])
def test_a_frame_comes_out_as_it_went_in(
    kind: FrameType, feed: Callable[[bytes], list[bytes]], size: int
) -> None:
    payload = bytes(range(256)) * 2
    data = encode_frame(kind, stream_of(kind), payload[:size])
    decoder = FrameDecoder()
    assert decode(decoder, *feed(data)) == [(kind, stream_of(kind), payload[:size])]
    assert decoder.buffered_bytes == 0


@every_type
def test_a_frame_comes_out_with_its_last_byte_and_not_before(kind: FrameType) -> None:
    data = encode_frame(kind, stream_of(kind), b"payload")
    decoder = FrameDecoder()
    for position in range(len(data) - 1):
        assert decode(decoder, data[position : position + 1]) == []
        assert decoder.buffered_bytes == position + 1
    assert decode(decoder, data[-1:]) == [(kind, stream_of(kind), b"payload")]


@every_type
@pytest.mark.parametrize("trailing", [1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 3])
def test_bytes_past_a_frame_wait_for_the_rest_of_theirs(kind: FrameType, trailing: int) -> None:
    first = encode_frame(kind, stream_of(kind), b"first")
    second = encode_frame(FrameType.DATA, 9, b"second")
    decoder = FrameDecoder()
    assert decode(decoder, first + second[:trailing]) == [(kind, stream_of(kind), b"first")]
    assert decoder.buffered_bytes == trailing
    assert decode(decoder, second[trailing:]) == [(FrameType.DATA, 9, b"second")]
    assert decoder.buffered_bytes == 0


@every_type
def test_a_payload_at_its_limit_is_taken(kind: FrameType) -> None:
    payload = b"p" * LIMITS[kind]
    data = encode_frame(kind, stream_of(kind), payload)
    expected = [(kind, stream_of(kind), payload)]
    assert decode(FrameDecoder(), data) == expected
    assert decode(FrameDecoder(), *in_chunks(data, 1000)) == expected
    assert decode(FrameDecoder(), data[:-1], data[-1:] + b"\x12") == expected


@every_type
def test_a_payload_one_past_its_limit_is_refused_from_its_header_alone(kind: FrameType) -> None:
    header = frame(kind, stream_of(kind), b"p" * (LIMITS[kind] + 1))[:HEADER_BYTES]
    with pytest.raises(ProtocolViolation, match=f"{kind.name} payload of {LIMITS[kind] + 1} bytes"):
        decode(FrameDecoder(), header)


@every_type
def test_a_frame_on_the_wrong_kind_of_stream_is_refused(kind: FrameType) -> None:
    wrong = [1, 2**31, 2**32 - 1] if kind < FrameType.OPEN else [0]
    for stream_id in wrong:
        with pytest.raises(ProtocolViolation, match=f"{kind.name} on stream {stream_id}"):
            decode(FrameDecoder(), frame(kind, stream_id, b""))


@pytest.mark.parametrize("kind", sorted(set(range(256)) - set(FrameType)))
def test_an_unknown_type_is_refused(kind: int) -> None:
    for stream_id in (0, 1):
        with pytest.raises(ProtocolViolation, match=f"unknown frame type {kind}$"):
            decode(FrameDecoder(), frame(kind, stream_id))


def test_frames_before_a_violation_come_out_first() -> None:
    frames = FrameDecoder().receive_data(frame(FrameType.DATA, 1, b"good") + frame(99))
    assert next(frames) == (FrameType.DATA, 1, b"good")
    with pytest.raises(ProtocolViolation):
        next(frames)


def legal_frames() -> st.SearchStrategy[tuple[FrameType, int, bytes]]:
    """Frames that the decoder must take, now and then as long as may be."""

    def of(kind: FrameType) -> st.SearchStrategy[tuple[FrameType, int, bytes]]:
        ids = st.just(0) if kind < FrameType.OPEN else st.integers(1, 2**32 - 1)
        sizes = st.integers(0, 40) | st.integers(LIMITS[kind] - 2, LIMITS[kind])
        payloads = st.binary(max_size=40) | sizes.map(lambda size: b"\xa5" * size)
        return st.tuples(st.just(kind), ids, payloads)

    return st.sampled_from(FrameType).flatmap(of)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut ``data`` at each of ``cuts``, which need not be within it or in order."""
    places = [0, *sorted(place % (len(data) + 1) for place in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


@examples(300)
@given(frames=st.lists(legal_frames(), max_size=8), cuts=st.lists(st.integers(0, 2**20), max_size=30))
def test_frames_survive_any_chunking(frames: list[tuple[FrameType, int, bytes]], cuts: list[int]) -> None:
    data = b"".join(encode_frame(*one) for one in frames)
    assert data == b"".join(frame(*one) for one in frames)
    decoder = FrameDecoder()
    assert decode(decoder, *cut(data, cuts)) == frames
    assert decoder.buffered_bytes == 0


@examples(500)
@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=10))
def test_arbitrary_bytes_raise_nothing_but_a_violation(data: bytes, cuts: list[int]) -> None:
    decoder = FrameDecoder()
    try:
        for chunk in cut(data, cuts):
            for kind, _, payload in decoder.receive_data(chunk):
                assert len(payload) <= LIMITS[FrameType(kind)]
            assert decoder.buffered_bytes <= LARGEST_INCOMPLETE_FRAME
    except ProtocolViolation:
        pass


@examples(200)
@given(
    frames=st.lists(legal_frames(), max_size=5),
    tail=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, 2**20), max_size=10),
)
def test_the_chunking_does_not_change_what_is_refused(
    frames: list[tuple[FrameType, int, bytes]], tail: bytes, cuts: list[int]
) -> None:
    data = b"".join(encode_frame(*one) for one in frames) + tail

    def outcome(chunks: list[bytes]) -> tuple[list[tuple[int, int, bytes]], str]:
        decoder = FrameDecoder()
        seen: list[tuple[int, int, bytes]] = []
        try:
            for chunk in chunks:
                seen.extend(decoder.receive_data(chunk))
                assert decoder.buffered_bytes <= LARGEST_INCOMPLETE_FRAME
        except ProtocolViolation as violation:
            return seen, str(violation)
        return seen, f"{decoder.buffered_bytes} bytes wait"

    assert outcome(cut(data, cuts)) == outcome([data])


def test_the_decoder_keeps_one_incomplete_frame_and_no_more() -> None:
    decoder = FrameDecoder()
    chunks = in_chunks(frame(FrameType.OPEN, 1, b"x" * 128 * KIB) * 20, 50_001)
    tracemalloc.start()
    try:
        most = 0
        for chunk in chunks:
            for one in decoder.receive_data(chunk):
                del one
            assert decoder.buffered_bytes <= LARGEST_INCOMPLETE_FRAME
            most = max(most, tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert 100 * KIB < most < 300 * KIB
