"""Which names are asked for and when; the issuer is a port where nothing listens, and says so at once."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tunnel.acme.keeper import AcmeKeeper
from tunnel.acme.store import Store
from tunnel.config import ConfigError
from tunnel.events import CertificateFailed, Event
from tunnel.https_options import AcmeOptions
from tunnel.state.certificates import make_authority, make_leaf

NOW_S = 1_800_000_000.0
DAY_S = 86400.0
NAME = "ana.example"
ON_DEMAND = "todo.clase.example"


@dataclass(slots=True)
class Scene:
    """A keeper, what it told, and what the test decides."""

    folder: Path
    options: AcmeOptions
    now_s: float = NOW_S
    claimed: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)

    def keep(self, name: str) -> float:
        """Put a certificate into the state folder that begins now; return its life."""
        pem = make_leaf(make_authority(NOW_S), (name,), self.now_s).pem
        certificate = Store(self.folder, self.options.directory).keep(name, pem)
        return certificate.ends_s - self.now_s

    def keeper(self) -> AcmeKeeper:
        return AcmeKeeper(self.options, self.events.append, lambda: self.now_s, self.claimed.__contains__)

    def asked(self, keeper: AcmeKeeper) -> list[str]:
        """Return the names that are asked for by two polls, one after the other."""

        async def poll() -> None:
            for _ in range(2):
                keeper.poll()
                async with asyncio.timeout(10):
                    while keeper._is_busy:  # noqa: ASYNC110 - the keeper tells nobody else
                        await asyncio.sleep(0.01)

        before = len(self.events)
        asyncio.run(poll())
        return [each.domain for each in self.events[before:] if isinstance(each, CertificateFailed)]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    directory = f"https://127.0.0.1:{port}/dir"
    folder = tmp_path / "estado"
    return Scene(folder, AcmeOptions(directory, folder, domains=(NAME,), allowed=("*.clase.example",)))


def test_a_certificate_with_most_of_its_life_left_is_served_and_no_other_asked_for(scene: Scene) -> None:
    life_s = scene.keep(NAME)
    keeper = scene.keeper()
    assert keeper.find(NAME) is not None
    assert keeper.first is keeper.find(NAME)
    assert scene.asked(keeper) == []
    scene.now_s += life_s / 2
    assert scene.asked(keeper) == []


def test_with_a_third_left_it_is_asked_for_and_the_former_goes_on(scene: Scene) -> None:
    life_s = scene.keep(NAME)
    keeper = scene.keeper()
    scene.now_s += life_s * 0.7
    assert scene.asked(keeper) == [NAME]
    (failed,) = scene.events
    assert isinstance(failed, CertificateFailed)
    assert (failed.reason, failed.is_served) == ("unreachable", True)
    assert keeper.find(NAME) is not None
    scene.now_s += failed.retry_in_s - 1
    assert scene.asked(keeper) == []
    scene.now_s += 2
    assert scene.asked(keeper) == [NAME]


def test_one_that_has_ended_is_no_longer_said_to_be_served(scene: Scene) -> None:
    life_s = scene.keep(NAME)
    scene.now_s += life_s + 1
    assert scene.asked(scene.keeper()) == [NAME]
    (failed,) = scene.events
    assert isinstance(failed, CertificateFailed)
    assert not failed.is_served


def test_a_clients_name_is_asked_for_while_a_client_has_it(scene: Scene) -> None:
    scene.keep(NAME)
    life_s = scene.keep(ON_DEMAND)
    keeper = scene.keeper()
    assert keeper.find(ON_DEMAND) is not None
    scene.now_s += life_s * 0.7
    assert scene.asked(keeper) == [NAME]
    scene.now_s += 3600
    assert scene.asked(keeper) == [NAME]  # nobody would notice the other's end
    scene.claimed.add(ON_DEMAND)
    keeper.claimed(ON_DEMAND)
    asked = []
    for _ in range(4):
        scene.now_s += 3600
        asked += scene.asked(keeper)
    assert asked == [ON_DEMAND, NAME, ON_DEMAND, NAME]  # in turn, and not one for ever


def test_what_is_not_allowed_is_never_asked_for(scene: Scene) -> None:
    scene.keep(NAME)
    keeper = scene.keeper()
    for name in ("ajeno.example", "clase.example", "*.clase.example", "*"):
        scene.claimed.add(name)
        keeper.claimed(name)
        assert not keeper.covers("ajeno.example")
    assert scene.asked(keeper) in ([], ["*.clase.example"])
    assert "ajeno.example" not in keeper._plans


def test_a_clock_that_is_set_back_keeps_nothing_waiting(scene: Scene) -> None:
    keeper = scene.keeper()
    assert scene.asked(keeper) == [NAME]
    scene.now_s -= 400 * DAY_S
    assert scene.asked(keeper) == [NAME]


def test_what_cannot_be_kept_is_not_asked_for(scene: Scene) -> None:
    keeper = scene.keeper()
    (folder,) = scene.folder.rglob("certificados")
    folder.rmdir()
    assert scene.asked(keeper) == [NAME]
    (failed,) = scene.events
    assert isinstance(failed, CertificateFailed)
    assert failed.reason == "state"


def test_what_another_issuer_gave_is_not_served(scene: Scene) -> None:
    scene.keep(NAME)
    other = AcmeOptions("https://otro.example/dir", scene.folder, domains=(NAME,))
    assert AcmeKeeper(other, scene.events.append).find(NAME) is None


@pytest.mark.parametrize("name", [NAME, f"*.{NAME}"])
def test_files_are_private_and_wildcards_have_a_name_that_every_system_takes(scene: Scene, name: str) -> None:
    scene.keep(name)
    store = Store(scene.folder, scene.options.directory)
    assert store.names() == [name]
    assert store.load(name) is not None
    (file,) = scene.folder.rglob("certificados/*.pem")
    assert "*" not in file.name
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        store.load(name)


def spoil_nothing(scene: Scene, spoil: Callable[[Store], object]) -> None:
    scene.keep(NAME)
    store = Store(scene.folder, scene.options.directory)
    with pytest.raises(ValueError, match=r".+"):
        spoil(store)
    assert store.load(NAME) is not None


def test_a_certificate_of_another_key_does_not_take_the_place_of_the_former(scene: Scene) -> None:
    authority = make_authority(NOW_S)
    mark = "-----BEGIN PRIVATE KEY-----"
    one, other = (make_leaf(authority, (NAME,), NOW_S).pem.partition(mark) for _ in range(2))
    spoil_nothing(scene, lambda store: store.keep(NAME, one[0] + mark + other[2]))
    spoil_nothing(scene, lambda store: store.keep(NAME, "esto no es un certificado"))
