"""``tunnel token``: make a token."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunnel.cli.common import Subparsers

__all__ = ["add_parser"]

_TOKEN_BYTES = 32


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "token",
        help="crea un token",
        description="Crea un token al azar (256 bits). El mismo token va en el servidor y en el cliente.",
        allow_abbrev=False,
        add_help=False,
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
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(
            f"tunnel token: {path} ya existe y no se sobrescribe: con él se perdería el token que guarda. "
            "Elija otro nombre o bórrelo primero.",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(f"tunnel token: no se puede escribir {path}: {error.strerror}.", file=sys.stderr)
        return 3
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    print(f"Token guardado en {path} (solo usted puede leerlo).")
    return 0
