"""The page about the API: its commands are run, its outputs compared, its tables held against the code."""

import re
import subprocess
from pathlib import Path

import pytest
from support.requirements import require_program

import gtd_app
from gtd_app.payloads import MAX_BODY_BYTES, MAX_DESCRIPTION, MAX_TITLE
from gtd_app.server import AppServer
from gtd_app.store import MAX_TASKS

PACKAGE = Path(gtd_app.__file__).parent


@pytest.fixture(scope="module")
def readme() -> str:
    return (PACKAGE / "README.es.md").read_text(encoding="utf-8")


def test_commands_of_the_page_print_what_it_shows(readme: str, server: AppServer) -> None:
    require_program("curl", "En Debian o Ubuntu / on Debian or Ubuntu: sudo apt install curl")
    shell = require_program("sh", "Use Linux, macOS, WSL o / or Git Bash.")
    sessions = re.findall(r"^```console\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    commands = [step for session in sessions for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]]
    assert len(commands) == 6
    for step in commands:
        command, _, expected = step.partition("\n")
        assert "http://localhost:5000" in command
        # -s: without a terminal curl would add its progress meter.
        command = command.replace("http://localhost:5000", server.url).replace("curl", "curl -s", 1)
        ended = subprocess.run(
            [shell, "-c", command],
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            stdin=subprocess.DEVNULL,
        )
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.rstrip("\n") == expected.rstrip("\n"), command


def test_table_of_errors_is_that_of_the_code(readme: str) -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", readme, re.MULTILINE)
    documented = {(int(status), code) for status, codes in rows for code in re.findall(r"`([^`]+)`", codes)}
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py"))
    raised = re.findall(r'(?:RequestError|_fault_response)\(\s*(\d{3}),\s*"([a-z0-9-]+)"', source)
    told = re.findall(r'^    (\d{3}): \(\s*"([a-z0-9-]+)",', source, re.MULTILINE)
    assert len(raised) > 20
    assert len(told) == 5
    assert documented == {(int(status), code) for status, code in raised + told}


def test_limits_of_the_page_are_those_of_the_code(readme: str) -> None:
    assert f"un título de {MAX_TITLE} caracteres" in readme
    assert f"una descripción de {MAX_DESCRIPTION}" in readme
    assert MAX_BODY_BYTES == 1024 * 1024
    assert f"un cuerpo de 1 MiB y {MAX_TASKS}" in readme
