"""What happens while it happens: a line that lives on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from types import TracebackType

from tunnel.cli.exit_node.console import Console, is_live
from tunnel.exitnodes.engine import Event, Ready, Said, StepBegun, StepEnded, Waiting

__all__ = ["Progress"]

_TICK_S = 0.2
_BAR_CHARACTERS = 24
_SPINNER = "|/-\\"  # plain ASCII: any terminal shows it, and a screen reader is not asked to


class Progress:
    """Observes one node; use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_live = is_live()
        self._guard = threading.Lock()
        self._label = ""
        self._began = 0.0
        self._timeout_s = 0.0  # of the wait under way; 0: a step, which has none
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        if self._is_live:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._is_live:
            self._ticker.join()
            self._wipe()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case StepBegun(number=number, total=total, info=info):
                self._begin(f"[{number}/{total}] {info.title}", 0.0)
            case StepEnded(is_changed=is_changed):
                self._end("hecho" if is_changed else "no hizo falta")
            case Waiting(timeout_s=timeout_s):
                self._begin("Esperando a que el nodo conteste", timeout_s)
            case Ready():
                self._end("contesta, y es el que anunció")
            case Said(text=text):
                with self._guard:
                    self._wipe()
                    self._console.note(f"      {text}")

    def _begin(self, label: str, timeout_s: float) -> None:
        with self._guard:
            self._label, self._began, self._timeout_s = label, time.monotonic(), timeout_s
        if not self._is_live:
            self._console.note(f"{label}…")

    def _end(self, outcome: str) -> None:
        with self._guard:
            self._wipe()
            took_s = time.monotonic() - self._began
            self._console.note(f"{self._label}: {outcome} ({took_s:.0f} s)")
            self._label = ""

    def _tick(self) -> None:
        turn = 0
        while not self._over.wait(_TICK_S):
            turn += 1
            with self._guard:
                if self._label:
                    self._draw(turn)

    def _draw(self, turn: int) -> None:
        elapsed_s = time.monotonic() - self._began
        text = f"{self._console.mark}{self._label} {_SPINNER[turn % len(_SPINNER)]} {elapsed_s:.0f} s"
        if self._timeout_s:
            filled = min(_BAR_CHARACTERS, int(_BAR_CHARACTERS * elapsed_s / self._timeout_s))
            bar = "#" * filled + "." * (_BAR_CHARACTERS - filled)
            text += f" de {self._timeout_s:.0f} [{bar}]"
        columns = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[K{text[:columns]}")
        sys.stderr.flush()

    def _wipe(self) -> None:
        if self._is_live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
