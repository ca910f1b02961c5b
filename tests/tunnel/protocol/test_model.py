"""A model of two sessions over a link that delivers in order, late, in any chunks, and may die at any point.

Hypothesis plays the owners of both ends: it opens streams, sends, ends, resets, consumes, lets bytes cross
some at a time and each direction by itself, lets time pass, drains, and cuts the link.  After every step the
books must balance:

- no byte is lost, duplicated or reordered, and nothing comes after an end or a reset;
- the credit a sender has, what is under way, what its receiver holds and the credit it withholds make up
  the window, to the byte;
- each side has exactly the streams that the model says are open, and the growth of their windows is what is
  missing from the budget;
- an owner who was told to pause is told to go on as soon as there is room, and at no other time;
- whatever there is to fetch, its owner was called for;
- two honest sides never find a violation.

When everything is delivered and consumed, everything sent has arrived, and ending all streams leaves nothing
behind.  When the link dies, each stream is told once.

Run it longer with ``TUNELAB_HYPOTHESIS_FACTOR`` (see conftest.py).
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.tunnel.protocol.kit import (
    EVERYTHING,
    EXIT_NODE_NONCE,
    KEY_ID,
    START_S,
    TOKEN,
    examples,
    make_grant,
    make_hello,
)
from tunnel.protocol.errors import CloseCode, ResetCode
from tunnel.protocol.flow import MAX_GROWTH_BYTES, GrowthBudget
from tunnel.protocol.frames import HEADER_BYTES, MAX_STREAM_ID, FrameType
from tunnel.protocol.handshake import AgentHandshake, ExitNodeHandshake
from tunnel.protocol.messages import Claim, Grant
from tunnel.protocol.session import PING_INTERVAL_S, Role, Session, SessionState
from tunnel.protocol.states import StreamState
from tunnel.protocol.stream import QUEUE_HIGH_BYTES, Stream, StreamSink

MOST_BYTES = 300 * 1024
MAX_STREAMS = 5

_PERIOD = 65_521  # a prime: a frame that is lost or moved cannot hide behind the pattern's repetition
_PATTERN = random.Random(20).randbytes(_PERIOD) * (MOST_BYTES // _PERIOD + 2)


def content(seed: int, start: int, size: int) -> bytes:
    """Return what a direction of a stream carries from byte ``start`` on."""
    place = (seed * 9_973 + start) % _PERIOD
    return _PATTERN[place : place + size]


class Endpoint:
    """One end of one stream: what its owner did and was told."""

    def __init__(self, link: Link, side: Side, number: int, consumes_at_once: bool) -> None:
        self.link = link
        self.side = side
        self.seed = 2 * number + (side.role is Role.AGENT)
        self.consumes_at_once = consumes_at_once
        self.stream: Stream
        self.far: Endpoint | None = None
        self.sent = 0
        self.received = 0
        self.consumed = 0
        self.heads_sent = 0
        self.heads_received = 0
        self.asked_end = False  # our owner ended our direction; the END itself may have to wait
        self.saw_end = False
        self.was_reset_here = False
        self.resets: list[ResetCode] = []
        self.was_gone = False  # after the last step
        self.is_owed = False  # the owner was told to pause, and not yet to go on
        self.refill = 0  # what the owner sends when it is told to go on

    # What the stream tells its owner.

    def head_received(self, payload: bytes) -> None:
        assert self.side.role is Role.EXIT_NODE
        self.must_be_open()
        assert not self.received, "a head after data"
        assert payload == b"head %d" % self.heads_received
        self.heads_received += 1

    def data_received(self, data: bytes) -> None:
        self.must_be_open()
        assert self.far is not None
        assert data == content(self.far.seed, self.received, len(data)), "bytes lost or moved"
        self.received += len(data)
        assert self.received <= self.far.sent
        if self.consumes_at_once:
            self.consume(self.unconsumed)

    def end_received(self) -> None:
        self.must_be_open()
        assert self.far is not None
        assert self.far.asked_end
        assert self.received == self.far.sent, "an end before the data"
        self.saw_end = True

    def reset_received(self, code: ResetCode, detail: str) -> None:
        assert not self.is_cut, "told of a reset again"
        assert not self.was_gone, "told of a reset after the end"
        self.resets.append(code)

    def writable(self) -> None:
        assert self.is_owed, "told to go on without having been told to pause"
        assert self.may_send
        self.is_owed = False
        if self.refill:
            size, self.refill = self.refill, 0
            self.send(size)

    def must_be_open(self) -> None:
        assert not self.is_gone, "told something after the end"
        assert not self.saw_end

    # What its owner does.

    def send(self, size: int) -> None:
        data = content(self.seed, self.sent, size)
        self.sent += size
        stream = self.stream
        leaves_soon = size <= stream.credit and self.side.session.is_line_empty
        goes_on = stream.send_data(data)
        is_room = leaves_soon or stream.queued_bytes <= QUEUE_HIGH_BYTES
        assert goes_on is (not self.is_owed and is_room)
        self.is_owed = not goes_on

    def consume(self, size: int) -> None:
        self.consumed += size
        self.stream.consume(size, self.link.now)

    # What the model knows.

    @property
    def unconsumed(self) -> int:
        return self.received - self.consumed

    @property
    def may_send(self) -> bool:
        return not self.asked_end and not self.is_gone

    @property
    def sent_end(self) -> bool:
        return self.asked_end and not self.stream.queued_bytes

    @property
    def is_cut(self) -> bool:
        return self.was_reset_here or bool(self.resets)

    @property
    def is_gone(self) -> bool:
        return self.is_cut or (self.saw_end and self.sent_end)

    @property
    def state(self) -> StreamState:
        if self.is_gone:
            return StreamState.CLOSED
        if self.sent_end:
            return StreamState.HALF_CLOSED_LOCAL
        return StreamState.HALF_CLOSED_REMOTE if self.saw_end else StreamState.OPEN


class Side:
    """One end of the link: a session, its owner, and the bytes that it sent and are still under way."""

    def __init__(self, link: Link, role: Role) -> None:
        self.link = link
        self.role = role
        self.session: Session
        self.endpoints: list[Endpoint] = []
        self.closings: list[CloseCode] = []
        self.drainings = 0
        self.is_woken = False
        self.wire = b""  # fetched, from the first byte of a frame that is not wholly delivered
        self.delivered = 0  # how many bytes of ``wire`` the other side has had
        self.heard_s = link.now

    # SessionHandler

    def session_opened(self, grant: Grant) -> None:
        pass

    def stream_opened(self, stream: Stream, payload: bytes) -> StreamSink:
        assert not (self.session.draining and self.session.is_drain_heard)
        number, consumes_at_once = map(int, payload.split())
        asking = self.link.numbered[number]
        assert asking.stream.id == stream.id
        endpoint = Endpoint(self.link, self, number, bool(consumes_at_once))
        endpoint.stream = stream
        endpoint.far, asking.far = asking, endpoint
        self.endpoints.append(endpoint)
        return endpoint

    def session_draining(self, code: CloseCode, detail: str) -> None:
        self.drainings += 1

    def session_closed(self, code: CloseCode, detail: str) -> None:
        assert all(endpoint.is_gone for endpoint in self.endpoints), "closed before its streams were told"
        self.closings.append(code)

    # The owner

    def wake(self) -> None:
        self.is_woken = True

    def fetch(self, max_bytes: int) -> int:
        data = b"".join(self.session.data_to_send(max_bytes))
        self.is_woken = self.session.has_output
        self.wire += data
        return len(data)

    def deliver(self, size: int) -> int:
        data = self.wire[self.delivered : self.delivered + size]
        self.delivered += len(data)
        if not data:
            return 0
        other = self.link.other(self)
        other.heard_s = self.link.now
        other.session.receive_data(data, self.link.now)
        position = 0
        while self.delivered - position >= HEADER_BYTES:
            end = position + HEADER_BYTES + int.from_bytes(self.wire[position + 1 : position + 4], "big")
            if end > self.delivered:
                break
            position = end
        self.wire = self.wire[position:]
        self.delivered -= position
        return len(data)

    # What the model knows

    @property
    def open_endpoints(self) -> list[Endpoint]:
        return [endpoint for endpoint in self.endpoints if not endpoint.is_gone]

    def under_way(self) -> tuple[Counter[int], Counter[int]]:
        """Return what is between this session and the other: bytes of DATA, and credit, a stream."""
        data: Counter[int] = Counter()
        credit: Counter[int] = Counter()
        wire = self.wire + b"".join(self.session._out)
        position = 0
        while position < len(wire):
            size = int.from_bytes(wire[position + 1 : position + 4], "big")
            stream_id = int.from_bytes(wire[position + 4 : position + 8], "big")
            if wire[position] == FrameType.DATA:
                # Of the first frame the other side may have had some content already.
                data[stream_id] += size - (0 if position else max(self.delivered - HEADER_BYTES, 0))
            elif wire[position] == FrameType.CREDIT:
                credit[stream_id] += int.from_bytes(wire[position + 8 : position + 12], "big")
            position += HEADER_BYTES + size
        assert position == len(wire), "half a frame"
        return data, credit


class Link:
    """Both ends, and the time."""

    def __init__(
        self, now: float, agent_window: int, exit_node_window: int, growth: int, newest_id: int
    ) -> None:
        self.now = now
        self.growth = growth
        self.numbered: list[Endpoint] = []
        self.agent = Side(self, Role.AGENT)
        self.exit_node = Side(self, Role.EXIT_NODE)
        self.sides = (self.agent, self.exit_node)
        self.windows = {Role.AGENT: agent_window, Role.EXIT_NODE: exit_node_window}
        hello = make_hello(initial_window=agent_window, max_streams=MAX_STREAMS)
        grant = make_grant(initial_window=exit_node_window, ping_interval_s=PING_INTERVAL_S)
        self.agent.session = Session(
            AgentHandshake(TOKEN, hello, Claim(("todo.example",))), self.agent, self.agent.wake, now
        )
        self.exit_node.session = Session(
            ExitNodeHandshake({KEY_ID: TOKEN}.get, lambda hello, claim: grant, EXIT_NODE_NONCE),
            self.exit_node,
            self.exit_node.wake,
            now,
        )
        self.flush()
        for side in self.sides:
            assert side.session.state is SessionState.OPEN
            side.session.growth = GrowthBudget(growth)
            side.session._newest_id = newest_id

    def other(self, side: Side) -> Side:
        return self.exit_node if side is self.agent else self.agent

    def flush(self) -> int:
        """Let everything cross that is there to cross; return how many bytes did."""
        total = 0
        while moved := sum(side.fetch(EVERYTHING) + side.deliver(EVERYTHING) for side in self.sides):
            total += moved
        return total

    def settle(self) -> None:
        """Let everything cross and be consumed, and check that everything sent has arrived."""
        while True:
            moved = self.flush()
            for side in self.sides:
                for endpoint in side.endpoints:
                    if endpoint.unconsumed:
                        moved += endpoint.unconsumed
                        endpoint.consume(endpoint.unconsumed)
            if not moved:
                break
        for side in self.sides:
            for endpoint in side.endpoints:
                far = endpoint.far
                if endpoint.is_cut or (far is not None and far.is_cut):
                    # One end may be through with both directions before it hears that the other was cut.
                    assert endpoint.is_gone
                    continue
                assert far is not None
                assert not endpoint.stream.queued_bytes, "a stream that never goes on"
                assert not endpoint.is_owed
                assert far.received == endpoint.sent, "bytes that never arrive"
                assert far.heads_received == endpoint.heads_sent
                assert far.saw_end == endpoint.asked_end
            side.endpoints = side.open_endpoints

    def die(self, first: Side, delivered: int) -> None:
        """Cut the link at one end, and at the other after some more bytes have arrived there."""
        second = self.other(first)
        self.cut(first)
        before = second.session.error
        first.deliver(delivered)
        assert second.session.error is before
        self.cut(second)

    def cut(self, side: Side) -> None:
        told_before = {endpoint: len(endpoint.resets) for endpoint in side.open_endpoints}
        assert not any(told_before.values())
        side.session.connection_lost("cut")
        for endpoint in told_before:
            assert endpoint.resets == [ResetCode.LINK_LOST]
        assert side.closings == [CloseCode.CONNECTION_LOST]
        self.check_nothing_is_left(side)

    def close(self, side: Side) -> None:
        """Close the session at one end: the other hears of it, after all that was sent before."""
        other = self.other(side)
        side.session.close(CloseCode.INTERNAL, "closed")
        side.fetch(EVERYTHING)
        side.deliver(EVERYTHING)
        for one in (side, other):
            assert one.closings == [CloseCode.INTERNAL]
            one.session.connection_lost()
            assert one.closings == [CloseCode.INTERNAL]
            assert all(len(endpoint.resets) <= 1 for endpoint in one.endpoints)
            self.check_nothing_is_left(one)

    def check_nothing_is_left(self, side: Side) -> None:
        assert side.session.error is None
        assert side.session.is_closed
        assert not side.session.has_output
        assert side.session.stream_count == 0
        assert not side.open_endpoints
        assert side.session.growth.free_bytes == self.growth
        assert all(endpoint.stream.state is StreamState.CLOSED for endpoint in side.endpoints)


sides = st.sampled_from(Role)
some = st.integers(0, 99)
sizes = st.one_of(
    st.integers(1, 200),
    st.sampled_from([32 * 1024, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 128 * 1024 + 1, MOST_BYTES]),
    st.integers(1, MOST_BYTES),
)
pieces = st.one_of(
    st.sampled_from([1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 1, EVERYTHING]),
    st.integers(1, 2 * MOST_BYTES),
)


class Owners(RuleBasedStateMachine):
    """The owners of both ends, and the link between them."""

    link: Link

    @initialize(
        agent_window=st.sampled_from([1000, 8000, 64 * 1024]),
        exit_node_window=st.sampled_from([1000, 8000, 64 * 1024]),
        growth=st.sampled_from([0, 20_000, MAX_GROWTH_BYTES]),
        newest_id=st.sampled_from([0, MAX_STREAM_ID - 3]),
        is_calm=st.booleans(),
    )
    def connect(
        self, agent_window: int, exit_node_window: int, growth: int, newest_id: int, is_calm: bool
    ) -> None:
        self.arguments = agent_window, exit_node_window, growth, newest_id
        self.is_calm = is_calm  # links that never die get further
        self.link = Link(START_S, *self.arguments)

    def reconnect(self) -> None:
        self.link = Link(self.link.now, *self.arguments)

    def side(self, role: Role) -> Side:
        return self.link.agent if role is Role.AGENT else self.link.exit_node

    def endpoints(
        self, *, may_send: bool = False, unconsumed: bool = False, head: bool = False
    ) -> list[Endpoint]:
        """Return the ends of streams with which something may be done."""
        return [
            endpoint
            for side in self.link.sides
            for endpoint in side.endpoints
            if (not may_send or endpoint.may_send)
            and (not unconsumed or endpoint.unconsumed)
            and (not head or (side is self.link.agent and not endpoint.sent))
        ]

    # ── what owners do ───────────────────────────────────────────────────────────────────────────

    @rule(at_once=st.integers(0, 3))
    def open_stream(self, at_once: int) -> None:
        link = self.link
        side = link.exit_node
        if side.session.draining:
            if any(one.open_endpoints for one in link.sides):
                return
            link.settle()
            self.reconnect()
            return
        number = len(link.numbered)
        endpoint = Endpoint(link, side, number, bool(at_once & 1))
        stream = side.session.open_stream(b"%d %d" % (number, at_once >> 1), endpoint, link.now)
        if len(side.open_endpoints) == MAX_STREAMS:
            assert stream is None
            return
        assert stream is not None
        endpoint.stream = stream
        link.numbered.append(endpoint)
        side.endpoints.append(endpoint)

    @precondition(lambda self: self.endpoints(may_send=True, head=True))
    @rule(which=some)
    def send_head(self, which: int) -> None:
        endpoints = self.endpoints(may_send=True, head=True)
        endpoint = endpoints[which % len(endpoints)]
        endpoint.stream.send_head(b"head %d" % endpoint.heads_sent)
        endpoint.heads_sent += 1

    @precondition(lambda self: self.endpoints(may_send=True))
    @rule(which=some, size=sizes, refill=st.just(0) | sizes)
    def send_data(self, which: int, size: int, refill: int) -> None:
        endpoints = self.endpoints(may_send=True)
        endpoint = endpoints[which % len(endpoints)]
        endpoint.refill = refill
        endpoint.send(size)

    @precondition(lambda self: self.endpoints(may_send=True))
    @rule(which=some, more=st.integers(-1, 2))
    def send_about_as_much_as_there_is_credit(self, which: int, more: int) -> None:
        endpoints = self.endpoints(may_send=True)
        endpoint = endpoints[which % len(endpoints)]
        endpoint.send(min(max(endpoint.stream.credit + more, 1), MOST_BYTES))

    @precondition(lambda self: self.endpoints(may_send=True))
    @rule(which=some)
    def send_end(self, which: int) -> None:
        endpoints = self.endpoints(may_send=True)
        endpoint = endpoints[which % len(endpoints)]
        endpoint.asked_end = True
        endpoint.is_owed = False
        endpoint.stream.send_end()

    @precondition(lambda self: self.endpoints())
    @rule(which=some, code=st.integers(0, 7))
    def reset(self, which: int, code: int) -> None:
        endpoints = self.endpoints()
        endpoint = endpoints[which % len(endpoints)]
        was_gone = endpoint.is_gone
        endpoint.stream.reset(ResetCode(code))
        endpoint.was_reset_here |= not was_gone

    @precondition(lambda self: self.endpoints(unconsumed=True))
    @rule(which=some, size=st.just(EVERYTHING) | st.integers(1, MOST_BYTES))
    def consume(self, which: int, size: int) -> None:
        endpoints = self.endpoints(unconsumed=True)
        endpoint = endpoints[which % len(endpoints)]
        endpoint.consume(min(size, endpoint.unconsumed))

    @precondition(lambda self: not self.is_calm)
    @rule(role=sides)
    def drain(self, role: Role) -> None:
        self.side(role).session.drain()
        assert self.side(role).session.draining

    # ── what the link and the clock do ───────────────────────────────────────────────────────────

    @rule(role=sides, max_bytes=st.sampled_from([0, 1, 64 * 1024, EVERYTHING]))
    def fetch(self, role: Role, max_bytes: int) -> None:
        self.side(role).fetch(max_bytes)

    @rule(role=sides, size=pieces)
    def deliver(self, role: Role, size: int) -> None:
        self.side(role).deliver(size)

    @rule(role=sides)
    def fetch_and_deliver_all(self, role: Role) -> None:
        self.side(role).fetch(EVERYTHING)
        self.side(role).deliver(EVERYTHING)

    @precondition(
        lambda self: (
            0 < len(self.link.exit_node.open_endpoints) < MAX_STREAMS
            and not self.link.exit_node.session.draining
        )
    )
    @rule(at_once=st.integers(0, 3))
    def four_thousand_million_streams_pass(self, at_once: int) -> None:
        """Bring the ids round to that of a stream that is open still, and open the one that must skip it.

        It is the newest, so that no id comes up again at once: frames of a stream that was reset within the
        last round trip would be taken for those of the next with its id, and 2^32 streams make that rare
        enough.
        """
        self.link.flush()
        exit_node = self.link.exit_node
        if not exit_node.open_endpoints or exit_node.session.draining:
            return  # what was under way has changed that
        for side in self.link.sides:
            side.session._newest_id = exit_node.open_endpoints[-1].stream.id - 1
            side.session._ids_came_round = True
        self.open_stream(at_once)

    @rule(seconds=st.sampled_from([0.0005, 0.003, 0.05, 1.0, 4.9, 12.0]))
    def wait(self, seconds: float) -> None:
        link = self.link
        end = link.now + seconds
        while link.now < end:
            link.now = min(end, link.now + 1.0)
            for side in link.sides:
                assert side.session.tick(link.now) > link.now
            if any(link.now - side.heard_s >= PING_INTERVAL_S for side in link.sides):
                link.flush()  # or it would be a link that is dead, which is another rule's

    @rule()
    def settle(self) -> None:
        self.link.settle()

    @precondition(lambda self: not self.is_calm)
    @rule(role=sides, delivered=st.just(0) | pieces)
    def die(self, role: Role, delivered: int) -> None:
        self.link.die(self.side(role), delivered)
        self.reconnect()

    @precondition(lambda self: not self.is_calm)
    @rule(role=sides)
    def close(self, role: Role) -> None:
        self.link.close(self.side(role))
        self.reconnect()

    def teardown(self) -> None:
        if not hasattr(self, "link"):
            return
        self.link.settle()
        for endpoint in self.endpoints(may_send=True):
            endpoint.asked_end = True
            endpoint.is_owed = False
            endpoint.stream.send_end()
        self.link.settle()
        self.the_books_balance()
        for side in self.link.sides:
            assert side.session.state is SessionState.OPEN
            assert side.session.stream_count == 0
            assert side.session.growth.free_bytes == self.link.growth

    # ── what must hold after every step ──────────────────────────────────────────────────────────

    @invariant()
    def the_books_balance(self) -> None:
        assert [side.session.error for side in self.link.sides] == [None, None]
        for side in self.link.sides:
            session = side.session
            assert side.closings == []
            assert session.is_drained or session.has_output
            assert side.is_woken or not session.has_output, "output that nobody was called for"
            open_endpoints = side.open_endpoints
            assert session.stream_count == len(open_endpoints)
            grown = 0
            for endpoint in side.endpoints:
                stream = endpoint.stream
                assert stream.state is endpoint.state
                if endpoint.is_gone:
                    endpoint.was_gone = True
                    assert not stream.queued_bytes
                    continue
                assert stream.credit >= 0
                assert stream.window.left >= 0
                grown += stream.window.size - self.link.windows[side.role]
                if not endpoint.asked_end:
                    # More than the one is queued only where nothing but its turn holds it back.
                    limit = max(QUEUE_HIGH_BYTES, stream.credit)
                    assert stream.queued_bytes <= limit or endpoint.is_owed
                    assert stream.queued_bytes > QUEUE_HIGH_BYTES // 2 or not endpoint.is_owed
            assert session.growth.free_bytes + grown == self.link.growth
            assert session.growth.free_bytes >= 0

    @invariant()
    def no_credit_leaks(self) -> None:
        for side in self.link.sides:
            other = self.link.other(side)
            data, _ = side.under_way()
            _, credit = other.under_way()
            for endpoint in side.open_endpoints:
                far = endpoint.far
                if far is None or far.is_gone:
                    continue
                stream_id = endpoint.stream.id
                window = far.stream.window
                assert endpoint.stream.credit + data[stream_id] + credit[stream_id] == window.left
                if not far.saw_end:
                    assert window.left + far.unconsumed + window._consumed == window.size


# When it fails, Hypothesis looks for a small failure, for up to five minutes.
TestOwners = pytest.mark.timeout(400)(Owners.TestCase)
TestOwners.settings = examples(250, steps=80)
