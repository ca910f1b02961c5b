"""Ask an exit node whether it holds the token, and leave before anything is claimed.

It is the beginning of the handshake of PROTOCOL.md, section 4: HELLO, then CHALLENGE, whose proof only an
exit node with the token can make.  A claim would take the names over from the client that is running.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass

from tunnel import __version__
from tunnel.protocol.auth import NONCE_BYTES, exit_node_proof, key_id, proofs_equal
from tunnel.protocol.errors import CloseCode
from tunnel.protocol.flow import INITIAL_WINDOW_BYTES
from tunnel.protocol.frames import FrameType
from tunnel.protocol.handshake import AgentHandshake, FalseExitNode, Outgoing
from tunnel.protocol.messages import Challenge, Claim, Grant, Hello, Refusal
from tunnel.protocol.session import Session
from tunnel.protocol.stream import Stream, StreamSink
from tunnel.transport.link import AgentLink
from tunnel.transport.tls import Dialler

__all__ = ["Answer", "ask_exit_node"]

_HOLDS_TOKEN = Refusal(code="", message="it holds the token")  # never on the wire


@dataclass(frozen=True, slots=True)
class Answer:
    """What an exit node said.  ``code`` is empty where it holds the token, or else why it seems not to."""

    code: str
    seconds: float  # from HELLO to CHALLENGE: a round trip and the exit node's work


async def ask_exit_node(dialler: Dialler, url: str) -> Answer:
    """Dial, verified as ever, and ask.

    Raises:
        WrongCa, Unverifiable, OSError: see :meth:`tunnel.transport.tls.Dialler.connect`.
    """
    handler = _Listener()
    began: list[float] = []

    def new_link() -> AgentLink:
        link = AgentLink(url)
        token = dialler.token
        hello = Hello(
            key_id=key_id(token),
            nonce=secrets.token_hex(NONCE_BYTES),
            instance=secrets.token_hex(8),
            agent=f"tunelab-doctor/{__version__}",
            initial_window=INITIAL_WINDOW_BYTES,
            max_streams=1,
        )
        now = asyncio.get_running_loop().time()
        link.session = Session(_Probe(token, hello), handler, link.schedule_flush, now)
        began.append(time.monotonic())
        return link

    link = await dialler.connect(new_link)
    try:
        await asyncio.wait((link.closed, handler.ended), return_when=asyncio.FIRST_COMPLETED)
    finally:
        link.abort()
    seconds = (handler.ended_at or time.monotonic()) - began[-1]
    if dialler.shown is not None and not link.was_answered:
        return Answer("certificate-refused", seconds)
    if link.not_a_tunnel:
        return Answer("not-a-tunnel", seconds)
    outcome = link.session.outcome
    if isinstance(outcome, Refusal):
        return Answer("" if outcome is _HOLDS_TOKEN else outcome.code, seconds)
    return Answer(handler.code.name.lower().replace("_", "-"), seconds)


class _Probe(AgentHandshake):
    """The agent's side, up to the exit node's proof."""

    __slots__ = ("_probe_hello", "_probe_token")

    def __init__(self, token: str, hello: Hello) -> None:
        super().__init__(token, hello, Claim(()))
        self._probe_token, self._probe_hello = token, hello.encode()

    def receive_frame(self, kind: int, payload: bytes) -> Outgoing:
        """Take the exit node's answer.  Raises FalseExitNode, ProtocolViolation."""
        if kind != FrameType.CHALLENGE:
            return super().receive_frame(kind, payload)
        challenge = Challenge.decode(payload)
        expected = exit_node_proof(self._probe_token, self._probe_hello, challenge.nonce)
        if not proofs_equal(expected, challenge.proof):
            raise FalseExitNode("the exit node does not hold the token")
        self.outcome = _HOLDS_TOKEN
        return []


class _Listener:
    """The session's handler: it notes how the session ended."""

    def __init__(self) -> None:
        self.code = CloseCode.CONNECTION_LOST
        self.ended_at: float | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def session_opened(self, grant: Grant) -> None:
        """Never called: nothing is claimed."""

    def stream_opened(self, stream: Stream, payload: bytes) -> StreamSink:
        """Never called: there is no open session."""
        raise AssertionError("a stream without a session")

    def session_draining(self, code: CloseCode, detail: str) -> None:
        """The exit node stops; it will close."""

    def session_closed(self, code: CloseCode, detail: str) -> None:
        """The session ended."""
        self.code, self.ended_at = code, time.monotonic()
        if not self.ended.done():
            self.ended.set_result(None)
