"""Tokens from files and from the environment: what is taken, and what is refused without harm."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.tunnel.unit.kit import assert_spanish
from tunnel.config import TOKEN_VARIABLE, ConfigError
from tunnel.secret_files import load_token

TOKEN = "un-token-de-prueba-0123"

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions and kinds of files")


def write(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A token's file, in a folder as a newcomer has it."""
    folder = tmp_path / "Prácticas de José"
    folder.mkdir()
    return folder / "mi token.txt"


def refusal(path: Path | None, environ: dict[str, str] | None = None) -> str:
    """Return why there is no token."""
    with pytest.raises(ConfigError) as caught:
        load_token(path, environ or {})
    text = str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert_spanish(text)
    return text


# ── what is taken ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(TOKEN.encode(), id="as it is"),
        pytest.param(f"{TOKEN}\n".encode(), id="with a line end"),
        pytest.param(f"{TOKEN}\r\n".encode(), id="with a line end of Windows'"),
        pytest.param(f"\n  {TOKEN} \t\n\n".encode(), id="with white space around"),
        pytest.param(b"\xef\xbb\xbf" + f"{TOKEN}\r\n".encode(), id="as Notepad saves UTF-8 with a mark"),
        pytest.param(f"{TOKEN}\r\n".encode("utf-16"), id="as PowerShell's > writes it"),
        pytest.param(b"\xfe\xff" + TOKEN.encode("utf-16-be"), id="in UTF-16, the other way round"),
    ],
)
def test_a_token_is_read_as_editors_leave_it(file: Path, data: bytes) -> None:
    assert load_token(write(file, data), {}).reveal() == TOKEN


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_one_s_own_is_read(file: Path, mode: int) -> None:
    assert load_token(write(file, TOKEN.encode(), mode), {}).reveal() == TOKEN


@posix
def test_a_link_to_a_file_of_one_s_own_is_followed(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(write(file, TOKEN.encode()))
    assert load_token(link, {}).reveal() == TOKEN


def test_sixteen_characters_are_enough(file: Path) -> None:
    assert load_token(write(file, b"x" * 16), {}).reveal() == "x" * 16


def test_a_file_of_4096_bytes_is_read_whole(file: Path) -> None:
    assert load_token(write(file, b"x" * 4096), {}).reveal() == "x" * 4096


def test_the_environment_gives_the_token_where_there_is_no_file() -> None:
    assert load_token(None, {TOKEN_VARIABLE: f" {TOKEN}\n"}).reveal() == TOKEN


def test_the_file_counts_before_the_environment(file: Path) -> None:
    assert load_token(write(file, TOKEN.encode()), {TOKEN_VARIABLE: "otro" * 10}).reveal() == TOKEN


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


def test_without_a_token_it_says_how_to_make_one_and_how_to_give_it() -> None:
    text = refusal(None)
    assert "tunnel token --salida" in text
    assert "--token-file" in text
    assert TOKEN_VARIABLE in text


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601, 0o777])
def test_a_file_that_others_can_reach_is_refused(file: Path, mode: int) -> None:
    text = refusal(write(file, TOKEN.encode(), mode))
    assert f"{mode:04o}" in text
    assert f"chmod 600 '{file}'" in text  # quoted, to be pasted
    assert TOKEN not in text


@posix
def test_a_link_to_a_file_that_others_can_reach_is_refused(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(write(file, TOKEN.encode(), 0o644))
    assert "0644" in refusal(link)


def test_a_file_that_does_not_exist_is_named_with_the_way_to_make_it(file: Path) -> None:
    text = refusal(file)
    assert str(file) in text
    assert "no existe" in text
    assert f"tunnel token --salida '{file}'" in text


def test_a_missing_file_is_not_replaced_by_the_environment(file: Path) -> None:
    refusal(file, {TOKEN_VARIABLE: TOKEN})


def test_a_directory_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path)
    assert str(tmp_path) in text


@posix
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert "no es un archivo corriente" in refusal(pipe)


@posix
@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_a_device_is_refused(device: str) -> None:
    assert "no es un archivo corriente" in refusal(Path(device))


@posix
def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is at most about a hundred bytes
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("socket")
        refusal(Path("socket"))


@posix
def test_links_that_go_round_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert "dan vueltas" in refusal(tmp_path / "a")


def test_a_path_through_a_file_is_refused(file: Path) -> None:
    text = refusal(write(file, TOKEN.encode()) / "token")
    assert "no es un directorio" in text or "no existe" in text


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"], ids=["too long a name", "a NUL"])
def test_an_impossible_path_is_refused(tmp_path: Path, name: str) -> None:
    refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "0 caracteres", id="empty"),
        pytest.param(b" \r\n\n", "0 caracteres", id="only white space"),
        pytest.param(b"\xef\xbb\xbf", "0 caracteres", id="only the mark"),
        pytest.param(b"x" * 15, "15 caracteres", id="one character short"),
        pytest.param(b"x" * 4097, "más de 4096 bytes", id="one byte too many"),
        pytest.param(b"x" * 5_000_000, "más de 4096 bytes", id="huge"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00" * 10, "una sola palabra", id="a program"),
        pytest.param(bytes(range(128, 200)), "no es texto", id="bytes that are no text"),
        pytest.param(b"\xff\xfex", "no es texto", id="half a character of UTF-16"),
        pytest.param(b"a token of several words", "una sola palabra", id="several words"),
        pytest.param(b"a-token-of-two\nlines-0123456789", "una sola palabra", id="two lines"),
        pytest.param("contraseña-secreta-0123".encode(), "una sola palabra", id="not ASCII"),
        pytest.param(b"a-token-with-a\x07-bell-in-it", "una sola palabra", id="a control character"),
        pytest.param(b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n", "una sola palabra", id="a private key"),
    ],
)
def test_what_is_no_token_is_refused_and_never_shown(file: Path, data: bytes, words: str) -> None:
    text = refusal(write(file, data))
    assert words in text
    assert str(file) in text
    assert "\n" not in text
    if data.strip():
        assert data.decode("latin-1").strip() not in text


@pytest.mark.parametrize("value", ["", "corto", "con espacios 0123456789", "ñ" * 20, "x\x00" * 10])
def test_a_variable_that_holds_no_token_is_refused_and_not_shown(value: str) -> None:
    text = refusal(None, {TOKEN_VARIABLE: value})
    assert TOKEN_VARIABLE in text
    if value:
        assert value not in text


@posix
def test_no_descriptor_stays_open(tmp_path: Path, file: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for path in (tmp_path, Path("/dev/null"), write(file, TOKEN.encode(), 0o644)):
        refusal(path)
    load_token(write(file, TOKEN.encode(), 0o600), {})
    assert len(os.listdir("/dev/fd")) == before
