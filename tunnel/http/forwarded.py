"""Who the visitor is when a proxy that this exit node trusts stands between them.

Only ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are read, and only from such a proxy: nginx, HAProxy, Caddy
and the clouds' load balancers all write them.  The host is always the one in Host: routing by one field and
letting another speak for the visitor is how requests reach the wrong service.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from tunnel.http.lines import Fields, find_fields

__all__ = ["Networks", "is_within", "parse_address", "visitor_behind"]

Networks = tuple[IPv4Network | IPv6Network, ...]


def is_within(address: str, networks: Networks) -> bool:
    """Whether an address, without a port or zone, is in one of ``networks``."""
    if not networks:
        return False
    parsed = parse_address(address)
    return parsed is not None and any(parsed in network for network in networks)


def visitor_behind(fields: Fields, proxy: str, networks: Networks) -> tuple[str, bytes]:
    """Return the visitor's address and scheme, as a trusted proxy tells them.

    Each proxy appends whom it got the request from (RFC 7239, section 5.2, says it of Forwarded), so that the
    list is read from its end, past the proxies in ``networks``.  What is left of the first address that is
    none of them was said by that visitor, and is worth nothing.

    Args:
        proxy: the address of the socket's other side.
    """
    visitor = proxy
    hops = b",".join(find_fields(fields, b"x-forwarded-for")).split(b",")
    for hop in map(bytes.strip, reversed(hops)):
        if not hop:  # RFC 9110, section 5.6.1: an empty element of a list is none
            continue
        parsed = parse_address(_without_port(hop.decode("latin-1")))
        if parsed is None:  # "unknown", a made-up name: nobody can say who is behind
            break
        visitor = str(parsed)
        if not is_within(visitor, networks):
            break
    schemes = find_fields(fields, b"x-forwarded-proto")
    is_https = len(schemes) == 1 and schemes[0].lower() == b"https"
    return visitor, b"https" if is_https else b"http"


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that ``text`` is, without a port or zone, or None; IPv4 in IPv6 as IPv4."""
    if "%" in text:  # a zone is any text at all, and means something to one machine only
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows IPv4 as ::ffff:192.0.2.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
