"""Where the pages of a server or a client are, as it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

__all__ = ["MetricsAddress"]


@dataclass(frozen=True, slots=True)
class MetricsAddress:
    """Where to listen."""

    host: str  # an IP address
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can come."""
        return ip_address(self.host).is_loopback
