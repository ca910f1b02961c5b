"""A token's quota: how it is written, and what a bucket lets pass."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tunnel.protocol.kit import START_S, Pair, Sink
from tunnel.access.quota import NO_QUOTA, TokenQuota
from tunnel.access.tokens_file import parse_tokens
from tunnel.config import ConfigError
from tunnel.protocol.errors import ResetCode
from tunnel.protocol.stream import Stream
from tunnel.quotas.bucket import Flow, TokenBucket
from tunnel.quotas.paced import PacedStream
from tunnel.quotas.quota import QuotaBook

KIB = 1024


def quota_in(lines: str) -> TokenQuota:
    secret = "un-secreto-de-prueba-0123456789"
    text = f'[[token]]\nlabel = "ana"\nsecret = "{secret}"\nnames = ["ana.example"]\n{lines}\n'
    return parse_tokens(text, Path("tokens.toml"))[0].quota


# ── how it is written ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "bytes_per_s"),
    [
        ("10MB/s", 10e6),
        ("500KB/s", 5e5),
        ("500 kB/s", 5e5),
        ("1.5MB/s", 1.5e6),
        ("2MiB/s", 2 * 1024 * 1024),
        ("100Mbit/s", 12.5e6),
        ("1GB/s", 1e9),
        ("10000B/s", 10_000),
    ],
)
def test_a_bandwidth_is_written_in_several_ways(written: str, bytes_per_s: float) -> None:
    assert quota_in(f'bandwidth = "{written}"') == TokenQuota(0, bytes_per_s)


def test_a_token_without_a_quota_has_none() -> None:
    assert quota_in("") == NO_QUOTA
    assert quota_in("max_streams = 7") == TokenQuota(7, 0)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('bandwidth = "10"', "no se entiende"),
        ("bandwidth = 10", "no se entiende"),
        ('bandwidth = "10MB"', "no se entiende"),
        ('bandwidth = "-1MB/s"', "no se entiende"),
        ('bandwidth = "10TB/s"', "no se entiende"),
        ('bandwidth = "0MB/s"', "muy poco"),
        ('bandwidth = "9999B/s"', "muy poco"),
        ("max_streams = 0", "número entero desde 1"),
        ("max_streams = true", "número entero desde 1"),
        ('max_streams = "5"', "número entero desde 1"),
        ("max_stream = 5", "max_streams"),
    ],
)
def test_what_is_no_quota_is_refused_in_clear_words(lines: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        quota_in(lines)


# ── the bucket, on a clock of its own ────────────────────────────────────────────────────────────


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when nothing else is to be done."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def run_for(self, seconds: float) -> None:
        """Let so much time pass, timer by timer."""
        end = self.now + seconds
        while True:
            self.call_soon(self.stop)
            self.run_forever()
            timers = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
            if not timers or min(timers) > end:
                break
            self.now = max(self.now, min(timers)) + 1e-9
        self.now = end


@pytest.fixture
def clock() -> Clock:
    loop = Clock()
    asyncio.set_event_loop(loop)
    yield loop  # type: ignore[misc]
    asyncio.set_event_loop(None)
    loop.close()


def flow(bucket: TokenBucket, passed: list[bytes], ended: Callable[[], None] = lambda: None) -> Flow:
    return Flow(bucket, passed.append, ended)


def test_no_more_than_the_rate_passes_over_time_and_all_of_it_in_order(clock: Clock) -> None:
    bucket, passed = TokenBucket(100_000, clock), list[bytes]()
    one = flow(bucket, passed)
    draw = random.Random(3)
    pieces = [draw.randbytes(draw.randint(1, 60_000)) for _ in range(60)]
    for piece in pieces:
        one.push(piece)
    for second in range(1, 8):
        clock.run_for(1)
        size = sum(map(len, passed))
        # The burst, and a debt of one piece at the most.
        assert 100_000 * second <= size <= 100_000 * second + 64 * KIB + 60_000
    clock.run_for(60)
    assert b"".join(passed) == b"".join(pieces)


def test_those_who_wait_take_turns(clock: Clock) -> None:
    bucket = TokenBucket(100_000, clock)
    received: list[list[bytes]] = [[] for _ in range(4)]
    flows = [flow(bucket, each) for each in received]
    for one in flows:
        for _ in range(40):
            one.push(b"x" * 10_000)
    clock.run_for(8)
    counts = [len(each) for each in received]
    assert sum(counts) > 60
    assert max(counts) - min(counts) <= 8, "one may have come first, with the burst"


def test_the_end_comes_after_what_is_held_and_nothing_comes_after_a_drop(clock: Clock) -> None:
    bucket, passed, events = TokenBucket(100_000, clock), list[bytes](), list[str]()
    one = flow(bucket, passed, lambda: events.append(f"end after {len(passed)}"))
    for _ in range(5):
        one.push(b"x" * 50_000)
    one.end()
    assert events == []
    other = flow(bucket, passed)
    other.push(b"dropped")
    other.drop()
    clock.run_for(10)
    assert events == ["end after 5"]
    assert b"dropped" not in passed


def test_a_rate_that_changes_counts_from_then_on(clock: Clock) -> None:
    bucket, passed = TokenBucket(100_000, clock), list[bytes]()
    one = flow(bucket, passed)
    for _ in range(100):
        one.push(b"x" * 20_000)
    clock.run_for(2)
    before = len(passed)
    bucket.set_rate(1_000_000)
    clock.run_for(1)
    assert len(passed) - before >= 45


# ── streams ──────────────────────────────────────────────────────────────────────────────────────


def paced(clock: Clock, bytes_per_s: float = 100_000) -> Pair:
    """Return a link whose exit node keeps to a bandwidth."""
    pair = Pair()
    inbound, outbound = TokenBucket(bytes_per_s, clock), TokenBucket(bytes_per_s, clock)
    pair.exit_node.make_stream = lambda *arguments: PacedStream(*arguments, inbound, outbound)
    return pair


def test_what_the_agent_sends_waits_and_comes_whole_with_its_end(clock: Clock) -> None:
    pair = paced(clock)
    _, sink, agent, _ = pair.open_stream()
    agent.send_head(b"head")
    for _ in range(3):
        agent.send_data(b"y" * 20_000)
    agent.send_end()
    pair.flush()
    _, second, agent, _ = pair.open_stream()
    agent.send_data(b"z" * 60_000)
    agent.send_end()
    pair.flush()
    assert (len(sink.data), len(second.data)) == (60_000, 60_000), "the burst, and then a debt"
    _, third, agent, _ = pair.open_stream()
    agent.send_data(b"w" * 40_000)
    agent.send_end()
    pair.flush()
    assert third.data == b""
    assert ("end",) not in third.log
    clock.run_for(5)
    assert third.data == b"w" * 40_000
    assert third.log[-1] == ("end",)


def test_what_the_visitor_sends_waits_and_its_source_is_told(clock: Clock) -> None:
    pair = paced(clock)
    stream, sink, _, agent_sink = pair.open_stream()
    sent = 0
    while stream.send_data(b"v" * 10_000):
        sent += 1
        pair.flush()
        agent_sink_stream = pair.agent_handler.streams[-1]
        agent_sink_stream.consume(10_000, START_S)
        pair.flush()
    assert 5 <= sent <= 10
    assert ("writable",) not in sink.log
    stream.send_end()
    clock.run_for(5)
    pair.flush()
    assert len(agent_sink.data) == (sent + 1) * 10_000
    assert agent_sink.log[-1] == ("end",)


def test_a_large_piece_waits_in_pieces_of_a_frame(clock: Clock) -> None:
    pair = paced(clock)
    stream, _, agent, agent_sink = pair.open_stream()
    assert not stream.send_data(b"v" * 200_000)
    seen = []
    for _ in range(12):
        pair.flush()
        agent.consume(len(agent_sink.data) - sum(seen), START_S)
        seen.append(len(agent_sink.data) - sum(seen))
        clock.run_for(0.25)
    assert sum(seen) == 200_000
    assert max(seen) <= 64 * KIB


@pytest.mark.parametrize("who", ["visitor", "agent", "link"])
def test_a_cut_stream_holds_nothing_and_passes_nothing_on(clock: Clock, who: str) -> None:
    pair = paced(clock)
    for _ in range(2):
        stream, sink, agent, agent_sink = pair.open_stream()
        agent.send_data(b"a" * 60_000)
        stream.send_data(b"b" * 60_000)
        pair.flush()
    stream, sink, agent, agent_sink = pair.open_stream()
    agent.send_data(b"y" * 20_000)
    pair.flush()
    stream.send_data(b"v" * 20_000)
    assert sink.data == agent_sink.data == b""
    if who == "visitor":
        stream.reset(ResetCode.CANCELLED, "")
    elif who == "agent":
        agent.reset(ResetCode.UPSTREAM_CLOSED, "")
        pair.flush()
        assert sink.log[-1][0] == "reset"
    else:
        pair.exit_node.connection_lost("cut")
        assert sink.log[-1][0] == "reset"
    told = len(sink.log)
    clock.run_for(10)
    assert len(sink.log) == told
    assert sink.data == agent_sink.data == b""


def test_a_visitor_that_left_gets_nothing_more_of_an_answer_that_was_complete(clock: Clock) -> None:
    pair = paced(clock)
    for _ in range(3):
        stream, sink, agent, _ = pair.open_stream()
        stream.send_end()
        agent.send_data(b"r" * 50_000)
        agent.send_end()
        pair.flush()
    assert sink.data == b""
    stream.reset(ResetCode.CANCELLED, "the visitor left")
    clock.run_for(10)
    assert sink.log == []


def test_an_answer_that_is_complete_comes_through_though_the_stream_is_over(clock: Clock) -> None:
    pair = paced(clock)
    sinks: list[Sink] = []
    for _ in range(4):
        stream, sink, agent, _ = pair.open_stream()
        stream.send_end()
        agent.send_data(b"r" * 50_000)
        agent.send_end()
        pair.flush()
        sinks.append(sink)
    assert pair.exit_node.stream_count == 0
    clock.run_for(10)
    assert [len(sink.data) for sink in sinks] == [50_000] * 4
    assert all(sink.log[-1] == ("end",) for sink in sinks)


def test_the_sessions_of_a_token_share_one_quota_and_others_have_none(clock: Clock) -> None:
    book = QuotaBook()
    first, second = Pair(), Pair()

    async def settle(rules: TokenQuota) -> None:
        for pair in (first, second):
            quota = book.settle("k1", rules, pair.exit_node)
            assert quota is book.settle("k1", rules, pair.exit_node)

    clock.run_until_complete(settle(TokenQuota(3, 0)))
    quota = book.settle("k1", TokenQuota(3, 0), first.exit_node)
    assert first.exit_node.make_stream is Stream, "no bandwidth, no cost"
    for pair in (first, second, first):
        assert quota.has_room()
        pair.open_stream()
    assert not quota.has_room()
    clock.run_until_complete(settle(TokenQuota(4, 50_000)))
    assert quota.has_room()
    stream = second.open_stream()[0]
    assert isinstance(stream, PacedStream)
    book.leave("k1", first.exit_node)
    book.leave("k1", second.exit_node)
    assert first.exit_node.make_stream is Stream
