"""What every test of the command line needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tunnel.cli import main
from tunnel.config import TOKEN_VARIABLE


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, without a token in its environment."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*argv: str) -> Outcome:
        code = main(list(argv))
        written = capsys.readouterr()
        return Outcome(code, written.out, written.err)

    return call
