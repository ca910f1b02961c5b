#!/usr/bin/env python3
"""Install the course's programs from a checkout into a virtual environment.

Prints one word: ``changed`` or ``unchanged``. The checkout is only read: the wheel is built from a copy,
because a build writes beside its sources. Standard library only, for Debian 12's Python.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: What the wheel is built from, relative to the checkout; also what decides whether there is anything to do.
SOURCES = (
    "tunnel",
    "gtd_app",
    "labs/labcheck",
    "pyproject.toml",
    "requirements.lock",
    "README.md",
    "LICENSE",
)


def files_of(source: Path) -> list[Path]:
    """Return every file of SOURCES in a stable order, compiled ones left out."""
    found: list[Path] = []
    for name in SOURCES:
        path = source / name
        if path.is_file():
            found.append(path)
        elif path.is_dir():
            found.extend(p for p in sorted(path.rglob("*")) if p.is_file() and "__pycache__" not in p.parts)
    return found


def fingerprint(source: Path) -> str:
    """Return a hash of the names and contents of the sources, of this Python and of this installer."""
    digest = hashlib.sha256(sys.version.encode())
    digest.update(Path(__file__).read_bytes())
    for path in files_of(source):
        digest.update(str(path.relative_to(source)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def pip(venv: Path, *arguments: str) -> None:
    """Run pip and show its output only when it fails.

    Raises:
        SystemExit: with pip's output, and code 3, when pip failed.
    """
    command = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", *arguments]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "315532800"}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise SystemExit(3)


def install(source: Path, home: Path, wheels: Path) -> None:
    """Make the environment if need be and install the locked dependencies and the programs into it."""
    venv = home / "venv"
    if not (venv / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    lock = source / "requirements.lock"
    index: tuple[str, ...] = ()
    complete = wheels / "completo"
    if complete.exists() and complete.read_text().strip() == hashlib.sha256(lock.read_bytes()).hexdigest():
        index = ("--no-index", "--find-links", str(wheels))
    pip(
        venv,
        "install",
        "--quiet",
        *index,
        "--require-hashes",
        "--only-binary=:all:",
        "--requirement",
        str(lock),
    )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "source")
        for path in files_of(source):
            target = copy / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        # The lock holds the build's own requirements too, so nothing is fetched for it without a hash.
        pip(venv, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, str(copy))
        (wheel,) = Path(folder).glob("*.whl")
        pip(venv, "install", "--quiet", "--no-index", "--no-deps", "--force-reinstall", str(wheel))


def main() -> int:
    """Install if anything changed since the last time; return 0 done, 3 failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="the checkout")
    parser.add_argument("--home", type=Path, required=True, help="where the virtual environment lives")
    parser.add_argument("--wheels", type=Path, required=True, help="a folder of wheels, complete or missing")
    options = parser.parse_args()
    stamp = options.home / "installed"
    wanted = fingerprint(options.source)
    if stamp.exists() and stamp.read_text() == wanted:
        print("unchanged")
        return 0
    stamp.unlink(missing_ok=True)
    install(options.source, options.home, options.wheels)
    stamp.write_text(wanted)
    print("changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
