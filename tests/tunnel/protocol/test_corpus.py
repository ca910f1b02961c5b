"""A kept corpus, and what a seed makes of it: the link's two ends and the request parser raise nothing else.

``tests/tunnel/corpus``: add what once broke something.  TUNELAB_FUZZ_FACTOR multiplies the runs.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path

import pytest

from tests.tunnel.protocol.kit import EVERYTHING, START_S, Pair, open_session
from tunnel.http.errors import BadMessage
from tunnel.http.head import find_head_end, parse_request_head
from tunnel.protocol.session import Role, Session, SessionState

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
RUNS = 300 * int(os.environ.get("TUNELAB_FUZZ_FACTOR", "1"))

LINK = sorted((CORPUS / "link").iterdir())
REQUESTS = sorted((CORPUS / "request").iterdir())
ALL = [path.read_bytes() for path in LINK + REQUESTS]


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Return ``data`` with a few changes: bits, bytes, pieces dropped, repeated or taken from the others."""
    changed = bytearray(data)
    for _ in range(draw.randint(0, 4)):
        place, size = draw.randrange(len(changed) + 1), draw.randint(1, 8)
        kind = draw.randrange(5)
        if kind == 0 and place < len(changed):
            changed[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed[place : place + size] = draw.randbytes(size)
        elif kind == 2:
            del changed[place : place + size]
        elif kind == 3:
            changed[place:place] = changed[place : place + size]
        else:
            other = draw.choice(ALL)
            start = draw.randrange(len(other))
            changed[place:place] = other[start : start + draw.randint(1, 64)]
    return bytes(changed)


def feed(session: Session, data: bytes, draw: random.Random) -> None:
    """Hand over ``data`` in pieces; what the session answers stays small."""
    sent = 0
    while data:
        size = draw.randint(1, len(data))
        session.receive_data(data[:size], START_S)
        data = data[size:]
        sent += sum(len(piece) for piece in session.data_to_send(EVERYTHING))
    assert sent < 100_000
    assert (session.error is not None) <= (session.state is SessionState.CLOSED)


@pytest.mark.parametrize("path", LINK, ids=[path.name for path in LINK])
@pytest.mark.parametrize("role", Role, ids=[role.name for role in Role])
@pytest.mark.parametrize("is_open", [False, True], ids=["handshake", "open"])
def test_no_bytes_of_a_link_make_a_session_raise(path: Path, role: Role, is_open: bool) -> None:
    draw = random.Random(f"{path.name} {role.name} {is_open}")
    data = path.read_bytes()
    for _ in range(RUNS):
        session = open_session(role)[0] if is_open else Pair(handshake=False).end(role)
        feed(session, mutated(data, draw), draw)


@pytest.mark.parametrize("path", REQUESTS, ids=[path.name for path in REQUESTS])
def test_no_bytes_of_a_request_make_the_parser_raise_anything_but_what_it_declares(path: Path) -> None:
    draw = random.Random(path.name)
    data = path.read_bytes()
    assert parse_request_head(data).method.isalpha()
    for _ in range(10 * RUNS):
        changed = mutated(data, draw)
        with suppress(BadMessage):
            end = find_head_end(changed)
            parse_request_head(changed[:end] if end > 0 else changed)
