"""argparse in Spanish.

argparse writes its own few words in English and offers no way to change them but to put others over
them.  What the commands' users read comes from here and from the ``help`` of each option.
"""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

from tunnel.config import ConfigError

__all__ = ["Parser", "in_spanish"]

_MAX_COLUMNS = 100

# argparse's complaints, as Python 3.11 to 3.14 word them, and what is said instead.
_COMPLAINTS = tuple(
    (re.compile(pattern, re.DOTALL), said)
    for pattern, said in (
        (r"unrecognized arguments: (.*)", r"sobra «\1»"),
        (r"the following arguments are required: ORDEN", "falta la orden"),
        (r"the following arguments are required: ([^,]*)", r"falta \1"),
        (r"the following arguments are required: (.*), ([^,]*)", r"faltan \1 y \2"),
        (r"argument (.*?): expected one argument", r"\1 necesita un valor"),
        (r"argument (.*?): ignored explicit argument .*", r"\1 no lleva valor"),
        (r"argument ORDEN: invalid choice: ['\"]?(.*?)['\"]? \(.*", r"«\1» no es una orden"),
        (
            r"argument (.*?): invalid choice: ['\"]?(.*?)['\"]? \(choose from (.*)\)",
            r"\1: «\2» no es ninguno de: \3",
        ),
        (r"argument (.*?): (.*)", r"\1: \2"),
    )
)
_NEGATIVE_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


def in_spanish(complaint: str) -> str:
    """Return what argparse complains of, in Spanish; what it only passes on stays as it is."""
    for pattern, said in _COMPLAINTS:
        if match := pattern.fullmatch(complaint):
            return match.expand(said)
    return complaint


class _Formatter(argparse.HelpFormatter):
    """Help that begins with "uso:", in at most a hundred columns."""

    def __init__(self, prog: str, **settings: Any) -> None:
        columns = min(shutil.get_terminal_size().columns, _MAX_COLUMNS)
        super().__init__(prog, max_help_position=26, width=columns - 2, **settings)

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, "uso: " if prefix is None else prefix)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:  # laid out by hand
            return text
        return super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """A parser whose help and complaints are Spanish; wrong usage exits with code 2."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(add_help=False, allow_abbrev=False, formatter_class=_Formatter, **settings)
        self._positionals.title = "argumentos"
        self._optionals.title = "opciones"
        self.commands: dict[str, Parser] = {}
        self.prepare: Callable[[Parser, Sequence[str]], None] | None = None
        """Called with a command line before it is parsed: may change the options' defaults."""
        self.add_argument("-h", "--help", "--ayuda", action="help", help="muestra esta ayuda")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the usage, and leave with 2."""
        message = in_spanish(message)
        if message == "falta la orden" or message.endswith("no es una orden"):
            message += f"; las hay: {', '.join(self.commands)}"
            word = message[1 : message.find("»")]
            message += _suggestion(word, self.commands)
        end = "" if message.endswith("?") else "."
        self.exit(2, f"{self.prog}: {message}{end}\nAyuda: {self.prog} --help\n")

    def parse_command(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse the command line of a program with commands.

        An option that does not exist is told first: argparse would first miss the one that was meant.
        """
        command = self._check(argv)
        if command.prepare is not None:
            try:
                command.prepare(command, argv)
            except ConfigError as error:
                command.exit(2, f"{command.prog}: {error}\n")
        options, extra = self.parse_known_args(argv)
        if extra:
            command.error(f"sobra «{extra[0]}»")
        return options

    def leaves(self) -> Iterator[Parser]:
        """Yield the commands that have no commands of their own."""
        if not self.commands:
            yield self
        for command in self.commands.values():
            yield from command.leaves()

    def _check(self, argv: Sequence[str]) -> Parser:
        """Refuse what no parser on the way knows; return the last one of them."""
        if not self.commands:
            self._refuse_unknown(argv, None)
            return self
        place = next((index for index, word in enumerate(argv) if not word.startswith("-")), len(argv))
        command = self.commands.get(argv[place]) if place < len(argv) else None
        self._refuse_unknown(argv[:place], command)
        return self if command is None else command._check(argv[place + 1 :])

    def _refuse_unknown(self, words: Sequence[str], command: Parser | None) -> None:
        known = self._option_string_actions
        for word in words:
            if word == "--":
                return
            # Never more of it than the name: what follows "=" may be a secret.
            name = word.partition("=")[0]
            if not name.startswith("-") or name == "-" or " " in word or _NEGATIVE_NUMBER.fullmatch(word):
                continue
            if name in known:
                continue
            if command is not None and name in command._option_string_actions:
                self.error(f"{name} va después de la orden: {command.prog} {name}")
            self.error(f"no existe la opción {name}{_suggestion(name, known)}")


def _suggestion(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f". ¿Quiso decir {near[0]}?" if near else ""
