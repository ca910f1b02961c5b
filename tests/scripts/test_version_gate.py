"""An old Python: refused with the way to a newer one, or replaced by a newer one that is there."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
READ_BY_OLD_PYTHONS = [SCRIPTS / name for name in ("demo", "test", "check", "_version_gate.py")]
# Python 2 has none of these, and 3.6 not all.
NEWER_SYNTAX = (
    ast.JoinedStr,
    ast.AnnAssign,
    ast.NamedExpr,
    ast.Match,
    ast.AsyncFunctionDef,
    ast.Nonlocal,
    ast.Starred,
)


def run_as_python_3_8(script: str, path: str) -> subprocess.CompletedProcess[str]:
    """Run a script in this Python, made to say that it is an old one, with `path` as PATH."""
    pretend = (
        "import runpy, sys; sys.version_info = (3, 8, 18, 'final', 0); sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", pretend, str(SCRIPTS / script), "--help"],
        env={"PATH": path, "HOME": os.environ.get("HOME", "")},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.parametrize("script", ["demo", "test", "check"])
def test_an_old_python_is_refused_with_how_to_get_a_newer_one(script, tmp_path):
    done = run_as_python_3_8(script, str(tmp_path))
    assert done.returncode == 3
    assert "Este Python es el 3.8.18" in done.stderr
    assert "se necesita el 3.11" in done.stderr
    assert "apt install python3" in done.stderr
    assert "winget install" in done.stderr
    assert done.stdout == ""


def test_a_newer_python_on_path_takes_over(tmp_path):
    (tmp_path / "python3.13").write_text(
        "#!/bin/sh\nexit 127\n"
    )  # a version manager's launcher for an absent version
    (tmp_path / "python3.13").chmod(0o755)
    (tmp_path / "python3.11").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "python3.11").chmod(0o755)
    done = run_as_python_3_8("check", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("uso: ./scripts/check")


@pytest.mark.parametrize("path", READ_BY_OLD_PYTHONS, ids=lambda path: path.name)
def test_what_an_old_python_must_read_has_no_newer_syntax(path):
    source = path.read_text(encoding="utf-8")
    assert source.startswith(("# -*- coding: utf-8 -*-", "#!/usr/bin/env python3\n# -*- coding: utf-8 -*-"))
    nodes = list(ast.walk(ast.parse(source, feature_version=(3, 7))))
    assert nodes
    for node in nodes:
        assert not isinstance(node, NEWER_SYNTAX), ast.dump(node)
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
            assert not any(argument.annotation for argument in node.args.args)
            assert not node.args.kwonlyargs
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print"


@pytest.mark.parametrize("path", READ_BY_OLD_PYTHONS[:3], ids=lambda path: path.name)
def test_the_commands_can_be_executed(path):
    assert os.access(path, os.X_OK)
