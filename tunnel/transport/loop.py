"""The event loop, and running a program in it until a signal says stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

__all__ = ["StopSignals", "run"]

T = TypeVar("T")


def _new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed (it halves the CPU per request), asyncio's own loop elsewhere."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


_GARBAGE_OBJECTS = 10_000
"""New containers that are looked at together for cycles.  A request leaves none behind: looking every 700, as
Python does by itself, is 3 % of the CPU."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` in the fastest event loop that is installed here."""
    gc.freeze()  # what was imported is never garbage, and need not be looked at
    gc.set_threshold(_GARBAGE_OBJECTS, *gc.get_threshold()[1:])
    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        return runner.run(main)


class StopSignals:
    """Turns SIGTERM and Ctrl-C into an event: the first asks for a drain, the second for an end at once."""

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.repeated = asyncio.Event()
        self.is_interrupt = False  # Ctrl-C, as opposed to SIGTERM

    @contextlib.contextmanager
    def installed(self) -> Iterator[StopSignals]:
        """Handle the signals within this context."""
        loop = asyncio.get_running_loop()

        def handle(number: int, frame: object) -> None:
            loop.call_soon_threadsafe(self._receive, number)

        # signal.signal and not loop.add_signal_handler, which Windows does not have.
        numbers = [signal.SIGINT, signal.SIGTERM]
        if sys.platform == "win32":
            numbers.append(signal.SIGBREAK)  # Ctrl-Break, and how a parent asks a child to stop there
        former = {number: signal.signal(number, handle) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _receive(self, number: int) -> None:
        if self.requested.is_set():
            self.repeated.set()
        self.requested.set()
        self.is_interrupt = number == signal.SIGINT
