"""What an agent shows to be known by, in place of a token: a certificate (PROTOCOL.md, section 2.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Identity", "IdentityFiles", "IdentityText"]


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
