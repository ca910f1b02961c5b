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
        self._prepare_logins()
        self._rates: dict[Rate, SourceRate] = {}  # by site and source

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
            sites = self._keeper.table.by_pattern().values()
            in_force = {site.rate for site in sites}
            self._rates = {rate: each for rate, each in self._rates.items() if rate in in_force}
            self._prepare_logins()
        self._on_event(event)

    def close(self) -> None:
        """Nobody will be judged any more."""
        self._doorkeeper.close()
        if self._logins is not None:
            self._logins.close()

    def _prepare_logins(self) -> None:
        """Load what a login needs, once a site has one: no visitor waits for that."""
        if any(site.oidc for site in self._keeper.table.by_pattern().values()):
            self._find_logins()

    def _find_logins(self) -> Logins:
        if self._logins is None:
            from tunnel.sites.oidc.login import Logins  # with Authlib, which takes a while

            self._logins = Logins(self._clock)
        return self._logins

    def _wait_s(self, site: Site, rate: Rate, visit: Visit) -> float:
        """Count a request; return how long its source must wait before it, in seconds."""
        # Of one kind for all sites, so that those who flood several take no more memory than of one.
        counted = self._rates.get(rate)
        if counted is None:
            counted = self._rates[rate] = SourceRate(rate.per_s, rate.burst)
        key, now = f"{site.pattern} {source_of(visit.visitor_ip)}", asyncio.get_running_loop().time()
        return 0.0 if counted.take(key, now) else counted.wait_s(key, now)
