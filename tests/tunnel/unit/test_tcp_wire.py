"""What an agent and a service are told of a TCP visitor."""

from __future__ import annotations

import pytest

from tunnel.config import ProxyProtocol
from tunnel.tcp.proxy_protocol import proxy_header
from tunnel.tcp.wire import Endpoint, TcpOpen, decode_open, encode_open

V4 = TcpOpen(3, Endpoint.of(("203.0.113.7", 51000)), Endpoint.of(("192.0.2.10", 5432)))
V6 = TcpOpen(65535, Endpoint.of(("2001:db8::7", 1, 0, 0)), Endpoint.of(("2001:db8::10", 65535, 0, 0)))
MIXED = TcpOpen(0, Endpoint.of(("fe80::7%eth0", 9, 0, 2)), Endpoint.of(("192.0.2.10", 8)))
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"  # proxy-protocol.txt, section 2.2


@pytest.mark.parametrize("head", [V4, V6, MIXED])
def test_an_open_frame_comes_back(head: TcpOpen) -> None:
    payload = encode_open(head)
    assert len(payload) == 40
    assert decode_open(payload) == head


def test_an_open_frame_is_these_bytes() -> None:
    mapped = bytes(10) + b"\xff\xff"
    assert encode_open(V4) == (
        b"\x02\x00\x00\x03"
        + (mapped + bytes((203, 0, 113, 7)) + (51000).to_bytes(2, "big"))
        + (mapped + bytes((192, 0, 2, 10)) + (5432).to_bytes(2, "big"))
    )


def test_an_ipv4_address_of_a_socket_of_both_families_is_one() -> None:
    assert Endpoint.of(("::ffff:203.0.113.7", 51000, 0, 0)) == V4.visitor


@pytest.mark.parametrize(
    "payload", [b"", b"\x02", encode_open(V4)[:-1], encode_open(V4) + b"\0", b"\x01" + encode_open(V4)[1:]]
)
def test_what_is_no_open_frame_of_a_tcp_stream_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="malformed"):
        decode_open(payload)


def test_the_first_version_of_the_proxy_protocol_is_a_line() -> None:
    assert proxy_header(ProxyProtocol.V1, V4) == b"PROXY TCP4 203.0.113.7 192.0.2.10 51000 5432\r\n"
    assert proxy_header(ProxyProtocol.V1, V6) == b"PROXY TCP6 2001:db8::7 2001:db8::10 1 65535\r\n"


def test_the_second_version_is_binary() -> None:
    addresses = bytes((203, 0, 113, 7, 192, 0, 2, 10)) + b"\xc7\x38\x15\x38"
    assert proxy_header(ProxyProtocol.V2, V4) == SIGNATURE + b"\x21\x11\x00\x0c" + addresses
    told = proxy_header(ProxyProtocol.V2, V6)
    assert told.startswith(SIGNATURE + b"\x21\x21\x00\x24")
    assert len(told) == 16 + 36


def test_two_families_become_one() -> None:
    assert proxy_header(ProxyProtocol.V1, MIXED).startswith(b"PROXY TCP6 fe80::7 ::ffff:")
    assert proxy_header(ProxyProtocol.V2, MIXED)[13] == 0x21


def test_who_wants_to_be_told_nothing_is_told_nothing() -> None:
    assert proxy_header(ProxyProtocol.NONE, V4) == b""
