"""Which client serves which name."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import examples
from tunnel.routing import MAX_KNOWN_NAMES, Route, RoutingTable, normalize_host


@dataclass(eq=False)
class Client:
    """A client, as the table sees it."""

    key_id: str = "k1"


@pytest.fixture
def table() -> RoutingTable[Client]:
    return RoutingTable()


def test_a_name_leads_to_the_client_that_claimed_it_with_its_index(table: RoutingTable[Client]) -> None:
    client = Client()
    assert table.claim(("a.example", "b.example"), client) == []
    assert table.find("a.example") == Route(client, 0)
    assert table.find("b.example") == Route(client, 1)
    assert table.find("c.example") is None
    assert len(table) == 2


def test_the_catch_all_takes_what_nobody_claimed_and_nothing_else(table: RoutingTable[Client]) -> None:
    everything, one = Client(), Client()
    table.claim(("*",), everything)
    table.claim(("a.example",), one)
    assert table.find("a.example") == Route(one, 0)
    assert table.find("b.example") == Route(everything, 0)
    assert table.find("") == Route(everything, 0)


def test_a_name_is_no_wildcard_for_those_below_it(table: RoutingTable[Client]) -> None:
    table.claim(("example",), Client())
    assert table.find("a.example") is None


def test_the_most_precise_claim_decides(table: RoutingTable[Client]) -> None:
    everything, far, near, one = Client(), Client(), Client(), Client()
    table.claim(("*",), everything)
    table.claim(("*.example",), far)
    table.claim(("x.example", "*.b.example"), near)
    table.claim(("a.b.example",), one)
    for name, route in {
        "a.b.example": Route(one, 0),
        "c.b.example": Route(near, 1),
        "d.c.b.example": Route(near, 1),
        "b.example": Route(far, 0),
        "z.example": Route(far, 0),
        "example": Route(everything, 0),
        "otherexample": Route(everything, 0),
        "": Route(everything, 0),
    }.items():
        assert table.find(name) == route, name
    table.release(near)
    assert table.find("c.b.example") == Route(far, 0)


def test_what_a_wildcard_covered_is_known_once_its_client_is_away(table: RoutingTable[Client]) -> None:
    client = Client()
    table.claim(("*.b.example",), client)
    table.release(client)
    assert table.find("a.b.example") is None
    assert table.is_known("a.b.example")
    assert not table.is_known("b.example")
    assert not table.is_known("a.example")


def test_a_client_that_comes_again_replaces_itself(table: RoutingTable[Client]) -> None:
    before, after = Client(), Client()
    table.claim(("a.example", "b.example"), before)
    assert table.claim(("a.example", "b.example"), after) == [before]
    assert table.find("a.example") == Route(after, 0)
    assert table.find("b.example") == Route(after, 1)


def test_who_loses_one_name_loses_all_of_them(table: RoutingTable[Client]) -> None:
    before, after = Client(), Client()
    table.claim(("a.example", "b.example"), before)
    assert table.claim(("b.example",), after) == [before]
    assert table.find("a.example") is None
    assert table.find("b.example") == Route(after, 0)


def test_one_claim_may_replace_several_clients_each_of_them_once(table: RoutingTable[Client]) -> None:
    first, second, after = Client(), Client(), Client()
    table.claim(("a.example", "b.example"), first)
    table.claim(("c.example",), second)
    assert table.claim(("a.example", "b.example", "c.example"), after) == [first, second]
    assert len(table) == 3


def test_a_claim_of_the_names_that_one_holds_replaces_nobody(table: RoutingTable[Client]) -> None:
    client = Client()
    table.claim(("a.example",), client)
    assert table.claim(("a.example",), client) == []
    assert table.find("a.example") == Route(client, 0)


def test_release_takes_a_client_s_names_and_no_one_else_s(table: RoutingTable[Client]) -> None:
    leaving, staying = Client(), Client()
    table.claim(("a.example", "b.example"), leaving)
    table.claim(("c.example",), staying)
    table.release(leaving)
    table.release(leaving)
    assert table.find("a.example") is None
    assert table.find("c.example") == Route(staying, 0)
    assert len(table) == 1


def test_the_late_release_of_a_replaced_client_leaves_its_heir_alone(table: RoutingTable[Client]) -> None:
    before, after = Client(), Client()
    table.claim(("a.example",), before)
    table.claim(("a.example",), after)
    table.release(before)
    assert table.find("a.example") == Route(after, 0)


def test_a_name_is_held_against_other_tokens_only(table: RoutingTable[Client]) -> None:
    table.claim(("a.example", "b.example"), Client("k1"))
    assert table.held_by_others(("c.example", "b.example", "a.example"), "k2") == "b.example"
    assert table.held_by_others(("a.example", "b.example"), "k1") is None
    assert table.held_by_others(("c.example",), "k2") is None
    assert table.held_by_others((), "k2") is None


def test_the_catch_all_of_one_does_not_keep_others_from_names_of_their_own(
    table: RoutingTable[Client],
) -> None:
    table.claim(("*",), Client("k1"))
    assert table.held_by_others(("a.example",), "k2") is None
    assert table.held_by_others(("*",), "k2") == "*"


def test_a_token_s_own_names_are_told_from_those_that_its_catch_all_would_take(
    table: RoutingTable[Client],
) -> None:
    table.claim(("*", "a.example"), Client("k1"))
    assert table.is_held_by(("b.example", "a.example"), "k1")
    assert table.is_held_by(("*",), "k1")
    assert not table.is_held_by(("b.example",), "k1")
    assert not table.is_held_by(("a.example",), "k2")


# ── known names ──────────────────────────────────────────────────────────────────────────────────


def test_before_the_first_client_every_name_may_be_right(table: RoutingTable[Client]) -> None:
    assert table.is_known("anything")


def test_a_name_that_was_served_is_known_after_its_client_left_and_others_are_not(
    table: RoutingTable[Client],
) -> None:
    client = Client()
    table.claim(("a.example",), client)
    table.release(client)
    assert table.is_known("a.example")
    assert not table.is_known("b.example")


def test_after_a_catch_all_every_name_is_known(table: RoutingTable[Client]) -> None:
    client = Client()
    table.claim(("*",), client)
    table.release(client)
    assert table.is_known("anything")


def test_ten_thousand_names_are_remembered_and_the_oldest_is_forgotten(table: RoutingTable[Client]) -> None:
    client = Client()
    for number in range(MAX_KNOWN_NAMES):
        table.claim((f"n{number}",), client)
    table.claim(("n0",), client)  # claimed anew: not the oldest any more
    assert table.is_known("n1")
    table.claim(("one-more",), client)
    assert not table.is_known("n1")
    for name in ("n0", "n2", "one-more"):
        assert table.is_known(name)
    assert len(table._known) == MAX_KNOWN_NAMES == 10_000


# ── Host fields ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"todo.example", "todo.example"),
        (b"TODO.Example", "todo.example"),
        (b"todo.example:8000", "todo.example"),
        (b"todo.example:", "todo.example"),
        (b"todo.example.", "todo.example"),
        (b"todo.example.:8000", "todo.example"),
        (b"192.0.2.1:80", "192.0.2.1"),
        (b"[2001:DB8::1]", "[2001:db8::1]"),
        (b"[2001:db8::1]:8000", "[2001:db8::1]"),
        (b"", ""),
        (b"\xd1", "ñ"),
    ],
)
def test_a_host_field_as_a_name(host: bytes, name: str) -> None:
    assert normalize_host(host) == name


@given(host=st.binary(max_size=30))
@examples(100)
def test_any_bytes_make_a_name(host: bytes) -> None:
    name = normalize_host(host)
    assert name == name.lower()
