"""A student's desk for the labs: a home, a shell, and a network in which the default ports are free."""

import contextlib
import json
import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from support.own_network import bash_alone
from support.requirements import refuse

ROOT = Path(__file__).resolve().parents[2]
LABS = ROOT / "labs"


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one command."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


class Desk:
    """One bash, and the folders that its commands call home."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        own = {"HOME": str(self.home), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
        own["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"]
        unwanted = ("XDG_STATE_HOME", "XDG_DATA_HOME", "VIRTUAL_ENV", "TUNELAB_LABS")
        clean = {name: value for name, value in os.environ.items() if name not in unwanted}
        self._bash = subprocess.Popen(
            bash_alone(),
            cwd=folder,
            env=clean | own | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        self._is_busy = False

    @property
    def pid(self) -> int:
        """The bash, in whose network the desk's programs are."""
        return self._bash.pid

    def is_usable(self) -> bool:
        """Say whether the default ports can be used here."""
        with contextlib.suppress(BrokenPipeError, EOFError):
            return self.run("true").code == 0
        return False

    def run(self, command: str) -> Done:
        """Run a command and return what came of it."""
        out, err = self._folder / "out", self._folder / "err"
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        # A subshell: what a command does to its shell is gone with it.
        self._bash.stdin.write(f"(\n{command}\n) </dev/null >'{out}' 2>'{err}'; echo $?\n")
        self._bash.stdin.flush()
        self._is_busy = True
        code = self._bash.stdout.readline()
        self._is_busy = False
        if not code:
            raise EOFError
        told = [path.read_text(encoding="utf-8", errors="replace") for path in (out, err)]
        return Done(int(code), *told)

    def do(self, command: str) -> Done:
        """Run a command that must end well."""
        done = self.run(command)
        assert done.code == 0, f"$ {command}\n{done.text}\nexit code {done.code}"
        return done

    def review(self, number: str, *options: str) -> "Verdicts":
        """Run ``lab revisar --json``."""
        done = self.run(" ".join(["lab", "revisar", number, "--json", *options]))
        return Verdicts.of(done)

    def close(self) -> None:
        if self._is_busy:  # a test ran out of time: the command never ends
            os.killpg(self._bash.pid, signal.SIGKILL)
        for lab in sorted(LABS.glob("[0-9]*/limpieza.sh")):
            with contextlib.suppress(BrokenPipeError, EOFError):
                self.run(f"MODO=local bash {lab}")
        with contextlib.suppress(OSError):
            self._bash.stdin.close()  # type: ignore[union-attr]
        self._bash.wait(20)
        self._bash.stdout.close()  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a review said, for a test to ask."""

    done: Done
    events: list[dict[str, Any]]

    @classmethod
    def of(cls, done: Done) -> Self:
        """Read what ``lab revisar --json`` wrote."""
        return cls(done, [json.loads(line) for line in done.out.splitlines()])

    @property
    def results(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == "result"]

    @property
    def earned(self) -> tuple[int, int]:
        """The points earned, and the points that there are."""
        assert self.events, self.done.text
        end = self.events[-1]
        assert end["event"] == "end", self.done.text
        return end["earned"], end["points"]

    def with_verdict(self, verdict: str) -> dict[str, str]:
        """Return the checks with a verdict, each with its diagnosis's code, or its reason."""
        return {
            result["check"]: result.get("diagnosis", {}).get("code") or result.get("reason", "")
            for result in self.results
            if result["verdict"] == verdict
        }


@contextlib.contextmanager
def desk_in(folder: Path, **environment: str) -> Iterator[Desk]:
    """Sit down at a new desk in `folder`; what its labs left running is ended at the end."""
    desk = Desk(folder, **environment)
    try:
        if not desk.is_usable():
            refuse("ports 5000, 8000 and 8123 are taken, and a network of one's own is not allowed here")
        yield desk
    finally:
        desk.close()


def lab_folders() -> list[Path]:
    """Return the folders of the labs that there are."""
    return sorted(path.parent for path in LABS.glob("[0-9]*/lab.toml"))
