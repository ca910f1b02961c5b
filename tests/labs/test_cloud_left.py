"""Nothing is left in the cloud without a word: against the stand-in for gcloud, with failures asked for."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.labs import LABS, Desk, desk_in

pytestmark = pytest.mark.timeout(120)

LAB = LABS / "02-nodo-salida"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path, SIMULADA="sí") as desk:
        yield desk


def cloud_of(desk: Desk) -> Path:
    return desk.home / ".local" / "state" / "tunelab" / "simulacion"


def let_fail(desk: Desk, *commands: str) -> None:
    """Have each of these commands of gcloud refused, always; machines are only entries."""
    faults = [{"command": command, "kind": "permission", "times": 99} for command in commands]
    cloud_of(desk).mkdir(parents=True, exist_ok=True)
    settings = {"guests": "ninguno", "latency_s": 0, "faults": faults}
    (cloud_of(desk) / "ajustes.json").write_text(json.dumps(settings), encoding="utf-8")


def things_in_the_cloud(desk: Desk) -> list[str]:
    world = json.loads((cloud_of(desk) / "nube.json").read_text(encoding="utf-8"))
    return [thing["name"] for kind in ("machines", "rules") for thing in world[kind]]


def begin_with_half_a_node(desk: Desk) -> None:
    """Begin the lab in the cloud, where the creation fails with a part of the node made."""
    desk.do("lab iniciar 02 --modo nube")
    let_fail(desk, "compute instances create")
    assert desk.run(f"'{LAB / '04-crear.sh'}'").code == 3
    assert things_in_the_cloud(desk)


def test_what_the_cloud_does_not_let_go_of_is_told_and_the_code_is_not_zero(desk):
    begin_with_half_a_node(desk)
    left = things_in_the_cloud(desk)
    let_fail(desk, "compute firewall-rules delete")
    done = desk.run("lab terminar 02")
    assert done.code != 0
    assert "Quedó: el nodo de salida nodo-lab-02 (gcp)" in done.err
    assert "No quedó nada" not in done.text
    assert things_in_the_cloud(desk) == left
    # It can be repeated, and then it is all gone.
    let_fail(desk)
    done = desk.do("lab terminar 02")
    assert "No quedó nada" in done.out
    assert things_in_the_cloud(desk) == []


def test_beginning_again_in_another_mode_removes_the_node_where_it_was_made(desk):
    begin_with_half_a_node(desk)
    let_fail(desk)
    desk.do("lab iniciar 02 --modo local")
    assert things_in_the_cloud(desk) == []


def test_a_students_node_has_their_code_in_its_name_and_keeps_it_until_the_end(desk):
    key = desk.home / ".config" / "tunelab" / "clave"
    key.parent.mkdir(parents=True)
    key.write_text(f"tunelab-clave-1 .Ana_2210.432- {'0' * 64}\n")
    desk.do("lab iniciar 02 --modo local")
    try:
        desk.do(f"'{LAB / 'solucion.sh'}'")
        key.unlink()
        assert "--nombre nodo-lab-02-ana-2210-432 " in desk.do(f"'{LAB}/03-plan.sh'").out
        assert desk.review("02").done.code == 0
    finally:
        desk.do("lab terminar 02")
    desk.do("lab iniciar 02 --modo local")
    assert "--nombre nodo-lab-02 " in desk.do(f"'{LAB}/03-plan.sh'").out
    desk.do("lab terminar 02")


def test_other_nodes_of_the_student_are_not_touched(desk):
    create = "tunnel exit-node create --provider local --si --nombre"
    desk.do(f"{create} mi-nodo --lab 02")
    desk.do(f"{create} nodo-lab-02")  # for no lab
    desk.do("lab iniciar 02 --modo nube")
    desk.run("lab terminar 02")
    nodes = json.loads(desk.do("tunnel exit-node list --json 2>/dev/null").out)["nodes"]
    assert {node["name"] for node in nodes} == {"mi-nodo", "nodo-lab-02"}
    for name in ("mi-nodo", "nodo-lab-02"):
        desk.do(f"tunnel exit-node delete {name} --provider local --si")
