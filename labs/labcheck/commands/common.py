"""What the verbs share: the lab they are told, the place where it is done, and a student's progress."""

import argparse
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labcheck.arguments import SpanishParser, http_address
from labcheck.catalog import CatalogError, Lab, find_lab
from labcheck.checking.place import Addresses, addresses_for
from labcheck.modes import MODES, Mode
from labcheck.progress import Progress, ProgressError, load

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]

DONE, ANSWER_IS_NO, WRONG_USAGE, ENVIRONMENT_FAILED = 0, 1, 2, 3

# What keeps a verb from being done, each with a Spanish text.
TOLD_ERRORS = (CatalogError, ProgressError)


def add_verb(verbs: "Verbs", name: str, short: str, long: str) -> SpanishParser:
    """Add a verb that is about one lab, in one place."""
    parser = verbs.add_parser(name, help=short, description=long)
    parser.add_argument("lab", metavar="NN", help="el número del laboratorio: 03")
    parser.add_argument(
        "--modo",
        choices=MODES,
        help="dónde se hace (por omisión: local): local, todo en esta máquina; vm, dentro de la máquina "
        "virtual laptop; nube, con el nodo de salida en Internet",
    )
    parser.add_argument(
        "--local",
        metavar="URL",
        type=http_address,
        help="la aplicación (por omisión: http://localhost:5000)",
    )
    parser.add_argument(
        "--remoto",
        metavar="URL",
        type=http_address,
        help="el lado público, si no es el del modo: http://IP:8000",
    )
    return parser


@dataclass(frozen=True, slots=True)
class Desk:
    """One lab on a student's desk: where it is done and how far it has come."""

    lab: Lab
    addresses: Addresses
    progress: Progress


def sit_down(options: argparse.Namespace) -> Desk:
    """Return the desk that the options and the progress so far describe; nothing is written.

    The options win over the progress, and what neither says is as usual for the mode.

    Raises:
        CatalogError: there is no such lab.
        ProgressError: the progress cannot be read.
    """
    lab = find_lab(options.lab)
    before = load(lab)
    if options.modo is None and before is not None:
        addresses = Addresses(
            Mode(before.mode), options.local or before.local_url, options.remoto or before.remote_url
        )
    else:
        addresses = addresses_for(Mode(options.modo or Mode.LOCAL.value), options.local, options.remoto)
    progress = before or fresh(addresses)
    return Desk(lab, addresses, progress)


def fresh(addresses: Addresses) -> Progress:
    """Return the progress of a lab that begins now."""
    return Progress(addresses.mode.value, addresses.local_url, addresses.remote_url, started_at=time.time())


def as_typed(path: os.PathLike[str]) -> str:
    """Return a path as a person in this folder would type it."""
    try:
        near = os.path.relpath(path)
    except ValueError:  # another drive, on Windows
        return os.fspath(path)
    return os.fspath(path) if near.startswith("..") else near
