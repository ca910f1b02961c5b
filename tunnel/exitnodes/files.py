"""Private files, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

__all__ = ["home", "make_private_folder", "write_private"]


def home() -> Path:
    """Return where this program keeps what it remembers (XDG base directories)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    # "All paths set in these environment variables must be absolute" (XDG Base Directory Specification).
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "tunelab"


def make_private_folder(path: Path) -> Path:
    """Make a folder that only its owner can enter; it may be there already."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file (0600) so that a reader, or a power cut, finds the old one or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
