"""What the inspector keeps, and where its page is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["INSPECTOR_PORT", "InspectorOptions"]

INSPECTOR_PORT = 4040


@dataclass(frozen=True, slots=True)
class InspectorOptions:
    """How much is kept; the oldest goes first."""

    port: int = INSPECTOR_PORT  # on 127.0.0.1; 0 for a free one
    max_exchanges: int = 500
    max_bytes: int = 64 * 1024 * 1024  # heads and contents of all exchanges together
    max_body_bytes: int = 64 * 1024  # of one content: the rest passes and is only counted
    max_frames: int = 5000
