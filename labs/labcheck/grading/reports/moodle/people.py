"""Whose each row of a worksheet is."""

from collections import Counter
from dataclasses import dataclass

from labcheck.grading.grade import Grade
from labcheck.grading.reports.moodle.columns import Columns
from labcheck.grading.reports.moodle.sheet import Row, Sheet
from labcheck.grading.reports.text import clean


@dataclass(frozen=True, slots=True)
class Matches:
    """Rows with their grades, rows that are of nobody here, and grades that have no row.

    `doubtful` rows could be of several, or several rows of one: none of them is filled in.
    """

    pairs: tuple[tuple[Row, Grade], ...]
    strangers: tuple[Row, ...]
    doubtful: tuple[Row, ...]
    missing: tuple[Grade, ...]


def match(sheet: Sheet, columns: Columns, grades: tuple[Grade, ...]) -> Matches:
    """Pair rows and grades by e-mail or by code, never by name: two people may share one."""
    by_key: dict[str, list[Grade]] = {}
    for grade in grades:
        for key in {_key(grade.student.email), _key(grade.student.code)} - {""}:
            by_key.setdefault(key, []).append(grade)
    candidates: list[tuple[Row, list[Grade]]] = []
    for row in sheet.body:
        keys = {_key(row.cells[index].value) for index in columns.students} - {""}
        found = {grade.student.code: grade for key in keys for grade in by_key.get(key, ())}
        candidates.append((row, list(found.values())))
    rows_of = Counter(found[0].student.code for _, found in candidates if len(found) == 1)
    pairs = tuple(
        (row, found[0])
        for row, found in candidates
        if len(found) == 1 and rows_of[found[0].student.code] == 1
    )
    paired = {grade.student.code for _, grade in pairs}
    return Matches(
        pairs,
        strangers=tuple(row for row, found in candidates if not found),
        doubtful=tuple(
            row
            for row, found in candidates
            if len(found) > 1 or (len(found) == 1 and rows_of[found[0].student.code] > 1)
        ),
        missing=tuple(grade for grade in grades if grade.student.code not in paired),
    )


def _key(text: str) -> str:
    return clean(text).casefold()
