"""Who is due in a run, and what a folder of grades keeps between runs."""

import stat
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from labcheck.catalog import find_lab
from labcheck.checking.diagnosis import CheckResult, Verdict
from labcheck.grading.batch import SEED_FILE, Batch, Plan, seed_of
from labcheck.grading.grade import Finding, Grade, GradeError, Override, Student, save
from labcheck.grading.worker import INCOMPLETE
from labcheck.modes import Mode

STUDENT = Student("a1", host="local://")
WHOLE = Grade(STUDENT, "03", "ssh", (CheckResult("uno", "Uno", 1, Verdict.PASSED),))
PENDING = Grade(STUDENT, "03", "ssh", fault="No contesta.")
PARTLY = replace(WHOLE, findings=(Finding(INCOMPLETE, "…"),))
BY_HAND = PENDING.overridden(Override(Decimal(1), "porque sí", "ella", datetime.now(UTC)))


@pytest.mark.parametrize(
    ("before", "again", "is_due"),
    [
        (None, False, True),
        (WHOLE, False, False),
        (WHOLE, True, True),
        (PENDING, False, True),
        (PARTLY, False, True),
        (BY_HAND, False, False),
    ],
    ids=["missing", "whole", "asked again", "pending", "incomplete", "by hand"],
)
def test_a_run_grades_who_has_no_whole_grade_or_everybody_if_asked(before, again, is_due, tmp_path):
    if before is not None:
        save(before, tmp_path)
    batch = Batch(Plan(find_lab("03"), Mode.LOCAL, tmp_path, again=again))
    assert batch.due([STUDENT]) == ([STUDENT] if is_due else [])


def test_a_folder_has_one_seed_of_its_own_that_nobody_else_may_read(tmp_path):
    seed = seed_of(tmp_path / "uno")
    assert seed_of(tmp_path / "uno") == seed != seed_of(tmp_path / "otro")
    assert stat.S_IMODE((tmp_path / "uno" / SEED_FILE).stat().st_mode) == 0o600


def test_a_spoilt_seed_is_refused_and_named(tmp_path):
    (tmp_path / SEED_FILE).write_text("")
    with pytest.raises(GradeError, match=SEED_FILE):
        seed_of(tmp_path)


def test_a_student_without_a_machine_is_pending_and_not_zero(tmp_path):
    grades: list[Grade] = []
    Batch(Plan(find_lab("03"), Mode.LOCAL, tmp_path)).run([Student("a2")], grades.append)
    assert [one.score for one in grades] == [None]
    assert grades[0].is_pending
    assert "maquina" in grades[0].fault
