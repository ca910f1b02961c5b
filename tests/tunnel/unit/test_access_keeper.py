"""The tokens in force: the file watched, and a broken one kept out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tunnel.unit.kit import assert_spanish
from tunnel.access.keeper import AccessKeeper
from tunnel.config import ConfigError, Secret
from tunnel.events import TokensRejected, TokensReloaded
from tunnel.protocol.auth import key_id

NOON_S = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC, in fact


def secret(label: str) -> str:
    return f"{label}-0123456789abcdef"


def entry(label: str, names: str = "", expires: str = "") -> str:
    lines = [
        "[[token]]",
        f'label = "{label}"',
        f'secret = "{secret(label)}"',
        f'names = ["{names or label + ".example"}"]',
    ]
    return "\n".join([*lines, *([f"expires = {expires}"] if expires else []), ""])


class Clock:
    """A clock that goes when it is told."""

    def __init__(self) -> None:
        self.now = NOON_S

    def __call__(self) -> float:
        return self.now


class Watched:
    """A tokens file and its keeper."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.clock = Clock()
        self.write(text)
        self.keeper = AccessKeeper(None, path, self.clock)

    def write(self, text: str) -> None:
        """Replace the file, as ``tunnel token`` and most editors do."""
        new = self.path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(text, encoding="utf-8")
        new.replace(self.path)

    def allows(self, label: str, name: str) -> bool:
        return self.keeper.allows(key_id(secret(label)), name)

    def settle(self) -> TokensReloaded | TokensRejected | None:
        """Poll until the change that was made has been read."""
        assert self.keeper.poll() is None, "a file that may still be changing was read"
        return self.keeper.poll()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "tokens.toml", entry("ana") + entry("luis"))


def test_one_token_may_claim_every_name_for_ever() -> None:
    keeper = AccessKeeper(Secret(secret("a")), None)
    assert keeper.find(key_id(secret("a"))) == secret("a")
    assert keeper.allows(key_id(secret("a")), "*")
    assert keeper.allows(key_id(secret("a")), "a.example")
    assert keeper.label(key_id(secret("a"))) == ""
    assert not keeper.is_named("a.example")
    assert keeper.poll() is None
    assert not keeper.has_expired()


def test_each_token_has_its_own_names(watched: Watched) -> None:
    assert watched.keeper.find(key_id(secret("ana"))) == secret("ana")
    assert watched.keeper.label(key_id(secret("ana"))) == "ana"
    assert watched.allows("ana", "ana.example")
    assert not watched.allows("ana", "luis.example")
    assert not watched.allows("nadie", "ana.example")
    assert watched.keeper.is_named("ana.example")
    assert not watched.keeper.is_named("otro.example")


def test_a_file_that_does_not_change_is_not_read_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunnel.access.keeper.load_tokens", pytest.fail)
    assert [watched.keeper.poll() for _ in range(5)] == [None] * 5


def test_a_changed_file_comes_into_force_and_what_changed_is_told(watched: Watched) -> None:
    watched.write(entry("ana", "otra.example") + entry("eva"))
    assert watched.settle() == TokensReloaded(2, added=("eva",), removed=("luis",), changed=("ana",))
    assert watched.allows("ana", "otra.example")
    assert not watched.allows("ana", "ana.example")
    assert not watched.allows("luis", "luis.example")
    assert watched.allows("eva", "eva.example")
    assert watched.keeper.find(key_id(secret("luis"))) is None
    assert watched.keeper.poll() is None


def test_a_file_that_says_the_same_in_other_words_is_nothing_to_tell(watched: Watched) -> None:
    watched.write("# del curso\n" + entry("luis") + entry("ana"))
    assert watched.settle() is None
    assert watched.allows("ana", "ana.example")


def test_a_file_that_is_being_written_is_left_alone(watched: Watched) -> None:
    """An editor that writes in place empties the file first: read then, it would end every link."""
    for length in range(1, 4):
        watched.path.write_text("#" * length)
        assert watched.keeper.poll() is None
        assert watched.allows("ana", "ana.example")
    watched.path.write_text(entry("ana"))
    assert watched.settle() == TokensReloaded(1, (), ("luis",), ())


def test_a_broken_file_changes_nothing_and_is_told_once(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write(entry("ana") + "[[token]]\nnombres = 1\n")
    event = watched.settle()
    assert isinstance(event, TokensRejected)
    assert event.file == str(watched.path)
    assert "etiqueta" in event.message
    assert_spanish(event.message)
    assert "the former tokens stay in force" in caplog.text
    assert secret("ana") not in event.message + caplog.text
    for _ in range(3):
        watched.clock.now += 60
        assert watched.keeper.poll() is None
    assert watched.allows("luis", "luis.example")


def test_a_file_that_is_mended_is_told_even_if_it_says_what_was_in_force(watched: Watched) -> None:
    watched.write("roto")
    assert isinstance(watched.settle(), TokensRejected)
    watched.write(entry("ana") + entry("luis"))
    assert watched.settle() == TokensReloaded(2, (), (), ())


def test_a_file_that_is_gone_changes_nothing_until_it_is_back(watched: Watched) -> None:
    watched.path.unlink()
    event = watched.settle()
    assert isinstance(event, TokensRejected)
    assert "no existe" in event.message
    assert watched.allows("ana", "ana.example")
    watched.write(entry("ana"))
    assert watched.settle() == TokensReloaded(1, (), ("luis",), ())


def test_a_file_that_lacks_one_of_its_secrets_is_tried_again_without_a_change_of_its_own(
    watched: Watched,
) -> None:
    watched.write('[[token]]\nlabel = "eva"\nsecret_file = "eva.txt"\nnames = ["eva.example"]\n')
    assert isinstance(watched.settle(), TokensRejected)
    file = watched.path.with_name("eva.txt")
    file.touch(mode=0o600)
    file.write_text(secret("eva"))
    watched.clock.now += 1
    assert watched.keeper.poll() is None
    watched.clock.now += 1
    assert watched.keeper.poll() == TokensReloaded(1, ("eva",), ("ana", "luis"), ())
    assert watched.allows("eva", "eva.example")


def test_the_files_of_single_secrets_are_watched_too(watched: Watched) -> None:
    file = watched.path.with_name("eva.txt")
    file.touch(mode=0o600)
    file.write_text(secret("eva"))
    watched.write('[[token]]\nlabel = "eva"\nsecret_file = "eva.txt"\nnames = ["eva.example"]\n')
    assert isinstance(watched.settle(), TokensReloaded)
    file.write_text(secret("otra"))
    assert watched.settle() == TokensReloaded(1, (), (), ("eva",))
    assert watched.allows("otra", "eva.example")
    assert not watched.allows("eva", "eva.example")
    assert watched.keeper.poll() is None


def test_in_a_hurry_a_file_is_read_at_once(watched: Watched) -> None:
    watched.write(entry("ana"))
    assert watched.keeper.poll(is_urgent=True) == TokensReloaded(1, (), ("luis",), ())


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_a_file_that_others_can_read_from_now_on_is_rejected(watched: Watched) -> None:
    watched.path.chmod(0o644)
    event = watched.settle()
    assert isinstance(event, TokensRejected)
    assert "chmod 600" in event.message


def test_a_token_ends_at_its_time_and_that_is_noticed_once(tmp_path: Path) -> None:
    watched = Watched(
        tmp_path / "tokens.toml",
        entry("ana", expires="2027-01-15T08:00:10Z")
        + entry("luis", expires="2027-01-15T08:00:20Z")
        + entry("eva"),
    )
    watched.clock.now = NOON_S + 9.9
    assert not watched.keeper.has_expired()
    assert watched.allows("ana", "ana.example")
    watched.clock.now = NOON_S + 10
    assert not watched.allows("ana", "ana.example")
    assert watched.keeper.has_expired()
    assert not watched.keeper.has_expired()
    assert watched.allows("luis", "luis.example")
    watched.clock.now = NOON_S + 20
    assert watched.keeper.has_expired()
    assert not watched.allows("luis", "luis.example")
    assert watched.allows("eva", "eva.example")
    assert watched.keeper.find(key_id(secret("ana"))) == secret("ana"), "it must be told that it has expired"
    assert watched.keeper.is_named("ana.example")


def test_a_file_that_cannot_be_used_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        AccessKeeper(None, tmp_path / "no-existe.toml")
