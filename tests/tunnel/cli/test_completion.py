"""The scripts of ``tunnel completion``, asked by the shells themselves."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.requirements import require_program
from support.tunnel_process import COMMAND

from tunnel.cli import build_parser, main

Ask = Callable[[str], list[str]]

# What bash does at Tab: it calls the function that `complete` names, with these variables.
_AT_TAB = """
source "$1"
function=$(complete -p tunnel | sed 's/.*-F \\([^ ]*\\).*/\\1/')
eval "COMP_WORDS=($2)"
[[ $2 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"$function" tunnel "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script_for(shell: str, folder: Path) -> Path:
    path = folder / f"tunnel.{shell}"
    path.write_text(
        subprocess.run([COMMAND, "completion", shell], check=True, capture_output=True, text=True).stdout
    )
    return path


@pytest.fixture
def ask_bash(tmp_path: Path) -> Ask:
    """Return what bash offers for the words typed so far."""
    bash = require_program("bash", "Debian: bash")
    script = script_for("bash", tmp_path)
    (tmp_path / "token.txt").touch()
    (tmp_path / "carpeta").mkdir()

    def ask(typed: str) -> list[str]:
        command = [bash, "--norc", "-c", _AT_TAB, "bash", str(script), typed]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.stderr == ""
        return [line for line in done.stdout.splitlines() if line]

    return ask


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("tunnel se", ["server", "service"]),
        ("tunnel server --tok", ["--tokens-file", "--token-file"]),
        ("tunnel service ", ["install", "uninstall", "status"]),
        ("tunnel service install client --cone", ["--conexion"]),
        ("tunnel client --proxy-protocol ", ["v1", "v2"]),
        ("tunnel client --conexion tok", ["token.txt"]),
        ("tunnel client --conexion a.toml --conexion tok", ["token.txt"]),
        ("tunnel fileserver --webroot c", ["carpeta"]),
        ("tunnel fileserver --webroot tok", []),
        ("tunnel exit-node cre", ["create"]),
        ("tunnel completion ", ["bash", "zsh", "fish"]),
        ("tunnel zzz", []),
    ],
)
def test_bash_offers_what_can_come_next(ask_bash: Ask, typed: str, offered: list[str]) -> None:
    assert ask_bash(typed) == offered


def test_every_command_is_offered(ask_bash: Ask) -> None:
    assert ask_bash("tunnel ") == list(build_parser().commands)


def test_fish_offers_the_same_with_its_explanation(tmp_path: Path) -> None:
    fish = require_program("fish", "Debian: sudo apt install fish")
    script = shlex.quote(str(script_for("fish", tmp_path)))
    asked = f"source {script}; complete --do-complete 'tunnel se'"
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run([fish, "--no-config", "-c", asked], capture_output=True, text=True, env=environ)
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ["server", "service"]
    assert "nodo de salida" in done.stdout


def test_zsh_understands_its_script(tmp_path: Path) -> None:
    zsh = require_program("zsh", "Debian: sudo apt install zsh")
    script = script_for("zsh", tmp_path)
    loaded = f'eval "$(<{shlex.quote(str(script))})"'
    load = f"autoload -Uz compinit && compinit -D && {loaded} && print $_comps[tunnel]"
    done = subprocess.run([zsh, "-f", "-c", load], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout.strip(), done.stderr) == ("_shtab_tunnel", "")


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err
