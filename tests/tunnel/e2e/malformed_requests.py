"""Requests that are malformed or can be read in two ways: what each breaks, and what the edge answers.

The RFC is 9112 (HTTP/1.1) unless another one is named; 9110 is HTTP's semantics, 9113 HTTP/2.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One request."""

    what: str
    section: str
    data: bytes
    status: int = 400


CHUNKED = "Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"


def head(*lines: str | bytes, method: str = "POST", version: str = "HTTP/1.1") -> bytes:
    """Return a head with these lines after a Host."""
    fields = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    return b"\r\n".join([f"{method} / {version}".encode(), b"Host: a", *fields, b"", b""])


def line(first: bytes, *fields: bytes) -> bytes:
    """Return a head with this first line."""
    return b"\r\n".join([first, *(fields or (b"Host: a",)), b"", b""])


def get(target: bytes) -> bytes:
    """Return a GET of this target."""
    return line(b"GET " + target + b" HTTP/1.1")


def host(value: bytes) -> bytes:
    """Return a GET with this Host."""
    return line(b"GET / HTTP/1.1", b"Host: " + value)


def length(value: str | bytes) -> bytes:
    """Return a POST with this Content-Length and five bytes of content."""
    value = value if isinstance(value, bytes) else value.encode()
    return head(b"Content-Length:" + value) + b"hola\n"


def coding(value: str | bytes) -> bytes:
    """Return a POST with this Transfer-Encoding and an empty chunked content."""
    value = value if isinstance(value, bytes) else value.encode("latin-1")
    return head(b"Transfer-Encoding:" + value) + LAST


FRAMING = [
    # CL.TE, TE.CL and TE.TE: two readers that each pick another one disagree about the end.
    Row("length and coding", "6.3", head("Content-Length: 5", CHUNKED) + LAST),
    Row("coding and length", "6.3", head(CHUNKED, "Content-Length: 5") + LAST),
    Row("length 0 and coding", "6.3", head("Content-Length: 0", CHUNKED) + LAST),
    Row("length and an unknown coding", "6.3", head("Content-Length: 5", "Transfer-Encoding: x") + b"hola\n"),
    Row("length, coding, length", "6.3", head("Content-Length: 5", CHUNKED, "Content-Length: 5") + LAST),
    Row("length and coding in a GET", "6.3", head("Content-Length: 5", CHUNKED, method="GET") + LAST),
    Row("length and coding in HTTP/1.0", "6.1",
        head("Content-Length: 5", CHUNKED, version="HTTP/1.0") + LAST),
    Row("length and a nominated coding", "9110 7.6.1",
        head("Connection: Transfer-Encoding", "Content-Length: 5", CHUNKED) + LAST),
    Row("a nominated length and coding", "9110 7.6.1",
        head("Connection: Content-Length", "Content-Length: 5", CHUNKED) + LAST),
    Row("two lengths", "6.3", head("Content-Length: 5", "Content-Length: 0") + b"hola\n"),
    Row("two lengths, the longer last", "6.3", head("Content-Length: 0", "Content-Length: 5") + b"hola\n"),
    Row("one length twice", "6.3", head("Content-Length: 5", "Content-Length: 5") + b"hola\n"),
    Row("two lengths, one in capitals", "6.3", head("Content-Length: 5", "CONTENT-LENGTH: 6") + b"hola\n"),
    Row("a list of lengths", "9110 8.6", length(" 5, 5")),
    Row("a list of two lengths", "9110 8.6", length(" 5, 6")),
    Row("a signed length", "9110 8.6", length(" +5")),
    Row("a negative length", "9110 8.6", length(" -5")),
    Row("a length of minus zero", "9110 8.6", length(" -0")),
    Row("a length in hexadecimal", "9110 8.6", length(" 0x5")),
    Row("a length in octal", "9110 8.6", length(" 0o5")),
    Row("a length with a gap", "9110 8.6", length(" 1 0")),
    Row("a length with a decimal point", "9110 8.6", length(" 5.0")),
    Row("a length with an exponent", "9110 8.6", length(" 5e0")),
    Row("a length with a group separator", "9110 8.6", length(" 1_0")),
    Row("an empty length", "9110 8.6", length("")),
    Row("a length of white space", "9110 8.6", length("   ")),
    Row("a length in words", "9110 8.6", length(" cinco")),
    Row("a length in quotes", "9110 8.6", length(' "5"')),
    Row("a length with a semicolon", "9110 8.6", length(" 5;")),
    Row("a length of 19 digits", "9110 8.6", length(" 9999999999999999999")),
    Row("a length past 64 bits", "9110 8.6", length(" 18446744073709551621")),
    Row("a length of a thousand digits", "9110 8.6", length(" " + "9" * 1000)),
    Row("a length behind a vertical tab", "9110 5.5", length(b" \x0b5")),
    Row("a length before a form feed", "9110 5.5", length(b" 5\x0c")),
    Row("a length with a NUL", "9110 5.5", length(b" 5\x00")),
    Row("a length in full-width digits", "9110 8.6", length(" \uff15".encode())),
    Row("chunked twice", "6.1", head(CHUNKED, CHUNKED) + LAST),
    Row("chunked in a list", "6.1", coding(" chunked, chunked")),
    Row("chunked and identity in two lines", "6.1", head(CHUNKED, "Transfer-Encoding: identity") + LAST),
    Row("identity and chunked in two lines", "6.1",
        head("Transfer-Encoding: identity", CHUNKED) + LAST, 501),
    Row("chunked before another", "6.3", coding(" chunked, gzip"), 400),
    Row("identity before chunked", "7", coding(" identity, chunked"), 501),
    Row("identity", "7", coding(" identity")),
    Row("gzip before chunked", "6.1", coding(" gzip, chunked"), 501),
    Row("gzip", "6.3", coding(" gzip")),
    Row("an empty coding", "6.1", coding("")),
    Row("a comma for a coding", "6.1", coding(" ,"), 400),
    Row("a comma before chunked", "6.1", coding(" , chunked"), 501),
    Row("almost chunked", "6.1", coding(" xchunked")),
    Row("chunked and a letter", "6.1", coding(" chunkedx")),
    Row("chunked in quotes", "6.1", coding(' "chunked"')),
    Row("chunked with a parameter", "6.1", coding(" chunked;a=b")),
    Row("chunked behind a vertical tab", "9110 5.5", coding(b" \x0bchunked")),
    Row("chunked before a NUL", "9110 5.5", coding(b" chunked\x00")),
    Row("chunked behind a no-break space", "9110 5.5", coding(b" \xa0chunked")),
    Row("chunked with a long s", "6.1", coding(" chun\u212aed".encode())),
    Row("chunked in HTTP/1.0", "6.1", head(CHUNKED, version="HTTP/1.0") + LAST),
]  # fmt: skip

LINES = [
    Row("a folded line", "5.2", head("X-A: 1", " 2")),
    Row("a folded coding", "5.2", head("Transfer-Encoding:", " chunked") + LAST),
    Row("a folded length", "5.2", head("Content-Length:", " 5") + b"hola\n"),
    Row("a fold of a tab", "5.2", head("X-A: 1", "\t2")),
    Row("a fold of nothing", "5.2", head("X-A: 1", " ")),
    Row("a folded Host", "5.2", line(b"GET / HTTP/1.1", b"Host:", b" a")),
    Row("space before the first field", "2.2", line(b"GET / HTTP/1.1", b" Host: a")),
    Row("tab before the first field", "2.2", line(b"GET / HTTP/1.1", b"\tHost: a")),
    Row("space before the colon", "5.1", head("Content-Length : 5") + b"hola\n"),
    Row("space before the coding's colon", "5.1", head("Transfer-Encoding : chunked") + LAST),
    Row("space before the Host's colon", "5.1", line(b"GET / HTTP/1.1", b"Host : a")),
    Row("tab before the colon", "5.1", head("Transfer-Encoding\t: chunked") + LAST),
    Row("a bare LF between fields", "2.2", head(b"X-A: 1\nTransfer-Encoding: chunked") + LAST),
    Row("a bare LF after the request line", "2.2", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    Row("bare LF alone", "2.2", b"GET / HTTP/1.1\nHost: a\n\n"),
    Row("a bare LF before the end", "2.2", b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
    Row("a bare LF at the end", "2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    Row("LF before CR", "2.2", b"GET / HTTP/1.1\n\rHost: a\n\r\n\r"),
    Row("a bare CR in a value", "2.2", head(b"X-A: 1\rX-B: 2")),
    Row("a bare CR before a coding", "2.2", head(b"X-A: 1\rTransfer-Encoding: chunked") + LAST),
    Row("a bare CR at the end of a value", "2.2", head(b"X-A: 1\r")),
    Row("a bare CR in a name", "2.2", head(b"X\r-A: 1")),
    Row("a bare CR as an ending", "2.2", b"GET / HTTP/1.1\rHost: a\r\r"),
    Row("a bare CR in the request line", "2.2", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"),
    Row("a NUL in a value", "9110 5.5", head(b"X-A: 1\x002")),
    Row("a NUL in a name", "9110 5.1", head(b"X\x00-A: 1")),
    Row("a NUL before a field", "9110 5.1", head(b"\x00X-A: 1")),
    Row("a control character in a value", "9110 5.5", head(b"X-A: \x01")),
    Row("a backspace in a value", "9110 5.5", head(b"X-A: a\x08b")),
    Row("an escape in a value", "9110 5.5", head(b"X-A: \x1b[2J")),
    Row("a DEL in a value", "9110 5.5", head(b"X-A: \x7f")),
    Row("a control character in a name", "9110 5.1", head(b"X\x01A: 1")),
    Row("a DEL in a name", "9110 5.1", head(b"X\x7fA: 1")),
    Row("a line without a colon", "5", head("hola")),
    Row("a request as a field", "5", head("GET /contrabando HTTP/1.1")),
    Row("a field without a name", "5.1", head(": 1")),
    Row("a name with a space", "9110 5.1", head("X A: 1")),
    Row("a name in parentheses", "9110 5.1", head("X(A): 1")),
    Row("a name with a slash", "9110 5.1", head("X/A: 1")),
    Row("a name with an at sign", "9110 5.1", head("X@A: 1")),
    Row("a name in quotes", "9110 5.1", head('"X": 1')),
    Row("a name with brackets", "9110 5.1", head("X[0]: 1")),
    Row("a name beyond ASCII", "9110 5.1", head("Ñandú: 1")),
    Row("a name with a byte order mark", "9110 5.1", head(b"\xef\xbb\xbfX-A: 1")),
]  # fmt: skip

HOSTS = [
    Row("no Host", "3.2", line(b"GET / HTTP/1.1", b"X-A: 1")),
    Row("two Hosts", "3.2", head("Host: b")),
    Row("one Host twice", "3.2", head("Host: a")),
    Row("two Hosts, one in capitals", "3.2", head("HOST: b")),
    Row("two Hosts in HTTP/1.0", "3.2", head("Host: b", version="HTTP/1.0")),
    Row("a second Host that is nominated", "3.2", head("Connection: Host", "Host: b")),
    Row("a Host with a user", "9110 4.2.4", host(b"x@a")),
    Row("a Host with a user and a password", "9110 4.2.4", host(b"x:y@a")),
    Row("a Host with a path", "9110 7.2", host(b"a/b")),
    Row("a Host with a query", "9110 7.2", host(b"a?b")),
    Row("a Host with a fragment", "9110 7.2", host(b"a#b")),
    Row("a Host that is a URL", "9110 7.2", host(b"http://a")),
    Row("a Host with a space", "9110 7.2", host(b"a b")),
    Row("a Host that is a list", "9110 7.2", host(b"a, b")),
    Row("a Host with a backslash", "9110 7.2", host(b"a\\b")),
    Row("a Host with a percent", "9110 7.2", host(b"a%2fb")),
    Row("a Host with a quote", "9110 7.2", host(b'a"b')),
    Row("a Host with an asterisk", "9110 7.2", host(b"*")),
    Row("a Host beyond ASCII", "9110 7.2", host(b"\xf1and\xfa")),
    Row("a Host with two ports", "9110 7.2", host(b"a:80:80")),
    Row("a Host with a port in words", "9110 7.2", host(b"a:http")),
    Row("a Host with a negative port", "9110 7.2", host(b"a:-1")),
    Row("a Host with a port of six digits", "9110 7.2", host(b"a:100000")),
    Row("a Host that does not end", "9110 7.2", host(b"[::1")),
    Row("a Host that is no IPv6 address", "9110 7.2", host(b"[::z]")),
    Row("a Host of empty brackets", "9110 7.2", host(b"[]")),
    Row("a Host with a zone", "9110 7.2", host(b"[fe80::1%25eth0]")),
    Row("a Host of 262 bytes", "9110 7.2", host(b"a" * 262)),
    Row("a Host behind a vertical tab", "9110 5.5", host(b"\x0ba")),
    Row("a target and a malformed Host", "3.2.2", line(b"GET http://a/ HTTP/1.1", b"Host: x@b")),
    Row("a target and no Host", "3.2", line(b"GET http://a/ HTTP/1.1", b"X-A: 1")),
]  # fmt: skip

REQUEST_LINES = [
    Row("a target without a slash", "3.2", get(b"hola")),
    Row("a target with a fragment", "3.2.1", get(b"/a#b")),
    Row("a target that is a fragment", "3.2.1", get(b"#b")),
    Row("a target with a space", "3.2", get(b"/a b")),
    Row("a target with a tab", "3.2", get(b"/a\tb")),
    Row("a target with a control character", "3.2", get(b"/\x01")),
    Row("a target with a NUL", "3.2", get(b"/\x00")),
    Row("a target with a DEL", "3.2", get(b"/\x7f")),
    Row("a target beyond ASCII", "3.2", get(b"/\xff")),
    Row("a target in UTF-8", "3.2", get("/mañana".encode())),
    Row("a target with a vertical tab", "3.2", get(b"/\x0b")),
    Row("a target of another scheme", "3.2.2", get(b"ftp://a/")),
    Row("a target of no scheme", "3.2.2", get(b"://a/")),
    Row("a target of a file", "3.2.2", get(b"file:///etc/passwd")),
    Row("a target with a user", "9110 4.2.4", get(b"http://x@a/")),
    Row("a target with a user and a password", "9110 4.2.4", get(b"http://x:y@a/")),
    Row("a target without a host", "9110 4.2.1", get(b"http:///x")),
    Row("a target with a fragment and a host", "3.2.2", get(b"http://a/#b")),
    Row("a target with one slash", "3.2.2", get(b"http:/a")),
    Row("a target with two ports", "3.2.2", get(b"http://a:80:80/")),
    Row("a target with a backslash in its host", "3.2.2", get(b"http://a\\b/")),
    Row("an authority", "3.2.3", get(b"a:80")),
    Row("an asterisk for GET", "3.2.4", get(b"*")),
    Row("an asterisk and more", "3.2.4", line(b"OPTIONS *x HTTP/1.1")),
    Row("a query alone", "3.2.1", get(b"?x")),
    Row("two spaces", "3", line(b"GET  / HTTP/1.1")),
    Row("two spaces before the version", "3", line(b"GET /  HTTP/1.1")),
    Row("a tab", "3", line(b"GET\t/ HTTP/1.1")),
    Row("a tab before the version", "3", line(b"GET /\tHTTP/1.1")),
    Row("a vertical tab", "3", line(b"GET\x0b/ HTTP/1.1")),
    Row("a space at the end", "3", line(b"GET / HTTP/1.1 ")),
    Row("a space at the beginning", "3", line(b" GET / HTTP/1.1")),
    Row("three words behind the method", "3", line(b"GET / x HTTP/1.1")),
    Row("no target", "3", line(b"GET HTTP/1.1")),
    Row("no version", "3", line(b"GET /")),
    Row("HTTP/0.9", "3", b"GET /\r\n\r\n"),
    Row("HTTP/0.9 with a version", "2.3", line(b"GET / HTTP/0.9"), 505),
    Row("a version in lower case", "2.3", line(b"GET / http/1.1")),
    Row("a version of three parts", "2.3", line(b"GET / HTTP/1.1.1")),
    Row("a version of one part", "2.3", line(b"GET / HTTP/1")),
    Row("a version with a zero", "2.3", line(b"GET / HTTP/01.1")),
    Row("a version with a sign", "2.3", line(b"GET / HTTP/+1.1")),
    Row("a version with a space", "2.3", line(b"GET / HTTP/ 1.1")),
    Row("a version of another protocol", "2.3", line(b"GET / ICAP/1.0")),
    Row("HTTP/1.2", "2.3", line(b"GET / HTTP/1.2"), 505),
    Row("HTTP/2", "2.3", line(b"GET / HTTP/2.0"), 505),
    Row("HTTP/9.9", "2.3", line(b"GET / HTTP/9.9"), 505),
    Row("the preface of HTTP/2", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    Row("a TLS ClientHello", "3", b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"\x8a\x51" * 100),
    Row("an SSH client", "3", b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),
    Row("a SOCKS client", "3", b"\x05\x01\x00"),
    Row("a PROXY protocol line", "3", b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n" + get(b"/")),
    Row("an SMTP client", "3", b"EHLO a\r\n\r\n"),
    Row("CONNECT", "9110 9.3.6", line(b"CONNECT a:80 HTTP/1.1"), 501),
    Row("CONNECT to a path", "9110 9.3.6", line(b"CONNECT / HTTP/1.1"), 501),
    Row("an unknown method", "9110 9.1", line(b"BREW / HTTP/1.1"), 501),
    Row("a method in lower case", "9110 9.1", line(b"get / HTTP/1.1"), 501),
    Row("a method with a letter more", "9110 9.1", line(b"GETX / HTTP/1.1"), 501),
    Row("a method with a colon", "9110 5.6.2", line(b"GET: / HTTP/1.1")),
    Row("a method with a NUL", "9110 5.6.2", line(b"GE\x00T / HTTP/1.1")),
    Row("a method in brackets", "9110 5.6.2", line(b"{GET} / HTTP/1.1")),
    Row("another expectation", "9110 10.1.1", head("Expect: cien"), 417),
    Row("two expectations", "9110 10.1.1", head("Expect: 100-continue, x"), 417),
    Row("a request line bomb", "3", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    Row("a method bomb", "3", b"A" * 100_000, 414),
    Row("a header bomb of one field", "9110 5.4", head("X-A: " + "x" * 100_000), 431),
    Row("a header bomb of many fields", "9110 5.4", head(*(f"X-{n}: 1" for n in range(200))), 431),
    Row("a header bomb of empty fields", "9110 5.4", head(*["X-A:"] * 5000), 431),
]  # fmt: skip

HEADS = [*FRAMING, *LINES, *HOSTS, *REQUEST_LINES]
"""Refused by their head alone: not a byte of them may reach a service."""


def chunks(data: bytes) -> bytes:
    """Return a POST with these as its chunks."""
    return head(CHUNKED) + data


CHUNKS = [
    Row("no size", "7.1", chunks(b"\r\nhola\r\n0\r\n\r\n")),
    Row("a word for a size", "7.1", chunks(b"zz\r\nhola\r\n0\r\n\r\n")),
    Row("a negative size", "7.1", chunks(b"-4\r\nhola\r\n0\r\n\r\n")),
    Row("a signed size", "7.1", chunks(b"+4\r\nhola\r\n0\r\n\r\n")),
    Row("a size with 0x", "7.1", chunks(b"0x4\r\nhola\r\n0\r\n\r\n")),
    Row("a size with a group separator", "7.1", chunks(b"0_4\r\nhola\r\n0\r\n\r\n")),
    Row("a size with a decimal point", "7.1", chunks(b"4.0\r\nhola\r\n0\r\n\r\n")),
    Row("a size in quotes", "7.1", chunks(b'"4"\r\nhola\r\n0\r\n\r\n')),
    Row("space before the size", "7.1", chunks(b" 4\r\nhola\r\n0\r\n\r\n")),
    Row("space after the size", "7.1", chunks(b"4 \r\nhola\r\n0\r\n\r\n")),
    Row("tab after the size", "7.1", chunks(b"4\t\r\nhola\r\n0\r\n\r\n")),
    Row("a NUL after the size", "7.1", chunks(b"4\x00\r\nhola\r\n0\r\n\r\n")),
    Row("a size past 64 bits", "7.1", chunks(b"10000000000000004\r\nhola\r\n0\r\n\r\n")),
    Row("a size past 32 bits that wraps to 4", "7.1", chunks(b"ffffffff00000004\r\nhola\r\n0\r\n\r\n")),
    Row("a size of a thousand zeros", "7.1", chunks(b"0" * 1000 + b"4\r\nhola\r\n0\r\n\r\n")),
    Row("a size that ends in LF", "7.1", chunks(b"4\nhola\r\n0\r\n\r\n")),
    Row("a size that ends in CR", "7.1", chunks(b"4\rhola\r\n0\r\n\r\n")),
    Row("a size that ends in CR CR LF", "7.1", chunks(b"4\r\r\nhola\r\n0\r\n\r\n")),
    Row("a chunk that ends in LF", "7.1", chunks(b"4\r\nhola\n0\r\n\r\n")),
    Row("a chunk that ends in CR", "7.1", chunks(b"4\r\nhola\r0\r\n\r\n")),
    Row("a chunk that ends in nothing", "7.1", chunks(b"4\r\nhola0\r\n\r\n")),
    Row("a chunk that ends in two letters", "7.1", chunks(b"4\r\nholaXX0\r\n\r\n")),
    Row("a chunk longer than its size", "7.1", chunks(b"3\r\nhola\r\n0\r\n\r\n")),
    Row("an extension with a bare LF", "7.1.1", chunks(b"4;x=\n\r\nhola\r\n0\r\n\r\n")),
    Row("an extension with a bare CR", "7.1.1", chunks(b"4;x=\r\rhola\r\n0\r\n\r\n")),
    Row("an extension that hides a chunk", "7.1.1", chunks(b"4;\nxx\r\n0\r\n\r\n")),
    Row("an extension with a NUL", "7.1.1", chunks(b"4;\0\r\nhola\r\n0\r\n\r\n")),
    Row("an extension without a semicolon", "7.1.1", chunks(b"4 x=y\r\nhola\r\n0\r\n\r\n")),
    Row("an endless extension", "7.1.1", chunks(b"4;" + b"x" * 2000 + b"\r\nhola\r\n0\r\n\r\n")),
    Row("a last chunk that ends in LF", "7.1", chunks(b"4\r\nhola\r\n0\n\n")),
    Row("a last chunk with a bare LF behind", "7.1", chunks(b"4\r\nhola\r\n0\r\n\n")),
    Row("a trailer that is no field", "7.1.2", chunks(b"4\r\nhola\r\n0\r\nhola\r\n\r\n")),
    Row("a trailer that is a request", "7.1.2", chunks(b"0\r\nGET /contrabando HTTP/1.1\r\n\r\n")),
    Row("a trailer with a space before its colon", "7.1.2", chunks(b"0\r\nX-A : 1\r\n\r\n")),
    Row("a folded trailer", "7.1.2", chunks(b"4\r\nhola\r\n0\r\nX-A: 1\r\n 2\r\n\r\n")),
    Row("a trailer with a bare LF", "7.1.2", chunks(b"4\r\nhola\r\n0\r\nX-A: 1\nX-B: 2\r\n\r\n")),
    Row("a trailer with a bare CR", "7.1.2", chunks(b"4\r\nhola\r\n0\r\nX-A: 1\rX-B: 2\r\n\r\n")),
    Row("a trailer with a NUL", "7.1.2", chunks(b"4\r\nhola\r\n0\r\nX-A: \0\r\n\r\n")),
    Row("an endless trailer", "7.1.2",
        chunks(b"4\r\nhola\r\n0\r\n" + b"X-A: 123456789\r\n" * 2000 + b"\r\n")),
]  # fmt: skip
"""Refused in the middle: their head may have reached the service, their end never does."""


HIDDEN = b"GET /contrabando HTTP/1.1\r\nHost: a\r\n\r\n"
"""A request inside another one's content."""

_SIZE = b"%d" % len(HIDDEN)
_CHUNK = b"%x" % len(HIDDEN)


def with_length(*lines: str | bytes, value: bytes = _SIZE) -> bytes:
    """Return a POST with the hidden request as its content, framed by its length."""
    return head(*lines, b"Content-Length: " + value) + HIDDEN


def with_chunks(*lines: str | bytes, size: bytes = _CHUNK, last: bytes = b"0\r\n\r\n") -> bytes:
    """Return a POST with the hidden request as its only chunk."""
    return head(*lines, CHUNKED) + size + b"\r\n" + HIDDEN + b"\r\n" + last


READ_ONE_WAY = [
    Row("a request in the content", "6.2", with_length(), 200),
    Row("a request in a chunk", "7.1", with_chunks(), 200),
    Row("a length with zeros in front", "9110 8.6", with_length(value=b"000" + _SIZE), 200),
    Row("a length in much white space", "5", with_length(value=b" \t " + _SIZE + b" \t "), 200),
    Row("a length in capitals", "5.1", head(b"CONTENT-LENGTH:" + _SIZE) + HIDDEN, 200),
    Row("a length with underscores beside the real one", "9110 8.6", with_length("Content_Length: 3"), 200),
    Row("a coding with underscores beside a length", "6.1", with_length("Transfer_Encoding: chunked"), 200),
    Row("a coding of another name", "6.1", with_length("X-Transfer-Encoding: chunked"), 200),
    Row("a nominated length", "9110 7.6.1", with_length("Connection: Content-Length"), 200),
    Row("a nominated coding", "9110 7.6.1", with_chunks("Connection: Transfer-Encoding"), 200),
    Row("a nominated Host", "9110 7.6.1", with_length("Connection: Host"), 200),
    Row("everything nominated", "9110 7.6.1",
        with_length("Connection: Host, Content-Length, Via, X-Forwarded-For, keep-alive"), 200),
    Row("a coding in capitals", "6.1",
        with_chunks().replace(b"fer-Encoding: chunked", b"FER-ENCODING: CHUNKED"), 200),
    Row("a size in capitals with zeros in front", "7.1", with_chunks(size=b"00" + _CHUNK.upper()), 200),
    Row("an extension", "7.1.1", with_chunks(size=_CHUNK + b";a=b"), 200),
    Row("an extension in quotes with a request", "7.1.1",
        with_chunks(size=_CHUNK + b';a="GET /contrabando"'), 200),
    Row("a trailer", "7.1.2", with_chunks("Trailer: X-A", last=b"0\r\nX-A: 1\r\n\r\n"), 200),
    Row("a length as a trailer", "9110 6.5.1", with_chunks(last=b"0\r\nContent-Length: 3\r\n\r\n"), 200),
    Row("a Host as a trailer", "9110 6.5.1", with_chunks(last=b"0\r\nHost: b\r\n\r\n"), 200),
    Row("zeros for a last chunk", "7.1", with_chunks(last=b"000\r\n\r\n"), 200),
    Row("empty lines in front", "2.2", b"\r\n\r\n" + with_length(), 200),
    Row("a target with the host", "3.2.2", with_length().replace(b"POST /", b"POST http://a/"), 200),
    Row("a target with the host and another Host", "3.2.2",
        with_length().replace(b"POST /", b"POST http://a/").replace(b"Host: a\r\nC", b"Host: b\r\nC"), 200),
    Row("an upgrade with content", "9110 7.8",
        with_length("Connection: Upgrade", "Upgrade: websocket"), 200),
    Row("an upgrade to h2c", "9110 7.8",
        with_length("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"), 200),
    Row("a content of a GET", "9110 9.3.1", with_length().replace(b"POST", b"GET", 1), 200),
    Row("chunks of a DELETE", "9110 9.3.5", with_chunks().replace(b"POST", b"DELETE", 1), 200),
    Row("another method in a field", "9110 9.1", with_length("X-HTTP-Method-Override: DELETE"), 200),
    Row("another URL in a field", "9110 5", with_length("X-Original-URL: /contrabando"), 200),
]  # fmt: skip
"""Odd, and yet with one meaning: they reach the service with that one, their framing written anew."""
