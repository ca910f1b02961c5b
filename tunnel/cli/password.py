"""``tunnel password``: what an exit node keeps of a visitor's password."""

from __future__ import annotations

import argparse
import getpass
import secrets
import sys
from pathlib import Path

from tunnel.cli.common import Subparsers, fail
from tunnel.config import ConfigError
from tunnel.secret_files import read_secret_file, replace_private_file
from tunnel.sites.credentials import is_user_name, load_users
from tunnel.sites.passwords import hash_password

__all__ = ["add_parser"]

_MIN_CHARACTERS = 8
_MAX_CHARACTERS = 1024
_MAX_FILE_BYTES = 4 * 1024 * 1024
_RANDOM_BYTES = 16


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "password",
        help="guarda la contraseña de un visitante",
        description="Guarda la contraseña de un usuario de modo que no se pueda leer de vuelta (scrypt), "
        "para la clave basic de --sites-file. La pregunta dos veces; si la entrada no es una terminal, "
        "lee una línea de ella.",
    )
    parser.add_argument("usuario", metavar="USUARIO", type=_user, help="de quién es la contraseña")
    parser.add_argument(
        "--a",
        metavar="ARCHIVO",
        type=Path,
        dest="users_file",
        help="la pone en este archivo de usuarios, que se crea si no existe, en lugar de mostrar la línea; "
        "si el usuario está, la cambia",
    )
    parser.add_argument(
        "--azar",
        action="store_true",
        help="crea la contraseña (128 bits) y la muestra, en lugar de preguntarla; va con --a",
    )
    parser.add_argument("--quitar", action="store_true", help="con --a: quita a ese usuario")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print or keep a user's line, or take it away."""
    path: Path | None = options.users_file
    if path is None:
        if options.quitar or options.azar:
            raise ConfigError(f"--{'quitar' if options.quitar else 'azar'} va con --a ARCHIVO.")
        print(f"{options.usuario}:{hash_password(_ask()).encode()}")
        return 0
    if options.quitar and options.azar:
        raise ConfigError("--quitar y --azar no van juntas.")
    if not path.parent.is_dir():
        return fail("password", f"no existe la carpeta {path.parent}. Créela primero, o elija otra.")
    lines = _lines(path)
    place = next(
        (number for number, line in enumerate(lines) if line.strip().startswith(f"{options.usuario}:")), None
    )
    if options.quitar:
        return _remove(path, lines, place, options.usuario)
    password = secrets.token_urlsafe(_RANDOM_BYTES) if options.azar else _ask()
    line = f"{options.usuario}:{hash_password(password).encode()}"
    if place is None:
        lines.append(line)
    else:
        lines[place] = line
    replace_private_file(path, "\n".join(lines) + "\n")
    told = sys.stderr if options.azar else sys.stdout  # the password is then all that stdout carries
    done = "guardada en" if place is None else "cambiada en"
    print(f"Contraseña de «{options.usuario}» {done} {path}.", file=told)
    if options.azar:
        print(password)
    return 0


def _remove(path: Path, lines: list[str], place: int | None, user: str) -> int:
    if place is None:
        print(f"tunnel password: en {path} no hay un usuario «{user}».", file=sys.stderr)
        return 1
    del lines[place]
    replace_private_file(path, "".join(f"{line}\n" for line in lines))
    print(f"Usuario «{user}» quitado de {path}.")
    return 0


def _lines(path: Path) -> list[str]:
    """Return the lines of a users file, which need not exist; raise ConfigError where it is none."""
    if not path.exists():
        return []
    lines = read_secret_file(path, "de los usuarios", "--a", "", _MAX_FILE_BYTES).splitlines()
    if any(line.strip() and not line.strip().startswith("#") for line in lines):
        load_users(path)  # not somebody's token, or a novel
    return lines


def _ask() -> str:
    """Return the password that the person types twice, or that stdin carries."""
    if sys.stdin is None:
        raise ConfigError("no hay de dónde leer la contraseña.")
    if sys.stdin.isatty():
        password = getpass.getpass("Contraseña: ")
        if getpass.getpass("Otra vez: ") != password:
            raise ConfigError("las dos contraseñas no son iguales.")
    else:
        try:
            password = sys.stdin.readline(_MAX_CHARACTERS + 2).rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigError("la contraseña no es texto.") from None
    if not _MIN_CHARACTERS <= len(password) <= _MAX_CHARACTERS:
        raise ConfigError(
            f"la contraseña tiene {len(password)} caracteres: debe tener {_MIN_CHARACTERS} al menos, y "
            f"{_MAX_CHARACTERS} como máximo."
        )
    if any(ord(character) < 32 or ord(character) == 127 for character in password):
        # RFC 7617, section 2: no control characters.
        raise ConfigError("la contraseña tiene caracteres de control, que no se pueden escribir al entrar.")
    return password


def _user(text: str) -> str:
    if not is_user_name(text):
        raise argparse.ArgumentTypeError(
            f"«{text}» no sirve como usuario: lleva letras sin tilde, cifras y los signos _ . @ + - (64 como "
            "máximo)"
        )
    return text
