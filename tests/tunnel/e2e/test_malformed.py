"""Requests that are malformed or could be read in two ways: refused, the connection closed, nothing smuggled.

Behind each comes a second request.  It must never reach the service, whatever a lenient reader might think
the first one was.
"""

from __future__ import annotations

import pytest
from support.backend import Backend
from support.tunnel_kit import Visit
from support.wire import Wire, request

SMUGGLED = request("GET", "/contrabando")
CHUNKED = "Transfer-Encoding: chunked"


def head(*lines: str | bytes, method: str = "POST", version: str = "HTTP/1.1") -> bytes:
    """Return a head with these lines after a Host."""
    fields = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    return b"\r\n".join([f"{method} / {version}".encode(), b"Host: a", *fields, b"", b""])


def start_line(line: bytes, *fields: bytes) -> bytes:
    """Return a head with this first line."""
    return b"\r\n".join([line, *(fields or (b"Host: a",)), b"", b""])


HEADS: dict[str, tuple[bytes, int]] = {
    # Two framings, or one that readers differ on (RFC 9112, section 6.3).
    "length and coding": (head("Content-Length: 5", CHUNKED) + b"0\r\n\r\n", 400),
    "coding and length": (head(CHUNKED, "Content-Length: 5") + b"0\r\n\r\n", 400),
    "two lengths": (head("Content-Length: 5", "Content-Length: 0") + b"hola\n", 400),
    "one length twice": (head("Content-Length: 5", "Content-Length: 5") + b"hola\n", 400),
    "a list of lengths": (head("Content-Length: 5, 5") + b"hola\n", 400),
    "a signed length": (head("Content-Length: +5") + b"hola\n", 400),
    "a negative length": (head("Content-Length: -5"), 400),
    "a length in hexadecimal": (head("Content-Length: 0x5") + b"hola\n", 400),
    "a length with a gap": (head("Content-Length: 1 0") + b"hola\n", 400),
    "an empty length": (head("Content-Length:"), 400),
    "a length in words": (head("Content-Length: cinco"), 400),
    "a length of 20 digits": (head("Content-Length: 18446744073709551621") + b"hola\n", 400),
    "a length behind a vertical tab": (head(b"Content-Length: \x0b5") + b"hola\n", 400),
    "chunked twice": (head(CHUNKED, CHUNKED) + b"0\r\n\r\n", 400),
    "chunked in a list": (head("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", 400),
    "identity before chunked": (head("Transfer-Encoding: identity, chunked") + b"0\r\n\r\n", 501),
    "gzip": (head("Transfer-Encoding: gzip"), 400),
    "almost chunked": (head("Transfer-Encoding: xchunked") + b"0\r\n\r\n", 400),
    "chunked in quotes": (head('Transfer-Encoding: "chunked"') + b"0\r\n\r\n", 400),
    "chunked with a parameter": (head("Transfer-Encoding: chunked;a=b") + b"0\r\n\r\n", 400),
    "chunked behind a vertical tab": (head(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n", 400),
    "chunked in HTTP/1.0": (head(CHUNKED, version="HTTP/1.0") + b"0\r\n\r\n", 400),
    # Lines that end, begin or fold in ways that readers differ on (RFC 9112, sections 2.2 and 5).
    "a folded line": (head("X-A: 1", " 2"), 400),
    "a folded coding": (head("Transfer-Encoding:", " chunked") + b"0\r\n\r\n", 400),
    "a fold of a tab": (head("X-A: 1", "\t2"), 400),
    "space before the first field": (start_line(b"GET / HTTP/1.1", b" Host: a"), 400),
    "space before the colon": (head("Content-Length : 5") + b"hola\n", 400),
    "tab before the colon": (head("Transfer-Encoding\t: chunked") + b"0\r\n\r\n", 400),
    "a bare LF between fields": (head(b"X-A: 1\nTransfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "a bare LF after the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare LF alone": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "a bare LF before the end": (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    "a bare CR in a value": (head(b"X-A: 1\rX-B: 2"), 400),
    "a bare CR as an ending": (b"GET / HTTP/1.1\rHost: a\r\r", 400),
    "a NUL in a value": (head(b"X-A: 1\x002"), 400),
    "a NUL in a name": (head(b"X\x00-A: 1"), 400),
    "a control character in a value": (head(b"X-A: \x01"), 400),
    "a DEL in a value": (head(b"X-A: \x7f"), 400),
    "a line without a colon": (head("hola"), 400),
    "a field without a name": (head(": 1"), 400),
    "a name in parentheses": (head("X(A): 1"), 400),
    "a name beyond ASCII": (head("Ñandú: 1"), 400),
    # Who it is for (RFC 9112, section 3.2).
    "no Host": (start_line(b"GET / HTTP/1.1", b"X-A: 1"), 400),
    "two Hosts": (head("Host: b"), 400),
    "one Host twice": (head("Host: a"), 400),
    "a Host with a user": (start_line(b"GET / HTTP/1.1", b"Host: x@a"), 400),
    "a Host with a path": (start_line(b"GET / HTTP/1.1", b"Host: a/b"), 400),
    "a Host with a space": (start_line(b"GET / HTTP/1.1", b"Host: a b"), 400),
    "a Host with two ports": (start_line(b"GET / HTTP/1.1", b"Host: a:80:80"), 400),
    "a Host that does not end": (start_line(b"GET / HTTP/1.1", b"Host: [::1"), 400),
    # The request line (RFC 9112, section 3).
    "a target without a slash": (start_line(b"GET hola HTTP/1.1"), 400),
    "a target with a fragment": (start_line(b"GET /a#b HTTP/1.1"), 400),
    "a target with a space": (start_line(b"GET /a b HTTP/1.1"), 400),
    "a target with a control character": (start_line(b"GET /\x01 HTTP/1.1"), 400),
    "a target beyond ASCII": (start_line(b"GET /\xff HTTP/1.1"), 400),
    "a target of another scheme": (start_line(b"GET ftp://a/ HTTP/1.1"), 400),
    "a target with a user": (start_line(b"GET http://x@a/ HTTP/1.1"), 400),
    "a target without a host": (start_line(b"GET http:///x HTTP/1.1"), 400),
    "an authority": (start_line(b"GET a:80 HTTP/1.1"), 400),
    "an asterisk for GET": (start_line(b"GET * HTTP/1.1"), 400),
    "two spaces": (start_line(b"GET  / HTTP/1.1"), 400),
    "a tab": (start_line(b"GET\t/ HTTP/1.1"), 400),
    "a space at the end": (start_line(b"GET / HTTP/1.1 "), 400),
    "a space at the beginning": (start_line(b" GET / HTTP/1.1"), 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "a version in lower case": (start_line(b"GET / http/1.1"), 400),
    "a version of three parts": (start_line(b"GET / HTTP/1.1.1"), 400),
    "HTTP/1.2": (start_line(b"GET / HTTP/1.2"), 505),
    "HTTP/2": (start_line(b"GET / HTTP/2.0"), 505),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "a TLS ClientHello": (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"\x8a\x51" * 100, 400),
    "an SSH client": (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", 400),
    "a SOCKS client": (b"\x05\x01\x00", 400),
    "CONNECT": (start_line(b"CONNECT a:80 HTTP/1.1"), 501),
    "an unknown method": (start_line(b"BREW / HTTP/1.1"), 501),
    "a method in lower case": (start_line(b"get / HTTP/1.1"), 501),
    "another expectation": (head("Expect: cien"), 417),
}


@pytest.mark.parametrize(("data", "status"), list(HEADS.values()), ids=list(HEADS))
def test_a_malformed_head_is_refused_and_nothing_behind_it_passes(
    visit: Visit, backend: Backend, data: bytes, status: int
) -> None:
    with visit() as wire:
        wire.send(data + SMUGGLED)
        answer = wire.read_response()
        assert answer.status == status
        assert answer.code is not None
        assert answer.fields.get("Connection") == "close"
        assert wire.read_to_end() == b""
    assert backend.targets == []


def test_a_malformed_head_behind_a_good_request_is_refused_in_its_turn(
    visit: Visit, backend: Backend
) -> None:
    with visit() as wire:
        wire.send(request("GET", "/bueno") + HEADS["length and coding"][0] + SMUGGLED)
        assert wire.read_response().content == b"hola"
        assert wire.read_response().code == "bad-request"
        assert wire.read_to_end() == b""
    assert backend.targets == ["/bueno"]


CHUNKS = {
    "no size": b"\r\nhola\r\n0\r\n\r\n",
    "a word for a size": b"zz\r\nhola\r\n0\r\n\r\n",
    "a negative size": b"-4\r\nhola\r\n0\r\n\r\n",
    "a signed size": b"+4\r\nhola\r\n0\r\n\r\n",
    "a size with 0x": b"0x4\r\nhola\r\n0\r\n\r\n",
    "space before the size": b" 4\r\nhola\r\n0\r\n\r\n",
    "space after the size": b"4 \r\nhola\r\n0\r\n\r\n",
    "a size of 17 digits": b"10000000000000004\r\nhola\r\n0\r\n\r\n",
    "a size that ends in LF": b"4\nhola\r\n0\r\n\r\n",
    "a size that ends in CR": b"4\rhola\r\n0\r\n\r\n",
    "a chunk that ends in LF": b"4\r\nhola\n0\r\n\r\n",
    "a chunk that ends in nothing": b"4\r\nhola0\r\n\r\n",
    "a chunk longer than its size": b"3\r\nhola\r\n0\r\n\r\n",
    "an extension with a bare LF": b"4;x=\n\r\nhola\r\n0\r\n\r\n",
    "an extension with a bare CR": b"4;x=\r\rhola\r\n0\r\n\r\n",
    "an extension with a NUL": b"4;\0\r\nhola\r\n0\r\n\r\n",
    "an endless extension": b"4;" + b"x" * 2000 + b"\r\nhola\r\n0\r\n\r\n",
    "a trailer that is no field": b"4\r\nhola\r\n0\r\nhola\r\n\r\n",
    "a folded trailer": b"4\r\nhola\r\n0\r\nX-A: 1\r\n 2\r\n\r\n",
    "a trailer with a bare LF": b"4\r\nhola\r\n0\r\nX-A: 1\nX-B: 2\r\n\r\n",
    "an endless trailer": b"4\r\nhola\r\n0\r\n" + b"X-A: 123456789\r\n" * 2000 + b"\r\n",
}


@pytest.mark.parametrize("data", list(CHUNKS.values()), ids=list(CHUNKS))
def test_malformed_chunks_never_make_a_whole_request(visit: Visit, backend: Backend, data: bytes) -> None:
    whole: list[bytes] = []
    targets: list[str] = []

    def note(wire: Wire) -> None:
        targets.append(wire.read_request_head().target)
        whole.append(wire.read_chunked())

    backend.play(note)
    with visit() as wire:
        wire.send(head(CHUNKED) + data + SMUGGLED)
        answer = wire.read_response()
        assert (answer.status, answer.code) == (400, "bad-request")
        assert answer.fields.get("Connection") == "close"
        assert wire.read_to_end() == b""
    backend.wait_until_idle(5.0)
    assert not whole
    assert set(targets) <= {"/"}


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", b"\x05\x01\x00", b"\0", b" "]
)
def test_what_cannot_become_a_request_is_refused_at_its_first_byte(
    visit: Visit, backend: Backend, data: bytes
) -> None:
    """A browser that was told https waits for us as long as we wait for the end of its head."""
    with visit() as wire:
        wire.send(data)
        wire.sock.settimeout(10.0)  # the head of a request may take 15 s
        assert wire.read_response().code == "bad-request"
        assert wire.read_to_end() == b""


@pytest.mark.timeout(20)
def test_a_flood_of_empty_lines_stalls_nobody(visit: Visit, backend: Backend) -> None:
    """RFC 9112, section 2.2, says to ignore one; it took a minute of the processor to do so with these."""
    with visit() as noisy, visit() as wire:
        for _ in range(16):
            noisy.send(b"\r\n" * 500_000)
            assert wire.ask().content == b"hola"
        noisy.send(request("GET", "/al-fin"))
        assert noisy.read_response().content == b"hola"
