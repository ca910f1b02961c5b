"""Asks visitors who they are: passwords and tokens in the Authorization field.

A password costs a tenth of a second of work, which is done in threads, once: whoever was let in is known
from then on.  One who guesses has ten attempts, and one more every five seconds.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor

from tunnel.http.error_pages import FAULTS
from tunnel.http.lines import find_fields
from tunnel.sites.credentials import Users
from tunnel.sites.site import Site
from tunnel.sites.verdicts import challenge, fields_for_service, too_many
from tunnel.sources import SourceRate, source_of
from tunnel.transport.gate import Passage, Verdict, Visit

__all__ = ["Doorkeeper"]

_ATTEMPTS_PER_S = 0.2
_ATTEMPTS_AT_ONCE = 10
_MAX_KNOWN = 10_000
_THREADS = 2
_MAX_CHECKS = 32
"""Passwords that wait for a thread: about two seconds' worth."""


class Doorkeeper:
    """Lets in those who say who they are."""

    def __init__(self) -> None:
        self._attempts = SourceRate(_ATTEMPTS_PER_S, _ATTEMPTS_AT_ONCE)
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}  # of those whose password was right; the oldest first
        self._checks: dict[bytes, asyncio.Task[bool]] = {}  # the same password twice is worked on once
        self._verdicts: set[asyncio.Task[Verdict]] = set()
        self._threads: ThreadPoolExecutor | None = None

    def judge(self, site: Site, visit: Visit) -> Verdict | asyncio.Future[Verdict]:
        """Decide on a request for a site that asks who comes."""
        values = find_fields(visit.head.fields, b"authorization")
        if not values:
            return challenge(site, visit, FAULTS["credentials-required"])
        scheme, _, credentials = values[0].partition(b" ")
        scheme = scheme.lower()
        if len(values) == 1 and scheme == b"bearer" and site.bearer is not None:
            return self._check_token(site, visit, credentials.strip())
        if len(values) == 1 and scheme == b"basic" and site.basic is not None:
            return self._check_user(site, visit, site.basic, credentials.strip())
        return challenge(site, visit, FAULTS["credentials-required"])

    def forget(self) -> None:
        """What sites ask has changed: everybody is looked at again."""
        self._known.clear()

    def close(self) -> None:
        """Nobody will be judged any more."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────

    def _check_token(self, site: Site, visit: Visit, token: bytes) -> Verdict:
        if site.bearer is not None and token in site.bearer:
            return Passage(fields_for_service(site, visit))
        # Nobody guesses a token, however often; this keeps the log short.
        wait_s = self._take_attempt(site, visit)
        if wait_s > 0:
            return too_many(visit, FAULTS["too-many-logins"], wait_s)
        return challenge(site, visit, FAULTS["credentials-refused"])

    # ── users ────────────────────────────────────────────────────────────────────────────────────

    def _check_user(
        self, site: Site, visit: Visit, users: Users, credentials: bytes
    ) -> Verdict | asyncio.Future[Verdict]:
        name, password = _decode(credentials)
        digest = hmac.digest(self._key, f"{site.pattern}\0{name}\0{password}".encode(), "sha256")
        if digest in self._known:
            return _passage(site, visit, name)
        check = self._checks.get(digest)
        if check is None:
            if len(self._checks) >= _MAX_CHECKS:
                return too_many(visit, FAULTS["too-many-logins"], 1.0)
            wait_s = self._take_attempt(site, visit)
            if wait_s > 0:
                return too_many(visit, FAULTS["too-many-logins"], wait_s)
            check = asyncio.ensure_future(self._matches(users, name, password))
            self._checks[digest] = check
            check.add_done_callback(lambda _: self._checks.pop(digest, None))
        verdict = asyncio.ensure_future(self._await_check(site, visit, name, digest, check))
        self._verdicts.add(verdict)
        verdict.add_done_callback(self._verdicts.discard)
        return verdict

    async def _await_check(
        self, site: Site, visit: Visit, name: str, digest: bytes, check: asyncio.Task[bool]
    ) -> Verdict:
        # One who leaves does not end the check for others who wait for the same.
        if not await asyncio.shield(check):
            return challenge(site, visit, FAULTS["credentials-refused"])
        if digest not in self._known:
            self._attempts.give_back(_attempt_key(site, visit))
            self._known[digest] = None
            if len(self._known) > _MAX_KNOWN:
                del self._known[next(iter(self._known))]
        return _passage(site, visit, name)

    async def _matches(self, users: Users, name: str, password: str) -> bool:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "tunelab-password")
        found = users.find(name)
        is_right = await asyncio.get_running_loop().run_in_executor(self._threads, found.matches, password)
        return is_right and name in users.hashes

    def _take_attempt(self, site: Site, visit: Visit) -> float:
        """Count an attempt; return how long the visitor must wait before it, in seconds; 0.0: it may."""
        key, now = _attempt_key(site, visit), asyncio.get_running_loop().time()
        return 0.0 if self._attempts.take(key, now) else max(self._attempts.wait_s(key, now), 0.001)


def _passage(site: Site, visit: Visit, name: str) -> Passage:
    return Passage(fields_for_service(site, visit), f"X-Forwarded-User: {name}\r\n".encode("ascii"))


def _attempt_key(site: Site, visit: Visit) -> str:
    return f"{site.pattern} {source_of(visit.visitor_ip)}"


def _decode(credentials: bytes) -> tuple[str, str]:
    """Return user and password (RFC 7617, section 2); what is neither is nobody's."""
    try:
        name, _, password = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
