"""``tunnel token``: make a token, for one client or as one of many."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import sys
import time
from datetime import date, datetime
from pathlib import Path

from tunnel.access.patterns import parse_pattern
from tunnel.access.tokens_file import check_label, expiry_time
from tunnel.cli.common import Subparsers, fail, port_ranges
from tunnel.config import ConfigError, Secret
from tunnel.os_errors import describe_os_error
from tunnel.port_ranges import NO_PORT
from tunnel.secret_files import make_private, not_private

__all__ = ["add_parser", "names_option"]

_TOKEN_BYTES = 32


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "token",
        help="crea un token",
        description="Crea un token al azar (256 bits). El mismo token va en el servidor y en el cliente. Con "
        "--a lo agrega al archivo de los tokens de un nodo de salida que atiende a varios clientes.",
    )
    parser.add_argument(
        "--salida",
        metavar="ARCHIVO",
        type=Path,
        help="lo guarda en un archivo que solo usted puede leer (0600), en lugar de mostrarlo",
    )
    parser.add_argument(
        "--a",
        metavar="ARCHIVO",
        type=Path,
        dest="tokens_file",
        help="lo agrega a este archivo de tokens de un nodo de salida, que se crea si no existe",
    )
    parser.add_argument(
        "--etiqueta",
        metavar="PALABRA",
        type=_label,
        help="con --a: de quién es, para los sucesos y el registro",
    )
    parser.add_argument(
        "--nombres",
        metavar="NOMBRE",
        type=names_option,
        action="extend",
        help="con --a: los nombres que puede pedir, separados por comas (*.ana.example: los que terminan "
        "así; *: todos)",
    )
    parser.add_argument(
        "--puertos",
        metavar="PUERTOS",
        type=port_ranges,
        default=NO_PORT,
        help="con --a: los puertos TCP que puede pedir, de los que da el nodo de salida: 5432,6000-6010",
    )
    parser.add_argument(
        "--vence",
        metavar="FECHA",
        type=_expiry,
        help="con --a: hasta cuándo vale: 2026-12-18 (el día completo, en UTC) o 2026-12-18T18:00:00-05:00 "
        "(por omisión: siempre)",
    )
    parser.add_argument(
        "--quitar",
        action="store_true",
        help="con --a y --etiqueta: quita ese token; el enlace de quien lo use termina enseguida",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make a token, or take one away."""
    _check(options)
    if options.tokens_file is not None:
        return _change_tokens_file(options)
    return _give(secrets.token_urlsafe(_TOKEN_BYTES), options.salida)


def _check(options: argparse.Namespace) -> None:
    for name in ("etiqueta", "nombres", "puertos", "vence", "quitar"):
        if options.tokens_file is None and getattr(options, name):
            raise ConfigError(f"--{name} va con --a ARCHIVO, el archivo de los tokens.")
    if options.tokens_file is None:
        return
    if options.etiqueta is None:
        raise ConfigError("con --a falta --etiqueta: de quién es el token.")
    if options.quitar and (options.nombres or options.puertos or options.vence or options.salida):
        raise ConfigError("--quitar solo necesita --a y --etiqueta.")
    if not options.quitar and not (options.nombres or options.puertos):
        raise ConfigError(
            "con --a falta --nombres: los que puede pedir el cliente (todos: '*'), o si no --puertos."
        )


def _change_tokens_file(options: argparse.Namespace) -> int:
    from tunnel.access import edit  # with tomlkit, which nothing else needs

    path: Path = options.tokens_file
    label: str = options.etiqueta
    if not path.parent.is_dir():
        return fail("token", f"no existe la carpeta {path.parent}. Créela primero, o elija otra.")
    try:
        if options.quitar:
            edit.remove_token(path, label)
            print(f"Token «{label}» quitado de {path}.")
            return 0
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        names = tuple(options.nombres or ())
        edit.add_token(path, label, Secret(token), names, options.vence, options.puertos)
        # Without --salida the token is all that stdout carries.
        told = sys.stderr if options.salida is None else sys.stdout
        print(
            f"Token «{label}» agregado a {path}: {', '.join(filter(None, (*names, str(options.puertos))))}.",
            file=told,
        )
        code = _give(token, options.salida)
        if code:
            edit.remove_token(path, label)
        return code
    except edit.NoSuchLabel:
        return _no(f"en {path} no hay un token con la etiqueta «{label}».")
    except edit.LabelTaken:
        return _no(f"en {path} ya hay un token «{label}». Para cambiarlo, quítelo primero con --quitar.")
    except edit.FileInUse as error:
        return fail(
            "token",
            f"otro programa está cambiando {path}. Si no hay ninguno, uno quedó a medias: borre {error.lock} "
            "e inténtelo otra vez.",
        )
    except OSError as error:
        return fail("token", f"no se puede escribir {path}: {describe_os_error(error)}.")


def _give(token: str, path: Path | None) -> int:
    """Print the token, or write it to a file that does not exist yet."""
    if path is None:
        print(token)
        return 0
    if not path.parent.is_dir():
        return fail("token", f"no existe la carpeta {path.parent}. Créela primero, o elija otra.")
    try:
        # Exclusive: neither a file nor a link that somebody put there is written through.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _no(
            f"{path} ya existe y no se sobrescribe: con él se perdería el token que guarda. "
            "Elija otro nombre o bórrelo primero."
        )
    except OSError as error:
        return fail("token", f"no se puede escribir {path}: {describe_os_error(error)}.")
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            is_private = make_private(descriptor)
            if is_private:
                file.write(token + "\n")
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        return fail("token", f"no se puede escribir {path}: {describe_os_error(error)}.")
    if not is_private:
        path.unlink()
        return fail("token", not_private(path.parent))
    print(f"Token guardado en {path}" + (" (solo usted puede leerlo)." if os.name == "posix" else "."))
    return 0


def _no(message: str) -> int:
    print(f"tunnel token: {message}", file=sys.stderr)
    return 1


def _label(text: str) -> str:
    try:
        return check_label(text, "el token")
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def names_option(text: str) -> list[str]:
    """Parse names that a token may claim: ``ana.example,*.ana.example``."""
    try:
        return [parse_pattern(part) for part in text.split(",")]
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def _expiry(text: str) -> date | datetime:
    value: date | datetime | None = None
    with contextlib.suppress(ValueError):
        value = datetime.fromisoformat(text)
        value = date.fromisoformat(text)  # a date alone is a time as well, to the first of them
    try:
        expires_s = expiry_time(value, f"«{text}»")
    except ConfigError:
        value = None
    if value is None:
        raise argparse.ArgumentTypeError(
            f"«{text}» no es una fecha (2026-12-18) ni una hora con su zona (2026-12-18T18:00:00-05:00)"
        )
    if expires_s <= time.time():
        raise argparse.ArgumentTypeError(f"«{text}» ya pasó")
    return value
