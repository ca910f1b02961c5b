"""TOML from people's hands: what is wrong with it is told with its place, and unknown keys are refused."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from tunnel.config import ConfigError

__all__ = ["parse_toml", "refuse_unknown_keys"]


def parse_toml(text: str, path: Path) -> dict[str, object]:
    """Return the document that ``text`` is; ``path`` is where it stands.

    Raises:
        ConfigError: it is no TOML, with the line; never with what stands there, which may be a secret.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        where = re.search(r"\(at (?:line (\d+)|end of document)", str(error))
        place = "al final" if where is None or where[1] is None else f"en la línea {where[1]}"
        raise ConfigError(f"el archivo {path} no es TOML: hay un error {place}.") from None


def refuse_unknown_keys(table: Iterable[str], known: tuple[str, ...], where: str) -> None:
    """Raise ConfigError for the first key that is not in ``known``, naming the one that was meant."""
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f"¿Quiso decir {near[0]}?" if near else f"Las hay: {', '.join(known)}."
            raise ConfigError(f"{where} tiene una clave que no existe: {key!r}. {meant}")
