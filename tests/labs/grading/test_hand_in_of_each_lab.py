"""A hand-in of each lab, done right on loopback: graded without that machine it earns everything."""

import contextlib
import csv
import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.labs import Desk, desk_in, lab_folders

from labcheck.grading.grade import Grade, load
from labcheck.grading.seal import MASTER_FILE
from labcheck.proof import trace_of

pytestmark = pytest.mark.timeout(240)

LAB = Path(sysconfig.get_path("scripts")) / "lab"
LABS = lab_folders()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "desk"
    folder.mkdir()
    with desk_in(folder) as desk:
        yield desk


class Class:
    """A class of one, and whoever grades it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roster, self.keys, self.box = folder / "alumnos.csv", folder / "claves", folder / "entregas"
        self.box.mkdir()
        with self.roster.open("w", newline="") as file:
            csv.writer(file).writerows([["codigo", "nombre"], ["ana", "Ana"]])
        subprocess.run([LAB, "claves", "--lista", self.roster, "--carpeta", self.keys], check=True)
        self.hand_in = self.box / "ana.json"

    def grade(self, number: str) -> Grade:
        command = [LAB, "calificar", "--lab", number, "--lista", self.roster, "--entregas", self.box]
        command += ["--secreto", self.keys / MASTER_FILE, "--carpeta", self.folder / "notas"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
        assert done.returncode == 0, done.stdout + done.stderr
        return load(self.folder / "notas" / "ana.json")


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_a_right_hand_in_earns_everything_and_nothing_is_found(desk: Desk, tmp_path: Path, lab: Path) -> None:
    number, course = lab.name[:2], Class(tmp_path)
    desk.do(f"lab iniciar {number} --modo local")
    desk.do(f"lab resolver {number}")
    desk.do(f"lab entregar {number} --clave '{course.keys}/ana.clave' --salida '{course.hand_in}'")
    desk.do(f"lab terminar {number}")
    grade = course.grade(number)
    assert (grade.score, grade.findings, grade.fault) == (1, (), "")
    assert grade.used_solution
    told = json.loads(course.hand_in.read_text())
    assert (told["lab"], told["mode"]) == (number, "local")
    assert told["evidence"]


@contextlib.contextmanager
def tunnel_by_hand(desk: Desk, server: str, client: str, variables: str = "") -> Iterator[None]:
    """Start the application, `tunnel server` and `tunnel client` without the lab's own steps."""
    desk.do("lab iniciar 03 --modo local; tunnel token --salida ~/mio.txt")
    try:
        desk.do("cd /; gtd-app serve --en-memoria >~/app.log 2>&1 & echo $! >~/pids")
        server = f"tunnel server --token-file ~/mio.txt --ping-interval 1 {server}"
        desk.do(f"{server} >~/server.log 2>&1 & echo $! >>~/pids")
        client = f"tunnel client --url=ws://localhost:8123 --upstream http://localhost:5000 {client}"
        desk.do(f"cd ~; {variables} {client} >client.log 2>&1 & echo $! >>~/pids")
        desk.do("until grep -q 'Túnel abierto' ~/client.log; do sleep 0.1; done")
        yield
    finally:
        desk.run("kill $(cat ~/pids)")


@pytest.mark.parametrize("in_environment", [False, True], ids=["token-file", "environment"])
def test_what_passed_an_exit_node_that_was_started_by_hand_is_handed_in_too(
    desk: Desk, tmp_path: Path, in_environment: bool
) -> None:
    course = Class(tmp_path)
    client, variables = (
        ("", "TUNELAB_TOKEN=$(cat mio.txt)") if in_environment else ("--token-file mio.txt", "")
    )
    with tunnel_by_hand(desk, "--log-requests", client, variables):
        done = desk.do(f"lab entregar 03 --clave '{course.keys}/ana.clave' --salida '{course.hand_in}'")
    assert done.err == ""
    told = json.loads(course.hand_in.read_text())
    posted = [one for one in told["evidence"] if one["asked"].startswith("POST http://localhost:8000/")]
    traces = {trace_of(one["sent"].split("write a book ")[1][:8]) for one in posted if one["status"] == 201}
    assert traces
    assert {line.split("traza ")[1] for line in told["log"]} == traces
    assert (desk.home / "mio.txt").read_text().strip() not in course.hand_in.read_text()
    grade = course.grade("03")
    assert (grade.score, grade.findings) == (1, ())


def test_who_hands_in_is_told_when_the_exit_node_notes_nothing(desk: Desk, tmp_path: Path) -> None:
    course = Class(tmp_path)
    with tunnel_by_hand(desk, "", "--token-file mio.txt"):
        done = desk.do(f"lab entregar 03 --clave '{course.keys}/ana.clave' --salida '{course.hand_in}'")
    assert "--log-requests" in done.err
    assert [finding.code for finding in course.grade("03").findings] == ["not-logged"]


def test_who_has_no_key_is_told_where_it_goes(desk: Desk) -> None:
    done = desk.run("lab entregar 03")
    assert done.code == 3
    assert ".config/tunelab/clave" in done.err
    assert "CODIGO.clave" in done.err
    assert "--clave ARCHIVO" in done.err
