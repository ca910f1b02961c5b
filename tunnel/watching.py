"""Files that are read again when they have changed: when, and what is said of those that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["FileWatch"]

_RETRY_S = 2.0  # a file that cannot be used is tried again, for what is wrong may lie outside of it

_Stamp = tuple[tuple[int, int, int, int] | None, ...]


class FileWatch:
    """When to read some files again.

    A file that has changed is to be read once it looks the same in two calls: an editor that writes it in
    place would otherwise be caught in the middle.  Make the watch before the files are read for the first
    time: what changes between the two is then seen.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, paths: Iterable[Path], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._paths = tuple(paths)
        self._stamp = self._look()  # of what was read last, taken before it was read
        self._unsettled: _Stamp = ()  # of what has changed and may still be changing
        self._complaint = ""
        self._retry_s = 0.0

    def watch(self, paths: Iterable[Path]) -> None:
        """Watch these from now on; those that are new here count as changed, and are read once more."""
        self._paths = tuple(paths)

    def is_due(self, *, is_urgent: bool) -> bool:
        """Whether to read now; to be asked a few times a second.

        Args:
            is_urgent: read it now, whatever it looks like.
        """
        stamp = self._look()
        if not is_urgent:
            if stamp == self._stamp and not (self._complaint and self._clock() >= self._retry_s):
                return False
            if stamp not in (self._stamp, self._unsettled):
                self._unsettled = stamp
                return False
        self._stamp = stamp
        return True

    def failed(self, complaint: str) -> bool:
        """What was read is not usable, and will be tried again; return whether that is news."""
        self._retry_s = self._clock() + _RETRY_S
        former, self._complaint = self._complaint, complaint
        return former != complaint

    def succeeded(self) -> bool:
        """What was read is in force; return whether it had been unusable before."""
        former, self._complaint = self._complaint, ""
        return bool(former)

    def _look(self) -> _Stamp:
        return tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
