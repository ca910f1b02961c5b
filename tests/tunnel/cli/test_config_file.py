"""``--config``: what a file says counts as if it had been typed, and what is wrong in it is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tunnel.cli.conftest import Run
from tests.tunnel.unit.kit import assert_spanish
from tunnel.cli import build_parser

WITH_FILE = ("server", "client", "fileserver")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in another folder than the file's; return the file's."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return tmp_path


def parsed(folder: Path, command: str, text: str, *argv: str) -> object:
    (folder / "options.toml").write_text(text, encoding="utf-8")
    return build_parser().parse_command([command, "--config", "../options.toml", *argv])


def test_a_file_gives_what_the_same_options_typed_give(folder: Path) -> None:
    text = """
        port = 9000
        host = "127.0.0.1"
        ping-interval = 2.5
        auto-tls = true
        auto-tls-san = ["192.0.2.10", "exit.example"]
        trust-proxy = "10.0.0.0/8"
        limit = ["max-body-bytes=5"]
        memory-limit = "64M"
        tcp-ports = "5432,6000-6010"
        log-level = "info"
    """
    typed = (
        "--port 9000 --host 127.0.0.1 --ping-interval 2.5 --auto-tls --auto-tls-san 192.0.2.10 "
        "--auto-tls-san exit.example --trust-proxy 10.0.0.0/8 --limit max-body-bytes=5 --memory-limit 64M "
        "--tcp-ports 5432,6000-6010 --log-level info"
    )
    read, expected = (
        vars(parsed(folder, "server", text)),
        vars(build_parser().parse_command(["server", *typed.split()])),
    )
    assert read.pop("config") == Path("../options.toml")
    assert expected.pop("config") is None
    assert read == expected


@pytest.mark.parametrize("command", WITH_FILE)
def test_every_option_can_be_in_a_file(folder: Path, command: str) -> None:
    parser = build_parser().commands[command]
    told: dict[str, str] = {}
    for action in parser._actions:
        name = action.option_strings[0].removeprefix("--") if action.option_strings else ""
        if action.dest in ("help", "config", "profile"):
            continue
        assert action.option_strings[0].startswith("--"), "an option without a long name has no key"
        if action.const is True:
            told[name] = "true"
    lines = "\n".join(f"{name} = {value}" for name, value in told.items())
    read = vars(parsed(folder, command, f'webroot = "x"\n{lines}' if command == "fileserver" else lines))
    for name in told:
        assert read[name.replace("-", "_")] is True, name


def test_the_command_line_wins_and_a_list_is_not_added_to(folder: Path) -> None:
    text = 'upstream = ["http://localhost:1"]\nproxy-protocol = "v1"\nupstream-timeout = 3'
    read = vars(parsed(folder, "client", text, "--upstream=http://localhost:2", "--proxy-protocol", "v2"))
    assert read["upstream"] == ["http://localhost:2"]
    assert (read["proxy_protocol"], read["upstream_timeout"]) == ("v2", 3.0)


PROFILES = """
upstream = ["http://localhost:1"]
upstream-timeout = 3

[profile.casa]
url = "ws://casa.example"
upstream-timeout = 4

[profile.uni]
conexion = ["universidad.toml"]
upstream = ["http://localhost:2"]
"""


def test_a_profile_goes_before_what_the_file_says_for_all_and_after_the_command_line(folder: Path) -> None:
    alone = vars(parsed(folder, "client", PROFILES))
    assert (alone["url"], alone["upstream_timeout"]) == (None, 3.0)
    home = vars(parsed(folder, "client", PROFILES, "--profile", "casa"))
    assert (home["url"], home["upstream_timeout"], home["upstream"]) == (
        "ws://casa.example",
        4.0,
        ["http://localhost:1"],
    )
    away = vars(parsed(folder, "client", PROFILES, "--profile=uni", "--upstream-timeout=9"))
    assert (away["conexion"], away["upstream"], away["upstream_timeout"]) == (
        [Path("../universidad.toml")],
        ["http://localhost:2"],
        9.0,
    )


@pytest.mark.parametrize(
    ("text", "argv", "said"),
    [
        (PROFILES, ("--profile=clase",), "no tiene el perfil «clase» ([profile.clase]). Los hay: casa, uni."),
        ("upstream = []", ("--profile=casa",), "Los hay: ninguno."),
        ("[profile.casa]\nulr = 'x'", (), "el perfil casa del archivo ../options.toml tiene una clave"),
        ("[profile.casa]\ntoken = 'x'", (), "no puede llevar 'token'"),
        ("[profile.casa.otro]\nurl = 'x'", (), "'otro'"),
        ("profile = 'casa'", (), "cada perfil es una tabla"),
        ("profile = ['casa']", (), "cada perfil es una tabla"),
    ],
)  # fmt: skip
def test_a_profile_that_is_wrong_is_told(
    folder: Path, run: Run, text: str, argv: tuple[str, ...], said: str
) -> None:
    (folder / "options.toml").write_text(text, encoding="utf-8")
    outcome = run("client", "--config", "../options.toml", *argv)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err


def test_a_profile_needs_a_file(run: Run) -> None:
    outcome = run("client", "--profile", "casa")
    assert outcome.code == 2
    assert "--profile va con --config" in outcome.err


def test_a_services_unit_has_the_options_of_its_profile(folder: Path, run: Run) -> None:
    text = "port = 9000\n[profile.clase]\nport = 9001\ncontrol-port = 9002\n"
    (folder / "options.toml").write_text(text, encoding="utf-8")
    outcome = run("server", "--config", "../options.toml", "--profile=clase", "--generate=systemd")
    assert outcome.code == 0, outcome.err
    assert "--port=9001" in outcome.out
    assert "--control-port=9002" in outcome.out
    assert "--profile" not in outcome.out


def test_a_relative_path_begins_at_the_files_folder(folder: Path) -> None:
    absolute = folder / "b.toml"
    text = f'token-file = "secret/token.txt"\nconexion = ["a.toml", {str(absolute)!r}]'
    read = vars(parsed(folder, "client", text))
    assert read["token_file"] == Path("../secret/token.txt")
    assert read["conexion"] == [Path("../a.toml"), absolute]


def test_what_is_required_may_come_from_the_file(folder: Path) -> None:
    assert vars(parsed(folder, "fileserver", 'webroot = "."'))["webroot"] == Path("..")


def test_one_parser_forgets_the_file_of_another(folder: Path) -> None:
    parsed(folder, "server", "port = 9000")
    assert build_parser().parse_command(["server"]).port == 8000


@pytest.mark.parametrize(
    ("command", "text", "said"),
    [
        ("server", "prot = 1", "una clave que no existe: 'prot'. ¿Quiso decir port?"),
        ("server", "config = 'x'", "una clave que no existe: 'config'"),
        ("server", "help = true", "una clave que no existe: 'help'"),
        ("server", "[port]\nx = 1", "port: lleva un texto o un número."),
        ("server", "port = 'abc'", "port: «abc» no es un puerto: va de 1 a 65535 (0: uno libre)."),
        ("server", "port = [1]", "port: lleva un texto o un número."),
        ("server", "port = true", "port: necesita un valor, no true ni false."),
        ("server", "trust-proxy = [true]", "trust-proxy: lleva un texto o un número."),
        ("server", "auto-tls = 'sí'", "auto-tls: es true o false."),
        ("server", "port = 2026-11-21", "port: lleva un texto o un número."),
        ("client", "proxy-protocol = 'v9'", "proxy-protocol: «v9» no es ninguno de: 'v1', 'v2'."),
        ("server", "port = ", "no es TOML: hay un error al final."),
        ("server", "port = 1\nport = 2", "no es TOML"),
        ("server", "token = 'abc123'", "no puede llevar 'token': use «token-file»"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_the_key(
    folder: Path, run: Run, command: str, text: str, said: str
) -> None:
    (folder / "options.toml").write_text(text, encoding="utf-8")
    outcome = run(command, "--config", "../options.toml")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"tunnel {command}: ")
    assert "../options.toml" in outcome.err
    assert said in outcome.err
    assert "abc123" not in outcome.err
    assert_spanish(
        re.sub(
            r"\.\./options\.toml|'[^']*'|[\w-]+ = \S+",
            " ",
            outcome.err.partition(": ")[2].partition("Las hay")[0],
        )
    )


def test_a_file_that_cannot_be_read_is_told(folder: Path, run: Run) -> None:
    for command in WITH_FILE:
        missing = run(command, "--config", "nada.toml")
        assert missing.code == 2
        assert missing.err.startswith(f"tunnel {command}: no existe el archivo nada.toml (en {Path.cwd()})")
        assert "Revise la ruta" in missing.err
    (folder / "latin.toml").write_bytes("host = 'á'".encode("latin-1"))
    assert "no es texto UTF-8" in run("server", "--config", "../latin.toml").err
    (folder / "large.toml").write_bytes(b"#" * 300_000)
    assert "demasiado grande" in run("server", "--config", "../large.toml").err
    folders = run("server", "--config", "..")
    assert (folders.code, "no se puede leer el archivo .." in folders.err) == (2, True)
    assert run("server", "--config").err.startswith("tunnel server: --config necesita un valor.")


def test_a_file_with_a_byte_order_mark_is_read(folder: Path) -> None:
    (folder / "options.toml").write_text("port = 9000", encoding="utf-8-sig")
    assert build_parser().parse_command(["server", "--config", "../options.toml"]).port == 9000


def test_a_command_without_the_option_reads_no_file(folder: Path, run: Run) -> None:
    (folder / "options.toml").write_text("this is no TOML")
    refused = run("token", "--config", "../options.toml")
    assert refused.code == 2
    assert "--config" in refused.err
    assert "TOML" not in refused.err
