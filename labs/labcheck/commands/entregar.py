"""``lab entregar NN``: a review, sealed in a file, for whoever grades without entering this machine."""

import argparse
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import testinfra

from labcheck.arguments import SpanishParser
from labcheck.checking.scene import Scene
from labcheck.checking.tape import Recorder
from labcheck.commands.common import ANSWER_IS_NO, DONE, ENVIRONMENT_FAILED, TOLD_ERRORS, add_verb, sit_down
from labcheck.commands.revisar import show_review
from labcheck.grading.handin import MAX_LOG_LINES, HandIn, HandInError, nonces_in, read, secrets_in, write
from labcheck.grading.passages import passages_of
from labcheck.grading.seal import SealError, StudentKey, read_key
from labcheck.modes import Mode
from labcheck.progress import save, state_folder
from labcheck.proof import trace_of
from labcheck.reviewing import ReviewError
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]

KEY_FILE = "tunelab/clave"
# What an exit node that `labs/pasos.sh` starts here says is in this file, in the lab's folder of state: when
# its client went and came back, too, which none tells from afar.
_LOG_FILE = "servidor.log"
_UNLOGGED = (
    "la entrega no muestra que sus tareas pasaran por el nodo de salida, y quien califique lo verá. El nodo "
    "debe correr con --log-requests. Vea qué responde «tunnel requests» en la carpeta de su cliente y con "
    "sus opciones: --conexion ARCHIVO, o --url y --token-file. Corrija lo que diga y, con el cliente en "
    "marcha, entregue otra vez."
)


def add_to(verbs: "Verbs") -> None:
    parser = add_verb(
        verbs,
        "entregar",
        "revisa un laboratorio y hace el archivo que se entrega",
        "Revisa el laboratorio y guarda lo que encontró, con todo lo que preguntó y le respondieron, en un "
        "archivo sellado con su clave. Se entrega aunque algo falle. Termina con 0 si todo está aprobado.",
    )
    parser.add_argument(
        "--clave", metavar="ARCHIVO", type=Path,
        help=f"la clave que le dieron (por omisión: ~/.config/{KEY_FILE})",
    )  # fmt: skip
    parser.add_argument(
        "--salida", metavar="ARCHIVO", type=Path,
        help="el archivo que se entrega (por omisión: entrega-NN-CODIGO.json)",
    )  # fmt: skip
    parser.add_argument(
        "--comprobantes", metavar="ENTREGA", type=Path,
        help="no revisa: a esa entrega, ya hecha, le agrega los comprobantes de los nodos de salida que se "
        "borraron después",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Hand in: 0 everything passed, 1 something did not, 3 there is no hand-in."""
    console, complaints = Console(sys.stdout), Console(sys.stderr)
    try:
        key = read_key(options.clave or _usual_key())
        desk = sit_down(options)
        if options.comprobantes is not None:
            count = _add_receipts(options.comprobantes, desk.lab.number, key)
            console.passed(f"{options.comprobantes} lleva ahora {count} de un nodo de salida borrado.")
            return DONE
        salt, recorder = secrets.token_hex(16), Recorder()
        log = state_folder(desk.lab) / _LOG_FILE
        told_before = len(_lines(log))
        began = datetime.now(UTC)
        outcome = show_review(desk, Scene(key.seed(desk.lab.number, salt), recorder))
        progress = desk.progress.reviewed(outcome).shown(outcome)
        save(desk.lab, progress)
        addresses = desk.addresses
        traces = {trace_of(nonce) for nonce in nonces_in(recorder.taken)}
        passages = passages_of(traces, testinfra.get_host("local://"), addresses.mode, log.parent)
        told = [*passages, *_lines(log)[told_before:]]  # of a long log the end is left out, and no passage
        hand_in = HandIn(
            key.code, desk.lab.number, addresses.mode.value, addresses.local_url, addresses.remote_url, salt,
            began, datetime.now(UTC), outcome.results, tuple(recorder.taken),
            tuple(told[:MAX_LOG_LINES]), tuple(_receipts(desk.lab.number)),
            progress.hints_taken, progress.used_solution,
        )  # fmt: skip
        path = options.salida or Path(f"entrega-{desk.lab.number}-{key.code}.json")
        hand_in = hand_in.without(secrets_in(state_folder(desk.lab)))
        write(hand_in, key, path)
    except (*TOLD_ERRORS, HandInError, ReviewError, SealError) as error:
        complaints.failed(str(error))
        return ENVIRONMENT_FAILED
    console.passed(f"Su entrega es {path}. Mírela: es texto, y dice lo que se vio en su equipo.")
    if hand_in.unlogged:
        complaints.wrapped("Cuidado: ", _UNLOGGED)
    if desk.lab.creates_exit_node and addresses.mode is Mode.CLOUD:
        console.say(
            f"Cuando haya borrado el nodo de salida («lab terminar {desk.lab.number}»), agréguele el "
            f"comprobante: lab entregar {desk.lab.number} --comprobantes {path}"
        )
    return DONE if outcome.exit_code == 0 else ANSWER_IS_NO


def _add_receipts(path: Path, lab: str, key: StudentKey) -> str:
    """Seal a hand-in again with the receipts that there are now; return how many, in Spanish.

    Raises:
        HandInError: it is not this student's hand-in of this lab, or there is no receipt to add.
    """
    sealed = read(path)
    if not sealed.fits(key) or sealed.hand_in.lab != lab:
        raise HandInError(f"{path} no es una entrega suya del laboratorio {lab}, o se cambió.")
    receipts = tuple(_receipts(lab))
    if not receipts:
        raise HandInError(
            f"No hay comprobantes del laboratorio {lab}: borre el nodo con «lab terminar {lab}»."
        )
    write(replace(sealed.hand_in, receipts=receipts), key, path)
    return "1 comprobante" if len(receipts) == 1 else f"{len(receipts)} comprobantes"


def _usual_key() -> Path:
    # https://specifications.freedesktop.org/basedir-spec/
    home = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".config") / KEY_FILE


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _receipts(lab: str) -> Iterator[str]:
    """Yield the receipts that `tunnel exit-node delete` wrote of a lab's exit nodes."""
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path.home() / ".local" / "state"
    for path in sorted((base / "tunelab" / "recibos").glob("*.json")):
        text = "\n".join(_lines(path))
        if f'"lab": "{lab}"' in text:
            yield text
