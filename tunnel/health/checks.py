"""Asks services whether they are well: a GET, every few seconds, over a connection of its own.

A service is well when it answers 200 to 399 in time (as for an HTTP probe of Kubernetes:
https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/).  One failure may be
chance, so that it takes two in a row to call a service down, the second soon after the first; one good
answer is enough to call it up.  What was never asked is neither.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tunnel.balance.options import HealthOptions
from tunnel.config import CATCH_ALL, Upstream
from tunnel.http.head import ResponseHead
from tunnel.protocol.errors import ResetCode
from tunnel.transport.upstream import UpstreamConnection, UpstreamPool

__all__ = ["HealthChecks", "OnChange"]

_log = logging.getLogger(__name__)

_FAILURES = 2
_HURRY = 5  # the second look comes in this part of the interval
_MAX_TIMEOUT_S = 5.0
_MAX_CONTENT_BYTES = 64 * 1024  # of an answer whose status is all that counts

OnChange = Callable[[int, bool, str], None]
"""Told of an upstream's index, whether it is well now, and what was wrong."""


class HealthChecks:
    """What is known of each upstream's health.  ``start`` begins to ask, ``close`` ends it."""

    def __init__(self, upstreams: tuple[Upstream, ...], options: HealthOptions, on_change: OnChange) -> None:
        self._options = options
        self._on_change = on_change
        self._timeout_s = min(options.interval_s, _MAX_TIMEOUT_S)
        loop = asyncio.get_running_loop()
        self._pools = [UpstreamPool(upstream, loop) for upstream in upstreams]
        self._known: dict[int, tuple[bool, str]] = {
            index: (True, "") for index, path in enumerate(options.paths) if not path
        }
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def known(self) -> list[tuple[int, bool, str]]:
        """Each upstream that was asked: its index, whether it is well, what is wrong."""
        return [(index, is_up, detail) for index, (is_up, detail) in sorted(self._known.items())]

    def start(self) -> None:
        """Begin to ask."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._watch(index, path))
            for index, path in enumerate(self._options.paths)
            if path
        ]

    async def close(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pool in self._pools:
            pool.close()

    async def _watch(self, index: int, path: str) -> None:
        failures = 0
        while True:
            fault = await self._fault(self._pools[index], path)
            failures = failures + 1 if fault else 0
            is_known_up = self._known.get(index, (False, ""))[0]
            if not fault or failures >= _FAILURES or not is_known_up:
                self._settle(index, not fault, fault)
            is_doubtful = bool(fault) and self._known[index][0]
            await asyncio.sleep(self._options.interval_s / (_HURRY if is_doubtful else 1))

    def _settle(self, index: int, is_up: bool, detail: str) -> None:
        former = self._known.get(index)
        self._known[index] = is_up, detail
        if former is None or former[0] is not is_up:
            _log.info("%s is %s %s", self._pools[index].upstream.url, "up" if is_up else "down", detail)
            self._on_change(index, is_up, detail)

    async def _fault(self, pool: UpstreamPool, path: str) -> str:
        """Return what is wrong with a service, "" if nothing is."""
        connection: UpstreamConnection | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await pool.connect()
                answer = _Answer()
                connection.begin(answer, b"GET")
                connection.write(_request(pool.upstream, path))
                status = await answer.status
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except OSError as error:
            return error.strerror or type(error).__name__
        finally:
            if connection is not None:
                connection.abort()
        return "" if 200 <= status < 400 else f"HTTP {status}"


def _request(upstream: Upstream, path: str) -> bytes:
    """Return the request that a visitor of the upstream's name would have sent."""
    host = upstream.authority if upstream.name == CATCH_ALL else upstream.name
    lines = b"GET %b\r\nHost: %b\r\nUser-Agent: tunelab-health\r\nAccept: */*\r\n" % (
        path.encode(),
        host.encode(),
    )
    if upstream.rules is not None:  # a dev server that refuses unknown hosts would refuse this one too
        lines = upstream.rules.of_request(lines)
    return lines.replace(b"\r\n", b" HTTP/1.1\r\n", 1) + b"Connection: close\r\n\r\n"


class _Answer:
    """Reads an answer for its status."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._seen = 0
        self._content_bytes = 0

    def response_head(self, head: ResponseHead) -> None:
        """An interim or the final head."""
        self._seen = head.status

    def response_content(self, content: bytes) -> None:
        """Some content, which nobody wants."""
        self._content_bytes += len(content)
        if self._content_bytes > _MAX_CONTENT_BYTES:
            self.response_end()

    def response_end(self) -> None:
        """The answer is complete: a service that hears it out is not cut off in the middle."""
        if not self.status.done():
            self.status.set_result(self._seen)

    def response_failed(self, code: ResetCode, detail: str) -> None:
        """There will be no answer."""
        if not self.status.done():
            self.status.set_exception(ConnectionError(0, detail))

    def request_paused(self, is_paused: bool) -> None:
        """So short a request is never paused."""
