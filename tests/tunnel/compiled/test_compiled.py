"""The data path compiled by mypyc is the same program: what tests it, tests that too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.compiled import ROOT, build_wheel, headers, install, modules
from support.requirements import refuse, require_program

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="it is compiled with gcc"),
    pytest.mark.timeout(580),
]

SUITES = {
    "the protocol": ["protocol"],
    "HTTP": ["http"],
    "what wraps streams and exchanges": [
        "unit/test_quotas.py",
        "unit/test_ws_frames.py",
        "inspector/test_frames.py",
        "inspector/test_replay.py",
    ],
    "requests that break the rules": ["e2e/test_malformed.py", "e2e/test_edge_fields.py"],
    "answers that break the rules": ["e2e/test_malformed_responses.py", "e2e/test_upstream_faults.py"],
    "traffic": [
        "e2e/test_keep_alive.py",
        "e2e/test_leaving.py",
        "e2e/test_streaming.py",
        "e2e/test_upgrade.py",
    ],
}

HOW_TO_COMPILE = "En Debian: sudo apt install gcc python3-dev"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("compiled")
    yield folder
    shutil.rmtree(folder)  # pytest would keep it, with its 5 MB


@pytest.fixture(scope="module")
def compiled(folder: Path) -> Path:
    """The Python of an environment with the compiled program."""
    require_program("gcc", HOW_TO_COMPILE)
    if not headers().exists():
        refuse(f"falta {headers()} / the headers of this Python are missing. {HOW_TO_COMPILE}")
    return install(build_wheel(folder / "wheel"), folder / "venv")


def run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``python`` where the checkout's packages are not to be found, nor are any in the current folder."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")
    }
    environment = {
        **inherited,
        "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
    }
    command = [str(python), *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_every_module_of_the_list_is_compiled_and_no_other(compiled: Path) -> None:
    code = (
        "import importlib, json, pathlib, sys, tunnel\n"
        "places = {name: importlib.import_module(name).__file__ for name in sys.argv[1:]}\n"
        "made = [str(path) for path in pathlib.Path(tunnel.__file__).parent.rglob('*.so')]\n"
        "print(json.dumps([places, made]))\n"
    )
    done = run(compiled, "-c", code, *modules())
    assert done.returncode == 0, done.stderr
    places, made = json.loads(done.stdout)
    assert all(place.endswith(".so") for place in places.values()), places
    assert sorted(places.values()) == sorted(made)
    assert all(Path(place).is_relative_to(compiled.parent.parent) for place in made)


@pytest.mark.parametrize("suite", SUITES)
def test_the_compiled_program_passes_the_tests_of(compiled: Path, suite: str) -> None:
    places = [str(ROOT / "tests" / "tunnel" / place) for place in SUITES[suite]]
    done = run(compiled, "-m", "pytest", "-p", "no:cacheprovider", "--quiet", *places)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]


def test_what_goes_to_an_exit_node_is_not_compiled(compiled: Path) -> None:
    code = (
        "import io, zipfile; from tunnel.exitnodes.install.wheel import make_wheel\n"
        "wheel = make_wheel(); print(wheel.name)\n"
        "print(*zipfile.ZipFile(io.BytesIO(wheel.data)).namelist(), sep='\\n')\n"
    )
    done = run(compiled, "-c", code)
    assert done.returncode == 0, done.stderr
    name, *files = done.stdout.splitlines()
    assert name.endswith("-py3-none-any.whl")
    assert "tunnel/protocol/session.py" in files
    assert not [file for file in files if file.endswith(".so")]


def test_without_the_variable_nothing_is_compiled(folder: Path) -> None:
    wheel = build_wheel(folder / "pure", is_compiled=False)
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".so") or "hatch_build" in name]


def test_without_a_compiler_it_is_said_what_is_missing_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "/there/is/no/compiler")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"no se pudo compilar .*sudo apt install gcc python3-dev"):
        build_wheel(tmp_path / "wheel")
    assert list(tmp_path.glob("tunelab-mypyc-*")) == []
