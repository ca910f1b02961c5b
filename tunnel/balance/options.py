"""What an agent is told of the health of its services."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HealthOptions"]


@dataclass(frozen=True, slots=True)
class HealthOptions:
    """Which path of each service tells whether it is well, and how often it is asked."""

    paths: tuple[str, ...]  # one for each upstream, in its order; "" for one that is taken to be well
    interval_s: float = 5.0
