"""`./scripts/demo`: from a fresh machine to a running tunnel, with the proof that it is one."""

from __future__ import annotations

import _bootstrap


def main(argv: list[str]) -> int:
    """Prepare `.venv` and become the demo, which reads `argv` itself."""
    return _bootstrap.guarded(_run, argv)


def _run(argv: list[str]) -> int:
    python = _bootstrap.prepare(_bootstrap.Level.RUN)
    return _bootstrap.become(python, ["-m", "labcheck.demo", *argv], takes_signals=True)
