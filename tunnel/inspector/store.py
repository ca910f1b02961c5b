"""The exchanges that are kept: so many, and so many bytes; the oldest is thrown away first."""

from __future__ import annotations

import time
from collections import OrderedDict

from tunnel.inspector.exchanges import Exchange
from tunnel.inspector.news import News
from tunnel.inspector.options import InspectorOptions
from tunnel.transport.agent import AgentExchanges

__all__ = ["Store"]


class Store:
    """Exchanges by number.  The methods of the event loop's side take the lock themselves."""

    def __init__(self, options: InspectorOptions, news: News) -> None:
        self.options = options
        self.news = news
        self.size_bytes = 0
        self._exchanges: OrderedDict[int, Exchange] = OrderedDict()
        self._newest = 0

    # ── the event loop's side ────────────────────────────────────────────────────────────────────

    def add(self, owner: AgentExchanges) -> Exchange:
        """Return a new exchange, which begins now."""
        with self.news.lock:
            self._newest += 1
            exchange = Exchange(self._newest, time.time(), time.perf_counter(), owner)
            self._exchanges[exchange.number] = exchange
            self.size_bytes += exchange.size_bytes
            self._changed(exchange)
        return exchange

    def changed(self, exchange: Exchange, grown_bytes: int = 0) -> None:
        """Note, with the lock held, that an exchange changed, and holds so many bytes more."""
        if exchange.is_forgotten:
            return
        exchange.size_bytes += grown_bytes
        self.size_bytes += grown_bytes
        self._changed(exchange)

    def _changed(self, exchange: Exchange) -> None:
        exchange.version = self.news.count()
        options = self.options
        while self._exchanges and (
            len(self._exchanges) > options.max_exchanges or self.size_bytes > options.max_bytes
        ):
            self._forget(next(iter(self._exchanges)))

    def _forget(self, number: int) -> None:
        exchange = self._exchanges.pop(number)
        exchange.is_forgotten = True
        self.size_bytes -= exchange.size_bytes

    # ── the page's side ──────────────────────────────────────────────────────────────────────────

    def get(self, number: int) -> Exchange | None:
        """Return a copy of an exchange, or None where it is not kept (any more)."""
        with self.news.lock:
            exchange = self._exchanges.get(number)
            return None if exchange is None else exchange.snapshot()

    def all(self, since: int = 0) -> tuple[int, int, list[Exchange]]:
        """Return what has changed since the change numbered ``since``.

        Returns:
            The number of the last change, the number of the oldest exchange that is kept, and copies, without
            contents, of the exchanges that have changed, the oldest first.
        """
        with self.news.lock:
            oldest = next(iter(self._exchanges), self._newest + 1)
            found = [
                each.snapshot(with_contents=False)
                for each in self._exchanges.values()
                if each.version > since
            ]
            return self.news.version, oldest, found

    def clear(self) -> None:
        """Throw all exchanges away."""
        with self.news.lock:
            for number in list(self._exchanges):
                self._forget(number)
            self.news.count()
