"""What the control plane answers besides links: short questions over plain HTTP (PROTOCOL.md, 2.1 and 2.3).

Who asks names a token by its key id and proves, over a nonce of its own, that it holds it; the answer comes
with a proof too.  So no token is sent, and nobody on the path can make up an answer.  On a connection where a
certificate was shown, what stands for it (section 2.4) takes the token's place, and TLS proves both sides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tunnel.identity import Verified
from tunnel.protocol.auth import KEY_ID_HEX_DIGITS, NONCE_BYTES, key_id, proofs_equal, question_proof

__all__ = [
    "CA_PATH",
    "KEY_ID_FIELD",
    "NONCE_FIELD",
    "PROOF_FIELD",
    "REQUESTS_PATH",
    "Answer",
    "Answerer",
    "FindToken",
    "Holder",
    "Question",
    "named_token",
    "proven_holder",
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
    # The certificate that was shown on its connection.
    verified: Verified | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said: ``proof`` is "" for none."""

    text: str
    content_type: str
    proof: str = ""
    status: int = 200
    challenge: str = ""  # of a 401


_KEY_ID = re.compile(rf"[0-9a-f]{{{KEY_ID_HEX_DIGITS}}}")
_NONCE = re.compile(rf"[0-9a-f]{{{2 * NONCE_BYTES}}}")

FindToken = Callable[[str], str | None]
"""Given a key id, the token it names, or None."""


def named_token(question: Question, find_token: FindToken) -> str | None:
    """Return the token that a well-formed question names; that its sender holds it is not shown yet."""
    is_good = _KEY_ID.fullmatch(question.key_id) and _NONCE.fullmatch(question.nonce)
    return find_token(question.key_id) if is_good else None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has proven to be somebody."""

    token: str  # or what stands for a certificate: the answer's proof is made with it
    key_id: str  # under what the rights are known


def proven_holder(question: Question, path: str, find_token: FindToken) -> Holder | None:
    """Return who a question for ``path`` proves to come from, or None."""
    verified, rights_id = question.verified, question.key_id
    if verified is not None and key_id(verified.token) == question.key_id:
        token, rights_id = named_token(question, lambda _: verified.token), verified.key_id
    else:
        token = named_token(question, find_token)
    if token is None or not proofs_equal(question_proof(token, path, question.nonce), question.proof):
        return None
    return Holder(token, rights_id)


Answerer = Callable[[Question], Answer]
"""Answers the questions of one path."""
