"""The command, run as a student does, with a state of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.tunnel_process import COMMAND

TESTS = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Desk:
    """Where somebody works: what is kept, the cloud of the scripted provider, the programs."""

    state: Path
    cloud: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of what is run here."""
        env = os.environ | {
            "XDG_STATE_HOME": str(self.state),
            "PYTHONPATH": str(TESTS),
            "COLUMNS": "100",
            "PATH": f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}",
        }
        return {key: value for key, value in env.items() if key != "TUNELAB_TOKEN"}

    def run(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run ``tunnel exit-node`` to its end; it must end with ``code``."""
        return self.call(COMMAND, "exit-node", *words, code=code)

    def script(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """The same, where there is a provider ``guion`` too."""
        return self.call(*self.scripted(*words), code=code)

    def scripted(self, *words: str | Path) -> list[str | Path]:
        """Return what ``script`` runs."""
        return [sys.executable, "-m", "support.scripted_command", self.cloud, "exit-node", *words]

    def call(self, *argv: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run any program to its end; it must end with ``code``."""
        ended = subprocess.run(
            argv, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=50
        )
        assert ended.returncode == code, f"{ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    @property
    def nodes(self) -> list[str]:
        """What is recorded, as PROVIDER/NAME."""
        root = self.state / "tunelab" / "nodos"
        return sorted(str(path.relative_to(root)) for path in root.glob("*/*"))


MakeDesk = Callable[[], Desk]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a place to work."""
    return Desk(tmp_path / "estado", tmp_path / "nube")
