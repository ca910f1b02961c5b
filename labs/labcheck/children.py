"""The processes that a command starts: their first words, their last ones, and their end."""

import collections
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from labcheck.hops import Hop
from labcheck.interruptions import Interruptions

READY_TIMEOUT_S = 30.0
# What a program gets to end by itself once asked: ours give the requests under way ten seconds.
STOP_TIMEOUT_S = 12.0
KEPT_LINES = 200
# A wait is cut into pieces of this length, so that on Windows, too, Ctrl-C is noticed soon.
WAIT_SLICE_S = 0.5
# Between two looks at whether a process that is dying has ended.
DEATH_SLICE_S = 0.02

Found = TypeVar("Found")


class ChildError(Exception):
    """A process did not do its part; the text is Spanish and ends with the last lines it wrote."""

    def __init__(self, child: "Child", what: str) -> None:
        lines = "".join(f"\n    {line}" for line in child.last_lines())
        super().__init__(f"{what} Sus últimas líneas:{lines}" if lines else f"{what} No escribió nada.")
        self.child = child


class Child:
    """One process, with a thread for each of its two streams that keeps the last lines."""

    def __init__(self, name: str, hop: Hop, command: list[str], folder: Path) -> None:
        self.name = name
        self.hop = hop
        self._spoken = threading.Condition()
        self._output: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._last: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self.is_expected_to_run = True
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            **_own_group(),
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream, keep), daemon=True)
            for stream, keep in ((self._process.stdout, self._output), (self._process.stderr, None))
        ]
        for reader in self._readers:
            reader.start()

    def wait_for(self, pick: Callable[[str], Found | None], timeout_s: float = READY_TIMEOUT_S) -> Found:
        """Return the first thing that `pick` makes of a line of stdout, from the last one picked on.

        Of what nobody waits for only the last `KEPT_LINES` lines are kept.

        Raises:
            ChildError: the process ended, or `timeout_s` passed, without such a line.
        """
        deadline = time.monotonic() + timeout_s
        with self._spoken:
            while True:
                while self._output:
                    if (found := pick(self._output.popleft())) is not None:
                        return found
                if not self._is_alive():
                    break
                if time.monotonic() >= deadline:
                    raise ChildError(self, f"«{self.name}» no estuvo listo en {timeout_s:.0f} s.")
                self._spoken.wait(WAIT_SLICE_S)
        self._process.wait()
        raise ChildError(self, self.obituary())

    def wait_ended(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait for a process that ends by itself, and see that it ended well.

        Raises:
            ChildError: it said with its exit code that it failed, or `timeout_s` passed.
        """
        self.is_expected_to_run = False
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ChildError(self, f"«{self.name}» no terminó en {timeout_s:.0f} s.") from None
        if status != 0:
            raise ChildError(self, f"«{self.name}» falló (código {status}).")

    def has_died(self) -> bool:
        """Say whether the process ended though nobody asked it to."""
        return self.is_expected_to_run and self._process.poll() is not None

    def obituary(self) -> str:
        return f"«{self.name}» terminó inesperadamente (código {self._process.poll()})."

    def last_lines(self, count: int = 12) -> list[str]:
        """Return the last lines that the process wrote, to either stream."""
        for reader in self._readers:
            if self._process.poll() is not None:
                reader.join(timeout=WAIT_SLICE_S)
        return list(self._last)[-count:]

    def ask_to_stop(self) -> None:
        """Send the gentle signal; returns at once."""
        self.is_expected_to_run = False
        with contextlib.suppress(OSError):  # it may just have ended
            if sys.platform == "win32":
                self._process.send_signal(signal.CTRL_BREAK_EVENT)
            else:
                self._process.terminate()

    def wait_stopped(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Wait for the end that was asked for, and force it after `timeout_s`."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for reader in self._readers:
            reader.join(timeout=WAIT_SLICE_S)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _is_alive(self) -> bool:
        return any(reader.is_alive() for reader in self._readers) or self._process.poll() is None

    def _read(self, stream: IO[str], keep: collections.deque[str] | None) -> None:
        for line in stream:
            with self._spoken:
                self._last.append(line.rstrip())
                if keep is not None:
                    keep.append(line)
                self._spoken.notify_all()
        with self._spoken:
            self._spoken.notify_all()


class Children:
    """The processes of one command; none outlives the `with` block, whichever way it ends."""

    def __init__(self, interruptions: Interruptions, folder: Path) -> None:
        self._interruptions = interruptions
        self._folder = folder
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in self._children:
            child.ask_to_stop()
        for child in self._children:
            child.wait_stopped()

    def start(self, name: str, hop: Hop, command: list[str]) -> Child:
        """Start a process in the folder of these; `command` begins with a program's name."""
        with self._interruptions.held():
            child = Child(name, hop, [find_program(command[0]), *command[1:]], self._folder)
            self._children.append(child)
        return child

    def stop(self, child: Child) -> None:
        """End one process and wait for it."""
        child.ask_to_stop()
        child.wait_stopped()
        self._children.remove(child)

    def dead(self, within_s: float = 0.0) -> Child | None:
        """Return a process that ended though nobody asked it to, if there is one.

        One that is being killed closes its sockets before the system tells of its end: who has seen the
        former waits ``within_s`` for the latter.
        """
        deadline = time.monotonic() + within_s
        while True:
            found = next((child for child in self._children if child.has_died()), None)
            if found is not None or time.monotonic() >= deadline:
                return found
            time.sleep(DEATH_SLICE_S)

    def wait_for_a_death(self) -> None:
        """Return after a while in which every process stayed alive.

        Raises:
            ChildError: one ended though nobody asked it to.
        """
        time.sleep(WAIT_SLICE_S)
        if (child := self.dead()) is not None:
            raise ChildError(child, child.obituary())


def find_program(name: str) -> str:
    """Return the path of a program of this environment, or of PATH.

    Raises:
        FileNotFoundError: it is in neither.
    """
    path = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"No se encuentra el programa «{name}».")
    return path


def _environment() -> dict[str, str]:
    # A program's output through a pipe is read line by line as it comes, in UTF-8 on every system.
    return os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


def _own_group() -> dict[str, Any]:
    """Return what keeps the terminal's Ctrl-C from a child: who started it decides when it ends."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}
