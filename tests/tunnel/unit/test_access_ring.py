"""Whose token is whose, and whose name is whose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import examples
from tests.tunnel.unit.kit import assert_spanish
from tunnel.access.patterns import parse_pattern
from tunnel.access.ring import TokenEntry, TokenRing
from tunnel.config import ConfigError, Secret
from tunnel.protocol.auth import key_id

TOKENS = ["un-token-de-prueba-0123", "otro-token-de-prueba-4567"]


def ring_of(**names: str) -> TokenRing:
    """Return a ring in which each label has these names, separated by spaces."""
    return TokenRing(
        TokenEntry(Secret(label * 16), label, tuple(text.split())) for label, text in names.items()
    )


def owners(ring: TokenRing, name: str) -> set[str]:
    """Return the labels of the tokens that may have ``name``."""
    return {label for label in "abcd" if ring.allows(key_id(label * 16), name)}


# ── key ids ──────────────────────────────────────────────────────────────────────────────────────


def ring() -> TokenRing:
    return TokenRing(TokenEntry(Secret(token), token[:4]) for token in TOKENS)


@pytest.mark.parametrize("token", TOKENS)
def test_each_token_is_found_by_its_key_id(token: str) -> None:
    found = ring().find(key_id(token))
    assert found is not None
    assert found.secret.reveal() == token
    assert ring().entry(key_id(token)) is not None
    assert len(ring()) == 2


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
    assert ring().find(wanted) is None
    assert ring().entry(wanted) is None
    assert not ring().allows(wanted, "a.example")


def test_an_empty_ring_finds_none() -> None:
    assert TokenRing(()).find(key_id(TOKENS[0])) is None


def test_a_ring_does_not_show_its_tokens() -> None:
    shown = ring()
    assert not any(token in repr(shown) + repr(shown._entries) + repr(shown._owners) for token in TOKENS)


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("names", "yes", "no"),
    [
        ("ana.example", ["ana.example"], ["x.ana.example", "example", "xana.example", "ana.example.x", "*"]),
        ("*.ana.example", ["x.ana.example", "y.x.ana.example"], ["ana.example", "xana.example", "*"]),
        ("*", ["ana.example", "example", "*", "", "[::1]", "192.0.2.1"], []),
        ("a.example b.example", ["a.example", "b.example"], ["c.example", "*"]),
    ],
)  # fmt: skip
def test_a_pattern_covers_what_it_says_and_nothing_else(names: str, yes: list[str], no: list[str]) -> None:
    ring = ring_of(a=names)
    assert [name for name in yes if not owners(ring, name)] == []
    assert [name for name in no if owners(ring, name)] == []


def test_the_more_specific_pattern_has_the_name() -> None:
    ring = ring_of(a="ana.curso.example", b="*.curso.example", c="*", d="*.x.curso.example")
    assert owners(ring, "ana.curso.example") == {"a"}
    assert owners(ring, "luis.curso.example") == {"b"}
    assert owners(ring, "y.x.curso.example") == {"d"}
    assert owners(ring, "x.ana.curso.example") == {"b"}
    assert owners(ring, "curso.example") == {"c"}
    assert owners(ring, "otro.example") == {"c"}
    assert owners(ring, "*") == {"c"}


def test_two_tokens_may_share_a_name() -> None:
    assert owners(ring_of(a="a.example", b="a.example *.b"), "a.example") == {"a", "b"}


def test_a_name_is_somebody_s_when_it_is_given_other_than_with_everything() -> None:
    ring = ring_of(a="ana.example *.ana.example", b="*")
    assert ring.is_named("ana.example")
    assert ring.is_named("x.ana.example")
    assert not ring.is_named("b.example")


LABELS = st.sampled_from(["ana", "luis", "x", "curso"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.one_of(NAMES, NAMES.map("*.{}".format), st.just("*"))


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern covers a name, told another way than the ring does."""
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) and len(name) > len(pattern) - 1
    return name == pattern


@given(
    rights=st.dictionaries(st.sampled_from("abcd"), st.lists(PATTERNS, min_size=1, max_size=4)), name=NAMES
)
@examples(300)
def test_a_name_is_theirs_whose_longest_pattern_covers_it(rights: dict[str, list[str]], name: str) -> None:
    ring = ring_of(**{label: " ".join(patterns) for label, patterns in rights.items()})
    covering = {
        label: max((len(p) + (not p.startswith("*")) * 100 for p in patterns if covers(p, name)), default=0)
        for label, patterns in rights.items()
    }
    best = max(covering.values(), default=0)
    assert owners(ring, name) == {label for label, length in covering.items() if length == best > 0}


# ── patterns ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "pattern"),
    [("ana.example", "ana.example"), (" ANA.Example. ", "ana.example"), ("*.Ana", "*.ana"), ("*", "*")],
)
def test_a_pattern_is_read_as_people_write_it(text: str, pattern: str) -> None:
    assert parse_pattern(text) == pattern


@pytest.mark.parametrize(
    "text",
    ["", ".", "*.", "**", "*.*", "a.*.example", "ana*.example", "ana.example:80", "http://ana.example",
     "ñandú", "a b", "-a.example", "a..b", "x" * 64, "[::1]"],
)  # fmt: skip
def test_what_is_no_name_is_refused_with_examples_of_what_is(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_pattern(text)
    assert f"«{text}»" in str(caught.value)
    assert "*.ana.example" in str(caught.value)
    assert_spanish(str(caught.value))
