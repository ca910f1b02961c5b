"""Where the words of ``tunnel exit-node`` go, and how its errors are told."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import ClassVar, TextIO

from tunnel.exitnodes.errors import BadOrder, ExitNodeError

__all__ = ["Console", "guarded", "is_live"]

_SIMULATION = "SIMULACIÓN | "
_YES = ("s", "si", "sí", "y", "yes")


class Console:
    """Says things to a person; with ``is_simulated`` each line says that nothing of it is real."""

    latest_mark: ClassVar[str] = ""  # for the errors that end the command

    def __init__(self, *, is_simulated: bool = False, is_json: bool = False) -> None:
        self.mark = Console.latest_mark = _SIMULATION if is_simulated else ""
        # With --json the one document is all that stdout carries.
        self._out: TextIO = sys.stderr if is_json else sys.stdout
        self._is_json = is_json

    def say(self, text: str = "") -> None:
        """Say what was asked for."""
        for line in text.split("\n"):
            print(f"{self.mark}{line}".rstrip(), file=self._out, flush=True)

    def note(self, text: str) -> None:
        """Say what happens meanwhile."""
        for line in text.split("\n"):
            print(f"{self.mark}{line}".rstrip(), file=sys.stderr, flush=True)

    def give(self, document: object) -> None:
        """Print the document that --json promises."""
        if self._is_json:
            print(json.dumps(document, ensure_ascii=True, indent=2), flush=True)

    def confirm(self, question: str, is_given: bool) -> bool:
        """Ask for a yes, unless it ``is_given`` already.

        Raises:
            BadOrder: nobody is there to be asked.
        """
        if is_given:
            return True
        if self._is_json or sys.stdin is None or not sys.stdin.isatty():
            raise BadOrder("aquí no hay a quién preguntarle. Si está de acuerdo con el plan, agregue --si.")
        print(f"{self.mark}{question} [s/N] ", end="", flush=True)
        return sys.stdin.readline().strip().lower() in _YES


def is_live() -> bool:
    """Whether stderr is a terminal on which a line can be drawn again."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def guarded(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run a verb; tell its errors on stderr, and as a document with --json."""
    options.command = f"exit-node {options.verb}"
    Console.latest_mark = _SIMULATION if getattr(options, "simulada", False) else ""
    try:
        return run(options)
    except ExitNodeError as error:
        if getattr(options, "json", False):
            print(json.dumps({"error": error.kind, "message": str(error)}), flush=True)
        for line in f"tunnel {options.command}: {error}".split("\n"):
            print(f"{Console.latest_mark}{line}", file=sys.stderr)
        return error.exit_code
