"""Where the tasks live when nobody says."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gtd_app.errors import StoreError

FOLDER_NAME = "tunelab"
FILE_NAME = "gtd-app.sqlite3"


def default_database_path(
    platform: str = sys.platform, environment: Mapping[str, str] = os.environ, home: Path | None = None
) -> Path:
    """Return the database's path in the user's own data folder; nothing is created.

    Windows: ``%LOCALAPPDATA%``; macOS: ``~/Library/Application Support``; elsewhere ``$XDG_DATA_HOME``, or
    ``~/.local/share`` where that is unset or relative (XDG Base Directory Specification, "all paths must be
    absolute ... consider the path invalid and ignore it").

    Raises:
        StoreError: the user has no home folder that could be found.
    """
    variable = "LOCALAPPDATA" if platform == "win32" else "XDG_DATA_HOME"
    named = environment.get(variable, "")
    if platform != "darwin" and named and Path(named).is_absolute():
        return Path(named) / FOLDER_NAME / FILE_NAME
    if home is None:
        try:
            home = Path.home()
        except RuntimeError as error:
            raise StoreError(
                "No se encontró su carpeta personal para guardar las tareas. "
                "Indique un archivo con --db RUTA, o use --en-memoria."
            ) from error
    if platform == "win32":
        base = home / "AppData" / "Local"
    elif platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = home / ".local" / "share"
    return base / FOLDER_NAME / FILE_NAME
