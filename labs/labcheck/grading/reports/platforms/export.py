"""The files of a class for a platform: ``<folder>/<code>/results.json``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labcheck.grading.grade import Grade
from labcheck.grading.reports.files import file_name, remove, write
from labcheck.grading.reports.summary import ClassReport

RESULTS_FILE = "results.json"


def write_results(
    report: ClassReport, folder: Path, make: Callable[[ClassReport, Grade], dict[str, Any] | None]
) -> tuple[Grade, ...]:
    """Write each student's results, and return whose there are none: an earlier file of theirs is removed.

    Raises:
        ReportError: a file cannot be written.
    """
    without: list[Grade] = []
    for grade in report.grades:
        path = folder / file_name(grade.student) / RESULTS_FILE
        results = make(report, grade)
        if results is None:
            remove(path)
            without.append(grade)
        else:
            write(path, (json.dumps(results, ensure_ascii=False, indent=1) + "\n").encode())
    return tuple(without)
