"""How the gate says no, and what it takes out of a request that passes."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

from tunnel.http.error_pages import Fault, error_answer
from tunnel.http.lines import Cutter, Fields, find_field, find_fields
from tunnel.http.own_answer import OwnAnswer
from tunnel.sites.cookies import without_own_cookies
from tunnel.sites.site import Site
from tunnel.transport.gate import Visit

__all__ = ["carries_credentials", "challenge", "fields_for_service", "refusal", "too_many"]

_log = logging.getLogger(__name__)

_AUTHORIZATION = Cutter((b"authorization",))


def refusal(visit: Visit, fault: Fault, *more: tuple[str, str]) -> OwnAnswer:
    """Return the page that says why not."""
    host = visit.head.host.decode("latin-1")
    _log.info("%s from %s: %s", host, visit.visitor_ip or "unknown", fault.code)
    return error_answer(fault, find_field(visit.head.fields, b"accept"), more)


def too_many(visit: Visit, fault: Fault, wait_s: float) -> OwnAnswer:
    """Return the page that says when to come again."""
    return refusal(visit, replace(fault, retry_after_s=max(1, math.ceil(wait_s))))


def fields_for_service(site: Site, visit: Visit) -> Fields:
    """Return the fields that pass, without what was meant for the gate: credentials and its cookies."""
    schemes = _schemes(site)
    rest, found = _AUTHORIZATION.cut(visit.head.passed)
    others = [value for _, value in found if _scheme(value) not in schemes]
    passed = rest + b"".join(b"\r\nAuthorization:%b" % value for value in others)
    return passed if site.oidc is None else without_own_cookies(passed)


def carries_credentials(site: Site, visit: Visit) -> bool:
    """Whether a request has an Authorization of a scheme that the site takes."""
    values = find_fields(visit.head.fields, b"authorization")
    return any(_scheme(value) in _schemes(site) for value in values)


def _schemes(site: Site) -> tuple[bytes, ...]:
    own = ((b"basic", site.basic), (b"bearer", site.bearer))
    return tuple(scheme for scheme, policy in own if policy is not None)


def _scheme(value: bytes) -> bytes:
    return value.strip(b" \t").partition(b" ")[0].lower()


def challenge(site: Site, visit: Visit, fault: Fault) -> OwnAnswer:
    """Return a 401 with what would be accepted (RFC 9110, section 11.6.1)."""
    realm = site.realm or site.pattern
    more = []
    if site.basic is not None:  # RFC 7617, section 2.1
        more.append(("WWW-Authenticate", f'Basic realm="{realm}", charset="UTF-8"'))
    if site.bearer is not None:  # RFC 6750, section 3
        error = ', error="invalid_token"' if fault.code == "credentials-refused" else ""
        more.append(("WWW-Authenticate", f'Bearer realm="{realm}"{error}'))
    return refusal(visit, fault, *more)
