"""What must be said beside a grade: why it is pending, what was taken off, what was set by hand."""

from dataclasses import replace
from decimal import Decimal

from labcheck.checking.diagnosis import CheckResult, Verdict
from labcheck.grading.grade import Grade
from labcheck.grading.lateness import LATE
from labcheck.grading.reports.text import clean, counted, number, rounded, when

MARKS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.SKIPPED: "·", Verdict.UNCHECKED: "?"}

# The finding that tells whoever grades to do it again; a reader is told here what it means for the grade.
_INCOMPLETE = "incomplete"


def pending_reason(grade: Grade) -> str:
    """Return why a grade is pending, or nothing when it is not."""
    if not grade.is_pending:
        return ""
    if grade.fault:
        return clean(grade.fault)
    reason = next((clean(result.reason) for result in grade.results if result.reason), "")
    return f"No se pudo comprobar nada: {reason}" if reason else "No se pudo comprobar nada."


def remarks(grade: Grade, top: Decimal) -> tuple[str, ...]:
    """Return what a person must know to understand a grade, in whole sentences without markup.

    `top` is the grade of who has everything right.
    """
    said: list[str] = []
    if grade.is_pending:
        said.append(f"Pendiente: {_sentence(pending_reason(grade))}")
        said.append("Mientras esté pendiente no hay nota, y eso no le cuesta nada.")
    if (override := grade.override) is not None:
        before = replace(grade, override=None).score
        without = "seguiría pendiente" if before is None else f"sería {number(rounded(before * top))}"
        by = f" por {clean(override.by)}" if override.by else ""
        said.append(f"La nota fue fijada a mano{by} ({when(override.at)}): {_sentence(override.reason)}")
        said.append(f"Según las comprobaciones {without}.")
    said += [clean(finding.text) for finding in grade.findings if finding.voids]
    if grade.is_void and override is None:
        said.append("Por eso no cuenta ningún punto.")
    others = [finding for finding in grade.findings if not finding.voids and finding.code != _INCOMPLETE]
    said += [clean(finding.text) for finding in others]
    if grade.penalty and not any(finding.code == LATE for finding in others):  # which tells by how much
        said.append(f"Entregado tarde: a la nota se le quita el {number(grade.penalty * 100)} %.")
    if grade.unchecked_points and not grade.is_pending:
        points = counted(grade.unchecked_points, "punto no se pudo", "puntos no se pudieron")
        said.append(f"{points} comprobar: no cuentan ni a favor ni en contra.")
    if grade.used_solution:
        said.append("Usó la solución del laboratorio (lab resolver).")
    if grade.hints_taken:
        said.append(f"Pidió {counted(grade.hints_taken, 'pista', 'pistas')}.")
    return tuple(said)


def _sentence(text: str) -> str:
    """Return what somebody wrote, cleaned, with a full stop."""
    text = clean(text)
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def named(grade: Grade) -> str:
    """Return whose a grade is, as one finds them in a roster."""
    student = grade.student
    return " ".join(clean(text) for text in (student.code, student.name, student.email) if text)


def why_not(result: CheckResult) -> str:
    """Return why a check was skipped or could not be done, with what to do about it."""
    return " ".join(clean(text) for text in (result.reason, result.advice) if text)
