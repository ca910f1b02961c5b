"""The program behind ``./scripts/grabar``.

Exit codes: 0 recorded, 1 a step did not end well and nothing is kept, 2 wrong usage, 3 it cannot be recorded
here, 130 interrupted. The files written are told on stdout, the rest on stderr.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from labcheck.arguments import SpanishParser
from labcheck.catalog import CatalogError, Lab, find_lab
from labcheck.commands.common import as_typed
from labcheck.interruptions import Interruptions
from labcheck.modes import Mode
from labcheck.terminal import Console, forget_stdout

DONE, ANSWER_IS_NO, WRONG_USAGE, ENVIRONMENT_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
_DEFAULT_FOLDER = Path("build/grabaciones")


def main(argv: Sequence[str]) -> int:
    """Record a lab and return the exit code; `argv` is without the program's name."""
    try:
        with Interruptions() as interruptions:
            return _run(_build_parser().parse_args(list(argv)), interruptions)
    except SystemExit as end:  # argparse, after its help (0) or wrong usage (2)
        return end.code if isinstance(end.code, int) else WRONG_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        forget_stdout()
        return INTERRUPTED


def _run(options: argparse.Namespace, interruptions: Interruptions) -> int:
    console, complaints = Console(sys.stdout), Console(sys.stderr)
    try:
        lab = find_lab(options.lab)
    except CatalogError as error:
        complaints.failed(str(error))
        return ENVIRONMENT_FAILED
    if sys.platform == "win32":
        complaints.failed(
            "Se graba en una seudoterminal, que Windows no tiene: hágalo en Linux, en macOS o en WSL."
        )
        return ENVIRONMENT_FAILED
    if Mode.LOCAL.value not in lab.modes:
        complaints.failed(f"El laboratorio {lab.number} no tiene modo local, y solo se graba ese.")
        return WRONG_USAGE
    folder = options.salida or _DEFAULT_FOLDER / lab.number
    return _record(lab, folder, console, complaints, interruptions)


def _record(
    lab: Lab, folder: Path, console: Console, complaints: Console, interruptions: Interruptions
) -> int:
    # A terminal is needed to import it.
    from labcheck.recording.cast import asciicast
    from labcheck.recording.page import page
    from labcheck.recording.screenplay import Scene
    from labcheck.recording.studio import PlaceError, RecordingError, record
    from labcheck.recording.tape import lay_out
    from labcheck.recording.transcript import transcript
    from labcheck.recording.vtt import webvtt

    def tell(number: int, of: int, scene: Scene) -> None:
        complaints.say(f"[{number}/{of}] {scene.command}")

    recorded_at = int(time.time())
    try:
        shots = record(lab, tell, interruptions)
    except (PlaceError, FileNotFoundError) as error:
        complaints.failed(str(error))
        return ENVIRONMENT_FAILED
    except RecordingError as error:
        complaints.failed(str(error))
        return ANSWER_IS_NO
    tape = lay_out(f"Laboratorio {lab.number}. {lab.title}", shots)
    cast = asciicast(tape, recorded_at)
    texts = {
        "html": page(lab, tape, cast, shots),
        "cast": cast,
        "vtt": webvtt(tape),
        "txt": transcript(shots),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, text in texts.items():
            path = folder / f"{lab.folder.name}.{suffix}"
            path.write_bytes(text.encode("utf-8"))
            console.say(as_typed(path))
    except OSError as error:
        complaints.failed(f"No se pudo escribir en {folder}: {error.strerror}.")
        return ENVIRONMENT_FAILED
    return DONE


def _build_parser() -> SpanishParser:
    parser = SpanishParser(
        prog="./scripts/grabar",
        description="Corre los pasos de un laboratorio en una terminal que se graba, con las frases de su "
        "guía como subtítulos. Escribe una página que se reproduce sin Internet, la grabación (asciicast), "
        "los subtítulos (WebVTT) y lo que se vio, en texto.",
    )
    parser.add_argument("lab", metavar="NN", help="el número del laboratorio: 03")
    parser.add_argument(
        "--modo",
        choices=(Mode.LOCAL.value,),
        default=Mode.LOCAL.value,
        help="dónde se hace; solo local: en la nube cada grabación costaría",
    )
    parser.add_argument(
        "--salida",
        metavar="CARPETA",
        type=Path,
        help="dónde se escribe (por omisión: build/grabaciones/NN)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
