"""Files that are read again when they have changed: when, and what is said of those that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tunnel.config import ConfigError

__all__ = ["FileWatch", "Read", "Unusable"]

T = TypeVar("T")

_RETRY_S = 2.0  # a file that cannot be used is tried again, for what is wrong may lie outside of it


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """What changed files say now."""

    value: T
    was_unusable: bool  # at the time before, which was told of


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why what files say now cannot be used, in Spanish; it has not been told of yet."""

    complaint: str


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

    def read_again(self, read: Callable[[], T], *, is_urgent: bool = False) -> Read[T] | Unusable | None:
        """Read the files if they have changed; to be called a few times a second.

        Those that cannot be used are tried again until they can.

        Args:
            read: returns what they say, or raises ConfigError.
            is_urgent: read them now, whatever they look like.

        Returns:
            What came of it; None where nothing was read, or nothing is new about why it cannot be used.
        """
        if not self._is_due(is_urgent=is_urgent):
            return None
        former = self._complaint
        try:
            value = read()
        except ConfigError as error:
            self._complaint = str(error)
            self._retry_s = self._clock() + _RETRY_S
            return None if former == self._complaint else Unusable(self._complaint)
        self._complaint = ""
        return Read(value, was_unusable=bool(former))

    def _is_due(self, *, is_urgent: bool) -> bool:
        stamp = self._look()
        if not is_urgent:
            if stamp == self._stamp and not (self._complaint and self._clock() >= self._retry_s):
                return False
            if stamp not in (self._stamp, self._unsettled):
                self._unsettled = stamp
                return False
        self._stamp = stamp
        return True

    def _look(self) -> _Stamp:
        return tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
