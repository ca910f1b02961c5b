"""How long the exit node waits for an issuer that did not give a certificate."""

from __future__ import annotations

import itertools

import pytest

from tunnel.acme.patience import MAX_PAUSE_S, FailureKind, pause_s


def pauses(kind: FailureKind, count: int, chance: float = 0.5) -> list[float]:
    return [pause_s(kind, failures, 0.0, chance) for failures in range(1, count + 1)]


@pytest.mark.parametrize("kind", FailureKind)
def test_the_waits_grow_up_to_a_limit(kind: FailureKind) -> None:
    found = pauses(kind, 40)
    assert found[0] >= 10
    assert all(before <= after for before, after in itertools.pairwise(found))
    assert found[-1] == found[-2] <= 86400


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_name_that_is_refused_stays_within_five_attempts_an_hour(chance: float) -> None:
    waits = pauses(FailureKind.REFUSED, 100, chance)
    attempts = list(itertools.accumulate(waits, initial=0.0))
    for begin in attempts:
        assert sum(begin <= at < begin + 3600 for at in attempts) <= 5


def test_chance_spreads_those_who_failed_at_once() -> None:
    low, high = (pause_s(FailureKind.UNREACHABLE, 5, 0.0, chance) for chance in (0.0, 1.0))
    assert high / low > 1.5


def test_what_the_issuer_asks_for_is_kept_but_not_for_ever() -> None:
    assert pause_s(FailureKind.REFUSED, 1, 5000.0, 0.5) == 5000.0
    assert pause_s(FailureKind.RATE_LIMITED, 1, 1.0, 0.5) == 3600.0
    assert pause_s(FailureKind.RATE_LIMITED, 1, 1e12, 0.5) == MAX_PAUSE_S


def test_only_what_no_name_is_to_blame_for_holds_up_the_others() -> None:
    assert {kind for kind in FailureKind if kind.is_of_all} == {
        FailureKind.UNREACHABLE, FailureKind.RATE_LIMITED, FailureKind.STATE
    }  # fmt: skip
