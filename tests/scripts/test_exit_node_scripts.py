"""The scripts that the labs call: a node, the application and the client, with no value copied by hand."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tunnel_process import COMMAND

from tunnel.exitnodes.local import detached

ROOT = Path(__file__).resolve().parents[2]


class Student:
    """Somebody who runs the scripts, with a state of their own."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.env = os.environ | {
            "XDG_STATE_HOME": str(state),
            "PATH": f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, name: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a script to its end; it must end with ``code``."""
        ended = subprocess.run(
            [ROOT / "scripts" / name, *words],
            cwd=self.state,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=50,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended

    def leave(self, name: str, *words: str, says: str, **env: str) -> tuple[subprocess.Popen[str], str]:
        """Start a script that stays; return it, and what it wrote up to the line with ``says``."""
        process = subprocess.Popen(
            [ROOT / "scripts" / name, *words],
            cwd=self.state,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert process.stdout is not None
        came = ""
        for line in process.stdout:
            came += line
            if says in line:
                return process, came
        raise AssertionError(f"{name} ended: {came}")


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=20)


@pytest.fixture
def student(tmp_path: Path) -> Iterator[Student]:
    somebody = Student(tmp_path)
    yield somebody
    for folder in (tmp_path / "tunelab" / "nodos" / "local").glob("*"):
        detached.stop(folder)


@pytest.mark.timeout(120)
def test_the_four_scripts_are_the_whole_way_of_a_request(student: Student) -> None:
    made = student.run("crear-nodo-salida.sh", "--si", "--port", "0", "--control-port", "0")
    assert f"+ {COMMAND} exit-node create --provider local --si" in made.stderr
    remote = next(line for line in made.stdout.splitlines() if line.startswith("REMOTE="))[7:]
    app, said = student.leave("correr-gtd-app.sh", "--en-memoria", "--port", "0", says="Escuchando en")
    try:
        upstream = said.split("Escuchando en ")[1].strip()
        client, _ = student.leave("correr-cliente.sh", says="→", UPSTREAM=upstream)
        try:
            with urllib.request.urlopen(f"http://{remote}/", timeout=20) as answer:
                assert answer.read() == b"Hello, World!"
        finally:
            end(client)
    finally:
        end(app)
    student.run("crear-nodo-salida.sh", "--si")
    student.run("borrar-nodo-salida.sh", "--si")
    assert not (student.state / "tunelab" / "nodos").exists()
    student.run("borrar-nodo-salida.sh", "--si", code=1)


def test_without_a_node_the_client_says_which_script_makes_one(student: Student) -> None:
    told = student.run("correr-cliente.sh", code=3)
    assert "Cree primero un nodo de salida con ./scripts/crear-nodo-salida.sh" in told.stderr


def test_what_is_after_a_script_s_name_reaches_the_command(student: Student) -> None:
    assert "uso: tunnel exit-node create" in student.run("crear-nodo-salida.sh", "--ayuda").stdout
    planned = student.run("crear-nodo-salida.sh", "--provider=local", "--alumno", "ana", "--plan").stdout
    assert "«nodo-ana»" in planned
    assert "uso: gtd-app serve" in student.run("correr-gtd-app.sh", "--help").stdout
