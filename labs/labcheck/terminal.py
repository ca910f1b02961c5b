"""What a person reads: lines, marks and colour, as far as the terminal can show them."""

import os
import shutil
import sys
import textwrap
from typing import TextIO

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
MAX_COLUMNS = 100
# What a terminal gets whose encoding lacks the character.
_PLAIN = str.maketrans(
    {
        "✓": "+",
        "✗": "x",
        "…": "...",
        "─": "-",
        "—": "-",
        "═": "=",
        "▶": ">",
        "◀": "<",
        "→": ">",
        "«": '"',
        "»": '"',
    }
)


class Console:
    """Write lines to a stream, in colour when it is a terminal that wants it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "ascii"
        self.has_colour = _wants_colour(stream)
        self._has_pending = False

    def say(self, text: str = "") -> None:
        """Write one line, or several, and flush: somebody is watching."""
        if self._has_pending:
            self._stream.write("\r\x1b[K")  # back to the margin, and erase to the end of the line
            self._has_pending = False
        self._stream.write(self._showable(text) + "\n")
        self._stream.flush()

    def pending(self, text: str) -> None:
        """Show what is under way, on a terminal that can take it back; the next line takes its place."""
        if self.has_colour:
            self._stream.write("\r\x1b[K" + self._showable(text)[: _columns() - 1])
            self._stream.flush()
            self._has_pending = True

    def wrapped(self, label: str, text: str, indent: int = 0) -> None:
        """Write a label and its text, of which what does not fit goes on below, indented."""
        first = " " * indent + label
        lines = textwrap.wrap(
            text, _columns(), initial_indent=first, subsequent_indent=" " * (indent + 2),
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        self.say("\n".join(lines))

    def paint(self, text: str, *styles: str) -> str:
        """Return `text` in the named styles, or as it is where there is no colour."""
        if not self.has_colour:
            return text
        return "\x1b[" + ";".join(_COLOURS[style] for style in styles) + f"m{text}\x1b[0m"

    def passed(self, text: str, indent: str = "") -> None:
        self.say(f"{indent}{self.paint('✓', 'green', 'bold')} {text}")

    def failed(self, text: str, indent: str = "") -> None:
        self.say(f"{indent}{self.paint('✗', 'red', 'bold')} {text}")

    def _showable(self, text: str) -> str:
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return text.translate(_PLAIN).encode(self._encoding, "replace").decode(self._encoding)
        return text


def _columns() -> int:
    """Return how wide a line may be: a text much wider than this is hard to follow."""
    return min(shutil.get_terminal_size((MAX_COLUMNS, 24)).columns, MAX_COLUMNS)


def forget_stdout() -> None:
    """Let what is still to be written go nowhere: whoever was reading has left, as ``head`` does.

    Without this Python complains once more at its own end, about the same broken pipe.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _wants_colour(stream: TextIO) -> bool:
    # https://no-color.org: set and not empty means no colour, whatever its value.
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return _enable_windows_colour() if sys.platform == "win32" else True


def _enable_windows_colour() -> bool:
    """Ask the console to understand escape sequences; say whether it does."""
    if sys.platform != "win32":
        return False
    import ctypes

    standard_output = -11
    enable_virtual_terminal_processing = 0x0004
    kernel = ctypes.windll.kernel32
    handle = kernel.GetStdHandle(standard_output)
    mode = ctypes.c_uint32()
    return bool(
        kernel.GetConsoleMode(handle, ctypes.byref(mode))
        and kernel.SetConsoleMode(handle, mode.value | enable_virtual_terminal_processing)
    )
