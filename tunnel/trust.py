"""How an agent knows the exit node's certificate (PROTOCOL.md, section 2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SYSTEM_TRUST", "CaFile", "CaPin", "SystemTrust", "TokenProof", "Trust"]


@dataclass(frozen=True, slots=True)
class SystemTrust:
    """The exit node's certificate is signed by a CA that the system trusts."""


@dataclass(frozen=True, slots=True)
class CaFile:
    """It is signed by a CA whose certificate is in a file (PEM)."""

    path: Path


@dataclass(frozen=True, slots=True)
class CaPin:
    """It is signed by the CA whose certificate has this digest: SHA-256 of its DER, 64 hex digits."""

    sha256: str


@dataclass(frozen=True, slots=True)
class TokenProof:
    """It is signed by whichever CA the exit node proves, with the token, to be its own."""


Trust = SystemTrust | CaFile | CaPin | TokenProof
"""How an agent knows the exit node's certificate.  There is no value that means "not at all"."""

SYSTEM_TRUST = SystemTrust()
