"""``lab iniciar NN``: what the lab needs is there, and nothing of an earlier try is in the way."""

import argparse
import shutil
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from labcheck.arguments import SpanishParser
from labcheck.catalog import Lab
from labcheck.checking.place import HOW_TO_SAY_IT, UNKNOWN_REMOTE, Addresses
from labcheck.commands.common import (
    DONE,
    ENVIRONMENT_FAILED,
    TOLD_ERRORS,
    WRONG_USAGE,
    add_verb,
    as_typed,
    fresh,
    sit_down,
)
from labcheck.modes import Mode
from labcheck.ports import is_free
from labcheck.progress import save, state_folder
from labcheck.steps import CLEANUP, StepError, run_step
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]

_EXIT_NODE_TIMEOUT_S = 5.0


def add_to(verbs: "Verbs") -> None:
    parser = add_verb(
        verbs,
        "iniciar",
        "prepara un laboratorio",
        "Revisa que haya todo lo que el laboratorio necesita, quita lo que quedó de un intento anterior y "
        "dice por dónde se empieza. Su avance en él vuelve a cero.",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prepare the lab: 0 done, 2 it has no such mode, 3 something is missing."""
    console, complaints = Console(sys.stdout), Console(sys.stderr)
    try:
        desk = sit_down(options)
        lab, addresses = desk.lab, desk.addresses
        if addresses.mode.value not in lab.modes:
            complaints.failed(f"El laboratorio {lab.number} no tiene modo {addresses.mode.value}.")
            return WRONG_USAGE
        if not _needs_are_met(complaints, _missing(lab, addresses)):
            return ENVIRONMENT_FAILED
        # In the machines the application is there before the lab, with whatever its tasks have become.
        if state_folder(lab).is_dir() or addresses.mode is Mode.VM:
            run_step(lab, CLEANUP, addresses)
        if not _needs_are_met(complaints, _taken(lab, addresses)):
            return ENVIRONMENT_FAILED
        save(lab, fresh(addresses))
    except (*TOLD_ERRORS, StepError) as error:
        complaints.failed(str(error))
        return ENVIRONMENT_FAILED
    _welcome(console, lab, addresses)
    return DONE


def _needs_are_met(complaints: Console, missing: Iterator[str]) -> bool:
    met = True
    for text in missing:
        complaints.failed(text)
        met = False
    return met


def _missing(lab: Lab, addresses: Addresses) -> Iterator[str]:
    """Yield what the lab needs and is not here, each with what to do."""
    if sys.platform == "win32":
        yield (
            "Los pasos son programas de bash, y en Windows no lo hay.\n"
            "  Haga el laboratorio en la máquina virtual: vagrant up; vagrant ssh; lab iniciar "
            f"{lab.number} --modo vm"
        )
        return
    for name in ("bash", "ps", *lab.programs):
        if shutil.which(name) is None:
            yield f"Falta el programa {name}. En Debian y Ubuntu: sudo apt install {name}"
    if shutil.which("ss") is None and shutil.which("lsof") is None:
        yield "Faltan ss y lsof, y hace falta uno de los dos. En Debian y Ubuntu: sudo apt install iproute2"
    if addresses.mode is Mode.VM and not _resolves("exit-node"):
        yield (
            "El modo vm se hace dentro de la máquina virtual laptop, y esta no lo es.\n"
            f"  En la carpeta del curso: vagrant up; vagrant ssh; lab iniciar {lab.number} --modo vm"
        )
    if addresses.mode is Mode.CLOUD and lab.needs_exit_node:
        yield from _missing_exit_node(addresses.remote_url)


def _missing_exit_node(url: str) -> Iterator[str]:
    if not url:
        yield f"{UNKNOWN_REMOTE}\n  {HOW_TO_SAY_IT}"
        return
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port or 80), _EXIT_NODE_TIMEOUT_S).close()
    except OSError as error:
        yield (
            f"No se llega al nodo de salida, {url}: {error}.\n"
            "  Mire que la máquina esté encendida y que su cortafuegos deje entrar al puerto."
        )


def _taken(lab: Lab, addresses: Addresses) -> Iterator[str]:
    """Yield the ports of the lab that somebody else has."""
    if addresses.mode is not Mode.LOCAL:
        return
    for port in lab.ports:
        if not is_free(port):
            yield (
                f"El puerto {port} está ocupado por otro programa: vea cuál con ss -ltnp 'sport = :{port}' "
                f"(en un Mac: lsof -i :{port}) y termínelo."
            )


def _welcome(console: Console, lab: Lab, addresses: Addresses) -> None:
    console.say(console.paint(f"Laboratorio {lab.number}. {lab.title}", "bold"))
    console.say(f"  Modo:      {addresses.mode.value}")
    console.say(f"  Tiempo:    unos {lab.minutes} minutos")
    console.say(f"  Guía:      {as_typed(lab.guide)}")
    first = next(iter(sorted(lab.folder.glob("01-*.sh"))), None)
    if first is not None:
        console.say(f"  Empiece:   {as_typed(first)}")
    console.say(f"  Revise:    lab revisar {lab.number}")


def _resolves(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True
