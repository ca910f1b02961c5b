"""A file that one process at a time holds, and that the system takes back when the process ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Taken", "hold", "is_held", "locked"]


class Taken(Exception):  # noqa: N818 - what the caller tells
    """Another process holds the file."""


def hold(path: Path) -> int:
    """Take the lock and return the descriptor that keeps it; closing that lets it go.

    The folder must exist.  A child that inherits the descriptor holds the lock too.

    Raises:
        Taken: another process holds it, or the file was taken away meanwhile.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor)
        # Who removed the folder while we waited holds nothing any more, and neither would we.
        if os.fstat(descriptor).st_ino != os.stat(path).st_ino:
            raise Taken
    except FileNotFoundError:
        os.close(descriptor)
        raise Taken from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock during the block.  Raises Taken."""
    descriptor = hold(path)
    try:
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether some process, this one included, holds the lock."""
    if not path.exists():
        return False
    try:
        with locked(path):
            return False
    except Taken:
        return path.exists()


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise Taken from None

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Taken from None
