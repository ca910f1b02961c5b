"""Which proxy leads to an exit node."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tunnel.unit.kit import assert_spanish
from tunnel.config import ConfigError, ProxyServer, parse_control_url
from tunnel.proxy.settings import find_proxy, is_exempt, parse_proxy_url, read_proxy_option

FAR = parse_control_url("wss://nodo.example:8123")
FAR_PLAIN = parse_control_url("ws://nodo.example:8123")
PASSWORD = "clave-que-nadie-ve-7"


def told(proxy: ProxyServer | None) -> str | None:
    return None if proxy is None else f"{proxy.user}@{proxy.authority}"


@pytest.mark.parametrize(
    ("url", "environ", "found"),
    [
        ("wss", {"HTTPS_PROXY": "http://p.example:3128"}, "@p.example:3128"),
        ("wss", {"https_proxy": "http://m.example:1", "HTTPS_PROXY": "http://p.example:2"}, "@m.example:1"),
        ("wss", {"https_proxy": "", "HTTPS_PROXY": "http://p.example:2"}, "@p.example:2"),
        ("wss", {"HTTP_PROXY": "http://p.example:3128"}, None),
        ("ws", {"HTTP_PROXY": "http://p.example:3128"}, "@p.example:3128"),
        ("ws", {"HTTPS_PROXY": "http://p.example:3128"}, None),
        ("wss", {"HTTPS_PROXY": "p.example:3128"}, "@p.example:3128"),
        ("wss", {"HTTPS_PROXY": "http://p.example"}, "@p.example:80"),
        ("wss", {"HTTPS_PROXY": "http://[2001:db8::1]:3128/"}, "@[2001:db8::1]:3128"),
        ("wss", {"HTTPS_PROXY": f"http://ana%40uni:{PASSWORD}@p.example:3128"}, "ana@uni@p.example:3128"),
        ("wss", {"HTTPS_PROXY": "http://p.example:3128", "NO_PROXY": "otro.example"}, "@p.example:3128"),
        ("wss", {"HTTPS_PROXY": "http://p.example:3128", "NO_PROXY": ".example"}, None),
        ("wss", {"HTTPS_PROXY": "http://p.example:3128", "no_proxy": "*", "NO_PROXY": "x"}, None),
        ("wss", {}, None),
    ],
)  # fmt: skip
def test_the_environment_names_the_proxy_for_each_scheme(
    url: str, environ: dict[str, str], found: str | None
) -> None:
    address = FAR if url == "wss" else FAR_PLAIN
    assert told(find_proxy(address, environ)) == found


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_what_is_on_this_machine_is_never_asked_of_the_environments_proxy(host: str) -> None:
    environ = {"HTTP_PROXY": "http://p.example:1", "HTTPS_PROXY": "http://p.example:1"}
    for scheme in ("ws", "wss"):
        assert find_proxy(parse_control_url(f"{scheme}://{host}:8123"), environ) is None


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_direct"),
    [
        ("nodo.example", "nodo.example", True),
        ("nodo.example", "NODO.EXAMPLE", True),
        ("nodo.example", "example", True),
        ("nodo.example", ".example", True),
        ("nodo.example", "*.example", True),
        ("nodo.example", "*.nodo.example", False),
        ("nodo.example", ".nodo.example", True),
        ("otronodo.example", "nodo.example", False),
        ("nodo.example", "odo.example", False),
        ("nodo.example", "nodo.example:8123", True),
        ("nodo.example", "nodo.example:443", False),
        ("nodo.example", "a, b,  nodo.example", True),
        ("nodo.example", "a b nodo.example", True),
        ("nodo.example", "*", True),
        ("nodo.example", "", False),
        ("nodo.example", ",. ,:,*.,[", False),
        ("nodo.example", "10.0.0.0/8", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.9/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:8123", True),
        ("10.1.2.3", "10.1.2.3:443", False),
        ("10.1.2.3", "2.3", False),
        ("10.1.2.3", "fd00::/8", False),
        ("[fd00::7]", "fd00::/8", True),
        ("[fd00::7]", "[fd00::7]:8123", True),
        ("[fd00::7]", "[fd00::7]:443", False),
        ("[fd00::7]", "fd00:0::7", True),
    ],
)
def test_no_proxy_takes_names_domains_addresses_networks_and_ports(
    host: str, no_proxy: str, is_direct: bool
) -> None:
    assert is_exempt(parse_control_url(f"wss://{host}:8123"), no_proxy) is is_direct


@pytest.mark.parametrize(
    "url",
    [
        f"https://ana:{PASSWORD}@p.example:3128",
        f"socks5://ana:{PASSWORD}@p.example:1080",
        f"http://ana:{PASSWORD}@p.example:99999",
        f"http://ana:{PASSWORD}@",
        f"http://ana:{PASSWORD}@p.example:0",
        f"http://ana:{PASSWORD}@p.example/ruta",
        f"http://ana%3a:{PASSWORD}@p.example",
        f"http://ana%0d%0aX:{PASSWORD}@p.example",
        f"http://ana:{PASSWORD}@p ex",
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_without_a_word_of_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        find_proxy(FAR, {"HTTPS_PROXY": url})
    assert_spanish(str(refused.value).replace("HTTPS_PROXY", ""))
    assert "HTTPS_PROXY" in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_the_command_line_takes_no_password() -> None:
    with pytest.raises(ConfigError) as refused:
        read_proxy_option(f"http://ana:{PASSWORD}@p.example:3128", None)
    assert PASSWORD not in str(refused.value)
    assert "--proxy-password-file" in str(refused.value)


def test_the_password_comes_from_a_file_that_is_the_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "clave.txt"
    file.touch(mode=0o600)
    file.write_text(f"{PASSWORD}\n")
    proxy = read_proxy_option("http://ana@p.example:3128", file)
    assert proxy.password is not None
    assert (proxy.user, proxy.password.reveal()) == ("ana", PASSWORD)
    assert PASSWORD not in repr(proxy)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="clave"):
        read_proxy_option("http://ana@p.example:3128", file)


@pytest.mark.parametrize(
    ("url", "content", "said"),
    [
        ("http://ana@p.example:3128", None, "falta la contraseña"),
        ("http://p.example:3128", "x", "va con un usuario"),
        ("http://ana@p.example:3128", "", "una sola línea"),
        ("http://ana@p.example:3128", "a\nb", "una sola línea"),
    ],
)
def test_user_and_password_go_together(tmp_path: Path, url: str, content: str | None, said: str) -> None:
    file = None
    if content is not None:
        file = tmp_path / "clave.txt"
        file.touch(mode=0o600)
        file.write_text(content)
    with pytest.raises(ConfigError, match=said):
        read_proxy_option(url, file)


def test_a_password_of_the_environments_is_decoded() -> None:
    proxy = parse_proxy_url("http://ana:a%40b%3Ac@p.example:1", "x", may_hold_password=True)
    assert proxy.password is not None
    assert proxy.password.reveal() == "a@b:c"
