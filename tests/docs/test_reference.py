"""The reference of commands says what the programs' own help says: no less, and nothing invented."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from support.whole_path import program

from tunnel.http.error_pages import FAULTS, HOPS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs" / "ordenes.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "README.es.md").read_text(encoding="utf-8")
PROGRAMS = ("tunnel", "gtd-app", "lab")
SCRIPTS = ("bench", "demo", "grabar", "test", "check")

# A help a command, each a program that starts.
pytestmark = pytest.mark.timeout(240)

_OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")


@cache
def help_of(command: tuple[str, ...]) -> str:
    return subprocess.run(
        [program(command[0]), *command[1:], "--help"], capture_output=True, check=True, encoding="utf-8"
    ).stdout


def help_of_script(name: str) -> str:
    script = [sys.executable, str(ROOT / "scripts" / name), "--help"]
    return subprocess.run(script, capture_output=True, check=True, encoding="utf-8").stdout


def subcommands(text: str) -> list[str]:
    """Return the commands that a help lists, indented under a heading of their own."""
    listed = re.search(r"^(?:órdenes|positional arguments):\n((?:  .*\n)+)", text, re.MULTILINE)
    return re.findall(r"^    ([a-z][\w-]*)(?:  |$)", listed[1], re.MULTILINE) if listed else []


def every_command() -> list[tuple[str, ...]]:
    commands: list[tuple[str, ...]] = []
    for name in PROGRAMS:
        found = subcommands(help_of((name,)))
        assert found, f"the help of {name} lists no commands, or in a form unknown here"
        commands.append((name,))
        for subcommand in found:
            commands.append((name, subcommand))
            deeper = subcommands(help_of((name, subcommand)))
            commands += [(name, subcommand, verb) for verb in deeper]
    return commands


def options_in_help(text: str) -> set[str]:
    """Return the options that a help describes: each begins a line of its own."""
    described = [line.strip() for line in text.splitlines() if re.match(r"\s+-", line)]
    return {option for line in described for option in _OPTION.findall(line.split("  ")[0])}


def section(heading: str) -> str:
    found = re.search(rf"^### `{re.escape(heading)}`\n(.*?)(?=^##|\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/ordenes.md has no section on {heading}"
    return found[1]


def options_in_section(heading: str) -> set[str]:
    first_cells = [line.split("|")[1] for line in section(heading).splitlines() if line.startswith("| `-")]
    return {option for cell in first_cells for option in _OPTION.findall(cell)}


def test_each_commands_options_are_documented_and_no_others():
    commands = every_command()
    assert ("tunnel", "client") in commands
    for command in commands:
        heading = " ".join(command)
        assert options_in_section(heading) == options_in_help(help_of(command)), heading


def test_no_command_is_documented_that_does_not_exist():
    headings = set(re.findall(r"^### `([^`]+)`$", REFERENCE, re.MULTILINE))
    assert headings == {" ".join(command) for command in every_command()} | {
        f"./scripts/{name}" for name in SCRIPTS
    }


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_scripts_options_are_documented_and_no_others(name):
    described = options_in_help(help_of_script(name))
    if name == "test":  # pytest's option, which the help shows in an example
        described |= {"--actualizar-guia"}
    assert options_in_section(f"./scripts/{name}") == described


def test_the_defaults_are_those_of_the_help():
    rows = 0
    for command in every_command():
        text = " ".join(help_of(command).split())
        for option, default in re.findall(
            r"^\| `(--[\w-]+)[^|]*\| `([^`]+)`", section(" ".join(command)), re.MULTILINE
        ):
            rows += 1
            told = re.search(rf"{option} .*?\(por (?:omisión|defecto)[:,] ({re.escape(default)})\b", text)
            assert told, f"{' '.join(command)} {option}: the help does not say that {default} is the default"
    assert rows


def test_the_guide_explains_each_error_with_its_status_and_its_hop():
    rows = re.findall(r"^\| (\d{3}) \| `([\w-]+)` \| ([^|]+) \| [^|]{20,}\|$", GUIDE, re.MULTILINE)
    assert {code: (int(status), hop) for status, code, hop in rows} == {
        code: (fault.status, HOPS[fault.hop]) for code, fault in FAULTS.items()
    }
    assert len(rows) == len(FAULTS)
