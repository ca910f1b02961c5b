"""What is decided for one name, and the table that finds it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tunnel.access.patterns import patterns_for
from tunnel.config import CATCH_ALL, ConfigError
from tunnel.sites.credentials import BearerTokens, Users
from tunnel.sites.networks import NetworkSet
from tunnel.sites.oidc.options import OidcOptions

__all__ = ["Rate", "Site", "SiteTable", "parse_rate"]

_RATE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)/(s|min|h)")
_UNIT_S = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests a source may make."""

    per_s: float
    burst: int  # at once


@dataclass(frozen=True, slots=True)
class Site:
    """A name's policy: one table of the sites file."""

    pattern: str  # a name, "*.name" or "*"
    allow: NetworkSet = field(default_factory=lambda: NetworkSet(()))  # none: from anywhere
    deny: NetworkSet = field(default_factory=lambda: NetworkSet(()))
    rate: Rate | None = None
    basic: Users | None = None
    bearer: BearerTokens | None = None
    realm: str = ""  # what a browser shows where it asks for a password; the pattern where it is empty
    oidc: OidcOptions | None = None
    files: tuple[Path, ...] = field(default=(), compare=False)  # where some of this was read

    @property
    def asks_who_comes(self) -> bool:
        """Whether a visitor may say who it is by a password or a token."""
        return self.basic is not None or self.bearer is not None


class SiteTable:
    """Sites by name.  It does not change; a changed file makes another one.

    The most specific pattern decides by itself: ``ana.example`` takes nothing from ``*.example``.
    """

    __slots__ = ("_has_wildcards", "_sites")

    def __init__(self, sites: Iterable[Site] = ()) -> None:
        self._sites = {site.pattern: site for site in sites}
        self._has_wildcards = any(pattern.startswith("*.") for pattern in self._sites)

    def __len__(self) -> int:
        return len(self._sites)

    def find(self, name: str) -> Site | None:
        """Return what is decided for ``name`` (lower case, without port), or None."""
        # Asked for every request: in a table without wildcards two look-ups tell.
        for pattern in patterns_for(name) if self._has_wildcards else (name, CATCH_ALL):
            site = self._sites.get(pattern)
            if site is not None:
                return site
        return None

    def by_pattern(self) -> dict[str, Site]:
        """Return all of them."""
        return dict(self._sites)


def parse_rate(text: object, burst: object) -> Rate:
    """Parse ``"10/s"``, ``"100/min"`` or ``"1000/h"``; without ``burst`` that many may come at once.

    Raises:
        ConfigError: it is none.
    """
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is None or not float(match[1]):
        raise ConfigError(
            'rate dice cuántas peticiones admite de cada origen: rate = "10/s", "100/min" o "1000/h".'
        )
    if burst is None:
        burst = max(1, math.ceil(float(match[1])))
    if type(burst) is not int or not 1 <= burst <= 1_000_000:
        raise ConfigError("burst es un número entero de peticiones que se admiten de una vez, desde 1.")
    return Rate(float(match[1]) / _UNIT_S[match[2]], burst)
