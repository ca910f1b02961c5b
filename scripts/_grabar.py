"""`./scripts/grabar`: a lab's walkthrough, recorded from its own steps."""

from __future__ import annotations

import _bootstrap


def main(argv: list[str]) -> int:
    """Prepare `.venv`, with what only those who write the course need, and become the recorder."""
    return _bootstrap.guarded(_run, argv)


def _run(argv: list[str]) -> int:
    python = _bootstrap.prepare(_bootstrap.Level.TEST)
    return _bootstrap.become(python, ["-m", "labcheck.recording.cli", *argv], takes_signals=True)
