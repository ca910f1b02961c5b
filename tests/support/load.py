"""Visitors that ask without a pause, every request with a name and contents of its own, and their service.

What is checked in the end is what a tunnel owes, whatever happens to it: each request is answered right or
fails visibly and in time; none is answered wrong; none is carried out twice.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from support.backend import Backend
from support.wire import Broken, Wire, response

__all__ = ["Load", "contents"]

VISITORS = 12

#: How a request may fail without a fault of the tunnel's: visibly, and saying so.
VISIBLE = {"200", "link-lost", "no-client", "draining", "upstream-closed", "Broken", "refused"}


def contents(name: str, size: int) -> bytes:
    """Return bytes that only this name has."""
    piece = sha256(name.encode()).digest()
    return (piece * (size // len(piece) + 1))[:size]


class Load:
    """Visitors of ``port``, and the service behind it.

    Each request has contents of up to ``max_bytes`` in each direction, which both ends check.
    """

    def __init__(self, backend: Backend, port: int, *, max_bytes: int = 2000, think_s: float = 0.03) -> None:
        self.outcomes: dict[str, str] = {}
        self.arrivals: Counter[str] = Counter()
        self.failures: list[str] = []
        self._port = port
        self._max_bytes = max_bytes
        self._think_s = think_s
        self._lock = threading.Lock()
        self._pace = threading.Event()
        self._stop = threading.Event()
        backend.play(self._serve)

    def note(self, name: str) -> None:
        """Note that a request arrived."""
        with self._lock:
            self.arrivals[name] += 1

    @property
    def served(self) -> int:
        """How many requests were answered."""
        return self.count("200")

    def count(self, outcome: str) -> int:
        """Return how many requests ended so."""
        return list(self.outcomes.values()).count(outcome)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the visitors ask for as long as the block lasts."""
        visitors = [threading.Thread(target=self._visit, args=(number,)) for number in range(VISITORS)]
        for visitor in visitors:
            visitor.start()
        try:
            yield
        finally:
            self._stop.set()
            for visitor in visitors:
                visitor.join()

    def check(self, at_least: int = 100) -> None:
        """What was answered had arrived once; what failed had arrived once or never; all was right."""
        counts = Counter(self.outcomes.values())
        print(f"{len(self.arrivals)} arrivals, outcomes: {dict(counts)}")  # noqa: T201
        assert not self.failures, self.failures[:5]
        assert set(counts) <= VISIBLE, counts
        assert counts["200"] > at_least, counts
        twice = [name for name, times in self.arrivals.items() if times > 1]
        assert not twice, f"arrived twice: {twice}"
        answered = (name for name, outcome in self.outcomes.items() if outcome == "200")
        by_nobody = [name for name in answered if name not in self.arrivals]
        assert not by_nobody, f"answered by nobody: {by_nobody}"
        denied = [name for name in self.arrivals if self.outcomes.get(name) in ("no-client", "draining")]
        assert not denied, f"answered as if they had not been sent, and they were: {denied}"

    def _serve(self, wire: Wire) -> None:
        while True:
            asked = wire.read_request()
            self.note(asked.target)
            _, answer_bytes, asked_bytes = asked.target.split("-", 2)
            if asked.content != contents(asked.target, int(asked_bytes)):
                self.failures.append(f"{asked.target} arrived with other contents: {asked.content[:80]!r}")
            self._pace.wait(self._think_s)  # so that what breaks finds requests under way
            wire.send(response(200, contents(asked.target, int(answer_bytes))))

    def _visit(self, visitor: int) -> None:
        draw = random.Random(visitor)
        wire: Wire | None = None
        number = 0
        while not self._stop.is_set():
            number += 1
            # Most are small, and some are as large as may be.
            answer_bytes = int(self._max_bytes ** draw.random())
            asked_bytes = int(self._max_bytes ** draw.random()) if number % 2 else 0
            name = f"/{visitor}.{number}-{answer_bytes}-{asked_bytes}"
            try:
                wire = wire or Wire.to(self._port)
                answer = wire.ask("POST" if number % 2 else "GET", name, content=contents(name, asked_bytes))
            except TimeoutError:
                self.failures.append(f"{name} hangs, on {wire and wire.sock.getsockname()}")
                break
            except (Broken, OSError) as error:
                refused = isinstance(error, ConnectionRefusedError)
                self.outcomes[name] = "refused" if refused else "Broken"
                if wire is not None:
                    wire.close()
                wire = None
                self._pace.wait(0.02)
                continue
            except Exception as error:
                self.failures.append(f"{name}: {error!r}")
                break
            self.outcomes[name] = str(answer.code or answer.status)
            if answer.status != 200:
                self._pace.wait(0.02)
            elif answer.content != contents(name, answer_bytes):
                self.failures.append(f"{name} was answered with {answer.content[:80]!r}")
        if wire is not None:
            wire.close()
