"""The options that a command line, and the file of ``--config``, gave: one by one, in their order."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Given", "given_options", "options_of_table"]


@dataclass(frozen=True, slots=True)
class Given:
    """One option as it was written."""

    option: str  # with its dashes
    dest: str
    value: str | None  # None: it takes none
    is_path: bool


def given_options(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[Given]:
    """Take apart a line that ``parser``, which has options only, has already understood."""
    known = parser._option_string_actions
    given: list[Given] = []
    place = 0
    while place < len(words):
        name, separator, found = words[place].partition("=")
        action = known[name]
        place += 1
        value: str | None = None
        if separator:
            value = found
        elif action.nargs is None or (action.nargs == "?" and _is_value(words[place : place + 1])):
            value = words[place]
            place += 1
        given.append(Given(name, action.dest, value, action.type is Path))
    return given


def _is_value(next_word: Sequence[str]) -> bool:
    return bool(next_word) and not next_word[0].startswith("-")


def options_of_table(
    parser: argparse.ArgumentParser, table: Mapping[str, object], folder: Path, given: Sequence[Given]
) -> list[Given]:
    """Return the options that a file of options, which ``parser`` has understood, adds to ``given``.

    Args:
        folder: where the file is, and where its paths begin.
    """
    known = parser._option_string_actions
    there = {each.dest for each in given}
    added: list[Given] = []
    for key, value in table.items():
        action = known[f"--{key}"]
        if action.dest in there or value is False:
            continue
        for each in value if isinstance(value, list) else [value]:
            is_path = action.type is Path
            text = None if value is True else str(folder / str(each)) if is_path else str(each)
            added.append(Given(f"--{key}", action.dest, text, is_path))
    return added
