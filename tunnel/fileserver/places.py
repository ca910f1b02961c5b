"""From a request's path to something open inside the shared folder, and to nothing else.

A path is resolved first, links and all, and what came of it is judged.  Then what is judged good is opened
name by name from the shared folder on, each relative to the one before it and following no link (POSIX
``openat``, ``O_NOFOLLOW``): whoever exchanges a folder for a link in between gains nothing by it.  Windows
has no such calls; there the last step opens the path as it was resolved.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Entry", "Place", "list_entries", "open_place", "open_real"]

_HAS_DIR_FD = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0) | _NO_LINK
# Linux: a folder on the way needs to be entered, not listed.
_ON_THE_WAY = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)
_LAST = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing."""

    name: str
    is_folder: bool
    size: int  # bytes
    modified_s: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Place:
    """A file or a folder that is open; whoever got it closes the descriptor."""

    descriptor: int  # -1 for a folder, on Windows
    parts: tuple[str, ...]  # the names that lead to it from the shared folder, none of them a link
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, and not a file."""
        return stat.S_ISDIR(self.status.st_mode)

    def close(self) -> None:
        """Close it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)


def open_place(root: Path, name: str) -> Place | None:
    """Return what ``name`` is under ``root``, open, or None where there is nothing to be read.

    Args:
        root: the shared folder, resolved.
        name: the request's path, decoded once, without the slash at its beginning.

    Hidden names (with a dot in front, which covers ``..``), backslashes, colons (Windows' drives and streams)
    and control characters name nothing here.  A symbolic link is followed only to where its target could be
    asked for by its own name.

    Raises:
        PermissionError: it is there, and this process may not read it.
    """
    parts = name.removesuffix("/").split("/") if name else []
    if any(not _is_plain(part) for part in parts):
        return None
    try:
        place = root.joinpath(*parts).resolve(strict=True)
    except PermissionError:
        raise
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a loop of links, in Python 3.11 and 3.12
        return None
    if not place.is_relative_to(root):
        return None
    real = place.relative_to(root).parts
    return None if any(part.startswith(".") for part in real) else open_real(root, real)


def open_real(root: Path, parts: tuple[str, ...]) -> Place | None:
    """Return what is under ``root`` at ``parts``, open; None if any of them is a link, or it is no file.

    Raises:
        PermissionError: this process may not read it.
    """
    try:
        return _open_by_name(root, parts) if _HAS_DIR_FD else _open_by_path(root, parts)
    except PermissionError:
        raise
    except OSError:  # gone, or exchanged for a link
        return None


def list_entries(root: Path, folder: Place) -> Iterator[Entry]:
    """Yield what of ``folder`` can be asked for: nothing that :func:`open_place` would refuse."""
    with os.scandir(folder.descriptor if _HAS_DIR_FD else root.joinpath(*folder.parts)) as children:
        for child in children:
            if not _is_plain(child.name):
                continue
            try:
                status = child.stat(follow_symlinks=False)
                if child.is_symlink():
                    target = open_place(root, "/".join((*folder.parts, child.name)))
                    if target is None:
                        continue
                    target.close()
                    status = target.status
            except OSError:  # gone meanwhile, or not for us
                continue
            is_folder = stat.S_ISDIR(status.st_mode)
            if is_folder or stat.S_ISREG(status.st_mode):
                yield Entry(child.name, is_folder, status.st_size, status.st_mtime)


def _open_by_name(root: Path, parts: tuple[str, ...]) -> Place | None:
    with _folder_above(root, parts) as above:
        last = parts[-1] if parts else "."
        # Looked at before it is opened: the opening of a device or a pipe does something by itself.
        if not _is_served(os.stat(last, dir_fd=above, follow_symlinks=False)):
            return None
        descriptor = os.open(last, _LAST | _NO_LINK, dir_fd=above)
    status = os.fstat(descriptor)
    if not _is_served(status):
        os.close(descriptor)
        return None
    return Place(descriptor, parts, status)


@contextmanager
def _folder_above(root: Path, parts: tuple[str, ...]) -> Iterator[int]:
    """Open the folder that holds the last of ``parts``, from the root on and through no link."""
    descriptor = os.open(root, _ON_THE_WAY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _ON_THE_WAY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _open_by_path(root: Path, parts: tuple[str, ...]) -> Place | None:
    path = root.joinpath(*parts)
    status = path.lstat()
    if not _is_served(status):
        return None
    return Place(-1 if stat.S_ISDIR(status.st_mode) else os.open(path, _LAST), parts, status)


def _is_served(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def _is_plain(part: str) -> bool:
    return bool(part) and not part.startswith(".") and part.isprintable() and not set(part) & {"\\", ":"}
