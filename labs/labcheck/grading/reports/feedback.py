"""What a student reads, in Markdown: each check, and what to do about those that failed."""

from labcheck.checking.diagnosis import CheckResult, Verdict
from labcheck.grading.grade import Grade
from labcheck.grading.reports.remarks import MARKS, remarks, why_not
from labcheck.grading.reports.summary import ClassReport
from labcheck.grading.reports.text import clean, counted, markdown, number, when


def feedback(report: ClassReport, grade: Grade) -> str:
    """Return one student's page."""
    student = grade.student
    lines = [f"# {markdown(report.heading)}", ""]
    lines += [f"**{markdown(student.name or student.code)}** ({markdown(student.code)})", ""]
    lines += [headline(report, grade), ""]
    lines += [f"- {markdown(text)}" for text in remarks(grade, report.top)]
    if grade.handed_in_at is not None:
        lines.append(f"- Entrega: {when(grade.handed_in_at)}")
    if grade.results:
        lines += ["", "## Comprobaciones", ""]
        for result in grade.results:
            lines += [check(result), ""]
    return "\n".join(lines).rstrip() + "\n"


def headline(report: ClassReport, grade: Grade) -> str:
    """Return the grade in one line of Markdown."""
    mark = report.mark(grade)
    if mark is None:
        return "**Nota: pendiente**"
    told = f"**Nota: {number(mark)} de {number(report.top)}**"
    if not grade.results:  # set by hand, and no check was ever run
        return told
    possible = counted(grade.points - grade.unchecked_points, "punto", "puntos")
    return f"{told} ({grade.earned} de {possible} en las comprobaciones)"


def check(result: CheckResult) -> str:
    """Return one check as a section: its claim, its verdict, and what explains it."""
    points = counted(result.points, "punto", "puntos")
    worth = (
        f"{result.earned} de {points}" if result.verdict is not Verdict.UNCHECKED else f"{points}, sin contar"
    )
    heading = f"### {MARKS[result.verdict]} {markdown(result.title)}\n\n{result.verdict.value}, {worth}"
    explained = explanation(result)
    return f"{heading}\n\n{explained}" if explained else heading


def explanation(result: CheckResult) -> str:
    """Return why a check did not pass, in Markdown; nothing for one that did."""
    if result.verdict is Verdict.UNCHECKED:
        reason = markdown(why_not(result))
        return f"No se pudo comprobar, y eso no le cuesta nada{f': {reason}' if reason else '.'}"
    if result.verdict is Verdict.SKIPPED:
        return f"Omitida: {markdown(why_not(result))}".rstrip(": ")
    if (diagnosis := result.diagnosis) is None:
        return ""
    told = (
        ("Esperado", diagnosis.expected),
        ("Obtenido", diagnosis.got),
        ("Por qué", diagnosis.why),
        ("Pista", diagnosis.hints[0]),
    )
    return "\n".join(f"- **{label}:** {markdown(text)}" for label, text in told if clean(text))
