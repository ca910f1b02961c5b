"""Users and tokens of visitors: what files may hold, and what is kept of it."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from tests.tunnel.unit.kit import assert_spanish
from tunnel.config import ConfigError
from tunnel.sites.credentials import load_bearer_tokens, load_users
from tunnel.sites.file import load_sites, parse_sites
from tunnel.sites.passwords import hash_password, parse_hash

CHEAP = hash_password("clave de ana", log_n=10, p=1).encode()


def write(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ana.usuarios"


def test_the_hash_is_scrypt_as_the_rfc_has_it() -> None:
    """RFC 7914, section 12, the second vector."""
    salt = "TmFDbA"  # NaCl, shorter than what is accepted from a file
    digest = bytes.fromhex(
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
    )
    from tunnel.sites.passwords import PasswordHash

    assert PasswordHash(10, 8, 16, b"NaCl", digest).matches("password")
    with pytest.raises(ValueError, match="PHC"):
        parse_hash(f"$scrypt$ln=10,r=8,p=16${salt}$" + "A" * 43)


def test_a_hash_survives_being_written_and_shows_itself_to_nobody() -> None:
    made = hash_password("clave de ana", log_n=10, p=1)
    assert parse_hash(made.encode()) == made
    assert made.matches("clave de ana")
    assert not made.matches("clave de Ana")
    assert made.salt.hex() not in repr(made)
    assert hash_password("clave de ana", log_n=10, p=1) != made, "the same salt twice"


def test_letters_are_the_same_on_every_keyboard() -> None:
    """RFC 7617, section 2.1: NFC."""
    made = hash_password(unicodedata.normalize("NFD", "ñandú"), log_n=10, p=1)
    assert made.matches(unicodedata.normalize("NFC", "ñandú"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "clave",
        "$2b$12$abcdefghijklmnopqrstuv",
        CHEAP.replace("ln=10", "ln=9"),
        CHEAP.replace("ln=10", "ln=40"),
        CHEAP.replace("ln=10,r=8", "ln=20,r=32"),
        CHEAP.replace("p=1", "p=0"),
        CHEAP.replace("p=1", "p=99"),
        CHEAP + "\n",
    ],
)
def test_what_is_no_hash_or_costs_too_little_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cost|PHC|base64"):
        parse_hash(text)


def test_a_users_file_holds_a_line_for_each(file: Path) -> None:
    users = load_users(write(file, f"# curso\n\nana:{CHEAP}\nluis@example.com:{CHEAP}\n"))
    assert list(users.hashes) == ["ana", "luis@example.com"]
    assert users.find("nadie") == users.hashes["ana"], "somebody's must be worked on"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no tiene ningún usuario"),
        (f"ana:{CHEAP}\nana:{CHEAP}\n", "está dos veces"),
        ("ana:clave-en-claro", "«tunnel password»"),
        (CHEAP, "un usuario y dos puntos"),
        (f"añá:{CHEAP}", "un usuario y dos puntos"),
    ],
)
def test_what_is_wrong_with_a_users_file_is_told_and_never_what_it_holds(
    file: Path, text: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_users(write(file, text))
    told = str(caught.value)
    assert words in told
    assert "en-claro" not in told
    assert CHEAP not in told
    assert_spanish(told)


def test_tokens_are_one_a_line_and_only_their_digests_are_kept(file: Path) -> None:
    tokens = load_bearer_tokens(write(file, "# teléfono\nuno-0123456789abcdef\n\ndos-0123456789abcdef\n"))
    assert b"uno-0123456789abcdef" in tokens
    assert b"dos-0123456789abcdef" in tokens
    assert b"uno-0123456789abcdeg" not in tokens
    assert b"" not in tokens
    assert "0123456789abcdef" not in repr(tokens)


@pytest.mark.parametrize("text", ["", "# nada\n", "corto\n", "x" * 20 + "\n" + "dos palabras y largas\n"])
def test_a_file_without_good_tokens_is_refused(file: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_bearer_tokens(write(file, text))
    assert_spanish(str(caught.value))
    assert "palabras y largas" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize("key", ["basic", "bearer"])
def test_a_file_with_secrets_that_others_can_read_is_refused(tmp_path: Path, key: str) -> None:
    secret = write(tmp_path / "secreto", f"ana:{CHEAP}\n")
    sites = tmp_path / "sitios.toml"
    sites.write_text(f'[site."ana.example"]\n{key} = "secreto"\n')
    sites.chmod(0o644)
    secret.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_sites(sites)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("basic = 3", "basic es el nombre de un archivo"),
        ('basic = "no-existe"', "no existe"),
        ('realm = "Notas"', "realm va con basic"),
        ('basic = "ana.usuarios"\nrealm = "con \\"comillas\\""', "realm va con basic"),
        ('basic = "ana.usuarios"\nrealm = "a\\r\\nX: y"', "realm va con basic"),
    ],
)
def test_what_a_site_says_of_its_users_is_checked(file: Path, lines: str, words: str) -> None:
    write(file, f"ana:{CHEAP}\n")
    with pytest.raises(ConfigError) as caught:
        parse_sites(f'[site."ana.example"]\n{lines}\n', file.parent / "sitios.toml")
    assert words in str(caught.value)
    assert_spanish(str(caught.value))
