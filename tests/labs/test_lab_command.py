"""The program ``lab``, as a student calls it."""

import argparse
import subprocess
from pathlib import Path

import pytest
import requests
from support.whole_path import make_token, program, running_app, running_client, running_exit_node

from labcheck.catalog import CatalogError, find_labs
from labcheck.commands import listar
from labcheck.proof import TASKS_PATH


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("lab"), *arguments], capture_output=True, encoding="utf-8", timeout=50)


def titles(url: str) -> list[str]:
    return [task["title"] for task in requests.get(url + TASKS_PATH, timeout=10).json()["tasks"]]


def test_probar_passes_for_a_tunnel_and_removes_its_task(tmp_path):
    token = make_token(tmp_path)
    with running_app() as app, running_exit_node(token) as node, running_client(node, app, token):
        done = lab("probar", "--local", app, "--remoto", node.public_url)
        assert done.returncode == 0, done.stdout
        assert done.stdout.count("✓") == 4
        assert "El túnel funciona" in done.stdout
        assert "\x1b" not in done.stdout
        assert titles(app) == ["Buy groceries", "Learn Python"]


def test_probar_keeps_its_task_when_told_to(tmp_path):
    token = make_token(tmp_path)
    with running_app() as app, running_exit_node(token) as node, running_client(node, app, token):
        done = lab("probar", "--local", app, "--remoto", node.public_url + "/", "--conservar")
        assert done.returncode == 0, done.stdout
        assert len(titles(app)) == 3
        assert titles(app)[2] in done.stdout


def test_probar_says_which_hop_failed_and_exits_with_1(tmp_path):
    token = make_token(tmp_path)
    with running_app() as app, running_exit_node(token) as node:
        done = lab("probar", "--local", app, "--remoto", node.public_url)
    assert done.returncode == 1
    assert "visitante → nodo de salida → ✗ enlace → cliente del túnel → aplicación" in done.stdout
    assert "tunnel client" in done.stdout


def test_probar_does_not_take_the_application_itself_for_a_tunnel():
    with running_app() as app:
        done = lab("probar", "--local", app, "--remoto", app.replace("127.0.0.1", "localhost"))
        assert done.returncode == 1
        assert "son la misma dirección" in done.stdout
        assert len(titles(app)) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "falta ORDEN"),
        (("volar",), "'volar' no es una orden"),
        (("probar",), "falta --local, --remoto"),
        (("probar", "--local", "http://a", "--remoto"), "--remoto necesita un valor"),
        (("probar", "--local", "localhost:5000", "--remoto", "http://a"), "no es una dirección como http://"),
        (("probar", "--local", "http://a/todo", "--remoto", "http://a"), "sin nada después del puerto"),
        (("listar", "--todo"), "no se entiende «--todo»"),
    ],
)
def test_wrong_usage_is_toldwords_of_detail_and_exits_with_2(arguments, said):
    done = lab(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [("--help",), ("probar", "--help"), ("listar", "-h")])
def test_help_iswords_of_detail(arguments):
    done = lab(*arguments)
    assert done.returncode == 0
    assert done.stdout.startswith("uso: lab")
    assert "muestra esta ayuda y termina" in done.stdout


def test_listar_says_plainly_that_there_are_no_labs(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNELAB_LABS", str(tmp_path))
    done = lab("listar")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Aquí no hay laboratorios.\n"


def add_lab(folder: Path, name: str, description: str) -> None:
    (folder / name).mkdir()
    (folder / name / "lab.toml").write_text(description, encoding="utf-8")


def test_labs_are_listed_by_their_numbers(tmp_path, monkeypatch, capsys):
    add_lab(tmp_path, "02-cortes", 'title = "Cortes y reconexión"\nminutes = 45\n')
    add_lab(tmp_path, "01-tunel", 'title = "Su primer túnel"\nminutes = 30\n')
    add_lab(tmp_path, "labcheck", "not a lab")
    monkeypatch.setenv("TUNELAB_LABS", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert listar.run(argparse.Namespace()) == 0
    assert capsys.readouterr().out.splitlines() == [
        "01   30 min  sin empezar           Su primer túnel",
        "02   45 min  sin empezar           Cortes y reconexión",
    ]


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("title = ", "No se pudo leer"),
        ("minutes = 3\n", "le falta «title»"),
        ('title = ""\nminutes = 3\n', "le falta «title»"),
        ('title = "x"\n', "le falta «minutes»"),
        ('title = "x"\nminutes = 0\n', "le falta «minutes»"),
        ('title = "x"\nminutes = true\n', "le falta «minutes»"),
        ('title = "x"\nminutes = 3\nobjetives = []\n', "tiene «objetives».*¿Quiso decir «objectives»?"),
        ('title = "x"\nminutes = 3\nmodes = ["luna"]\n', "«modes».*Puede ser: local, vm, nube"),
        ('title = "x"\nminutes = 3\ndifficulty = "imposible"\n', "«difficulty».*fácil, media, avanzada"),
        ('title = "x"\nminutes = 3\nports = ["5000"]\n', "«ports»"),
        ('title = "x"\nminutes = 3\nvideos = [{url = "u"}]\n', "«videos»"),
    ],
)
def test_a_lab_with_a_wrong_description_is_named(tmp_path, description, said):
    add_lab(tmp_path, "01-tunel", description)
    with pytest.raises(CatalogError, match=said) as caught:
        find_labs(tmp_path)
    assert "01-tunel" in str(caught.value)
