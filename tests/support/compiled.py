"""The program as it is compiled: a wheel with its data path compiled, in a virtual environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

__all__ = ["ROOT", "build_wheel", "headers", "install", "modules"]

ROOT = Path(__file__).resolve().parents[2]


def headers() -> Path:
    """Return where the file is that every C extension of this Python includes; it may not be there."""
    return Path(sysconfig.get_path("include"), "Python.h")


def modules() -> list[str]:
    """Return the names of the modules that are compiled."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    paths = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"]
    return [path.removesuffix(".py").replace("/", ".") for path in paths]


def build_wheel(out: Path, *, is_compiled: bool = True, root: Path = ROOT) -> Path:
    """Make the wheel of the checkout ``root`` in ``out``, an empty folder.

    Raises:
        RuntimeError: it cannot be made; says why.
    """
    environment = {**os.environ, "HATCH_BUILD_HOOKS_ENABLE": "1" if is_compiled else "0"}
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    (wheel,) = out.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install ``wheel`` in a new environment, beside what this one has; return its Python.

    This environment's packages are seen, but not its .pth files: of those one leads to the checkout.  Whoever
    runs that Python sets PYTHONSAFEPATH, or the current folder comes before everything.

    Raises:
        RuntimeError: pip fails; says how.
    """
    venv.create(folder, with_pip=False, symlinks=os.name == "posix")
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"]
    done = subprocess.run(
        [*command, "--quiet", "--no-deps", "--no-index", str(wheel)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "beside.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return python
