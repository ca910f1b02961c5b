"""The token of an exit node that was given none."""

from __future__ import annotations

import secrets
from pathlib import Path

from tunnel.config import Secret
from tunnel.secret_files import create_private_file, load_token

__all__ = ["keep_token"]

_TOKEN_FILE = "token.txt"  # noqa: S105 - the name of the file
_TOKEN_BYTES = 32  # as `tunnel token` makes them


def keep_token(folder: Path) -> Secret:
    """Return the token in the state folder, which is made the first time.

    Raises:
        ConfigError: the file is there and is not what it must be; it is left as it is.
        FileUnusable: it cannot be written.
    """
    path = folder / _TOKEN_FILE
    if not path.exists():
        create_private_file(path, secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
    return load_token(path, {})
