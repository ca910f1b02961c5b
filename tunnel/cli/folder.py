"""``tunnel client --carpeta``: a folder shared in one command."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

from tunnel.config import ConfigError
from tunnel.secret_files import create_private_file, load_token
from tunnel.state.folder import default_state_folder, prepare_state_folder

__all__ = ["add_folder_options", "share_folder"]

_PASSWORD_FILE = "carpeta.txt"  # noqa: S105 - the name of the file
_PASSWORD_BYTES = 18


def add_folder_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that share a folder."""
    parser.add_argument(
        "--carpeta",
        metavar="CARPETA",
        type=Path,
        help="comparte esta carpeta, solo para leerla, como «tunnel fileserver --allow-browsing»: usuario "
        "admin y una contraseña que queda en un archivo",
    )
    parser.add_argument(
        "--carpeta-nombre",
        metavar="NOMBRE",
        help="con --carpeta: solo con ese nombre, como --upstream NOMBRE=URL",
    )
    parser.add_argument(
        "--carpeta-token-file",
        metavar="ARCHIVO",
        type=Path,
        help="con --carpeta: archivo con la contraseña, que solo usted pueda leer (por omisión: uno en la "
        "carpeta de estado, que se crea la primera vez)",
    )


def share_folder(options: argparse.Namespace) -> list[str]:
    """Serve the folder, if there is one to share; return its ``--upstream``.

    Raises:
        ConfigError: there is no such folder, or its password cannot be used.
        FileUnusable: the password cannot be kept.
    """
    folder: Path | None = options.carpeta
    if folder is None:
        for option in ("carpeta_nombre", "carpeta_token_file"):
            if getattr(options, option):
                raise ConfigError(f"--{option.replace('_', '-')} va con --carpeta CARPETA.")
        return []
    if not folder.is_dir():
        raise ConfigError(f"--carpeta: {folder} no es una carpeta que exista.")
    path = options.carpeta_token_file or _keep_password()
    password = load_token(path, {})
    # Here, so that no other client waits for a web framework to load.
    from tunnel.fileserver.running import serve_in_thread

    url = serve_in_thread(folder, password)
    told = sys.stderr if options.json else sys.stdout
    print(f"Carpeta {folder} compartida, solo para leerla. Usuario: admin; contraseña: en {path}", file=told)
    return [f"{options.carpeta_nombre}={url}" if options.carpeta_nombre else url]


def _keep_password() -> Path:
    folder = default_state_folder(os.environ)
    prepare_state_folder(folder)
    path = folder / _PASSWORD_FILE
    if not path.exists():
        create_private_file(path, secrets.token_urlsafe(_PASSWORD_BYTES) + "\n")
    return path
