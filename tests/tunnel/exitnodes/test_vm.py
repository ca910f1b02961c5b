"""``--provider vm``: a real server, and a stand-in for Vagrant (tests/infra raises real machines)."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.tunnel_process import TunnelProcess, ended

from tests.tunnel.exitnodes.conftest import Desk
from tunnel.exitnodes import engine, vm
from tunnel.exitnodes.errors import BadOrder, Unavailable
from tunnel.exitnodes.model import Order, Student
from tunnel.exitnodes.state import Store

ROOT = Path(__file__).resolve().parents[3]

# It knows the three commands that the provider gives, writes down each, and refuses any other.
VAGRANT = """\
#!/usr/bin/env bash
set -euo pipefail
cd "$VAGRANT_CWD"
echo "$*" >>calls
case "$*" in
  "status exit-node --machine-readable")
    echo "1700000000,exit-node,provider-name,virtualbox"
    echo "1700000000,exit-node,state,$(cat state)" ;;
  "up exit-node") echo running >state ;;
  "ssh exit-node -c sudo cat /var/lib/tunelab/conexion.toml") cat conexion.toml ;;
  "ssh exit-node -c hostname") echo exit-node ;;
  "ssh exit-node -c sudo journalctl --unit tunnel-server --no-pager") echo registro ;;
  *) echo "unknown: $*" >&2; exit 2 ;;
esac
"""


@pytest.fixture
def project(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout whose machine exit-node is a server on loopback, and a Vagrant that can raise it."""
    folder = tmp_path / "proyecto"
    folder.mkdir()
    (folder / "Vagrantfile").write_text(
        'NODES = [{ name: "exit-node", address: "127.0.0.1", memory: 512 }]\n'
    )
    (folder / "state").write_text("poweroff\n")
    programs = tmp_path / "programas"
    programs.mkdir()
    (programs / "vagrant").write_text(VAGRANT)
    (programs / "vagrant").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{desk.env['PATH']}")
    server = TunnelProcess(
        "server",
        "--host=127.0.0.1",
        "--control-host=127.0.0.1",
        "--port=0",
        "--control-port=0",
        "--auto-tls",
        "--auto-tls-san=localhost",
        f"--state-dir={tmp_path / 'servidor'}",
        f"--conexion={folder / 'conexion.toml'}",
        "--json",
    )
    with ended([server]):
        server.wait_for("listening")
        yield folder


def test_the_address_is_the_one_of_the_table_of_machines() -> None:
    assert vm._address(ROOT) == "192.168.56.20"


def test_a_machine_that_is_off_is_raised_and_stays_on_when_the_node_goes(desk: Desk, project: Path) -> None:
    words = ("create", "--provider", "vm", "--alumno", "ana", "--carpeta", project, "--si", "--json")
    node = json.loads(desk.run(*words).stdout)
    connection = tomllib.loads(Path(node["connection_file"]).read_text())
    theirs = tomllib.loads((project / "conexion.toml").read_text())
    assert connection["url"] == theirs["url"].replace("localhost", "127.0.0.1")
    assert (connection["token"], connection["pin"]) == (theirs["token"], theirs["pin"])
    assert "up exit-node" in (project / "calls").read_text().splitlines()

    desk.run(*words)
    assert (project / "calls").read_text().splitlines().count("up exit-node") == 1
    assert desk.run("ssh", "--orden", "hostname").stdout == "exit-node\n"
    assert desk.run("logs").stdout == "registro\n"
    receipt = json.loads(desk.run("delete", "--si", "--json").stdout)
    assert (receipt["clean"], receipt["removed"], receipt["kept"]) == (True, [], ["maquina"])
    assert (project / "state").read_text() == "running\n"
    assert desk.nodes == []


def test_its_script_has_the_same_result(desk: Desk, project: Path, tmp_path: Path) -> None:
    script = tmp_path / "nodo.sh"
    desk.run("create", "--provider", "vm", "--carpeta", project, "--guion", script)
    assert "token" not in script.read_text()
    for _ in range(2):
        assert "REMOTE=127.0.0.1:" in desk.call("bash", script).stdout
    desk.run("show")
    desk.run("delete", "--si")


def test_without_vagrant_or_outside_of_the_project_it_says_what_is_missing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = desk.run("create", "--provider", "vm", "--carpeta", tmp_path, "--si", code=2)
    assert "no está el Vagrantfile del curso" in told.stderr
    order = Order("vm", "nodo-ana", tmp_path / "nodo", students=(Student("1", "Ana", "", "ana"),))
    with pytest.raises(BadOrder, match="un solo token"):
        vm.VmProvider().settle(order)


def test_inside_the_laptop_the_connection_that_the_play_left_is_used_and_proven_by_the_token(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = (project / "conexion.toml").read_text()
    pin = tomllib.loads(theirs)["pin"]
    left = tmp_path / "conexion.toml"
    left.write_text(theirs.replace(pin, "token"))
    monkeypatch.setattr(vm, "_IN_THE_LAPTOP", (tmp_path / "no", left))
    provider, store = vm.VmProvider(), Store(tmp_path / "estado")
    order = provider.settle(Order("vm", "nodo-ana", store.folder("vm", "nodo-ana")))
    provider.check(order)
    state = engine.create(provider, order, store, lambda event: None)
    assert state.phase == "listo"
    assert tomllib.loads(order.connection_file.read_text())["pin"] == "token"
    assert not order.secret_file.exists()
    receipt, _ = engine.delete(provider, order, store, lambda event: None)
    assert receipt.kept == ("maquina",)


def test_inside_the_laptop_a_machine_that_is_off_is_told_with_the_way_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "conexion.toml"
    left.write_text(
        'version = 1\nurl = "wss://127.0.0.1:1"\ntoken = "un-token-cualquiera"\npin = "token"\n'
        'public_url = "http://127.0.0.1:1"\n'
    )
    monkeypatch.setattr(vm, "_IN_THE_LAPTOP", (left, left))
    provider, store = vm.VmProvider(), Store(tmp_path / "estado")
    order = provider.settle(Order("vm", "nodo-ana", store.folder("vm", "nodo-ana")))
    with pytest.raises(Unavailable, match="vagrant up exit-node"):
        engine.create(provider, replace(order), store, lambda event: None)
