"""The program ``lab``.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 the environment failed, 130 interrupted. What was
asked for goes to stdout, diagnostics go to stderr.
"""

import importlib.metadata
import sys
from collections.abc import Sequence

from labcheck.arguments import SpanishParser
from labcheck.commands import (
    calificar,
    claves,
    entregar,
    informe,
    iniciar,
    listar,
    pista,
    probar,
    resolver,
    revisar,
    terminar,
)
from labcheck.terminal import forget_stdout

INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """Run one verb and return its exit code; `argv` is without the program's name."""
    try:
        options = build_parser().parse_args(list(argv))
        return int(options.run(options))
    except SystemExit as end:  # argparse, after its help (0) or wrong usage (2)
        return end.code if isinstance(end.code, int) else 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        forget_stdout()
        return INTERRUPTED


def entry_point() -> int:
    """Run as the console script."""
    return main(sys.argv[1:])


def build_parser() -> SpanishParser:
    """Return the parser; each verb's namespace has `run`, the function to call with it."""
    parser = SpanishParser(prog="lab", description="Los laboratorios del curso y la prueba de un túnel.")
    version = importlib.metadata.version("tunelab")
    parser.add_argument(
        "--version", action="version", version=f"lab {version}", help="muestra la versión y termina"
    )
    verbs = parser.add_subparsers(metavar="ORDEN", required=True, dest="verb", parser_class=SpanishParser)
    for verb in (
        listar,
        iniciar,
        revisar,
        pista,
        resolver,
        terminar,
        probar,
        claves,
        entregar,
        calificar,
        informe,
    ):
        verb.add_to(verbs)
    return parser
