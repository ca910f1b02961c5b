"""One installer at a time, and a memory of the one that was interrupted."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

POLL_S = 0.2
# Windows locks ranges of bytes, and nobody can read a locked one: this one is past anything that is written.
WINDOWS_LOCKED_BYTE = 1 << 20
IN_PROGRESS = b"instalando\n"


class InstallLock:
    """The lock file: who holds it may change `.venv`. Its text says whether a change was left half done."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def was_interrupted(self) -> bool:
        """Say whether the last holder that began a change never finished it."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.read(self._descriptor, len(IN_PROGRESS)) != b""

    def begin(self) -> None:
        """Write down that a change begins. It stays written if this process dies, however it dies."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, IN_PROGRESS)

    def finish(self) -> None:
        os.ftruncate(self._descriptor, 0)


@contextlib.contextmanager
def hold(path: Path, on_wait: Callable[[], None]) -> Iterator[InstallLock]:
    """Hold the lock at `path`, waiting for whoever has it; `on_wait` is called once before a wait.

    Raises:
        OSError: the file cannot be made, as in a checkout that is read-only.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        announced = False
        while not _try_lock(descriptor):
            if not announced:
                on_wait()
                announced = True
            time.sleep(POLL_S)
        yield InstallLock(descriptor)
    finally:
        os.close(descriptor)  # closing releases the lock, and so does dying


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, WINDOWS_LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK):
            return False
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            return True  # some network and shared folders have no locks: work without one there
        raise
    return True
