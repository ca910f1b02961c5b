"""Plans are run, continued and undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import scripted
from support.killed import walk

from tunnel.exitnodes import engine
from tunnel.exitnodes.errors import NameTaken, NoSuchNode, QuotaExceeded, SomethingLeft


def things(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "nube").glob("nodo-*"))


@pytest.mark.timeout(300)
def test_a_kill_at_any_moment_leaves_nothing_once_continued_or_deleted(tmp_path: Path) -> None:
    def left(root: Path) -> list[str]:
        return things(root) + [str(path) for path in (root / "estado" / "nodos").glob("*/*")]

    walk("support.scripted:scene", tmp_path, left)


def test_a_thing_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    scene = scripted.scene(tmp_path)
    engine.create(scene.provider, scene.order, scene.store, lambda event: None, scene.wait)
    events: list[engine.Event] = []
    state = engine.create(scene.provider, scene.order, scene.store, events.append, scene.wait)
    assert not any(isinstance(event, engine.Made) for event in events)
    assert sum(isinstance(event, engine.StepEnded) for event in events) == len(scripted.THINGS)
    assert state.phase == "listo"


def test_a_lost_state_is_made_good_by_asking_the_provider(tmp_path: Path) -> None:
    scene = scripted.scene(tmp_path)
    engine.create(scene.provider, scene.order, scene.store, lambda event: None, scene.wait)
    (scene.order.folder / "estado.json").unlink()
    receipt, path = engine.delete(scene.provider, scene.order, scene.store, lambda event: None)
    assert receipt.removed == ("regla", "maquina", "red")
    assert things(tmp_path) == []
    assert json.loads(path.read_text())["clean"] is True


def test_what_never_was_is_not_deleted_and_leaves_no_folder(tmp_path: Path) -> None:
    scene = scripted.scene(tmp_path)
    with pytest.raises(NoSuchNode):
        engine.delete(scene.provider, scene.order, scene.store, lambda event: None)
    assert list(scene.store.root.iterdir()) == []


def test_a_failing_step_is_told_and_the_next_run_continues_there(tmp_path: Path) -> None:
    scene = scripted.scene(tmp_path)
    fault = tmp_path / "nube" / "fallas" / "maquina"
    fault.parent.mkdir()
    fault.write_text("QuotaExceeded")
    with pytest.raises(QuotaExceeded):
        engine.create(scene.provider, scene.order, scene.store, lambda event: None, scene.wait)
    state = scene.store.load(scene.order.folder)
    assert state is not None
    assert state.steps == {"red": "hecho", "maquina": "intentado"}
    fault.unlink()
    events: list[engine.Event] = []
    engine.create(scene.provider, scene.order, scene.store, events.append, scene.wait)
    assert [event.info.id for event in events if isinstance(event, engine.Made)] == ["maquina", "regla"]


def test_what_cannot_be_removed_is_listed_and_does_not_keep_the_rest(tmp_path: Path) -> None:
    scene = scripted.scene(tmp_path)
    engine.create(scene.provider, scene.order, scene.store, lambda event: None, scene.wait)
    fault = tmp_path / "nube" / "fallas" / "regla"
    fault.parent.mkdir()
    fault.write_text("PermissionDenied")
    with pytest.raises(SomethingLeft, match="nodo-ana-regla"):
        engine.delete(scene.provider, scene.order, scene.store, lambda event: None)
    assert things(tmp_path) == ["nodo-ana-regla"]
    receipt = json.loads(next(scene.store.receipts.iterdir()).read_text())
    assert (receipt["clean"], receipt["left"]) == (False, ["nodo-ana-regla"])
    fault.unlink()
    engine.delete(scene.provider, scene.order, scene.store, lambda event: None)
    assert things(tmp_path) == []


def test_what_belongs_to_somebody_else_is_neither_taken_nor_removed(tmp_path: Path) -> None:
    scene = scripted.scene(tmp_path)
    foreign = tmp_path / "nube" / "nodo-ana-maquina"
    foreign.write_text('{"curso": "otro"}')
    with pytest.raises(NameTaken):
        engine.create(scene.provider, scene.order, scene.store, lambda event: None, scene.wait)
    with pytest.raises(SomethingLeft):  # it has our name: whoever asks for it is told
        engine.delete(scene.provider, scene.order, scene.store, lambda event: None)
    assert things(tmp_path) == ["nodo-ana-maquina"]


def test_the_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    scene = scripted.scene(tmp_path)
    engine.create(scene.provider, scene.order, scene.store, lambda event: None, scene.wait)
    token = scene.order.secret_file.read_text()
    engine.create(scene.provider, scene.order, scene.store, lambda event: None, scene.wait)
    assert scene.order.secret_file.read_text() == token
    for path in scene.order.folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert token.strip() in scene.order.connection_file.read_text()
    assert token.strip() not in (scene.order.folder / "estado.json").read_text()


def test_a_check_of_what_nobody_made_says_what_is_missing_and_records_nothing(tmp_path: Path) -> None:
    scene = scripted.scene(tmp_path)
    with pytest.raises(NoSuchNode, match="falta la red"):
        engine.create(
            scene.provider, scene.order, scene.store, lambda event: None, scene.wait, may_make=False
        )
    assert things(tmp_path) == []
    assert scene.store.all() == []
    assert not scene.order.secret_file.exists()
