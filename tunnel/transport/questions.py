"""What the control plane answers besides links: short questions over plain HTTP (PROTOCOL.md, 2.1 and 2.3).

Who asks names a token by its key id and proves, over a nonce of its own, that it holds it; the answer comes
with a proof too.  So no token is sent, and nobody on the path can make up an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "CA_PATH",
    "KEY_ID_FIELD",
    "NONCE_FIELD",
    "PROOF_FIELD",
    "REQUESTS_PATH",
    "Answer",
    "Answerer",
    "Question",
]

CA_PATH = "/.tunelab/ca"
REQUESTS_PATH = "/.tunelab/requests"
KEY_ID_FIELD = "Tunelab-Key-Id"
NONCE_FIELD = "Tunelab-Nonce"
PROOF_FIELD = "Tunelab-Proof"


@dataclass(frozen=True, slots=True)
class Question:
    """What was sent: each "" where there was none, or more than one."""

    key_id: str
    nonce: str
    proof: str
    authorization: str = ""  # of programs that know nothing of this tunnel: a monitoring system
    accept: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said: ``proof`` is "" for none."""

    text: str
    content_type: str
    proof: str = ""
    status: int = 200
    challenge: str = ""  # of a 401


Answerer = Callable[[Question], Answer]
"""Answers the questions of one path."""
