"""What a late grade loses, and when a day of delay begins."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from labcheck.grading.grade import Finding, Grade, Student
from labcheck.grading.lateness import Due, moment

AT = datetime(2026, 3, 20, 18, tzinfo=UTC)
DUE = Due(AT, Decimal("0.1"))


def handed_in(after: timedelta, *findings: Finding) -> Grade:
    return Grade(Student("a1"), "03", "entrega", handed_in_at=AT + after, findings=findings)


@pytest.mark.parametrize(
    ("after", "penalty"),
    [
        (timedelta(days=-1), "0"),
        (timedelta(0), "0"),
        (timedelta(seconds=1), "0.1"),
        (timedelta(days=1), "0.1"),
        (timedelta(days=1, seconds=1), "0.2"),
        (timedelta(days=40), "1"),
    ],
)
def test_each_day_begun_takes_its_part_and_never_more_than_everything(after, penalty):
    late = DUE.applied(handed_in(after))
    assert late.penalty == Decimal(penalty)
    assert bool(late.findings) == (penalty != "0")
    assert not late.is_void


def test_a_new_end_takes_the_place_of_the_old_one_and_leaves_other_findings():
    other = Finding("copied", "…")
    late = DUE.applied(DUE.applied(handed_in(timedelta(hours=1), other)))
    assert [finding.code for finding in late.findings] == ["copied", "late"]
    forgiven = Due(AT + timedelta(days=1), Decimal("0.1")).applied(late)
    assert (forgiven.penalty, forgiven.findings) == (0, (other,))


def test_a_grade_that_was_never_handed_in_is_not_late():
    assert DUE.applied(Grade(Student("a1"), "03", "ssh")).penalty == 0


def test_a_date_alone_lasts_until_its_end_and_a_beginning_starts_with_it():
    assert moment("2026-03-20", end_of_day=True).strftime("%H:%M:%S") == "23:59:59"
    assert moment("2026-03-20", end_of_day=False).strftime("%H:%M:%S") == "00:00:00"
    assert moment("2026-03-20T18:00+00:00", end_of_day=True) == AT
    assert moment("2026-03-20", end_of_day=True).tzinfo is not None
