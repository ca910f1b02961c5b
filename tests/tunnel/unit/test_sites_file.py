"""The sites file: what it may say, what is refused with words that help, and which site a name has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tunnel.unit.kit import assert_spanish
from tunnel.config import ConfigError
from tunnel.events import SitesRejected, SitesReloaded
from tunnel.sites.file import load_sites, parse_sites
from tunnel.sites.keeper import SitesKeeper
from tunnel.sites.site import Rate, Site, SiteTable

FILE = Path("sitios.toml")


def site_of(lines: str) -> Site:
    """Return the only site of a file that says this of it."""
    (site,) = parse_sites(f'[site."ana.example"]\n{lines}\n', FILE)
    return site


def refusal(text: str) -> str:
    """Return why a file is refused."""
    with pytest.raises(ConfigError) as caught:
        parse_sites(text, FILE)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert_spanish(str(caught.value))
    return str(caught.value)


def test_a_site_says_networks_and_a_rate() -> None:
    site = site_of(
        'allow = ["192.0.2.0/24", "2001:db8::/32"]\ndeny = ["192.0.2.66"]\nrate = "10/s"\nburst = 30'
    )
    assert site.pattern == "ana.example"
    assert "192.0.2.1" in site.allow
    assert "2001:db8::1" in site.allow
    assert "192.0.3.1" not in site.allow
    assert "192.0.2.66" in site.deny
    assert "192.0.2.67" not in site.deny
    assert site.rate == Rate(10.0, 30)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10/s", Rate(10.0, 10)), ("90/min", Rate(1.5, 90)), ("36/h", Rate(0.01, 36)), ("0.5/s", Rate(0.5, 1))],
)
def test_a_rate_has_a_unit_and_lets_that_many_come_at_once(text: str, rate: Rate) -> None:
    assert site_of(f'rate = "{text}"').rate == rate


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sitio.x]", "¿Quiso decir site?"),
        ("site = 3", "cada sitio empieza"),
        ('[site]\nx = "y"', "cada sitio empieza"),
        ("[[site]]", "cada sitio empieza"),
        ("[site.ana.example]", '[site."ana.example"] y no'),
        ('[site."ana.example:8000"]', "no es el nombre de un sitio"),
        ('[site."*.*"]', "no es el nombre de un sitio"),
        ('[site."a.example"]\n[site."A.example."]', "está dos veces"),
        ('[site."a.example"]\nalow = []', "¿Quiso decir allow?"),
        ('[site."a.example"]\nallow = []', "allow está vacía"),
        ('[site."a.example"]\nallow = "192.0.2.1"', "allow es una lista"),
        ('[site."a.example"]\nallow = [7]', "allow es una lista"),
        ('[site."a.example"]\ndeny = ["192.0.2.1/24"]', "¿Quiso decir 192.0.2.0/24?"),
        ('[site."a.example"]\nrate = 10', 'rate = "10/s"'),
        ('[site."a.example"]\nrate = "0/s"', 'rate = "10/s"'),
        ('[site."a.example"]\nrate = "10/d"', 'rate = "10/s"'),
        ('[site."a.example"]\nrate = "10/s"\nburst = 0', "desde 1"),
        ('[site."a.example"]\nrate = "10/s"\nburst = true', "desde 1"),
        ('[site."a.example"]\nburst = 5', "burst va con rate"),
        ('[site."a.example"\n', "no es TOML: hay un error en la línea 1"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_was_meant(text: str, words: str) -> None:
    assert words in refusal(text)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("ana.example", "ana.example"),
        ("blog.ana.example", "*.example"),
        ("luis.example", "*.example"),
        ("a.b.luis.example", "*.luis.example"),
        ("example", "*"),
        ("192.0.2.1", "*"),
        ("", "*"),
    ],
)
def test_the_most_specific_site_decides(name: str, pattern: str) -> None:
    table = SiteTable(Site(each) for each in ("*", "*.example", "*.luis.example", "ana.example"))
    found = table.find(name)
    assert found is not None
    assert found.pattern == pattern


def test_a_name_that_no_site_covers_has_none() -> None:
    assert SiteTable([Site("ana.example")]).find("luis.example") is None
    assert SiteTable([Site("*.ana.example")]).find("ana.example") is None


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_can_change_is_refused_with_the_way_to_close_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "sitios.toml"
    path.touch()
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 644") as caught:
        load_sites(path)
    assert_spanish(str(caught.value))
    path.chmod(0o644)
    assert load_sites(path) == ()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binario"
    binary.touch(mode=0o600)
    binary.write_bytes(b"\x80\x81")
    for path, words in (
        (tmp_path / "no-existe", "no existe"),
        (tmp_path, "no es un archivo corriente" if os.name == "posix" else "no se puede leer"),
        (binary, "no es texto"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            load_sites(path)
        assert str(path) in str(caught.value)
        assert_spanish(str(caught.value))


class Watched:
    """A sites file and its keeper."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1000.0
        self.write('[site."ana.example"]\n[site."luis.example"]\n')
        self.keeper = SitesKeeper(path, lambda: self.now)

    def write(self, text: str) -> None:
        new = self.path.with_suffix(".new")
        new.touch(mode=0o644)
        new.write_text(text, encoding="utf-8")
        new.replace(self.path)

    def settle(self) -> SitesReloaded | SitesRejected | None:
        """Poll until the change that was made has been read."""
        assert self.keeper.poll() is None, "a file that may still be changing was read"
        return self.keeper.poll()


def test_a_changed_file_comes_into_force_and_what_changed_is_told(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "sitios.toml")
    assert watched.keeper.poll() is None
    watched.write('[site."ana.example"]\nrate = "1/s"\n[site."eva.example"]\n')
    assert watched.settle() == SitesReloaded(2, ("eva.example",), ("luis.example",), ("ana.example",))
    assert watched.keeper.find("luis.example") is None
    found = watched.keeper.find("ana.example")
    assert found is not None
    assert found.rate == Rate(1.0, 1)
    watched.write('# igual\n[site."eva.example"]\n[site."ana.example"]\nrate = "1/s"\n')
    assert watched.settle() is None


def test_a_file_that_became_unusable_leaves_what_was_in_force_and_is_told_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "sitios.toml")
    watched.write('[site."ana.example"]\nalow = []\n')
    event = watched.settle()
    assert isinstance(event, SitesRejected)
    assert "¿Quiso decir allow?" in event.message
    assert watched.keeper.find("luis.example") is not None
    watched.now += 3.0
    assert watched.keeper.poll() is None
    watched.write('[site."ana.example"]\n[site."luis.example"]\n')
    assert watched.settle() == SitesReloaded(2, (), (), ())
