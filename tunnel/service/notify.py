"""sd_notify(3) without a library: lines in a datagram to the socket that systemd names.

The protocol: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping

from tunnel.events import Event, OnEvent
from tunnel.service.story import Story

__all__ = ["Notifier"]

_log = logging.getLogger(__name__)

_SEND_TIMEOUT_S = 0.5


class Notifier:
    """Tells the service manager how this process is.

    Args:
        address: the socket to send to, as ``socket`` takes it; empty: nobody asked, and nothing is ever sent.
        watchdog_s: how long the manager waits for a sign of life; 0: for ever.
    """

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        self._address = address
        self._beat_s = watchdog_s / 2  # as sd_watchdog_enabled(3) recommends
        self._story = Story()
        self._last_status = ""
        self._next_beat = 0.0

    @classmethod
    def of_process(cls, environ: Mapping[str, str] | None = None) -> Notifier:
        """Return the one that this process's environment asks for."""
        environ = os.environ if environ is None else environ
        name = environ.get("NOTIFY_SOCKET", "")
        if sys.platform == "win32" or name[:1] not in ("/", "@"):  # nobody, or a kind unknown here
            return cls()
        address = "\0" + name[1:] if name.startswith("@") else name  # abstract: unix(7)
        of_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        timeout = environ.get("WATCHDOG_USEC", "")
        is_watched = of_us and timeout.isascii() and timeout.isdigit()
        return cls(address, int(timeout) / 1e6 if is_watched else 0.0)

    def beside(self, on_event: OnEvent) -> OnEvent:
        """Return a listener that tells the manager of an event and passes it on; or ``on_event`` itself.

        Each is a link of its own where a client has several.
        """
        if not self._address:
            return on_event
        link = self._story.new_link()

        def tell_and_pass_on(event: Event) -> None:
            for states in self._story.states(event, link):
                self.tell(*states)
            on_event(event)

        return tell_and_pass_on

    def tell(self, *states: str) -> None:
        """Send the states, each ``NAME=value``, in one datagram; if nobody takes it, so be it."""
        # A line's end would begin another state.
        lines = [" ".join(state.splitlines()) for state in states]
        if sys.platform == "win32" or not self._address or lines == [self._last_status]:
            return
        self._last_status = next((line for line in lines if line.startswith("STATUS=")), self._last_status)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(_SEND_TIMEOUT_S)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            _log.debug("the service manager was not told", exc_info=error)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Give signs of life from the running event loop: a loop that is stuck gives none."""
        if not self._address or not self._beat_s:
            yield
            return

        async def beat() -> None:
            while True:
                self.tell("WATCHDOG=1")
                await asyncio.sleep(self._beat_s)

        beating = asyncio.ensure_future(beat())
        try:
            yield
        finally:
            beating.cancel()

    def alive(self) -> None:
        """Give a sign of life if one is due; for a loop that is not asyncio's to call at each turn."""
        now = time.monotonic()
        if self._beat_s and now >= self._next_beat:
            self._next_beat = now + self._beat_s
            self.tell("WATCHDOG=1")
