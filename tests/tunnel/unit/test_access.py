"""Whose token is whose."""

from __future__ import annotations

import pytest

from tunnel.access import TokenRing
from tunnel.config import Secret
from tunnel.protocol.auth import key_id

TOKENS = ["un-token-de-prueba-0123", "otro-token-de-prueba-4567"]


@pytest.mark.parametrize("token", TOKENS)
def test_each_token_is_found_by_its_key_id(token: str) -> None:
    assert TokenRing.of(*map(Secret, TOKENS)).find(key_id(token)) == token


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        key_id("a-token-of-nobody"),
        key_id(TOKENS[0]).upper(),
        key_id(TOKENS[0])[:-1],
        TOKENS[0],
        "ñ",
    ],
    ids=["empty", "of another token", "in capitals", "a part of it", "the token itself", "not ASCII"],
)
def test_any_other_key_id_finds_none(wanted: str) -> None:
    assert TokenRing.of(*map(Secret, TOKENS)).find(wanted) is None


def test_an_empty_ring_finds_none() -> None:
    assert TokenRing.of().find(key_id(TOKENS[0])) is None


def test_a_ring_does_not_show_its_tokens() -> None:
    ring = TokenRing.of(*map(Secret, TOKENS))
    assert not any(token in repr(ring) + repr(ring._tokens) for token in TOKENS)


def test_a_ring_does_not_change_with_what_it_was_made_of() -> None:
    tokens = {key_id(TOKENS[0]): Secret(TOKENS[0])}
    ring = TokenRing(tokens)
    tokens.clear()
    assert ring.find(key_id(TOKENS[0])) == TOKENS[0]
