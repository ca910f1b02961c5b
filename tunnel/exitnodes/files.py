"""Where things are kept: folders that only their owner can enter."""

from __future__ import annotations

import os
from pathlib import Path

from tunnel.state.folder import default_state_folder

__all__ = ["home", "make_private_folder"]


def home() -> Path:
    """Return where this program keeps what it remembers, which is where a server keeps its CA.

    Raises:
        ConfigError: this user has no home folder.
    """
    return default_state_folder(os.environ)


def make_private_folder(path: Path) -> Path:
    """Make a folder that only its owner can enter; it may be there already."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        path.chmod(0o700)
    return path
