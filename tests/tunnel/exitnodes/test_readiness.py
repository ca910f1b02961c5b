"""A node is ready when it answers with what it announced, and nothing else passes for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support import local_node
from support.backend import Backend
from support.killed import Scene

from tunnel.config import Secret
from tunnel.exitnodes import engine, handover, readiness
from tunnel.exitnodes.errors import NotReady, UntrustedNode
from tunnel.exitnodes.model import Announcement
from tunnel.exitnodes.provider import Context


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A node that runs."""
    scene = local_node.scene(tmp_path)
    engine.create(scene.provider, scene.order, scene.store, lambda event: None)
    yield scene
    engine.delete(scene.provider, scene.order, scene.store, lambda event: None)


@pytest.fixture
def announced(scene: Scene) -> Announcement:
    announced = scene.provider.announcement(Context(scene.order))
    assert announced is not None
    return announced


def test_the_node_itself_passes_by_its_pin_and_by_its_token(scene: Scene, announced: Announcement) -> None:
    token = handover.a_token(scene.order)
    readiness.check(announced, token)
    readiness.check(replace(announced, pin="token"), token)


def test_another_certificate_than_the_announced_one_does_not_pass(
    scene: Scene, announced: Announcement
) -> None:
    other = replace(announced, pin=f"sha256:{'0' * 64}")
    with pytest.raises(UntrustedNode, match="no tiene el certificado que el nodo anunció"):
        readiness.check(other, handover.a_token(scene.order))
    asked = 0

    def announce() -> Announcement:
        nonlocal asked
        asked += 1
        return other

    with pytest.raises(UntrustedNode):
        readiness.wait(announce, scene.order, 30.0, pause=lambda seconds: None)
    assert asked == 2  # no longer than it takes to be sure


@pytest.mark.parametrize("pin", ["token", None])
def test_a_node_that_does_not_know_our_token_does_not_pass(announced: Announcement, pin: str | None) -> None:
    told = replace(announced, pin=pin) if pin else announced
    with pytest.raises(UntrustedNode, match="no conoce el token"):
        readiness.check(told, Secret("otro-token-cualquiera-y-largo"))


def test_a_name_that_its_certificate_does_not_have_does_not_pass(
    scene: Scene, announced: Announcement
) -> None:
    told = replace(announced, url=announced.url.replace("127.0.0.1", "127.0.0.2"))
    with pytest.raises((UntrustedNode, OSError)):
        readiness.check(told, handover.a_token(scene.order))


def test_another_program_on_the_public_side_is_not_taken_for_the_node(
    scene: Scene, announced: Announcement
) -> None:
    other = Backend()
    told = replace(announced, public_url=other.url)
    clock = iter(range(100))
    with pytest.raises(NotReady, match="contesta otro programa"):
        readiness.wait(
            lambda: told, scene.order, 3.0, clock=lambda: float(next(clock)), pause=lambda seconds: None
        )
    other.close()


def test_a_node_that_says_nothing_is_given_up_after_the_time_that_was_granted(tmp_path: Path) -> None:
    order = local_node.scene(tmp_path).order
    clock, pauses = iter(range(100)), []
    with pytest.raises(NotReady, match="no quedó listo en 5 segundos: no ha anunciado su certificado"):
        readiness.wait(lambda: None, order, 5.0, clock=lambda: float(next(clock)), pause=pauses.append)
    assert pauses == [0.1, 0.2, 0.5, 1.0]


def test_waiting_asks_no_service_of_a_client(scene: Scene, announced: Announcement) -> None:
    from support.tunnel_process import TunnelProcess, ended

    service = Backend()
    client = TunnelProcess(
        "client", f"--conexion={scene.order.connection_file}", f"--upstream={service.url}", "--json"
    )
    with ended([client]):
        client.wait_for("connected")
        readiness.check(announced, handover.a_token(scene.order))
    assert service.connections == 0
    service.close()
