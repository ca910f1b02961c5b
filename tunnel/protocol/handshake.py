"""The handshake, from both sides.

::

    agent                                   exit node
      HELLO      key id, nonce, limits  ──▶   which token is meant?
      ◀──  CHALLENGE  nonce, proof            (or REFUSE: no such token)
      (checks the proof: a false exit node is found out here)
      CLAIM      proof, names           ──▶   is the proof right? may it have the names?
      ◀──  GRANT      urls, limits            (or REFUSE)

Each side takes the peer's frames one by one and returns those to send.  ``outcome`` is set once it is
over.
"""

from __future__ import annotations

from collections.abc import Callable

from tunnel.protocol.auth import agent_proof, exit_node_proof, proofs_equal
from tunnel.protocol.errors import CloseCode, LocalMisuse, ProtocolViolation
from tunnel.protocol.frames import MAX_CONTROL_PAYLOAD_BYTES, FrameType
from tunnel.protocol.messages import Challenge, Claim, Grant, Hello, Refusal

__all__ = ["AgentHandshake", "Authorize", "ExitNodeHandshake", "FalseExitNode", "FindToken", "Outgoing"]

Outgoing = list[tuple[FrameType, bytes]]
"""Frames for the control stream, in order."""

FindToken = Callable[[str], str | None]
"""Given a key id, the token it names, or None."""

Authorize = Callable[[Hello, Claim], Grant | Refusal]
"""Decides on a claim whose maker has proven that it holds the token that ``Hello.key_id`` names."""

_PROOF_DIGITS = 64


class FalseExitNode(ProtocolViolation):
    """The exit node could not prove that it holds the token."""

    code = CloseCode.BAD_EXIT_NODE


class AgentHandshake:
    """The agent's side.  ``hello.key_id`` and ``hello.nonce`` belong to ``token`` and this session alone.

    Raises:
        LocalMisuse: the claim is too long for a frame.
    """

    __slots__ = ("_claim", "_hello", "_token", "hello", "outcome")

    def __init__(self, token: str, hello: Hello, claim: Claim) -> None:
        self._token = token
        self._hello = hello.encode()
        self._claim: Claim | None = claim
        self.hello = hello
        self.outcome: Grant | Refusal | None = None
        if _PROOF_DIGITS + len(claim.encode()) > MAX_CONTROL_PAYLOAD_BYTES:
            raise LocalMisuse(f"a claim of {len(claim.names)} names does not fit one frame")

    def start(self) -> Outgoing:
        """Return the frames that open the handshake."""
        return [(FrameType.HELLO, self._hello)]

    def receive_frame(self, kind: int, payload: bytes) -> Outgoing:
        """Take one frame of the exit node's.

        Raises:
            FalseExitNode: its proof does not hold.
            ProtocolViolation: it said something out of turn or malformed.
        """
        if kind == FrameType.REFUSE:
            self.outcome = Refusal.decode(payload)
            return []
        if kind == FrameType.CHALLENGE and self._claim is not None:
            challenge = Challenge.decode(payload)
            expected = exit_node_proof(self._token, self._hello, challenge.nonce)
            if not proofs_equal(expected, challenge.proof):
                raise FalseExitNode("the exit node does not hold the token")
            claim, self._claim = self._claim.encode(), None
            proof = agent_proof(self._token, self._hello, payload, claim)
            return [(FrameType.CLAIM, proof.encode() + claim)]
        if kind == FrameType.GRANT and self._claim is None:
            self.outcome = Grant.decode(payload)
            return []
        raise ProtocolViolation(f"{FrameType(kind).name} is out of turn in the handshake")


class ExitNodeHandshake:
    """The exit node's side.  ``nonce`` (hexadecimal) is drawn for this session alone."""

    __slots__ = ("_authorize", "_challenge", "_find_token", "_hello", "_nonce", "_token", "hello", "outcome")

    def __init__(self, find_token: FindToken, authorize: Authorize, nonce: str) -> None:
        self._find_token = find_token
        self._authorize = authorize
        self._nonce = nonce
        self._hello = b""
        self._challenge = b""
        self._token = ""
        self.hello: Hello | None = None
        self.outcome: Grant | Refusal | None = None

    def start(self) -> Outgoing:
        """Return the frames that open the handshake: none, the agent speaks first."""
        return []

    def receive_frame(self, kind: int, payload: bytes) -> Outgoing:
        """Take one frame of the agent's.

        Raises:
            ProtocolViolation: it said something out of turn or malformed.
        """
        if kind == FrameType.HELLO and self.hello is None:
            return self._receive_hello(payload)
        if kind == FrameType.CLAIM and self.hello is not None:
            return self._receive_claim(self.hello, payload)
        raise ProtocolViolation(f"{FrameType(kind).name} is out of turn in the handshake")

    def _receive_hello(self, payload: bytes) -> Outgoing:
        self.hello = Hello.decode(payload)
        token = self._find_token(self.hello.key_id)
        if token is None:
            return self._refuse(Refusal("unknown-token", "this exit node does not know that token"))
        self._token = token
        self._hello = payload
        challenge = Challenge(self._nonce, exit_node_proof(token, payload, self._nonce))
        self._challenge = challenge.encode()
        return [(FrameType.CHALLENGE, self._challenge)]

    def _receive_claim(self, hello: Hello, payload: bytes) -> Outgoing:
        proof, body = payload[:_PROOF_DIGITS], payload[_PROOF_DIGITS:]
        expected = agent_proof(self._token, self._hello, self._challenge, body)
        if not proofs_equal(expected, proof.decode("latin-1")):
            return self._refuse(Refusal("bad-proof", "the proof does not hold"))
        decision = self._authorize(hello, Claim.decode(body))
        if isinstance(decision, Refusal):
            return self._refuse(decision)
        grant = decision.encode()
        if len(grant) > MAX_CONTROL_PAYLOAD_BYTES:
            return self._refuse(Refusal("bad-claim", "the addresses of these names do not fit one frame"))
        self.outcome = decision
        return [(FrameType.GRANT, grant)]

    def _refuse(self, refusal: Refusal) -> Outgoing:
        self.outcome = refusal
        return [(FrameType.REFUSE, refusal.encode())]
