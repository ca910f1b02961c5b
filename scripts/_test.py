"""`./scripts/test`: from a fresh machine to every test run."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import _bootstrap
from _terminal import Terminal

HELP = """\
uso: ./scripts/test [--cobertura] [argumentos de pytest]

Prepara el entorno .venv si hace falta y corre todas las pruebas. Lo demás se le pasa a pytest:

  ./scripts/test                          todas
  ./scripts/test tests/gtd_app -k store   algunas
  ./scripts/test -x --lf                  las que fallaron la última vez, hasta la primera falla
  ./scripts/test --actualizar-guia        reescribe en la guía las salidas que cambiaron

opciones:
  --cobertura          mide las líneas que las pruebas recorren; si se corren todas, exige el mínimo
  -h, --help, --ayuda  muestra esta ayuda y termina

Lo que falte en este equipo para una parte de las pruebas se omite y se dice cómo conseguirlo. Con CI=true,
omitir algo es una falla y la cobertura se mide siempre.
"""

# Line coverage that the whole suite must reach in each of these: the code whose every branch a test can reach
# without the network.
COVERED = {"tunnel/protocol": "tunnel/protocol/*", "gtd_app": "gtd_app/*"}
COVERAGE_PERCENT = 95


def main(argv: list[str]) -> int:
    """Prepare `.venv` and run pytest with `argv`, measuring coverage when asked or in CI."""
    if argv in (["-h"], ["--help"], ["--ayuda"]):
        Terminal(sys.stdout).say(HELP.rstrip())
        return 0
    return _bootstrap.guarded(_run, argv)


def _run(argv: list[str]) -> int:
    python = str(_bootstrap.prepare(_bootstrap.Level.TEST))
    arguments = [argument for argument in argv if argument != "--cobertura"]
    if arguments == argv and os.environ.get("CI") != "true":
        return _bootstrap.run_and_wait([python, "-m", "pytest", *arguments])
    with tempfile.TemporaryDirectory(prefix="tunelab-cobertura-") as folder:
        return _run_measured(python, arguments, Path(folder))


def _run_measured(python: str, arguments: list[str], folder: Path) -> int:
    where = {"COVERAGE_FILE": str(folder / "datos")}
    status = _bootstrap.run_and_wait([python, "-m", "coverage", "run", "-m", "pytest", *arguments], where)
    if status == _bootstrap.EXIT_INTERRUPTED:
        return status
    _bootstrap.run_and_wait([python, "-m", "coverage", "combine", "--quiet"], where)
    reached = True
    for name, pattern in COVERED.items():
        Terminal().say(f"\nCobertura de {name}:")
        report = [python, "-m", "coverage", "report", f"--include={pattern}"]
        # A part of the suite cannot be expected to reach everything.
        report.append(f"--fail-under={0 if arguments else COVERAGE_PERCENT}")
        reached = _bootstrap.run_and_wait(report, where) == 0 and reached
    if not reached:
        Terminal().failed(f"La cobertura no llega al {COVERAGE_PERCENT} %.")
    return status or (0 if reached else 1)
