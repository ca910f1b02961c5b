"""What is recorded of a node is read back as it was, or refused; never half of it."""

from __future__ import annotations

import contextlib
import json
import string
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnel.exitnodes import locks
from tunnel.exitnodes.errors import BadOrder, NodeBusy, StateDamaged
from tunnel.exitnodes.model import Order, Student
from tunnel.exitnodes.naming import check_name, default_name, slug
from tunnel.exitnodes.state import DONE, INTENDED, READY, REMOVING, WORKING, NodeState, Store

FOLDER = Path("/nodos/guion/nodo-ana")
words = st.text(string.ascii_letters + "áñü «»\"'\\\n\t$`", max_size=12)
ports = st.integers(0, 65535)

students = st.builds(Student, code=words, name=words, email=words, slug=words)
orders = st.builds(
    Order,
    provider=words,
    name=words,
    folder=st.just(FOLDER),
    student=words,
    lab=words,
    course=words,
    region=words,
    source_ranges=st.lists(words, max_size=3).map(tuple),
    duration_s=st.integers(0, 10**7),
    tcp_ports=st.lists(ports, max_size=3).map(tuple),
    data_port=ports,
    control_port=ports,
    students=st.lists(students, max_size=3).map(tuple),
    options=st.lists(st.tuples(words, words), max_size=3).map(tuple),
)
states = st.builds(
    NodeState,
    order=orders,
    phase=st.sampled_from([WORKING, READY, REMOVING]),
    steps=st.dictionaries(words, st.sampled_from([INTENDED, DONE]), max_size=4),
    facts=st.dictionaries(words, words, max_size=4),
    created_at=words,
    ready_at=words,
    url=words,
    public_url=words,
)


@given(states)
def test_a_state_is_read_back_as_it_was(state: NodeState) -> None:
    assert NodeState.from_json(state.to_json(), FOLDER) == state


@given(states, st.data())
def test_a_state_that_was_cut_short_is_refused(state: NodeState, data: st.DataObject) -> None:
    text = state.to_json().rstrip("\n")
    size = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises((ValueError, KeyError, TypeError)):
        NodeState.from_json(text[:size], FOLDER)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(states, st.data())
def test_a_state_with_a_strange_value_is_refused_or_read_never_worse(
    tmp_path_factory: pytest.TempPathFactory, state: NodeState, data: st.DataObject
) -> None:
    values = json.loads(state.to_json())
    place = values if data.draw(st.booleans()) else values["order"]
    place[data.draw(st.sampled_from([*place, "otra"]))] = data.draw(json_values)
    folder = tmp_path_factory.mktemp("nodo")
    (folder / "estado.json").write_text(json.dumps(values), encoding="utf-8")
    with contextlib.suppress(StateDamaged):
        assert isinstance(Store(folder).load(folder), NodeState)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"version": 2}', b"[" * 100_000]
)
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    store = Store(tmp_path)
    folder = store.folder("guion", "nodo-ana")
    folder.mkdir(parents=True)
    (folder / "estado.json").write_bytes(content)
    with pytest.raises(StateDamaged, match=r"estado\.json está dañado"):
        store.load(folder)
    with pytest.raises(StateDamaged):
        store.all()
    assert (folder / "estado.json").read_bytes() == content


def test_a_node_is_worked_on_by_one_at_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.folder("guion", "nodo-ana")
    with store.locked(folder):
        with pytest.raises(NodeBusy, match="nodo-ana"), store.locked(folder):
            pass
        with store.locked(store.folder("guion", "nodo-luis")):
            pass
    with store.locked(folder):
        pass


def test_a_lock_whose_file_was_taken_away_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "candado"
    with locks.locked(path):
        path.unlink()
        with locks.locked(path):  # another file, of the same name
            assert locks.is_held(path)
    assert not locks.is_held(path)


def test_many_writers_leave_a_whole_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    order = Order("guion", "nodo-ana", tmp_path)
    writers = [
        threading.Thread(target=store.save, args=(NodeState(order, facts={"quien": str(number) * 999}),))
        for number in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    state = store.load(tmp_path)
    assert state is not None
    assert len(set(state.facts["quien"])) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["estado.json"]


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(max_size=60), st.text(max_size=60))
def test_every_default_name_is_one_that_every_provider_accepts(student: str, lab: str) -> None:
    assert check_name(default_name(student, lab)) == default_name(student, lab)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "ñ", "a b", "1a", "a/b", "..", "a" * 51, "a\n"])
def test_a_name_that_some_provider_refuses_is_refused_here(name: str) -> None:
    with pytest.raises(BadOrder, match="no sirve como nombre"):
        check_name(name)


@pytest.mark.parametrize(
    ("text", "expected"), [("Ana María Ñúñez", "ana-maria-nunez"), ("  2021-1 ", "2021-1"), ("日本", "")]
)
def test_a_slug_keeps_what_can_be_kept(text: str, expected: str) -> None:
    assert slug(text) == expected
