"""``lab listar``: the labs that there are."""

import argparse
import sys
from typing import TYPE_CHECKING

from labcheck.arguments import SpanishParser
from labcheck.catalog import CatalogError, find_labs
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]


def add_to(verbs: "Verbs") -> None:
    parser = verbs.add_parser(
        "listar",
        help="muestra los laboratorios que hay",
        description="Muestra el número, la duración y el título de cada laboratorio.",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List the labs: 0 done (also when there are none), 3 when one cannot be read."""
    console = Console(sys.stdout)
    try:
        labs = find_labs()
    except CatalogError as error:
        Console(sys.stderr).failed(str(error))
        return 3
    for lab in labs:
        console.say(f"{lab.number}  {lab.minutes:3d} min  {lab.title}")
    if not labs:
        console.say("Esta versión todavía no trae laboratorios.")
    return 0
