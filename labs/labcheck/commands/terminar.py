"""``lab terminar NN``: everything is put back as it was, and what could not be is named."""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from labcheck.arguments import SpanishParser
from labcheck.commands.common import (
    ANSWER_IS_NO,
    DONE,
    ENVIRONMENT_FAILED,
    TOLD_ERRORS,
    Desk,
    add_verb,
    sit_down,
)
from labcheck.modes import Mode
from labcheck.ports import is_free
from labcheck.progress import save
from labcheck.steps import CLEANUP, StepError, exit_nodes_left, run_step, survivors
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]


def add_to(verbs: "Verbs") -> None:
    parser = add_verb(
        verbs,
        "terminar",
        "recoge todo lo del laboratorio",
        "Termina lo que el laboratorio dejó en marcha, borra lo que creó y dice si algo quedó. Su avance se "
        "conserva. Termina con 1 si algo quedó.",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Clean up: 0 nothing is left, 1 something is, 3 the cleanup could not be run."""
    console, complaints = Console(sys.stdout), Console(sys.stderr)
    try:
        desk = sit_down(options)
        code = run_step(desk.lab, CLEANUP, desk.addresses)
        left = list(_left(desk))
        if not left and code == 0:
            save(desk.lab, replace(desk.progress, finished_at=time.time()))
    except (*TOLD_ERRORS, StepError, FileNotFoundError) as error:
        complaints.failed(str(error))
        return ENVIRONMENT_FAILED
    for text in left:
        complaints.failed(f"Quedó: {text}")
    if code != 0:
        complaints.failed(f"La limpieza terminó con el código {code}: arriba están sus mensajes.")
        return ENVIRONMENT_FAILED
    if left:
        return ANSWER_IS_NO
    console.passed(f"No quedó nada del laboratorio {desk.lab.number}.")
    return DONE


def _left(desk: Desk) -> Iterator[str]:
    """Yield what is still there."""
    yield from survivors(desk.lab)
    if desk.lab.creates_exit_node:
        yield from exit_nodes_left(desk.lab)
    if desk.addresses.mode is Mode.LOCAL:
        for port in desk.lab.ports:
            if not is_free(port):
                yield (
                    f"el puerto {port} sigue ocupado. Si inició algo a mano, termínelo con Ctrl-C en su "
                    f"terminal; para ver qué es: ss -ltnp 'sport = :{port}'"
                )
