"""Programs that the benchmark starts, ends by their ids and reads the cost of (Linux's /proc)."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["BenchError", "Cost", "Program", "cost_of", "descendants", "resident_bytes", "wait_for_port"]

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_READY_S = 20.0


class BenchError(Exception):
    """Something that is measured, or measures, did not work; the text is Spanish."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds spent, in user and in system mode."""

    user_s: float
    system_s: float

    @property
    def total_s(self) -> float:
        """Both."""
        return self.user_s + self.system_s

    def since(self, before: Cost) -> Cost:
        """Return what was spent after ``before`` was read."""
        return Cost(self.user_s - before.user_s, self.system_s - before.system_s)


class Program:
    """One running program; what it says goes to a file."""

    def __init__(self, argv: list[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.argv = argv
        self.log = log
        self._file: IO[bytes] = log.open("ab")
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )

    @property
    def pids(self) -> list[int]:
        """Its process and all those below it."""
        return [self.process.pid, *descendants(self.process.pid)]

    def wait_for(self, text: str) -> None:
        """Wait until it has written ``text``.  Raises BenchError."""
        deadline = time.monotonic() + _READY_S
        while text not in self.log.read_text(errors="replace"):
            self.check(deadline)
            time.sleep(0.02)

    def check(self, deadline: float) -> None:
        """Raise BenchError if it has ended, or the time has come."""
        if self.process.poll() is not None or time.monotonic() > deadline:
            words = self.log.read_text(errors="replace")[-1500:]
            raise BenchError(f"«{' '.join(self.argv[:3])} …» no arrancó:\n{words}")

    def end(self, *, is_killed: bool = False) -> None:
        """End it and what it started, and wait until they are gone; ``is_killed``: without a goodbye."""
        pids = self.pids
        if is_killed:
            self.process.kill()
        else:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._file.close()


def descendants(pid: int) -> list[int]:
    """Return the ids of a process's children, theirs, and so on."""
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [each for word in words for each in (int(word), *descendants(int(word)))]


def cost_of(pids: Iterable[int]) -> Cost:
    """Return what some processes have spent so far."""
    user = system = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        user += int(fields[11])
        system += int(fields[12])
    return Cost(user / _TICKS_PER_S, system / _TICKS_PER_S)


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the memory that some processes hold now (VmRSS: pages that they share are counted for each)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
    return total


def wait_for_port(port: int, program: Program) -> None:
    """Wait until somebody listens on a port of loopback.  Raises BenchError."""
    deadline = time.monotonic() + _READY_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        program.check(deadline)
        time.sleep(0.02)
