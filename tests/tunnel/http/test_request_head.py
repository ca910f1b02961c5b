"""Heads of requests, line by line: what is refused, with what status, and the odd that must pass.

Each row names the section that decides it; numbers such as 9110 and 9112 are RFCs.
"""

from __future__ import annotations

import pytest

from tests.tunnel.http.kit import HOST, head, host, parse, refusal, target

# ── the request line ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", 400, id="nothing at all"),
        pytest.param(b"\r\n\r\n", 400, id="9112 3: no request line"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, id="TLS on a port that does not speak it"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400, id="SSH"),
        pytest.param(b"GET /\r\n\r\n", 400, id="9112 C.1.1: HTTP/0.9"),
        pytest.param(head(line=b" GET / HTTP/1.1"), 400, id="9112 3: space before the method"),
        pytest.param(head(line=b"GET  / HTTP/1.1"), 400, id="9112 3: two spaces"),
        pytest.param(head(line=b"GET\t/ HTTP/1.1"), 400, id="9112 3: tab"),
        pytest.param(head(line=b"GET /\x0bHTTP/1.1"), 400, id="9112 3: vertical tab"),
        pytest.param(head(line=b"GET / HTTP/1.1 "), 400, id="9112 3: space after the version"),
        pytest.param(head(line=b"GET / HTTP/1.1\r"), 400, id="9112 2.2: bare CR"),
        pytest.param(b"GET / HTTP/1.1\n" + HOST + b"\r\n", 400, id="9112 2.2: bare LF"),
        pytest.param(head(line=b"GET / http/1.1"), 400, id="9112 2.3: lower-case version"),
        pytest.param(head(line=b"GET / HTTP/1.10"), 400, id="9112 2.3: minor version of two digits"),
        pytest.param(head(line=b"GET / HTTP/01.1"), 400, id="9112 2.3: major version of two digits"),
        pytest.param(head(line=b"GET / HTTP/1"), 400, id="9112 2.3: no minor version"),
        pytest.param(head(line=b"GET / RTSP/1.0"), 400, id="another protocol"),
        pytest.param(head(line=b"GET / HTTP/1.2"), 505, id="9110 15.6.6: a version that does not exist"),
        pytest.param(head(line=b"GET / HTTP/0.9"), 505, id="9110 15.6.6: HTTP/0.9 with a version"),
        pytest.param(head(line=b"GET / HTTP/2.0"), 505, id="9110 15.6.6: HTTP/2 in words"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, id="9113 3.4: preface of HTTP/2"),
        pytest.param(head(line=b"G(T / HTTP/1.1"), 400, id="9110 9.1: no token"),
        pytest.param(head(line=b"G\xc3\x8bT / HTTP/1.1"), 400, id="9110 9.1: not ASCII"),
        pytest.param(head(line=b"get / HTTP/1.1"), 501, id="9110 9.1: methods are case-sensitive"),
        pytest.param(head(line=b"Get / HTTP/1.1"), 501, id="9110 9.1: methods are case-sensitive, 2"),
        pytest.param(head(line=b"GETT / HTTP/1.1"), 501, id="9110 9.1: unknown method"),
        pytest.param(head(line=b"SETUP / HTTP/1.1"), 501, id="a method of RTSP's"),
        pytest.param(head(line=b"PRI / HTTP/1.1"), 501, id="9113 11.6: PRI"),
        pytest.param(head(line=b"CONNECT a.example:80 HTTP/1.1"), 501, id="9110 9.3.6: CONNECT"),
        pytest.param(head(line=b"CONNECT / HTTP/1.1"), 501, id="9110 9.3.6: CONNECT with a path"),
    ],
)
def test_a_malformed_request_line_is_refused(data: bytes, expected: int) -> None:
    status, code = refusal(data)
    assert status == expected
    assert code == {400: "bad-request", 501: "unknown-method", 505: "http-version"}[expected]


@pytest.mark.parametrize(
    "method",
    b"ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE OPTIONS PATCH "
    b"POST PROPFIND PROPPATCH PUT REBIND REPORT SEARCH TRACE UNBIND UNLINK UNLOCK M-SEARCH NOTIFY PURGE "
    b"SOURCE SUBSCRIBE UNSUBSCRIBE".decode().split(),
)
def test_methods_in_use_pass(method: str) -> None:
    found = parse(head(line=f"{method} /x HTTP/1.1".encode()))
    assert found.method == method.encode()


# ── the target ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        b"/",
        b"//",
        b"//evil.example/x",
        b"/a//b/",
        b"/./a/../b/..",
        b"/%2e%2e/%2f",
        b"/%00%zz%",
        b"/a\\b\\..\\c",
        b"/a;b=c,d:e@f!g$h&i'j(k)l*m+n",
        b"/a|b^c`{d}<e>\"f'",
        b"/?",
        b"/?a=b?c=d/../e",
        b"/http://other.example/",
        b"/*",
        b"/" + b"x" * 20_000,
    ],
    ids=lambda value: repr(value[:40]),
)
def test_a_path_passes_exactly_as_it_came(value: bytes) -> None:
    found = parse(target(value))
    assert (found.target, found.host) == (value, b"todo.example")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(target(b"todo"), id="9112 3.2: no form at all"),
        pytest.param(target(b"?a=b"), id="9112 3.2.1: no path"),
        pytest.param(target(b"\\a"), id="9112 3.2.1: backslash for slash"),
        pytest.param(target(b"/a b"), id="9112 3.2: space"),
        pytest.param(target(b"/a\tb"), id="9112 3.2: tab"),
        pytest.param(target(b"/a\x00b"), id="9112 3.2: NUL"),
        pytest.param(target(b"/a\x7fb"), id="9112 3.2: DEL"),
        pytest.param(target("/mañana".encode()), id="3986 2: not ASCII"),
        pytest.param(target(b"/a#b"), id="9112 3.2.1: fragment"),
        pytest.param(target(b"/#"), id="9112 3.2.1: empty fragment"),
        pytest.param(target(b"*"), id="9112 3.2.4: * without OPTIONS"),
        pytest.param(target(b"**", b"OPTIONS"), id="9112 3.2.4: **"),
        pytest.param(target(b"*/", b"OPTIONS"), id="9112 3.2.4: */"),
        pytest.param(target(b"todo.example:80"), id="9112 3.2.3: authority-form without CONNECT"),
        pytest.param(target(b"http://"), id="9110 4.2.1: empty host"),
        pytest.param(target(b"http:///x"), id="9110 4.2.1: empty host before a path"),
        pytest.param(target(b"http://?x"), id="9110 4.2.1: empty host before a query"),
        pytest.param(target(b"http:/x"), id="3986 3: one slash"),
        pytest.param(target(b"http://user@todo.example/"), id="9110 4.2.4: userinfo"),
        pytest.param(target(b"http://user:word@todo.example/"), id="9110 4.2.4: userinfo with password"),
        pytest.param(target(b"http://todo.example\\@evil.example/"), id="9110 4.2.4: hidden userinfo"),
        pytest.param(
            target(b"http://todo.example#@evil.example/"), id="9112 3.2.2: fragment, hidden userinfo"
        ),
        pytest.param(target(b"http://todo.example:x/"), id="3986 3.2.3: port of letters"),
        pytest.param(target(b"http://todo.example:80:80/"), id="3986 3.2.3: two ports"),
        pytest.param(target(b"http://a,b/"), id="two hosts in the target"),
        pytest.param(target(b"http://a%2eb/"), id="percent in the target's host"),
        pytest.param(target(b"http://[::1/"), id="3986 3.2.2: open bracket"),
        pytest.param(target(b"http://" + b"x" * 262 + b"/"), id="1035 2.3.4: host too long"),
        pytest.param(target(b"ftp://todo.example/"), id="9110 4.2: a scheme that is not HTTP's"),
        pytest.param(target(b"ws://todo.example/"), id="6455 3: a websocket's scheme"),
        pytest.param(target(b"javascript:alert(1)"), id="a scheme without authority"),
    ],
)
def test_a_malformed_target_is_refused(data: bytes) -> None:
    assert refusal(data) == (400, "bad-request")


@pytest.mark.parametrize(
    ("data", "expected_target", "expected_host"),
    [
        pytest.param(
            target(b"http://a.example/x?y"), b"/x?y", b"a.example", id="9112 3.2.2: host from there"
        ),
        pytest.param(target(b"http://a.example"), b"/", b"a.example", id="9112 3.2.1: no path"),
        pytest.param(
            target(b"http://a.example?x=1"), b"/?x=1", b"a.example", id="9112 3.2.1: query, no path"
        ),
        pytest.param(target(b"http://a.example?x/y"), b"/?x/y", b"a.example", id="a slash in the query"),
        pytest.param(target(b"http://a.example//x"), b"//x", b"a.example", id="double slash"),
        pytest.param(target(b"HTTP://A.Example:8000/"), b"/", b"A.Example:8000", id="3986 3.1: any case"),
        pytest.param(target(b"https://a.example/"), b"/", b"a.example", id="9112 3.2.2: https"),
        pytest.param(target(b"http://a.example:/"), b"/", b"a.example:", id="3986 3.2.3: empty port"),
        pytest.param(target(b"http://[::1]:80/"), b"/", b"[::1]:80", id="3986 3.2.2: IPv6"),
        pytest.param(target(b"*", b"OPTIONS"), b"*", b"todo.example", id="9112 3.2.4: OPTIONS *"),
        pytest.param(target(b"http://a.example", b"OPTIONS"), b"*", b"a.example", id="9112 3.2.4: becomes *"),
        pytest.param(target(b"http://a.example/", b"OPTIONS"), b"/", b"a.example", id="9112 3.2.4: stays /"),
        pytest.param(
            target(b"http://a.example?x", b"OPTIONS"), b"/?x", b"a.example", id="9112 3.2.4: stays ?"
        ),
        pytest.param(
            head(line=b"GET http://a.example/ HTTP/1.0", host=b""), b"/", b"a.example", id="1.0 without Host"
        ),
    ],
)
def test_other_forms_of_the_target_become_a_path_and_a_host(
    data: bytes, expected_target: bytes, expected_host: bytes
) -> None:
    found = parse(data)
    assert (found.target, found.host) == (expected_target, expected_host)


# ── Host ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(head(host=b""), id="9112 3.2: none in HTTP/1.1"),
        pytest.param(head(b"Host: b.example\r\n"), id="9112 3.2: two"),
        pytest.param(head(HOST), id="9112 3.2: the same twice"),
        pytest.param(head(b"hOST: todo.example\r\n"), id="9112 3.2: twice, in another case"),
        pytest.param(head(HOST, line=b"GET / HTTP/1.0"), id="9112 3.2: twice in HTTP/1.0"),
        pytest.param(
            head(line=b"GET http://a.example/ HTTP/1.1", host=b""), id="9112 3.2: none, though in the target"
        ),
        pytest.param(
            head(HOST, line=b"GET http://a.example/ HTTP/1.1"), id="9112 3.2: two, though in the target"
        ),
        *(
            pytest.param(host(value), id=f"{section}: {value.decode('latin-1')[:30]!r}")
            for section, value in [
                ("9112 3.2", b"a b"),
                ("9112 3.2", b"a\tb"),
                ("9112 3.2", b"a, b"),
                ("9112 3.2", b"http://a/"),
                ("9112 3.2", b"a/b"),
                ("9112 3.2", b"a?b"),
                ("9112 3.2", b"a#b"),
                ("9112 3.2", b"a\\b"),
                ("9110 4.2.4", b"user@a"),
                ("9110 4.2.4", b"user:word@a"),
                ("9110 4.2.4", b"@a"),
                ("3986 3.2.3", b"a:b"),
                ("3986 3.2.3", b"a:80:80"),
                ("3986 3.2.3", b"a:+80"),
                ("3986 3.2.3", b"a:-1"),
                ("3986 3.2.3", b"a:123456"),
                ("3986 3.2.3", b":80"),
                ("3986 3.2.2", b"::1"),
                ("3986 3.2.2", b"[::1"),
                ("3986 3.2.2", b"[]"),
                ("3986 3.2.2", b"[:]"),
                ("3986 3.2.2", b"[1:2:3]"),
                ("3986 3.2.2", b"[::1]x"),
                ("3986 3.2.2", b"[v1.x]"),
                ("6874 2", b"[fe80::1%25eth0]"),
                ("3986 3.2.2", b"a\xc3\xb1"),
                ("3986 3.2.2", b'a"b'),
                ("3986 3.2.2", b"a<b"),
                ("3986 3.2.2", b"a|b"),
                ("3986 2.1", b"a%"),
                ("3986 2.1", b"a%zz"),
                ("no DNS name", b"a%2fb"),
                ("no DNS name", b"a,b"),
                ("no DNS name", b"a;b"),
                ("no DNS name", b"*"),
                ("no DNS name", b"a'b"),
                ("1035 2.3.4", b"x" * 262),
            ]
        ),
    ],
)
def test_a_host_that_is_none_or_two_or_malformed_is_refused(data: bytes) -> None:
    assert refusal(data) == (400, "bad-request")


@pytest.mark.parametrize(
    "value",
    [
        b"todo.example",
        b"TODO.Example",
        b"todo.example.",
        b"todo_list.example",
        b"xn--maana-pta.example",
        b"todo.example:8000",
        b"todo.example:",
        b"localhost",
        b"192.0.2.1:80",
        b"[2001:db8::1]",
        b"[2001:db8::1]:8000",
        b"[::ffff:192.0.2.1]",
        b"-",
        b"~",
        b"x" * 261,
    ],
    ids=lambda value: value.decode()[:30],
)
def test_a_host_passes_as_it_came(value: bytes) -> None:
    assert parse(host(value)).host == value


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(head(line=b"GET / HTTP/1.0", host=b""), id="9112 3.2: HTTP/1.0 may do without"),
        pytest.param(head(host=b"Host:\r\n"), id="9112 3.2: empty where the URI has no authority"),
        pytest.param(head(host=b"Host: \t \r\n"), id="9110 5.5: only white space"),
    ],
)
def test_an_empty_host_is_one(data: bytes) -> None:
    assert parse(data).host == b""


def test_white_space_around_a_host_is_no_part_of_it() -> None:
    assert parse(head(host=b"Host:  todo.example \r\n")).host == b"todo.example"


# ── field lines ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"X : y\r\n", id="9112 5.1: space before the colon"),
        pytest.param(b"X\t: y\r\n", id="9112 5.1: tab before the colon"),
        pytest.param(b"Transfer-Encoding : chunked\r\n", id="9112 5.1: space before the colon, framing"),
        pytest.param(b" X: y\r\n", id="9112 2.2: space before the name"),
        pytest.param(b"X: y\r\n z\r\n", id="9112 5.2: obs-fold"),
        pytest.param(b"X: y\r\n\tz\r\n", id="9112 5.2: obs-fold with a tab"),
        pytest.param(b"X:\r\n y\r\n", id="9112 5.2: obs-fold after an empty value"),
        pytest.param(b"Content-Length:\r\n 5\r\n", id="9112 5.2: obs-fold of a length"),
        pytest.param(b"X: y\nZ: w\r\n", id="9112 2.2: bare LF"),
        pytest.param(b"X: y\n\r\n", id="9112 2.2: bare LF before the end"),
        pytest.param(b"X: y\rZ: w\r\n", id="9112 2.2: bare CR"),
        pytest.param(b"X: y\r\r\n", id="9112 2.2: CR CR LF"),
        pytest.param(b"X: y\x00z\r\n", id="9110 5.5: NUL in a value"),
        pytest.param(b"X: y\x01z\r\n", id="9110 5.5: control character in a value"),
        pytest.param(b"X: y\x0bz\r\n", id="9110 5.5: vertical tab in a value"),
        pytest.param(b"X: y\x7fz\r\n", id="9110 5.5: DEL in a value"),
        pytest.param(b"no colon\r\n", id="9112 5: no colon"),
        pytest.param(b"X\r\n", id="9112 5: a name alone"),
        pytest.param(b": y\r\n", id="9110 5.1: no name"),
        pytest.param(b"X Y: z\r\n", id="9110 5.1: space in a name"),
        pytest.param(b"X\x00: z\r\n", id="9110 5.1: NUL in a name"),
        pytest.param(b"X(Y): z\r\n", id="9110 5.1: parenthesis in a name"),
        pytest.param(b'"X": z\r\n', id="9110 5.1: quote in a name"),
        pytest.param("Ñ: z\r\n".encode(), id="9110 5.1: name that is not ASCII"),
    ],
)
def test_a_malformed_field_line_is_refused(fields: bytes) -> None:
    assert refusal(head(fields)) == (400, "bad-request")


def test_white_space_between_the_request_line_and_the_first_field_is_refused() -> None:
    """RFC 9112, section 2.2."""
    assert refusal(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n") == (400, "bad-request")


def test_fields_keep_their_order_case_and_bytes() -> None:
    lines = (
        b"x-LOWER: a\r\nX-Upper:b\r\nX-Empty:\r\nX-Spaces: \t c  d \t\r\n"
        b"X-Latin: \xf1\r\nX-UTF: \xc3\xb1\r\n"
        b'Cookie: a=1\r\ncookie: b=2\r\n!#$%&\'*+-.^_`|~09: "quoted, \\"; \r\n'
    )
    found = parse(head(lines))
    assert found.passed + b"\r\n" == b"\r\n" + lines
    assert found.fields == b"\r\nHost: todo.example" + found.passed
