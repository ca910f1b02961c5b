"""A process that is ended together with everything it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

STOP_TIMEOUT_S = 2.0
POLL_S = 0.02


@contextlib.contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start `command` with its whole output in one pipe; wait for it, or end it when the block is left in
    mid-way.

    It gets a process group of its own: `python -m venv` starts another Python and does not take it along
    when it is ended, and what such an orphan still writes would spoil the next try.
    """
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        process_group=None if sys.platform == "win32" else 0,
    )
    with process:  # closes the pipe and waits
        try:
            yield process
        except BaseException:
            _end_group(process)
            raise


def _end_group(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.terminate()  # the console has told the others of its group already
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody of the group is left
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(POLL_S)
        # Whoever is left ignores the request, or is dead already and nobody has asked for its exit code: in a
        # container whose first process is no init, that can last.
        os.killpg(process.pid, signal.SIGKILL)
