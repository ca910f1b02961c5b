"""How long the agent waits before it dials again."""

from __future__ import annotations

import asyncio
import random
import socket
import sys

import pytest
from support.tunnel_kit import TOKEN

from tunnel.client import TunnelClient, retry_delay_s
from tunnel.config import ClientConfig, Secret, parse_control_url, parse_upstreams
from tunnel.events import Disconnected, Event

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


async def waits_of(port: int, attempts: int) -> list[float]:
    """Return how long a client waits after each of its first attempts, none of which succeeds."""
    waits: list[float] = []
    has_tried = asyncio.Event()

    def on_event(event: Event) -> None:
        assert isinstance(event, Disconnected)
        waits.append(event.retry_in_s)
        if len(waits) == attempts:
            has_tried.set()

    address = parse_control_url(f"ws://127.0.0.1:{port}")
    config = ClientConfig(address, Secret(TOKEN), parse_upstreams(["http://127.0.0.1:1"]))
    running = asyncio.create_task(TunnelClient(config, on_event).run())
    await has_tried.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return waits


def test_the_clients_of_an_exit_node_that_is_away_come_back_spread_out() -> None:
    """Forty clients fail at the same moment, three times; ./scripts/bench does it with 500."""

    async def all_waits(port: int) -> list[list[float]]:
        return await asyncio.gather(*(waits_of(port, 3) for _ in range(40)))

    with socket.socket() as held:  # bound and not listening: whoever calls is refused
        held.bind(("127.0.0.1", 0))
        told = asyncio.run(all_waits(held.getsockname()[1]))
    for failures, waits in enumerate(zip(*told, strict=True), start=1):
        quarters = [int(4 * wait / CEILINGS_S[failures]) for wait in waits]
        # All forty in three quarters of the time: less than once in 20 000 runs.
        assert {min(3, quarter) for quarter in quarters} == {0, 1, 2, 3}, waits
