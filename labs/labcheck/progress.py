"""A student's progress, one file a lab, under ``$XDG_STATE_HOME/tunelab/labs/NN``.

Beside it the lab's step scripts keep what they leave running and the addresses in use (`labs/pasos.sh`).
"""

import json
import os
import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labcheck.catalog import Lab
from labcheck.checking.diagnosis import CheckResult
from labcheck.checking.place import Addresses
from labcheck.modes import Mode

if TYPE_CHECKING:
    from labcheck.reviewing import Review

FILE = "progreso.json"
# What a step script reads to know where things are; the same names as in the guides.
ENVIRONMENT_FILE = "entorno"
VERSION = 1


class ProgressError(Exception):
    """The progress of a lab cannot be read or kept; the text is Spanish."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a student is with one lab.

    `hints` counts the hints taken, by check and diagnosis (``nonce_arrives/another-app``); `seen` are those
    whose first hint a review has shown before any was taken. Times are seconds
    since 1970. `best` and `points` are of the best review, `reviewed_at` is None before the first one.
    """

    mode: str
    local_url: str
    remote_url: str
    started_at: float
    hints: Mapping[str, int] = field(default_factory=dict)
    seen: Sequence[str] = ()
    used_solution: bool = False
    best: int = 0
    points: int = 0
    reviewed_at: float | None = None
    finished_at: float | None = None

    @property
    def addresses(self) -> Addresses:
        return Addresses(Mode(self.mode), self.local_url, self.remote_url)

    @property
    def hints_taken(self) -> int:
        return sum(self.hints.values())

    @property
    def is_complete(self) -> bool:
        return self.points > 0 and self.best == self.points

    def reviewed(self, review: "Review") -> "Progress":
        """Return it with one more review, of which the best counts."""
        best = max(self.best, review.earned)
        return replace(self, best=best, points=review.points, reviewed_at=time.time())

    def shown(self, review: "Review") -> "Progress":
        """Return it once a person has read a review, with the first hint of each failure."""
        keys = {hint_key(result) for result in review.results if result.diagnosis is not None}
        return replace(self, seen=sorted((keys - self.hints.keys()).union(self.seen)))

    def hints_known(self, key: str) -> int:
        """Return how many of a diagnosis's hints the student has read."""
        return self.hints.get(key, 0) + (key in self.seen)

    def hinted(self, key: str) -> "Progress":
        return replace(self, hints={**self.hints, key: self.hints.get(key, 0) + 1})


def hint_key(result: CheckResult) -> str:
    """Return by what the hints of a failure are counted, or nothing for what has not failed."""
    return "" if result.diagnosis is None else f"{result.name}/{result.diagnosis.code}"


def state_folder(lab: Lab) -> Path:
    """Return where a lab keeps its state; https://specifications.freedesktop.org/basedir-spec/."""
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path.home() / ".local" / "state"
    return base / "tunelab" / "labs" / lab.number


def load(lab: Lab) -> Progress | None:
    """Return the progress of a lab, or None when it was not begun.

    Raises:
        ProgressError: the file is there and cannot be understood.
    """
    path = state_folder(lab) / FILE
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if told.pop("version") != VERSION:
            raise ValueError("another version")
        progress = Progress(**told)
        _ = progress.addresses
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProgressError(
            f"No se pudo leer su avance, {path}: {error}.\nBórrelo y repita «lab iniciar {lab.number}»."
        ) from error
    return progress


def save(lab: Lab, progress: Progress) -> None:
    """Keep a lab's progress, and the addresses for its step scripts.

    Raises:
        ProgressError: the files cannot be written.
    """
    folder = state_folder(lab)
    environment = environment_of(progress.addresses)
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in environment.items()]
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(folder / FILE, json.dumps({"version": VERSION, **asdict(progress)}, indent=1) + "\n")
        _write(folder / ENVIRONMENT_FILE, "".join(lines))
    except OSError as error:
        raise ProgressError(f"No se pudo guardar su avance en {folder}: {error.strerror}.") from error


def environment_of(addresses: Addresses) -> dict[str, str]:
    """Return what the step scripts and the guides call the addresses."""
    return {
        "MODO": addresses.mode.value,
        "LOCAL": addresses.local_url.partition("://")[2],
        "REMOTE": addresses.remote_url.partition("://")[2],
    }


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, for this user alone."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
