"""The tokens in force, and their file watched for changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from tunnel.access.quota import NO_QUOTA, TokenQuota
from tunnel.access.ring import TokenEntry, TokenRing
from tunnel.access.tokens_file import load_tokens
from tunnel.config import Secret
from tunnel.events import TokensRejected, TokensReloaded
from tunnel.watching import FileWatch, Unusable

__all__ = ["AccessKeeper"]

_log = logging.getLogger(__name__)


class AccessKeeper:
    """Who may claim and serve which names now.

    Args:
        clock: returns the Unix time; tokens end by it.

    Raises:
        ConfigError: the tokens file cannot be used.
    """

    def __init__(
        self, token: Secret | None, tokens_file: Path | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = tokens_file
        self._clock = clock
        self._watch = FileWatch(() if tokens_file is None else (tokens_file,), clock)
        self._ring = TokenRing(() if token is None else (TokenEntry(token),))
        if tokens_file is not None:
            self._ring = self._load(tokens_file)
        self._valid_until = self._next_expiry()

    def find(self, wanted_id: str) -> str | None:
        """Return the token that ``wanted_id`` names, also an expired one, or None."""
        entry = self._ring.find(wanted_id)
        return None if entry is None or entry.certificate else entry.secret.reveal()

    def find_certificate(self, names: Iterable[str]) -> str:
        """Return the id of the entry for a certificate with these names, or "": the first that has one."""
        ids = (TokenEntry(Secret(""), certificate=name).id for name in names)
        return next((known_id for known_id in ids if self._ring.entry(known_id) is not None), "")

    def label(self, key_id: str) -> str:
        """Return the label of a token, or ""."""
        entry = self._ring.entry(key_id)
        return "" if entry is None else entry.label

    def quota(self, key_id: str) -> TokenQuota:
        """Return how much a token may take."""
        entry = self._ring.entry(key_id)
        return NO_QUOTA if entry is None else entry.quota

    def is_valid(self, key_id: str) -> bool:
        """Whether the token is known and has not expired."""
        entry = self._ring.entry(key_id)
        return entry is not None and self._clock() < entry.expires_s

    def allows(self, key_id: str, name: str) -> bool:
        """Whether the token may claim or serve ``name`` now; asked at the claim and for every stream."""
        return self.is_valid(key_id) and self._ring.allows(key_id, name)

    def allows_port(self, key_id: str, port: int) -> bool:
        """Whether the token may claim or serve ``port`` now; asked at the claim and for every visitor."""
        return self.is_valid(key_id) and self._ring.allows_port(key_id, port)

    def is_named(self, name: str) -> bool:
        """Whether the tokens file gives ``name`` to somebody: then it is right, with or without a client."""
        return self._path is not None and self._ring.is_named(name)

    # ── changes ──────────────────────────────────────────────────────────────────────────────────

    def poll(self, *, is_urgent: bool = False) -> TokensReloaded | TokensRejected | None:
        """Look whether the file has changed; to be called a few times a second.

        One that cannot be used leaves what was in force, and is tried again until it can: read while an
        editor writes it, it would end the links of those who stand at its end.

        Args:
            is_urgent: read it now, whatever it looks like.

        Returns:
            What is new and to be told, if anything is.
        """
        if self._path is None:
            return None
        found = self._watch.read_again(partial(self._load, self._path), is_urgent=is_urgent)
        if found is None:
            return None
        if isinstance(found, Unusable):
            _log.warning("%s is not usable, the former tokens stay in force: %s", self._path, found.complaint)
            return TokensRejected(str(self._path), found.complaint)
        former, self._ring = self._ring, found.value
        self._valid_until = self._next_expiry()
        event = _difference(former, self._ring)
        is_new = bool(event.added or event.removed or event.changed)
        _log.info("%s was read: %d tokens, %s", self._path, event.tokens, "changed" if is_new else "the same")
        return event if is_new or found.was_unusable else None

    def has_expired(self) -> bool:
        """Whether a token has expired since the last call."""
        if self._clock() < self._valid_until:
            return False
        self._valid_until = self._next_expiry()
        return True

    def _next_expiry(self) -> float:
        now = self._clock()
        times = [entry.expires_s for _, entry in self._ring.by_label().values()]
        return min((time_s for time_s in times if time_s > now), default=float("inf"))

    def _load(self, path: Path) -> TokenRing:
        entries = load_tokens(path)
        self._watch.watch((path, *(entry.secret_file for entry in entries if entry.secret_file is not None)))
        return TokenRing(entries)


def _difference(former: TokenRing, ring: TokenRing) -> TokensReloaded:
    before, after = former.by_label(), ring.by_label()

    def rights(known: tuple[str, TokenEntry]) -> tuple[object, ...]:
        return known[0], known[1].names, known[1].ports, known[1].expires_s, known[1].quota

    return TokensReloaded(
        tokens=len(ring),
        added=tuple(label for label in after if label not in before),
        removed=tuple(label for label in before if label not in after),
        changed=tuple(
            label for label in after if label in before and rights(after[label]) != rights(before[label])
        ),
    )
