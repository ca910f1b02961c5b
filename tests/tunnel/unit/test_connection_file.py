"""The connection file: what is written is read again, and what is wrong with one is told."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.unit.kit import assert_spanish
from tunnel.config import ConfigError, Secret, parse_control_url
from tunnel.connection import Connection, load_connection, parse_connection, write_connection
from tunnel.trust import SYSTEM_TRUST, CaPin, TokenProof

TOKEN = "un-token-de-prueba-0123"
DIGEST = "0123456789abcdef" * 4
GOOD = {"version": "1", "url": '"wss://exit.example:8123"', "token": f'"{TOKEN}"'}

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "Prácticas de José"
    folder.mkdir()
    return folder / "mi conexión.toml"


def text_of(**changes: str | None) -> str:
    """Return a good file's text with keys changed, added or (None) taken out."""
    keys = GOOD | changes
    return "".join(f"{key} = {value}\n" for key, value in keys.items() if value is not None)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_connection(text, Path("c.toml"))
    said = str(caught.value)
    assert "c.toml" in said
    assert TOKEN not in said
    assert_spanish(said)
    return said


@pytest.mark.parametrize("trust", [CaPin(DIGEST), TokenProof(), SYSTEM_TRUST], ids=["pin", "token", "system"])
@pytest.mark.parametrize("public_url", ["", "http://192.0.2.10:8000"])
def test_what_is_written_is_read_again(file: Path, trust: CaPin | TokenProof, public_url: str) -> None:
    written = Connection(parse_control_url("wss://[2001:db8::1]:9000"), Secret(TOKEN), trust, public_url)
    write_connection(file, written)
    read = load_connection(file)
    assert (read.address, read.trust, read.public_url) == (written.address, trust, public_url)
    assert read.token.reveal() == TOKEN


def test_the_file_is_plain_toml_for_other_programs(file: Path) -> None:
    address = parse_control_url("wss://192.0.2.10:8123")
    write_connection(file, Connection(address, Secret(TOKEN), CaPin(DIGEST), "http://192.0.2.10:8000"))
    assert tomllib.loads(file.read_text()) == {
        "version": 1,
        "url": "wss://192.0.2.10:8123",
        "token": TOKEN,
        "pin": f"sha256:{DIGEST}",
        "public_url": "http://192.0.2.10:8000",
    }


@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=60))
def test_whatever_a_token_is_made_of_survives(token: str) -> None:
    connection = Connection(parse_control_url("wss://a"), Secret(token))
    assert parse_connection(connection.encode(), Path("c.toml")).token.reveal() == token


@posix
def test_only_its_owner_can_read_it(file: Path) -> None:
    former = os.umask(0)
    try:
        write_connection(file, Connection(parse_control_url("wss://a"), Secret(TOKEN)))
    finally:
        os.umask(former)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_one_that_others_can_read_is_refused(file: Path, mode: int) -> None:
    write_connection(file, Connection(parse_control_url("wss://a"), Secret(TOKEN)))
    file.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        load_connection(file)
    assert_spanish(str(caught.value))


def test_one_that_is_not_there_is_told_with_who_writes_it(file: Path) -> None:
    with pytest.raises(ConfigError, match="no existe") as caught:
        load_connection(file)
    assert "tunnel server --auto-tls" in str(caught.value)


def test_a_former_one_is_replaced(file: Path) -> None:
    write_connection(file, Connection(parse_control_url("wss://a"), Secret(TOKEN)))
    write_connection(file, Connection(parse_control_url("wss://b"), Secret(TOKEN)))
    assert load_connection(file).address.host == "b"


@pytest.mark.parametrize("text", ["mis notas\n", "", "version = 1\n", 'url = "wss://a"\n'])
def test_nothing_else_is_overwritten(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)
    with pytest.raises(ConfigError, match="no se sobrescribe") as caught:
        write_connection(file, Connection(parse_control_url("wss://a"), Secret(TOKEN)))
    assert "--conexion" in str(caught.value)
    assert_spanish(str(caught.value))
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokn": '"x"'}, "'tokn'. ¿Quiso decir token?"),
        ({"public_ulr": '"x"'}, "¿Quiso decir public_url?"),
        ({"zzz": "1"}, "'zzz'. Las hay: version, url, token, pin, public_url, certificate, key."),
        ({"version": None}, "version = 1"),
        ({"version": "0"}, "version = 1"),
        ({"version": '"1"'}, "version = 1"),
        ({"version": "true"}, "version = 1"),
        ({"version": "1.0"}, "version = 1"),
        ({"version": "2", "novedad": "3"}, "versión 2"),
        ({"url": None}, "falta la clave url"),
        ({"token": None}, "falta la clave token"),
        ({"url": "8123"}, "url va entre comillas"),
        ({"token": "12345678901234567"}, "token va entre comillas"),
        ({"pin": "[]"}, "pin va entre comillas"),
        ({"url": '"http://exit.example"'}, "la de los visitantes"),
        ({"token": '"corto"'}, "5 caracteres"),
        ({"pin": '""'}, "no es la huella"),
        ({"pin": '"sha256:00"'}, "no es la huella"),
        ({"pin": f'"{DIGEST}"'}, "no es la huella"),
        ({"pin": f'"sha1:{DIGEST}"'}, "no es la huella"),
        ({"pin": '"TOKEN"'}, "no es la huella"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, str | None], words: str) -> None:
    assert words in refusal(text_of(**changes))


def test_what_is_no_toml_is_told_with_its_line() -> None:
    assert "línea 4" in refusal(text_of() + "= 3\n")


@pytest.mark.parametrize(
    "digest", [DIGEST, DIGEST.upper(), bytes.fromhex(DIGEST).hex(":")], ids=["plain", "upper case", "colons"]
)
def test_a_pin_may_be_written_as_other_programs_print_it(digest: str) -> None:
    read = parse_connection(text_of(pin=f'"sha256:{digest}"'), Path("c.toml"))
    assert read.trust == CaPin(DIGEST)
