"""The labs that there are: one folder each, ``NN-name``, with a ``lab.toml``."""

import difflib
import os
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from labcheck.modes import MODES

# Where the course is in the virtual machines.
_SHARED = Path("/vagrant/labs")
_FOLDER = re.compile(r"(\d{2})-[a-z0-9-]+")
DIFFICULTIES = ("fácil", "media", "avanzada")


class CatalogError(Exception):
    """A lab's description cannot be used; the text says, in Spanish, which and why."""


@dataclass(frozen=True, slots=True)
class Video:
    """A video of the original course, and what it shows."""

    url: str
    shows: str


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab, as its description tells it.

    `ports` are the TCP ports of loopback that it uses in mode local; `programs` are the ones that must be
    installed; `recommended` are the numbers of labs that help to do before it.
    """

    number: str
    title: str
    minutes: int
    folder: Path
    summary: str = ""
    difficulty: str = DIFFICULTIES[0]
    objectives: tuple[str, ...] = ()
    modes: tuple[str, ...] = MODES
    programs: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    recommended: tuple[str, ...] = ()
    needs_exit_node: bool = False
    creates_exit_node: bool = False
    videos: tuple[Video, ...] = ()

    @property
    def guide(self) -> Path:
        return self.folder / "README.es.md"


def labs_folder() -> Path:
    """Return the folder of the labs: the one that ``TUNELAB_LABS`` names, the checkout's, or the guests'."""
    if named := os.environ.get("TUNELAB_LABS"):
        return Path(named)
    beside = Path(__file__).resolve().parent.parent  # in a checkout the labs live beside this package
    return beside if any(beside.glob("*/lab.toml")) or not _SHARED.is_dir() else _SHARED


def find_labs(folder: Path | None = None) -> list[Lab]:
    """Return the labs of `folder`, or of `labs_folder`, by their numbers.

    Raises:
        CatalogError: a description cannot be read, lacks something, or has something unknown.
    """
    return [
        _read(match[1], description)
        for description in sorted((folder or labs_folder()).glob("*/lab.toml"))
        if (match := _FOLDER.fullmatch(description.parent.name))
    ]


def find_lab(number: str, folder: Path | None = None) -> Lab:
    """Return the lab that has a number, ``3`` being the same as ``03``.

    Raises:
        CatalogError: there is none, or one cannot be read.
    """
    labs = find_labs(folder)
    for lab in labs:
        if lab.number == number.zfill(2):
            return lab
    known = ", ".join(lab.number for lab in labs) or "ninguno"
    raise CatalogError(f"No hay un laboratorio «{number}». Los hay: {known}.")


def _read(number: str, description: Path) -> Lab:
    try:
        told = tomllib.loads(description.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(f"No se pudo leer {description}: {error}") from error
    known = [field.name for field in fields(Lab) if field.name not in ("number", "folder")]
    for key in told:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f" ¿Quiso decir «{near[0]}»?" if near else ""
            raise CatalogError(f"{description} tiene «{key}», que no se conoce.{hint}")
    reader = _Reader(description, told)
    title, minutes = reader.get("title", str), reader.get("minutes", int)
    if not title:
        raise CatalogError(f"A {description} le falta «title», el título del laboratorio.")
    if not minutes or minutes < 0:
        raise CatalogError(f"A {description} le falta «minutes», los minutos que toma el laboratorio.")
    return Lab(
        number=number,
        title=title,
        minutes=minutes,
        folder=description.parent,
        summary=reader.get("summary", str) or "",
        difficulty=reader.one_of("difficulty", DIFFICULTIES) or DIFFICULTIES[0],
        objectives=reader.several("objectives", str),
        modes=reader.several("modes", str, MODES) or MODES,
        programs=reader.several("programs", str),
        ports=reader.several("ports", int),
        recommended=reader.several("recommended", str),
        needs_exit_node=bool(reader.get("needs_exit_node", bool)),
        creates_exit_node=bool(reader.get("creates_exit_node", bool)),
        videos=tuple(reader.video(told_video) for told_video in reader.several("videos", dict)),
    )


class _Reader:
    """Take values of known types out of a description, naming what is wrong."""

    def __init__(self, description: Path, told: dict[str, Any]) -> None:
        self._description, self._told = description, told

    def get(self, key: str, kind: type) -> Any:
        value = self._told.get(key)
        if value is not None and type(value) is not kind:  # True is an int to isinstance
            return self._refuse(key)
        return value

    def one_of(self, key: str, choices: tuple[str, ...]) -> Any:
        value = self.get(key, str)
        return value if value is None or value in choices else self._refuse(key, choices)

    def several(self, key: str, kind: type, choices: tuple[str, ...] = ()) -> tuple[Any, ...]:
        values = self.get(key, list) or []
        if any(type(value) is not kind or (choices and value not in choices) for value in values):
            self._refuse(key, choices)
        return tuple(values)

    def video(self, told: dict[str, Any]) -> Video:
        if set(told) != {"url", "shows"} or not all(isinstance(value, str) for value in told.values()):
            self._refuse("videos")
        return Video(told["url"], told["shows"])

    def _refuse(self, key: str, choices: tuple[str, ...] = ()) -> Any:
        # What is there but of another type is as good as missing: the text of both is the same.
        if key in ("title", "minutes"):
            return None
        allowed = f" Puede ser: {', '.join(choices)}." if choices else ""
        raise CatalogError(f"El valor de «{key}» en {self._description} no sirve.{allowed}")
