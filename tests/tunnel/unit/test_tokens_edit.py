"""Entries put into a tokens file and taken out: the rest stays, nobody reads half of it, nobody's is lost."""

from __future__ import annotations

import os
import threading
from datetime import date
from pathlib import Path

import pytest

from tests.tunnel.unit.kit import assert_spanish
from tunnel.access import edit
from tunnel.access.tokens_file import load_tokens
from tunnel.config import ConfigError, Secret

SECRET = "secreto-de-prueba-0123"

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")


def add(path: Path, label: str, names: tuple[str, ...] = ("a.example",), expires: date | None = None) -> None:
    edit.add_token(path, label, Secret(f"{SECRET}-{label}"), names, expires)


def labels(path: Path) -> list[str]:
    return [entry.label for entry in load_tokens(path)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.toml"


def test_the_first_token_makes_the_file_which_is_private(file: Path) -> None:
    add(file, "ana", ("ana.example", "*.ana.example"), date(2027, 1, 1))
    (entry,) = load_tokens(file)
    assert (entry.label, entry.names) == ("ana", ("ana.example", "*.ana.example"))
    assert entry.expires_s > 1.79e9
    assert list(file.parent.iterdir()) == [file]
    if os.name == "posix":
        assert file.stat().st_mode & 0o7777 == 0o600


def test_tokens_come_and_go_and_all_else_stays(file: Path) -> None:
    file.touch(mode=0o600)
    file.write_text(
        f'# Curso 2026\n\n[[token]]  # la primera\nlabel = "ana"\nsecret = "{SECRET}"\nnames = ["a"] # suya\n'
    )
    before = file.read_text()
    add(file, "luis", ("luis.example",))
    assert file.read_text().startswith(before)
    add(file, "eva")
    assert labels(file) == ["ana", "luis", "eva"]
    edit.remove_token(file, "luis")
    assert labels(file) == ["ana", "eva"]
    for comment in ("# Curso 2026", "# la primera", "# suya"):
        assert comment in file.read_text()
    edit.remove_token(file, "eva")
    assert file.read_text().strip() == before.strip()
    edit.remove_token(file, "ana")
    assert labels(file) == []
    assert "# Curso 2026" in file.read_text()
    add(file, "ana")
    assert labels(file) == ["ana"]


def test_a_label_is_taken_once(file: Path) -> None:
    add(file, "ana")
    before = file.read_bytes()
    with pytest.raises(edit.LabelTaken):
        add(file, "ana")
    with pytest.raises(edit.NoSuchLabel):
        edit.remove_token(file, "luis")
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_broken_file_is_not_touched(file: Path) -> None:
    file.touch(mode=0o600)
    file.write_text("[[token]]\nlabel = 1\n")
    with pytest.raises(ConfigError) as caught:
        add(file, "ana")
    assert_spanish(str(caught.value))
    assert file.read_text() == "[[token]]\nlabel = 1\n"
    assert list(file.parent.iterdir()) == [file]


def test_an_inline_list_of_tokens_is_told_to_be_written_otherwise(file: Path) -> None:
    file.touch(mode=0o600)
    file.write_text(f'token = [{{label = "ana", secret = "{SECRET}", names = ["a"]}}]\n')
    assert labels(file) == ["ana"]
    with pytest.raises(ConfigError, match=r"\[\[token\]\]"):
        add(file, "luis")


def test_removing_from_a_file_that_is_not_there_is_an_error(file: Path) -> None:
    with pytest.raises(ConfigError, match="no existe"):
        edit.remove_token(file, "ana")


@posix
def test_a_link_to_the_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    add(file, "ana")
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    add(link, "luis")
    assert link.is_symlink()
    assert labels(file) == ["ana", "luis"]


@posix
def test_a_file_that_others_can_read_gets_no_secret(file: Path) -> None:
    add(file, "ana")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        add(file, "luis")


def test_two_that_write_at_once_lose_nothing(file: Path) -> None:
    wanted = [f"alumno{number}" for number in range(24)]
    failures: list[BaseException] = []

    def add_some(some: list[str]) -> None:
        try:
            for label in some:
                add(file, label)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=add_some, args=(wanted[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if file.exists():
            load_tokens(file)  # whole at any time
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(labels(file)) == sorted(wanted)


def test_a_file_that_somebody_left_half_written_is_waited_for_and_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit, "_PATIENCE_S", 0.05)
    lock = file.with_name("tokens.toml.nuevo")
    lock.touch()
    with pytest.raises(edit.FileInUse) as caught:
        add(file, "ana")
    assert caught.value.lock == lock
    assert lock.exists()
