"""``tunnel token``: makes one, keeps it private, and takes care of the one that is there."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.tunnel.cli.conftest import Run
from tests.tunnel.unit.kit import assert_spanish
from tunnel.access.tokens_file import load_tokens
from tunnel.secret_files import load_token

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}\n")  # 256 bits in base64url

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")


def test_a_token_is_printed_alone(run: Run) -> None:
    outcome = run("token")
    assert (outcome.code, outcome.err) == (0, "")
    assert TOKEN.fullmatch(outcome.out)


def test_no_token_comes_twice(run: Run) -> None:
    assert len({run("token").out for _ in range(50)}) == 50


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o177, 0o777], ids="{:03o}".format)
def test_a_token_s_file_is_private_whatever_the_umask(run: Run, tmp_path: Path, umask: int) -> None:
    path = tmp_path / "mi token.txt"
    former = os.umask(umask)
    try:
        outcome = run("token", "--salida", str(path))
    finally:
        os.umask(former)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"Token guardado en {path} (solo usted puede leerlo).\n"
    assert path.stat().st_mode & 0o7777 == 0o600
    text = path.read_text()
    assert TOKEN.fullmatch(text)
    assert text.strip() not in outcome.out
    assert load_token(path, {}).reveal() == text.strip()


def test_a_token_that_is_there_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "token.txt"
    path.write_text("the old one")
    outcome = run("token", "--salida", str(path))
    assert (outcome.code, outcome.out) == (1, "")
    assert str(path) in outcome.err
    assert "no se sobrescribe" in outcome.err
    assert_spanish(outcome.err)
    assert path.read_text() == "the old one"


@posix
def test_a_link_is_not_written_through(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "token.txt").symlink_to(target)
    assert run("token", "--salida", str(tmp_path / "token.txt")).code == 1
    assert not target.exists()


@pytest.mark.parametrize("name", ["", "."])
def test_a_directory_is_not_overwritten(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("token", "--salida", name)
    assert outcome.code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(run: Run, tmp_path: Path) -> None:
    outcome = run("token", "--salida", str(tmp_path / "no" / "token.txt"))
    assert (outcome.code, outcome.out) == (3, "")
    assert f"no existe la carpeta {tmp_path / 'no'}" in outcome.err
    assert_spanish(outcome.err)


def test_a_name_that_is_too_long_is_refusedwords_of_detail(run: Run, tmp_path: Path) -> None:
    outcome = run("token", "--salida", str(tmp_path / ("x" * 300)))
    assert (outcome.code, outcome.out) == (3, "")
    assert "demasiado largo" in outcome.err
    assert_spanish(outcome.err)


@posix
def test_a_token_that_cannot_be_written_leaves_no_empty_file_behind(run: Run, tmp_path: Path) -> None:
    import resource  # POSIX only

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        outcome = run("token", "--salida", str(tmp_path / "token.txt"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (outcome.code, outcome.out) == (3, "")
    assert "no se puede escribir" in outcome.err
    assert_spanish(outcome.err)
    assert list(tmp_path.iterdir()) == []


@posix
@pytest.mark.parametrize("is_refused", [False, True], ids=["modes are ignored", "modes are refused"])
def test_a_folder_where_no_file_is_private_is_told_and_left_as_it_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_refused: bool
) -> None:
    """As are the shared folders of VirtualBox and of WSL."""
    real_open = os.open

    def open_where_all_is_shared(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real_open(path, flags, mode)
        Path(path).chmod(0o777)
        return descriptor

    def fchmod(descriptor: int, mode: int) -> None:
        if is_refused:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "open", open_where_all_is_shared)
    monkeypatch.setattr(os, "fchmod", fchmod)
    outcome = run("token", "--salida", str(tmp_path / "token.txt"))
    assert (outcome.code, outcome.out) == (3, "")
    assert str(tmp_path) in outcome.err
    assert_spanish(outcome.err)
    assert list(tmp_path.iterdir()) == []


# ── in a file of many ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.toml"


def test_a_token_is_added_to_a_file_of_many_and_printed_alone(run: Run, tokens_file: Path) -> None:
    outcome = run("token", f"--a={tokens_file}", "--etiqueta=ana", "--nombres=Ana.example,*.ana.example")
    assert outcome.code == 0
    assert TOKEN.fullmatch(outcome.out)
    assert outcome.err == f"Token «ana» agregado a {tokens_file}: ana.example, *.ana.example.\n"
    (entry,) = load_tokens(tokens_file)
    assert entry.secret.reveal() == outcome.out.strip()
    assert entry.names == ("ana.example", "*.ana.example")


def test_a_token_may_have_ports_and_no_names(run: Run, tokens_file: Path) -> None:
    line = f"token --a {tokens_file} --etiqueta base --puertos 5432,6000-6010"
    assert run(*line.split()).code == 0
    entry = load_tokens(tokens_file)[-1]
    assert (entry.label, entry.names, str(entry.ports)) == ("base", (), "5432,6000-6010")


def test_a_token_of_a_file_of_many_is_handed_over_in_a_file_of_its_own(
    run: Run, tokens_file: Path, tmp_path: Path
) -> None:
    own = tmp_path / "ana.txt"
    arguments = (f"--a={tokens_file}", "--etiqueta=ana", "--nombres=a", "--nombres=b", f"--salida={own}")
    outcome = run("token", *arguments, "--vence=2999-01-01")
    assert (outcome.code, outcome.err) == (0, "")
    (entry,) = load_tokens(tokens_file)
    assert entry.names == ("a", "b")
    assert entry.expires_s == datetime(2999, 1, 2, tzinfo=UTC).timestamp()
    assert load_token(own, {}).reveal() == entry.secret.reveal()
    assert entry.secret.reveal() not in outcome.out
    again = run("token", f"--a={tokens_file}", "--etiqueta=eva", "--nombres=a", f"--salida={own}")
    assert again.code == 1
    assert "no se sobrescribe" in again.err
    assert [entry.label for entry in load_tokens(tokens_file)] == ["ana"]


def test_a_token_is_taken_out_of_a_file_of_many_once(run: Run, tokens_file: Path) -> None:
    run("token", f"--a={tokens_file}", "--etiqueta=ana", "--nombres=a")
    outcome = run("token", f"--a={tokens_file}", "--etiqueta=ana", "--quitar")
    assert (outcome.code, outcome.out) == (0, f"Token «ana» quitado de {tokens_file}.\n")
    assert load_tokens(tokens_file) == ()
    again = run("token", f"--a={tokens_file}", "--etiqueta=ana", "--quitar")
    assert (again.code, again.out) == (1, "")
    assert "no hay un token con la etiqueta «ana»" in again.err


def test_a_label_that_is_taken_is_a_no(run: Run, tokens_file: Path) -> None:
    run("token", f"--a={tokens_file}", "--etiqueta=ana", "--nombres=a")
    outcome = run("token", f"--a={tokens_file}", "--etiqueta=ana", "--nombres=b")
    assert (outcome.code, outcome.out) == (1, "")
    assert "--quitar" in outcome.err
    assert_spanish(outcome.err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--etiqueta=ana"], "--etiqueta va con --a"),
        (["--nombres=a"], "--nombres va con --a"),
        (["--vence=2999-01-01"], "--vence va con --a"),
        (["--quitar"], "--quitar va con --a"),
        (["--a=FILE", "--nombres=a"], "falta --etiqueta"),
        (["--a=FILE", "--etiqueta=ana"], "falta --nombres"),
        (["--a=FILE", "--etiqueta=ana", "--quitar", "--nombres=a"], "--quitar solo necesita"),
        (["--a=FILE", "--etiqueta=a b", "--nombres=a"], "una sola palabra"),
        (["--a=FILE", "--etiqueta=ana", "--nombres=a:80"], "«a:80» no es un nombre"),
        (["--a=FILE", "--etiqueta=ana", "--nombres=a,"], "«» no es un nombre"),
        (["--a=FILE", "--etiqueta=ana", "--nombres=a", "--vence=mañana"], "«mañana» no es una fecha"),
        (["--a=FILE", "--etiqueta=ana", "--nombres=a", "--vence=2999-01-01T10:00"], "con su zona"),
        (["--a=FILE", "--etiqueta=ana", "--nombres=a", "--vence=2020-01-01"], "«2020-01-01» ya pasó"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(
    run: Run, tokens_file: Path, arguments: list[str], said: str
) -> None:
    outcome = run("token", *(word.replace("FILE", str(tokens_file)) for word in arguments))
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err
    assert ".." not in outcome.err
    assert_spanish(outcome.err)
    assert not tokens_file.exists()


def test_the_server_takes_one_token_or_a_file_of_them(run: Run, tokens_file: Path, tmp_path: Path) -> None:
    run("token", f"--a={tokens_file}", "--etiqueta=ana", "--nombres=a")
    run("token", f"--salida={tmp_path / 'token.txt'}")
    outcome = run("server", f"--tokens-file={tokens_file}", f"--token-file={tmp_path / 'token.txt'}")
    assert outcome.code == 2
    assert "uno de los dos" in outcome.err
    broken = run("server", f"--tokens-file={tmp_path / 'token.txt'}")
    assert broken.code == 2
    assert "no es TOML" in broken.err
    assert_spanish(broken.err)
