"""The gate: what may decide, of each visitor's request, whether it passes to a service.

A seam without an opinion: an exit node has one or none, and one test for None is all that none costs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from tunnel.http.head import RequestHead
from tunnel.http.lines import Fields
from tunnel.http.own_answer import OwnAnswer

__all__ = ["Gate", "Passage", "Verdict", "Visit"]


@dataclass(slots=True)
class Visit:
    """One request, before it is routed."""

    head: RequestHead
    visitor_ip: str  # whom it comes from, as far as a trusted proxy knows; "" where nobody does
    scheme: bytes  # as the visitor spoke it: b"http" or b"https"


@dataclass(frozen=True, slots=True)
class Passage:
    """It may pass, and this is what the service sees of it."""

    fields: Fields  # in place of those that the head lets pass: without what was meant for the gate
    lines: bytes = (
        b""  # fields that the gate adds, as they go on the wire; visitors cannot send X-Forwarded-*
    )


Verdict = OwnAnswer | Passage | None
"""An answer instead of the service's, or a passage; None: it passes as it is."""


class Gate(Protocol):
    """What visitors' connections need of a gate."""

    def judge(self, visit: Visit) -> Verdict | asyncio.Future[Verdict]:
        """Decide on one request, at once or later.

        A future must be done within a time that a visitor would wait; one that fails or is cancelled ends
        the visitor's connection.
        """
