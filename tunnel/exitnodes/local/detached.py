"""Run a command that outlives its terminal, once a folder, and find it again whatever happened.

``python -m tunnel.exitnodes.local.detached FOLDER COMMAND…`` starts the command in a session of its own, with
its output in ``FOLDER/registro.log``, and returns at once; when it runs already, nothing is done.

That it runs is told by a lock that the process itself holds (``FOLDER/candado-proceso``), and that the
system takes back at its end, however it ends: no process is mistaken for another that got its number.
Who is signalled is read from ``FOLDER/proceso.json``: number, start time and command, written by the process
that becomes the command.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tunnel.exitnodes import locks
from tunnel.exitnodes.errors import ProviderFailed
from tunnel.secret_files import replace_private_file

__all__ = ["is_running", "log_path", "main", "running_command", "start", "stop"]

_LOCK = "candado-proceso"
_RECORD = "proceso.json"
_LOG = "registro.log"
_LOOK_AGAIN_S = 0.02
_DRAIN_S = 12.0  # a server takes up to 10 s to end what is under way
_KILL_S = 5.0
_NOT_STARTED = 127
_TAKEN = b"="


def log_path(folder: Path) -> Path:
    """Return where the command's output goes."""
    return folder / _LOG


def is_running(folder: Path) -> bool:
    """Whether the command that was started in ``folder`` runs."""
    return locks.is_held(folder / _LOCK)


def running_command(folder: Path) -> list[str]:
    """Return the command that was started in ``folder`` and runs; nothing where none does."""
    if not is_running(folder) or _own_pid(folder) is None:
        return []
    return [str(word) for word in json.loads((folder / _RECORD).read_text(encoding="utf-8"))["command"]]


def start(folder: Path, command: Sequence[str]) -> bool:
    """Start the command; return False where it runs already.  POSIX only; the folder must exist.

    Raises:
        OSError: the command cannot be run.
    """
    # The reading end sees the end of the pipe when the command begins, a number when it cannot, or _TAKEN.
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            _become(folder, command)
        except locks.Taken:
            os.write(writer, _TAKEN)
        except OSError as error:
            os.write(writer, str(error.errno).encode())
        finally:
            os._exit(_NOT_STARTED)
    os.close(writer)
    with open(reader, encoding="ascii") as pipe:
        fault = pipe.read()
    if not fault:
        return True
    os.waitpid(pid, 0)
    if fault == _TAKEN.decode():
        return False
    raise OSError(int(fault), os.strerror(int(fault)), command[0])


def _become(folder: Path, command: Sequence[str]) -> NoReturn:
    os.setsid()
    lock = locks.hold(folder / _LOCK)
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(folder / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    record = {"pid": os.getpid(), "started": _started(os.getpid()), "command": list(command)}
    replace_private_file(folder / _RECORD, json.dumps(record) + "\n")
    os.set_inheritable(lock, True)  # the command holds it to its end
    os.execvp(command[0], list(command))  # noqa: S606 - no shell is wanted


def stop(folder: Path) -> None:
    """End the command, gently at first, and return when it is gone; it may be gone already.

    Raises:
        ProviderFailed: it runs, and cannot be told from others or does not end.
    """
    for number, patience_s in ((signal.SIGTERM, _DRAIN_S), (signal.SIGKILL, _KILL_S)):
        if not is_running(folder):
            return
        pid = _own_pid(folder)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while is_running(folder) and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_S)
    if is_running(folder):
        raise ProviderFailed(
            f"el proceso de {folder} sigue en marcha y no se pudo terminar. Búsquelo con «ps» y termínelo."
        )


def _own_pid(folder: Path) -> int | None:
    """Return the number of the process that holds the lock, if the record is its own."""
    deadline = time.monotonic() + _KILL_S
    while time.monotonic() < deadline:  # between taking the lock and writing the record there is a moment
        try:
            record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
            pid, started = int(record["pid"]), str(record["started"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        else:
            if started and _started(pid) == started:
                return pid
        if not is_running(folder):
            return None
        time.sleep(_LOOK_AGAIN_S)
    return None


def _started(pid: int) -> str:
    """Return when a process began, in words that no other process of that number shares; "" if it is gone."""
    if sys.platform == "linux":
        try:
            # Field 22, in ticks since the start of the machine (proc_pid_stat(5)); the name in parentheses
            # may itself hold spaces and parentheses.
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return ""
        return f"{boot} {stat.rpartition(')')[2].split()[19]}"
    return subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
        env={"LC_ALL": "C"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    ).stdout.strip()


def main(argv: Sequence[str]) -> int:
    """Start what ``argv`` says: a folder, then the command."""
    folder, *command = argv
    try:
        is_new = start(Path(folder), command)
    except OSError as error:
        sys.stderr.write(f"no se pudo iniciar {command[0]}: {error.strerror}\n")
        return 3
    sys.stdout.write("en marcha\n" if is_new else "ya estaba en marcha\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
