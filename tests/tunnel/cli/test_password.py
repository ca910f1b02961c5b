"""``tunnel password``: what is kept of a password, and how it is asked for."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.tunnel.cli.conftest import Run
from tests.tunnel.unit.kit import assert_spanish
from tunnel.sites.credentials import load_users
from tunnel.sites.passwords import parse_hash

PASSWORD = "una clave con tildes: ñandú"


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return tmp_path / "ana.usuarios"


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let ``text`` come from a pipe."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_the_line_that_is_printed_is_of_the_password_and_does_not_tell_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, PASSWORD + "\n")
    outcome = run("password", "ana")
    assert (outcome.code, outcome.err) == (0, "")
    name, _, text = outcome.out.strip().partition(":")
    assert name == "ana"
    assert parse_hash(text).matches(PASSWORD)
    assert not parse_hash(text).matches(PASSWORD + " ")
    assert "clave" not in outcome.out


def test_users_are_put_into_a_file_changed_and_taken_away(
    run: Run, monkeypatch: pytest.MonkeyPatch, users: Path
) -> None:
    for name, password in (("ana", PASSWORD), ("luis", "otra clave"), ("ana", "ya cambió")):
        typed(monkeypatch, password)
        outcome = run("password", name, "--a", str(users))
        assert (outcome.code, outcome.err) == (0, "")
        assert password not in outcome.out + users.read_text(encoding="utf-8")
    kept = load_users(users)
    assert list(kept.hashes) == ["ana", "luis"]
    assert kept.hashes["ana"].matches("ya cambió")
    assert kept.hashes["luis"].matches("otra clave")
    users.write_text("# del curso\n" + users.read_text(), encoding="utf-8")
    assert run("password", "ana", "--a", str(users), "--quitar").code == 0
    assert list(load_users(users).hashes) == ["luis"]
    assert users.read_text().startswith("# del curso\n")
    again = run("password", "ana", "--a", str(users), "--quitar")
    assert again.code == 1
    assert "no hay un usuario" in again.err


def test_a_password_by_chance_is_all_that_stdout_carries(run: Run, users: Path) -> None:
    outcome = run("password", "ana", "--a", str(users), "--azar")
    assert outcome.code == 0
    assert load_users(users).hashes["ana"].matches(outcome.out.removesuffix("\n"))
    assert len(outcome.out.strip()) == 22


def test_at_a_terminal_it_is_asked_twice_and_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, users: Path
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    answers = iter([PASSWORD, PASSWORD, PASSWORD, "otra cosa"])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    assert run("password", "ana", "--a", str(users)).code == 0
    outcome = run("password", "ana", "--a", str(users))
    assert outcome.code == 2
    assert "no son iguales" in outcome.err
    assert load_users(users).hashes["ana"].matches(PASSWORD)


@pytest.mark.parametrize(
    ("argv", "stdin", "words"),
    [
        (["ana"], "corta", "8 al menos"),
        (["ana"], "", "tiene 0 caracteres"),
        (["ana"], "con\ttabulador", "caracteres de control"),
        (["ana:b"], PASSWORD, "no sirve como usuario"),
        (["ana", "--azar"], PASSWORD, "--azar va con --a"),
        (["ana", "--quitar"], PASSWORD, "--quitar va con --a"),
    ],
)
def test_what_cannot_be_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch, argv: list[str], stdin: str, words: str
) -> None:
    typed(monkeypatch, stdin)
    outcome = run("password", *argv)
    assert outcome.code == 2
    assert words in outcome.err
    assert_spanish(outcome.err.partition("password: ")[2])


def test_a_file_that_holds_something_else_is_left_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, users: Path
) -> None:
    users.touch(mode=0o600)
    users.write_text("un-token-cualquiera-0123456789\n")
    typed(monkeypatch, PASSWORD)
    outcome = run("password", "ana", "--a", str(users))
    assert outcome.code == 2
    assert "un-token" not in outcome.err
    assert users.read_text() == "un-token-cualquiera-0123456789\n"
