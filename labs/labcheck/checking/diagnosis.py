"""Verdicts and diagnoses: what comes of a check, in the words that a student reads."""

import enum
from dataclasses import dataclass
from typing import Any


class Verdict(enum.Enum):
    """What came of a check; the value is its Spanish name."""

    PASSED = "aprobado"
    FAILED = "fallado"
    SKIPPED = "omitido"
    UNCHECKED = "sin comprobar"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a check failed. The texts are Spanish.

    `code` is stable and names the diagnosis to programs; `hints` go from gentle to explicit, and there is at
    least one.
    """

    code: str
    expected: str
    got: str
    why: str
    hints: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.hints:
            raise ValueError(f"the diagnosis {self.code} has no hint")


class CheckFailedError(AssertionError):
    """The fact that a check looks at does not hold."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(f"{diagnosis.code}: {diagnosis.got}")
        self.diagnosis = diagnosis


class CouldNotCheckError(Exception):
    """The environment did not let a check look; `reason` and `advice` are Spanish."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


def require(diagnosis: Diagnosis | None) -> None:
    """Fail the check with a diagnosis, when there is one.

    Raises:
        CheckFailedError: there is one.
    """
    if diagnosis is not None:
        raise CheckFailedError(diagnosis)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's verdict; `reason` says why it was skipped or could not be checked, and is Spanish."""

    name: str
    title: str
    points: int
    verdict: Verdict
    diagnosis: Diagnosis | None = None
    reason: str = ""
    advice: str = ""

    @property
    def earned(self) -> int:
        return self.points if self.verdict is Verdict.PASSED else 0

    def as_json(self) -> dict[str, Any]:
        """Return what a program reads of it."""
        told: dict[str, Any] = {
            "check": self.name,
            "title": self.title,
            "verdict": self.verdict.value,
            "points": self.points,
            "earned": self.earned,
        }
        if self.diagnosis is not None:
            told["diagnosis"] = {
                "code": self.diagnosis.code,
                "expected": self.diagnosis.expected,
                "got": self.diagnosis.got,
                "why": self.diagnosis.why,
                "hint": self.diagnosis.hints[0],
            }
        if self.reason:
            told["reason"] = self.reason
        if self.advice:
            told["advice"] = self.advice
        return told
