"""A lab's shell programs: its steps, its solution, its cleanup."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from labcheck.catalog import Lab
from labcheck.checking.place import Addresses
from labcheck.children import find_program
from labcheck.progress import environment_of, state_folder

SOLUTION, CLEANUP = "solucion.sh", "limpieza.sh"
# A program that a step left running writes its id here, for `labs/pasos.sh` and for `survivors`.
_RUNNING = "*.pid"


class StepError(Exception):
    """A lab's program cannot be run; the text is Spanish."""


def run_step(lab: Lab, name: str, addresses: Addresses) -> int:
    """Run a program of a lab on this terminal and return its exit code.

    Raises:
        StepError: it is not there, or there is no bash.
    """
    path = lab.folder / name
    bash = shutil.which("bash")
    if bash is None:
        raise StepError("Hace falta bash para los pasos del laboratorio. En Windows: --modo vm, o WSL.")
    if not path.is_file():
        raise StepError(f"Al laboratorio {lab.number} le falta {path}.")
    # The folder of the labs may be shared and have lost its permissions: bash reads the file all the same.
    return subprocess.run(
        [bash, str(path)], env=os.environ | environment_of(addresses), stdin=subprocess.DEVNULL, check=False
    ).returncode


def survivors(lab: Lab) -> list[str]:
    """Return what a lab's steps left running and is still there, as a person would read it."""
    found = []
    for path in sorted(state_folder(lab).glob(_RUNNING)):
        pid = _first_line(path)
        if pid.isdigit() and _is_alive(int(pid)):
            found.append(f"{path.stem} (proceso {pid})")
    return found


def exit_nodes_left(lab: Lab) -> list[str]:
    """Return the exit nodes made for a lab that are still there, as a person would read it.

    Raises:
        StepError: it could not be asked, so that something may be left.
    """
    command = [find_program("tunnel"), "exit-node", "list", "--json"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    try:
        told = json.loads(done.stdout)
        nodes = [node for node in told["nodes"] if node["lab"] == lab.number]
        errors = [str(error) for error in told["errors"]]
    except (ValueError, KeyError, TypeError) as error:
        raise StepError(f"No se pudo preguntar qué nodos quedan: {done.stderr.strip()}") from error
    left = [f"el nodo de salida {node['name']} ({node['provider']}), {node['state']}" for node in nodes]
    return left + [f"quizás algo que no se pudo preguntar: {error}" for error in errors]


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError:
        return ""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's: the number has been used again
        return False
    return True
