"""What a person reads: lines, marks and colour, as far as the terminal can show them."""

import os
import sys
from typing import TextIO

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
# What a terminal gets whose encoding lacks the character.
_PLAIN = str.maketrans(
    {"✓": "+", "✗": "x", "…": "...", "─": "-", "═": "=", "▶": ">", "◀": "<", "→": ">", "«": '"', "»": '"'}
)


class Console:
    """Write lines to a stream, in colour when it is a terminal that wants it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "ascii"
        self.has_colour = _wants_colour(stream)

    def say(self, text: str = "") -> None:
        """Write one line, or several, and flush: somebody is watching."""
        self._stream.write(self._showable(text) + "\n")
        self._stream.flush()

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
