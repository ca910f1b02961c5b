"""One student's review, in a process of its own: ``python -m labcheck.grading.worker``.

A job comes as JSON on stdin and its grade is left in the job's folder, so that whatever a review does to its
process it does to nobody else's. It exits with 0 when the grade is there.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import testinfra

from labcheck.catalog import CatalogError, find_lab
from labcheck.checking.place import addresses_for
from labcheck.checking.scene import Scene
from labcheck.grading.grade import Finding, Grade, Student, save
from labcheck.modes import Mode
from labcheck.reviewing import ReviewError, review

NO_MACHINE = "La lista no dice cuál es su máquina (columna «maquina»), y no hay una entrega suya."
# The finding of a grade that leaves out what could not be checked; the next run grades that student again.
INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Job:
    """What one process grades: `host` is the student's machine, with the ways to enter it."""

    student: Student
    lab: str
    labs: str
    mode: str
    local_url: str
    host: str
    seed: str
    folder: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        told = json.loads(text)
        return cls(**{**told, "student": Student(**told["student"])})


def main() -> int:
    """Do the job of stdin."""
    job = Job.from_json(sys.stdin.read())
    save(grade(job), Path(job.folder))
    return 0


def grade(job: Job) -> Grade:
    """Return what came of a student's review."""
    source = "local" if job.student.host.startswith("local") else "ssh"
    began = time.monotonic()
    try:
        lab = find_lab(job.lab, Path(job.labs))
        if (fault := _closed(job.host)) is not None:
            return Grade(job.student, job.lab, source, fault=fault)
        addresses = addresses_for(Mode(job.mode), job.local_url or None, job.student.remote_url or None)
        outcome = review(lab, addresses, host=job.host, scene=Scene(job.seed))
        if outcome.unchecked_points:  # a busy moment of the machine or of the network: once more
            again = review(lab, addresses, host=job.host, scene=Scene(job.seed))
            outcome = min(outcome, again, key=lambda one: one.unchecked_points)
    except (CatalogError, ReviewError) as error:
        return Grade(job.student, job.lab, source, fault=str(error))
    unchecked = [result for result in outcome.results if result.reason and not result.diagnosis]
    is_blank = outcome.unchecked_points == outcome.points
    findings: tuple[Finding, ...] = ()
    if outcome.unchecked_points and not is_blank:
        text = f"{outcome.unchecked_points} puntos no se pudieron comprobar y no cuentan: califique otra vez."
        findings = (Finding(INCOMPLETE, text),)
    return Grade(
        job.student, job.lab, source, outcome.results,
        fault=unchecked[0].reason if is_blank and unchecked else "",
        duration_s=round(time.monotonic() - began, 1), findings=findings,
    )  # fmt: skip


def _closed(host: str) -> str | None:
    """Return why a machine cannot be entered, or None when it can.

    It is asked first: a check that looks from outside at a machine that is off would take it for a mistake.
    """
    try:
        done = testinfra.get_host(host).run("true")
    except RuntimeError as error:
        said = getattr(error.args[0], "stderr", "") if error.args else ""
        return f"No se pudo entrar a su máquina: {str(said).strip() or error}"
    return None if done.rc == 0 else f"Su máquina no corre órdenes: {done.stderr.strip()}"


if __name__ == "__main__":
    sys.exit(main())
