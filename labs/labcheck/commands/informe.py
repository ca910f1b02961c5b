"""``lab informe``: the grades of a class, in the forms in which somebody wants them."""

import argparse
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from labcheck.arguments import SpanishParser
from labcheck.catalog import CatalogError, find_lab
from labcheck.commands.common import ANSWER_IS_NO, DONE, ENVIRONMENT_FAILED, WRONG_USAGE
from labcheck.grading.grade import GradeError, load_all
from labcheck.grading.reports import terminal
from labcheck.grading.reports.feedback import feedback
from labcheck.grading.reports.files import ReportError, file_name, write
from labcheck.grading.reports.page import write_pages
from labcheck.grading.reports.summary import ClassReport
from labcheck.grading.reports.table import as_csv, grades_table
from labcheck.grading.reports.workbook import as_workbook
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]

# What asks for a report; without any of them the class's table goes to the terminal.
_FORMS = ("html", "csv", "xlsx", "markdown")


def add_to(verbs: "Verbs") -> None:
    parser = verbs.add_parser(
        "informe",
        help="muestra las calificaciones de un grupo, o hace con ellas informes",
        description="Lee las calificaciones de un grupo. Sin otra opción muestra la tabla en la terminal.",
    )
    parser.add_argument("--lab", metavar="NN", required=True, help="el número del laboratorio: 03")
    parser.add_argument(
        "--carpeta", metavar="CARPETA", required=True, type=Path,
        help="donde están las calificaciones, un archivo .json por alumno",
    )  # fmt: skip
    parser.add_argument(
        "--sobre", metavar="N", type=positive_number, default=Decimal(100),
        help="la nota de quien tiene todo bien (por omisión: 100)",
    )  # fmt: skip
    parser.add_argument(
        "--html", metavar="CARPETA", type=Path, help="páginas para quien enseña: abra su index.html"
    )
    parser.add_argument("--csv", metavar="ARCHIVO", type=Path, help="una fila por alumno, en CSV")
    parser.add_argument("--xlsx", metavar="ARCHIVO", type=Path, help="un libro de Excel con dos hojas")
    parser.add_argument(
        "--markdown", metavar="CARPETA", type=Path, help="lo que lee cada alumno: un archivo por alumno"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the reports asked for: 0 done, 1 there is nothing to report, 2 wrong usage, 3 a file failed."""
    console, complaints = Console(sys.stdout), Console(sys.stderr)
    if not options.carpeta.is_dir():
        complaints.failed(f"No hay una carpeta {options.carpeta}.")
        return WRONG_USAGE
    try:
        report = read_class(options, complaints)
        if report is None:
            complaints.failed(
                f"En {options.carpeta} no hay calificaciones del laboratorio {options.lab.zfill(2)}."
            )
            return ANSWER_IS_NO
        if all(getattr(options, form) is None for form in _FORMS):
            terminal.show(console, report)
            return DONE
        return make(options, report, console)
    except (GradeError, ReportError) as error:
        complaints.failed(str(error))
        return ENVIRONMENT_FAILED


def read_class(options: argparse.Namespace, complaints: Console) -> ClassReport | None:
    """Return the class that the options name, or None when there is nobody in it.

    Raises:
        GradeError: a grade cannot be read.
    """
    number = options.lab.zfill(2)
    found = load_all(options.carpeta)
    grades = tuple(grade for grade in found if grade.lab.zfill(2) == number)
    if others := len(found) - len(grades):
        complaints.say(f"En {options.carpeta} hay también {others} de otros laboratorios: no se cuentan.")
    try:
        title = find_lab(number).title
    except CatalogError:  # the grades may be read where the course is not
        title = ""
    return ClassReport(number, title, grades, options.sobre) if grades else None


def make(options: argparse.Namespace, report: ClassReport, console: Console) -> int:
    """Write each report asked for, and say where it is.

    Raises:
        ReportError: one cannot be made.
    """
    if options.html is not None:
        console.passed(f"Páginas: {write_pages(report, options.html)}")
    if options.csv is not None:
        write(options.csv, as_csv(grades_table(report)))
        console.passed(f"CSV: {options.csv}")
    if options.xlsx is not None:
        write(options.xlsx, as_workbook(report))
        console.passed(f"Excel: {options.xlsx}")
    if options.markdown is not None:
        for grade in report.grades:
            text = feedback(report, grade)
            write(options.markdown / f"{file_name(grade.student)}.md", text.encode())
        console.passed(f"Para los alumnos: {options.markdown} ({len(report.grades)} archivos)")
    return DONE


def positive_number(text: str) -> Decimal:
    """Read a number such as ``5`` or ``12,5``.

    Raises:
        argparse.ArgumentTypeError: it is not one, or not above zero.
    """
    try:
        value = Decimal(text.replace(",", "."))
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or not 0 < value <= 10_000:
        raise argparse.ArgumentTypeError(f"«{text}» no es un número mayor que cero")
    return value
