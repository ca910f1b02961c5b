"""Asking an exit node's control plane something as the holder of a token (PROTOCOL.md, section 2.3)."""

from __future__ import annotations

import asyncio
import secrets
from typing import cast

from tunnel.config import Secret
from tunnel.http.errors import BadMessage
from tunnel.http.fields import find_fields
from tunnel.http.head import HEAD_END, ResponseHead, parse_response_head
from tunnel.protocol.auth import NONCE_BYTES, answer_proof, key_id, proofs_equal, question_proof
from tunnel.transport.questions import KEY_ID_FIELD, NONCE_FIELD, PROOF_FIELD
from tunnel.transport.tls import Dialler

__all__ = ["AskError", "ask"]

_MAX_ANSWER_BYTES = 1024 * 1024
_TIMEOUT_S = 10.0


class AskError(Exception):
    """It was not answered.  ``status`` is the HTTP status, 0 where what came is no answer at all."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def ask(dialler: Dialler, token: Secret, path: str) -> bytes:
    """Return the answer's content, proven to come from who holds the token.

    Raises:
        AskError: what came is no answer, or it is not proven.
        OSError, WrongCa, Unverifiable: as in ``Dialler.connect``; TimeoutError is an OSError.
    """
    nonce, secret = secrets.token_hex(NONCE_BYTES), token.reveal()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {dialler.authority}",
        "Connection: close",
        f"{KEY_ID_FIELD}: {key_id(secret)}",
        f"{NONCE_FIELD}: {nonce}",
        f"{PROOF_FIELD}: {question_proof(secret, path, nonce)}",
        "\r\n",
    ]
    async with asyncio.timeout(_TIMEOUT_S):
        protocol = await dialler.connect(lambda: _Exchange("\r\n".join(lines).encode()))
        try:
            head, content = await protocol.answer
        except BadMessage as error:
            raise AskError(0, str(error)) from None
        finally:
            protocol.close()
    if head.status != 200:
        raise AskError(head.status, f"HTTP {head.status}")
    proofs = find_fields(head.fields, PROOF_FIELD.lower().encode())
    expected = answer_proof(secret, path, nonce, content)
    if len(proofs) != 1 or not proofs_equal(expected, proofs[0].decode("latin-1")):
        raise AskError(0, "the answer is not proven")
    return content


class _Exchange(asyncio.Protocol):
    """Says one thing; ``answer`` is the head and the content that come, or BadMessage."""

    def __init__(self, question: bytes) -> None:
        self._question = question
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[tuple[ResponseHead, bytes]] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: the connection is up."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._question)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: more of the answer."""
        self._received += data
        head, separator, content = bytes(self._received).partition(HEAD_END)
        if self.answer.done():
            return
        try:
            if separator:
                parsed = parse_response_head(head + separator, b"GET")
                if parsed.length > _MAX_ANSWER_BYTES or parsed.length < 0:
                    raise BadMessage("an answer of no good length")
                if len(content) >= parsed.length:
                    self.answer.set_result((parsed, content[: parsed.length]))
            elif len(head) > _MAX_ANSWER_BYTES:
                raise BadMessage("a head without an end")
        except BadMessage as error:
            self.answer.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the connection is gone."""
        if not self.answer.done():
            self.answer.set_exception(BadMessage("the answer was cut"))

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()
