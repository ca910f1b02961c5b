"""What atheris feeds: ``fuzz.py TARGET [libFuzzer's options] [folders of inputs]``; new ones go to the first.

Each target takes bytes, and raises where something is wrong: an exception that is not declared, memory that
grows, two readings of the same bytes.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["tunnel"], enable_loader_override=False):
    from tunnel.http.body import ChunkedBody
    from tunnel.http.errors import BadMessage
    from tunnel.http.fields import request_fields, response_fields
    from tunnel.http.head import find_head_end, parse_request_head, parse_response_head
    from tunnel.http.wire import decode_head, decode_open, encode_head, encode_open
    from tunnel.protocol.errors import ProtocolViolation
    from tunnel.protocol.frames import DATA, HEADER_BYTES, MAX_HEAD_PAYLOAD_BYTES, Frame, FrameDecoder
    from tunnel.protocol.session import Role, Session, SessionState

from tests.tunnel.protocol.kit import EVERYTHING, START_S, Pair, open_session

_MAX_ANSWER_BYTES = 100_000
_MAX_MEMORY_BYTES = 1 << 30  # libFuzzer's own limit looks at a peak that a program inherits from its parent


def _pieces(data: bytes) -> list[bytes]:
    """Cut ``data`` at places that its first byte chooses."""
    size = data[0] + 1 if data else 1
    return [data[start : start + size] for start in range(1, len(data), size)]


def frames(data: bytes) -> None:
    """The frame decoder reads the same however its input is cut, and keeps no more than one frame.

    DATA comes out as its bytes come in: what counts is what there is of it, one piece after the other.
    """

    def read(pieces: list[bytes]) -> tuple[list[Frame], str]:
        decoder, found = FrameDecoder(), list[Frame]()
        try:
            for piece in pieces:
                for kind, stream_id, payload in decoder.receive_data(piece):
                    if found and kind == DATA and payload and found[-1][:2] == (kind, stream_id):
                        payload = found.pop()[2] + bytes(payload)
                    found.append((kind, stream_id, bytes(payload)))
                assert decoder.buffered_bytes <= HEADER_BYTES + MAX_HEAD_PAYLOAD_BYTES
        except ProtocolViolation as violation:
            return found, str(violation)
        return found, ""

    cut, whole = read(_pieces(data)), read([data[1:]])
    assert cut[1] == whole[1]
    assert cut[1] or cut == whole  # a violation drops the frames that came in the same piece


def _feed(session: Session, data: bytes) -> None:
    sent = 0
    for piece in _pieces(data):
        session.receive_data(piece, START_S)
        sent += sum(map(len, session.data_to_send(EVERYTHING)))
    assert sent < _MAX_ANSWER_BYTES
    assert session.error is None or session.state is SessionState.CLOSED


def handshake(data: bytes) -> None:
    """No bytes make a session raise before its handshake is over, nor open it without a token's proof."""
    for role in Role:
        session = Pair(handshake=False).end(role)
        _feed(session, data)
        assert session.state is not SessionState.OPEN


def link(data: bytes) -> None:
    """No bytes make an open session raise."""
    for role in Role:
        _feed(open_session(role)[0], data)


def request(data: bytes) -> None:
    """What the edge lets through the agent takes, and it is one message."""
    with suppress(BadMessage):
        end = find_head_end(data)
        head = parse_request_head(data[:end] if end > 0 else data)
        payload = encode_open(head, 0, request_fields(head, "203.0.113.7", b"http"))
        found = decode_open_surely(payload)
        assert found == (head.method, head.length)


def decode_open_surely(payload: bytes) -> tuple[bytes, int]:
    """Decode what must be well made."""
    try:
        found = decode_open(payload)
    except BadMessage as error:
        raise AssertionError(payload) from error
    assert find_head_end(found.lines) < 0
    return found.method, found.length


def answer(data: bytes) -> None:
    """What the agent lets through the edge takes."""
    try:
        end = find_head_end(data)
        head = parse_response_head(data[:end] if end > 0 else data, b"GET")
    except BadMessage:
        return
    try:
        found = decode_head(encode_head(head, response_fields(head)))
    except BadMessage as error:
        raise AssertionError(data) from error
    assert (found.status, found.length) == (head.status, head.length)


def chunked(data: bytes) -> None:
    """Chunks are read the same however they are cut."""

    def read(pieces: list[bytes]) -> tuple[bytes, bytes] | None:
        body, content, rest = ChunkedBody(), b"", b""
        try:
            for piece in pieces:
                if body.is_complete:
                    rest += piece
                else:
                    content += body.feed(piece)
                    rest = body.rest
        except BadMessage:
            return None
        return content, rest

    cut, whole = read(_pieces(data)), read([data[1:]])
    assert cut == whole


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (frames, handshake, link, request, answer, chunked)
}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_DATA, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
