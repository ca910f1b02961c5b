"""Where connections come from, and how much a source may do."""

from __future__ import annotations

import pytest

from tunnel import sources
from tunnel.sources import SourceCount, SourceRate, source_of


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::1", "::"),
        ("", ""),
        ("?", "?"),
    ],
)
def test_a_source_is_an_ipv4_address_or_an_ipv6_subscriber(address: str, source: str) -> None:
    assert source_of(address) == source


def test_connections_are_counted_by_source_and_forgotten_with_the_last() -> None:
    count = SourceCount()
    assert [count.add("a"), count.add("a"), count.add("b")] == [1, 2, 1]
    count.remove("a")
    assert count.add("a") == 2
    for source in ("a", "a", "b"):
        count.remove(source)
    assert len(count) == 0


def test_a_source_may_do_five_seconds_worth_at_once_and_then_its_rate() -> None:
    rate = SourceRate(2.0)
    assert [rate.take("a", 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert rate.take("b", 0.0)
    assert not rate.take("a", 0.4)
    assert rate.take("a", 0.9)
    assert not rate.take("a", 0.9)
    assert [rate.take("a", 100.0) for _ in range(11)] == [True] * 10 + [False]


def test_what_is_refused_costs_nothing_and_the_source_is_not_shut_out_for_ever() -> None:
    rate = SourceRate(1.0)
    for _ in range(1000):
        rate.take("a", 0.0)
    assert rate.take("a", 1.0)


def test_a_rate_below_one_in_five_seconds_lets_one_through() -> None:
    rate = SourceRate(0.1)
    assert rate.take("a", 0.0)
    assert not rate.take("a", 9.0)
    assert rate.take("a", 10.1)


def test_sources_are_forgotten_when_they_have_waited_long_enough() -> None:
    rate = SourceRate(1.0)
    for number in range(100):
        rate.take(f"s{number}", 0.0)
    assert len(rate) == 100
    rate.take("another", 1.5)
    assert len(rate) == 1


def test_a_flood_of_sources_takes_no_more_than_so_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_MAX_SOURCES", 10)
    rate = SourceRate(1.0)
    for number in range(50):
        rate.take(f"s{number}", 0.0)
        rate.take(f"s{number}", 0.0)
    assert len(rate) == 10
