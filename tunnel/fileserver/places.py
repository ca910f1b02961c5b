"""From a request's path to a place inside the shared folder, and to nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Entry", "find_place", "list_entries"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing."""

    name: str
    is_folder: bool
    size: int  # bytes
    modified_s: float  # seconds since the epoch


def find_place(root: Path, name: str) -> Path | None:
    """Return the real path of ``name`` under ``root``, or None where there is nothing to be read.

    Args:
        root: the shared folder, resolved.
        name: the request's path, decoded once, without the slash at its beginning.

    Hidden names (with a dot in front, which covers ``..``), backslashes, colons (Windows' drives and streams)
    and control characters name nothing here.  A symbolic link is followed only to where its target could be
    asked for by its own name.
    """
    parts = name.removesuffix("/").split("/") if name else []
    if any(not _is_plain(part) for part in parts):
        return None
    try:
        place = root.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a loop of links, in Python 3.11 and 3.12
        return None
    if not place.is_relative_to(root) or any(part.startswith(".") for part in place.relative_to(root).parts):
        return None
    return place if place.is_dir() or place.is_file() else None


def list_entries(root: Path, folder: Path) -> Iterator[Entry]:
    """Yield what of ``folder`` can be asked for: nothing that :func:`find_place` would refuse."""
    for child in folder.iterdir():
        place = find_place(root, child.relative_to(root).as_posix())
        if place is not None:
            try:
                status = place.stat()
            except OSError:  # gone meanwhile
                continue
            yield Entry(child.name, place.is_dir(), status.st_size, status.st_mtime)


def _is_plain(part: str) -> bool:
    return bool(part) and not part.startswith(".") and part.isprintable() and not set(part) & {"\\", ":"}
