"""Who the visitor is behind a trusted proxy."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import examples
from tunnel.http.forwarded import is_within, visitor_behind
from tunnel.http.lines import Fields

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
PROXY = "10.0.0.1"


def forwarded(*values: bytes) -> Fields:
    return b"".join(b"\r\nX-Forwarded-For: " + value for value in values)


@pytest.mark.parametrize(
    ("values", "visitor"),
    [
        ([], PROXY),
        ([b""], PROXY),
        ([b"203.0.113.9"], "203.0.113.9"),
        ([b"203.0.113.9, 10.0.0.7"], "203.0.113.9"),
        ([b"203.0.113.9", b"10.0.0.7"], "203.0.113.9"),
        ([b"198.51.100.1, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
        ([b"10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        ([b"10.0.0.9, 10.0.0.7"], "10.0.0.9"),
        ([b"203.0.113.9:4711"], "203.0.113.9"),
        ([b"[2001:db8::1]:4711"], "2001:db8::1"),
        ([b"[2001:db8::1]"], "2001:db8::1"),
        ([b"2001:DB8::1"], "2001:db8::1"),
        ([b"::ffff:203.0.113.9"], "203.0.113.9"),
        ([b"203.0.113.9, fd00::1, ::ffff:10.0.0.7"], "203.0.113.9"),
        ([b"unknown"], PROXY),
        ([b"203.0.113.9, unknown"], PROXY),
        ([b"203.0.113.9, unknown, 10.0.0.7"], "10.0.0.7"),
        ([b"203.0.113.9,"], "203.0.113.9"),
        ([b", 203.0.113.9 ,, 10.0.0.7, "], "203.0.113.9"),
        ([b'fe80::1%";proto=https'], PROXY),
        ([b"fe80::1%eth0"], PROXY),
        ([b"\xff\xfe, 203.0.113.9"], "203.0.113.9"),
        ([b"203.0.113.9 evil"], PROXY),
        ([b'"203.0.113.9"'], PROXY),
    ],
)
def test_the_visitor_is_the_last_address_that_is_no_trusted_proxy(values: list[bytes], visitor: str) -> None:
    assert visitor_behind(forwarded(*values), PROXY, TRUSTED)[0] == visitor


@pytest.mark.parametrize(
    ("values", "scheme"),
    [([], b"http"), ([b"https"], b"https"), ([b"HTTPS"], b"https"), ([b"http"], b"http"), ([b"ftp"], b"http"),
     ([b"https", b"http"], b"http"), ([b"https, http"], b"http"), ([b'https";x="'], b"http")],
)  # fmt: skip
def test_the_scheme_is_one_of_two(values: list[bytes], scheme: bytes) -> None:
    fields = b"".join(b"\r\nx-forwarded-proto: " + value for value in values)
    assert visitor_behind(fields, PROXY, TRUSTED) == (PROXY, scheme)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.1.2.3", True),
     ("11.1.2.3", False), ("::ffff:10.1.2.3", True), ("fd00::1", True), ("fe80::1", False),
     ("", False), ("unknown", False)],
)  # fmt: skip
def test_an_address_is_within_a_network_or_not(address: str, expected: bool) -> None:
    assert is_within(address, TRUSTED) is expected
    assert not is_within(address, ())


@given(values=st.lists(st.binary(max_size=40), max_size=4))
@examples(300)
def test_whatever_comes_the_visitor_is_an_address(values: list[bytes]) -> None:
    visitor, scheme = visitor_behind(forwarded(*values), PROXY, TRUSTED)
    assert scheme == b"http"
    assert is_within(visitor, (ip_network("0.0.0.0/0"), ip_network("::/0")))
