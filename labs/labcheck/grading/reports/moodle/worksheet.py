"""A worksheet filled in with a class's grades, and what was done."""

import html
import re
from dataclasses import dataclass, replace
from decimal import Decimal

from labcheck.checking.diagnosis import Verdict
from labcheck.grading.grade import Grade
from labcheck.grading.reports.files import ReportError
from labcheck.grading.reports.moodle.columns import Columns, Told, find_columns, read_number
from labcheck.grading.reports.moodle.headers import NO, normal
from labcheck.grading.reports.moodle.people import match
from labcheck.grading.reports.moodle.sheet import Row, Sheet, read_sheet
from labcheck.grading.reports.remarks import named, remarks, why_not
from labcheck.grading.reports.summary import ClassReport
from labcheck.grading.reports.text import clean, rounded

NAME_COLUMNS = 2  # Moodle's identifier and the full name come first: enough to know a row by
MAX_PLACES = 2
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Filled:
    """The worksheet, and what a person should know of it; rows and students are named as they can be found.

    `kept_comments` are of rows whose comment somebody else wrote: it is left as it is.
    """

    content: bytes
    written: int
    pending: tuple[str, ...]
    strangers: tuple[str, ...]
    doubtful: tuple[str, ...]
    missing: tuple[str, ...]
    locked: tuple[str, ...]
    kept_comments: tuple[str, ...]
    has_comments: bool


def fill(content: bytes, report: ClassReport, told: Told) -> Filled:
    """Return the worksheet with each student's grade, on the scale of its own maximum, and a comment.

    A pending grade leaves its cell as it is.

    Raises:
        ReportError: it is not a worksheet that can be filled in.
    """
    sheet = read_sheet(content)
    if not sheet.body:
        raise ReportError("no tiene ningún alumno.")
    columns = find_columns(sheet, told)
    comma = _has_decimal_comma(sheet, columns)
    matches = match(sheet, columns, report.grades)
    written = 0
    pending: list[str] = []
    locked: list[str] = []
    kept: list[str] = []
    for row, grade in matches.pairs:
        if columns.can_change is not None and normal(row.cells[columns.can_change].value) in NO:
            locked.append(_name_of(row))
            continue
        maximum = _maximum(row, columns)
        if grade.score is None:
            pending.append(_name_of(row))
        else:
            sheet.set(row, columns.grade, _mark(grade.score, maximum, comma=comma))
            written += 1
        scaled = replace(report, top=read_number(maximum) or report.top)
        if columns.comments is not None and not _comment(sheet, row, columns, scaled, grade):
            kept.append(_name_of(row))
    return Filled(
        sheet.as_bytes(),
        written,
        tuple(pending),
        strangers=tuple(map(_name_of, matches.strangers)),
        doubtful=tuple(map(_name_of, matches.doubtful)),
        missing=tuple(named(grade) for grade in matches.missing),
        locked=tuple(locked),
        kept_comments=tuple(kept),
        has_comments=columns.comments is not None,
    )


def comment(report: ClassReport, grade: Grade) -> str:
    """Return a student's comment in HTML, which is what Moodle keeps comments in, on one line.

    It has no quotes, nor anything else that a reader of CSV could take in another way.
    """
    lines = [html.escape(text) for text in remarks(grade, report.top)]
    for result in grade.results:
        title = html.escape(clean(result.title))
        if result.verdict is Verdict.FAILED and result.diagnosis is not None:
            told = result.diagnosis
            parts = (("Esperado", told.expected), ("Obtenido", told.got), ("Por qué", told.why))
            said = "".join(f"<br>{label}: {html.escape(clean(text))}" for label, text in parts if clean(text))
            lines.append(f"✗ {title}{said}<br>Pista: {html.escape(clean(told.hints[0]))}")
        elif result.verdict is Verdict.UNCHECKED:
            lines.append(
                f"? {title}: sin comprobar, y no le cuesta nada. {html.escape(why_not(result))}".strip()
            )
        elif result.verdict is Verdict.SKIPPED:
            lines.append(f"· {title}: omitida. {html.escape(why_not(result))}".strip())
    if not lines:
        lines.append("Todas las comprobaciones se aprobaron.")
    heading = f"<p><strong>{html.escape(_signature(report))}</strong></p>"
    # A backslash before a quote escapes it for PHP's reader, though not for anybody else's.
    return (heading + "".join(f"<p>{line}</p>" for line in lines)).replace("\\", "&#92;")


def _signature(report: ClassReport) -> str:
    """Return how our comments begin, so that they are known when they come back."""
    return f"Laboratorio {report.number}:"


def _comment(sheet: Sheet, row: Row, columns: Columns, report: ClassReport, grade: Grade) -> bool:
    """Write the comment, unless it would contradict the grade; say no where somebody else's is."""
    if columns.comments is None:
        return True
    present = clean(_TAG.sub("", row.cells[columns.comments].value))
    if present and not present.startswith(_signature(report)):
        return False
    graded_before = row.cells[columns.grade].value.strip() not in ("", "-")
    if grade.score is None and graded_before:
        return True
    sheet.set(row, columns.comments, comment(report, grade))
    return True


def _maximum(row: Row, columns: Columns) -> str:
    told = columns.told_maximum
    text = f"{told:f}" if told is not None or columns.maximum is None else row.cells[columns.maximum].value
    if not read_number(text):
        raise ReportError(
            f"en la línea {row.line} la calificación máxima es «{clean(text)}», y no un número. "
            "Si la tarea usa una escala, la nota se pone a mano."
        )
    return text.strip()


def _mark(score: Decimal, maximum: str, *, comma: bool) -> str:
    """Return a grade written as the sheet writes its maximum: ``17.60`` for one of ``20.00``."""
    places = len(re.split("[.,]", maximum)[1]) if re.search("[.,]", maximum) else 0
    mark = rounded(score * (read_number(maximum) or Decimal(0)), MAX_PLACES)
    text = f"{mark:f}".rstrip("0").rstrip(".") if mark % 1 else f"{mark:.0f}"
    decimals = len(text.partition(".")[2])
    text = f"{mark:.{max(places, decimals)}f}"
    return text.replace(".", ",") if comma else text


def _has_decimal_comma(sheet: Sheet, columns: Columns) -> bool:
    """Say whether the sheet's own numbers have one.

    Where none has decimals, a point: Moodle reads it in every language (``unformat_float`` in moodlelib.php),
    and a comma only in those that use it.
    """
    places = [columns.grade] if columns.maximum is None else [columns.maximum, columns.grade]
    return any("," in value for index in places for value in sheet.column(index) if read_number(value))


def _name_of(row: Row) -> str:
    named = " ".join(clean(cell.value) for cell in row.cells[:NAME_COLUMNS])
    return f"línea {row.line}: {named}"
