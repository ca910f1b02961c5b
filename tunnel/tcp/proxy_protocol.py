"""The PROXY protocol: the first bytes of a connection tell a service who is really there.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, sections 2.1 (version 1) and 2.2 (version 2).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from struct import pack

from tunnel.config import ProxyProtocol
from tunnel.tcp.wire import TcpOpen

__all__ = ["proxy_header"]

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_VERSION_2_PROXY = 0x21
_TCP_OVER_IPV4, _TCP_OVER_IPV6 = 0x11, 0x21


def proxy_header(version: ProxyProtocol, head: TcpOpen) -> bytes:
    """Return the bytes that come before a visitor's; none where none are wanted."""
    if version is ProxyProtocol.NONE:
        return b""
    source, target = head.visitor.address, head.public.address
    if source.version != target.version:
        source, target = _as_ipv6(source), _as_ipv6(target)
    ports = head.visitor.port, head.public.port
    if version is ProxyProtocol.V1:
        return b"PROXY TCP%d %s %s %d %d\r\n" % (
            source.version,
            str(source).encode(),
            str(target).encode(),
            *ports,
        )
    family = _TCP_OVER_IPV4 if source.version == 4 else _TCP_OVER_IPV6
    addresses = source.packed + target.packed + pack("!HH", *ports)
    return _SIGNATURE + pack("!BBH", _VERSION_2_PROXY, family, len(addresses)) + addresses


def _as_ipv6(address: IPv4Address | IPv6Address) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")
