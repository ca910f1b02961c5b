"""A class: its grades, how often each check failed, and the commonest diagnoses."""

import enum
import statistics
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from labcheck.checking.diagnosis import Diagnosis, Verdict
from labcheck.grading.grade import Grade
from labcheck.grading.reports.text import number, rounded

COMMONEST = 3


class State(enum.Enum):
    """What a grade is; the value is its Spanish name."""

    GRADED = "calificado"
    BY_HAND = "fijado a mano"
    VOID = "anulado"
    PENDING = "pendiente"


def state_of(grade: Grade) -> State:
    if grade.override is not None:
        return State.BY_HAND
    if grade.is_void:
        return State.VOID
    return State.PENDING if grade.is_pending else State.GRADED


@dataclass(frozen=True, slots=True)
class CheckRate:
    """How one check went over the class, in students."""

    name: str
    title: str
    points: int
    passed: int
    failed: int
    skipped: int
    unchecked: int

    @property
    def failure_rate(self) -> Decimal | None:
        """The part that failed of those of whom it is known, 0 to 1; None when it is known of nobody."""
        known = self.passed + self.failed
        return Decimal(self.failed) / known if known else None


@dataclass(frozen=True, slots=True)
class CommonDiagnosis:
    """A diagnosis, the check that gave it, one student's case of it, and whose it is."""

    check: str
    title: str
    example: Diagnosis
    grades: tuple[Grade, ...]


@dataclass(frozen=True, slots=True)
class ClassReport:
    """The grades of one lab, by the students' codes; `top` is the grade of who has everything right."""

    number: str
    title: str
    grades: tuple[Grade, ...]
    top: Decimal = Decimal(100)

    @property
    def heading(self) -> str:
        return f"Laboratorio {self.number}: {self.title}" if self.title else f"Laboratorio {self.number}"

    def in_state(self, state: State) -> tuple[Grade, ...]:
        return tuple(grade for grade in self.grades if state_of(grade) is state)

    def mark(self, grade: Grade) -> Decimal | None:
        """Return a grade on this class's scale, in hundredths; None while it is pending."""
        return None if grade.score is None else rounded(grade.score * self.top)

    def mark_text(self, grade: Grade) -> str:
        mark = self.mark(grade)
        return "" if mark is None else number(mark)

    @property
    def points(self) -> Decimal:
        """The points of the lab's checks, from the fullest grade: one set by hand may have no check."""
        return Decimal(max((grade.points for grade in self.grades), default=0)) or self.top

    @property
    def marks(self) -> tuple[Decimal, ...]:
        """Every grade that there is; the pending ones are not among them."""
        return tuple(mark for grade in self.grades if (mark := self.mark(grade)) is not None)

    @property
    def mean(self) -> Decimal | None:
        return rounded(statistics.mean(self.marks)) if self.marks else None

    @property
    def median(self) -> Decimal | None:
        return rounded(statistics.median(self.marks)) if self.marks else None

    def check_rates(self) -> tuple[CheckRate, ...]:
        """Return each check's rate, in the checks' own order: that of the fullest grade, then any others."""
        known: dict[str, tuple[str, int]] = {}
        verdicts: dict[str, Counter[Verdict]] = {}
        for grade in sorted(self.grades, key=lambda grade: -len(grade.results)):
            for result in grade.results:
                known.setdefault(result.name, (result.title, result.points))
                verdicts.setdefault(result.name, Counter())[result.verdict] += 1
        return tuple(
            CheckRate(
                name,
                title,
                points,
                passed=verdicts[name][Verdict.PASSED],
                failed=verdicts[name][Verdict.FAILED],
                skipped=verdicts[name][Verdict.SKIPPED],
                unchecked=verdicts[name][Verdict.UNCHECKED],
            )
            for name, (title, points) in known.items()
        )

    def commonest_diagnoses(self, count: int = COMMONEST) -> tuple[CommonDiagnosis, ...]:
        """Return the diagnoses that most students had, the commonest first, ties by check and code."""
        cases: dict[tuple[str, str], list[tuple[Grade, str, Diagnosis]]] = {}
        for grade in self.grades:
            for result in grade.results:
                if result.verdict is Verdict.FAILED and result.diagnosis is not None:
                    case = (grade, result.title, result.diagnosis)
                    cases.setdefault((result.name, result.diagnosis.code), []).append(case)
        ranked = sorted(cases.items(), key=lambda item: (-len(item[1]), item[0]))
        return tuple(
            CommonDiagnosis(check, found[0][1], found[0][2], tuple(grade for grade, _, _ in found))
            for (check, _), found in ranked[:count]
        )
