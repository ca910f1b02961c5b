"""What a name is proven with."""

from __future__ import annotations

from typing import Protocol

from tunnel.http.own_answer import OwnAnswer

__all__ = ["CHALLENGE_PREFIX", "HttpBoard", "ProofFailed", "Prover"]

CHALLENGE_PREFIX = b"/.well-known/acme-challenge/"  # RFC 8555, section 8.3


class ProofFailed(Exception):  # noqa: N818 - as FileUnusable
    """What the proof needs could not be put in place: the text says why, for the event."""


class Prover(Protocol):
    """Puts a proof in place and takes it away.  Called in the thread of the order."""

    challenge: str  # its type, as the issuer calls it

    def put(self, domain: str, token: str, value: str) -> None:
        """Put a proof for ``domain`` (a name without ``*.``) where the issuer looks for it.

        Raises:
            ProofFailed: it could not be put there.
        """

    def settle(self) -> None:
        """Wait until what was put can be seen."""

    def take_away(self, domain: str, token: str, value: str) -> None:
        """Take it away again; what cannot be taken away stays, and harms nobody."""


class HttpBoard:
    """HTTP-01 (RFC 8555, section 8.3): the exit node itself answers, while an order is pending."""

    challenge = "http-01"

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def put(self, domain: str, token: str, value: str) -> None:
        """Answer from now on."""
        self._values[token] = value.encode("ascii")

    def settle(self) -> None:
        """Nothing takes time here."""

    def take_away(self, domain: str, token: str, value: str) -> None:
        """Answer no more."""
        self._values.pop(token, None)

    def answer(self, method: bytes, target: bytes) -> OwnAnswer | None:
        """Return the file that a pending order waits for, or None: the path is like any other."""
        if not self._values or method not in (b"GET", b"HEAD"):
            return None
        token = target[len(CHALLENGE_PREFIX) :].partition(b"?")[0].decode("latin-1")
        value = self._values.get(token)
        return None if value is None else OwnAnswer(200, "application/octet-stream", value)
