"""The instructor's pages: a class's and one a student, which need nothing but themselves.

Each page is one file, opens from a folder without a server, and asks nothing of any other machine: its policy
(Content Security Policy Level 3) allows its own style and its own script, by their hashes, and nothing else.
So even markup that were not escaped could not run.
"""

import base64
import hashlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from labcheck.checking.diagnosis import Verdict
from labcheck.grading.grade import Grade
from labcheck.grading.reports import text
from labcheck.grading.reports.files import file_name, write
from labcheck.grading.reports.remarks import MARKS, pending_reason, remarks, why_not
from labcheck.grading.reports.summary import ClassReport, State, state_of

CLASS_PAGE = "index.html"
STUDENTS_FOLDER = "alumnos"


def write_pages(report: ClassReport, folder: Path) -> Path:
    """Write a class's pages into a folder and return the one to open.

    Raises:
        ReportError: one cannot be written.
    """
    for name, content in pages(report):
        write(folder / name, content.encode())
    return folder / CLASS_PAGE


def pages(report: ClassReport) -> Iterator[tuple[str, str]]:
    """Yield the name and the content of each page, the students' first: the class's links to them."""
    environment = _environment(report)
    student_page = environment.get_template("student.html")
    for place, grade in enumerate(report.grades):
        before = report.grades[place - 1] if place else None
        after = report.grades[place + 1] if place + 1 < len(report.grades) else None
        content = student_page.render(grade=grade, before=before, after=after)
        yield f"{STUDENTS_FOLDER}/{_page_of(grade)}", content
    yield CLASS_PAGE, environment.get_template("class.html").render()


def _environment(report: ClassReport) -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "clean": text.clean,
        "number": text.number,
        "percent": text.percent,
        "when": text.when,
        "state": state_of,
        "page": _page_of,
        "pending_reason": pending_reason,
        "why_not": why_not,
        "remarks": lambda grade: remarks(grade, report.top),
    }
    style, script = _own("page.css"), _own("sort.js")
    environment.globals |= {
        "report": report,
        "State": State,
        "Verdict": Verdict,
        "marks": MARKS,
        "style": style,
        "script": script,
        "policy": f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}",
        "class_page": CLASS_PAGE,
        "students_folder": STUDENTS_FOLDER,
    }
    return environment


def _page_of(grade: Grade) -> str:
    return f"{file_name(grade.student)}.html"


def _own(name: str) -> Any:
    """Return a text of ours, which is markup already."""
    found = resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(found)  # noqa: S704 - nobody else's text is in it


def _hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"
