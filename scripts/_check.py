"""`./scripts/check`: everything that can be said about the code without running it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import _bootstrap
from _terminal import Terminal

HELP = """\
uso: ./scripts/check

Revisa el código sin correrlo: estilo y faltas (ruff), formato (ruff format), tipos (mypy), quién puede
importar a quién (import-linter) y los programas de bash (shellcheck). Sigue después de una falla y al final
las resume.

opciones:
  -h, --help, --ayuda  muestra esta ayuda y termina
"""

SHELLS = ("sh", "bash", "dash")
NOT_OURS = {".git", ".venv", "node_modules"}


def main(argv: list[str]) -> int:
    """Prepare `.venv` and run every check: 0 when all pass, 1 when one does not, 2 for wrong usage."""
    if argv in (["-h"], ["--help"], ["--ayuda"]):
        Terminal(sys.stdout).say(HELP.rstrip())
        return 0
    if argv:
        Terminal().say(f"No se entiende «{' '.join(argv)}».\n\n{HELP.rstrip()}")
        return 2
    return _bootstrap.guarded(_run, argv)


def _run(argv: list[str]) -> int:
    python = str(_bootstrap.prepare(_bootstrap.Level.TEST))
    terminal = Terminal()
    bash_files = sorted(str(path.relative_to(_bootstrap.ROOT)) for path in _shell_programs(_bootstrap.ROOT))
    scripts = sorted(str(path) for path in (_bootstrap.ROOT / "scripts").glob("_*.py"))
    scripts = [
        path for path in scripts if not path.endswith("_version_gate.py")
    ]  # Python 2 has no annotations
    checks = [
        ("estilo (ruff check)", [python, "-m", "ruff", "check"]),
        ("formato (ruff format)", [python, "-m", "ruff", "format", "--check"]),
        ("tipos de los paquetes (mypy)", [python, "-m", "mypy"]),
        (
            "tipos de los scripts (mypy)",
            [python, "-m", "mypy", "--config-file=", "--strict", *scripts],
        ),
        ("quién importa a quién (import-linter)", [str(_bootstrap.venv_program("lint-imports"))]),
        (
            f"programas de bash (shellcheck, {len(bash_files)})",
            [str(_bootstrap.venv_program("shellcheck")), *bash_files] if bash_files else [],
        ),
    ]
    failures = [name for name, command in checks if not _passes(terminal, name, command)]
    if failures:
        terminal.say(f"\n{len(failures)} de {len(checks)} revisiones fallaron: {', '.join(failures)}.")
        return 1
    terminal.say(f"\nLas {len(checks)} revisiones pasaron.")
    return 0


def _passes(terminal: Terminal, name: str, command: list[str]) -> bool:
    if not command:
        terminal.passed(f"{name}: no hay ninguno")
        return True
    result = subprocess.run(
        command,
        cwd=_bootstrap.ROOT,
        env=_bootstrap.venv_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if result.returncode == 0:
        terminal.passed(name)
        return True
    terminal.failed(name)
    terminal.say(result.stdout.rstrip())
    return False


def _shell_programs(root: Path) -> Iterator[Path]:
    """Yield the checkout's shell programs, known by their ending or their first line."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in NOT_OURS]
        for name in files:
            path = Path(folder, name)
            if name.endswith((".sh", ".bash")) or ("." not in name and _shell_named_in(path)):
                yield path


def _shell_named_in(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first_line = file.readline(80).split()
    except OSError:
        return False
    if not first_line or not first_line[0].startswith(b"#!"):
        return False
    return any(
        os.path.basename(word).decode("latin-1") in SHELLS for word in (first_line[0][2:], *first_line[1:])
    )
