"""``tunnel exit-node`` as a person and a program meet it, with a provider whose things are files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.tunnel.exitnodes.conftest import Desk
from tests.tunnel.unit.kit import assert_spanish

CREATE = ("create", "--provider", "guion", "--alumno", "ana")


def things(desk: Desk) -> list[str]:
    return sorted(path.name for path in desk.cloud.glob("nodo-*"))


def fault(desk: Desk, step: str) -> Path:
    path = desk.cloud / "fallas" / step
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────


def test_the_plan_has_each_step_with_its_reason_its_command_and_its_price_and_does_nothing(
    desk: Desk,
) -> None:
    plan = desk.script(*CREATE, "--plan").stdout
    assert things(desk) == desk.nodes == []
    assert re.findall(r"^(\d)\. ", plan, re.MULTILINE) == ["1", "2", "3", "4", "5"]
    assert plan.count("Sin la ") == 3
    assert plan.count("     $ ") == 6
    assert "Cuesta USD 0.0084 por hora, USD 6.11 por mes: e2-micro" in plan
    assert "En las 4h que dura: USD 0.03" in plan
    assert re.search(r"https://cloud\.google\.com/\S+ \(anotado el \d{4}-\d\d-\d\d; verifíquelo ahí\)", plan)
    assert "no prometen nada" in plan
    assert_spanish("\n".join(line for line in plan.splitlines() if "$ " not in line))


def test_the_plan_for_programs_carries_the_same(desk: Desk) -> None:
    plan = json.loads(desk.script(*CREATE, "--plan", "--json").stdout)
    assert [step["id"] for step in plan["steps"]] == ["red", "maquina", "regla"]
    assert plan["usd_hour"] == pytest.approx(0.008376)
    assert all(step["command"].startswith("touch ") for step in plan["steps"])


def test_without_a_terminal_nothing_is_done_until_si_says_so(desk: Desk) -> None:
    refused = desk.script(*CREATE, code=2)
    assert "agregue --si" in refused.stderr
    assert things(desk) == []
    desk.script(*CREATE, "--si")
    refused = desk.script("delete", code=2)
    assert "1. la regla\n     $ rm " in refused.stdout
    assert len(things(desk)) == 3
    desk.script("delete", "--si")
    assert things(desk) == []


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("", 1), ("s", 0), ("sí", 0)])
def test_a_person_is_asked(desk: Desk, answer: str, code: int) -> None:
    # script(1) gives a terminal: with one the question is asked, and progress is a line that lives.
    words = [str(word) for word in desk.scripted(*CREATE)]
    master, slave = os.openpty()
    process = subprocess.Popen(words, stdin=slave, stdout=subprocess.PIPE, stderr=slave, env=desk.env)
    os.close(slave)
    os.write(master, f"{answer}\n".encode())
    out, _ = process.communicate(timeout=30)
    os.close(master)
    assert process.returncode == code
    assert "¿Lo creo? [s/N]" in out.decode()
    assert len(things(desk)) == (0 if code else 3)


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────

KINDS = {
    "MissingTool": "missing-tool",
    "NotLoggedIn": "not-logged-in",
    "PermissionDenied": "permission",
    "BillingDisabled": "billing",
    "QuotaExceeded": "quota",
    "NameTaken": "name-taken",
    "ZoneExhausted": "zone-exhausted",
    "Unavailable": "unavailable",
    "ProviderFailed": "provider",
}


@pytest.mark.parametrize("error", KINDS)
def test_each_kind_of_fault_has_its_name_and_leaves_a_node_that_can_be_continued(
    desk: Desk, error: str
) -> None:
    fault(desk, "maquina").write_text(error)
    failed = desk.script(*CREATE, "--si", "--json", code=3)
    assert json.loads(failed.stdout)["error"] == KINDS[error]
    assert "tunnel exit-node create: el proveedor dijo que no" in failed.stderr
    assert things(desk) == ["nodo-ana-red"]
    fault(desk, "maquina").unlink()
    desk.script(*CREATE, "--si")
    assert len(things(desk)) == 3


def test_what_survives_a_removal_is_listed_with_a_receipt_and_an_exit_code_of_no(desk: Desk) -> None:
    desk.script(*CREATE, "--si")
    fault(desk, "maquina").write_text("PermissionDenied")
    failed = desk.script("delete", "--si", "--json", code=1)
    assert json.loads(failed.stdout)["error"] == "left-behind"
    assert "nodo-ana-maquina" in failed.stderr
    receipt = json.loads(next((desk.state / "tunelab" / "recibos").iterdir()).read_text())
    assert (receipt["clean"], receipt["left"]) == (False, ["nodo-ana-maquina"])
    assert desk.nodes == ["guion/nodo-ana"]
    fault(desk, "maquina").unlink()
    desk.script("delete", "--si")
    assert things(desk) == desk.nodes == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create", "--provider", "gpc"], 2, "no hay un proveedor «gpc»"),
        (["create", "--provider", "loca"], 2, "¿Quiso decir local?"),
        (["create", "--provider", "guion", "--nombre", "Ana"], 2, "no sirve como nombre"),
        (["create", "--provider", "guion", "--plan", "--comprobar"], 2, "--plan y --comprobar no van juntos"),
        (["create", "--provider", "guion", "--compartido"], 2, "--compartido va con --roster"),
        (["create", "--provider", "guion", "--dominio", "a.b"], 2, "--dominio va con --roster"),
        (["create", "--provider", "guion", "--carpeta", "x"], 2, "--carpeta es solo para vm, no para guion"),
        (["create", "--provider", "guion", "--roster", "no.csv"], 2, "no se puede leer la lista no.csv"),
        (["show"], 1, "no hay anotado ningún nodo"),
        (["show", "nodo-x", "--provider", "gpc"], 2, "no hay un proveedor «gpc»"),
        (["delete", "nodo-x", "--provider", "guion", "--si"], 1, "no hay ningún nodo «nodo-x»"),
        (["ssh", "../x", "--provider", "guion"], 2, "no sirve como nombre"),
    ],
)
def test_wrong_usage_is_toldwords_of_detail_and_leaves_nothing(
    desk: Desk, words: list[str], code: int, said: str
) -> None:
    failed = desk.script(*words, code=code)
    assert said in failed.stderr
    assert_spanish(failed.stderr)
    assert desk.nodes == []


def test_another_value_for_a_node_that_exists_is_refused_with_the_way_on(desk: Desk) -> None:
    desk.script(*CREATE, "--si", "--region", "us-east1")
    failed = desk.script(*CREATE, "--si", "--region", "us-west1", code=2)
    assert "otro valor de --region: us-east1" in failed.stderr
    desk.script(*CREATE, "--si")  # nothing said is nothing changed
    desk.script("delete", "--si")


def test_with_several_nodes_the_verbs_ask_which(desk: Desk) -> None:
    desk.script(*CREATE, "--si")
    desk.script("create", "--provider", "guion", "--alumno", "luis", "--lab", "03", "--si")
    failed = desk.script("show", code=2)
    assert "nodo-ana (guion), nodo-luis-03 (guion)" in failed.stderr
    desk.script("delete", "--alumno", "luis", "--lab", "03", "--si")
    assert desk.nodes == ["guion/nodo-ana"]
    desk.script("delete", "--si")


# ── interruption ─────────────────────────────────────────────────────────────────────────────────


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(desk: Desk) -> None:
    pipe = fault(desk, "maquina")
    os.mkfifo(pipe)
    process = subprocess.Popen(
        desk.scripted(*CREATE, "--si"),
        env=desk.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    state = desk.state / "tunelab" / "nodos" / "guion" / "nodo-ana" / "estado.json"
    deadline = time.monotonic() + 20
    while not (state.exists() and '"maquina": "intentado"' in state.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "otra orden está trabajando" in desk.script(*CREATE, "--si", code=3).stderr
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Para continuar:      tunnel exit-node create --provider guion --nombre nodo-ana" in told
    assert "Para quitarlo todo:  tunnel exit-node delete nodo-ana --provider guion" in told
    pipe.unlink()
    desk.script(*CREATE, "--si")
    assert len(things(desk)) == 3
    desk.script("delete", "--si")
    assert things(desk) == desk.nodes == []


# ── looking ──────────────────────────────────────────────────────────────────────────────────────


def test_list_asks_the_provider_and_finds_what_is_not_recorded(desk: Desk) -> None:
    assert desk.script("list").stdout == "No hay nodos de salida.\n"
    desk.script(*CREATE, "--si")
    (desk.cloud / "nodo-perdido-maquina").write_text("{}")
    rows = desk.script("list").stdout.splitlines()
    assert re.fullmatch(r"nodo-ana +guion +en marcha +http://192\.0\.2\.10:8000", rows[1])
    assert re.fullmatch(r"nodo-perdido +guion +en marcha +- +\(no está anotado aquí\)", rows[2])


def test_cost_tells_what_a_node_costs_and_without_one_the_table(desk: Desk) -> None:
    table = desk.script("cost").stdout
    assert "e2-micro" in table
    assert table.count("(anotado el ") >= 3
    desk.script(*CREATE, "--si")
    assert "nodo-ana (guion): USD 0.0084 por hora; lleva 0.0 h" in desk.script("cost").stdout
    assert json.loads(desk.script("cost", "--json").stdout)["nodes"][0]["name"] == "nodo-ana"


def test_show_gives_one_thing_to_scripts(desk: Desk) -> None:
    desk.script(*CREATE, "--si")
    assert desk.script("show", "--solo", "remote").stdout == "192.0.2.10:8000\n"
    assert "los hay: remote" in desk.script("show", "--solo", "token", code=2).stderr


def test_logs_hands_the_terminal_over_and_returns_its_code(desk: Desk) -> None:
    desk.script(*CREATE, "--si")
    assert '"nodo": "nodo-ana"' in desk.script("logs").stdout
    (desk.cloud / "nodo-ana-maquina").unlink()
    desk.script("logs", code=1)


def test_the_connection_file_is_written_where_it_is_asked_for_and_never_over_something_else(
    desk: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "mi conexión.toml"
    desk.script(*CREATE, "--si", "--conexion", path)
    own = desk.state / "tunelab" / "nodos" / "guion" / "nodo-ana" / "conexion.toml"
    assert path.read_text() == own.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("una carta")
    assert "no se sobrescribe" in desk.script(*CREATE, "--si", "--conexion", path, code=2).stderr
    assert path.read_text() == "una carta"
