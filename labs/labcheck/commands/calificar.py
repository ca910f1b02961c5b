"""``lab calificar``: a whole class, each student on their own machine or by their hand-in."""

import argparse
import getpass
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from labcheck.arguments import SpanishParser, http_address
from labcheck.catalog import CatalogError, Lab, find_lab
from labcheck.commands.common import ANSWER_IS_NO, DONE, ENVIRONMENT_FAILED, WRONG_USAGE
from labcheck.grading.batch import LIMIT_S, Batch, Plan, earlier_grade, progress_bar
from labcheck.grading.grade import Grade, GradeError, Override, Student, save
from labcheck.grading.lateness import Due, moment
from labcheck.grading.reports import terminal
from labcheck.grading.reports.summary import ClassReport
from labcheck.grading.roster import RosterError, read_roster
from labcheck.grading.seal import MASTER_FILE, SealError, read_master
from labcheck.grading.verify import SOURCE, terms_of, verify_folder
from labcheck.interruptions import Interruptions
from labcheck.modes import MODES, Mode
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]

FOLDER = Path("calificaciones")
MAX_PARALLEL = 64


def add_to(verbs: "Verbs") -> None:
    parser = verbs.add_parser(
        "calificar",
        help="califica a un grupo: en sus máquinas, o por sus entregas",
        description="Califica a cada alumno de la lista, guarda cada calificación en un archivo y muestra la "
        "tabla. Si se interrumpe, o si algo quedó pendiente, la misma orden sigue donde iba. Una máquina que "
        "no responde deja pendiente a su alumno, sin cero, y no detiene a los demás.",
    )
    parser.add_argument(
        "--lista", metavar="ARCHIVO", type=Path, required=True,
        help="la lista, en CSV: codigo,nombre,correo,maquina,remoto",
    )  # fmt: skip
    parser.add_argument("--lab", metavar="NN", required=True, help="el número del laboratorio: 03")
    parser.add_argument(
        "--carpeta", metavar="CARPETA", type=Path,
        help="donde quedan las calificaciones (por omisión: calificaciones/NN)",
    )  # fmt: skip
    _add_machines(parser)
    _add_hand_ins(parser)
    _add_terms(parser)
    _add_override(parser)
    parser.set_defaults(run=run)


def _add_machines(parser: SpanishParser) -> None:
    group = parser.add_argument_group("en las máquinas de los alumnos")
    group.add_argument(
        "--modo", choices=MODES, default=Mode.LOCAL.value,
        help="dónde hizo cada uno el laboratorio, visto desde su máquina (por omisión: local)",
    )  # fmt: skip
    group.add_argument(
        "--local", metavar="URL", type=http_address,
        help="la aplicación en cada máquina (por omisión: http://localhost:5000)",
    )  # fmt: skip
    group.add_argument(
        "--paralelo", metavar="N", type=_parallel, default=8, help="cuántos a la vez (por omisión: 8)"
    )
    group.add_argument(
        "--limite", metavar="S", type=_seconds, default=LIMIT_S,
        help=f"segundos por alumno; después queda pendiente (por omisión: {LIMIT_S:g})",
    )  # fmt: skip
    group.add_argument(
        "--ssh-config", metavar="ARCHIVO", type=Path, help="la configuración de ssh, en vez de la suya"
    )
    group.add_argument(
        "--otra-vez", action="store_true",
        help="califica también a quien ya tiene nota; conserva cuándo entregó y lo puesto a mano",
    )  # fmt: skip


def _add_hand_ins(parser: SpanishParser) -> None:
    group = parser.add_argument_group("por sus entregas, en vez de entrar a las máquinas")
    group.add_argument(
        "--entregas", metavar="CARPETA", type=Path, help="los archivos que hizo «lab entregar»"
    )
    group.add_argument(
        "--secreto", metavar="ARCHIVO", type=Path, default=Path("claves") / MASTER_FILE,
        help=f"el secreto del curso, que hizo «lab claves» (por omisión: claves/{MASTER_FILE})",
    )  # fmt: skip
    group.add_argument(
        "--desde", metavar="FECHA", type=_opening,
        help="cuándo se encargó: lo que se hizo antes no vale",
    )  # fmt: skip


def _add_terms(parser: SpanishParser) -> None:
    group = parser.add_argument_group("plazo")
    group.add_argument(
        "--vence", metavar="FECHA", type=_deadline,
        help="hasta cuándo se entrega: 2026-03-20, o 2026-03-20T18:00",
    )  # fmt: skip
    group.add_argument(
        "--por-dia-tarde", metavar="PARTE", type=_share, default=Decimal("0.1"),
        help="la parte de la nota que quita cada día de retraso empezado (por omisión: 0.1)",
    )  # fmt: skip


def _add_override(parser: SpanishParser) -> None:
    group = parser.add_argument_group("a mano")
    group.add_argument("--ajustar", metavar="CODIGO", help="pone a mano la nota de un alumno, y nada más")
    group.add_argument("--nota", metavar="PARTE", type=_share, help="la nota, de 0 a 1")
    group.add_argument("--razon", metavar="TEXTO", help="por qué")


def run(options: argparse.Namespace) -> int:
    """Grade: 0 the class was graded, 1 nobody could be, 2 wrong usage, 3 something of ours failed."""
    console, complaints = Console(sys.stdout), Console(sys.stderr)
    if (mistake := _wrong_usage(options)) is not None:
        complaints.failed(mistake)
        return WRONG_USAGE
    try:
        lab = find_lab(options.lab)
        students = read_roster(options.lista)
    except (CatalogError, RosterError) as error:
        complaints.failed(str(error))
        return WRONG_USAGE
    folder: Path = options.carpeta or FOLDER / lab.number
    try:
        if options.ajustar is not None:
            return _override(options, lab, students, folder, console, complaints)
        if options.entregas is not None:
            _grade_hand_ins(options, lab, students, folder, complaints)
        else:
            _grade_machines(options, lab, students, folder)
        return _summary(options, lab, students, folder, console)
    except (GradeError, SealError) as error:
        complaints.failed(str(error))
        return ENVIRONMENT_FAILED


def _wrong_usage(options: argparse.Namespace) -> str | None:
    if options.ajustar is None and (options.nota is not None or options.razon is not None):
        return "--nota y --razon van con --ajustar CODIGO."
    if options.ajustar is not None and (options.nota is None or not (options.razon or "").strip()):
        return "--ajustar necesita la nota y la razón: --nota 0.8 --razon «…»"
    if options.ssh_config is not None and not options.ssh_config.is_file():
        return f"No hay un archivo {options.ssh_config}."
    if options.entregas is not None and not options.entregas.is_dir():
        return f"No hay una carpeta {options.entregas}."
    return None


def _grade_hand_ins(
    options: argparse.Namespace, lab: Lab, students: tuple[Student, ...], folder: Path, complaints: Console
) -> None:
    """Grade every hand-in again: it takes seconds, and a new one may show that an old one is a copy."""
    terms = terms_of(lab, read_master(options.secreto), options.desde)
    verified = verify_folder(options.entregas, students, terms)
    for complaint in verified.complaints:
        complaints.failed(complaint)
    for grade in verified.grades:
        before = earlier_grade(folder, grade.student)
        save(replace(grade, override=before.override if before else None), folder)
    handed_in = {grade.student.code for grade in verified.grades}
    for student in students:
        if student.code not in handed_in and earlier_grade(folder, student) is None:
            save(Grade(student, lab.number, SOURCE, fault="No hay una entrega suya."), folder)


def _grade_machines(
    options: argparse.Namespace, lab: Lab, students: tuple[Student, ...], folder: Path
) -> None:
    """Grade whoever is due on their machines, and tell of each on stderr."""
    watcher = Console(sys.stderr)
    plan = Plan(
        lab, Mode(options.modo), folder, options.paralelo, options.limite, options.local or "",
        options.ssh_config, options.otra_vez,
    )  # fmt: skip
    batch = Batch(plan)
    due = batch.due(students)
    if len(due) < len(students):
        watcher.say(f"{len(students) - len(due)} ya tienen calificación. Para repetirla: --otra-vez")
    done = 0

    def tell(grade: Grade) -> None:
        nonlocal done
        done += 1
        watcher.say(f"{done} de {len(due)}  {_in_short(grade)}")
        watcher.pending(progress_bar(done, len(due)))

    watcher.pending(progress_bar(0, len(due)))
    with Interruptions():
        batch.run(due, tell)


def _in_short(grade: Grade) -> str:
    if grade.is_pending:
        return f"{grade.student.code}: pendiente. {grade.fault}".rstrip()
    score = f"{grade.score}" if grade.override is None else f"{grade.score}, puesta a mano"
    return f"{grade.student.code}: {score} ({grade.earned} de {grade.points} puntos)"


def _summary(
    options: argparse.Namespace, lab: Lab, students: tuple[Student, ...], folder: Path, console: Console
) -> int:
    """Apply the terms, show the table, and return the exit code."""
    grades = []
    for student in students:
        grade = earlier_grade(folder, student)
        if grade is None:
            continue
        if options.vence is not None:
            timely = Due(options.vence, options.por_dia_tarde).applied(grade)
            if timely != grade:
                save(timely, folder)
            grade = timely
        grades.append(grade)
    terminal.show(console, ClassReport(lab.number, lab.title, tuple(grades), Decimal(100)))
    console.say(
        f"\nQuedó en {folder}. Para hacer informes: lab informe --lab {lab.number} --carpeta {folder}"
    )
    return ANSWER_IS_NO if all(grade.is_pending for grade in grades) else DONE


def _override(
    options: argparse.Namespace,
    lab: Lab,
    students: tuple[Student, ...],
    folder: Path,
    console: Console,
    complaints: Console,
) -> int:
    student = next((one for one in students if one.code.casefold() == options.ajustar.casefold()), None)
    if student is None:
        complaints.failed(f"En {options.lista} no hay nadie con el código «{options.ajustar}».")
        return WRONG_USAGE
    grade = earlier_grade(folder, student) or Grade(student, lab.number, "")
    by_hand = Override(options.nota, options.razon.strip(), getpass.getuser(), datetime.now(UTC))
    save(grade.overridden(by_hand), folder)
    console.passed(
        f"La nota de {student.code} en el laboratorio {lab.number} es {options.nota}, puesta a mano."
    )
    return DONE


def _parallel(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PARALLEL:
        raise argparse.ArgumentTypeError(f"«{text}» no es un número de 1 a {MAX_PARALLEL}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"«{text}» no es un número de segundos mayor que cero")
    return value


def _share(text: str) -> Decimal:
    try:
        value = Decimal(text.replace(",", "."))
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"«{text}» no es un número de 0 a 1")
    return value


def _deadline(text: str) -> datetime:
    return _moment(text, end_of_day=True)


def _opening(text: str) -> datetime:
    return _moment(text, end_of_day=False)


def _moment(text: str, *, end_of_day: bool) -> datetime:
    try:
        return moment(text, end_of_day=end_of_day)
    except ValueError:
        raise argparse.ArgumentTypeError(f"«{text}» no es una fecha como 2026-03-20") from None
