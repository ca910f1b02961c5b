"""Answers of a service that are malformed or can be read in two ways, and what each breaks.

The RFC is 9112 (HTTP/1.1) unless another one is named.  Behind each comes a whole answer that nobody asked
for: what a visitor must never see, nor the one who asks next.
"""

from __future__ import annotations

from support.wire import response

from tests.tunnel.e2e.malformed_requests import LAST, Row

SMUGGLED = response(200, b"contrabando", "X-Contrabando: 1")

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def fields(*lines: bytes, content: bytes = b"") -> bytes:
    """Return an answer with these lines."""
    return OK + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + content


def status(line: bytes) -> bytes:
    """Return an answer with this status line and no content."""
    return line + b"\r\nContent-Length: 0\r\n\r\n"


REFUSED = [
    Row("an SSH server", "4", b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 502),
    Row("a TLS alert", "4", b"\x15\x03\x01\x00\x02\x02\x46", 502),
    Row("HTTP/0.9", "4", b"<html>hola</html>\r\n\r\n", 502),
    Row("HTTP/2", "2.3", b"HTTP/2 200\r\n\r\n", 502),
    Row("HTTP/1.2", "2.3", status(b"HTTP/1.2 200 OK"), 502),
    Row("a preface of HTTP/2", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 502),
    Row("an ICY server", "4", status(b"ICY 200 OK"), 502),
    Row("a request", "4", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 502),
    Row("an empty line in front", "4", b"\r\n" + response(200, b"x"), 502),
    Row("a space in front", "4", b" " + response(200, b"x"), 502),
    Row("a version in lower case", "2.3", status(b"http/1.1 200 OK"), 502),
    Row("no status", "4", status(b"HTTP/1.1 OK"), 502),
    Row("no reason and no space for it, and a letter", "4", status(b"HTTP/1.1 200x"), 502),
    Row("two spaces before the status", "4", status(b"HTTP/1.1  200 OK"), 502),
    Row("a tab before the status", "4", status(b"HTTP/1.1\t200 OK"), 502),
    Row("a status of two digits", "9110 15", status(b"HTTP/1.1 20 OK"), 502),
    Row("a status of four digits", "9110 15", status(b"HTTP/1.1 2000 OK"), 502),
    Row("a status with a sign", "9110 15", status(b"HTTP/1.1 +20 OK"), 502),
    Row("a status of 0", "9110 15", status(b"HTTP/1.1 000 No"), 502),
    Row("a status of 600", "9110 15", status(b"HTTP/1.1 600 No"), 502),
    Row("a status of 999", "9110 15", status(b"HTTP/1.1 999 No"), 502),
    Row("a NUL in the reason", "4", status(b"HTTP/1.1 200 O\x00K"), 502),
    Row("a bare CR in the reason", "4", status(b"HTTP/1.1 200 OK\rX-A: 1"), 502),
    Row("length and coding", "6.3", fields(b"Content-Length: 5", CHUNKED[:-2], content=LAST), 502),
    Row("coding and length", "6.3", fields(CHUNKED[:-2], b"Content-Length: 5", content=LAST), 502),
    Row("two lengths", "6.3", fields(b"Content-Length: 1", b"Content-Length: 2", content=b"xx"), 502),
    Row("one length twice", "6.3", fields(b"Content-Length: 1", b"Content-Length: 1", content=b"x"), 502),
    Row("a list of lengths", "9110 8.6", fields(b"Content-Length: 1, 1", content=b"x"), 502),
    Row("a negative length", "9110 8.6", fields(b"Content-Length: -1"), 502),
    Row("a signed length", "9110 8.6", fields(b"Content-Length: +1", content=b"x"), 502),
    Row("a length in hexadecimal", "9110 8.6", fields(b"Content-Length: 0x1", content=b"x"), 502),
    Row("a length with a gap", "9110 8.6", fields(b"Content-Length: 1 0", content=b"x"), 502),
    Row("an empty length", "9110 8.6", fields(b"Content-Length:"), 502),
    Row("a length past 64 bits", "9110 8.6", fields(b"Content-Length: 18446744073709551617"), 502),
    Row("a length of 19 digits", "9110 8.6", fields(b"Content-Length: 9999999999999999999"), 502),
    Row("another coding", "6.1", fields(b"Transfer-Encoding: gzip, chunked", content=LAST), 502),
    Row("a coding that is not chunked", "6.1", fields(b"Transfer-Encoding: gzip"), 502),
    Row("identity", "7", fields(b"Transfer-Encoding: identity", content=b"x"), 502),
    Row("an empty coding", "6.1", fields(b"Transfer-Encoding:", content=b"x"), 502),
    Row("almost chunked", "6.1", fields(b"Transfer-Encoding: xchunked", content=LAST), 502),
    Row("chunked in two lines", "6.1", fields(CHUNKED[:-2], CHUNKED[:-2], content=LAST), 502),
    Row("chunked behind a vertical tab", "9110 5.5",
        fields(b"Transfer-Encoding: \x0bchunked", content=LAST), 502),
    Row("a folded line", "5.2", fields(b"X-A: 1", b" 2", b"Content-Length: 0"), 502),
    Row("a folded length", "5.2", fields(b"Content-Length:", b" 1", content=b"x"), 502),
    Row("space before the colon", "5.1", fields(b"Content-Length : 0"), 502),
    Row("space before the first field", "2.2", fields(b" X-A: 1", b"Content-Length: 0"), 502),
    Row("a line without a colon", "5", fields(b"hola"), 502),
    Row("an answer as a field", "5", fields(b"HTTP/1.1 200 OK"), 502),
    Row("a name with a space", "9110 5.1", fields(b"X A: 1", b"Content-Length: 0"), 502),
    Row("a name beyond ASCII", "9110 5.1", fields(b"\xd1: 1", b"Content-Length: 0"), 502),
    Row("a NUL in a value", "9110 5.5", fields(b"X-A: \0", b"Content-Length: 0"), 502),
    Row("a bell in a value", "9110 5.5", fields(b"X-A: \x07", b"Content-Length: 0"), 502),
    # Response splitting: a value that the service's program did not check carries a line end.
    Row("a bare CR that begins a field", "2.2",
        fields(b"Location: /\rSet-Cookie: a=b", b"Content-Length: 0"), 502),
    Row("a bare LF that begins a field", "2.2",
        fields(b"Location: /\nSet-Cookie: a=b", b"Content-Length: 0"), 502),
    Row("a bare LF that begins an answer", "2.2",
        fields(b"Location: /\n\n" + SMUGGLED, b"Content-Length: 0"), 502),
    Row("a bare CR that begins an answer", "2.2",
        fields(b"Location: /\r\r" + SMUGGLED, b"Content-Length: 0"), 502),
    Row("bare LF alone", "2.2", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", 502),
    Row("a bare LF at the end", "2.2", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n", 502),
    Row("a head that never ends", "9110 5.4", OK + b"X-A: 123456789\r\n" * 5000, 502),
    Row("a status line that never ends", "4", b"HTTP/1.1 200 " + b"x" * 100_000, 502),
    Row("a flood of 102", "9110 15.2", b"HTTP/1.1 102 Processing\r\n\r\n" * 9 + response(200, b"x"), 502),
    Row("a flood of 103", "9110 15.2", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100, 502),
    Row("a flood of 100", "9110 15.2.1", b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + response(200, b"x"), 502),
    Row("a 101 that nobody asked for", "9110 15.2.2",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 502),
    Row("a 101 to nothing", "9110 15.2.2", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 502),
    Row("a 103 with a bare LF", "2.2",
        b"HTTP/1.1 103 Early Hints\nLink: </a>\n\n" + response(200, b"x"), 502),
]  # fmt: skip
"""Answered with a 502 in their place."""

TOLERATED = [
    Row("a whole answer behind it", "9.2", fields(b"Content-Length: 4", content=b"hola")),
    Row("a byte more than its length", "6.3", fields(b"Content-Length: 4", content=b"holaX")),
    Row("bytes behind the last chunk", "7.1", fields(CHUNKED[:-2], content=b"4\r\nhola\r\n" + LAST + b"X")),
    Row("a whole answer behind the last chunk", "7.1", fields(CHUNKED[:-2], content=b"4\r\nhola\r\n" + LAST)),
    Row("an answer as a trailer", "7.1.2",
        fields(CHUNKED[:-2], content=b"4\r\nhola\r\n0\r\nX-A: HTTP/1.1 200 OK\r\n\r\n")),
    Row("a length of a 103", "9110 15.2", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\n"
        + fields(b"Content-Length: 4", content=b"hola")),
    Row("a coding of a 100", "6.1", b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        + fields(b"Content-Length: 4", content=b"hola")),
    Row("a nominated length", "9110 7.6.1",
        fields(b"Connection: Content-Length", b"Content-Length: 4", content=b"hola")),
    Row("a length with zeros in front", "9110 8.6", fields(b"Content-Length: 0004", content=b"hola")),
    Row("a request in the reason", "4",
        b"HTTP/1.1 200 GET /contrabando HTTP/1.1\r\nContent-Length: 4\r\n\r\nhola"),
    Row("the exit node's own field", "9110 7.6.1",
        fields(b"Tunelab-Error: no-client", b"Content-Length: 4", content=b"hola")),
]  # fmt: skip
"""Odd, and yet with one meaning, which is ``hola``: the visitor gets that and nothing of what is behind."""

WITHOUT_CONTENT = [
    Row("content behind a 204", "6.3", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
    Row("a length of a 204", "6.3", b"HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\n", 204),
    Row("chunks of a 204", "6.1", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204),
    Row("content behind a 304", "6.3", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304),
    Row("chunks of a 304", "6.3", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304),
]  # fmt: skip
"""Answers that have no content whatever they say: what follows them belongs to nobody."""
