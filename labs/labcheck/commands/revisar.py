"""``lab revisar NN``: the checks, each shown as it ends."""

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import requests

from labcheck.arguments import SpanishParser
from labcheck.checking.diagnosis import CheckResult, Verdict
from labcheck.checking.place import Addresses
from labcheck.checking.scene import Scene
from labcheck.checking.spec import CheckSpec
from labcheck.commands.common import ENVIRONMENT_FAILED, TOLD_ERRORS, Desk, add_verb, sit_down
from labcheck.hops import ERROR_HEADER
from labcheck.progress import save
from labcheck.proof import TASKS_PATH, session_for
from labcheck.reviewing import Review, ReviewError, review
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]

# How often --observar looks whether something has changed.
_LOOK_EVERY_S = 1.0
_LOOK_TIMEOUT_S = 2.0
# A task as the API shows it, whose title has a nonce (`labcheck.proof.Proof.title`).
_TASK_OF_A_REVIEW = re.compile(r",?\s*\{[^{}]*write a book [0-9a-f]{8}[^{}]*\}")

# The words say it all: the marks and the colours are for who can see them.
_MARKS = {
    Verdict.PASSED: ("✓", "green"),
    Verdict.FAILED: ("✗", "red"),
    Verdict.SKIPPED: ("-", "dim"),
    Verdict.UNCHECKED: ("?", "yellow"),
}
_WORD_WIDTH = max(len(verdict.value) for verdict in Verdict)


def add_to(verbs: "Verbs") -> None:
    parser = add_verb(
        verbs,
        "revisar",
        "comprueba un laboratorio y dice qué falta",
        "Corre las comprobaciones del laboratorio y muestra cada una a medida que termina. Si una falla, "
        "dice qué se esperaba, qué se obtuvo, por qué y una pista. Termina con 0 si todas se aprueban, con 1 "
        "si alguna falla y con 3 si alguna no se pudo comprobar.",
    )
    parser.add_argument(
        "--observar", action="store_true", help="revisa otra vez cada vez que algo cambia, hasta Ctrl-C"
    )
    parser.add_argument(
        "--json", action="store_true", help="escribe una línea JSON por comprobación, para otros programas"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Review: 0 all passed, 1 something failed, 3 something could not be checked."""
    try:
        desk = sit_down(options)
        if not options.observar:
            return _review_once(desk, as_json=options.json).exit_code
        for _ in _changes(desk.addresses):
            _review_once(desk, as_json=options.json)
            desk = sit_down(options)
    except (*TOLD_ERRORS, ReviewError) as error:
        Console(sys.stderr).failed(str(error))
    return ENVIRONMENT_FAILED


def _review_once(desk: Desk, *, as_json: bool) -> Review:
    """Run the checks, show them, and keep the result."""
    console = Console(sys.stdout)
    shown = _JsonLines() if as_json else _Lines(console, desk)
    outcome = review(desk.lab, desk.addresses, on_begin=shown.begin, on_result=shown.result)
    progress = desk.progress.reviewed(outcome)
    save(desk.lab, progress if as_json else progress.shown(outcome))
    shown.end(outcome)
    return outcome


def show_review(desk: Desk, scene: Scene) -> Review:
    """Run the checks in a scene of a grader's, shown as a person reads them, and keep nothing."""
    shown = _Lines(Console(sys.stdout), desk)
    outcome = review(desk.lab, desk.addresses, on_begin=shown.begin, on_result=shown.result, scene=scene)
    shown.end(outcome)
    return outcome


class _Lines:
    """The review as a person reads it, line by line."""

    def __init__(self, console: Console, desk: Desk) -> None:
        self._console, self._desk = console, desk
        lab, addresses = desk.lab, desk.addresses
        console.say(console.paint(f"Laboratorio {lab.number}. {lab.title}", "bold"))
        console.say(f"Modo {addresses.mode.value}.\n")

    def begin(self, spec: CheckSpec) -> None:
        self._console.pending(f"  … {spec.title}")

    def result(self, result: CheckResult) -> None:
        console = self._console
        mark, colour = _MARKS[result.verdict]
        word = console.paint(f"{mark} {result.verdict.value:{_WORD_WIDTH}}", colour)
        console.say(f"{word}  {result.earned}/{result.points}  {result.title}")
        for name, text in self._details(result):
            console.wrapped(f"{name}: ", text, indent=4)

    def _details(self, result: CheckResult) -> list[tuple[str, str]]:
        if (found := result.diagnosis) is None:
            told = [("Motivo", result.reason), ("Qué hacer", result.advice)]
        else:
            told = [("Esperado", found.expected), ("Obtenido", found.got), ("Por qué", found.why)]
            told.append(("Pista", found.hints[0]))
        return [(name, text) for name, text in told if text]

    def end(self, outcome: Review) -> None:
        console, number = self._console, self._desk.lab.number
        console.say(f"\nResultado: {outcome.earned} de {outcome.points} puntos.")
        if outcome.unchecked_points:
            console.say(
                f"De ellos, {outcome.unchecked_points} no se pudieron comprobar: no son una falla suya ni le "
                "quitan puntos. Repita la revisión."
            )
        if (failed := outcome.first_failed()) is not None:
            console.say(f"Empiece por: {failed.title}. Para otra pista: lab pista {number}")
        elif outcome.exit_code == 0:
            console.say(f"El laboratorio está completo. Para recoger todo: lab terminar {number}")


class _JsonLines:
    """The review as a program reads it: a line a check, and one for the whole."""

    def begin(self, spec: CheckSpec) -> None:
        self._write({"event": "begin", "check": spec.name})

    def result(self, result: CheckResult) -> None:
        self._write({"event": "result", **result.as_json()})

    def end(self, outcome: Review) -> None:
        totals = {"earned": outcome.earned, "points": outcome.points, "unchecked": outcome.unchecked_points}
        self._write({"event": "end", **totals, "exit_code": outcome.exit_code})

    def _write(self, told: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def _changes(addresses: Addresses) -> Iterator[None]:
    """Yield at once, and then each time that what both sides answer has changed since before the last one.

    What changes while somebody reviews is not missed.
    """
    while True:
        seen = _look(addresses)
        yield
        while _look(addresses) == seen:
            time.sleep(_LOOK_EVERY_S)


def _look(addresses: Addresses) -> tuple[str, ...]:
    """Return what both sides answer now, in short."""
    return tuple(_glance(url) for url in (addresses.local_url, addresses.remote_url) if url)


def _glance(url: str) -> str:
    with session_for(url) as session:
        try:
            answer = session.get(url + TASKS_PATH, timeout=_LOOK_TIMEOUT_S, allow_redirects=False)
        except requests.RequestException as error:
            return type(error).__name__
    # The tasks of a review come and go: they are no change.
    text = _TASK_OF_A_REVIEW.sub("", answer.text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{answer.status_code} {answer.headers.get(ERROR_HEADER)} {digest}"
