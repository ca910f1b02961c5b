"""A command line in Spanish: argparse with its own few words translated."""

import argparse
import re
from typing import Any, NoReturn

# argparse's complaints, as Python 3.11 to 3.14 word them, and what is said instead.
_COMPLAINTS = tuple(
    (re.compile(pattern, re.DOTALL), said)
    for pattern, said in (
        (r"unrecognized arguments: (.*)", r"no se entiende «\1»"),
        (r"the following arguments are required: (.*)", r"falta \1"),
        (r"argument (.*?): expected one argument", r"\1 necesita un valor"),
        (r"argument (.*?): ignored explicit argument (.*)", r"\1 no lleva valor"),
        (r"argument .*?: invalid choice: (.*?) \(choose from (.*)\)", r"\1 no es una orden; las hay: \2"),
        (r"argument (.*?): (.*)", r"\1: \2"),
    )
)


class SpanishParser(argparse.ArgumentParser):
    """An argument parser whose help and complaints are Spanish; wrong usage exits with code 2."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(add_help=False, allow_abbrev=False, **settings)
        self._positionals.title = "órdenes"
        self._optionals.title = "opciones"
        self.add_argument("-h", "--help", "--ayuda", action="help", help="muestra esta ayuda y termina")

    def format_usage(self) -> str:
        return super().format_usage().replace("usage:", "uso:", 1)

    def format_help(self) -> str:
        return super().format_help().replace("usage:", "uso:", 1)

    def error(self, message: str) -> NoReturn:
        for pattern, said in _COMPLAINTS:
            if match := pattern.fullmatch(message):
                message = match.expand(said)
                break
        self.exit(2, f"{self.prog}: {message}\nAyuda: {self.prog} --help\n")


def http_address(text: str) -> str:
    """Read an http address and return it without a slash at its end.

    Raises:
        argparse.ArgumentTypeError: it is not one.
    """
    if not re.fullmatch(r"https?://[^/\s?#]+/?", text):
        raise argparse.ArgumentTypeError(
            f"«{text}» no es una dirección como http://localhost:5000 (sin nada después del puerto)"
        )
    return text.rstrip("/")
