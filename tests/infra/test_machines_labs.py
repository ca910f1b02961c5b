"""The labs in mode vm, as a student does them: in the laptop. After test_machines, on the same machines."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import Machines
from place import ROOT
from support.labs import Done, Verdicts, lab_folders

from labcheck.grading.grade import load

pytestmark = pytest.mark.timeout(600)

MODE = "vm"
LABS = lab_folders()
FAILS = re.compile(r"^# Falla: (\w+) \(([\w-]+)\)$", re.MULTILINE)
MODES = re.compile(r"^# Modos: (.+)$", re.MULTILINE)
#: In the laptop the app is already there, and so these hold before anything is done.
HOLD_ALREADY = {"app_answers", "app_is_private"}

every_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)


def is_for(mistake: Path, mode: str) -> bool:
    found = MODES.search(mistake.read_text(encoding="utf-8"))
    return found is not None and mode in found[1].split(", ")


MISTAKES = [path for lab in LABS for path in sorted(lab.glob("errores/*.sh")) if is_for(path, MODE)]


class Laptop:
    """The student in the laptop; the labs that were begun are ended."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self.begun: set[str] = set()

    def do(self, command: str) -> str:
        return self._machines.shell("laptop", command)

    def begin(self, number: str) -> None:
        self.begun.add(number)
        self.do(f"lab iniciar {number} --modo {MODE}")

    def end(self, number: str) -> str:
        self.begun.discard(number)
        return self.do(f"lab terminar {number}")

    def review(self, number: str) -> Verdicts:
        told = self.do(f"lab revisar {number} --json; echo $?")
        *lines, code = told.splitlines()
        return Verdicts.of(Done(int(code), "\n".join(lines), ""))


@pytest.fixture
def student(machines: Machines) -> Iterator[Laptop]:
    machines.shell("laptop", "sudo systemctl stop tunnel-client")
    student = Laptop(machines)
    yield student
    for number in sorted(student.begun):
        student.end(number)


def test_there_are_mistakes_for_this_mode_in_every_lab() -> None:
    assert {path.parents[1] for path in MISTAKES} == set(LABS)


@every_lab
def test_the_untouched_lab_fails_and_the_solution_earns_everything(student: Laptop, lab: Path) -> None:
    number = lab.name[:2]
    student.begin(number)
    untouched = student.review(number)
    assert untouched.done.code == 1, untouched.done.text
    assert set(untouched.with_verdict("aprobado")) <= HOLD_ALREADY | {"exit_node_answers"}
    assert not untouched.with_verdict("sin comprobar")
    student.do(f"lab resolver {number}")
    solved = student.review(number)
    assert solved.done.code == 0, solved.done.text
    earned, points = solved.earned
    assert earned == points > 0
    assert "No quedó nada" in student.end(number)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_each_mistake_fails_what_its_header_says(student: Laptop, mistake: Path) -> None:
    expected = dict(FAILS.findall(mistake.read_text(encoding="utf-8")))
    number = mistake.parents[1].name[:2]
    student.begin(number)
    student.do(f"bash /vagrant/{mistake.relative_to(ROOT)}")
    verdicts = student.review(number)
    assert verdicts.with_verdict("fallado") == expected, verdicts.done.text
    assert not verdicts.with_verdict("sin comprobar")
    student.end(number)


def test_the_checks_run_from_outside_too(student: Laptop, machines: Machines) -> None:
    """As an instructor runs them: here, with their own copy, on the student's machine."""
    student.begin("03")
    student.do("lab resolver 03")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        str(ROOT / "labs" / "03-tunel-http"),
    ]
    command += ["--hosts=ssh://laptop", f"--ssh-config={machines.ssh_config()}"]
    command += ["--lab-modo", MODE, "--lab-remoto", "http://192.168.56.20:8000"]
    # Its network alone: how to enter the machines by ssh is told for whoever is outside.
    nsenter, target, *_ = machines.place.enter()
    network = [nsenter, target, "--net"]
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [*network, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout


def test_a_hand_in_made_in_the_laptop_is_graded_without_it(student: Laptop, tmp_path: Path) -> None:
    lab = Path(sys.executable).with_name("lab")
    roster, keys, box = tmp_path / "alumnos.csv", tmp_path / "claves", tmp_path / "entregas"
    roster.write_text("codigo,nombre\nana,Ana\n")
    box.mkdir()
    subprocess.run([lab, "claves", "--lista", roster, "--carpeta", keys], check=True)
    student.begin("03")
    student.do("lab resolver 03")
    student.do(f"umask 077; cat >ana.clave <<'.'\n{(keys / 'ana.clave').read_text()}.\n")
    student.do("lab entregar 03 --clave ana.clave --salida ana.json")
    hand_in = student.do("cat ana.json; rm ana.json ana.clave")
    (box / "ana.json").write_text(hand_in)
    student.end("03")
    told = json.loads(hand_in)
    assert told["mode"] == MODE
    assert any("traza" in line for line in told["log"])
    command = [lab, "calificar", "--lab", "03", "--lista", roster, "--entregas", box]
    command += ["--secreto", keys / "curso.secreta", "--carpeta", tmp_path / "notas"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    grade = load(tmp_path / "notas" / "ana.json")
    assert (grade.score, grade.findings) == (1, ())


def test_an_exit_node_is_created_listed_shown_and_deleted_in_the_laptop(student: Laptop) -> None:
    node = "tunnel exit-node"
    try:
        made = student.do(f"{node} create --provider vm --nombre prueba --si")
        assert "REMOTE=exit-node:8000" in made
        (listed,) = json.loads(student.do(f"{node} list --json 2>/dev/null"))["nodes"]
        assert (listed["name"], listed["provider"]) == ("prueba", "vm")
        assert student.do(f"{node} show prueba --solo public_url").strip() == "http://exit-node:8000"
    finally:
        deleted = student.do(f"{node} delete prueba --si")
    assert "Nodo «prueba» borrado." in deleted
    assert json.loads(student.do(f"{node} list --json 2>/dev/null"))["nodes"] == []


def test_the_labs_wrote_nothing_into_the_checkout(machines: Machines) -> None:
    assert set(machines.files_now()) <= set(machines.files_at_start)
