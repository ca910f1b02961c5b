"""How long to wait after a failure: long enough for the issuer's limits, and never all at once.

Let's Encrypt allows five failed validations of a name in an hour, and counts every order
(https://letsencrypt.org/docs/rate-limits/).
"""

from __future__ import annotations

from enum import Enum

__all__ = ["MAX_PAUSE_S", "FailureKind", "pause_s"]

MAX_PAUSE_S = 7 * 86400.0
"""Longer than this nobody waits, whatever the issuer says: that is where its longest limits end."""


class FailureKind(Enum):
    """What went wrong; the values are stable, for programs."""

    UNREACHABLE = "unreachable"  # the issuer cannot be reached, or is out of order
    RATE_LIMITED = "rate-limited"  # it asks to be left in peace
    REFUSED = "refused"  # it does not give a certificate for this name
    DNS = "dns"  # the record for the proof could not be written
    STATE = "state"  # what would be obtained could not be kept
    INTERNAL = "internal"

    @property
    def is_of_all(self) -> bool:
        """Whether the next order, for whatever name, would fail the same way."""
        return self in (FailureKind.UNREACHABLE, FailureKind.RATE_LIMITED, FailureKind.STATE)


_PAUSES = {  # seconds: after the first failure, and at most
    FailureKind.UNREACHABLE: (10.0, 3600.0),
    FailureKind.RATE_LIMITED: (3600.0, 86400.0),
    FailureKind.REFUSED: (300.0, 6 * 3600.0),
    FailureKind.DNS: (60.0, 3600.0),
    FailureKind.STATE: (60.0, 3600.0),
    FailureKind.INTERNAL: (600.0, 6 * 3600.0),
}
_SPREAD = 0.5


def pause_s(kind: FailureKind, failures: int, retry_after_s: float, chance: float) -> float:
    """Return how long to wait: twice as long after each failure, but for chance, or what the issuer says.

    Args:
        failures: how many there were in a row, with this one.
        retry_after_s: what the issuer's Retry-After says; 0 where it says nothing.
        chance: from 0 to 1; so that not all who failed at once come back at once.
    """
    first_s, most_s = _PAUSES[kind]
    wait_s = min(first_s * 2.0 ** min(failures - 1, 30), most_s)
    wait_s *= 1 - _SPREAD / 2 + _SPREAD * chance
    return min(max(wait_s, retry_after_s), MAX_PAUSE_S)
