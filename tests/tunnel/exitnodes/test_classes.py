"""A whole class: a node a student, or one for all with a name and a token each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backend import Backend
from support.tunnel_process import TunnelProcess
from support.wire import Wire

from tests.tunnel.exitnodes.conftest import Desk
from tunnel.exitnodes.local import detached

CODES = [f"alumno{number:02}" for number in range(6)]


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    path = tmp_path / "alumnos.csv"
    path.write_text("codigo;nombre;correo\n" + "".join(f"{code};Nombre {code};\n" for code in CODES))
    return path


@pytest.fixture
def clean(desk: Desk) -> Iterator[Desk]:
    """End what a failed test left running."""
    yield desk
    for folder in (desk.state / "tunelab" / "nodos" / "local").glob("*"):
        detached.stop(folder)


@pytest.mark.timeout(180)
def test_each_student_gets_a_node_of_their_own_and_all_of_them_go_away(
    clean: Desk, roster: Path, tmp_path: Path
) -> None:
    words = ("create", "--provider", "local", "--roster", roster, "--si")
    made = clean.run(*words, "--conexion", tmp_path / "entregar")
    assert "[6/6]" in made.stderr
    assert [line.split()[0] for line in made.stdout.splitlines()[-len(CODES) :]] == CODES
    assert clean.nodes == [f"local/nodo-{code}" for code in CODES]
    connections = [tomllib.loads((tmp_path / "entregar" / f"{code}.toml").read_text()) for code in CODES]
    for key in ("url", "public_url", "token", "pin"):
        assert len({connection[key] for connection in connections}) == len(CODES), key

    again = json.loads(clean.run(*words, "--json").stdout)
    assert sorted(node["url"] for node in again["nodes"]) == sorted(item["url"] for item in connections)
    removed = json.loads(clean.run("delete", "--roster", roster, "--si", "--json").stdout)
    assert [receipt["clean"] for receipt in removed["nodes"]] == [True] * len(CODES)
    assert clean.nodes == []


@pytest.mark.timeout(120)
def test_a_shared_node_gives_each_student_a_name_and_refuses_the_neighbours(
    clean: Desk, roster: Path
) -> None:
    words = ("create", "--provider", "local", "--roster", roster, "--compartido", "--port", "0")
    node = json.loads(clean.run(*words, "--control-port", "0", "--si", "--json").stdout)
    assert [student["name"] for student in node["students"]] == [f"{code}.example" for code in CODES]
    service = Backend()
    first, second = node["students"][:2]
    client = TunnelProcess(
        "client",
        f"--conexion={first['connection_file']}",
        f"--upstream={first['name']}={service.url}",
        "--json",
    )
    thief = TunnelProcess(
        "client",
        f"--conexion={first['connection_file']}",
        f"--upstream={second['name']}={service.url}",
        "--json",
    )
    try:
        client.wait_for("connected")
        assert thief.wait() == 1
        host, port = node["remote"].split(":")
        for name, status in ((first["name"], 200), (second["name"], 503)):
            with Wire.to(int(port), host) as visitor:
                visitor.send(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
                assert visitor.read_response().status == status
    finally:
        client.close()
        thief.close()
        service.close()
    clean.run("delete", "--compartido", "--roster", roster, "--si")
    assert clean.nodes == []


def test_a_student_who_is_added_to_a_shared_node_gets_a_token_and_the_others_keep_theirs(
    clean: Desk, roster: Path
) -> None:
    words = ("create", "--provider", "local", "--roster", roster, "--compartido", "--port", "0")
    words += ("--control-port", "0", "--si", "--json")
    clean.run(*words)
    tokens = clean.state / "tunelab" / "nodos" / "local" / "nodo-curso" / "tokens.toml"
    before = {entry["label"]: entry["secret"] for entry in tomllib.loads(tokens.read_text())["token"]}
    with roster.open("a") as file:
        file.write("nueva;Nombre;\n")
    node = json.loads(clean.run(*words).stdout)
    assert node["students"][-1]["name"] == "nueva.example"
    after = {entry["label"]: entry["secret"] for entry in tomllib.loads(tokens.read_text())["token"]}
    assert {label: after[label] for label in before} == before
    assert set(after) - set(before) == {"nueva"}
    clean.run("delete", "nodo-curso", "--si")


def test_one_that_fails_is_told_and_keeps_no_other_from_its_node(desk: Desk, roster: Path) -> None:
    desk.cloud.mkdir()
    foreign = desk.cloud / "nodo-alumno02-maquina"
    foreign.write_text("{}")
    words = ("create", "--provider", "guion", "--roster", roster, "--si", "--json")
    failed = desk.script(*words, code=3)
    told = json.loads(failed.stdout)
    assert len(told["nodes"]) == len(CODES) - 1
    assert [error["name"] for error in told["errors"]] == ["nodo-alumno02"]
    assert "De 6 nodos fallaron 1" in failed.stderr
    assert "USD 0.0503 por hora" in failed.stderr  # six of them, together
    foreign.unlink()
    assert len(json.loads(desk.script(*words).stdout)["nodes"]) == len(CODES)
    desk.script("delete", "--roster", roster, "--si")
    assert list(desk.cloud.glob("nodo-*")) == desk.nodes == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nombre", "x"], "--nombre sobra con --roster"),
        (["--guion", "-"], "--guion sobra con --roster"),
        (["--alumno", "ana"], "--alumno sobra con --roster"),
        (["--paralelo", "0"], "no es un número de 1 a 32"),
    ],
)
def test_what_makes_no_sense_for_a_class_is_refused(
    desk: Desk, roster: Path, words: list[str], said: str
) -> None:
    failed = desk.script("create", "--provider", "guion", "--roster", roster, "--si", *words, code=2)
    assert said in failed.stderr
    assert desk.nodes == []


def test_ctrl_c_lets_the_steps_under_way_end_and_the_next_run_goes_on(desk: Desk, roster: Path) -> None:
    pipe = desk.cloud / "fallas" / "maquina"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    words = ("create", "--provider", "guion", "--roster", roster, "--si", "--paralelo", "2")
    process = subprocess.Popen(
        desk.scripted(*words),
        env=desk.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    deadline = time.monotonic() + 20
    while sum('"maquina": "intentado"' in path.read_text() for path in desk.state.rglob("estado.json")) < 2:
        assert time.monotonic() < deadline  # two are in the middle of their second step
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    for line in process.stderr:
        if "Interrumpido" in line:
            break
    with pipe.open("r+b", buffering=0) as open_pipe:
        open_pipe.write(b"..")  # a byte each, whoever of them opens it first
        process.communicate(timeout=20)
    assert process.returncode == 130
    made = sorted(path.name for path in desk.cloud.glob("nodo-*"))
    assert len(made) == 4, made  # each its first two things, and nobody else's
    pipe.unlink()
    desk.script(*words)
    assert len(list(desk.cloud.glob("nodo-*"))) == 3 * len(CODES)
    desk.script("delete", "--roster", roster, "--si")
    assert list(desk.cloud.glob("nodo-*")) == desk.nodes == []


def test_the_plan_of_a_class_does_nothing_and_adds_up_its_cost(desk: Desk, roster: Path) -> None:
    words = ("create", "--provider", "guion", "--roster", roster, "--plan")
    assert "Los 6 juntos:\nCosto a precio de lista: USD 0.0503 por hora" in desk.script(*words).stdout
    assert len(json.loads(desk.script(*words, "--json").stdout)["plans"]) == len(CODES)
    assert desk.nodes == []
