"""Tokens and the mutual proof that both sides hold the same one.

The token itself never crosses the link, in either direction:

1. the agent sends the *key id* (a digest, so that an exit node with many tokens knows which is meant)
   and a fresh nonce;
2. the exit node answers with a nonce of its own and its proof, an HMAC-SHA-256 keyed with the token
   over a label and all that was said so far; an exit node that does not hold the token cannot make it,
   and the agent leaves without having proven anything;
3. the agent sends its proof, over the same words and its claim.

A proof covers both nonces, so that it is of no use in another session (no replay), and carries a label
for its direction, so that it cannot be sent back to its maker (no reflection).  HMAC: RFC 2104.

Before any of that, an exit node with a CA of its own can prove with the token that the CA is its own, to
an agent that knows no pin: an HMAC under a label of its own, over the agent's nonce and the certificate.
"""

from __future__ import annotations

import hashlib
import hmac

__all__ = [
    "KEY_ID_HEX_DIGITS",
    "MIN_TOKEN_CHARACTERS",
    "NONCE_BYTES",
    "agent_proof",
    "answer_proof",
    "ca_proof",
    "certificate_token",
    "exit_node_proof",
    "key_id",
    "proofs_equal",
    "question_proof",
]

MIN_TOKEN_CHARACTERS = 16
NONCE_BYTES = 32
KEY_ID_HEX_DIGITS = 32

_KEY_ID_LABEL = b"tunelab.v1 key id"
_EXIT_NODE_LABEL = b"tunelab.v1 exit node"
_AGENT_LABEL = b"tunelab.v1 agent"
_CA_LABEL = b"tunelab.v1 ca"
_QUESTION_LABEL = b"tunelab.v1 question"
_ANSWER_LABEL = b"tunelab.v1 answer"
_CERTIFICATE_WORDS = "tunelab.v1 certificate"


def key_id(token: str) -> str:
    """Return the public name of ``token``: 32 hexadecimal digits.

    It says nothing about a token drawn at random.  A token that can be guessed can be guessed from its
    key id as well as from any proof, which is why ``tunnel token`` draws them.
    """
    return hmac.new(token.encode(), _KEY_ID_LABEL, hashlib.sha256).hexdigest()[:KEY_ID_HEX_DIGITS]


def certificate_token(certificate: bytes) -> str:
    """Return what takes the token's place on a link whose TLS has verified an agent's certificate (DER).

    Everybody may know it: it proves nothing, and counts on such a link alone (PROTOCOL.md, section 2.4).
    No token is like it, for none has a space.
    """
    return f"{_CERTIFICATE_WORDS} {hashlib.sha256(certificate).hexdigest()}"


def exit_node_proof(token: str, hello: bytes, nonce: str) -> str:
    """Return the exit node's proof: 64 hexadecimal digits over the HELLO payload and its own nonce."""
    return _proof(token, _EXIT_NODE_LABEL, hello, nonce.encode())


def agent_proof(token: str, hello: bytes, challenge: bytes, claim: bytes) -> str:
    """Return the agent's proof: 64 hexadecimal digits over the HELLO, CHALLENGE and claim bytes."""
    return _proof(token, _AGENT_LABEL, hello, challenge, claim)


def ca_proof(token: str, nonce: str, certificate: bytes) -> str:
    """Return the exit node's proof that a CA is its own: 64 hexadecimal digits.

    Args:
        nonce: drawn by the agent for this question alone, 64 hexadecimal digits.
        certificate: the CA's, in DER.
    """
    return _proof(token, _CA_LABEL, nonce.encode(), certificate)


def question_proof(token: str, path: str, nonce: str) -> str:
    """Return the proof that who asks the control plane something holds the token: 64 hexadecimal digits.

    Args:
        path: of the question.
        nonce: drawn for this question alone, 64 hexadecimal digits.
    """
    return _proof(token, _QUESTION_LABEL, path.encode(), nonce.encode())


def answer_proof(token: str, path: str, nonce: str, content: bytes) -> str:
    """Return the proof that an answer's content is of who holds the token: 64 hexadecimal digits."""
    return _proof(token, _ANSWER_LABEL, path.encode(), nonce.encode(), content)


def proofs_equal(ours: str, theirs: str) -> bool:
    """Compare two proofs in constant time."""
    return hmac.compare_digest(ours.encode(), theirs.encode())


def _proof(token: str, label: bytes, *parts: bytes) -> str:
    # Each part is hashed first: a fixed length for each keeps ("ab", "c") and ("a", "bc") apart.
    transcript = b"".join(hashlib.sha256(part).digest() for part in (label, *parts))
    return hmac.new(token.encode(), transcript, hashlib.sha256).hexdigest()
