"""``results.json`` of a PrairieLearn external grader.

Source: https://docs.prairielearn.com/externalGrading/ ("Grading results").
"""

from typing import Any

from labcheck.checking.diagnosis import CheckResult, Verdict
from labcheck.grading.grade import Grade
from labcheck.grading.reports.remarks import pending_reason, remarks, why_not
from labcheck.grading.reports.summary import ClassReport
from labcheck.grading.reports.text import clean


def prairielearn_results(report: ClassReport, grade: Grade) -> dict[str, Any]:
    """Return what PrairieLearn reads.

    A pending grade is "not gradable", which there gives and takes no points and costs no attempt.
    """
    told: dict[str, Any] = {
        "gradable": grade.score is not None,
        "message": "\n".join([clean(report.heading), *remarks(grade, report.top)]),
        "tests": [_test(result) for result in grade.results],
    }
    if grade.score is None:
        told["format_errors"] = [pending_reason(grade)]
    else:
        told["score"] = float(grade.score)
    return told


def _test(result: CheckResult) -> dict[str, Any]:
    counts = result.verdict is not Verdict.UNCHECKED
    told: dict[str, Any] = {
        "name": clean(result.title),
        "description": result.verdict.value if counts else f"{result.verdict.value}: no le cuesta nada",
        "points": result.earned,
        "max_points": result.points if counts else 0,
    }
    if (diagnosis := result.diagnosis) is not None:
        told["message"] = f"{clean(diagnosis.why)} Pista: {clean(diagnosis.hints[0])}"
        told["output"] = f"Esperado: {clean(diagnosis.expected)}\nObtenido: {clean(diagnosis.got)}"
    elif reason := why_not(result):
        told["message"] = reason
    return told
