"""One student's grade in one lab, and the files it is kept in.

A `Grade` is what a run of the grader finds out, and nothing that a report adds: a report reads grades and
changes none. Times are UTC and aware. Points are whole in a lab's checks and become a decimal with a penalty.

A grade that could not be made has a `fault` and counts as *pending*, never as zero: the student's machine
could not be reached, or the environment failed under every check.
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from labcheck.checking.diagnosis import CheckResult, Diagnosis, Verdict

VERSION = 1
CENT = Decimal("0.01")


class GradeError(Exception):
    """A grade cannot be read or kept; the text is Spanish."""


@dataclass(frozen=True, slots=True)
class Student:
    """One line of the roster.

    `code` is what the university calls the student and names files, so it has no slash. `host` is a testinfra
    host (``ssh://vagrant@10.0.0.7:22``) or empty when the instructor cannot enter; `remote_url` is the public
    side, empty when it is not known.
    """

    code: str
    name: str = ""
    email: str = ""
    host: str = ""
    remote_url: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person must look at before believing a grade, such as a copied or edited hand-in.

    `code` is stable and names it to programs; `text` is Spanish. When it `voids` the grade, no point counts.
    """

    code: str
    text: str
    voids: bool = False


@dataclass(frozen=True, slots=True)
class Override:
    """A grade set by hand: `score` of 0 to 1, with the reason and who set it."""

    score: Decimal
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Grade:
    """What came of one lab for one student.

    `source` says how it was found out: ``ssh``, ``local`` or ``entrega``. `handed_in_at` is when the student
    finished (the hand-in's own time; without one, the time of the first run), and a later run keeps it.
    `penalty` is the part taken off for being late, 0 to 1.
    """

    student: Student
    lab: str
    source: str
    results: tuple[CheckResult, ...] = ()
    handed_in_at: datetime | None = None
    graded_at: datetime | None = None
    duration_s: float = 0.0
    fault: str = ""
    findings: tuple[Finding, ...] = ()
    hints_taken: int = 0
    used_solution: bool = False
    penalty: Decimal = Decimal(0)
    override: Override | None = None

    @property
    def points(self) -> int:
        return sum(result.points for result in self.results)

    @property
    def earned(self) -> int:
        """Points of the checks that passed, before anything is taken off."""
        return sum(result.earned for result in self.results)

    @property
    def unchecked_points(self) -> int:
        """The points of what could not be checked: they are taken out of the total."""
        return sum(result.points for result in self.results if result.verdict is Verdict.UNCHECKED)

    @property
    def is_void(self) -> bool:
        return any(finding.voids for finding in self.findings)

    @property
    def is_pending(self) -> bool:
        """Whether there is nothing to grade on: nobody has a zero for the environment's fault."""
        if self.override is not None or self.is_void:
            return False
        return bool(self.fault) or self.points == self.unchecked_points

    @property
    def score(self) -> Decimal | None:
        """The grade, 0 to 1 in hundredths, after penalty and override; None while it is pending.

        What could not be checked counts neither for nor against.
        """
        if self.override is not None:
            return self.override.score
        if self.is_void:
            return Decimal(0)
        if self.is_pending:
            return None
        share = Decimal(self.earned) / Decimal(self.points - self.unchecked_points)
        return (share * (1 - self.penalty)).quantize(CENT, ROUND_HALF_UP)

    def overridden(self, override: Override) -> "Grade":
        return replace(self, override=override)


def save(grade: Grade, folder: Path) -> Path:
    """Keep a grade whole or not at all, for this user alone, and return its file: ``<folder>/<code>.json``.

    Raises:
        GradeError: it cannot be written.
    """
    path = folder / f"{grade.student.code}.json"
    text = json.dumps({"version": VERSION, **_plain(asdict(grade))}, ensure_ascii=False, indent=1) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except OSError as error:
        raise GradeError(f"No se pudo guardar {path}: {error.strerror}.") from error
    return path


def load(path: Path) -> Grade:
    """Return the grade of a file.

    Raises:
        GradeError: it cannot be read or understood.
    """
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if told.pop("version") != VERSION:
            raise ValueError("es de otra versión")
        return _grade(told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise GradeError(
            f"No se pudo leer la calificación {path}: {error}. Bórrela y califique otra vez."
        ) from error


def load_all(folder: Path) -> list[Grade]:
    """Return the grades of a folder, by the students' codes.

    Raises:
        GradeError: one cannot be read.
    """
    return [load(path) for path in sorted(folder.glob("*.json"))]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: times in ISO 8601, decimals as text, verdicts by their Spanish names."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case datetime():
            return value.isoformat()
        case Decimal():
            return str(value)
        case Verdict():
            return value.value
    return value


def _grade(told: dict[str, Any]) -> Grade:
    override = told["override"]
    return Grade(
        **{
            **told,
            "student": Student(**told["student"]),
            "results": tuple(_result(one) for one in told["results"]),
            "handed_in_at": _time(told["handed_in_at"]),
            "graded_at": _time(told["graded_at"]),
            "findings": tuple(Finding(**one) for one in told["findings"]),
            "penalty": Decimal(told["penalty"]),
            "override": override
            and Override(
                **{
                    **override,
                    "score": Decimal(override["score"]),
                    "at": datetime.fromisoformat(override["at"]),
                }
            ),
        }
    )


def _result(told: dict[str, Any]) -> CheckResult:
    diagnosis = told["diagnosis"]
    return CheckResult(
        **{
            **told,
            "verdict": Verdict(told["verdict"]),
            "diagnosis": diagnosis and Diagnosis(**{**diagnosis, "hints": tuple(diagnosis["hints"])}),
        }
    )


def _time(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)
