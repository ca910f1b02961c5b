"""``--config ARCHIVO``: a command's options from a TOML file, whose keys are the options' long names.

::

    # tunnel server --config servidor.toml
    port = 8000
    auto-tls = true                        # an option without a value
    auto-tls-san = ["192.0.2.10"]          # one that may be given several times
    tokens-file = "tokens.toml"            # beside this file

    [profile.clase]                        # --profile clase: these keys too, before those above
    port = 9000

What the command line gives wins over the file, whole: a list is not added to.  A path that is not absolute
begins at the file's folder, so that a service started elsewhere reads the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tunnel.cli.arguments import in_spanish
from tunnel.config import ConfigError
from tunnel.os_errors import describe_os_error
from tunnel.toml_text import parse_toml, refuse_unknown_keys

if TYPE_CHECKING:
    from tunnel.cli.arguments import Parser

__all__ = ["add_config_option", "read_config"]

_OPTION = "--config"
_PROFILE_OPTION = "--profile"
_PROFILES = "profile"
_MAX_BYTES = 256 * 1024
_NEVER = ("config", "profile", "help", "ayuda")
_SECRETS = ("token", "secret", "password")


def add_config_option(parser: Parser) -> None:
    """Let the command's options come from a file too."""
    parser.add_argument(
        _OPTION,
        metavar="ARCHIVO",
        type=Path,
        help="archivo TOML con estas mismas opciones: port = 8000, auto-tls = true…; lo que se dé en la "
        "línea de órdenes va primero",
    )
    parser.add_argument(
        _PROFILE_OPTION,
        metavar="NOMBRE",
        help="con --config: lo que dice además la tabla [profile.NOMBRE] del archivo, que va antes que el "
        "resto de él",
    )
    parser.prepare = _read_into


def _read_into(parser: Parser, argv: Sequence[str]) -> None:
    """Make what the file that ``argv`` names says the defaults of ``parser``.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or something in it is wrong.
    """
    path, profile = _named_in(argv)
    if path is None:
        if profile is not None:
            raise ConfigError(f"{_PROFILE_OPTION} va con {_OPTION} ARCHIVO, que tiene los perfiles.")
        return
    tables = _tables_of(path)
    actions = {
        name.removeprefix("--"): action
        for action in parser._actions
        for name in action.option_strings
        if name.startswith("--") and name.removeprefix("--") not in _NEVER
    }
    where = f"el archivo {path}"
    for name, table in tables.items():  # those too that are not asked for: a slip shows at once
        place = f"el perfil {name} del archivo {path}" if name else where
        for secret in _SECRETS:
            if secret in table and secret not in actions:
                raise ConfigError(
                    f"{place} no puede llevar {secret!r}: use «token-file», el archivo que lo tiene."
                )
        refuse_unknown_keys(table, tuple(actions), place)
    given = {word.partition("=")[0] for word in argv}
    for key, value in _merged(tables, profile, path).items():
        action = actions[key]
        if not given.intersection(action.option_strings):
            action.required = False
            action.default = _Reader(parser, action, key, path).read(value)


def read_config(path: Path, profile: str | None) -> dict[str, object]:
    """Return what a file of options says, with one of its profiles or none.

    Raises:
        ConfigError: it cannot be read, is no TOML, or has no such profile.
    """
    return _merged(_tables_of(path), profile, path)


def _merged(tables: dict[str, dict[str, object]], profile: str | None, path: Path) -> dict[str, object]:
    if profile is not None and (not profile or profile not in tables):
        there_are = ", ".join(filter(None, tables)) or "ninguno"
        raise ConfigError(
            f"el archivo {path} no tiene el perfil «{profile}» ([profile.{profile}]). Los hay: {there_are}."
        )
    return tables[""] | tables[profile or ""]


def _named_in(argv: Sequence[str]) -> tuple[Path | None, str | None]:
    """Return the file and the profile that ``argv`` names."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    finder.add_argument(_OPTION, type=Path)
    finder.add_argument(_PROFILE_OPTION)
    try:
        found = finder.parse_known_args([*argv])[0]
    except argparse.ArgumentError:  # without its value: the command's own parser says so
        return None, None
    return found.config, found.profile


def _tables_of(path: Path) -> dict[str, dict[str, object]]:
    """Return what the file says for all under "", and then its profiles.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or its profiles are no tables.
    """
    document = parse_toml(_text_of(path), path)
    profiles = document.pop(_PROFILES, {})
    if not isinstance(profiles, dict) or not all(
        name and isinstance(table, dict) for name, table in profiles.items()
    ):
        raise ConfigError(
            f"en el archivo {path} cada perfil es una tabla: [profile.casa], y debajo sus claves."
        )
    return {"": document, **profiles}


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        there = path if path.is_absolute() else f"{path} (en {Path.cwd()})"
        raise ConfigError(
            f"no existe el archivo {there}, de {_OPTION}. Revise la ruta, o hágalo: una línea por opción, "
            "con el nombre largo y sin los guiones, como port = 8000."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"no se puede leer el archivo {path}, de {_OPTION}: {describe_os_error(error)}. Revise la ruta y "
            "sus permisos."
        ) from None
    if len(content) > _MAX_BYTES:
        raise ConfigError(f"el archivo {path} es demasiado grande para ser de opciones.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"el archivo {path} no es texto UTF-8.") from None


class _Reader:
    """What one key's value gives its option, as if it had been typed."""

    def __init__(self, parser: Parser, action: argparse.Action, key: str, path: Path) -> None:
        self._parser, self._action, self._key, self._path = parser, action, key, path

    def read(self, value: object) -> object:
        """Return the option's value.  Raises ConfigError."""
        action = self._action
        is_list = isinstance(action, argparse._AppendAction)
        if isinstance(value, bool):
            if action.const is None or is_list:
                raise self._wrong("necesita un valor, no true ni false")
            return action.const if value else action.default
        if action.nargs == 0:
            raise self._wrong("es true o false")
        if is_list:
            return [self._one(each) for each in (value if isinstance(value, list) else [value])]
        return self._one(value)

    def _one(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise self._wrong("lleva un texto o un número")
        try:
            read: object = self._parser._get_value(self._action, str(value))
            self._parser._check_value(self._action, read)
        except argparse.ArgumentError as error:
            said = in_spanish(f"argument {self._key}: {error.message}").partition(": ")[2]
            raise self._wrong(said) from None
        return self._path.parent / read if isinstance(read, Path) else read

    def _wrong(self, message: str) -> ConfigError:
        end = "" if message.endswith("?") else "."
        return ConfigError(f"en el archivo {self._path}, {self._key}: {message}{end}")
