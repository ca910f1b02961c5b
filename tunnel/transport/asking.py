"""Asking an exit node's control plane something, with a token or a certificate (PROTOCOL.md, section 2.3)."""

from __future__ import annotations

import asyncio
import secrets
from typing import cast

from tunnel.http.errors import BadMessage
from tunnel.http.fields import find_fields
from tunnel.http.head import HEAD_END, ResponseHead, parse_response_head
from tunnel.protocol.auth import NONCE_BYTES, answer_proof, key_id, proofs_equal, question_proof
from tunnel.transport.questions import KEY_ID_FIELD, NONCE_FIELD, PROOF_FIELD
from tunnel.transport.tls import Dialler

__all__ = ["AskError", "CertificateRefusedError", "ask"]

_MAX_ANSWER_BYTES = 1024 * 1024
_TIMEOUT_S = 10.0


class AskError(Exception):
    """It was not answered.  ``status`` is the HTTP status, 0 where what came is no answer at all."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class CertificateRefusedError(AskError):
    """The exit node hung up on the certificate: its time is over, or another CA signed it."""


async def ask(dialler: Dialler, path: str) -> bytes:
    """Return the answer's content, proven to come from who holds the token, or the exit node's certificate.

    Raises:
        CertificateRefusedError: what the dialler shows is not taken.
        AskError: what came is no answer, or it is not proven.
        OSError, WrongCa, Unverifiable: as in ``Dialler.connect``; TimeoutError is an OSError.
    """
    nonce = secrets.token_hex(NONCE_BYTES)
    async with asyncio.timeout(_TIMEOUT_S):
        # The question is made when the connection is: a certificate is read again for each.
        protocol = await dialler.connect(lambda: _Exchange(dialler.authority, path, nonce, dialler.token))
        try:
            head, content = await protocol.answer
        except BadMessage as error:
            if dialler.shown is not None and not protocol.was_answered:
                # TLS 1.3 has it looked at last, and asyncio hangs up without TLS's alert.
                raise CertificateRefusedError(0, "it hung up on the certificate") from None
            raise AskError(0, str(error)) from None
        finally:
            protocol.close()
    if head.status != 200:
        raise AskError(head.status, f"HTTP {head.status}")
    proofs = find_fields(head.fields, PROOF_FIELD.lower().encode())
    expected = answer_proof(protocol.token, path, nonce, content)
    if len(proofs) != 1 or not proofs_equal(expected, proofs[0].decode("latin-1")):
        raise AskError(0, "the answer is not proven")
    return content


class _Exchange(asyncio.Protocol):
    """Asks one thing; ``answer`` is the head and the content that come, or BadMessage.

    Args:
        authority: for the Host field.
        token: what proves who asks.
    """

    def __init__(self, authority: str, path: str, nonce: str, token: str) -> None:
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {authority}",
            "Connection: close",
            f"{KEY_ID_FIELD}: {key_id(token)}",
            f"{NONCE_FIELD}: {nonce}",
            f"{PROOF_FIELD}: {question_proof(token, path, nonce)}",
            "\r\n",
        ]
        self._question = "\r\n".join(lines).encode()
        self.token = token
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[tuple[ResponseHead, bytes]] = asyncio.get_running_loop().create_future()

    @property
    def was_answered(self) -> bool:
        """Whether anything came."""
        return bool(self._received)

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
