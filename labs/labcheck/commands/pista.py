"""``lab pista NN``: one more hint for the check that fails now."""

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from labcheck.arguments import SpanishParser
from labcheck.commands.common import DONE, ENVIRONMENT_FAILED, TOLD_ERRORS, add_verb, sit_down
from labcheck.progress import hint_key, save
from labcheck.reviewing import ReviewError, review
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]


def add_to(verbs: "Verbs") -> None:
    parser = add_verb(
        verbs,
        "pista",
        "da una pista más sobre lo que falla ahora",
        "Corre las comprobaciones y da una pista sobre la primera que falla: cada vez una más clara. Se "
        "cuentan.",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Give a hint: 0 given, or nothing fails; 3 it could not be told what fails."""
    console, complaints = Console(sys.stdout), Console(sys.stderr)
    try:
        desk = sit_down(options)
        outcome = review(desk.lab, desk.addresses)
        progress = desk.progress.reviewed(outcome)
        failed = outcome.first_failed()
        if failed is None or failed.diagnosis is None:
            save(desk.lab, progress)
            if outcome.exit_code == 0:
                console.say("No hace falta: todas las comprobaciones se aprueban.")
                return DONE
            complaints.failed(f"No se pudo comprobar. Vea por qué: lab revisar {desk.lab.number}")
            return ENVIRONMENT_FAILED
        key, hints = hint_key(failed), failed.diagnosis.hints
        known = progress.hints_known(key)
        number = min(known + 1, len(hints))
        if known < len(hints):  # the last one again is not one more
            progress = progress.hinted(key)
        save(desk.lab, replace(progress))
    except (*TOLD_ERRORS, ReviewError) as error:
        complaints.failed(str(error))
        return ENVIRONMENT_FAILED
    console.say(f"Falla: {failed.title}.")
    console.wrapped(f"Pista {number} de {len(hints)}: ", hints[number - 1])
    if number == len(hints):
        console.say(f"No hay una más clara. La solución: lab resolver {desk.lab.number}")
    console.say(f"Pistas usadas en este laboratorio: {progress.hints_taken}.")
    return DONE
