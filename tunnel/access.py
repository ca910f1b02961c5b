"""Whose token is whose, and what each may claim."""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest

from tunnel.config import Secret
from tunnel.protocol.auth import key_id

__all__ = ["TokenRing"]


class TokenRing:
    """The tokens that an exit node knows, each under its key id."""

    __slots__ = ("_tokens",)

    def __init__(self, tokens: Mapping[str, Secret]) -> None:
        self._tokens = dict(tokens)

    @classmethod
    def of(cls, *tokens: Secret) -> TokenRing:
        """Make a ring of these tokens."""
        return cls({key_id(token.reveal()): token for token in tokens})

    def find(self, wanted_id: str) -> str | None:
        """Return the token that ``wanted_id`` names, or None.

        Every id is compared, in constant time each: how long it takes tells nothing about a guess.
        """
        found: Secret | None = None
        for known_id, token in self._tokens.items():
            if compare_digest(known_id.encode(), wanted_id.encode()):  # of text it takes ASCII only
                found = token
        return None if found is None else found.reveal()
