"""What a websocket client may do, right and wrong, after the Autobahn suite's list (sections 1-7, 9).

A case is what to send, in steps; after each step so many answers (echoes and pongs) are awaited, so that what
comes back is in one order only.  After a violation nothing is sent: the service closes by itself.  The frames
are RFC 6455's, section 5.2, made here by hand and masked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["CASES", "Case", "frame"]

MIB = 1 << 20

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_KEY = b"\x37\xfa\x21\x3d"


@dataclass(frozen=True, slots=True)
class Case:
    """``steps`` are bytes and how many answers come of them; ``chop`` bytes are sent at a time."""

    name: str
    steps: tuple[tuple[bytes, int], ...]
    chop: int = 0


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0) -> bytes:
    """Return a masked frame."""
    size = len(payload)
    head = bytes([fin << 7 | reserved << 4 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    key = (_KEY * (size // 4 + 1))[:size]
    return head + _KEY + (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def _close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def _fragments(opcode: int, *pieces: bytes) -> bytes:
    """Return a message of these fragments."""
    last = len(pieces) - 1
    return b"".join(
        frame(CONT if number else opcode, piece, fin=number == last) for number, piece in enumerate(pieces)
    )


_BYE = (_close(1000), 0)


def _framing() -> Iterator[Case]:
    for opcode, section in ((TEXT, "1.1"), (BINARY, "1.2")):
        for size in (0, 125, 126, 127, 128, 65535, 65536):
            yield Case(f"{section}: {size} bytes", ((frame(opcode, b"*" * size), 1), _BYE))
        yield Case(f"{section}: 65536 bytes, 997 at a time", ((frame(opcode, b"*" * 65536), 1), _BYE), 997)


def _pings() -> Iterator[Case]:
    ten = b"".join(frame(PING, b"%d" % number) for number in range(10))
    for name, data, answers in (
        ("2.1: ping", frame(PING), 1),
        ("2.2: ping with a payload", frame(PING, b"Hello"), 1),
        ("2.3: ping with a binary payload", frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), 1),
        ("2.4: ping of 125 bytes", frame(PING, b"\xfe" * 125), 1),
        ("2.7: pong unasked", frame(PONG), 0),
        ("2.8: pong unasked with a payload", frame(PONG, b"unasked"), 0),
        ("2.9: pong unasked, then ping", frame(PONG, b"unasked") + frame(PING, b"asked"), 1),
        ("2.10: ten pings", ten, 10),
    ):
        yield Case(name, ((data, answers), _BYE))
    yield Case("2.5: ping of 126 bytes", ((frame(PING, b"\xfe" * 126), 0),))
    yield Case("2.6: ping byte by byte", ((frame(PING, b"\xfe" * 125), 1), _BYE), 1)
    yield Case("2.11: ten pings byte by byte", ((ten, 10), _BYE), 1)


def _reserved() -> Iterator[Case]:
    hello = (frame(TEXT, b"hello"), 1)
    for bits in range(1, 8):
        for opcode in (TEXT, BINARY, PING, CLOSE):
            bad = frame(opcode, b"", reserved=bits)
            yield Case(f"3: reserved bits {bits} on opcode {opcode}", (hello, (bad, 0)))
    for opcode in (*range(3, 8), *range(11, 16)):
        for payload in (b"", b"reserved"):
            name = f"4: opcode {opcode}, {len(payload)} bytes"
            yield Case(name, (hello, (frame(opcode, payload), 0)))
            yield Case(name + ", byte by byte", (hello, (frame(opcode, payload), 0)), 1)


def _fragmentation() -> Iterator[Case]:
    first, last = frame(TEXT, b"fragment1", fin=False), frame(CONT, b"fragment2")
    ping = frame(PING, b"between")
    for name, data, answers in (
        ("5.1: ping in fragments", frame(PING, b"a", fin=False) + frame(CONT, b"b"), 0),
        ("5.2: pong in fragments", frame(PONG, b"a", fin=False) + frame(CONT, b"b"), 0),
        ("5.3: text in two fragments", first + last, 1),
        ("5.6: a ping between two fragments", first + ping + last, 2),
        ("5.9: a continuation of nothing", frame(CONT, b"nothing") + frame(TEXT, b"hello"), 0),
        ("5.12: a continuation of nothing, not the last", frame(CONT, b"nothing", fin=False), 0),
        ("5.18: a new text within one", first + frame(TEXT, b"another"), 0),
        ("5.19: pings between five fragments", _with_pings(), 3),
        ("5: a close between two fragments", first + _close(1000), 0),
        ("5: empty fragments", _fragments(TEXT, b"", b"", b""), 1),
        ("5: an empty fragment in the middle", _fragments(BINARY, b"a", b"", b"b"), 1),
        ("5: a thousand fragments of a byte", _fragments(BINARY, *[b"x"] * 1000), 1),
    ):
        steps = ((data, answers), _BYE) if answers else ((data, 0),)
        yield Case(name, steps)
        yield Case(name + ", byte by byte", steps, 1)
    after_the_end = ((first + last, 1), (frame(CONT, b"more", fin=False), 0))
    yield Case("5.15: a continuation after the end", after_the_end)


def _with_pings() -> bytes:
    pieces = [frame(CONT if n else TEXT, b"fragment%d" % n, fin=n == 4) for n in range(5)]
    return pieces[0] + pieces[1] + frame(PING, b"1") + pieces[2] + pieces[3] + frame(PING, b"2") + pieces[4]


_VALID = "κόσμε ñandú 🦤 \U0010ffff \ufffe \u0000 \u07ff \uffff".encode()

_INVALID = {
    "6.3: a broken sequence": b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    "6.8: a first byte and no more": b"\xc0",
    "6.10: five bytes": b"\xf8\x88\x80\x80\x80",
    "6.10: six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "6.11: past the last character": b"\xf4\x90\x80\x80",
    "6.12: a continuation alone": b"\x80",
    "6.13: six continuations": b"\x80\xbf\x80\xbf\x80\xbf",
    "6.14: a lonely start": b"\xc3 ",
    "6.15: an end too early": b"\xe0\x80",
    "6.17: never in UTF-8": b"\xfe\xff",
    "6.18: too long a form": b"\xc0\xaf",
    "6.19: too long a form of four": b"\xf0\x80\x80\xaf",
    "6.21: a surrogate": b"\xed\xa0\x80",
    "6.21: a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
}


def _utf8() -> Iterator[Case]:
    yield Case("6.1: empty", ((frame(TEXT), 1), _BYE))
    yield Case("6.2: valid", ((frame(TEXT, _VALID), 1), _BYE))
    one_by_one = _fragments(TEXT, *[_VALID[i : i + 1] for i in range(len(_VALID))])
    yield Case("6.2: valid, a fragment a byte", ((one_by_one, 1), _BYE))
    yield Case("6.2: valid, byte by byte", ((frame(TEXT, _VALID), 1), _BYE), 1)
    for name, payload in _INVALID.items():
        yield Case(name, ((frame(TEXT, payload), 0),))
        halves = _fragments(TEXT, b"valid " + payload[:1], payload[1:])
        yield Case(name + ", in two fragments", ((halves, 0),))
        yield Case(name + ", as binary", ((frame(BINARY, payload), 1), _BYE))


def _closing() -> Iterator[Case]:
    hello = frame(TEXT, b"hello")
    yield Case("7.1.1: a message, then close", ((hello, 1), _BYE))
    yield Case("7.1.2: two closes", ((_close(1000) + _close(1000), 0),))
    yield Case("7.1.3: a ping after the close", ((_close(1000) + frame(PING), 0),))
    yield Case("7.1.4: a message after the close", ((_close(1000) + hello, 0),))
    yield Case("7.1.5: a close in a fragmented message", ((frame(TEXT, b"a", fin=False) + _close(1000), 0),))
    yield Case("7.3.1: a close without a payload", ((frame(CLOSE), 0),))
    yield Case("7.3.2: a close of one byte", ((frame(CLOSE, b"\x03"), 0),))
    yield Case("7.3.3: a close with a code", ((_close(1000), 0),))
    yield Case("7.3.4: a close with a reason", ((_close(1000, b"Hello World!"), 0),))
    yield Case("7.3.5: a close of 125 bytes", ((_close(1000, b"*" * 123), 0),))
    yield Case("7.3.6: a close of 126 bytes", ((_close(1000, b"*" * 124), 0),))
    yield Case("7.5.1: a reason that is no UTF-8", ((_close(1000, _INVALID["6.21: a surrogate"]), 0),))
    valid = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    invalid = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
    for code in (*valid, *invalid):
        yield Case(f"7.7 and 7.9: close with {code}", ((_close(code), 0),))


def _large() -> Iterator[Case]:
    for opcode, section in ((TEXT, "9.1"), (BINARY, "9.2")):
        for size in (MIB // 16, MIB // 4, MIB, 4 * MIB, 8 * MIB, 16 * MIB):
            yield Case(f"{section}: {size} bytes", ((frame(opcode, b"*" * size), 1), _BYE))
    for opcode, section in ((TEXT, "9.3"), (BINARY, "9.4")):
        for size in (256, 4096, 65536, MIB):
            pieces = _fragments(opcode, *[b"*" * size] * (MIB // size))
            yield Case(f"{section}: 1 MiB in fragments of {size}", ((pieces, 1), _BYE))
    for chop in (64, 256, 1024):
        yield Case(f"9.5: 256 KiB, {chop} at a time", ((frame(TEXT, b"*" * (MIB // 4)), 1), _BYE), chop)
    for size in (0, 16, 64, 256):
        many = frame(BINARY, b"*" * size) * 1000
        yield Case(f"9.7: a thousand messages of {size} bytes", ((many, 1000), _BYE))


CASES = (
    *_framing(),
    *_pings(),
    *_reserved(),
    *_fragmentation(),
    *_utf8(),
    *_closing(),
    *_large(),
)
