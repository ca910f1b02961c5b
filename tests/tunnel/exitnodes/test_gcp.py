"""The gcp provider against the stand-in for gcloud, whose machines are only entries here."""

import contextlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.gcp_scene import ACCOUNT, answer_at_once, inventory, order_in, settings
from support.killed import walk
from support.requirements import require_program

from tunnel.cli import main as tunnel_main
from tunnel.exitnodes import engine
from tunnel.exitnodes.errors import (
    BadOrder,
    BillingDisabled,
    ExitNodeError,
    MissingTool,
    NameTaken,
    NoProject,
    NotLoggedIn,
    PermissionDenied,
    ProviderFailed,
    QuotaExceeded,
    Unavailable,
    ZoneExhausted,
)
from tunnel.exitnodes.gcp import files, machine
from tunnel.exitnodes.gcp.provider import GcpProvider
from tunnel.exitnodes.model import Order, Search
from tunnel.exitnodes.simulation import install
from tunnel.exitnodes.state import NodeState, Store

CREATE = "compute instances create"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "estado"))
    settings(tmp_path)


def made(root: Path, said: list[str] | None = None, **options: str) -> NodeState:
    provider = GcpProvider()
    order = provider.settle(order_in(root, **options))
    provider.check(order)
    texts = said if said is not None else []

    def observe(event: engine.Event) -> None:
        if isinstance(event, engine.Said):
            texts.append(event.text)

    return engine.create(provider, order, Store(), observe, answer_at_once)


def removed(state_or_order: NodeState | Order) -> tuple[str, ...]:
    order = state_or_order.order if isinstance(state_or_order, NodeState) else state_or_order
    receipt, _ = engine.delete(GcpProvider(), order, Store(), lambda event: None)
    assert receipt.queries
    return receipt.removed


def world(root: Path) -> dict[str, list[dict[str, object]]]:
    path = root / "estado" / "tunelab" / "simulacion" / "nube.json"
    parsed: dict[str, list[dict[str, object]]] = json.loads(path.read_text())
    return parsed


def change_world(root: Path, **values: object) -> None:
    subprocess.run([install(), "auth", "list"], check=True, capture_output=True)
    path = root / "estado" / "tunelab" / "simulacion" / "nube.json"
    path.write_text(json.dumps(world(root) | values))


# ── life ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_node_is_made_as_ordered_and_leaves_nothing(tmp_path: Path) -> None:
    state = made(tmp_path)
    (instance,) = world(tmp_path)["machines"]
    assert instance["zone"] == "us-central1-a"
    labels = instance["labels"]
    assert isinstance(labels, dict)
    assert {"curso": "tunelab", "alumno": "ana", "nodo": "nodo-ana"}.items() <= labels.items()
    (rule,) = world(tmp_path)["rules"]
    assert (rule["allowed"], rule["target_tags"]) == ("tcp:8000,tcp:8123", "tunelab-nodo-ana")
    assert removed(state) == ("maquina", "cortafuegos", "paquete")
    assert inventory(tmp_path) == []


def test_the_token_leaves_the_metadata_once_the_node_has_answered(tmp_path: Path) -> None:
    state = made(tmp_path)
    (instance,) = world(tmp_path)["machines"]
    metadata = instance["metadata"]
    assert isinstance(metadata, dict)
    assert {"startup-script", "tunelab-paquete-1", "tunelab-paquete-2"} <= set(metadata)
    assert machine.SECRET_KEY not in metadata
    token = state.order.secret_file.read_text().strip()
    cloud = (tmp_path / "estado" / "tunelab" / "simulacion" / "nube.json").read_text()
    assert len(token) > 20
    assert token not in cloud


def test_no_command_of_a_plan_has_the_token(tmp_path: Path) -> None:
    state = made(tmp_path)
    token = state.order.secret_file.read_text().strip()
    plan = GcpProvider().plan(state.order)
    words = [word for step in plan.steps for word in (*step.argv, *step.undo, step.script)]
    assert words
    assert not any(token in word for word in words)


def test_files_for_the_metadata_are_private_and_fit(tmp_path: Path) -> None:
    state = made(tmp_path)
    for name in (*files.PARCELS, files.STARTUP):
        path = state.order.folder / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert 0 < path.stat().st_size <= files.MAX_VALUE_BYTES


def test_what_does_not_fit_in_a_value_or_in_all_is_refused() -> None:
    files.check_sizes({"a": files.MAX_VALUE_BYTES})
    with pytest.raises(ProviderFailed, match="a ocupa"):
        files.check_sizes({"a": files.MAX_VALUE_BYTES + 1})
    with pytest.raises(ProviderFailed, match="no caben"):
        files.check_sizes({"a": files.MAX_VALUE_BYTES, "b": files.MAX_VALUE_BYTES})


@pytest.mark.timeout(600)
def test_a_kill_at_any_moment_leaves_nothing_behind(tmp_path: Path) -> None:
    walk("support.gcp_scene:scene", tmp_path, left=inventory)


def test_a_project_of_its_own_goes_with_the_node(tmp_path: Path) -> None:
    new = {"proyecto-nuevo": "sí", "cuenta-facturacion": ACCOUNT}
    state = made(tmp_path, **new)
    assert state.order.option("proyecto").startswith("tunelab-nodo-ana-")
    assert "proyecto" in removed(state)
    assert inventory(tmp_path) == []


def test_a_project_with_other_machines_is_not_deleted(tmp_path: Path) -> None:
    state = made(tmp_path, **{"proyecto-nuevo": "sí", "cuenta-facturacion": ACCOUNT})
    project = f"--project={state.order.option('proyecto')}"
    other = [install(), *CREATE.split(), "otra", project, "--zone=us-east1-b"]
    subprocess.run(other, check=True, capture_output=True)
    with pytest.raises(ExitNodeError, match="otras máquinas"):
        removed(state)
    assert "machines/otra" in inventory(tmp_path)


def test_a_node_is_found_and_removed_when_its_state_is_lost(tmp_path: Path) -> None:
    order = replace(GcpProvider().settle(order_in(tmp_path)), data_port=8080)
    engine.create(GcpProvider(), order, Store(), lambda event: None, answer_at_once)
    shutil.rmtree(order.folder)
    (found,) = GcpProvider().found(Search(options=(("simulada", "sí"),)))
    assert (found.name, found.student, found.is_simulated) == ("nodo-ana", "ana", True)
    assert found.expires.endswith("Z")
    assert found.public_url.endswith(":8080")
    lost = order_in(tmp_path, proyecto="tunelab-simulado")
    assert removed(lost) == ("maquina", "cortafuegos")
    assert inventory(tmp_path) == []


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


def test_a_missing_gcloud_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    provider = GcpProvider()
    order = provider.settle(Order("gcp", "nodo", tmp_path / "nodo"))
    with pytest.raises(MissingTool, match=r"cloud\.google\.com/sdk/docs/install"):
        provider.check(order)


def test_nobody_logged_in_no_project_and_no_billing_are_three_messages(tmp_path: Path) -> None:
    change_world(tmp_path, accounts=[])
    with pytest.raises(NotLoggedIn, match="gcloud auth login"):
        made(tmp_path)
    change_world(tmp_path, accounts=["ana@example.com"], configured_project="")
    with pytest.raises(NoProject, match="--proyecto"):
        made(tmp_path)
    change_world(tmp_path, configured_project="ajeno")
    with pytest.raises(NoProject, match="no existe, o no es suyo"):
        made(tmp_path)
    change_world(tmp_path, projects=[{"id": "sin-pago"}], configured_project="sin-pago")
    with pytest.raises(BillingDisabled, match="nadie la elige por usted"):
        made(tmp_path)
    assert not world(tmp_path)["projects"][0].get("billing")


def test_a_billing_account_is_linked_only_when_it_is_named(tmp_path: Path) -> None:
    change_world(tmp_path, projects=[{"id": "sin-pago"}], configured_project="sin-pago")
    made(tmp_path, **{"cuenta-facturacion": ACCOUNT})
    assert world(tmp_path)["projects"][0]["billing"] == ACCOUNT
    with pytest.raises(BadOrder, match="lo elige usted"):
        GcpProvider().settle(order_in(tmp_path, **{"proyecto-nuevo": "sí"}))


def test_a_region_outside_the_free_tier_is_refused_with_the_nearest(tmp_path: Path) -> None:
    order = Order("gcp", "nodo", tmp_path, region="us-west2", options=(("simulada", "sí"),))
    with pytest.raises(BadOrder, match="¿Quiso decir us-west1"):
        GcpProvider().settle(order)


@pytest.mark.parametrize(
    ("kind", "expected", "words"),
    [
        ("quota", QuotaExceeded, "cuota"),
        ("permission", PermissionDenied, "permiso"),
        ("billing", BillingDisabled, "facturación"),
        ("taken", NameTaken, "--nombre"),
        ("network", Unavailable, "red"),
        ("login", NotLoggedIn, "gcloud auth login"),
    ],
)
@pytest.mark.parametrize("after", [False, True], ids=["refused", "done-and-the-answer-lost"])
def test_each_failure_has_its_message_and_leaves_nothing_unrecorded(
    kind: str, expected: type[ExitNodeError], words: str, after: bool, tmp_path: Path
) -> None:
    settings(tmp_path, faults=[{"command": CREATE, "kind": kind, "after": after}])
    with pytest.raises(expected, match=words):
        made(tmp_path)
    assert inventory(tmp_path) == ["machines/tunelab-nodo-ana"] * after + ["rules/tunelab-nodo-ana"]
    (state,) = Store().all()
    assert state.steps["maquina"] == "intentado"
    removed(state)
    assert inventory(tmp_path) == []


def test_the_next_zone_is_tried_where_one_is_full(tmp_path: Path) -> None:
    settings(tmp_path, faults=[{"command": CREATE, "kind": "exhausted", "zone": "us-central1-a"}])
    said: list[str] = []
    state = made(tmp_path, said)
    assert state.facts["zone"] == "us-central1-b"
    assert "En us-central1-a no hay lugar." in said
    removed(state)
    assert inventory(tmp_path) == []


def test_a_full_region_names_the_others(tmp_path: Path) -> None:
    settings(tmp_path, faults=[{"command": CREATE, "kind": "exhausted", "times": 9}])
    with pytest.raises(ZoneExhausted, match="us-east1"):
        made(tmp_path)
    assert inventory(tmp_path) == ["rules/tunelab-nodo-ana"]


def test_an_api_that_is_not_ready_yet_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(machine.time, "sleep", pauses.append)
    settings(tmp_path, faults=[{"command": CREATE, "kind": "api", "times": 2}])
    made(tmp_path)
    assert [pause for pause in pauses if pause >= 1] == [5, 10]  # subprocess has its own, shorter ones


def test_what_is_not_ours_is_never_touched(tmp_path: Path) -> None:
    subprocess.run(
        [install(), *CREATE.split(), "tunelab-nodo-ana", "--zone=us-west1-a"], check=True, capture_output=True
    )
    with pytest.raises(NameTaken, match="no es de este nodo"):
        made(tmp_path)
    (state,) = Store().all()
    with pytest.raises(ExitNodeError, match="tunelab-nodo-ana"):
        removed(state)  # it is listed as something of our name that is left, and stands
    assert inventory(tmp_path) == ["machines/tunelab-nodo-ana"]


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def tunnel(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = tunnel_main(["exit-node", *words])
    return code, out.getvalue(), err.getvalue()


def test_each_line_of_a_simulated_plan_says_so(tmp_path: Path) -> None:
    code, out, _ = tunnel("create", "--provider", "gcp", "--simulada", "--plan")
    assert code == 0
    assert len(out.splitlines()) > 20
    assert all(line.startswith("SIMULACIÓN |") for line in out.splitlines())


def test_every_verb_says_that_a_node_is_simulated(tmp_path: Path) -> None:
    made(tmp_path)
    verbs = (["list"], ["show"], ["cost"], ["ssh", "--orden", "true"], ["delete", "otro", "--simulada"])
    for words in verbs:
        _, out, err = tunnel(*words)
        lines = [line for line in (out + err).splitlines() if line]
        assert lines or words[0] == "ssh", words  # the stand-in itself speaks there, to the terminal
        assert all(line.startswith("SIMULACIÓN |") for line in lines), (words, lines)


def test_a_script_is_clean_and_makes_the_same_node(tmp_path: Path) -> None:
    shellcheck = require_program("shellcheck", "apt install shellcheck")
    settings(tmp_path, faults=[{"command": CREATE, "kind": "exhausted", "zone": "us-central1-a"}])
    path = tmp_path / "crear.sh"
    code, _, _ = tunnel("create", "--provider", "gcp", "--simulada", "--alumno", "ana", "--guion", str(path))
    assert code == 0
    subprocess.run([shellcheck, path], check=True)
    # All but its last step, which waits for a machine that boots.
    text, wait = path.read_text(), "--comprobar"
    lines = [line for line in text.splitlines() if wait not in line]
    assert len(lines) == len(text.splitlines()) - 1
    path.write_text("\n".join(lines))
    for is_first in (True, False):  # run again, it does nothing again
        ran = subprocess.run(
            ["bash", path],
            capture_output=True,
            text=True,
            env=os.environ | {"TUNEL": str(Path(sys.executable).with_name("tunnel"))},
        )
        assert ran.returncode == 0, ran.stderr
        assert ("se prueba la siguiente" in ran.stderr) is is_first
        (instance,) = world(tmp_path)["machines"]
        assert instance["zone"] == "us-central1-b"
        assert sorted(inventory(tmp_path)) == ["machines/tunelab-nodo-ana", "rules/tunelab-nodo-ana"]
    code, _, err = tunnel(
        "delete", "nodo-ana", "--provider", "gcp", "--simulada", "--proyecto", "tunelab-simulado", "--si"
    )
    assert code == 0, err
    assert inventory(tmp_path) == []
