"""Sets of addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from tunnel.http.forwarded import parse_address

__all__ = ["NetworkSet", "is_admitted"]


@dataclass(frozen=True, slots=True, init=False)
class NetworkSet:
    """Networks, however many: a look-up costs one step for each length of prefix that occurs.

    Lists of whole countries or of known attackers have tens of thousands.
    """

    _prefixes: frozenset[tuple[int, int, int]]  # IP version, bits that are not the network's, the rest
    _lengths: tuple[tuple[int, int], ...]  # the first two that occur

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        prefixes = frozenset(
            (network.version, free, int(network.network_address) >> free)
            for network in networks
            for free in (network.max_prefixlen - network.prefixlen,)
        )
        object.__setattr__(self, "_prefixes", prefixes)
        object.__setattr__(self, "_lengths", tuple(sorted({prefix[:2] for prefix in prefixes})))

    def __bool__(self) -> bool:
        return bool(self._prefixes)

    def __contains__(self, address: str) -> bool:
        """Whether an address, without a port or zone, is in one of the networks."""
        parsed = parse_address(address)
        if parsed is None:
            return False
        own, number = parsed.version, int(parsed)
        return any(
            version == own and (version, free, number >> free) in self._prefixes
            for version, free in self._lengths
        )


def is_admitted(address: str, allow: NetworkSet, deny: NetworkSet) -> bool:
    """Whether a visitor from ``address`` may come: in ``allow``, if that names any, and not in ``deny``."""
    if allow and address not in allow:
        return False
    return not deny or address not in deny
