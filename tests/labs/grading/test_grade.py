"""A grade: what counts, what does not, and that its file gives it back whole."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from labcheck.checking.diagnosis import CheckResult, Diagnosis, Verdict
from labcheck.grading.grade import Finding, Grade, GradeError, Override, Student, load, load_all, save

DIAGNOSIS = Diagnosis("another-app", "la tarea", "otra", "es de otra persona", ("mire", "mire mejor"))
PASSED = CheckResult("answers", "Responde", 3, Verdict.PASSED)
FAILED = CheckResult("passes", "Pasa", 1, Verdict.FAILED, DIAGNOSIS)
UNCHECKED = CheckResult("cut", "Se corta", 4, Verdict.UNCHECKED, reason="sin red", advice="repita")
GRADE = Grade(Student("2026-07", "Ana Ñáñez"), "03", "ssh", (PASSED, FAILED, UNCHECKED))
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def test_what_could_not_be_checked_counts_neither_for_nor_against() -> None:
    assert (GRADE.earned, GRADE.points, GRADE.score) == (3, 8, Decimal("0.75"))


def test_a_late_penalty_is_taken_off_the_score_and_not_off_the_points() -> None:
    late = replace(GRADE, penalty=Decimal("0.1"))
    assert (late.earned, late.score) == (3, Decimal("0.68"))


@pytest.mark.parametrize(
    "grade",
    [
        replace(GRADE, results=(UNCHECKED,)),
        replace(GRADE, fault="No se pudo entrar a su máquina."),
        replace(GRADE, results=(), fault="Nadie respondió."),
    ],
)
def test_the_environments_fault_leaves_a_grade_pending_and_is_no_zero(grade: Grade) -> None:
    assert grade.is_pending
    assert grade.score is None


def test_a_void_grade_is_zero_until_somebody_sets_it_by_hand() -> None:
    copied = replace(GRADE, findings=(Finding("copied", "Es la de otra persona.", voids=True),))
    assert copied.score == Decimal(0)
    override = Override(Decimal("0.9"), "Mostró que era suya", "profe", NOW)
    assert copied.overridden(override).score == Decimal("0.9")


def test_a_grades_file_gives_it_back_whole(tmp_path: Path) -> None:
    grade = replace(
        GRADE,
        handed_in_at=NOW,
        graded_at=NOW,
        penalty=Decimal("0.05"),
        findings=(Finding("late", "Tarde."),),
        override=Override(Decimal("0.8"), "Enfermó", "profe", NOW),
    )
    path = save(grade, tmp_path / "03")
    assert load(path) == grade
    assert load_all(path.parent) == [grade]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{}", '{"version": 2}', '{"version": 1, "student": 3}', "[]"])
def test_a_damaged_file_is_named_in_the_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GradeError, match=r"a\.json"):
        load(path)
