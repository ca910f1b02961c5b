"""Sets of addresses: the same answers as the standard library's, whatever they hold."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnel.sites.networks import NetworkSet, is_admitted

addresses = st.ip_addresses()


@st.composite
def networks(draw: st.DrawFn) -> IPv4Network | IPv6Network:
    address = draw(addresses)
    length = draw(st.integers(0, address.max_prefixlen))
    return ip_network((address, length), strict=False)


@given(st.lists(networks(), max_size=8), st.data())
def test_an_address_is_in_a_set_when_it_is_in_one_of_its_networks(
    held: list[IPv4Network | IPv6Network], data: st.DataObject
) -> None:
    inside = [st.just(network[0]) | st.just(network[-1]) for network in held]
    address = data.draw(st.one_of(addresses, *inside))
    if getattr(address, "ipv4_mapped", None) is None:
        assert (str(address) in NetworkSet(held)) == any(address in network for network in held)


@pytest.mark.parametrize("text", ["", "unknown", "192.0.2.1:80", "192.0.2.1%eth0", "::ffff:192.0.2.256"])
def test_what_is_no_address_is_in_no_set(text: str) -> None:
    assert text not in NetworkSet([ip_network("0.0.0.0/0"), ip_network("::/0")])


def test_ipv4_that_a_socket_for_both_families_shows_as_ipv6_is_ipv4() -> None:
    held = NetworkSet([ip_network("192.0.2.0/24")])
    assert f"::ffff:{ip_address('192.0.2.7')}" in held
    assert "::ffff:192.0.3.7" not in held


@pytest.mark.parametrize(
    ("address", "allow", "deny", "admitted"),
    [
        ("192.0.2.7", [], [], True),
        ("", [], [], True),
        ("192.0.2.7", ["192.0.2.0/24"], [], True),
        ("192.0.3.7", ["192.0.2.0/24"], [], False),
        ("", ["0.0.0.0/0", "::/0"], [], False),
        ("192.0.2.7", [], ["192.0.2.7"], False),
        ("192.0.2.7", ["192.0.2.0/24"], ["192.0.2.7"], False),
        ("192.0.2.8", ["192.0.2.0/24"], ["192.0.2.7"], True),
    ],
)
def test_who_is_denied_does_not_come_in_even_if_allowed(
    address: str, allow: list[str], deny: list[str], admitted: bool
) -> None:
    assert is_admitted(address, *(NetworkSet(map(ip_network, each)) for each in (allow, deny))) is admitted


def test_sets_of_the_same_networks_are_equal_in_whatever_order() -> None:
    one, other = ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")
    assert NetworkSet([one, other]) == NetworkSet([other, one])
    assert NetworkSet([one]) != NetworkSet([other])
