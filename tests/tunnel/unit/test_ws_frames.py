"""Binary frames that go past the websockets library, held against what it makes of the same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from tunnel.transport.ws_frames import FrameCutter, encode_binary

LIMIT = 70_000

SIZES = st.sampled_from([0, 1, 2, 3, 5, 125, 126, 127, 300, 65535, 65536, LIMIT])


def payload(size: int) -> bytes:
    return bytes(number * 7 & 0xFF for number in range(size))


def library(side: Side) -> Protocol:
    return Protocol(side, state=State.OPEN, max_size=LIMIT)


def with_the_cutter(chunks: Iterable[bytes], side: Side) -> tuple[bytes, int]:
    """Return all binary content, and the code with which the library failed, or 0."""
    cutter, ws = FrameCutter(side is Side.SERVER, LIMIT), library(side)
    content = b""
    for chunk in chunks:
        for is_ours, piece in cutter.cut(chunk):
            if is_ours:
                assert piece
                content += piece
            else:
                ws.receive_data(piece)
                content += binary_of(ws)
                if ws.state is not State.OPEN:
                    return content, ws.close_sent.code if ws.close_sent else 0
    return content, 0


def binary_of(ws: Protocol) -> bytes:
    frames = [event for event in ws.events_received() if isinstance(event, Frame)]
    return b"".join(frame.data for frame in frames if frame.opcode in (Opcode.BINARY, Opcode.CONT))


@st.composite
def messages(draw: st.DrawFn) -> list[Frame]:
    """One message, whole or in frames, with control frames wherever they may be."""
    kind = draw(st.sampled_from([Opcode.BINARY, Opcode.BINARY, Opcode.BINARY, Opcode.PING, Opcode.PONG]))
    if kind is not Opcode.BINARY:
        return [Frame(kind, payload(draw(st.integers(0, 125))))]
    parts = draw(st.integers(1, 3))
    if parts == 1:
        return [Frame(kind, payload(draw(SIZES)))]
    frames = []
    for number in range(parts):
        size = draw(st.integers(0, 200))
        frames.append(Frame(Opcode.CONT if number else kind, payload(size), fin=number == parts - 1))
        if number < parts - 1 and draw(st.booleans()):
            frames.append(Frame(Opcode.PING, b"?"))
    return frames


@given(
    st.lists(messages(), max_size=6),
    st.sampled_from([Side.SERVER, Side.CLIENT]),
    st.lists(st.integers(0, 3000), max_size=20),
)
@example([[Frame(Opcode.BINARY, payload(LIMIT))]], Side.SERVER, [*range(20)])
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_what_arrives_is_what_the_library_reads(said: list[list[Frame]], side: Side, cuts: list[int]) -> None:
    data = b"".join(frame.serialize(mask=side is Side.SERVER) for frames in said for frame in frames)
    ws = library(side)
    ws.receive_data(data)
    assert ws.state is State.OPEN
    bounds = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    chunks = [data[start:end] for start, end in pairwise(bounds)]
    assert with_the_cutter(chunks, side) == (binary_of(ws), 0)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (Frame(Opcode.BINARY, b"x").serialize(mask=False), 1002),
        (b"\xc2\x81\0\0\0\0x", 1002),  # a reserved bit
        (b"\x83\x81\0\0\0\0x", 1002),  # an opcode that there is not
        (b"\x80\x81\0\0\0\0x", 1002),  # the end of a message that never began
        (b"\x02\x81\0\0\0\0x\x82\x81\0\0\0\0x", 1002),  # a message inside another
        (b"\x02\x81\0\0\0\0x\x81\x81\0\0\0\0x", 1002),
        (b"\x09\x81\0\0\0\0x", 1002),  # a fragmented ping
        (b"\x82\xff\0\0\0\0" + (LIMIT + 1).to_bytes(4, "big") + b"\0\0\0\0", 1009),
        (b"\x82\xff" + b"\xff" * 8 + b"\0\0\0\0", 1009),
        (b"\x88\x82\0\0\0\0\x03\xe8", 1000),  # a close
    ],
    ids=[
        "no mask",
        "bit",
        "opcode",
        "continuation",
        "nested",
        "nested text",
        "ping",
        "large",
        "huge",
        "close",
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_what_is_not_in_order_is_left_to_the_library(data: bytes, code: int, step: int) -> None:
    before = Frame(Opcode.BINARY, b"antes").serialize(mask=True)
    after = Frame(Opcode.BINARY, b"nunca").serialize(mask=True)
    data = before + data + after
    chunks = [data[start : start + step] for start in range(0, len(data), step)]
    content, found = with_the_cutter(chunks, Side.SERVER)
    assert found == code
    assert content in (b"antes", b"antesx")  # of a fragmented message the part before the fault


@pytest.mark.parametrize("side", [Side.SERVER, Side.CLIENT])
@pytest.mark.parametrize("sizes", [[0], [1], [8, 117], [8, 118], [65535], [65536], [30_000] * 2, [LIMIT]])
def test_the_library_reads_what_is_sent(side: Side, sizes: list[int]) -> None:
    pieces: list[bytes | memoryview] = [payload(size) for size in sizes]
    ws = library(side)
    ws.receive_data(b"".join(encode_binary(pieces, side is Side.SERVER, LIMIT)))
    [frame] = ws.events_received()
    assert frame == Frame(Opcode.BINARY, b"".join(pieces))


def test_more_than_a_message_may_hold_leaves_in_several() -> None:
    pieces: list[bytes | memoryview] = [payload(LIMIT), memoryview(payload(LIMIT)), b"y"]
    ws = library(Side.SERVER)
    ws.receive_data(b"".join(encode_binary(pieces, True, LIMIT)))
    frames = [event for event in ws.events_received() if isinstance(event, Frame)]
    assert [len(frame.data) for frame in frames] == [LIMIT, LIMIT, 1]
    assert b"".join(frame.data for frame in frames) == b"".join(pieces)


def test_no_two_messages_are_masked_alike() -> None:
    first, second = (b"".join(encode_binary([b"igual"], True, LIMIT)) for _ in range(2))
    assert first != second


def test_a_large_piece_is_not_copied_and_a_small_one_holds_nothing_but_itself() -> None:
    data = Frame(Opcode.BINARY, payload(40_000)).serialize(mask=False)
    data += Frame(Opcode.BINARY, payload(300)).serialize(mask=False)
    large, small = (piece for _, piece in FrameCutter(False, LIMIT).cut(data))
    assert isinstance(large, memoryview)
    assert large.obj is data
    assert isinstance(small, bytes)
