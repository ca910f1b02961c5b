"""The labs that there are: one folder each, ``NN-name``, with a ``lab.toml``."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

# Beside this package, in the checkout, live the labs.
LABS = Path(__file__).resolve().parent.parent

_FOLDER = re.compile(r"(\d{2})-[a-z0-9-]+")


class CatalogError(Exception):
    """A lab's description cannot be used; the text says, in Spanish, which and why."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab, as its description tells it."""

    number: str
    title: str
    minutes: int
    folder: Path


def find_labs(folder: Path = LABS) -> list[Lab]:
    """Return the labs of `folder` by their numbers.

    Raises:
        CatalogError: a description cannot be read, or lacks its title or its minutes.
    """
    return [
        _read(match[1], description)
        for description in sorted(folder.glob("*/lab.toml"))
        if (match := _FOLDER.fullmatch(description.parent.name))
    ]


def _read(number: str, description: Path) -> Lab:
    try:
        fields = tomllib.loads(description.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(f"No se pudo leer {description}: {error}") from error
    title, minutes = fields.get("title"), fields.get("minutes")
    if not isinstance(title, str) or not title:
        raise CatalogError(f"A {description} le falta «title», el título del laboratorio.")
    if not isinstance(minutes, int) or isinstance(minutes, bool) or minutes <= 0:
        raise CatalogError(f"A {description} le falta «minutes», los minutos que toma el laboratorio.")
    return Lab(number, title, minutes, description.parent)
