"""HEALTH frames: sent where they were granted, taken as sent, refused where they break the rules."""

from __future__ import annotations

import pytest

from tests.tunnel.protocol.kit import START_S, Pair, assert_violated, frame, make_grant
from tunnel.protocol.errors import LocalMisuse
from tunnel.protocol.frames import FrameType
from tunnel.protocol.messages import Claim

CLAIM = Claim(("a.example", "b.example"), health=True)


def granted() -> tuple[Pair, list[tuple[int, bool, str]]]:
    """Return a link whose exit node wants to be told, and what it was told."""
    pair = Pair(claim=CLAIM, grant=make_grant(health=True))
    told: list[tuple[int, bool, str]] = []
    pair.exit_node.on_health = lambda index, is_up, detail: told.append((index, is_up, detail))
    return pair, told


def test_what_an_agent_says_of_its_names_arrives_as_it_was_said() -> None:
    pair, told = granted()
    pair.agent.send_health(0, True)
    pair.agent.send_health(1, False, "HTTP 503")
    pair.flush()
    assert told == [(0, True, ""), (1, False, "HTTP 503")]
    assert [(kind, payload) for kind, _, payload in pair.to_exit_node] == [
        (FrameType.HEALTH, b"\0\0\1"),
        (FrameType.HEALTH, b"\0\1\0HTTP 503"),
    ]


def test_a_detail_is_cut_and_what_cannot_be_printed_is_not_passed_on() -> None:
    pair, told = granted()
    pair.agent.send_health(0, False, "a\nb" + "x" * 300)
    pair.flush()
    assert told == [(0, False, "a?b" + "x" * 197)]


def test_an_agent_that_was_not_granted_health_may_not_speak_of_it() -> None:
    pair = Pair(claim=CLAIM)
    with pytest.raises(LocalMisuse):
        pair.agent.send_health(0, True)
    with pytest.raises(LocalMisuse):
        granted()[0].exit_node.send_health(0, True)


def test_on_a_link_that_is_over_nothing_is_said() -> None:
    pair, told = granted()
    pair.agent.connection_lost()
    pair.agent.send_health(0, True)
    assert not pair.agent.has_output
    assert told == []


@pytest.mark.parametrize("payload", [b"", b"\0\0", b"\0\0\2", b"\0\0\xff"])
def test_a_malformed_frame_is_a_violation(payload: bytes) -> None:
    pair, told = granted()
    pair.exit_node.receive_data(frame(FrameType.HEALTH, 0, payload), START_S)
    assert_violated(pair.exit_node, pair.exit_node_handler, "malformed HEALTH")
    assert told == []


def test_an_agent_is_told_of_nobody_s_health() -> None:
    pair, _ = granted()
    pair.agent.receive_data(frame(FrameType.HEALTH, 0, b"\0\0\1"), START_S)
    assert_violated(pair.agent, pair.agent_handler, "HEALTH after the handshake")
