"""``./scripts/check`` and ``./scripts/test``: which tools they call, and what they make of what those answer.

The tools are stand-ins that print how they were called; CI calls the real ones on the real checkout.
"""

import os
import signal
import sys

import pytest

# The first one to run waits for the environment that all of them share.
pytestmark = pytest.mark.timeout(240)


def calls(output: str) -> list[str]:
    """Return how each tool was called, in order."""
    return [line[1:-1] for line in output.splitlines() if line.startswith("[") and line.endswith("]")]


def test_check_passes_when_every_tool_does(prepared):
    done = prepared.run("check")
    assert done.code == 0, done.err
    assert done.err.count("✓") == 6
    assert "Las 6 revisiones pasaron." in done.err


def test_check_goes_on_after_a_failure_and_sums_up(prepared):
    done = prepared.run(
        "check", PEDIR_RUFF="--check=1", PEDIR_LINT_IMPORTS="lint-imports=0", PEDIR_MYPY="--strict=2"
    )
    assert done.code == 1
    assert done.err.count("✗") == 2
    assert done.err.count("✓") == 4
    assert "[ruff format --check]" in done.err
    assert "2 de 6 revisiones fallaron: formato (ruff format), tipos de los scripts (mypy)." in done.err


def test_check_finds_shell_programs_by_their_ending_and_by_their_first_line(checkout, scripts):
    (checkout.root / ".ci").mkdir()
    (checkout.root / ".ci" / "run").write_text("#!/usr/bin/env bash\n")
    (checkout.root / "uno.sh").write_text("echo\n")
    (checkout.root / "dos").write_text("#!/bin/sh -eu\n")
    (checkout.root / "python").write_text("#!/usr/bin/env python3\n")
    (checkout.root / "nada").write_bytes(b"\xff\xfe")
    (checkout.root / ".venv").mkdir()
    (checkout.root / ".venv" / "ajeno.sh").touch()
    found = {
        path.relative_to(checkout.root).as_posix()
        for path in scripts("_check")._shell_programs(checkout.root)
    }
    own = {path for path in found if path.startswith("scripts/")}  # the copied checkout has some
    assert "scripts/doctor" in own
    assert found - own == {".ci/run", "uno.sh", "dos"}


def test_check_takes_no_arguments(prepared):
    done = prepared.run("check", "--todo")
    assert done.code == 2
    assert "No se entiende «--todo»" in done.err


@pytest.mark.parametrize("script", ["check", "test"])
def test_help_needs_no_environment(checkout, script):
    done = checkout.run(script, "--help")
    assert done.code == 0
    assert done.out.startswith(f"uso: ./scripts/{script}")
    assert not checkout.venv.exists()


def test_test_gives_its_arguments_to_pytest(prepared, tmp_path):
    done = prepared.run("test", "tests/gtd_app", "-k", "store", cwd=tmp_path)
    assert calls(done.out) == ["pytest tests/gtd_app -k store"]


def test_tests_exit_code_is_pytests(prepared):
    assert prepared.run("test", "-x", PEDIR_PYTEST="-x=5").code == 5


def test_the_whole_suite_must_reach_the_coverage(prepared):
    done = prepared.run("test", "--cobertura")
    assert calls(done.out) == [
        "coverage run -m pytest",
        "coverage combine --quiet",
        "coverage report --include=tunnel/protocol/* --fail-under=95",
        "coverage report --include=gtd_app/* --fail-under=95",
    ]
    assert done.code == 0


def test_a_part_of_the_suite_is_measured_and_not_judged(prepared):
    done = prepared.run("test", "--cobertura", "tests/gtd_app")
    assert calls(done.out)[0] == "coverage run -m pytest tests/gtd_app"
    assert "coverage report --include=gtd_app/* --fail-under=0" in calls(done.out)


def test_in_ci_coverage_is_measured_unasked(prepared):
    assert calls(prepared.run("test", CI="true").out)[0] == "coverage run -m pytest"


def test_too_little_coverage_is_a_failure(prepared):
    done = prepared.run("test", "--cobertura", PEDIR_COVERAGE="--include=gtd_app/*=2")
    assert done.code == 1
    assert "La cobertura no llega al 95 %." in done.err


def test_a_failed_test_is_a_failure_whatever_the_coverage(prepared):
    assert prepared.run("test", "--cobertura", PEDIR_COVERAGE="run=1").code == 1


def test_nothing_of_the_measuring_is_left(prepared):
    before = set(prepared.root.iterdir())
    prepared.run("test", "--cobertura")
    assert set(prepared.root.iterdir()) == before


def test_an_interrupted_run_of_the_tests_says_so_with_its_exit_code(prepared):
    process = prepared.start("test", "-s", ESPERAR="1")
    assert process.stdout is not None
    assert process.stdout.readline() == "[pytest -s]\n"
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


needs_groups = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="hacen falta Linux y root / a network of its own takes Linux and root",
)


@needs_groups
def test_two_groups_are_the_whole_suite_and_the_second_is_shown_last(prepared):
    done = prepared.run("test", "--dos-grupos")
    assert calls(done.out) == [
        "pytest --ignore=tests/gtd_app --ignore=tests/tunnel",
        "pytest tests/gtd_app tests/tunnel",
    ]
    assert (done.code, "El segundo grupo" in done.err) == (0, True)


@needs_groups
@pytest.mark.parametrize(("which", "code"), [("--ignore=tests/tunnel", 4), ("tests/gtd_app", 5)])
def test_a_failure_of_either_group_is_one(prepared, which, code):
    done = prepared.run("test", "--dos-grupos", PEDIR_PYTEST=f"{which}={code}")
    assert done.code == code
    assert len(calls(done.out)) == 2


@needs_groups
def test_two_groups_share_one_coverage_which_is_judged(prepared):
    done = prepared.run("test", "--dos-grupos", "--cobertura")
    assert calls(done.out) == [
        "coverage run -m pytest --ignore=tests/gtd_app --ignore=tests/tunnel",
        "coverage run -m pytest tests/gtd_app tests/tunnel",
        "coverage combine --quiet",
        "coverage report --include=tunnel/protocol/* --fail-under=95",
        "coverage report --include=gtd_app/* --fail-under=95",
    ]


@needs_groups
def test_two_groups_take_no_arguments(prepared):
    done = prepared.run("test", "--dos-grupos", "tests/gtd_app")
    assert (done.code, done.out) == (2, "")
    assert "no lleva argumentos" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is had there in another way")
def test_on_a_terminal_there_is_a_bar_and_elsewhere_lines(checkout, scripts, tmp_path):
    terminal = scripts("_terminal")
    with (tmp_path / "registro").open("w+", encoding="utf-8") as log:
        progress = terminal.Progress(terminal.Terminal(log), 60)
        for step in range(60):
            progress.advance(1, f"paquete {step}")
        log.seek(0)
        lines = log.read().splitlines()
    assert len(lines) == terminal.PLAIN_LINES
    assert lines[-1] == "  100 %  paquete 59"
    master, slave = os.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as screen, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm")
        live = terminal.Terminal(screen)
        terminal.Progress(live, 2).advance(1, "medio")
        live.say("listo")
        shown = b""
        while not shown.endswith(b"listo\r\n"):  # a terminal hands it over in pieces
            shown += os.read(master, 1000)
    os.close(master)
    assert b"50 %" in shown
    assert shown.endswith(b"\r\x1b[Klisto\r\n")
