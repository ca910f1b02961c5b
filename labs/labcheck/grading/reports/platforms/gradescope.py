"""``results.json`` of a Gradescope autograder.

Source: https://gradescope-autograders.readthedocs.io/en/latest/specs/ ("Output format").
"""

from typing import Any

from labcheck.checking.diagnosis import CheckResult, Verdict
from labcheck.grading.grade import Grade
from labcheck.grading.reports.feedback import explanation
from labcheck.grading.reports.remarks import remarks
from labcheck.grading.reports.summary import ClassReport, state_of
from labcheck.grading.reports.text import clean, markdown, rounded


def gradescope_results(report: ClassReport, grade: Grade) -> dict[str, Any] | None:
    """Return what Gradescope reads, or None while the grade is pending: it has no results without a score.

    The score is in the lab's own points, so that the assignment's total is theirs for everybody. It wins over
    the sum of the checks, which knows nothing of a penalty or an override.
    """
    if grade.score is None:
        return None
    said = [f"- {markdown(text)}" for text in remarks(grade, report.points)]
    return {
        "score": float(rounded(grade.score * report.points)),
        "execution_time": round(grade.duration_s, 1),
        "output": "\n".join([f"**{markdown(report.heading)}**", "", *said]).rstrip(),
        "output_format": "md",
        "test_output_format": "md",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(number, result) for number, result in enumerate(grade.results, 1)],
        "extra_data": {
            "student": grade.student.code,
            "lab": grade.lab,
            "state": state_of(grade).name.lower(),
            "penalty": str(grade.penalty),
            "handed_in_at": None if grade.handed_in_at is None else grade.handed_in_at.isoformat(),
        },
    }


def _test(number: int, result: CheckResult) -> dict[str, Any]:
    told: dict[str, Any] = {
        "number": str(number),
        "name": clean(result.title),
        "output": explanation(result),
        "tags": [result.name],
        "visibility": "visible",
    }
    if result.verdict is not Verdict.UNCHECKED:  # which has neither points nor a verdict
        told |= {
            "score": result.earned,
            "max_score": result.points,
            "status": "passed" if result.verdict is Verdict.PASSED else "failed",
        }
    return told
