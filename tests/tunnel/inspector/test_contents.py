"""Content as people read it."""

from __future__ import annotations

import gzip
import zlib

import pytest

from tunnel.inspector.contents import ShownContent, hex_dump, show_content
from tunnel.inspector.exchanges import Content
from tunnel.inspector.masking import Mask


def shown(data: bytes, content_type: str = "", coding: str = "", *, total: int = 0) -> ShownContent:
    return show_content(Content(bytearray(data), total or len(data)), content_type, coding, Mask())


def test_json_is_set_out_with_its_numbers_as_they_are() -> None:
    content = shown(
        b'{"a":1.10,"a":[],"b":[1,{"c":"x,y"}],"d":{},"e":12345678901234567890}', "application/json"
    )
    assert content.kind == "json"
    assert content.text == (
        '{\n  "a": 1.10,\n  "a": [],\n  "b": [\n    1,\n    {\n      "c": "x,y"\n    }\n  ],\n'
        '  "d": {},\n  "e": 12345678901234567890\n}'
    )


@pytest.mark.parametrize("data", [b'{"a": ', b"[1, 2", b"{no}", b"[" * 5000])
def test_what_is_not_json_is_text(data: bytes) -> None:
    content = shown(data, "application/json")
    assert (content.kind, content.text) == ("text", data.decode())


def test_text_is_read_in_its_own_alphabet() -> None:
    assert shown("mañana".encode(), "text/plain").text == "mañana"
    assert shown("mañana".encode("latin-1"), "text/plain; charset=ISO-8859-1").text == "mañana"
    assert shown("mañana".encode("latin-1"), "text/plain").kind == "binary"


def test_text_that_lost_half_a_character_is_still_text() -> None:
    data = "mañ".encode()[:-1]
    assert shown(data, "text/plain", total=100).text == "ma"
    assert shown(data, "text/plain").kind == "binary"


def test_bytes_are_shown_as_hexdump_does() -> None:
    content = shown(b"\x00\x01hola" + bytes(range(10, 22)), "image/png")
    assert content.kind == "binary"
    assert content.text.splitlines() == [
        "00000000  00 01 68 6f 6c 61 0a 0b  0c 0d 0e 0f 10 11 12 13  |..hola..........|",
        "00000010  14 15                                             |..|",
    ]
    assert hex_dump(b"") == ""


def test_only_the_beginning_of_many_bytes_is_shown() -> None:
    content = shown(bytes(10000), "image/png")
    assert content.is_cut
    assert len(content.text.splitlines()) == 256


@pytest.mark.parametrize(
    ("coding", "data"), [("gzip", gzip.compress(b'{"a":1}')), ("deflate", zlib.compress(b'{"a":1}'))]
)
def test_a_coding_is_undone(coding: str, data: bytes) -> None:
    content = shown(data, "application/json", coding)
    assert (content.kind, content.coding, content.total_bytes) == ("json", coding, len(data))


def test_what_says_that_it_is_compressed_and_is_not_is_shown_as_it_is() -> None:
    assert shown(b"hola", "text/plain", "gzip").text == "hola"


def test_a_bomb_is_undone_only_so_far() -> None:
    content = shown(gzip.compress(bytes(50_000_000)), "text/plain", "gzip")
    assert content.is_cut
    assert len(content.text) < 100_000
