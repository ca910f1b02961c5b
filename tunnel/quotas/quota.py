"""A token's quota, and the sessions that share it."""

from __future__ import annotations

import asyncio
from functools import partial

from tunnel.access.quota import TokenQuota
from tunnel.protocol.session import Session
from tunnel.protocol.stream import Stream
from tunnel.quotas.bucket import TokenBucket
from tunnel.quotas.paced import PacedStream

__all__ = ["Quota", "QuotaBook"]


class Quota:
    """What the sessions of one token may take together."""

    def __init__(self, rules: TokenQuota) -> None:
        self.sessions: set[Session] = set()
        self._buckets: tuple[TokenBucket, TokenBucket] | None = None  # what comes from agents, what goes
        self.set_rules(rules)

    def set_rules(self, rules: TokenQuota) -> None:
        """Change it; streams that are open keep to the rate, whatever it is now, or to none."""
        self._rules = rules
        if not rules.bytes_per_s:
            self._buckets = None
        elif self._buckets is None:
            loop = asyncio.get_running_loop()
            self._buckets = TokenBucket(rules.bytes_per_s, loop), TokenBucket(rules.bytes_per_s, loop)
        else:
            for bucket in self._buckets:
                bucket.set_rate(rules.bytes_per_s)
        for session in self.sessions:
            self._apply(session)

    def has_room(self) -> bool:
        """Whether one more stream may be opened."""
        limit = self._rules.max_streams
        return not limit or sum(session.stream_count for session in self.sessions) < limit

    def join(self, session: Session) -> None:
        """Count a session's streams here from now on."""
        self.sessions.add(session)
        self._apply(session)

    def leave(self, session: Session) -> None:
        """Count them no more."""
        self.sessions.discard(session)
        session.make_stream = Stream

    def _apply(self, session: Session) -> None:
        if self._buckets is None:
            session.make_stream = Stream
        else:
            inbound, outbound = self._buckets
            session.make_stream = partial(PacedStream, inbound=inbound, outbound=outbound)


class QuotaBook:
    """The quotas of the tokens whose clients are here, by key id."""

    def __init__(self) -> None:
        self._quotas: dict[str, Quota] = {}

    def settle(self, key_id: str, rules: TokenQuota, session: Session) -> Quota:
        """Return the quota of a token, in which ``session`` counts from now on."""
        quota = self._quotas.get(key_id)
        if quota is None:
            quota = self._quotas[key_id] = Quota(rules)
        else:
            quota.set_rules(rules)
        quota.join(session)
        return quota

    def leave(self, key_id: str, session: Session) -> None:
        """A session is over, or has no quota any more."""
        quota = self._quotas.get(key_id)
        if quota is not None:
            quota.leave(session)
            if not quota.sessions:
                del self._quotas[key_id]
