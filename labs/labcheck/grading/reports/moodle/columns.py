"""Which column of a worksheet is which: by its name, by the sheet's structure, or as told."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from labcheck.grading.reports.files import ReportError
from labcheck.grading.reports.moodle.headers import KNOWN, Column, normal
from labcheck.grading.reports.moodle.sheet import Sheet
from labcheck.grading.reports.text import clean

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")


@dataclass(frozen=True, slots=True)
class Told:
    """What a person says about the columns: each is a header or a number from 1, empty when not said."""

    grade: str = ""
    comments: str = ""
    student: str = ""
    maximum: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns are, from 0; None for what the sheet does not have.

    `students` are those that say whose a row is. `told_maximum` is for a sheet without that column.
    """

    grade: int
    students: tuple[int, ...]
    maximum: int | None = None
    comments: int | None = None
    can_change: int | None = None
    told_maximum: Decimal | None = None


def find_columns(sheet: Sheet, told: Told) -> Columns:
    """Return where the columns are.

    Raises:
        ReportError: one that is needed cannot be found, or could be either of two; the text says which
            option tells it.
    """
    by_name = _by_name(sheet)
    if Column.SCALE in by_name and Column.MAXIMUM not in by_name and not told.grade:
        raise ReportError("califica con una escala y no con un número: póngala a mano, o cambie la tarea.")
    maximum = by_name.get(Column.MAXIMUM)
    if told.grade:
        grade = _told(sheet, told.grade, "--columna-nota")
    elif (named := by_name.get(Column.GRADE)) is not None:
        grade = named
    else:
        grade, maximum = _by_structure(sheet)
    if maximum is None:
        maximum = _after(sheet, grade)
    if maximum is None and told.maximum is None:
        raise ReportError("no tiene una columna con la calificación máxima: dígala con --nota-maxima.")
    comments = by_name.get(Column.COMMENTS)
    if told.comments:
        comments = _told(sheet, told.comments, "--columna-comentarios")
    students = _students(sheet, by_name, told)
    if grade in (comments, maximum, *students):
        raise ReportError("la columna de la nota no puede ser también otra: revise las opciones --columna-….")
    if comments is not None and comments in students:
        raise ReportError("la columna de los comentarios no puede ser la del alumno.")
    return Columns(grade, students, maximum, comments, by_name.get(Column.CAN_CHANGE), told.maximum)


def read_number(text: str) -> Decimal | None:
    """Return a number with a decimal point or comma, or None."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text.replace(",", "."))
    except InvalidOperation:
        return None


def _by_name(sheet: Sheet) -> dict[Column, int]:
    found: dict[Column, int] = {}
    for index, header in enumerate(sheet.headers):
        column = KNOWN.get(normal(header))
        # Twice the same name happens: a submission's plugin may be called as a column is. The first is
        # Moodle's own, but for the comments, which Moodle puts last.
        if column is not None and (column not in found or column is Column.COMMENTS):
            found[column] = index
    return found


def _told(sheet: Sheet, said: str, option: str) -> int:
    named = [index for index, header in enumerate(sheet.headers) if normal(header) == normal(said)]
    if len(named) == 1:
        return named[0]
    if not named and said.isascii() and said.isdigit() and 1 <= int(said) <= len(sheet.headers):
        return int(said) - 1
    headers = ", ".join(f"{number} «{clean(header)}»" for number, header in enumerate(sheet.headers, 1))
    raise ReportError(f"no tiene una columna «{said}» ({option}). Tiene: {headers}.")


def _is_maximum(sheet: Sheet, index: int) -> bool:
    values = set(sheet.column(index))
    number = read_number(next(iter(values))) if len(values) == 1 else None
    return number is not None and number > 0


def _after(sheet: Sheet, grade: int) -> int | None:
    after = grade + 1
    return after if after < len(sheet.headers) and _is_maximum(sheet, after) else None


def _by_structure(sheet: Sheet) -> tuple[int, int]:
    """Find a column that says the same number in every row, after one that is empty or within it.

    In every language Moodle writes the grade and then its maximum (mod/assign/gradingtable.php).
    """
    pairs = [
        (index - 1, index)
        for index in range(1, len(sheet.headers))
        if _is_maximum(sheet, index) and _is_grades(sheet, index - 1, index)
    ]
    if len(pairs) != 1:
        raise ReportError(
            "tiene los encabezados en un idioma que no se conoce, y no se ve cuál columna es la nota: "
            "dígala con --columna-nota, por su encabezado o su número."
        )
    return pairs[0]


def _is_grades(sheet: Sheet, index: int, maximum: int) -> bool:
    top = read_number(sheet.column(maximum)[0]) or Decimal(0)
    values = [value.strip() for value in sheet.column(index)]
    numbers = [read_number(value) for value in values if value not in ("", "-")]
    return all(number is not None and number <= top for number in numbers)


def _students(sheet: Sheet, by_name: dict[Column, int], told: Told) -> tuple[int, ...]:
    if told.student:
        return (_told(sheet, told.student, "--columna-alumno"),)
    named = [by_name[one] for one in (Column.EMAIL, Column.ID_NUMBER, Column.USERNAME) if one in by_name]
    if named:
        return tuple(named)
    emails = [
        index
        for index in range(len(sheet.headers))
        if any(values := [value.strip() for value in sheet.column(index)])
        and all(_EMAIL.fullmatch(value) for value in values if value)
    ]
    if len(emails) == 1:
        return (emails[0],)
    raise ReportError(
        "no tiene una columna con el correo ni con el código de los alumnos: diga cuál es con "
        "--columna-alumno. Si no la hay, en Moodle se agrega con «Mostrar identidad de usuario»."
    )
