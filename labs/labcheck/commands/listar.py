"""``lab listar``: the labs that there are, and how far one has come with each."""

import argparse
import sys
from typing import TYPE_CHECKING

from labcheck.arguments import SpanishParser
from labcheck.catalog import CatalogError, find_labs
from labcheck.progress import Progress, ProgressError, load
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]

_WIDTH = 20


def add_to(verbs: "Verbs") -> None:
    parser = verbs.add_parser(
        "listar",
        help="muestra los laboratorios que hay y su avance en cada uno",
        description="Muestra el número, la duración y el título de cada laboratorio, y su avance.",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List the labs: 0 done (also when there are none), 3 when one cannot be read."""
    console = Console(sys.stdout)
    try:
        labs = find_labs()
        for lab in labs:
            state = describe(load(lab))
            console.say(f"{lab.number}  {lab.minutes:3d} min  {state:{_WIDTH}}  {lab.title}")
    except (CatalogError, ProgressError) as error:
        Console(sys.stderr).failed(str(error))
        return 3
    if not labs:
        console.say("Aquí no hay laboratorios.")
    return 0


def describe(progress: Progress | None) -> str:
    """Return how far a student has come with a lab, in a few words."""
    if progress is None:
        return "sin empezar"
    if progress.used_solution:
        return "con la solución"
    if progress.is_complete:
        return "completo"
    if progress.reviewed_at is None:
        return "empezado"
    return f"{progress.best} de {progress.points} puntos"
