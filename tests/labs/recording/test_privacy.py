"""No name and no secret of who records is kept, and nothing else is changed."""

import getpass
import socket
import sys
from pathlib import Path

import pytest

from labcheck.recording.privacy import Disguise, environment_in, secrets_in, tells_a_secret

HOME, PROJECT = Path("/scratch/casa-1"), Path("/scratch/casa-1/curso")
DISGUISE = Disguise.over(HOME, PROJECT)


@pytest.mark.parametrize(
    ("real", "shown"),
    [
        ("guarda en /scratch/casa-1/.local/state\r\n", "guarda en /home/ana/.local/state\r\n"),
        ("/scratch/casa-1/curso/labs", "/home/ana/tunelab/labs"),
        (f"{sys.prefix}/bin/tunnel", "/home/ana/tunelab/.venv/bin/tunnel"),
        (f"{Path.home()}/.ssh", "/home/ana/.ssh"),
        (f"equipo={socket.gethostname()})", "equipo=portatil)"),
        (f"{getpass.getuser()}\r\n", "ana\r\n"),
        (f"  (en la ficha: usuario={getpass.getuser()})\r\n", "  (en la ficha: usuario=ana)\r\n"),
    ],
)
def test_each_real_name_is_shown_as_another(real, shown):
    assert DISGUISE.on(real) == shown


@pytest.mark.parametrize(
    "text",
    [
        "/scratch/casa-12/x",
        "/otra/scratch/casa-1",
        "http://localhost:5000",
        f"el usuario {getpass.getuser()} de siempre",
        f"un-{socket.gethostname()}-mas",
    ],
)
def test_what_only_resembles_a_name_is_left_as_it_is(text):
    assert DISGUISE.on(text) == text


def test_the_programs_are_told_nothing_of_who_records(monkeypatch):
    monkeypatch.setenv("CLAVE_DE_ALGO", "secreto")
    environment = environment_in(HOME, PROJECT)
    assert "secreto" not in environment.values()
    assert (environment["HOME"], environment["USER"]) == (str(HOME), "ana")


def test_a_token_of_any_file_of_the_lab_is_a_secret_and_a_pin_is_not(tmp_path):
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "token.txt").write_text("uno-muy-largo\n", encoding="utf-8")
    (tmp_path / "conexion.toml").write_text('pin = "sha256:0"\ntoken = "dos-muy-largo"\n', encoding="utf-8")
    (tmp_path / "otro.toml").write_bytes(b"\xff")
    secrets = secrets_in(tmp_path)
    assert secrets == {"uno-muy-largo", "dos-muy-largo"}
    assert tells_a_secret("el token es dos-muy-largo\r\n", secrets)
    assert tells_a_secret("-----BEGIN PRIVATE KEY-----\r\n", secrets)
    assert not tells_a_secret('pin = "sha256:0"', secrets)
