"""``lab resolver NN``: the solution, shown and then run; what follows is not one's own work."""

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from labcheck.arguments import SpanishParser
from labcheck.commands.common import DONE, ENVIRONMENT_FAILED, TOLD_ERRORS, add_verb, as_typed, sit_down
from labcheck.progress import save
from labcheck.steps import SOLUTION, StepError, run_step
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]


def add_to(verbs: "Verbs") -> None:
    parser = add_verb(
        verbs,
        "resolver",
        "muestra la solución y la corre",
        "Muestra la solución del laboratorio y la corre. Queda anotado que este laboratorio se resolvió así, "
        "hasta que lo inicie de nuevo.",
    )
    parser.add_argument("--mostrar", action="store_true", help="solo la muestra, sin correrla")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show and run the solution: 0 done, 3 it could not be run."""
    console, complaints = Console(sys.stdout), Console(sys.stderr)
    try:
        desk = sit_down(options)
        path = desk.lab.folder / SOLUTION
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise StepError(f"No se pudo leer {path}: {error.strerror}.") from error
        save(desk.lab, replace(desk.progress, used_solution=True))
        console.say(console.paint(f"La solución, {as_typed(path)}:", "bold"))
        console.say("\n".join(f"  {line}".rstrip() for line in text.splitlines()))
        console.say("Queda anotado que se resolvió con la solución.\n")
        if options.mostrar:
            return DONE
        code = run_step(desk.lab, SOLUTION, desk.addresses)
    except (*TOLD_ERRORS, StepError) as error:
        complaints.failed(str(error))
        return ENVIRONMENT_FAILED
    if code != 0:
        complaints.failed(f"La solución terminó con el código {code}: arriba están sus mensajes.")
        return ENVIRONMENT_FAILED
    console.say(f"\nCompruébela: lab revisar {desk.lab.number}")
    return DONE
