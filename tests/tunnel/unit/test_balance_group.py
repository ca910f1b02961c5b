"""Clients that share a name: who has to go, who stays, whose turn it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from tunnel.balance.group import Group, Member
from tunnel.routing import RoutingTable


@dataclass(eq=False)
class Client:
    """A client, as the table sees it, with as many streams as a test gives it."""

    name: str
    streams: int = 0
    fault: str = ""
    key_id: str = "k1"


def next_of(group: Group[Client]) -> str:
    """Return the name of whoever takes the next visitor, or why nobody does."""
    chosen = group.choose(lambda client, index: client.fault, lambda client: client.streams)
    return chosen if isinstance(chosen, str) else chosen.holder.name


def group_of(*clients: Client) -> Group[Client]:
    group: Group[Client] = Group()
    for client in clients:
        group.join(client, 0, f"i-{client.name}")
    return group


# ── whose turn it is ─────────────────────────────────────────────────────────────────────────────


def test_those_with_equal_load_take_turns() -> None:
    group = group_of(Client("a"), Client("b"), Client("c"))
    turns = [next_of(group) for _ in range(9)]
    assert turns[:3] == turns[3:6] == turns[6:]
    assert sorted(turns[:3]) == ["a", "b", "c"]


def test_the_least_loaded_goes_first() -> None:
    busy, idle = Client("busy", streams=5), Client("idle")
    group = group_of(busy, idle)
    taken = []
    for _ in range(7):
        name = next_of(group)
        taken.append(name)
        next(client for client in (busy, idle) if client.name == name).streams += 1
    assert taken[:5] == ["idle"] * 5
    assert Counter(taken[5:]) == {"busy": 1, "idle": 1}


def test_who_cannot_is_left_out_and_comes_back_when_it_can() -> None:
    down, well = Client("down", fault="upstream-down"), Client("well", streams=9)
    group = group_of(down, well)
    assert {next_of(group) for _ in range(4)} == {"well"}
    down.fault = ""
    assert next_of(group) == "down"


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (("upstream-down", "upstream-down"), "upstream-down"),
        (("draining", "draining"), "draining"),
        (("draining", "upstream-down"), "upstream-down"),
        (("upstream-down", "too-many-streams", "draining"), "too-many-streams"),
    ],
)
def test_where_nobody_can_the_reason_is_the_one_likely_to_pass_first(
    faults: tuple[str, ...], told: str
) -> None:
    assert (
        next_of(group_of(*(Client(str(number), fault=fault) for number, fault in enumerate(faults)))) == told
    )


# ── who comes and who goes ───────────────────────────────────────────────────────────────────────


def test_clients_that_both_share_stay_both() -> None:
    table: RoutingTable[Client] = RoutingTable()
    first, second = Client("first"), Client("second")
    assert table.claim(("a", "b"), first, "i-1") == []
    assert table.claim(("b", "c"), second, "i-2") == []
    routes = {name: table.find(name) for name in "abc"}
    assert {name: route and route.group and len(route.group) for name, route in routes.items()} == {
        "a": 1,
        "b": 2,
        "c": 1,
    }


@pytest.mark.parametrize(("former", "later"), [("", "i-2"), ("i-1", ""), ("", "")])
def test_where_one_does_not_share_the_later_takes_the_place_of_the_former(former: str, later: str) -> None:
    table: RoutingTable[Client] = RoutingTable()
    first, second = Client("first"), Client("second")
    table.claim(("a", "b"), first, former)
    assert table.claim(("a",), second, later) == [first]
    route = table.find("a")
    assert route is not None
    assert route.holder is second
    assert table.find("b") is None


def test_one_that_does_not_share_takes_the_place_of_all_who_do() -> None:
    table: RoutingTable[Client] = RoutingTable()
    first, second, alone = Client("first"), Client("second"), Client("alone")
    table.claim(("a",), first, "i-1")
    table.claim(("a",), second, "i-2")
    assert table.claim(("a",), alone) == [first, second]
    route = table.find("a")
    assert route is not None
    assert (route.holder, route.group) == (alone, None)


def test_a_process_that_comes_back_takes_the_place_of_its_dead_link_and_of_no_other() -> None:
    table: RoutingTable[Client] = RoutingTable()
    dead, other, back = Client("dead"), Client("other"), Client("back")
    table.claim(("a",), dead, "i-1")
    table.claim(("a",), other, "i-2")
    assert table.claim(("a",), back, "i-1") == [dead]
    route = table.find("a")
    assert route is not None
    assert route.group is not None
    assert {next_of(route.group) for _ in range(4)} == {"other", "back"}


def test_the_name_stays_until_the_last_of_them_is_gone_with_each_one_s_own_index() -> None:
    table: RoutingTable[Client] = RoutingTable()
    first, second = Client("first"), Client("second")
    table.claim(("a", "b"), first, "i-1")
    table.claim(("b",), second, "i-2")
    table.release(second)
    route = table.find("b")
    assert route is not None
    assert (route.holder, route.index) == (first, 1)
    assert route.group is not None
    assert route.group.choose(lambda *_: "", lambda _: 0) == Member(first, 1, "i-1")
    table.release(first)
    assert table.find("a") is table.find("b") is None
    assert table.is_known("b")
