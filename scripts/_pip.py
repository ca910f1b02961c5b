"""Run pip with progress a person can follow, and say in Spanish why it failed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import _process
from _terminal import Progress, Terminal

_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)
_SEEN = re.compile(r"^(Collecting|Requirement already satisfied:|Ignoring) ([A-Za-z0-9][\w.-]*)")
_LOCAL = re.compile(r"^Processing (?:.*[/\\])?([\w.]+)-[^/\\]*\.(?:whl|tar\.gz)\b")
_FETCHED = re.compile(
    r"^\s*(Downloading|Using cached) ([\w.+-]+)\.(?:whl|tar\.gz)(?: \(([\d.]+) ([kM]?B)\))?$"
)
_BYTES = {"B": 1, "kB": 1_000, "MB": 1_000_000}
_MISLEADING_SETTINGS = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")

# Each of pip's ways to fail that a newcomer meets, the surest sign first. pip goes on to say "no matching
# distribution" after a network failure too, so that reading comes last.
_SIGNS: tuple[tuple[str, str], ...] = (
    (
        r"No space left on device|Errno 28\b|Disk quota exceeded|Errno 122\b",
        "El disco está lleno (o su cuota). Libere {disk_mb} MB y repita la orden.",
    ),
    (
        r"Read-only file system|Errno 30\b|Permission denied|Errno 13\b",
        "No se puede escribir en {venv}. Copie el proyecto a una carpeta suya y repita la orden allí.",
    ),
    (
        r"WinError (5|32)\b",
        "Otro programa tiene archivos de {venv} en uso.\n"
        "Cierre las demostraciones, editores y terminales que lo usen y repita la orden.",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "Un paquete descargado no es el que dice el archivo de versiones: la descarga llegó dañada, o algo\n"
        "en la red la cambió. Vacíe la caché con «{pip} cache purge» y repita la orden; si sigue\n"
        "igual, pruebe en otra red.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        "La conexión segura con el índice de paquetes fue rechazada. Revise la fecha y la hora de este\n"
        "equipo. Si está en una red que inspecciona el tráfico, pida su certificado y póngalo en la\n"
        "variable PIP_CERT.",
    ),
    (
        r"ProxyError|Cannot connect to proxy|Tunnel connection failed|407 Proxy",
        "El proxy de su red no dejó pasar la descarga. Revise las variables HTTPS_PROXY y NO_PROXY.",
    ),
    (
        r"NewConnectionError|NameResolutionError|Failed to establish|Temporary failure in name|"
        r"getaddrinfo failed|Network is unreachable|Connection refused|ConnectTimeout|[Tt]imed out|"
        r"ConnectionResetError|RemoteDisconnected|IncompleteRead|Connection aborted|HTTP error 5\d\d|"
        r"50[0234] Server Error",
        "No hay conexión con el índice de paquetes de Python. Revise que tenga Internet (o la dirección de\n"
        "su índice propio, si usa uno) y repita la orden: lo ya descargado no se vuelve a descargar.",
    ),
    (
        r"\(from versions: none\)",
        "El índice de paquetes de Python no respondió, o no tiene lo que se le pidió. Revise que tenga\n"
        "Internet (o que su índice propio esté completo, si usa uno) y repita la orden.",
    ),
    (
        r"No matching distribution found for ([^\s;]+)",
        "No hay una versión ya compilada de {match} para este sistema con Python {python}.\n"
        "Pruebe con Python 3.12 o 3.13.",
    ),
)
_FAILURE_LINES = 15


class PipError(Exception):
    """pip ended with an error; the text is what to tell the person."""


def count_pins(lock: Path) -> int:
    """Return how many packages a lock file pins."""
    return len(_PIN.findall(lock.read_text(encoding="utf-8")))


def install_lock(
    python: Path, lock: Path, environment: dict[str, str], terminal: Terminal, disk_mb: int
) -> int:
    """Install everything a lock file names, with its hashes, and return the bytes downloaded.

    Raises:
        PipError: with the reason in Spanish.
    """
    # Each pin is first seen and then fetched: two steps, so that the bar moves in both of pip's phases.
    pins = count_pins(lock)
    progress = Progress(terminal, 2 * pins)
    downloaded = 0
    arguments = ["--require-hashes", "--only-binary", ":all:", "-r", str(lock)]

    def follow(line: str) -> None:
        nonlocal downloaded
        if seen := _SEEN.match(line):
            progress.advance(1 if seen[1] == "Collecting" else 2, seen[2])
        elif local := _LOCAL.match(line):
            progress.advance(2, local[1])
        elif fetched := _FETCHED.match(line):
            progress.advance(1, fetched[2].split("-")[0])
            if fetched[1] == "Downloading" and fetched[3]:
                downloaded += int(float(fetched[3]) * _BYTES[fetched[4]])
        elif line.startswith("Installing collected packages"):
            progress.advance(2 * pins, "escribiendo en .venv")
        elif "WARNING: Retrying" in line:
            terminal.say("  La red no responde; se intenta de nuevo…")

    _run(python, arguments, environment, disk_mb, follow)
    return downloaded


def install_project(python: Path, root: Path, environment: dict[str, str], disk_mb: int) -> None:
    """Install the checkout itself, editable, with nothing from the network.

    Raises:
        PipError: with the reason in Spanish.
    """
    _run(
        python,
        ["--no-deps", "--no-build-isolation", "-e", str(root)],
        environment,
        disk_mb,
        lambda line: None,
    )


def explain(output: Iterable[str], python: Path, disk_mb: int) -> str:
    """Return, in Spanish, the reason and the remedy that pip's output points to."""
    lines = list(output)
    text = "\n".join(lines)
    venv = python.parent.parent
    for sign, advice in _SIGNS:
        if found := re.search(sign, text):
            return advice.format(
                match=found[1] if found.groups() else "",
                python=f"{sys.version_info.major}.{sys.version_info.minor}",
                venv=venv,
                pip=f"{python} -m pip",
                disk_mb=disk_mb,
            )
    tail = "\n".join("  " + line for line in lines[-_FAILURE_LINES:])
    return f"pip no pudo instalar los paquetes. Sus últimas líneas fueron:\n{tail}"


def _run(
    python: Path,
    arguments: list[str],
    environment: dict[str, str],
    disk_mb: int,
    follow: Callable[[str], None],
) -> None:
    # -I: a PYTHONPATH of the person's own must not decide which pip runs. Their PIP_* settings (a mirror, a
    # proxy, a certificate, a wheelhouse) do hold, but for those that would send the packages somewhere else.
    command = [str(python), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", "--no-user", *arguments]
    kept = {name: value for name, value in environment.items() if name not in _MISLEADING_SETTINGS}
    output: list[str] = []
    with _process.started(command, kept) as pip:
        for line in pip.stdout or ():
            output.append(line.rstrip())
            follow(output[-1])
    if pip.returncode != 0:
        raise PipError(explain(output, python, disk_mb))
