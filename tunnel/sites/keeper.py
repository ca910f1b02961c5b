"""The sites in force, and their files watched for changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tunnel.events import SitesRejected, SitesReloaded
from tunnel.sites.file import load_sites
from tunnel.sites.site import Site, SiteTable
from tunnel.watching import FileWatch, Unusable

__all__ = ["SitesKeeper"]

_log = logging.getLogger(__name__)


class SitesKeeper:
    """What is decided for each name now.

    Args:
        clock: returns the time in seconds.

    Raises:
        ConfigError: the file cannot be used.
    """

    def __init__(self, sites_file: Path | None, clock: Callable[[], float]) -> None:
        self._path = sites_file
        self._watch = FileWatch(() if sites_file is None else (sites_file,), clock)
        self.table = SiteTable() if sites_file is None else self._load(sites_file)

    def find(self, name: str) -> Site | None:
        """Return what is decided for ``name`` (lower case, without port), or None."""
        return self.table.find(name)

    def poll(self, *, is_urgent: bool = False) -> SitesReloaded | SitesRejected | None:
        """Look whether the file has changed; to be called a few times a second.

        One that cannot be used leaves what was in force, and is tried again until it can.

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
            _log.warning("%s is not usable, the former sites stay in force: %s", self._path, found.complaint)
            return SitesRejected(str(self._path), found.complaint)
        former, self.table = self.table, found.value
        event = _difference(former, self.table)
        is_new = bool(event.added or event.removed or event.changed)
        _log.info("%s was read: %d sites, %s", self._path, event.sites, "changed" if is_new else "the same")
        return event if is_new or found.was_unusable else None

    def _load(self, path: Path) -> SiteTable:
        sites = load_sites(path)
        self._watch.watch((path, *(file for site in sites for file in site.files)))
        return SiteTable(sites)


def _difference(former: SiteTable, table: SiteTable) -> SitesReloaded:
    before, after = former.by_pattern(), table.by_pattern()
    return SitesReloaded(
        sites=len(table),
        added=tuple(pattern for pattern in after if pattern not in before),
        removed=tuple(pattern for pattern in before if pattern not in after),
        changed=tuple(
            pattern for pattern in after if pattern in before and after[pattern] != before[pattern]
        ),
    )
