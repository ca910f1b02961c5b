"""A small class over real ssh: right, wrong, dead and slow are told apart, and graded alike each time."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.planted_class import DEAD, RIGHT, SLOW, PlantedClass, differences, planted_class

from labcheck.grading.grade import Grade, load_all

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="a network of one's own is Linux's"),
]

PLANTS = {
    "a1": RIGHT,
    "a2": DEAD,
    "a3": "upstream-equivocado",
    "a4": SLOW,
    "a5": "copia-de-los-datos",
    "a6": RIGHT,
}
LAB = Path(sysconfig.get_path("scripts")) / "lab"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlantedClass]:
    with planted_class(tmp_path_factory.mktemp("class"), PLANTS) as school:
        yield school


def grade_command(school: PlantedClass, folder: Path, *options: str) -> list[str]:
    command = [str(LAB), "calificar", "--lista", str(school.roster), "--lab", "03", "--carpeta", str(folder)]
    return [*command, "--ssh-config", str(school.ssh_config), *options]


def grade(school: PlantedClass, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = grade_command(school, folder, *options)
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def told(grades: list[Grade]) -> list[tuple[object, ...]]:
    """Return what must be alike in two runs."""
    return [(one.student, one.results, one.fault, one.score) for one in grades]


def test_a_class_is_graded_as_planted_and_alike_in_another_order_and_in_a_second_run(school, tmp_path):
    first = grade(school, tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    grades = load_all(tmp_path)
    assert differences(school.plants, grades) == []
    assert re.search(r"a2\b.*pendiente", first.stdout)

    header, *rows = school.roster.read_text().splitlines()
    backwards = tmp_path / "al-reves.csv"
    backwards.write_text("\n".join([header, *reversed(rows)]))
    command = grade_command(school, tmp_path, "--otra-vez", "--paralelo", "2")
    command[command.index("--lista") + 1] = str(backwards)
    second = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert second.returncode == 0, second.stdout + second.stderr
    again = load_all(tmp_path)
    assert told(again) == told(grades)
    assert [one.handed_in_at for one in again] == [one.handed_in_at for one in grades]
    assert all(one.graded_at > before.graded_at for one, before in zip(again, grades, strict=True))


def test_an_interrupted_class_keeps_what_was_graded_and_goes_on_from_there(school, tmp_path):
    command = grade_command(school, tmp_path, "--paralelo", "1")
    mark = f"TUNELAB_TEST={tmp_path}"
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=dict(os.environ) | dict([mark.split("=")]),
    )  # fmt: skip
    assert _marked(mark)
    assert process.stderr is not None
    line = process.stderr.readline()  # of the first student, when the second one is under way
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert line.startswith("1 de 6")
    kept = {one.student.code: one for one in load_all(tmp_path)}
    assert "a1" in kept
    assert len(kept) < 6
    assert not _marked(mark)

    rest = grade(school, tmp_path)
    assert rest.returncode == 0, rest.stdout + rest.stderr
    assert "ya tienen calificación" in rest.stderr
    grades = load_all(tmp_path)
    assert differences(school.plants, grades) == []
    assert next(one for one in grades if one.student.code == "a1") == kept["a1"]


def test_a_student_past_the_limit_is_pending_and_nothing_of_theirs_is_left_running(school, tmp_path):
    done = grade(school, tmp_path, "--limite", "0.5")
    assert done.returncode == 1, done.stdout + done.stderr  # nobody could be graded
    grades = load_all(tmp_path)
    assert len(grades) == 6
    assert all(one.is_pending and one.score is None for one in grades)
    assert all("0.5 s" in one.fault for one in grades if one.student.code != "a2")
    for desk in school.desks.values():  # and the clients run on
        assert " T" not in desk.do("ps -C tunnel -o stat= | sed 's/^/ /'").out


def _marked(mark: str) -> list[str]:
    """Return the processes that have a mark in their environment, and so descend from who was given it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_text().replace("\0", " "))
    return found
