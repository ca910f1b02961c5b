"""The state folder."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from tunnel.config import ConfigError
from tunnel.os_errors import describe_os_error
from tunnel.secret_files import FileUnusable

__all__ = ["default_state_folder", "prepare_state_folder"]

_NAME = "tunelab"


def default_state_folder(environ: Mapping[str, str]) -> Path:
    """Return where the state goes when nobody says.

    In order: what systemd made for its service (``STATE_DIRECTORY``, systemd.exec(5)), the XDG state folder
    (https://specifications.freedesktop.org/basedir-spec), the user's folder for local data on Windows.

    Raises:
        ConfigError: this user has no home folder.
    """
    of_service = environ.get("STATE_DIRECTORY", "").partition(":")[0]  # several are separated by colons
    if of_service:
        return Path(of_service)
    try:
        if sys.platform == "win32":
            local = environ.get("LOCALAPPDATA")
            return (Path(local) if local else Path.home() / "AppData" / "Local") / _NAME
        xdg = Path(environ.get("XDG_STATE_HOME", ""))
        # A relative path there is invalid and to be ignored, says the specification.
        return (xdg if xdg.is_absolute() else Path.home() / ".local" / "state") / _NAME
    except RuntimeError:
        raise ConfigError(
            "este usuario no tiene carpeta personal donde guardar la CA. Diga dónde con --state-dir CARPETA."
        ) from None


def prepare_state_folder(folder: Path) -> None:
    """Make the folder, for its owner alone, if it is not there.

    Raises:
        ConfigError: it is no folder, or others may put files into it.
        FileUnusable: it cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        mode = folder.stat().st_mode
    except FileExistsError:
        raise ConfigError(f"{folder} no es una carpeta. Con --state-dir se da una.") from None
    except OSError as error:
        raise FileUnusable(
            f"no se puede crear la carpeta {folder}: {describe_os_error(error)}. Elija otra con --state-dir."
        ) from None
    # Whoever may write there may put a CA of his own in the place of ours.  Windows has access lists instead.
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"otros usuarios pueden escribir en la carpeta {folder} (permisos {stat.S_IMODE(mode):04o}), y "
            f"la CA no estaría segura ahí. Ciérrela con: chmod 700 {shlex.quote(str(folder))}\n"
            "O elija otra, solo suya, con --state-dir."
        )
