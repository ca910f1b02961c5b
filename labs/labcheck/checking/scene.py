"""What a grader adds to a review: nonces that it can make again, and a tape of what was asked and answered.

A student's own review has neither: its nonces are of chance, and nothing is kept.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

# As long as a nonce of chance: `labcheck.proof.new_nonce`.
_NONCE_DIGITS = 8


class Tape(Protocol):
    """What stands between a review and the world: it writes down what passes, or plays it again."""

    def host(self, host: Any) -> Any:
        """Return what stands in for a testinfra `host`."""

    def adapter(self, adapter: "BaseAdapter") -> "BaseAdapter":
        """Return what stands in for an adapter of `requests`."""


@dataclass(frozen=True, slots=True)
class Scene:
    """How one review is made. Without a `seed` its nonces are of chance; the seed is a secret until then."""

    seed: str = ""
    tape: Tape | None = None


def seeded_nonces(seed: str) -> Iterator[str]:
    """Yield the nonces of a seed, the same ones each time; nobody who lacks the seed can foresee one."""
    for number in count():
        digest = hmac.new(seed.encode(), f"nonce {number}".encode(), hashlib.sha256)
        yield digest.hexdigest()[:_NONCE_DIGITS]
