"""The lock of all that the inspector keeps, and the count of its changes."""

from __future__ import annotations

import threading
import time

__all__ = ["News"]

_PAUSE_S = 0.15


class News:
    """Counts changes; whoever waits for the next one is woken.

    ``lock`` is held for every look at what is kept and every change of it.  Both are short: the client's
    event loop waits for it.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.version = 0
        self.is_over = False
        self._changed = threading.Condition(self.lock)

    def count(self) -> int:
        """Note a change, with the lock held; return its number."""
        self.version += 1
        self._changed.notify_all()
        return self.version

    def wait(self, seen: int, timeout_s: float) -> int:
        """Return the number of the last change: at once if it is past ``seen``, or else when there is one.

        Changes come in heaps: the pause lets one look serve many of them.
        """
        with self.lock:
            self._changed.wait_for(lambda: self.version > seen or self.is_over, timeout_s)
            is_over = self.is_over
        if not is_over:
            time.sleep(_PAUSE_S)
        return self.version

    def end(self) -> None:
        """Wake whoever waits: there will be no more."""
        with self.lock:
            self.is_over = True
            self._changed.notify_all()
