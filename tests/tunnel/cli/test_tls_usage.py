"""The command line of an encrypted link: what goes with what, and what is refused before anything is sent."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.tunnel.cli.conftest import Run
from tests.tunnel.unit.kit import assert_spanish

TOKEN = "un-token-de-prueba-0123"
PIN = "sha256:" + "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let nothing be kept in the real home."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def connection(home: Path) -> Path:
    path = home / "conexion.toml"
    path.touch(mode=0o600)
    path.write_text(f'version = 1\nurl = "wss://exit.example"\ntoken = "{TOKEN}"\npin = "{PIN}"\n')
    return path


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("client --upstream b", "falta --conexion ARCHIVO"),
        ("client --conexion C --url wss://a --upstream b", "--conexion y --url no van juntos"),
        ("client --conexion C --token-file t --upstream b", "--conexion y --token-file no van juntos"),
        ("client --conexion C --ca-pin token --upstream b", "--conexion y --ca-pin no van juntos"),
        ("client --conexion C --ca-file a.pem --upstream b", "--conexion y --ca-file no van juntos"),
        ("client --conexion /no/existe --upstream b", "no existe"),
        ("client --conexion C --inseguro --upstream b", "--inseguro no hace nada"),
        (f"client --url wss://a --ca-pin {PIN} --ca-file a.pem --upstream b", "no van juntos"),
        ("client --url wss://a --ca-pin sha256:00 --upstream b", "no es la huella de una CA"),
        ("client --url wss://a --ca-pin= --upstream b", "no es la huella de una CA"),
        ("client --url wss://a --ca-file /no/existe.pem --upstream b", "/no/existe.pem: no existe"),
        (f"client --url ws://localhost --ca-pin {PIN} --upstream b", "no hay certificado que comprobar"),
        ("client --url ws://192.0.2.10 --upstream b", "--inseguro"),
        ("client --url ws://exit.example:8123 --upstream b", "no va cifrada"),
        ("client --url ws://localhost.example --upstream b", "no va cifrada"),
        ("client --url ws://127.0.0.1.example --upstream b", "no va cifrada"),
        ("client --url ws://0.0.0.0 --upstream b", "no va cifrada"),
        ("client --url ws://[2001:db8::1] --upstream b", "no va cifrada"),
        ("client --url ws://[::ffff:192.0.2.1] --upstream b", "no va cifrada"),
        ("server --auto-tls --port 8000 --control-port 8000", "no pueden ser el mismo puerto"),
        ("server --auto-tls-san 192.0.2.10", "--auto-tls-san va con --auto-tls"),
        ("server --state-dir x", "--state-dir va con --auto-tls"),
        ("server --conexion x", "--conexion va con --auto-tls"),
        ("server --auto-tls --tokens-file t.toml --conexion c.toml", "Quite --conexion"),
        ("server --auto-tls --auto-tls-san http://a", "no sirve en --auto-tls-san"),
        ("server --auto-tls --auto-tls-san a:8123", "no sirve en --auto-tls-san"),
        ("server --auto-tls --auto-tls-san 0.0.0.0", "no sirve en --auto-tls-san"),
        ("server --auto-tls --auto-tls-san *.example", "no sirve en --auto-tls-san"),
        ("server --auto-tls --auto-tls-san fe80::1%eth0", "no sirve en --auto-tls-san"),
        ("server --auto-tls --auto-tls-san=", "no sirve en --auto-tls-san"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_way_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, connection: Path, line: str, words: str
) -> None:
    monkeypatch.setenv("TUNELAB_TOKEN", TOKEN)
    outcome = run(*(str(connection) if word == "C" else word for word in line.split()))
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.err
    assert TOKEN not in outcome.err
    assert_spanish(outcome.err)


@pytest.mark.parametrize("content", ["hola", ""], ids=["no certificate", "empty"])
def test_a_ca_file_without_a_certificate_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, home: Path, content: str
) -> None:
    monkeypatch.setenv("TUNELAB_TOKEN", TOKEN)
    (home / "ca.pem").write_text(content)
    outcome = run("client", "--url=wss://localhost:9", f"--ca-file={home / 'ca.pem'}", "--upstream=b")
    assert outcome.code == 2
    assert "no tiene el certificado de una CA" in outcome.err


def test_a_connection_file_that_others_can_read_is_refused(run: Run, connection: Path) -> None:
    connection.chmod(0o644)
    outcome = run("client", f"--conexion={connection}", "--upstream=b")
    assert outcome.code == 2
    assert "chmod 600" in outcome.err


def test_no_option_turns_verification_off(run: Run) -> None:
    text = run("client", "--help").out
    for word in ("insecure", "no-verify", "skip", "sin-verificar"):
        assert word not in text


def test_a_token_is_made_where_none_was_given_and_not_where_there_is_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    # The address is not ours: the server ends with 3 after it has made all that it needs.
    line = ("server", "--auto-tls", "--host=203.0.113.1", "--port=0", "--control-port=0")
    folder = home / "state" / "tunelab"
    monkeypatch.setenv("TUNELAB_TOKEN", TOKEN)
    assert run(*line).code == 3
    assert not (folder / "token.txt").exists()
    monkeypatch.delenv("TUNELAB_TOKEN")
    assert run(*line).code == 3
    token = (folder / "token.txt").read_text()
    assert stat.S_IMODE((folder / "token.txt").stat().st_mode) == 0o600
    assert run(*line).code == 3
    assert (folder / "token.txt").read_text() == token
    assert {path.name for path in folder.iterdir()} == {"autoridad.pem", "ca.pem", "token.txt"}


def test_a_damaged_state_is_wrong_usage_that_names_the_file(run: Run, home: Path) -> None:
    folder = home / "estado"
    folder.mkdir(mode=0o700)
    (folder / "autoridad.pem").touch(mode=0o600)
    outcome = run("server", "--auto-tls", f"--state-dir={folder}", "--port=0", "--control-port=0")
    assert (outcome.code, outcome.out) == (2, "")
    assert str(folder / "autoridad.pem") in outcome.err
    assert_spanish(outcome.err)


def test_a_foreign_file_in_the_connection_file_s_place_is_found_before_anything_listens(
    run: Run, home: Path
) -> None:
    (home / "notas.txt").touch(mode=0o600)
    (home / "notas.txt").write_text("mis notas")
    outcome = run("server", "--auto-tls", f"--conexion={home / 'notas.txt'}", "--port=0", "--control-port=0")
    assert (outcome.code, outcome.out) == (2, "")
    assert "no se sobrescribe" in outcome.err
    assert (home / "notas.txt").read_text() == "mis notas"


def test_a_connection_file_that_cannot_be_written_is_the_environment_s_fault(run: Run, home: Path) -> None:
    path = home / "no" / "existe.toml"
    outcome = run("server", "--auto-tls", f"--conexion={path}", "--port=0", "--control-port=0")
    assert (outcome.code, outcome.out) == (3, "")
    assert f"no se puede escribir {path}: no existe." in outcome.err
