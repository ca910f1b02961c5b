"""``tunnel token``: make a token."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import stat
import sys
from pathlib import Path

from tunnel.cli.common import Subparsers, fail
from tunnel.os_errors import describe_os_error

__all__ = ["add_parser"]

_TOKEN_BYTES = 32


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "token",
        help="crea un token",
        description="Crea un token al azar (256 bits). El mismo token va en el servidor y en el cliente.",
    )
    parser.add_argument(
        "--salida",
        metavar="ARCHIVO",
        type=Path,
        help="lo guarda en un archivo que solo usted puede leer (0600), en lugar de mostrarlo",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the token, or write it to a file that does not exist yet."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    path: Path | None = options.salida
    if path is None:
        print(token)
        return 0
    if not path.parent.is_dir():
        return fail("token", f"no existe la carpeta {path.parent}. Créela primero, o elija otra.")
    try:
        # Exclusive: neither a file nor a link that somebody put there is written through.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(
            f"tunnel token: {path} ya existe y no se sobrescribe: con él se perdería el token que guarda. "
            "Elija otro nombre o bórrelo primero.",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        return fail("token", f"no se puede escribir {path}: {describe_os_error(error)}.")
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            is_private = _make_private(descriptor)
            if is_private:
                file.write(token + "\n")
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        return fail("token", f"no se puede escribir {path}: {describe_os_error(error)}.")
    if not is_private:
        path.unlink()
        return fail(
            "token",
            f"en la carpeta {path.parent.absolute()} ningún archivo es privado: la comparte otro sistema "
            "(Vagrant, Windows). Elija otra, como su carpeta personal.",
        )
    print(f"Token guardado en {path}" + (" (solo usted puede leerlo)." if os.name == "posix" else "."))
    return 0


def _make_private(descriptor: int) -> bool:
    """Close a file to others, whatever the umask took away; return False where that has no effect."""
    if os.name != "posix":
        return True  # Windows: the folder's access list decides
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o600)
    return not os.fstat(descriptor).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
