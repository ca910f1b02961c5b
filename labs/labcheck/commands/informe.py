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
from labcheck.grading.reports.moodle.columns import Told
from labcheck.grading.reports.moodle.worksheet import fill
from labcheck.grading.reports.page import write_pages
from labcheck.grading.reports.platforms.export import write_results
from labcheck.grading.reports.platforms.gradescope import gradescope_results
from labcheck.grading.reports.platforms.prairielearn import prairielearn_results
from labcheck.grading.reports.remarks import named
from labcheck.grading.reports.summary import ClassReport
from labcheck.grading.reports.table import as_csv, grades_table
from labcheck.grading.reports.text import counted
from labcheck.grading.reports.workbook import as_workbook
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]

# What asks for a report; without any of them the class's table goes to the terminal.
_FORMS = ("html", "csv", "xlsx", "markdown", "gradescope", "prairielearn", "moodle")


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
    parser.add_argument(
        "--gradescope", metavar="CARPETA", type=Path, help="un results.json de Gradescope por alumno"
    )
    parser.add_argument(
        "--prairielearn", metavar="CARPETA", type=Path, help="un results.json de PrairieLearn por alumno"
    )
    moodle = parser.add_argument_group("Moodle")
    moodle.add_argument(
        "--moodle", metavar="HOJA", type=Path, help="llena la hoja de calificaciones que Moodle exportó"
    )
    moodle.add_argument("--salida", metavar="ARCHIVO", type=Path, help="donde queda la hoja de Moodle llena")
    moodle.add_argument("--columna-nota", metavar="C", default="", help="su encabezado, o su número desde 1")
    moodle.add_argument("--columna-comentarios", metavar="C", default="", help="la de los comentarios")
    moodle.add_argument("--columna-alumno", metavar="C", default="", help="la del correo o el código")
    moodle.add_argument(
        "--nota-maxima", metavar="N", type=positive_number, help="si la hoja no dice la calificación máxima"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the reports asked for: 0 done, 1 there is nothing to report, 2 wrong usage, 3 a file failed."""
    console, complaints = Console(sys.stdout), Console(sys.stderr)
    if not options.carpeta.is_dir():
        complaints.failed(f"No hay una carpeta {options.carpeta}.")
        return WRONG_USAGE
    if wrong := wrong_moodle(options):
        complaints.failed(wrong)
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
        return make(options, report, console, complaints)
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


def make(options: argparse.Namespace, report: ClassReport, console: Console, complaints: Console) -> int:
    """Write each report asked for, and say where it is; 1 when somebody's grade found no place.

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
        written = counted(len(report.grades), "archivo", "archivos")
        console.passed(f"Para los alumnos: {options.markdown} ({written})")
    for name, folder, results in (
        ("Gradescope", options.gradescope, gradescope_results),
        ("PrairieLearn", options.prairielearn, prairielearn_results),
    ):
        if folder is not None:
            without = write_results(report, folder, results)
            written = counted(len(report.grades) - len(without), "archivo", "archivos")
            console.passed(f"{name}: {folder} ({written})")
            tell(complaints, f"Pendientes, sin archivo para {name}", tuple(map(named, without)))
    if options.moodle is not None:
        return fill_moodle(options, report, console, complaints)
    return DONE


def wrong_moodle(options: argparse.Namespace) -> str:
    """Return what is wrong with the options about Moodle, or nothing."""
    of_moodle = (
        options.salida,
        options.columna_nota,
        options.columna_comentarios,
        options.columna_alumno,
        options.nota_maxima,
    )
    if options.moodle is None:
        return "--salida, --columna-… y --nota-maxima van con --moodle." if any(of_moodle) else ""
    if options.salida is None:
        return "A --moodle le falta --salida: la hoja llena queda en otro archivo."
    if options.salida.exists() and options.moodle.exists() and options.salida.samefile(options.moodle):
        return "--salida no puede ser la hoja que Moodle exportó: dé otro nombre."
    return ""


def fill_moodle(
    options: argparse.Namespace, report: ClassReport, console: Console, complaints: Console
) -> int:
    """Write the worksheet and say whom it lacks; 1 when somebody who was graded is not in it.

    Raises:
        ReportError: it cannot be read, understood or written.
    """
    told = Told(
        options.columna_nota, options.columna_comentarios, options.columna_alumno, options.nota_maxima
    )
    try:
        content = options.moodle.read_bytes()
    except OSError as error:
        raise ReportError(f"No se pudo leer {options.moodle}: {error.strerror}.") from error
    try:
        filled = fill(content, report, told)
    except ReportError as error:
        raise ReportError(f"{options.moodle}: {error}") from error
    write(options.salida, filled.content)
    console.passed(f"Moodle: {options.salida} ({counted(filled.written, 'nota', 'notas')})")
    if not filled.has_comments:
        complaints.say("La hoja no tiene columna de comentarios: solo se pusieron las notas.")
    for names, said in (
        (filled.pending, "Pendientes, sin nota en la hoja"),
        (filled.locked, "Moodle no deja cambiar su nota: quedaron como estaban"),
        (filled.kept_comments, "Tenían un comentario de otra persona: se conservó"),
        (filled.doubtful, "No se sabe de quién son estas filas: quedaron como estaban"),
        (filled.strangers, "En la hoja y sin calificación en la carpeta"),
        (filled.missing, "Calificados que no están en la hoja"),
    ):
        tell(complaints, said, names)
    return ANSWER_IS_NO if filled.missing or filled.doubtful else DONE


def tell(complaints: Console, said: str, names: tuple[str, ...]) -> None:
    """Say whom something happened to, when it did to anybody."""
    if names:
        complaints.say(f"{said} ({len(names)}):")
        for name in names:
            complaints.say(f"  {name}")


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
