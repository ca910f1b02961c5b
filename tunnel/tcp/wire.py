"""The payload of the OPEN frame of a TCP stream, or of a TLS one that was told by its name.

::

    kind (8): 2 by port, 3 by name | zero (8) | index of the port or name (16)
    visitor's address (128) | visitor's port (16)
    address it came to (128) | port it came to (16)

Addresses are IPv6; an IPv4 one is mapped (RFC 4291, section 2.5.5.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct

__all__ = ["KIND_TCP", "KIND_TLS", "Endpoint", "TcpOpen", "decode_open", "encode_open"]

KIND_TCP = 2
KIND_TLS = 3

_OPEN = Struct("!BxH16sH16sH")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a TCP connection."""

    address: IPv4Address | IPv6Address
    port: int

    @classmethod
    def of(cls, sockname: tuple[str, int] | tuple[str, int, int, int]) -> Endpoint:
        """Return what a socket says of itself or its peer, without a zone, which means nothing elsewhere."""
        return cls(_plain(ip_address(sockname[0].partition("%")[0])), sockname[1])


@dataclass(frozen=True, slots=True)
class TcpOpen:
    """A visitor, as the agent hears of it."""

    index: int  # of the port or the TLS name, in the agent's claim
    visitor: Endpoint
    public: Endpoint  # what it connected to
    kind: int = KIND_TCP


def encode_open(head: TcpOpen) -> bytes:
    """Return the payload of an OPEN frame."""
    visitor, public = head.visitor, head.public
    return _OPEN.pack(
        head.kind, head.index, _packed(visitor.address), visitor.port, _packed(public.address), public.port
    )


def decode_open(payload: bytes) -> TcpOpen:
    """Parse the payload of an OPEN frame.

    Raises:
        ValueError: it is not one of a TCP stream.
    """
    if len(payload) != _OPEN.size or payload[0] not in (KIND_TCP, KIND_TLS):
        raise ValueError("malformed OPEN")
    kind, index, visitor, visitor_port, public, public_port = _OPEN.unpack(payload)
    return TcpOpen(
        index,
        Endpoint(_plain(IPv6Address(visitor)), visitor_port),
        Endpoint(_plain(IPv6Address(public)), public_port),
        kind,
    )


def _packed(address: IPv4Address | IPv6Address) -> bytes:
    if isinstance(address, IPv4Address):
        return b"\0" * 10 + b"\xff\xff" + address.packed
    return address.packed


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
