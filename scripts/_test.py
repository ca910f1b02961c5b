"""`./scripts/test`: from a fresh machine to every test run."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import _bootstrap
from _terminal import Terminal

HELP = """\
uso: ./scripts/test [--cobertura] [argumentos de pytest]
     ./scripts/test --dos-grupos [--cobertura]

Prepara el entorno .venv si hace falta y corre todas las pruebas. Lo demás se le pasa a pytest:

  ./scripts/test                          todas
  ./scripts/test tests/gtd_app -k store   algunas
  ./scripts/test -x --lf                  las que fallaron la última vez, hasta la primera falla
  ./scripts/test --actualizar-guia        reescribe en la guía las salidas que cambiaron

opciones:
  --cobertura          mide las líneas que las pruebas recorren; si se corren todas, exige el mínimo
  --dos-grupos         las corre todas en dos grupos a la vez: el segundo, del túnel y la aplicación, en una
                       red propia, y su salida se muestra al final; necesita Linux y root
  -h, --help, --ayuda  muestra esta ayuda y termina

Lo que falte en este equipo para una parte de las pruebas se omite y se dice cómo conseguirlo. Con CI=true,
omitir algo es una falla y la cobertura se mide siempre.
"""

# Line coverage that the whole suite must reach in each of these: the code whose every branch a test can reach
# without the network.
COVERED = {"tunnel/protocol": "tunnel/protocol/*", "gtd_app": "gtd_app/*"}
COVERAGE_PERCENT = 95

# Those that need nothing but loopback, hence may have one of their own.
SECOND_GROUP = ("tests/gtd_app", "tests/tunnel")
# Loopback alone: its usual ports are free there, whatever the first group has on them.
OWN_NETWORK = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def main(argv: list[str]) -> int:
    """Prepare `.venv` and run pytest with `argv`, measuring coverage when asked or in CI."""
    if argv in (["-h"], ["--help"], ["--ayuda"]):
        Terminal(sys.stdout).say(HELP.rstrip())
        return 0
    return _bootstrap.guarded(_run, argv)


def _run(argv: list[str]) -> int:
    arguments = [argument for argument in argv if argument not in ("--cobertura", "--dos-grupos")]
    in_groups = "--dos-grupos" in argv
    if in_groups and arguments:
        Terminal().say("Con --dos-grupos se corren todas: no lleva argumentos de pytest.")
        return 2
    if in_groups:
        _check_machine()
    python = str(_bootstrap.prepare(_bootstrap.Level.TEST))
    is_measured = "--cobertura" in argv or os.environ.get("CI") == "true"
    if not is_measured and not in_groups:
        return _bootstrap.run_and_wait([python, "-m", "pytest", *arguments])
    with tempfile.TemporaryDirectory(prefix="tunelab-pruebas-") as name:
        folder = Path(name)
        where = {"COVERAGE_FILE": str(folder / "datos")} if is_measured else {}
        program = [python, "-m", *(("coverage", "run", "-m") if is_measured else ()), "pytest"]
        if in_groups:
            status = _run_groups(program, where, folder / "segundo.txt")
        else:
            status = _bootstrap.run_and_wait([*program, *arguments], where)
        if not is_measured or status == _bootstrap.EXIT_INTERRUPTED:
            return status
        too_little = _judge_coverage(python, where, is_whole=not arguments)
        return status or too_little


def _check_machine() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise _bootstrap.BootstrapError("Con --dos-grupos hacen falta Linux y root: el segundo usa otra red.")
    lacking = [program for program in ("ip", "unshare") if shutil.which(program) is None]
    if lacking:
        raise _bootstrap.BootstrapError(
            f"Para --dos-grupos falta: {', '.join(lacking)}. En Debian: apt install iproute2 util-linux"
        )


def _run_groups(program: list[str], where: dict[str, str], log: Path) -> int:
    """Run both groups at once, each a pytest: the first is seen as it goes, the second afterwards."""
    first = [*program, *(f"--ignore={name}" for name in SECOND_GROUP)]
    status = _bootstrap.run_both(first, [*OWN_NETWORK, *program, *SECOND_GROUP], log, where)
    Terminal().say(f"\nEl segundo grupo, {' y '.join(SECOND_GROUP)}:")
    sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))
    sys.stdout.flush()
    return status


def _judge_coverage(python: str, where: dict[str, str], *, is_whole: bool) -> int:
    """Show the coverage; return 1 when it is too low, which a part of the suite is not judged by."""
    _bootstrap.run_and_wait([python, "-m", "coverage", "combine", "--quiet"], where)
    reached = True
    for name, pattern in COVERED.items():
        Terminal().say(f"\nCobertura de {name}:")
        report = [python, "-m", "coverage", "report", f"--include={pattern}"]
        report.append(f"--fail-under={COVERAGE_PERCENT if is_whole else 0}")
        reached = _bootstrap.run_and_wait(report, where) == 0 and reached
    if not reached:
        Terminal().failed(f"La cobertura no llega al {COVERAGE_PERCENT} %.")
    return 0 if reached else 1
