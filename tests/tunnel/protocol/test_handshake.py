"""The handshake: that it proves both sides to each other, and all the ways in which it must fail."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

import pytest

from tests.tunnel.protocol.kit import (
    AGENT_NONCE,
    EXIT_NODE_NONCE,
    KEY_ID,
    START_S,
    TOKEN,
    Handler,
    Pair,
    assert_violated,
    code,
    frame,
    make_grant,
    make_hello,
    sent_by,
)
from tunnel.protocol.auth import agent_proof, exit_node_proof, key_id, proofs_equal
from tunnel.protocol.errors import CloseCode, LocalMisuse
from tunnel.protocol.frames import MAX_CONTROL_PAYLOAD_BYTES, FrameType
from tunnel.protocol.handshake import AgentHandshake, ExitNodeHandshake, FalseExitNode
from tunnel.protocol.messages import Challenge, Claim, Grant, Hello, Refusal
from tunnel.protocol.session import HANDSHAKE_TIMEOUT_S, Role, Session, SessionState

OTHER_TOKEN = "otro-token-que-nadie-conoce-98765"
HEX_64 = re.compile(rb"[0-9a-f]{64}")


def hmac_of(token: str, *parts: bytes) -> str:
    """Compute a proof as PROTOCOL.md describes it, independently of the code under test."""
    transcript = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hmac.new(token.encode(), transcript, hashlib.sha256).hexdigest()


# ── the proofs ───────────────────────────────────────────────────────────────────────────────────


def test_the_key_id_is_half_of_an_hmac_over_its_label() -> None:
    expected = hmac.new(TOKEN.encode(), b"tunelab.v1 key id", hashlib.sha256).hexdigest()
    assert key_id(TOKEN) == expected[:32]


def test_each_proof_is_an_hmac_over_its_label_and_all_that_was_said() -> None:
    assert exit_node_proof(TOKEN, b"hello", "ab") == hmac_of(TOKEN, b"tunelab.v1 exit node", b"hello", b"ab")
    assert agent_proof(TOKEN, b"hello", b"challenge", b"claim") == hmac_of(
        TOKEN, b"tunelab.v1 agent", b"hello", b"challenge", b"claim"
    )


def test_no_proof_stands_for_other_words_or_another_token() -> None:
    proofs = [
        exit_node_proof(TOKEN, b"hello", "nonce"),
        exit_node_proof(OTHER_TOKEN, b"hello", "nonce"),
        exit_node_proof(TOKEN, b"hell", "ononce"),
        exit_node_proof(TOKEN, b"hello", "nonce2"),
        agent_proof(TOKEN, b"hello", b"nonce", b""),
        agent_proof(TOKEN, b"hello", b"", b"nonce"),
        agent_proof(TOKEN, b"", b"hello", b"nonce"),
        agent_proof(TOKEN, b"hello", b"nonc", b"e"),
        agent_proof(OTHER_TOKEN, b"hello", b"nonce", b""),
    ]
    assert len(set(proofs)) == len(proofs)


def test_a_token_need_not_be_ascii() -> None:
    assert len(key_id("contraseña-de-España")) == 32
    assert exit_node_proof("ñ" * 16, b"", "") == hmac_of("ñ" * 16, b"tunelab.v1 exit node", b"", b"")


@pytest.mark.parametrize(
    ("ours", "theirs", "equal"),
    [
        ("ab", "ab", True),
        ("ab", "AB", False),
        ("ab", "a", False),
        ("ab", "", False),
        ("ab", "\xff\xfe", False),
    ],
)
def test_proofs_are_compared_whatever_the_peer_sent(ours: str, theirs: str, equal: bool) -> None:
    assert proofs_equal(ours, theirs) is equal


# ── a handshake that goes well ───────────────────────────────────────────────────────────────────


def test_a_good_handshake_opens_both_sides_and_tells_each_once() -> None:
    pair = Pair()
    for session, handler in (
        (pair.agent, pair.agent_handler),
        (pair.exit_node, pair.exit_node_handler),
    ):
        assert session.state is SessionState.OPEN
        assert session.error is None
        assert handler.grants == [make_grant()]
        assert session.outcome == make_grant()
        assert handler.closings == handler.drainings == []


def test_a_good_handshake_is_these_frames_in_this_order() -> None:
    pair = Pair(handshake=False)
    assert pair.exit_node.data_to_send(1) == []
    pair.flush()
    assert [kind for kind, _, _ in pair.to_exit_node] == [
        FrameType.HELLO,
        FrameType.CLAIM,
        FrameType.PING,
        FrameType.PONG,
    ]
    assert [kind for kind, _, _ in pair.to_agent] == [
        FrameType.CHALLENGE,
        FrameType.GRANT,
        FrameType.PING,
        FrameType.PONG,
    ]
    hello, challenge = pair.to_exit_node[0][2], pair.to_agent[0][2]
    claim = Claim(("todo.example",)).encode()
    assert hello == make_hello().encode()
    assert Challenge.decode(challenge) == Challenge(
        EXIT_NODE_NONCE, hmac_of(TOKEN, b"tunelab.v1 exit node", hello, EXIT_NODE_NONCE.encode())
    )
    proof = hmac_of(TOKEN, b"tunelab.v1 agent", hello, challenge, claim)
    assert pair.to_exit_node[1][2] == proof.encode() + claim


def test_the_exit_node_decides_on_what_was_said_and_proven() -> None:
    asked: list[tuple[Hello, Claim]] = []

    def authorize(hello: Hello, claim: Claim) -> Grant:
        asked.append((hello, claim))
        return make_grant(session="elegida")

    pair = Pair(authorize=authorize, claim=Claim(("uno.example", "*")))
    assert asked == [(make_hello(), Claim(("uno.example", "*")))]
    assert pair.agent_handler.grants == pair.exit_node_handler.grants == [make_grant(session="elegida")]


def test_each_side_takes_over_what_the_other_is_ready_for() -> None:
    pair = Pair(
        hello=make_hello(initial_window=1000, max_streams=2),
        grant=make_grant(initial_window=500, ping_interval_s=0.25),
    )
    assert pair.agent.ping_interval_s == 0.25
    assert pair.agent.max_streams == pair.exit_node.max_streams == 2
    at_exit_node, _, at_agent, _ = pair.open_stream()
    assert (at_exit_node.credit, at_exit_node.window.size) == (1000, 500)
    assert (at_agent.credit, at_agent.window.size) == (500, 1000)


def test_an_exit_node_opens_no_more_streams_than_its_own_limit_whatever_an_agent_asks_for() -> None:
    assert Pair(hello=make_hello(max_streams=2**31)).exit_node.max_streams == 1024


def test_an_agent_may_be_found_among_many_tokens() -> None:
    tokens = {key_id(f"{number:016}"): f"{number:016}" for number in range(50)}
    agent_token = f"{31:016}"
    pair = Pair(
        agent_token=agent_token,
        find_token=tokens.get,
        hello=make_hello(key_id=key_id(agent_token)),
    )
    assert pair.agent.state is pair.exit_node.state is SessionState.OPEN


def test_nothing_of_a_token_crosses_in_either_direction() -> None:
    pair = Pair(handshake=False)
    pair.flush()
    crossed = [payload for _, _, payload in pair.to_exit_node + pair.to_agent]
    assert len(crossed) == 8
    secret = TOKEN.encode()
    forms = [secret, secret[::-1], secret.hex().encode(), base64.b64encode(secret), secret.swapcase()]
    for form in forms:
        for start in range(len(form) - 7):
            assert not any(form[start : start + 8] in payload for payload in crossed)
    # The whole digest that the key id is half of would let others make a key id: it does not cross either.
    digest = hmac.new(secret, b"tunelab.v1 key id", hashlib.sha256).hexdigest().encode()
    assert not any(digest in payload for payload in crossed)


# ── a handshake that one side must end ───────────────────────────────────────────────────────────


def assert_refused(pair: Pair, refusal_code: str) -> None:
    """Check that the exit node said no, and that both sides ended it there."""
    for session, handler in ((pair.agent, pair.agent_handler), (pair.exit_node, pair.exit_node_handler)):
        assert session.state is SessionState.CLOSED
        assert session.error is None
        assert handler.grants == []
        assert handler.closings == [(CloseCode.REFUSED, refusal_code)]
        assert isinstance(session.outcome, Refusal)
        assert session.outcome.code == refusal_code
    assert pair.to_agent[-1][0] is FrameType.REFUSE


def test_a_token_that_the_exit_node_does_not_know_is_refused_before_any_proof() -> None:
    pair = Pair(find_token=lambda key: None, handshake=False)
    pair.flush()
    assert_refused(pair, "unknown-token")
    assert [kind for kind, _, _ in pair.to_exit_node] == [FrameType.HELLO]
    assert [kind for kind, _, _ in pair.to_agent] == [FrameType.REFUSE]


def test_a_false_exit_node_is_found_out_before_the_agent_proves_anything() -> None:
    pair = Pair(find_token=lambda key: OTHER_TOKEN, handshake=False)
    pair.flush()
    assert isinstance(pair.agent.error, FalseExitNode)
    assert pair.agent.state is SessionState.CLOSED
    assert pair.agent_handler.grants == []
    [(closed_with, _)] = pair.agent_handler.closings
    assert closed_with is CloseCode.BAD_EXIT_NODE
    assert pair.exit_node_handler.closings == [(CloseCode.BAD_EXIT_NODE, str(pair.agent.error))]

    assert [kind for kind, _, _ in pair.to_exit_node] == [FrameType.HELLO, FrameType.GOAWAY]
    assert pair.to_exit_node[1][2][:2] == code(CloseCode.BAD_EXIT_NODE)
    said = b"".join(payload for _, _, payload in pair.to_exit_node)
    hello, challenge = pair.to_exit_node[0][2], pair.to_agent[0][2]
    proof = agent_proof(TOKEN, hello, challenge, Claim(("todo.example",)).encode()).encode()
    assert proof not in said
    assert proof[:16] not in said
    assert b"todo.example" not in said
    assert HEX_64.findall(said) == [AGENT_NONCE.encode()]


def test_an_agent_without_the_token_is_refused() -> None:
    # It knows the key id, which it may have seen, and takes the exit node's proof on trust.
    pair = Pair(handshake=False)
    hello = make_hello().encode()
    pair.exit_node.receive_data(frame(FrameType.HELLO, 0, hello), START_S)
    [(_, _, challenge)] = sent_by(pair.exit_node)
    claim = Claim(("todo.example",)).encode()
    proof = agent_proof(OTHER_TOKEN, hello, challenge, claim).encode()
    pair.exit_node.receive_data(frame(FrameType.CLAIM, 0, proof + claim), START_S)
    assert_bad_proof(pair)


def assert_bad_proof(pair: Pair) -> None:
    """Check that the exit node alone, played to by hand, refused a proof."""
    [(kind, _, payload)] = sent_by(pair.exit_node)
    assert kind is FrameType.REFUSE
    assert Refusal.decode(payload).code == "bad-proof"
    assert pair.exit_node.state is SessionState.CLOSED
    assert pair.exit_node_handler.closings == [(CloseCode.REFUSED, "bad-proof")]
    assert pair.exit_node_handler.grants == []


def claim_by_hand(make_claim: Callable[[bytes, bytes], bytes], nonce: str = EXIT_NODE_NONCE) -> Pair:
    """Play an agent to an exit node that is real, up to a CLAIM made of the HELLO and the CHALLENGE."""
    pair = Pair(handshake=False)
    handshake = ExitNodeHandshake({KEY_ID: TOKEN}.get, lambda hello, claim: make_grant(), nonce)
    pair.exit_node = Session(handshake, pair.exit_node_handler, lambda: None, START_S)
    hello = make_hello().encode()
    pair.exit_node.receive_data(frame(FrameType.HELLO, 0, hello), START_S)
    [(kind, _, challenge)] = sent_by(pair.exit_node)
    assert kind is FrameType.CHALLENGE
    pair.exit_node.receive_data(frame(FrameType.CLAIM, 0, make_claim(hello, challenge)), START_S)
    return pair


CLAIM = Claim(("todo.example",)).encode()


def test_a_claim_by_hand_is_taken_when_its_proof_holds() -> None:
    pair = claim_by_hand(
        lambda hello, challenge: agent_proof(TOKEN, hello, challenge, CLAIM).encode() + CLAIM
    )
    assert pair.exit_node.state is SessionState.OPEN


@pytest.mark.parametrize(
    "make_claim",
    [
        lambda hello, challenge: b"",
        lambda hello, challenge: agent_proof(TOKEN, hello, challenge, b"").encode()[:63],
        lambda hello, challenge: CLAIM,
        lambda hello, challenge: agent_proof(TOKEN, hello, challenge, CLAIM).upper().encode() + CLAIM,
        lambda hello, challenge: agent_proof(TOKEN, hello, challenge, CLAIM).encode() + CLAIM + b" ",
        lambda hello, challenge: (
            agent_proof(TOKEN, hello, challenge, CLAIM).encode() + Claim(("*",)).encode()
        ),
        lambda hello, challenge: agent_proof(TOKEN, hello + b" ", challenge, CLAIM).encode() + CLAIM,
        lambda hello, challenge: agent_proof(TOKEN, hello, b"", CLAIM).encode() + CLAIM,
        lambda hello, challenge: b"\xff" * 64 + CLAIM,
        lambda hello, challenge: Challenge.decode(challenge).proof.encode() + CLAIM,
        lambda hello, challenge: exit_node_proof(TOKEN, hello, EXIT_NODE_NONCE).encode() + CLAIM,
        lambda hello, challenge: (
            hmac_of(TOKEN, b"tunelab.v1 exit node", hello, challenge, CLAIM).encode() + CLAIM
        ),
    ],
    ids=[
        "nothing",
        "a byte short",
        "no proof",
        "upper case",
        "one byte more than proven",
        "other names than proven",
        "another hello",
        "another challenge",
        "not hexadecimal",
        "the exit node's own proof sent back",
        "the exit node's proof made anew",
        "the exit node's label",
    ],
)
def test_a_claim_whose_proof_does_not_hold_is_refused(
    make_claim: Callable[[bytes, bytes], bytes],
) -> None:
    assert_bad_proof(claim_by_hand(make_claim))


def test_a_claim_of_an_earlier_session_is_refused_in_the_next() -> None:
    earlier = Pair(handshake=False)
    earlier.flush()
    replayed = earlier.to_exit_node[1]
    assert replayed[0] is FrameType.CLAIM
    assert_bad_proof(claim_by_hand(lambda hello, challenge: replayed[2], nonce="9c" * 32))


def test_a_challenge_of_an_earlier_session_is_refused_in_the_next() -> None:
    earlier = Pair(handshake=False)
    earlier.flush()
    replayed = earlier.to_agent[0]
    assert replayed[0] is FrameType.CHALLENGE
    agent, handler = start_agent(make_hello(nonce="77" * 32))
    agent.receive_data(frame(*replayed), START_S)
    assert_false_exit_node(agent, handler)


@pytest.mark.parametrize(
    "make_proof",
    [
        lambda hello: agent_proof(TOKEN, hello, EXIT_NODE_NONCE.encode(), b""),
        lambda hello: agent_proof(TOKEN, hello, b"", b""),
        lambda hello: hmac_of(TOKEN, b"tunelab.v1 agent", hello, EXIT_NODE_NONCE.encode()),
        lambda hello: exit_node_proof(TOKEN, hello, AGENT_NONCE),
        lambda hello: exit_node_proof("", hello, EXIT_NODE_NONCE),
        lambda hello: "0" * 64,
    ],
    ids=["an agent's", "an agent's of nothing", "an agent's label", "the agent's nonce", "no token", "zeros"],
)
def test_a_proof_of_another_kind_does_not_pass_for_an_exit_nodes(make_proof: Callable[[bytes], str]) -> None:
    agent, handler = start_agent()
    challenge = Challenge(EXIT_NODE_NONCE, make_proof(make_hello().encode()))
    agent.receive_data(frame(FrameType.CHALLENGE, 0, challenge.encode()), START_S)
    assert_false_exit_node(agent, handler)


def start_agent(hello: Hello | None = None) -> tuple[Session, Handler]:
    """Return an agent that has said HELLO."""
    handler = Handler()
    handshake = AgentHandshake(TOKEN, hello or make_hello(), Claim(("todo.example",)))
    agent = Session(handshake, handler, handler.output, START_S)
    assert [kind for kind, _, _ in sent_by(agent)] == [FrameType.HELLO]
    return agent, handler


def assert_false_exit_node(agent: Session, handler: Handler) -> None:
    """Check that an agent left without a word but GOAWAY."""
    assert isinstance(agent.error, FalseExitNode)
    assert [kind for kind, _, _ in sent_by(agent)] == [FrameType.GOAWAY]
    assert [closed_with for closed_with, _ in handler.closings] == [CloseCode.BAD_EXIT_NODE]


@pytest.mark.parametrize("retry", [True, False])
def test_a_claim_that_is_not_allowed_is_refused_with_its_reason(retry: bool) -> None:
    refusal = Refusal("name-not-allowed", "this token may not claim todo.example", retry)
    pair = Pair(authorize=lambda hello, claim: refusal, handshake=False)
    pair.flush()
    assert_refused(pair, "name-not-allowed")
    assert pair.agent_handshake.outcome == refusal


def test_a_claim_that_does_not_fit_a_frame_is_our_own_mistake() -> None:
    claim = Claim(tuple(f"{number:0160}" for number in range(100)))
    room = MAX_CONTROL_PAYLOAD_BYTES - 64 - len(claim.encode())
    assert 0 < room < 253 - 160
    fitting = Claim((*claim.names[:-1], claim.names[-1] + "x" * room))
    pair = Pair(claim=fitting)
    assert pair.agent.state is SessionState.OPEN
    one_more = Claim((*fitting.names[:-1], fitting.names[-1] + "x"))
    with pytest.raises(LocalMisuse, match="100 names"):
        AgentHandshake(TOKEN, make_hello(), one_more)


def test_a_grant_that_does_not_fit_a_frame_becomes_a_refusal() -> None:
    urls = tuple("u" * 2030 for _ in range(8))
    room = MAX_CONTROL_PAYLOAD_BYTES - len(make_grant(urls=urls, session="").encode())
    assert 0 < room < 300
    assert Pair(grant=make_grant(urls=urls, session="s" * room)).agent.state is SessionState.OPEN
    pair = Pair(grant=make_grant(urls=urls, session="s" * (room + 1)), handshake=False)
    pair.flush()
    assert_refused(pair, "bad-claim")


# ── frames out of turn, malformed, late ──────────────────────────────────────────────────────────

STAGES: dict[str, tuple[Role, set[FrameType]]] = {
    "agent awaits CHALLENGE": (Role.AGENT, {FrameType.CHALLENGE, FrameType.REFUSE}),
    "agent awaits GRANT": (Role.AGENT, {FrameType.GRANT, FrameType.REFUSE}),
    "exit node awaits HELLO": (Role.EXIT_NODE, {FrameType.HELLO}),
    "exit node awaits CLAIM": (Role.EXIT_NODE, {FrameType.CLAIM}),
}


def reach(stage: str) -> tuple[Session, Handler]:
    """Return a session in ``stage``, with nothing left to send."""
    pair = Pair(handshake=False)
    if stage == "agent awaits GRANT":
        pair.flush_to_exit_node()
        pair.flush_to_agent()
    elif stage == "exit node awaits CLAIM":
        pair.flush_to_exit_node()
    role = STAGES[stage][0]
    session = pair.end(role)
    session.data_to_send(1)
    assert session.state is SessionState.HANDSHAKE
    return session, pair.agent_handler if role is Role.AGENT else pair.exit_node_handler


OUT_OF_TURN = [
    (stage, kind)
    for stage, (_, in_turn) in STAGES.items()
    for kind in FrameType
    if kind not in in_turn and kind is not FrameType.GOAWAY
]


@pytest.mark.parametrize(("stage", "kind"), OUT_OF_TURN, ids=lambda one: getattr(one, "name", one))
def test_a_frame_out_of_turn_in_the_handshake_is_a_violation(stage: str, kind: FrameType) -> None:
    session, handler = reach(stage)
    session.receive_data(frame(kind, 0 if kind < FrameType.OPEN else 1, b""), START_S)
    assert_violated(session, handler, kind.name, "out of turn")


@pytest.mark.parametrize("stage", STAGES)
def test_a_goaway_ends_the_handshake_at_any_stage(stage: str) -> None:
    session, handler = reach(stage)
    session.receive_data(frame(FrameType.GOAWAY, 0, code(CloseCode.INTERNAL, "adiós")), START_S)
    assert session.error is None
    assert session.state is SessionState.CLOSED
    assert handler.closings == [(CloseCode.INTERNAL, "adiós")]
    assert not session.has_output


@pytest.mark.parametrize(
    "stage", ["agent awaits CHALLENGE", "agent awaits GRANT"], ids=["before CHALLENGE", "before GRANT"]
)
def test_an_agent_may_be_refused_before_or_after_its_claim(stage: str) -> None:
    session, handler = reach(stage)
    session.receive_data(frame(FrameType.REFUSE, 0, Refusal("full", "no room", True).encode()), START_S)
    assert session.error is None
    assert handler.closings == [(CloseCode.REFUSED, "full")]


MALFORMED = [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 10000, b"{}", b'{"names":7}', b"9" * 10000]


@pytest.mark.parametrize("stage", ["agent awaits CHALLENGE", "agent awaits GRANT", "exit node awaits HELLO"])
@pytest.mark.parametrize("body", MALFORMED, ids=[repr(body[:12]) for body in MALFORMED])
def test_a_malformed_body_in_the_handshake_is_a_violation(stage: str, body: bytes) -> None:
    kinds = STAGES[stage][1]
    assert kinds
    for kind in kinds:
        session, handler = reach(stage)
        session.receive_data(frame(kind, 0, body), START_S)
        assert_violated(session, handler, kind.name)


@pytest.mark.parametrize("body", MALFORMED, ids=[repr(body[:12]) for body in MALFORMED])
def test_a_malformed_claim_is_a_violation_even_with_a_proof_that_holds(body: bytes) -> None:
    pair = claim_by_hand(lambda hello, challenge: agent_proof(TOKEN, hello, challenge, body).encode() + body)
    assert_violated(pair.exit_node, pair.exit_node_handler, "CLAIM")


@pytest.mark.parametrize("kind", [FrameType.HELLO, FrameType.CHALLENGE, FrameType.CLAIM, FrameType.GRANT])
@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
def test_a_handshake_frame_after_the_handshake_is_a_violation(role: Role, kind: FrameType) -> None:
    pair = Pair()
    session = pair.end(role)
    handler = pair.agent_handler if role is Role.AGENT else pair.exit_node_handler
    session.receive_data(frame(kind, 0, make_hello().encode()), START_S)
    assert_violated(session, handler, kind.name, "after the handshake")


@pytest.mark.parametrize("stage", STAGES)
def test_a_handshake_that_takes_too_long_is_given_up(stage: str) -> None:
    session, handler = reach(stage)
    deadline = START_S + HANDSHAKE_TIMEOUT_S
    assert session.tick(START_S) == deadline
    assert session.tick(deadline - 0.001) == deadline
    assert session.state is SessionState.HANDSHAKE
    assert session.tick(deadline) == float("inf")
    assert session.is_closed
    assert session.error is None
    assert handler.closings == [(CloseCode.HANDSHAKE_TIMEOUT, "no handshake within 10 s")]
    assert [kind for kind, _, _ in sent_by(session)] == [FrameType.GOAWAY]
    assert session.tick(deadline + 1) == float("inf")
    assert len(handler.closings) == 1


def test_a_peer_that_sends_a_byte_now_and_then_does_not_stretch_the_handshake() -> None:
    session, handler = reach("exit node awaits HELLO")
    for second, byte in enumerate(frame(FrameType.HELLO, 0, make_hello().encode())[:9]):
        session.receive_data(bytes([byte]), START_S + second)
        session.tick(START_S + second)
        assert session.state is SessionState.HANDSHAKE
    session.tick(START_S + 10)
    assert [closed_with for closed_with, _ in handler.closings] == [CloseCode.HANDSHAKE_TIMEOUT]


def test_the_handshake_survives_any_chunking() -> None:
    pair = Pair(handshake=False)
    for _ in range(4):
        for source, target in ((pair.agent, pair.exit_node), (pair.exit_node, pair.agent)):
            for byte in b"".join(source.data_to_send(1 << 20)):
                target.receive_data(bytes([byte]), START_S)
    assert pair.agent.state is pair.exit_node.state is SessionState.OPEN


def test_what_follows_a_grant_in_the_same_chunk_is_not_lost() -> None:
    pair = Pair(handshake=False)
    pair.flush_to_exit_node()
    pair.flush_to_agent()
    pair.flush_to_exit_node()
    assert pair.exit_node.state is SessionState.OPEN
    pair.exit_node_handler.make_sink = pair.agent_handler.make_sink
    assert pair.exit_node.open_stream(b"first", pair.agent_handler.make_sink(None), START_S)  # type: ignore[arg-type]
    pair.flush_to_agent()
    assert pair.agent_handler.payloads == [b"first"]
