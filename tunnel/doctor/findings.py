"""What was looked at, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Finding", "Verdict"]


class Verdict(Enum):
    """What came of looking at a hop; the value is its Spanish name."""

    GOOD = "bien"
    WARNING = "aviso"
    BAD = "falla"
    SKIPPED = "no se miró"


@dataclass(frozen=True, slots=True)
class Finding:
    """One hop.  ``code`` is stable, for programs; the texts are Spanish, ``advice`` says what to do."""

    code: str
    title: str
    verdict: Verdict
    detail: str = ""
    advice: str = ""
