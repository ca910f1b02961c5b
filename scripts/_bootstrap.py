"""Make `.venv` in the checkout, once, and start programs inside it.

The map of this folder: `demo`, `test` and `check` are the commands; each refuses an old Python
(`_version_gate`) and calls its module of the same name (`_demo`, `_test`, `_check`). Those call `prepare`
here, which installs what a lock file pins (`_pip`, `_process`), alone (`_lockfile`), telling the person how
it goes (`_terminal`), and then start their program with `become`, `run_and_wait` or `run_both`.

Only the standard library is used: this runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import _lockfile
import _pip
import _process
from _terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK_FILE = ROOT / ".venv.lock"
STAMP = VENV / "tunelab-instalado.json"

EXIT_ENVIRONMENT = 3
EXIT_INTERRUPTED = 130


class Level(enum.Enum):
    """How much is installed; each level holds the ones before it.

    The sizes, in MB of 10^6 bytes, were measured on Linux with Python 3.11.
    """

    RUN = ("requirements.lock", 13, 100)
    TEST = ("requirements-dev.lock", 65, 350)

    def __init__(self, lock_name: str, download_mb: int, disk_mb: int) -> None:
        self.lock = ROOT / lock_name
        self.download_mb = download_mb
        self.disk_mb = disk_mb

    def fingerprint(self) -> str:
        """Return a digest of everything that decides what gets installed."""
        digest = hashlib.sha256()
        for path in (self.lock, ROOT / "pyproject.toml"):
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
        return digest.hexdigest()


class BootstrapError(Exception):
    """The environment cannot be prepared; the text says, in Spanish, what is missing and how to get it."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: as Ctrl-C, but this process alone was told."""


def guarded(main: Callable[[list[str]], int], argv: list[str]) -> int:
    """Call `main` and turn what stops it into a clear message and an exit code."""

    def interrupt(signal_number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt if signal_number == signal.SIGINT else Terminated

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, interrupt)  # the terminal was closed
    try:
        return main(argv)
    except BootstrapError as error:
        Terminal().say(str(error))
        return EXIT_ENVIRONMENT
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C has nothing more to stop
        with contextlib.suppress(OSError):  # the terminal may be gone
            Terminal().say("Interrumpido. Lo que quedó a medias se rehace la próxima vez.")
        return EXIT_INTERRUPTED


def prepare(level: Level) -> Path:
    """Return the Python of `.venv`, with everything of `level` installed; a second call finds it done.

    Raises:
        BootstrapError: with what is missing and how to get it.
    """
    if _is_ready(level):
        return venv_program("python")
    terminal = Terminal()
    _check_this_machine(level)
    try:
        waiting = "Otra terminal prepara este entorno; se espera a que termine…"
        with _lockfile.hold(LOCK_FILE, lambda: terminal.say(waiting)) as lock:
            if not _is_ready(level):
                _install(level, lock, terminal)
    except OSError as error:
        raise BootstrapError(_explain_os_error(error, level)) from error
    except _pip.PipError as error:
        raise BootstrapError(str(error)) from error
    return venv_program("python")


def venv_program(name: str) -> Path:
    """Return where a program of `.venv` is, whether or not it exists."""
    return VENV / "Scripts" / f"{name}.exe" if os.name == "nt" else VENV / "bin" / name


def venv_environment() -> dict[str, str]:
    """Return the environment for programs of `.venv`: its commands first, and no other Python's modules."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")
    }
    environment["VIRTUAL_ENV"] = str(VENV)
    environment["PATH"] = os.pathsep.join(
        [str(venv_program("python").parent), environment.get("PATH", os.defpath)]
    )
    return environment


def become(python: Path, arguments: list[str], *, takes_signals: bool = False) -> int:
    """Become `python arguments`; where processes cannot be replaced, run it and return its exit code.

    With `takes_signals` the program starts with SIGINT and SIGTERM blocked and unblocks them itself once it
    can handle them, so that none is lost and none cuts its start-up short with a traceback.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    command = [str(python), *arguments]
    if sys.platform == "win32":
        return _wait_through_interrupts(subprocess.Popen(command, env=venv_environment()))
    if takes_signals:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    return os.execve(python, command, venv_environment())


def run_and_wait(command: list[str], extra_environment: dict[str, str] | None = None) -> int:
    """Run a program with the environment of `.venv` and return its exit code: 130 when it was interrupted."""
    return _wait_through_interrupts(_start(command, extra_environment))


def run_both(
    command: list[str], hidden: list[str], log: Path, extra_environment: dict[str, str] | None = None
) -> int:
    """Run two programs at once, as `run_and_wait` does one; what `hidden` writes goes to `log`.

    Returns: the first exit code, of the two, that is not 0.
    """
    with log.open("wb") as out:
        return _wait_through_interrupts(
            _start(command, extra_environment), _start(hidden, extra_environment, out)
        )


def _start(
    command: list[str], extra_environment: dict[str, str] | None, out: BinaryIO | None = None
) -> subprocess.Popen[bytes]:
    environment = venv_environment() | (extra_environment or {})
    stdin = None if out is None else subprocess.DEVNULL
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdin=stdin, stdout=out, stderr=out)


def _wait_through_interrupts(*children: subprocess.Popen[bytes]) -> int:
    interrupted = False
    while True:
        try:
            statuses = [child.wait() for child in children]
            return EXIT_INTERRUPTED if interrupted else next(filter(None, statuses), 0)
        except Terminated:
            interrupted = True
            for child in children:
                child.terminate()
        except KeyboardInterrupt:
            interrupted = True  # the terminal has told the children too, and they end in their own way


def _is_ready(level: Level) -> bool:
    stamp = _read_stamp()
    return (
        stamp.get("checkout") == str(ROOT)
        and stamp.get(level.name) == level.fingerprint()
        and stamp.get("python") == _version_of(venv_program("python"))
    )


def _read_stamp() -> dict[str, str]:
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _version_of(python: Path) -> str:
    """Return the major and minor version of a Python, or nothing when it does not run."""
    # -I -S start it bare, in some 15 ms. A version read from a file would miss an upgrade underneath.
    probe = [str(python), "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(probe, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _check_this_machine(level: Level) -> None:
    if os.pathsep in str(ROOT):
        raise BootstrapError(
            f"La carpeta {ROOT} tiene «{os.pathsep}» en su nombre y Python no puede hacer un entorno ahí.\n"
            "Cámbiele el nombre y repita la orden."
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise BootstrapError(_missing_venv_advice())
    free_mb = shutil.disk_usage(ROOT).free // 1_000_000
    if free_mb < level.disk_mb:
        raise BootstrapError(
            f"El disco tiene {free_mb} MB libres y hacen falta {level.disk_mb} MB.\n"
            "Libere espacio y repita la orden."
        )


def _missing_venv_advice() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    first_line = f"A este Python ({sys.executable}) le falta el módulo que crea entornos virtuales."
    if shutil.which("apt-get"):
        return (
            f"{first_line} En Debian y Ubuntu viene aparte:\n"
            f"  sudo apt install python{version}-venv\n"
            "Después repita la orden."
        )
    return (
        f"{first_line}\nInstale el paquete venv de su sistema, o Python desde https://www.python.org/downloads/,\n"
        "y repita la orden."
    )


def _install(level: Level, lock: _lockfile.InstallLock, terminal: Terminal) -> None:
    previous = _read_stamp()
    reusable = _is_reusable(previous, interrupted=lock.was_interrupted() and not previous)
    terminal.say(_announcement(level, previous, reusable))
    started = time.monotonic()
    lock.begin()
    STAMP.unlink(missing_ok=True)
    if not reusable:
        if terminal.is_live:
            terminal.bar(0, 1, "creando .venv")
        _make_venv()
    python = venv_program("python")
    downloaded = _pip.install_lock(python, level.lock, dict(os.environ), terminal, level.disk_mb)
    _pip.install_project(python, ROOT, dict(os.environ), level.disk_mb)
    _make_import_paths_relative()
    _write_stamp(level, previous if reusable else {})
    lock.finish()
    terminal.say(
        f"Entorno listo en {time.monotonic() - started:.0f} s ({downloaded / 1e6:.0f} MB descargados)."
    )


def _announcement(level: Level, previous: dict[str, str], reusable: bool) -> str:
    size = f"se descargan unos {level.download_mb} MB, una sola vez"
    if not VENV.exists():
        return f"Se prepara el entorno de Python en {VENV} ({size})."
    if not reusable:
        return (
            f"El entorno de {VENV} ya no sirve (quedó a medias, o el proyecto o Python cambiaron de lugar):\n"
            f"se hace de nuevo ({size})."
        )
    if previous and level.name not in previous:
        return f"Se agrega al entorno de {VENV} lo que necesitan las pruebas ({size})."
    return f"Cambiaron las versiones que el proyecto usa: se actualiza el entorno de {VENV}."


def _is_reusable(stamp: dict[str, str], *, interrupted: bool) -> bool:
    """Say whether packages can be added to the `.venv` that there is, or it must be made anew."""
    python = venv_program("python")
    version = _version_of(python)
    if interrupted or version not in {f"3.{minor}" for minor in range(11, 100)}:
        return False
    if stamp:
        return stamp.get("checkout") == str(ROOT) and stamp.get("python") == version
    # Somebody's own: kept when it is in working order, for it may hold more than this project.
    probe = [str(python), "-I", "-c", "import pip, sys; print(sys.prefix)"]
    try:
        result = subprocess.run(probe, capture_output=True, text=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError):
        return False
    return Path(result.stdout.strip()) == VENV


def _make_venv() -> None:
    if VENV.exists():
        shutil.rmtree(VENV)
    command = [sys.executable, "-I", "-m", "venv", str(VENV)]
    with _process.started(command, venv_environment()) as process:
        output, _ = process.communicate()
    if process.returncode == 0:
        return
    if "ensurepip" in output and "is not available" in output:
        raise BootstrapError(_missing_venv_advice())
    raise _pip.PipError(_pip.explain(output.splitlines(), venv_program("python"), Level.RUN.disk_mb))


def _make_import_paths_relative() -> None:
    """Write the paths of the editable install relative to where they are read from.

    Python before 3.13 reads them in the locale's encoding, so that an absolute path with an accent, as in
    C:\\Users\\José, would make the packages impossible to find on Windows.
    """
    site_packages = (
        VENV / "Lib" / "site-packages" if os.name == "nt" else next(VENV.glob("lib/python3*/site-packages"))
    )
    for path_file in site_packages.glob("_tunelab*.pth"):
        folders = path_file.read_text(encoding="utf-8").splitlines()
        relative = [os.path.relpath(folder, site_packages) for folder in folders if folder]
        path_file.write_text("".join(line + "\n" for line in relative), encoding="utf-8")


def _write_stamp(level: Level, previous: dict[str, str]) -> None:
    stamp = {
        "checkout": str(ROOT),
        "python": _version_of(venv_program("python")),
        level.name: level.fingerprint(),
    }
    if level is Level.TEST:
        stamp[Level.RUN.name] = Level.RUN.fingerprint()
    elif previous.get(Level.TEST.name) == Level.TEST.fingerprint():
        stamp[Level.TEST.name] = previous[Level.TEST.name]
    unfinished = STAMP.with_suffix(".nuevo")
    unfinished.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, STAMP)


def _explain_os_error(error: OSError, level: Level) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"El disco está lleno (o su cuota). Libere {level.disk_mb} MB y repita la orden."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            f"No se puede escribir en {error.filename or ROOT}.\n"
            "Copie el proyecto a una carpeta en la que pueda escribir y repita la orden allí."
        )
    return f"No se pudo preparar el entorno de {VENV}: {error}"
