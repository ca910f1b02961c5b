"""What an agent shows to be known by, in place of a token: a certificate (PROTOCOL.md, section 2.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Identity", "IdentityFiles", "IdentityText", "Verified"]


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """A certificate and its key in files (PEM), which are read again when the agent dials."""

    certificate: Path  # the agent's first and then those between it and the exit node's ``--client-ca``
    key: Path


@dataclass(frozen=True, slots=True)
class IdentityText:
    """A certificate and its key (PEM), as a connection file carries them."""

    certificate: str
    key: str = field(repr=False)


Identity = IdentityFiles | IdentityText
"""Where an agent's certificate is."""


@dataclass(frozen=True, slots=True)
class Verified:
    """An agent's certificate as an exit node has it, once TLS has verified it and its rights were found."""

    token: str  # what takes a token's place where it was shown
    key_id: str  # of the tokens file's entry: under what its rights, and what passed, are known
