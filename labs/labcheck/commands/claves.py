"""``lab claves``: the keys with which the students of a class seal their hand-ins."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from labcheck.arguments import SpanishParser
from labcheck.commands.common import DONE, ENVIRONMENT_FAILED, WRONG_USAGE
from labcheck.grading.roster import RosterError, read_roster
from labcheck.grading.seal import MASTER_FILE, SealError, key_of, make_master, write_key
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]


def add_to(verbs: "Verbs") -> None:
    parser = verbs.add_parser(
        "claves",
        help="hace las claves con que un grupo sella sus entregas",
        description="Hace un archivo por alumno, que se le da solo a él, y el secreto del curso, del que "
        "salen todos y con el que se comprueban las entregas. Repetida, da las mismas claves.",
    )
    parser.add_argument("--lista", metavar="ARCHIVO", type=Path, required=True, help="la lista, en CSV")
    parser.add_argument(
        "--carpeta", metavar="CARPETA", type=Path, default=Path("claves"),
        help="donde quedan (por omisión: claves)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the keys: 0 done, 2 the roster is wrong, 3 they cannot be kept."""
    console, complaints = Console(sys.stdout), Console(sys.stderr)
    try:
        students = read_roster(options.lista)
        master = make_master(options.carpeta)
        for student in students:
            write_key(key_of(master, student.code), options.carpeta)
    except RosterError as error:
        complaints.failed(str(error))
        return WRONG_USAGE
    except SealError as error:
        complaints.failed(str(error))
        return ENVIRONMENT_FAILED
    count = "1 clave" if len(students) == 1 else f"{len(students)} claves"
    console.passed(f"{count} en {options.carpeta}: dé a cada alumno la suya, en privado.")
    console.say(f"{options.carpeta / MASTER_FILE} es el secreto del curso: no lo dé a nadie ni lo publique.")
    return DONE
