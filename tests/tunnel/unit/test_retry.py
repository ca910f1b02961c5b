"""How long the agent waits before it dials again."""

from __future__ import annotations

import random
import sys

import pytest

from tunnel.client import retry_delay_s

# Written out once more, and not taken from the code: after each number of failures, the most it may wait.
CEILINGS_S = {1: 0.5, 2: 1.0, 3: 2.0, 4: 4.0, 5: 5.0, 6: 5.0, 100: 5.0, 10**6: 5.0, sys.maxsize: 5.0}

DRAWS = 2000


@pytest.fixture
def draw() -> random.Random:
    return random.Random(20)


def test_after_a_good_link_the_first_attempt_is_at_once(draw: random.Random) -> None:
    assert {retry_delay_s(0, draw) for _ in range(20)} == {0.0}


@pytest.mark.parametrize(("failures", "ceiling_s"), CEILINGS_S.items())
def test_each_failure_doubles_the_longest_wait_up_to_five_seconds(
    failures: int, ceiling_s: float, draw: random.Random
) -> None:
    delays = [retry_delay_s(failures, draw) for _ in range(DRAWS)]
    assert min(delays) >= 0
    assert max(delays) <= ceiling_s
    assert max(delays) > 0.95 * ceiling_s


@pytest.mark.parametrize("failures", CEILINGS_S)
def test_the_jitter_is_full_so_that_clients_do_not_come_back_in_step(
    failures: int, draw: random.Random
) -> None:
    """Every tenth of the time up to the longest wait gets about its share of the attempts."""
    tenths = [0] * 10
    for _ in range(DRAWS):
        tenths[min(9, int(10 * retry_delay_s(failures, draw) / CEILINGS_S[failures]))] += 1
    assert min(tenths) > 0.7 * DRAWS / 10
    assert max(tenths) < 1.3 * DRAWS / 10


def test_two_clients_wait_differently() -> None:
    first = [retry_delay_s(n, random.Random(1)) for n in range(1, 20)]
    second = [retry_delay_s(n, random.Random(2)) for n in range(1, 20)]
    assert all(a != b for a, b in zip(first, second, strict=True))
