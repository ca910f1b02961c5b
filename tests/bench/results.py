"""What was measured, and what is made of it: medians, spreads, ratios."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass

__all__ = ["MEASURES", "TARGETS", "Measure", "Results", "Target"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a peer.  ``digits`` are decimals."""

    key: str
    title: str  # Spanish
    unit: str
    is_more_better: bool
    digits: int = 0


MEASURES = (
    Measure("rps-1", "peticiones por segundo, 1 conexión", "1/s", True),
    Measure("rps-10", "peticiones por segundo, 10 conexiones", "1/s", True),
    Measure("rps-100", "peticiones por segundo, 100 conexiones", "1/s", True),
    Measure("p50-1", "mediana de la espera, 1 conexión", "ms", False, 2),
    Measure("p99-1", "percentil 99 de la espera, 1 conexión", "ms", False, 2),
    Measure("p50-10", "mediana de la espera, 10 conexiones", "ms", False, 2),
    Measure("p99-10", "percentil 99 de la espera, 10 conexiones", "ms", False, 2),
    Measure("p50-100", "mediana de la espera, 100 conexiones", "ms", False, 2),
    Measure("p99-100", "percentil 99 de la espera, 100 conexiones", "ms", False, 2),
    Measure("rps-close", "peticiones por segundo, una por conexión", "1/s", True),
    Measure("down", "bajada de un archivo", "MB/s", True),
    Measure("up", "subida de un archivo", "MB/s", True),
    Measure("p99-busy", "percentil 99, 1 conexión junto a 4 bajadas", "ms", False, 2),
    Measure("cpu-request", "procesador por petición, 100 conexiones", "µs", False, 1),
    Measure("cpu-gib", "procesador por GiB de bajada", "s", False, 2),
    Measure("rss-fresh", "memoria al arrancar", "MB", False, 1),
    Measure("rss-idle", "memoria con visitantes quietos", "MB", False, 1),
    Measure("rss-slow", "memoria, lo más que tuvo con un lector lento", "MB", False, 1),
    Measure("down-50ms", "bajada con el enlace a 50 ms de ida y vuelta", "MB/s", True),
    Measure("down-loss", "bajada con 1 % de paquetes perdidos", "MB/s", True),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio of medians to reach against another peer: at least, or at most, ``bound``."""

    key: str
    peer: str
    bound: float


TARGETS = (
    Target("rps-1", "ssh", 2.0),
    Target("rps-10", "ssh", 5.0),
    Target("rps-100", "ssh", 4.0),
    Target("p99-100", "ssh", 0.15),
    Target("rps-close", "ssh", 1.2),
    Target("down", "ssh", 1.7),
    Target("up", "ssh", 2.0),
    Target("down-50ms", "ssh", 2.0),
    Target("rps-1", "nginx", 0.7),
    Target("rps-10", "nginx", 0.8),
    Target("rps-100", "nginx", 0.9),
    Target("p99-100", "nginx", 1.3),
    Target("rps-close", "nginx", 0.5),
    Target("down", "nginx", 1.6),
    Target("up", "nginx", 1.3),
)


class Results:
    """Every value, round by round."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.growth: list[dict[str, float]] = []  # one row a point: what, count, figures
        self.processes: dict[tuple[str, str, str], list[float]] = defaultdict(list)  # peer, measure, program
        self.returns: list[float] = []  # seconds after which each client of a restarted exit node was back

    def add(self, peer: str, key: str, value: float) -> None:
        """Note one value."""
        self._values[peer, key].append(value)

    def add_processes(self, peer: str, key: str, values: dict[str, float]) -> None:
        """Note one value of all of a peer's processes, and each one's part of it."""
        self.add(peer, key, sum(values.values()))
        for program, value in values.items():
            self.processes[peer, key, program].append(value)

    def median(self, peer: str, key: str) -> float | None:
        """Return the median over the rounds, or None where nothing was measured."""
        values = self._values.get((peer, key))
        return statistics.median(values) if values else None

    def spread(self, peer: str, key: str) -> float | None:
        """Return (largest - smallest) / median, or None."""
        values, middle = self._values.get((peer, key)), self.median(peer, key)
        return (max(values) - min(values)) / middle if values and middle else None

    def ratio(self, peer: str, other: str, key: str) -> float | None:
        """Return the ratio of two peers' medians, or None."""
        one, two = self.median(peer, key), self.median(other, key)
        return one / two if one is not None and two else None

    def to_json(self, about: dict[str, object]) -> str:
        """Return everything as JSON."""
        values = [
            {"peer": peer, "measure": key, "values": values, "median": statistics.median(values)}
            for (peer, key), values in self._values.items()
        ]
        processes = [
            {"peer": peer, "measure": key, "program": program, "median": statistics.median(each)}
            for (peer, key, program), each in self.processes.items()
        ]
        told = {"about": about, "results": values, "processes": processes}
        return json.dumps({**told, "growth": self.growth, "returns": self.returns}, indent=1) + "\n"
