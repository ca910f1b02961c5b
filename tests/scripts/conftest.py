"""A small checkout that the scripts can prepare in seconds and without a network.

It has the real ``scripts/`` and everything around them made small: two packages of a few lines, pinned with
their hashes by lock files of the same form, in a folder that stands for the index; and a project whose
build backend is a file of its own.
"""

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"

# A newcomer's folder has spaces and accents.
FOLDER = "Prácticas de José/túnel ñandú"

BACKEND = """
import base64, hashlib, os, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "tunelab-0-py3-none-any.whl"
    root = os.getcwd()
    files = {
        "_tunelab.pth": root + "\\n" + os.path.join(root, "labs") + "\\n",
        "tunelab-0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: tunelab\\nVersion: 0\\n",
        "tunelab-0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        record = ""
        for path, text in files.items():
            wheel.writestr(path, text.encode())
            record += path + ",,\\n"
        wheel.writestr("tunelab-0.dist-info/RECORD", record + "tunelab-0.dist-info/RECORD,,\\n")
    return name
"""

# The program that ./scripts/demo becomes: it tells what it was given.
PROGRAM = """
import json, os, sys
import ejemplo, otro_del_proyecto
print(json.dumps({"argv": sys.argv[1:], "prefix": sys.prefix, "ejemplo": ejemplo.VERSION}))
sys.exit(int(os.environ.get("CODIGO", 0)))
"""

# Stands for each of the tools that test and check call: it says it was called, and fails when told to.
TOOL = """
import os, sys, time
def main():
    name = {name!r}
    said = os.environ.get("PEDIR_" + name.upper().replace("-", "_"), "")
    print("[" + " ".join([name, *sys.argv[1:]]) + "]", flush=True)
    if os.environ.get("ESPERAR"):
        time.sleep(50)
    for word, _, code in (pair.rpartition("=") for pair in said.split()):
        if word in sys.argv:
            sys.exit(int(code))
if __name__ == "__main__":
    main()
"""
MODULES = ("ruff", "mypy", "pytest", "coverage")
PROGRAMS = ("lint-imports", "shellcheck")


@dataclass(frozen=True, slots=True)
class Checkout:
    """The small checkout; `environment` is a person's, with the index replaced by a folder."""

    root: Path
    environment: dict[str, str]

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def stamp(self) -> Path:
        return self.venv / "tunelab-instalado.json"

    def run(self, script: str, *arguments: str, cwd: Path | None = None, **environment: str) -> "Finished":
        """Run a script to its end."""
        return Finished.of(self.start(script, *arguments, cwd=cwd, **environment))

    def start(
        self, script: str, *arguments: str, cwd: Path | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.root / "scripts" / script), *arguments],
            cwd=cwd or self.root,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            process_group=0,
        )

    def pin(self, version: str) -> None:
        """Pin another version of the one package that the program needs."""
        line = _pin("ejemplo", version, self.root.parent / "indice")
        others = (self.root / "requirements-dev.lock").read_text().split("# herramientas\n")[1]
        (self.root / "requirements.lock").write_text(line)
        (self.root / "requirements-dev.lock").write_text(f"{line}# herramientas\n{others}")

    def wait_until_installing(self) -> None:
        """Wait until a script that was started has begun to change `.venv`."""
        lock = self.root / ".venv.lock"
        deadline = time.monotonic() + 60
        while not (lock.exists() and lock.read_bytes() and self.venv.exists()):
            assert time.monotonic() < deadline, "nothing was begun"
            time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Finished:
    code: int
    out: str
    err: str

    @classmethod
    def of(cls, process: subprocess.Popen[str]) -> "Finished":
        out, err = process.communicate(timeout=110)
        return cls(process.returncode, out, err)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Return a function that imports a module of the real ``scripts/``."""
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return importlib.import_module


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A small checkout in which nothing has been prepared."""
    return make_checkout(tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A small checkout that is ready for demo and test; a module's tests share it and change nothing."""
    checkout = make_checkout(tmp_path_factory.mktemp("preparado"))
    ready = checkout.run("test")
    assert ready.code == 0, ready.err
    return checkout


def make_checkout(folder: Path) -> Checkout:
    root = folder / FOLDER
    shutil.copytree(SCRIPTS, root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "labs" / "labcheck").mkdir(parents=True)
    (root / "labs" / "labcheck" / "__init__.py").touch()
    (root / "labs" / "labcheck" / "demo.py").write_text(PROGRAM)
    (root / "otro_del_proyecto.py").touch()
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "tunelab"\nversion = "0"\n'
    )
    index = root.parent / "indice"
    index.mkdir()
    for version in ("1.0", "2.0"):
        _make_wheel(index, "ejemplo", version, {"ejemplo.py": f'VERSION = "{version}"\n'})
    tools = {f"{name}/__main__.py": TOOL.format(name=name) for name in MODULES}
    tools |= {f"{name}/__init__.py": "" for name in MODULES}
    tools |= {f"{name.replace('-', '_')}_tool.py": TOOL.format(name=name) for name in PROGRAMS}
    entries = "".join(f"{name} = {name.replace('-', '_')}_tool:main\n" for name in PROGRAMS)
    _make_wheel(index, "herramientas", "1.0", tools, f"[console_scripts]\n{entries}")
    lock = root / "requirements-dev.lock"
    lock.write_text(f"# herramientas\n{_pin('herramientas', '1.0', index)}")
    checkout = Checkout(root, _newcomers_environment(index))
    checkout.pin("1.0")
    return checkout


def _newcomers_environment(index: Path) -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHON", "COV", "VIRTUAL_ENV", "PYTEST")) and name != "CI"
    }
    return environment | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": index.as_uri(),
    }


def _make_wheel(index: Path, name: str, version: str, files: dict[str, str], entry_points: str = "") -> None:
    info = f"{name}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entry_points:
        files[f"{info}/entry_points.txt"] = entry_points
    with zipfile.ZipFile(index / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))


def _pin(name: str, version: str, index: Path) -> str:
    wheel = index / f"{name}-{version}-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name}=={version} \\\n    --hash=sha256:{digest}\n"
