"""The tokens that an exit node knows, and what each may claim."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path

from tunnel.access.patterns import patterns_for
from tunnel.access.quota import NO_QUOTA, TokenQuota
from tunnel.config import CATCH_ALL, Secret
from tunnel.port_ranges import EVERY_PORT, PortRanges
from tunnel.protocol.auth import key_id

__all__ = ["TokenEntry", "TokenRing"]


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """A token and its rights."""

    secret: Secret
    label: str = ""  # "" for the only token of an exit node that has no file of them
    names: tuple[str, ...] = (CATCH_ALL,)  # patterns
    ports: PortRanges = EVERY_PORT  # of those that the exit node gives away
    expires_s: float = math.inf  # Unix time from which it is of no use
    secret_file: Path | None = None  # where the secret was read, if not in the tokens file itself
    quota: TokenQuota = NO_QUOTA
    certificate: str = ""  # in place of a secret, which is "" then: a name or the digest of a certificate

    @property
    def id(self) -> str:
        """The key id, or for a certificate what no key id is like."""
        return f"certificate {self.certificate}" if self.certificate else key_id(self.secret.reveal())


class TokenRing:
    """Tokens under their key ids.  It does not change; a changed file makes another one.

    A name belongs to the tokens whose pattern for it is the most specific in the ring: ``ana.example``
    goes before ``*.example``, and that before ``*``.  What one token has by name no other can take by a
    wildcard, neither by claiming it nor by serving all that nobody claims.
    """

    __slots__ = ("_entries", "_has_wildcards", "_owners")

    def __init__(self, entries: Iterable[TokenEntry]) -> None:
        self._entries = {entry.id: entry for entry in entries}
        self._owners: dict[str, set[str]] = {}
        for known_id, entry in self._entries.items():
            for pattern in entry.names:
                self._owners.setdefault(pattern, set()).add(known_id)
        self._has_wildcards = any(pattern.startswith("*.") for pattern in self._owners)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, wanted_id: str) -> TokenEntry | None:
        """Return the entry that ``wanted_id``, which anybody may have sent, names.

        Every id is compared, in constant time each: how long it takes tells nothing about a guess.
        """
        found: TokenEntry | None = None
        for known_id, entry in self._entries.items():
            if compare_digest(known_id.encode(), wanted_id.encode()):  # of text it takes ASCII only
                found = entry
        return found

    def entry(self, known_id: str) -> TokenEntry | None:
        """Return the entry of a key id whose holder has proven itself."""
        return self._entries.get(known_id)

    def allows(self, known_id: str, name: str) -> bool:
        """Whether the token may claim or serve ``name``: a host name in lower case, or ``*``."""
        # Asked for every request: in a ring without wildcards two look-ups tell.
        for pattern in patterns_for(name) if self._has_wildcards else (name, CATCH_ALL):
            owners = self._owners.get(pattern)
            if owners is not None:
                return known_id in owners
        return False

    def allows_port(self, known_id: str, port: int) -> bool:
        """Whether the token may claim or serve a TCP port of the exit node's."""
        entry = self._entries.get(known_id)
        return entry is not None and port in entry.ports

    def is_named(self, name: str) -> bool:
        """Whether ``name`` is some token's by name, or by that of a domain above it."""
        return any(pattern in self._owners for pattern in patterns_for(name) if pattern != CATCH_ALL)

    def by_label(self) -> dict[str, tuple[str, TokenEntry]]:
        """Return key ids and entries by label."""
        return {entry.label: (known_id, entry) for known_id, entry in self._entries.items()}
