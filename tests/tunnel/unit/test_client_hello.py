"""The name in a ClientHello, whatever the records and segments that it comes in."""

from __future__ import annotations

import random
import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import examples, in_chunks
from tunnel.sni.hello import MAX_HELLO_BYTES, MAX_PEEKED_BYTES, ClientHelloReader, HelloError, encode_alert


def hello_of(name: str | None, alpn: tuple[str, ...] = ("h2", "http/1.1")) -> bytes:
    """Return the first record that OpenSSL sends to ``name``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def vector(size_bytes: int, content: bytes) -> bytes:
    return len(content).to_bytes(size_bytes) + content


def entry(name: bytes, kind: int = 0) -> bytes:
    return bytes((kind,)) + vector(2, name)


def made(*extensions: tuple[int, bytes], leaves_them_out: bool = False) -> bytes:
    """Return a ClientHello with these extensions, without its record."""
    body = b"\3\3" + b"r" * 32 + vector(1, b"id") + vector(2, b"\x13\x01") + vector(1, b"\0")
    if not leaves_them_out:
        body += vector(2, b"".join(kind.to_bytes(2) + vector(2, content) for kind, content in extensions))
    return b"\1" + vector(3, body)


def server_name(*entries: bytes) -> tuple[int, bytes]:
    return 0, vector(2, b"".join(entries))


def in_records(message: bytes, size: int = 2**14) -> bytes:
    """Return a handshake message as records of ``size`` bytes."""
    return b"".join(b"\x16\3\1" + vector(2, piece) for piece in in_chunks(message, size))


def name_in(data: bytes, chunk: int = 1 << 20) -> str | None:
    """Feed ``data`` in chunks; return the name, None while it is not known."""
    reader = ClientHelloReader()
    for piece in in_chunks(data, chunk):
        reader.receive_data(piece)
    assert bytes(reader.data) == data
    return reader.name


@pytest.mark.parametrize("chunk", [1, 3, 100, 1 << 20])
def test_the_name_that_openssl_asks_for_is_found(chunk: int) -> None:
    assert name_in(hello_of("Ana.Example"), chunk) == "ana.example"


def test_a_hello_without_a_name_has_none() -> None:
    assert name_in(hello_of(None)) == ""
    assert name_in(in_records(made(leaves_them_out=True))) == ""
    assert name_in(in_records(made())) == ""
    assert name_in(in_records(made(server_name(entry(b"x", kind=9))))) == ""


@pytest.mark.parametrize("record", [1, 2, 5, 77])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_a_hello_over_many_records_and_segments_is_read_all_the_same(record: int, chunk: int) -> None:
    message = hello_of("luis.example")[5:]
    assert name_in(in_records(message, record), chunk) == "luis.example"


def test_the_name_is_not_known_before_the_last_byte_of_the_message() -> None:
    data = hello_of("ana.example")
    reader = ClientHelloReader()
    assert not reader.receive_data(data[:-1])
    assert reader.receive_data(data[-1:])


def test_what_follows_the_hello_is_kept_for_the_service() -> None:
    data = hello_of("ana.example")
    reader = ClientHelloReader()
    assert reader.receive_data(data + b"early data")
    assert bytes(reader.data) == data + b"early data"


def test_a_name_with_the_root_s_dot_is_the_same_name() -> None:
    assert name_in(in_records(made(server_name(entry(b"ana.example."))))) == "ana.example"


@pytest.mark.parametrize(
    "data",
    [
        in_records(b"\2" + vector(3, b"x")),
        b"\x16\2\0" + vector(2, b"\1"),
        in_records(made(server_name(entry(b"a.example"), entry(b"b.example")))),
        in_records(made(server_name(entry(b"a.example")), server_name(entry(b"b.example")))),
        in_records(made((0, b"\0\xff"))),
        in_records(b"\1" + vector(3, b"\3\3")),
        b"\x16\3\1" + vector(2, b""),
        b"\x16\3\1\x40\x01",
        in_records(b"\1\0" + (MAX_HELLO_BYTES + 1).to_bytes(2)),
        in_records(b"\1\x01\0\0"),
        in_records(b"\1") + b"\x17\3\3\0\1x",
    ],
    ids=[
        "a ServerHello",
        "SSL 2",
        "two names",
        "two lists of names",
        "a list longer than its extension",
        "a short body",
        "an empty record",
        "a record too long",
        "a hello one byte too long",
        "a hello far too long",
        "another kind of record in between",
    ],
)
def test_what_is_no_hello_is_refused(data: bytes) -> None:
    with pytest.raises(HelloError):
        name_in(data)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n", b"\0", b"\x80\x2e\1\3\1"])
def test_what_is_no_tls_at_all_is_told_apart(data: bytes) -> None:
    with pytest.raises(HelloError) as refused:
        name_in(data)
    assert not refused.value.is_tls


def test_the_longest_hello_is_read_and_no_more_than_so_much_is_waited_for() -> None:
    padding = MAX_HELLO_BYTES - len(made(server_name(entry(b"ana.example")), (21, b""))) + 4
    longest = made(server_name(entry(b"ana.example")), (21, b"\0" * padding))
    assert len(longest) == MAX_HELLO_BYTES + 4
    assert name_in(in_records(longest)) == "ana.example"
    dripped = in_records(longest, 1)
    assert len(dripped) > MAX_PEEKED_BYTES
    with pytest.raises(HelloError, match="too many bytes"):
        name_in(dripped, 1000)


def test_an_alert_is_a_record_of_two_bytes() -> None:
    assert encode_alert(112) == bytes.fromhex("15030300020270")  # type: ignore[arg-type]


@examples(300)
@given(seed=st.integers(0, 2**32))
def test_no_bytes_raise_anything_else(seed: int) -> None:
    draw = random.Random(seed)
    data = bytearray(in_records(hello_of("ana.example")[5:], draw.randint(1, 600)))
    for _ in range(draw.randint(1, 6)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    with suppress(HelloError):
        name_in(bytes(data), draw.randint(1, 200))
