"""The class as rows of named columns, and as CSV."""

import csv
import io
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal

from labcheck.grading.grade import Grade
from labcheck.grading.reports.remarks import pending_reason, remarks
from labcheck.grading.reports.summary import ClassReport, state_of
from labcheck.grading.reports.text import clean

Cell = str | int | Decimal | None

# A spreadsheet takes a cell that begins so for a formula, and runs it (OWASP, "CSV Injection"). The last four
# are the wide forms of the first ones, which some Excels read as them.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
UTF8_WITH_BOM = "utf-8-sig"  # without the mark, Excel reads UTF-8 as the country's old encoding


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns. Text is as it was told: each form of the table makes it safe."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def grades_table(report: ClassReport) -> Table:
    """Return one row a student; what is not known is None, and so is a pending grade."""
    return Table(
        (
            "código", "nombre", "correo", "laboratorio", "estado", "nota", "nota máxima", "puntos",
            "puntos posibles", "puntos sin comprobar", "descuento", "entrega (UTC)", "pistas",
            "usó la solución", "motivo", "observaciones",
        ),
        tuple(_grade_row(report, grade) for grade in report.grades),
    )  # fmt: skip


def _grade_row(report: ClassReport, grade: Grade) -> tuple[Cell, ...]:
    student = grade.student
    handed_in = grade.handed_in_at
    override = grade.override
    return (
        clean(student.code),
        clean(student.name),
        clean(student.email),
        grade.lab,
        state_of(grade).value,
        report.mark(grade),
        report.top,
        None if grade.is_pending or not grade.results else grade.earned,
        grade.points,
        grade.unchecked_points,
        grade.penalty,
        None if handed_in is None else f"{handed_in.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        grade.hints_taken,
        "sí" if grade.used_solution else "no",
        clean(override.reason) if override is not None else pending_reason(grade),
        " ".join(remarks(grade, report.top)),
    )


def checks_table(report: ClassReport) -> Table:
    """Return one row for each check of each student."""
    return Table(
        (
            "código", "nombre", "comprobación", "título", "resultado", "puntos", "puntos posibles",
            "diagnóstico", "obtenido", "por qué",
        ),
        tuple(
            (
                clean(grade.student.code),
                clean(grade.student.name),
                result.name,
                clean(result.title),
                result.verdict.value,
                result.earned,
                result.points,
                result.diagnosis.code if result.diagnosis else None,
                clean(result.diagnosis.got) if result.diagnosis else None,
                clean(result.diagnosis.why if result.diagnosis else result.reason) or None,
            )
            for grade in report.grades
            for result in grade.results
        ),
    )  # fmt: skip


def as_csv(table: Table) -> bytes:
    """Return a table as CSV (RFC 4180) with decimal points, in UTF-8 with its mark."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table.columns)
    writer.writerows([csv_cell(cell) for cell in row] for row in table.rows)
    return text.getvalue().encode(UTF8_WITH_BOM)


def csv_cell(cell: Cell) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell
    return f"{cell:f}" if isinstance(cell, Decimal) else str(cell)
