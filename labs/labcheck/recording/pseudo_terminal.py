"""One command, run on a terminal of its own, and when each line of it came. POSIX only."""

import codecs
import contextlib
import os
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labcheck.interruptions import Interruptions

COLUMNS, ROWS = 100, 24
# The slowest step takes seconds; one that waits for an answer that nobody gives is ended here.
TIME_LIMIT_S = 300.0
# How soon the end of a command is noticed when something that it left running holds its terminal open.
_POLL_S = 0.1
# A line with the character that ends it: a progress bar ends its lines with a return.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True)
class Line:
    """What came up to the end of a line, in its terminal's own codes, `at_s` seconds after the start."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Performance:
    """What came of one command: its lines and its exit code, which is None when it ran out of time."""

    lines: tuple[Line, ...]
    code: int | None

    @property
    def text(self) -> str:
        return "".join(line.text for line in self.lines)


def perform(
    argv: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    interruptions: Interruptions,
    time_limit_s: float = TIME_LIMIT_S,
) -> Performance:
    """Run a command on a terminal of `COLUMNS` by `ROWS`, with nobody at its keyboard.

    What it leaves running is left; interrupted, or out of time, the command is ended with all it started.
    """
    screen, terminal = os.openpty()
    process: subprocess.Popen[bytes] | None = None
    has_ended = False
    try:
        termios.tcsetwinsize(terminal, (ROWS, COLUMNS))
        with interruptions.held():
            # A session of its own: a Ctrl-C at our terminal reaches us alone, and we end it in our own way.
            process = subprocess.Popen(
                argv,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=terminal,
                start_new_session=True,
            )
            os.close(terminal)
        pieces, has_ended = _read(screen, process, time.monotonic(), time_limit_s)
        return Performance(tuple(_lines(pieces)), process.wait() if has_ended else None)
    finally:
        os.close(screen)
        if process is None:
            os.close(terminal)
        elif not has_ended:
            _end(process)


def _read(
    screen: int, process: subprocess.Popen[bytes], started: float, time_limit_s: float
) -> tuple[list[Line], bool]:
    """Return what came, piece by piece, and whether the command ended in time."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    pieces: list[Line] = []
    while time.monotonic() - started < time_limit_s:
        if not select.select([screen], [], [], _POLL_S)[0]:
            if process.poll() is not None:
                return pieces, True
            continue
        try:
            received = os.read(screen, 65536)
        except OSError:  # Linux's way to say that nobody has the other side open; elsewhere nothing is read
            received = b""
        if not received:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, started + time_limit_s - time.monotonic()))
            break
        pieces.append(Line(time.monotonic() - started, decode(received)))
    return pieces, process.poll() is not None


def _lines(pieces: list[Line]) -> list[Line]:
    """Return whole lines, each at the time when its end came: a name is never cut in two."""
    lines: list[Line] = []
    begun: Line | None = None
    for piece in pieces:
        if begun is not None and piece.at_s - begun.at_s > _POLL_S:  # a bar, or a question: it was seen so
            lines.append(begun)
            begun = None
        found = _LINE.findall((begun.text if begun else "") + piece.text)
        # A return at the end may be half of a line's end.
        begun = Line(piece.at_s, found.pop()) if found and not found[-1].endswith("\n") else None
        lines += [Line(piece.at_s, text) for text in found]
    return [*lines, begun] if begun else lines


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that is in its session's first group; nothing of it can be waited for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
