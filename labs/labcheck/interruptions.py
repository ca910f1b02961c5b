"""Ctrl-C, SIGTERM and a closed terminal, at a moment when nothing can be lost.

Python raises KeyboardInterrupt between any two instructions: also between the start of a process and the line
that remembers it, and then nobody ends that process. Here an interruption waits while it is held.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Self


class Interruptions:
    """Turn the signals that ask a program to end into KeyboardInterrupt, but only where that is safe.

    Use it as a context manager in the main thread, before anything is started.
    """

    def __init__(self) -> None:
        self._signals = [signal.SIGINT, signal.SIGTERM]
        if sys.platform == "win32":
            self._signals.append(signal.SIGBREAK)
        else:
            self._signals.append(signal.SIGHUP)
        self._previous: dict[signal.Signals, Any] = {}
        self._holds = 0
        self._pending = False
        self._ignoring = False

    def __enter__(self) -> Self:
        for number in self._signals:
            self._previous[number] = signal.signal(number, self._receive)
        if sys.platform != "win32":
            # The bootstrap starts this program with the signals blocked; what came meanwhile arrives now.
            # Children would inherit the blocking, so it ends before there are any.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signals)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let an interruption wait until the block ends, and raise it then."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        self._raise_if_due()

    def ignore(self) -> None:
        """Take no more interruptions: the program is ending by itself and cleans up."""
        self._ignoring = True

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._pending = True
        self._raise_if_due()

    def _raise_if_due(self) -> None:
        if self._pending and not self._holds and not self._ignoring:
            # One is enough: what follows is the cleaning up, and a second Ctrl-C must not cut that short.
            self._ignoring = True
            raise KeyboardInterrupt
