"""``--config ARCHIVO``: a command's options from a TOML file, whose keys are the options' long names.

::

    # tunnel server --config servidor.toml
    port = 8000
    auto-tls = true                        # an option without a value
    auto-tls-san = ["192.0.2.10"]          # one that may be given several times
    tokens-file = "tokens.toml"            # beside this file

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
from tunnel.toml_text import parse_toml, refuse_unknown_keys

if TYPE_CHECKING:
    from tunnel.cli.arguments import Parser

__all__ = ["add_config_option"]

_OPTION = "--config"
_MAX_BYTES = 256 * 1024
_NEVER = ("config", "help", "ayuda")
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
    parser.prepare = _read_into


def _read_into(parser: Parser, argv: Sequence[str]) -> None:
    """Make what the file that ``argv`` names says the defaults of ``parser``.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or something in it is wrong.
    """
    path = _path_in(argv)
    if path is None:
        return
    table = parse_toml(_text_of(path), path)
    actions = {
        name.removeprefix("--"): action
        for action in parser._actions
        for name in action.option_strings
        if name.startswith("--") and name.removeprefix("--") not in _NEVER
    }
    where = f"el archivo {path}"
    for secret in _SECRETS:
        if secret in table and secret not in actions:
            raise ConfigError(
                f"{where} no puede llevar {secret!r}: use «token-file», el archivo que lo tiene."
            )
    refuse_unknown_keys(table, tuple(actions), where)
    given = {word.partition("=")[0] for word in argv}
    for key, value in table.items():
        action = actions[key]
        if not given.intersection(action.option_strings):
            action.required = False
            action.default = _Reader(parser, action, key, path).read(value)


def _path_in(argv: Sequence[str]) -> Path | None:
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    finder.add_argument(_OPTION, type=Path)
    try:
        found = finder.parse_known_args([*argv])[0].config
    except argparse.ArgumentError:  # without its value: the command's own parser says so
        return None
    return found if isinstance(found, Path) else None


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"no existe el archivo {path}, de {_OPTION}.") from None
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
