"""Judges each visitor's request by what is decided for its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tunnel.events import OnEvent, SitesReloaded
from tunnel.http.error_pages import FAULTS
from tunnel.http.forwarded import Networks
from tunnel.routing import normalize_host
from tunnel.sites.doorkeeper import Doorkeeper
from tunnel.sites.keeper import SitesKeeper
from tunnel.sites.networks import NetworkSet, is_admitted
from tunnel.sites.site import Rate, Site
from tunnel.sites.verdicts import carries_credentials, refusal, too_many
from tunnel.sources import SourceRate, source_of
from tunnel.transport.gate import Verdict, Visit

if TYPE_CHECKING:
    from tunnel.sites.oidc.login import Logins

__all__ = ["SitesGate"]


class SitesGate:
    """The gate of an exit node that has something to decide.

    Args:
        allow: where visitors may come from, for every name and every port; none: from anywhere.
        deny: where none may come from.
        on_event: told of a sites file that has changed.
        clock: returns the Unix time.

    Raises:
        ConfigError: the sites file cannot be used.
    """

    def __init__(
        self,
        sites_file: Path | None,
        allow: Networks,
        deny: Networks,
        on_event: OnEvent,
        clock: Callable[[], float],
    ) -> None:
        self._allow, self._deny = NetworkSet(allow), NetworkSet(deny)
        self._on_event = on_event
        self._keeper = SitesKeeper(sites_file, clock)
        self._clock = clock
        self._doorkeeper = Doorkeeper()
        self._logins: Logins | None = None
        self._rates: dict[str, tuple[Rate, SourceRate]] = {}  # of the sites that were visited

    def find(self, name: str) -> Site | None:
        """Return what is decided for ``name`` (lower case, without port), or None."""
        return self._keeper.find(name)

    def admits(self, address: str) -> bool:
        """Whether a connection from ``address`` is taken at all."""
        return is_admitted(address, self._allow, self._deny)

    def admits_to(self, name: str, address: str) -> bool:
        """Whether a connection from ``address`` to a TLS name is taken; nothing else of it can be judged."""
        site = self._keeper.find(name)
        return site is None or is_admitted(address, site.allow, site.deny)

    def judge(self, visit: Visit) -> Verdict | asyncio.Future[Verdict]:
        """Decide on one request."""
        site = self._keeper.find(normalize_host(visit.head.host))
        # Whoever came through a trusted proxy is known only now.
        if not self.admits(visit.visitor_ip):
            return refusal(visit, FAULTS["not-allowed"])
        if site is None:
            return None
        if not is_admitted(visit.visitor_ip, site.allow, site.deny):
            return refusal(visit, FAULTS["not-allowed"])
        if site.rate is not None:
            wait_s = self._wait_s(site, site.rate, visit)
            if wait_s > 0:
                return too_many(visit, FAULTS["too-many-requests"], wait_s)
        if site.oidc is not None and not carries_credentials(site, visit):
            return self._find_logins().judge(site, site.oidc, visit)
        return self._doorkeeper.judge(site, visit) if site.asks_who_comes else None

    def poll(self, *, is_urgent: bool = False) -> None:
        """Look whether the sites file has changed; to be called a few times a second."""
        event = self._keeper.poll(is_urgent=is_urgent)
        if event is None:
            return
        if isinstance(event, SitesReloaded):
            self._doorkeeper.forget()
            sites = self._keeper.table.by_pattern()
            for pattern in [*event.removed, *event.changed]:
                known, site = self._rates.get(pattern), sites.get(pattern)
                if known is not None and (site is None or site.rate != known[0]):
                    del self._rates[pattern]
        self._on_event(event)

    def close(self) -> None:
        """Nobody will be judged any more."""
        self._doorkeeper.close()
        if self._logins is not None:
            self._logins.close()

    def _find_logins(self) -> Logins:
        if self._logins is None:
            from tunnel.sites.oidc.login import Logins  # with Authlib, which takes a while to load

            self._logins = Logins(self._clock)
        return self._logins

    def _wait_s(self, site: Site, rate: Rate, visit: Visit) -> float:
        known = self._rates.get(site.pattern)
        if known is None:
            known = self._rates[site.pattern] = rate, SourceRate(rate.per_s, rate.burst)
        source, now = source_of(visit.visitor_ip), asyncio.get_running_loop().time()
        return 0.0 if known[1].take(source, now) else known[1].wait_s(source, now)
