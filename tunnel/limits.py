"""Limits: what one visitor, one client and one source may take of an exit node.

Each is a field, named with its unit, and an option: ``--limit max-body-bytes=1000000``.  docs/limites.md
tells what happens past each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClientLimits", "VisitorLimits"]


@dataclass(frozen=True, slots=True)
class VisitorLimits:
    """What visitors may take.  Sizes in bytes, times in seconds; 0 in ``max_body_bytes`` is no limit."""

    max_head_bytes: int = 64 * 1024
    max_target_bytes: int = 16 * 1024
    max_fields: int = 100
    max_body_bytes: int = 0
    max_pipelined_bytes: int = 64 * 1024  # read ahead while an answer is under way
    head_timeout_s: float = 15.0  # from a request's first byte to the end of its head
    idle_timeout_s: float = 75.0  # between requests
    body_timeout_s: float = 60.0  # without a byte of the content
    write_timeout_s: float = 60.0  # without a byte of the answer read, while some waits to be
    linger_s: float = 2.0  # reading on after an early answer, so that the visitor sees it
    max_visitors_per_source: int = 2048  # connections; a source is an IPv4 address or an IPv6 /64


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What clients of the tunnel may take."""

    max_clients: int = 4096  # with names granted
    max_streams: int = 1024  # a client, and never more than it asks for
    handshakes_per_s: float = 100.0  # a source; five seconds' worth may come at once
