"""What the scripts say to a person: lines, progress, and marks that the terminal can show."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

BAR_CELLS = 24
# Without a terminal (a log, a pipe) the bar becomes a line every so many steps: enough to see that it moves.
PLAIN_LINES = 6


class Terminal:
    """Write to a stream what it is able to show; the default is stderr, so that stdout stays for data."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.is_live = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.has_colour = self.is_live and not os.environ.get("NO_COLOR") and os.name == "posix"
        self._bar_is_open = False

    def say(self, text: str = "") -> None:
        """Write one line, after removing a bar that is being drawn."""
        self._erase_bar()
        self._write(text + "\n")

    def passed(self, text: str) -> None:
        self.say(f"{self._paint('32', self._mark('✓', 'ok'))} {text}")

    def failed(self, text: str) -> None:
        self.say(f"{self._paint('31', self._mark('✗', 'FALLA'))} {text}")

    def bar(self, done: int, total: int, label: str) -> None:
        """Draw or redraw the progress bar; only call it where `is_live`."""
        full = BAR_CELLS * done // max(total, 1)
        cells = self._mark("█", "#") * full + self._mark("░", ".") * (BAR_CELLS - full)
        self._write(f"\r\x1b[K  {cells} {100 * done // max(total, 1):3d} %  {label[:40]}")
        self._bar_is_open = True

    def _erase_bar(self) -> None:
        if self._bar_is_open:
            self._write("\r\x1b[K")
            self._bar_is_open = False

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.has_colour else text

    def _mark(self, wanted: str, plain: str) -> str:
        try:
            wanted.encode(self.stream.encoding or "ascii")
        except (LookupError, UnicodeEncodeError):
            return plain
        return wanted

    def _write(self, text: str) -> None:
        encoding = self.stream.encoding or "ascii"
        self.stream.write(text.encode(encoding, "replace").decode(encoding))
        self.stream.flush()


class Progress:
    """Count steps towards a total: a bar on a terminal, a few plain lines elsewhere."""

    def __init__(self, terminal: Terminal, total: int) -> None:
        self._terminal = terminal
        self._total = max(total, 1)
        self._done = 0
        self._started = time.monotonic()
        self._lines_said = 0

    def advance(self, steps: int, label: str) -> None:
        """Add `steps` and show `label` as what is being done now."""
        self._done = min(self._total, self._done + steps)
        if self._terminal.is_live:
            self._terminal.bar(self._done, self._total, label)
        elif self._done * PLAIN_LINES // self._total > self._lines_said:
            self._lines_said = self._done * PLAIN_LINES // self._total
            self._terminal.say(f"  {100 * self._done // self._total:3d} %  {label}")

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started
