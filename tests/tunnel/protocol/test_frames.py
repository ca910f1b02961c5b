"""The codec of frames: whole, byte by byte, in random chunks, with trailing data, at each limit."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
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
every_whole_type = pytest.mark.parametrize(
    "kind", [kind for kind in FrameType if kind != FrameType.DATA], ids=lambda kind: kind.name
)


def stream_of(kind: FrameType) -> int:
    """Return a stream on which ``kind`` may travel."""
    return 0 if kind < FrameType.OPEN else 7


def decode(decoder: FrameDecoder, *chunks: bytes) -> list[tuple[int, int, bytes]]:
    """Feed ``chunks`` one after the other; return all the frames, see ``joined``."""
    return joined([one for chunk in chunks for one in decoder.receive_data(chunk)])


def joined(frames: Sequence[tuple[int, int, bytes | memoryview]]) -> list[tuple[int, int, bytes]]:
    """Return ``frames`` with DATA of one stream that comes in a row put together: its boundaries are lost."""
    out: list[tuple[int, int, bytes]] = []
    for kind, stream_id, payload in frames:
        if kind == FrameType.DATA and out and out[-1][:2] == (kind, stream_id):
            payload = out.pop()[2] + payload
        out.append((kind, stream_id, bytes(payload)))
    return out


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


def test_data_comes_out_as_it_comes_in() -> None:
    data = encode_frame(FrameType.DATA, 7, b"payload") + encode_frame(FrameType.END, 7)
    decoder = FrameDecoder()
    assert list(decoder.receive_data(data[: HEADER_BYTES - 1])) == []
    assert decoder.buffered_bytes == HEADER_BYTES - 1
    assert list(decoder.receive_data(data[HEADER_BYTES - 1 : HEADER_BYTES])) == []
    assert list(decoder.receive_data(data[HEADER_BYTES : HEADER_BYTES + 3])) == [(FrameType.DATA, 7, b"pay")]
    assert decoder.buffered_bytes == 0
    assert list(decoder.receive_data(b"")) == []
    assert list(decoder.receive_data(data[HEADER_BYTES + 3 :])) == [
        (FrameType.DATA, 7, b"load"),
        (FrameType.END, 7, b""),
    ]


@pytest.mark.parametrize("shares", [True, False])
def test_data_that_is_large_is_a_view_and_what_is_small_is_never_one(shares: bool) -> None:
    large = b"l" * 16 * KIB
    frames = [(FrameType.DATA, 1, large), (FrameType.DATA, 2, b"small"), (FrameType.HEAD, 3, large)]
    arrived = b"".join(encode_frame(*one) for one in frames)
    came = list(FrameDecoder(shares=shares).receive_data(arrived))
    assert came == frames
    assert [type(payload) for _, _, payload in came] == [memoryview if shares else bytes, bytes, bytes]


def test_data_that_is_a_small_part_of_what_arrived_is_no_view() -> None:
    frames = [(FrameType.DATA, stream_id, b"l" * 20 * KIB) for stream_id in range(1, 6)]
    arrived = b"".join(encode_frame(*one) for one in frames)
    came = list(FrameDecoder().receive_data(arrived))
    assert came == frames
    assert {type(payload) for _, _, payload in came} == {bytes}


def test_data_in_small_pieces_of_a_large_read_is_no_view() -> None:
    filler = encode_frame(FrameType.PING, 0, b"f" * 16 * KIB)
    large = encode_frame(FrameType.DATA, 1, b"l" * 20 * KIB)
    decoder = FrameDecoder()
    first = list(decoder.receive_data(filler + large[: HEADER_BYTES + 100]))
    second = list(decoder.receive_data(large[HEADER_BYTES + 100 :]))
    third = list(decoder.receive_data(large[:-100]))
    fourth = list(decoder.receive_data(large[-100:] + filler))
    assert [type(payload) for _, _, payload in first] == [bytes, bytes]
    assert [type(payload) for _, _, payload in second + third] == [memoryview, memoryview]
    assert [type(payload) for _, _, payload in fourth] == [bytes, bytes]


@every_whole_type
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
    came = list(decoder.receive_data(first + second[:trailing]))
    assert came[0] == (kind, stream_of(kind), b"first")
    assert decoder.buffered_bytes == (trailing if trailing < HEADER_BYTES else 0)
    came += decoder.receive_data(second[trailing:])
    assert joined(came[1:]) == [(FrameType.DATA, 9, b"second")]
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
    assert decode(decoder, *cut(data, cuts)) == joined(frames)
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
        seen: list[tuple[int, int, bytes | memoryview]] = []
        try:
            for chunk in chunks:
                seen.extend(decoder.receive_data(chunk))
                assert decoder.buffered_bytes <= LARGEST_INCOMPLETE_FRAME
        except ProtocolViolation as violation:
            return joined(seen), str(violation)
        return joined(seen), f"{decoder.buffered_bytes} bytes wait"

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
