"""Sets of ports, as people write them."""

import pytest

from tunnel.port_ranges import EVERY_PORT, NO_PORT, parse_port_ranges


def test_ports_and_ranges_are_in_the_set_and_others_are_not() -> None:
    ports = parse_port_ranges(["5432, 6000-6010", "7"])
    assert [port for port in (5432, 6000, 6005, 6010, 7) if port not in ports] == []
    assert [port for port in (0, 6, 8, 5431, 5999, 6011, 65536, "5432") if port in ports] == []
    assert str(ports) == "5432,6000-6010,7"
    assert parse_port_ranges([str(ports)]) == ports


def test_no_port_is_none_and_every_port_is_each() -> None:
    assert not NO_PORT
    assert 80 not in NO_PORT
    assert parse_port_ranges(["1-65535"]) == EVERY_PORT


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "7-6", "1-70000", "-5", "a", "1;2", "1-2-3", "5432,", "٣"]
)
def test_what_is_no_port_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="no es un puerto ni un rango"):
        parse_port_ranges([text])
