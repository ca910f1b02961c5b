"""The class's table for a terminal: it says nothing by colour alone."""

from labcheck.checking.diagnosis import Verdict
from labcheck.grading.grade import Grade
from labcheck.grading.reports.remarks import pending_reason
from labcheck.grading.reports.summary import ClassReport, State, state_of
from labcheck.grading.reports.text import BLANK, clean, counted, number, percent
from labcheck.terminal import Console

# Together with the numbers, no more than the hundred columns that a line may have.
MAX_NAME, MAX_CODE, MAX_NOTE = 22, 12, 34
_HEADER = ("Código", "Nombre", "Nota", "Puntos", "Estado", "Por qué")


def show(console: Console, report: ClassReport) -> None:
    """Write the class's table, how each check went, and the commonest diagnoses."""
    console.say(f"{report.heading}. Nota sobre {number(report.top)}.")
    console.say()
    rows = [_row(report, grade) for grade in report.grades]
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(len(_HEADER))]
    console.say(console.paint(_line(_HEADER, widths), "bold"))
    for row in rows:
        console.say(_line(row, widths))
    console.say()
    console.say(totals(report))
    _show_rates(console, report)
    for place, common in enumerate(report.commonest_diagnoses(), 1):
        if place == 1:
            console.say("\nLos diagnósticos más comunes:")
        students = counted(len(common.grades), "alumno", "alumnos")
        console.wrapped(f"{place}. ", f"{clean(common.example.why)} ({students}; {common.example.code})", 2)


def totals(report: ClassReport) -> str:
    """Return how many grades there are of each kind, and their mean and median."""
    counts = ", ".join(
        counted(len(found), one, several)
        for state, one, several in (
            (State.GRADED, "por las comprobaciones", "por las comprobaciones"),
            (State.BY_HAND, "a mano", "a mano"),
            (State.VOID, "anulada", "anuladas"),
            (State.PENDING, "pendiente", "pendientes"),
        )
        if (found := report.in_state(state))
    )
    students = counted(len(report.grades), "alumno", "alumnos")
    if report.mean is None or report.median is None:
        return f"{students}: {counts}. Todavía no hay ninguna nota."
    return f"{students}: {counts}. Media {number(report.mean)}, mediana {number(report.median)}."


def _row(report: ClassReport, grade: Grade) -> tuple[str, ...]:
    return (
        _shortened(grade.student.code, MAX_CODE),
        _shortened(grade.student.name or BLANK, MAX_NAME),
        report.mark_text(grade) or BLANK,
        BLANK
        if grade.is_pending or not grade.results
        else f"{grade.earned}/{grade.points - grade.unchecked_points}",
        state_of(grade).value,
        _why(grade),
    )


def _why(grade: Grade) -> str:
    """Return in a few words why a grade is not full, or not there."""
    if grade.is_pending:
        return _shortened(pending_reason(grade), MAX_NOTE)
    if grade.override is not None:
        return _shortened(grade.override.reason, MAX_NOTE)
    if voids := [finding.text for finding in grade.findings if finding.voids]:
        return _shortened(voids[0], MAX_NOTE)
    why = [clean(result.title) for result in grade.results if result.verdict is Verdict.FAILED]
    if grade.penalty:
        why.insert(0, f"tarde, {number(grade.penalty * 100)} % menos")
    more = f" (y {len(why) - 1} más)" if len(why) > 1 else ""
    return _shortened(why[0], MAX_NOTE - len(more)) + more if why else ""


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    numbers = (2, 3)
    cells = [
        cell.rjust(width) if column in numbers else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _show_rates(console: Console, report: ClassReport) -> None:
    rates = report.check_rates()
    if not rates:
        return
    console.say("\nCuántos fallan cada comprobación, de los que se sabe:")
    for rate in rates:
        share = BLANK if rate.failure_rate is None else percent(rate.failure_rate)
        console.say(f"  {share:>5}  {rate.failed:3d} de {rate.passed + rate.failed:<3d}  {clean(rate.title)}")


def _shortened(text: str, width: int) -> str:
    text = clean(text)
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"
