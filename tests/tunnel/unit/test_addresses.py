"""What ``--url`` and ``--upstream`` take, and how they refuse the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import examples
from tests.tunnel.unit.kit import assert_spanish
from tunnel.config import (
    CATCH_ALL,
    ClientConfig,
    ConfigError,
    ControlAddress,
    Secret,
    ServerConfig,
    Upstream,
    parse_control_url,
    parse_upstreams,
)
from tunnel.limits import ClientLimits, VisitorLimits
from tunnel.protocol.frames import MAX_CONTROL_PAYLOAD_BYTES
from tunnel.protocol.messages import Claim

# ── --url ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "url", "host", "port"),
    [
        ("ws://192.0.2.10:8123", "ws://192.0.2.10:8123", "192.0.2.10", 8123),
        ("ws://192.0.2.10", "ws://192.0.2.10:8123", "192.0.2.10", 8123),
        ("ws://192.0.2.10:", "ws://192.0.2.10:8123", "192.0.2.10", 8123),
        ("ws://192.0.2.10:80/", "ws://192.0.2.10:80", "192.0.2.10", 80),
        ("WS://Exit.Example:1", "ws://exit.example:1", "exit.example", 1),
        ("ws://localhost:65535", "ws://localhost:65535", "localhost", 65535),
        ("ws://exit_node-1:9", "ws://exit_node-1:9", "exit_node-1", 9),
        ("ws://túnel.example:9", "ws://túnel.example:9", "túnel.example", 9),
        ("ws://[::1]:8123", "ws://[::1]:8123", "::1", 8123),
        ("ws://[2001:db8::1]", "ws://[2001:db8::1]:8123", "2001:db8::1", 8123),
    ],
)
def test_a_control_url_is_read(text: str, url: str, host: str, port: int) -> None:
    assert parse_control_url(text) == ControlAddress(url, host, port, is_tls=False)


def test_wss_is_encrypted() -> None:
    assert parse_control_url("wss://exit.example") == ControlAddress(
        "wss://exit.example:8123", "exit.example", 8123, is_tls=True
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "falta el esquema"),
        ("192.0.2.10", "falta el esquema"),
        ("192.0.2.10:8123", "falta el esquema"),
        ("localhost:8123", "falta el esquema"),
        ("ws:/192.0.2.10", "falta el esquema"),
        ("//192.0.2.10", "falta el esquema"),
        ("http://192.0.2.10:8000", "la de los visitantes"),
        ("https://192.0.2.10", "la de los visitantes"),
        ("tcp://192.0.2.10:8123", "«tcp»"),
        ("wsx://192.0.2.10:8123", "«wsx»"),
        ("ws://", "falta la dirección"),
        ("ws://:8123", "falta la dirección"),
        ("ws:///x", "falta la dirección"),
        ("ws://192.0.2.10:0", "puerto 0"),
        ("ws://192.0.2.10:65536", "el puerto"),
        ("ws://192.0.2.10:-1", "el puerto"),
        ("ws://192.0.2.10:ocho", "el puerto"),
        ("ws://192.0.2.10: 8123", "el puerto"),
        ("ws://[::1:8123", "la dirección"),
        ("ws://[::zz]:8123", "no es"),
        ("ws://user@192.0.2.10:8123", "sobra algo"),
        ("ws://user:word@192.0.2.10:8123", "sobra algo"),
        ("ws://192.0.2.10:8123/path", "sobra algo"),
        ("ws://192.0.2.10:8123?x=1", "sobra algo"),
        ("ws://192.0.2.10:8123#x", "sobra algo"),
        ("ws://exit node:8123", "no es la dirección"),
        ("wss://exit..example", "no es la dirección"),
        ("wss://.example", "no es la dirección"),
        (f"wss://{'a' * 64}.example", "no es la dirección"),
        ("ws://exit,node:8123", "no es la dirección"),
        ("ws://<dirección>:8123", "no es la dirección"),
        ("ws://DIRECCIÓN:8123", "no es la dirección"),
    ],
)
def test_a_control_url_that_is_wrong_is_named_with_the_right_way(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_control_url(text)
    message = str(caught.value)
    assert words in message
    assert "ws://192.0.2.10:8123" in message
    assert_spanish(message)


@given(text=st.text(max_size=30) | st.text(max_size=20).map(lambda text: "ws://" + text))
@examples(300)
def test_no_text_makes_control_url_raise_anything_else(text: str) -> None:
    try:
        address = parse_control_url(text)
    except ConfigError:
        return
    assert address.host
    assert 1 <= address.port <= 65535
    assert parse_control_url(address.url) == address


# ── --upstream ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["http://localhost:5000"], [Upstream(CATCH_ALL, "localhost", 5000)]),
        (["http://localhost:5000/"], [Upstream(CATCH_ALL, "localhost", 5000)]),
        (["HTTP://LocalHost:5000"], [Upstream(CATCH_ALL, "localhost", 5000)]),
        (["localhost:5000"], [Upstream(CATCH_ALL, "localhost", 5000)]),
        (["127.0.0.1"], [Upstream(CATCH_ALL, "127.0.0.1", 80)]),
        (["http://localhost"], [Upstream(CATCH_ALL, "localhost", 80)]),
        (["http://localhost:"], [Upstream(CATCH_ALL, "localhost", 80)]),
        (["https://localhost"], [Upstream(CATCH_ALL, "localhost", 443, is_tls=True)]),
        (["https://localhost:8443"], [Upstream(CATCH_ALL, "localhost", 8443, is_tls=True)]),
        (["http://[::1]:5000"], [Upstream(CATCH_ALL, "::1", 5000)]),
        (["http://web_1:5000"], [Upstream(CATCH_ALL, "web_1", 5000)]),
        (["*=http://localhost:5000"], [Upstream(CATCH_ALL, "localhost", 5000)]),
        ([" * = http://localhost:5000 "], [Upstream(CATCH_ALL, "localhost", 5000)]),
        (["todo.example=http://localhost:5000"], [Upstream("todo.example", "localhost", 5000)]),
        (["TODO.Example.=localhost:5000"], [Upstream("todo.example", "localhost", 5000)]),
        (["192.0.2.10=http://localhost:5000"], [Upstream("192.0.2.10", "localhost", 5000)]),
        (["mi_app-1=http://localhost:5000"], [Upstream("mi_app-1", "localhost", 5000)]),
        (["xn--maana-pta.example=localhost:1"], [Upstream("xn--maana-pta.example", "localhost", 1)]),
        (
            ["a.example=http://localhost:1,b.example=http://localhost:2"],
            [Upstream("a.example", "localhost", 1), Upstream("b.example", "localhost", 2)],
        ),
        (
            [" a.example = http://localhost:1 , http://localhost:2 ", "c=http://localhost:3"],
            [
                Upstream("a.example", "localhost", 1),
                Upstream(CATCH_ALL, "localhost", 2),
                Upstream("c", "localhost", 3),
            ],
        ),
        (
            ["a=http://localhost:1", "b=http://localhost:1"],
            [Upstream("a", "localhost", 1), Upstream("b", "localhost", 1)],
        ),
    ],
    ids=lambda value: " ".join(value) if value and isinstance(value[0], str) else "",
)
def test_upstreams_are_read(values: list[str], expected: list[Upstream]) -> None:
    assert parse_upstreams(values) == tuple(expected)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "falta la dirección"),
        (" ", "falta la dirección"),
        ("todo.example=", "falta la dirección"),
        ("http://localhost:5000,", "falta la dirección"),
        (",http://localhost:5000", "falta la dirección"),
        ("5000", "http://localhost:5000"),
        ("todo.example=5000", "http://localhost:5000"),
        (":5000", "falta el equipo"),
        ("http://", "falta el equipo"),
        ("http://:5000", "falta el equipo"),
        ("http:///x", "falta el equipo"),
        ("http://localhost:0", "el puerto"),
        ("http://localhost:65536", "el puerto"),
        ("http://localhost:cinco", "el puerto"),
        ("http://localhost:-5000", "el puerto"),
        ("http://[::1", "no es válida"),
        ("ws://localhost:5000", "«ws»"),
        ("tcp://localhost:5432", "«tcp»"),
        ("ftp://localhost", "«ftp»"),
        ("http://user@localhost:5000", "sobra algo"),
        ("http://localhost:5000/api", "sobra algo"),
        ("http://localhost:5000/?a=b", "sobra algo"),
        ("http://localhost:5000#x", "sobra algo"),
        ("http://local host:5000", "no es la dirección"),
        ("http://<ip>:5000", "no es la dirección"),
        ("=http://localhost:5000", "nombre de dominio"),
        ("todo example=http://localhost:5000", "nombre de dominio"),
        ("todo.example:8000=http://localhost:5000", "nombre de dominio"),
        ("mañana.example=http://localhost:5000", "nombre de dominio"),
        ("*.*.example=http://localhost:5000", "nombre de dominio"),
        ("-a.example=http://localhost:5000", "nombre de dominio"),
        ("a..example=http://localhost:5000", "nombre de dominio"),
        (f"{'x' * 64}.example=http://localhost:5000", "nombre de dominio"),
        (f"{'.'.join(['x' * 60] * 5)}=http://localhost:5000", "nombre de dominio"),
        ("/ruta=http://localhost:5000", "nombre de dominio"),
        ("a=http://localhost:1,a=http://localhost:2", "«a»"),
        ("A.example=http://localhost:1,a.example.=http://localhost:2", "«a.example»"),
        ("http://localhost:1,http://localhost:2", "sin nombre"),
        ("http://localhost:1,*=http://localhost:2", "sin nombre"),
    ],
)
def test_an_upstream_that_is_wrong_is_named_with_the_right_way(value: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_upstreams([value])
    message = str(caught.value)
    assert words in message
    assert "--upstream" in message
    assert_spanish(message)


def test_a_name_in_two_options_is_refused_as_in_one() -> None:
    with pytest.raises(ConfigError, match="«a»"):
        parse_upstreams(["a=http://localhost:1", "a=http://localhost:2"])


def test_a_hundred_names_fit_and_not_one_more() -> None:
    values = [f"n{number}=http://localhost:5000" for number in range(101)]
    assert len(parse_upstreams(values[:100])) == 100
    with pytest.raises(ConfigError, match="101"):
        parse_upstreams(values)


def test_names_that_do_not_fit_one_frame_are_refused_here_and_not_by_a_crash_later() -> None:
    label = "x" * 60
    values = [f"n{number}.{label}.{label}.{label}=http://localhost:5000" for number in range(100)]
    with pytest.raises(ConfigError, match="demasiados nombres"):
        parse_upstreams(values)
    fitting = parse_upstreams(values[:80])
    claim = Claim(tuple(upstream.name for upstream in fitting))
    assert len(claim.encode()) + 64 <= MAX_CONTROL_PAYLOAD_BYTES


@given(text=st.text(max_size=30) | st.text(max_size=20).map(lambda text: "http://" + text))
@examples(300)
def test_no_text_makes_upstreams_raise_anything_else(text: str) -> None:
    try:
        upstreams = parse_upstreams([text])
    except ConfigError:
        return
    for upstream in upstreams:
        assert upstream.host
        assert 1 <= upstream.port <= 65535
        assert parse_upstreams([upstream.url])[0].host == upstream.host


@pytest.mark.parametrize(
    ("upstream", "url"),
    [
        (Upstream("a", "localhost", 5000), "http://localhost:5000"),
        (Upstream("a", "::1", 5000), "http://[::1]:5000"),
        (Upstream("a", "localhost", 443, is_tls=True), "https://localhost:443"),
    ],
)
def test_an_upstream_as_a_url(upstream: Upstream, url: str) -> None:
    assert upstream.url == url


# ── the whole ────────────────────────────────────────────────────────────────────────────────────

SECRET = Secret("x" * 16)


@pytest.mark.parametrize(
    ("port", "control_port", "is_shared"), [(8000, 8123, False), (8000, 8000, True), (0, 0, False)]
)
def test_the_planes_share_a_port_when_both_name_it(port: int, control_port: int, is_shared: bool) -> None:
    assert ServerConfig(SECRET, port=port, control_port=control_port).is_shared is is_shared


def test_planes_that_share_a_port_share_the_address_too() -> None:
    """Or the control plane would be open where somebody asked for it to be closed."""
    with pytest.raises(ConfigError) as caught:
        ServerConfig(SECRET, port=8000, control_host="127.0.0.1", control_port=8000)
    assert "--control-host" in str(caught.value)
    assert_spanish(str(caught.value))
    ServerConfig(SECRET, host="127.0.0.1", port=8000, control_host="127.0.0.1", control_port=8000)
    ServerConfig(SECRET, port=8000, control_host="127.0.0.1", control_port=8001)


def test_the_defaults_are_the_ones_that_people_know() -> None:
    server = ServerConfig(SECRET)
    assert (server.port, server.control_port, server.host) == (8000, 8123, "0.0.0.0")


@pytest.mark.parametrize(
    "config",
    [
        VisitorLimits(),
        ClientLimits(),
        ServerConfig(SECRET),
        Upstream("a", "b", 1),
        ClientConfig(parse_control_url("wss://a"), SECRET, parse_upstreams(["b"])),
    ],
    ids=lambda config: type(config).__name__,
)
def test_a_configuration_does_not_change(config: object) -> None:
    for name in type(config).__dataclass_fields__:
        with pytest.raises(AttributeError):
            setattr(config, name, None)
    with pytest.raises((AttributeError, TypeError)):
        config.anything = 1
