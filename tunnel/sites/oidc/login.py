"""Judges requests for sites whose visitors log in: to the provider, back from it, through."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from hmac import compare_digest
from typing import Any, TypeVar
from urllib.parse import parse_qs

from tunnel.http.error_pages import FAULTS
from tunnel.http.lines import find_field
from tunnel.http.own_answer import OwnAnswer
from tunnel.sites.cookies import cookie_line, find_cookie
from tunnel.sites.oidc.options import OidcOptions
from tunnel.sites.oidc.provider import LoginFailed, Provider, ProviderUnavailable
from tunnel.sites.oidc.seal import Seal, Sealed
from tunnel.sites.site import Site
from tunnel.sites.verdicts import challenge, fields_for_service, refusal, too_many
from tunnel.sources import SourceRate, source_of
from tunnel.transport.gate import Passage, Verdict, Visit

__all__ = ["Logins"]

_log = logging.getLogger(__name__)

_FOLDER = "/.tunelab/oidc/"
_CALLBACK = f"{_FOLDER}callback"
_LOGOUT = f"{_FOLDER}logout"

_LOGIN_S = 600  # how long somebody may take to log in
_ATTEMPTS_PER_S = 0.2
_ATTEMPTS_AT_ONCE = 20
_THREADS = 4
_MAX_WAITING = 64
_MAX_TARGET_BYTES = 1500  # of the page to come back to: a cookie holds 4096 with all that is in it

T = TypeVar("T")


class Logins:
    """The login of every site that has one.

    Args:
        clock: returns the Unix time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sites: dict[str, tuple[OidcOptions, Seal, Provider]] = {}
        self._attempts = SourceRate(_ATTEMPTS_PER_S, _ATTEMPTS_AT_ONCE)
        self._threads = ThreadPoolExecutor(_THREADS, "tunelab-oidc")
        self._verdicts: set[asyncio.Task[Verdict]] = set()

    def judge(self, site: Site, options: OidcOptions, visit: Visit) -> Verdict | asyncio.Future[Verdict]:
        """Decide on a request; what is neither logged in nor a browser's page to be opened is refused."""
        seal, provider = self._of(site, options)
        path, _, query = visit.head.target.partition(b"?")
        if path == _CALLBACK.encode():
            return self._come_back(options, seal, provider, visit, query)
        if path == _LOGOUT.encode():
            return self._log_out(visit)
        cookie = find_cookie(visit.head.fields, _session_name(visit))
        session = cookie and seal.open(cookie, "session", _host(visit), options.session_s, self._clock())
        if session:
            (email,) = session.values
            if not options.allows(email):  # any more
                return refusal(visit, FAULTS["login-refused"])
            lines = f"X-Forwarded-User: {email}\r\nX-Forwarded-Email: {email}\r\n"
            return Passage(fields_for_service(site, visit), lines.encode("ascii"))
        if not _is_page(visit):
            if site.asks_who_comes:
                return challenge(site, visit, FAULTS["credentials-required"])
            return refusal(visit, FAULTS["login-required"])
        return self._later(visit, self._send_away(seal, provider, visit))

    def close(self) -> None:
        """Nobody will be judged any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    # ── to the provider ──────────────────────────────────────────────────────────────────────────

    async def _send_away(self, seal: Seal, provider: Provider, visit: Visit) -> Verdict:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        redirect_uri = _own_url(visit, _CALLBACK)
        url = await self._in_thread(lambda: provider.authorization_url(redirect_uri, state, nonce, verifier))
        sealed = Sealed("login", _host(visit), (state, nonce, verifier, _target(visit)))
        value = seal.close(sealed, self._clock())
        cookie = cookie_line(_login_name(visit, state), value, _FOLDER, _LOGIN_S, is_secure=_is_secure(visit))
        return _redirect(url, cookie)

    # ── back from it ─────────────────────────────────────────────────────────────────────────────

    def _come_back(
        self, options: OidcOptions, seal: Seal, provider: Provider, visit: Visit, query: bytes
    ) -> Verdict | asyncio.Future[Verdict]:
        asked = _parameters(query)
        state = asked.get("state", "")
        name = _login_name(visit, state)
        cookie = find_cookie(visit.head.fields, name)
        login = seal.open(cookie, "login", _host(visit), _LOGIN_S, self._clock())
        # Whoever was sent here by somebody else has no such cookie (RFC 9700, section 4.7).
        is_ours = login is not None and compare_digest(login.values[0].encode(), state.encode())
        if visit.head.method != b"GET" or login is None or not is_ours:
            return _failed(visit, "no login was begun here")
        if asked.get("iss", options.issuer) != options.issuer:  # RFC 9207
            return _failed(visit, "another provider's answer")
        if "code" not in asked:
            return _failed(visit, f"the provider says {asked.get('error', 'nothing')!r:.80}")
        source, now = source_of(visit.visitor_ip), asyncio.get_running_loop().time()
        if not self._attempts.take(source, now):
            return too_many(visit, FAULTS["too-many-logins"], self._attempts.wait_s(source, now))
        gone = cookie_line(name, "", _FOLDER, 0, is_secure=_is_secure(visit))
        coming = self._let_in(options, seal, provider, visit, login, asked["code"], gone, source)
        return self._later(visit, coming)

    async def _let_in(
        self,
        options: OidcOptions,
        seal: Seal,
        provider: Provider,
        visit: Visit,
        login: Sealed,
        code: str,
        gone: tuple[str, str],
        source: str,
    ) -> Verdict:
        _, nonce, verifier, target = login.values
        redirect_uri = _own_url(visit, _CALLBACK)
        email = await self._in_thread(lambda: provider.verified_email(redirect_uri, code, nonce, verifier))
        self._attempts.give_back(source)
        if not options.allows(email):
            return refusal(visit, FAULTS["login-refused"], gone)
        session = Sealed("session", _host(visit), (email,))
        value = seal.close(session, self._clock())
        kept = cookie_line(_session_name(visit), value, "/", options.session_s, is_secure=_is_secure(visit))
        # With scheme and host: a target that begins with two slashes would lead elsewhere by itself.
        return _redirect(_own_url(visit, target), kept, gone)

    def _log_out(self, visit: Visit) -> Verdict:
        cookie = cookie_line(_session_name(visit), "", "/", 0, is_secure=_is_secure(visit))
        text = "Cerró la sesión en este sitio. En el proveedor, su cuenta sigue abierta.\n"
        return OwnAnswer(
            200, "text/plain; charset=utf-8", text.encode(), (("Cache-Control", "no-store"), cookie)
        )

    # ── threads ──────────────────────────────────────────────────────────────────────────────────

    def _of(self, site: Site, options: OidcOptions) -> tuple[Seal, Provider]:
        known = self._sites.get(site.pattern)
        if known is None or known[0] != options:
            known = self._sites[site.pattern] = options, Seal(options, site.pattern), Provider(options)
        return known[1], known[2]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _later(self, visit: Visit, work: Coroutine[Any, Any, Verdict]) -> Verdict | asyncio.Future[Verdict]:
        if len(self._verdicts) >= _MAX_WAITING:
            work.close()
            return refusal(visit, FAULTS["login-unavailable"])
        verdict = asyncio.ensure_future(self._told(visit, work))
        self._verdicts.add(verdict)
        verdict.add_done_callback(self._verdicts.discard)
        return verdict

    async def _told(self, visit: Visit, work: Coroutine[Any, Any, Verdict]) -> Verdict:
        try:
            return await work
        except LoginFailed as error:
            return _failed(visit, str(error))
        except ProviderUnavailable as error:
            _log.warning("the provider for %s is not available: %s", _host(visit), error)
            return refusal(visit, FAULTS["login-unavailable"])


def _failed(visit: Visit, reason: str) -> OwnAnswer:
    _log.info("a login at %s failed: %s", _host(visit), reason)
    return refusal(visit, FAULTS["login-failed"])


def _redirect(url: str, *cookies: tuple[str, str]) -> OwnAnswer:
    fields = (("Location", url), ("Cache-Control", "no-store"), *cookies)
    return OwnAnswer(302, "text/plain; charset=utf-8", b"", fields)


def _parameters(query: bytes) -> dict[str, str]:
    """Return the parameters of a query; one that is there twice is none (RFC 6749, section 3.1)."""
    try:
        found = parse_qs(query.decode("ascii"), max_num_fields=20, strict_parsing=True, errors="strict")
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def _host(visit: Visit) -> str:
    return visit.head.host.decode("latin-1").lower()


def _is_secure(visit: Visit) -> bool:
    return visit.scheme == b"https"


def _own_url(visit: Visit, target: str) -> str:
    return f"{visit.scheme.decode()}://{_host(visit)}{target}"


def _target(visit: Visit) -> str:
    """Return where the visitor wanted to go, if it can be gone back to."""
    target = visit.head.target
    if not target.startswith(b"/") or target.startswith((b"//", b"/\\")) or len(target) > _MAX_TARGET_BYTES:
        return "/"
    return target.decode("latin-1")


def _session_name(visit: Visit) -> str:
    # The prefix makes browsers refuse it from anywhere else but this host, over TLS (RFC 6265bis, 4.1.3).
    return "__Host-tunelab" if _is_secure(visit) else "tunelab"


def _login_name(visit: Visit, state: str) -> str:
    """Return the cookie of one login: somebody may begin several, in as many windows."""
    digest = hashlib.sha256(state.encode()).hexdigest()[:16]
    return f"{'__Secure-' if _is_secure(visit) else ''}tunelab-login-{digest}"


def _is_page(visit: Visit) -> bool:
    """Whether a browser opens a page with this request, and so may be sent elsewhere."""
    head = visit.head
    if head.method not in (b"GET", b"HEAD") or head.upgrade:
        return False
    mode = find_field(head.fields, b"sec-fetch-mode")  # of a script's request it is another
    return mode in (b"", b"navigate") and b"text/html" in find_field(head.fields, b"accept").lower()
