"""The tokens file: what it may say, and what is refused with words that help."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.tunnel.unit.kit import assert_spanish
from tunnel.access.ring import TokenEntry
from tunnel.access.tokens_file import MAX_TOKENS, load_tokens
from tunnel.config import ConfigError

SECRET = "secreto-de-prueba-0123"

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")


def write(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mis tokens.toml"


def entry_of(path: Path, lines: str) -> TokenEntry:
    """Return the only entry of a file that holds these lines."""
    (entry,) = load_tokens(write(path, f"[[token]]\n{lines}\n"))
    return entry


def refusal(path: Path) -> str:
    """Return why the file is refused."""
    with pytest.raises(ConfigError) as caught:
        load_tokens(path)
    text = str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert SECRET not in text
    assert_spanish(text)
    return text


def test_an_entry_has_a_label_a_secret_names_and_no_end(file: Path) -> None:
    entry = entry_of(file, f'label = "ana"\nsecret = "{SECRET}"\nnames = ["Ana.example", "*.ana.example"]')
    assert (entry.label, entry.secret.reveal()) == ("ana", SECRET)
    assert entry.names == ("ana.example", "*.ana.example")
    assert entry.expires_s == math.inf
    assert entry.secret_file is None


def test_a_secret_may_be_in_a_file_of_its_own_beside_it(file: Path) -> None:
    (file.parent / "secretos").mkdir()
    secret = write(file.parent / "secretos" / "ana.txt", SECRET + "\n")
    entry = entry_of(file, 'label = "ana"\nsecret_file = "secretos/ana.txt"\nnames = ["a"]')
    assert entry.secret.reveal() == SECRET
    assert entry.secret_file == secret


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("2026-12-18", datetime(2026, 12, 19, tzinfo=UTC)),
        ("2026-12-18T18:00:00Z", datetime(2026, 12, 18, 18, tzinfo=UTC)),
        ("2026-12-18T18:00:00-05:00", datetime(2026, 12, 18, 23, tzinfo=UTC)),
    ],
)
def test_a_token_ends_with_its_day_or_at_its_hour(file: Path, written: str, end: datetime) -> None:
    entry = entry_of(file, f'label = "a"\nsecret = "{SECRET}"\nnames = ["a"]\nexpires = {written}')
    assert entry.expires_s == end.timestamp()


def test_a_file_without_tokens_lets_nobody_in(file: Path) -> None:
    assert load_tokens(write(file, "# nadie, por ahora\n")) == ()


def test_a_thousand_tokens_fit_and_one_more_does_not(file: Path) -> None:
    def text(count: int) -> str:
        return "".join(
            f'[[token]]\nlabel = "t{n}"\nsecret = "{SECRET}-{n}"\nnames = ["t{n}.example"]\n'
            for n in range(count)
        )

    assert len(load_tokens(write(file, text(MAX_TOKENS)))) == MAX_TOKENS == 1000
    assert "caben 1000" in refusal(write(file, text(MAX_TOKENS + 1)))


GOOD = f'label = "ana"\nsecret = "{SECRET}"\nnames = ["ana.example"]'


TWIN = GOOD.replace('label = "ana', 'label = "luis')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("token = [", "no es TOML: hay un error al final"),
        ('[[token]]\nlabel = "a\n', "no es TOML: hay un error en la línea 2"),
        (f"[[tokens]]\n{GOOD}", "¿Quiso decir token?"),
        (f"[token]\n{GOOD}", "«[[token]]»"),
        ("token = [1]", "«[[token]]»"),
        (f"[[token]]\n{GOOD}\nname = ['x']", "'name'. ¿Quiso decir names?"),
        (f"[[token]]\n{GOOD}\nvence = 2026-01-01", "'vence'. Las hay: label, secret, secret_file, "),
        (f'[[token]]\nsecret = "{SECRET}"\nnames = ["a"]', "el token número 1"),
        (f'[[token]]\nlabel = ""\nsecret = "{SECRET}"\nnames = ["a"]', "etiqueta (label)"),
        (f'[[token]]\nlabel = "a b"\nsecret = "{SECRET}"\nnames = ["a"]', "una sola palabra"),
        (f'[[token]]\nlabel = 7\nsecret = "{SECRET}"\nnames = ["a"]', "una sola palabra"),
        (f'[[token]]\nlabel = "{"x" * 65}"\nsecret = "{SECRET}"\nnames = ["a"]', "64 como máximo"),
        ('[[token]]\nlabel = "ana"\nnames = ["a"]', "«ana»"),
        (f'[[token]]\n{GOOD}\nsecret_file = "x"', "uno de los dos"),
        ('[[token]]\nlabel = "ana"\nsecret = 7\nnames = ["a"]', "entre comillas"),
        ('[[token]]\nlabel = "ana"\nsecret = "corto"\nnames = ["a"]', "al menos 16"),
        ('[[token]]\nlabel = "ana"\nsecret = "con espacios en el medio"\nnames = ["a"]', "sin espacios"),
        ('[[token]]\nlabel = "ana"\nsecret_file = "no-hay.txt"\nnames = ["a"]', "no-hay.txt no existe"),
        ('[[token]]\nlabel = "ana"\nsecret_file = ""\nnames = ["a"]', "entre comillas"),
        (f'[[token]]\nlabel = "ana"\nsecret = "{SECRET}"', "names"),
        (f'[[token]]\nlabel = "ana"\nsecret = "{SECRET}"\nnames = []', "names"),
        (f'[[token]]\nlabel = "ana"\nsecret = "{SECRET}"\nnames = "ana.example"', "en una lista"),
        (f'[[token]]\nlabel = "ana"\nsecret = "{SECRET}"\nnames = ["a:80"]', "el token «ana»"),
        (f'[[token]]\n{GOOD}\nexpires = "2026-12-18"', "sin comillas"),
        (f"[[token]]\n{GOOD}\nexpires = 2026-12-18T18:00:00", "con su zona"),
        (f"[[token]]\n{GOOD}\nexpires = 9999-12-31", "expires"),
        (f"[[token]]\n{GOOD}\n[[token]]\n{GOOD}", "dos tokens con la etiqueta «ana»"),
        (f"[[token]]\n{GOOD}\n[[token]]\n{TWIN}", "«ana» y «luis» tienen el mismo"),
        ("x" * 1024 * 1024 + "x", "más de 1048576 bytes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_no_secret_is(file: Path, text: str, said: str) -> None:
    complaint = refusal(write(file, text))
    assert said in complaint
    assert str(file) in complaint or "no-hay.txt" in complaint


@posix
def test_a_file_that_others_can_read_is_refused(file: Path) -> None:
    write(file, f"[[token]]\n{GOOD}").chmod(0o640)
    assert f"chmod 600 '{file}'" in refusal(file)


@posix
def test_a_secret_file_that_others_can_read_is_refused(file: Path) -> None:
    write(file.parent / "ana.txt", SECRET).chmod(0o604)
    write(file, '[[token]]\nlabel = "ana"\nsecret_file = "ana.txt"\nnames = ["a"]')
    assert "ana.txt" in refusal(file)


def test_a_file_that_does_not_exist_is_named_with_the_way_to_make_it(file: Path) -> None:
    assert "tunnel token --etiqueta" in refusal(file)
