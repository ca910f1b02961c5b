"""``--provider local``: real servers, real clients, real kills."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backend import Backend
from support.killed import walk
from support.local_node import left
from support.tunnel_process import TunnelProcess
from support.wire import Wire

from tests.tunnel.exitnodes.conftest import Desk
from tunnel.exitnodes.errors import ProviderFailed
from tunnel.exitnodes.local import detached

PORTS = ("--port", "0", "--control-port", "0")
CREATE = ("create", "--provider", "local", "--alumno", "ana", "--si", *PORTS)


@pytest.fixture
def clean(desk: Desk) -> Iterator[Desk]:
    """End what a failed test left running."""
    yield desk
    for folder in (desk.state / "tunelab" / "nodos" / "local").glob("*"):
        detached.stop(folder)


def pid_of(folder: Path) -> int:
    return int(json.loads((folder / "proceso.json").read_text())["pid"])


def kill(folder: Path) -> None:
    """End the node's process as a crash would."""
    pid = pid_of(folder)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)  # an orphan, and so this process's child: see tests/conftest.py


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):  # orphans are this process's children: see tests/conftest.py
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.timeout(120)
def test_a_visitor_reaches_the_service_through_a_node_that_was_made_with_one_command(clean: Desk) -> None:
    node = json.loads(clean.run(*CREATE, "--json").stdout)
    assert node["phase"] == "listo"
    folder = Path(node["connection_file"]).parent
    pid = pid_of(folder)
    service = Backend()
    client = TunnelProcess(
        "client", f"--conexion={node['connection_file']}", f"--upstream={service.url}", "--json"
    )
    try:
        client.wait_for("connected")
        host, port = node["remote"].split(":")
        with Wire.to(int(port), host) as visitor:
            assert b"hola" in visitor.ask().content
    finally:
        client.close()
        service.close()
    receipt = json.loads(clean.run("delete", "--si", "--json").stdout)
    assert (receipt["clean"], receipt["removed"], receipt["left"]) == (True, ["proceso"], [])
    assert receipt["queries"]
    assert not is_alive(pid)
    assert clean.nodes == []
    assert Path(receipt["receipt"]).stat().st_mode & 0o077 == 0


@pytest.mark.timeout(400)
def test_a_kill_at_any_moment_leaves_no_process_once_continued_or_deleted(tmp_path: Path) -> None:
    walk("support.local_node:scene", tmp_path, left)


def test_the_same_command_again_finds_the_node_and_changes_nothing(clean: Desk) -> None:
    first = json.loads(clean.run(*CREATE, "--json").stdout)
    pid = pid_of(Path(first["connection_file"]).parent)
    connection = Path(first["connection_file"]).read_text()
    second = json.loads(clean.run(*CREATE, "--json").stdout)
    assert (second["url"], second["created_at"]) == (first["url"], first["created_at"])
    assert Path(first["connection_file"]).read_text() == connection
    assert pid_of(Path(first["connection_file"]).parent) == pid
    assert is_alive(pid)
    clean.run("delete", "--si")


def test_a_node_that_died_is_made_again_with_the_same_addresses_and_the_same_pin(clean: Desk) -> None:
    first = json.loads(clean.run(*CREATE, "--json").stdout)
    connection = Path(first["connection_file"]).read_text()
    kill(Path(first["connection_file"]).parent)
    assert "NO  el servidor del túnel" in clean.run("show", code=1).stdout
    assert "detenido" in clean.run("list").stdout
    clean.run(*CREATE)
    assert Path(first["connection_file"]).read_text() == connection
    clean.run("show")
    clean.run("delete", "--si")


def test_list_and_delete_find_a_node_whose_record_was_lost(clean: Desk) -> None:
    node = json.loads(clean.run(*CREATE, "--json").stdout)
    folder = Path(node["connection_file"]).parent
    pid = pid_of(folder)
    (folder / "estado.json").unlink()
    listed = json.loads(clean.run("list", "--json").stdout)["nodes"]
    assert [(row["name"], row["state"], row["recorded"]) for row in listed] == [
        ("nodo-ana", "en marcha", False)
    ]
    clean.run("delete", "nodo-ana", "--si", code=1)  # whose? nobody says it is local
    clean.run("delete", "nodo-ana", "--provider", "local", "--si")
    assert not is_alive(pid)
    assert clean.nodes == []


def test_a_node_whose_record_was_lost_is_taken_up_again_by_the_same_command(clean: Desk) -> None:
    first = json.loads(clean.run(*CREATE, "--json").stdout)
    folder = Path(first["connection_file"]).parent
    pid, connection = pid_of(folder), Path(first["connection_file"]).read_text()
    (folder / "estado.json").unlink()
    second = json.loads(clean.run(*CREATE, "--json").stdout)
    assert (second["url"], pid_of(folder)) == (first["url"], pid)
    assert Path(second["connection_file"]).read_text() == connection
    clean.run("delete", "--si")


@pytest.mark.timeout(120)
def test_the_commands_of_the_plan_copied_one_by_one_make_the_node(clean: Desk) -> None:
    plan = clean.run(*CREATE, "--plan").stdout
    assert clean.nodes == []
    commands = [line.strip().removeprefix("$ ") for line in plan.splitlines() if line.startswith("     $ ")]
    assert len(commands) == 4
    for command in commands:
        clean.call("bash", "-c", command)
    assert json.loads(clean.run("show", "--json").stdout)["phase"] == "listo"
    clean.run("delete", "--si")


def test_no_secret_is_in_the_plan_the_script_the_output_or_the_list_of_processes(clean: Desk) -> None:
    made = clean.run(*CREATE)
    folder = clean.state / "tunelab" / "nodos" / "local" / "nodo-ana"
    token = (folder / "token").read_text().strip()
    assert len(token) > 20
    command = Path(f"/proc/{pid_of(folder)}/cmdline").read_bytes().decode()
    script = clean.run("create", "--provider", "local", "--alumno", "ana", "--guion", "-").stdout
    state = (folder / "estado.json").read_text()
    verbs = (["show"], ["show", "--json"], ["list", "--json"], ["logs"], ["cost"])
    texts = [made.stdout, made.stderr, command, script, state, *(clean.run(*verb).stdout for verb in verbs)]
    for text in texts:
        assert text
        assert token not in text
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    clean.run("delete", "--si")


@pytest.mark.timeout(120)
def test_the_script_has_the_same_result_as_the_command_and_can_be_run_twice(
    clean: Desk, tmp_path: Path
) -> None:
    script = tmp_path / "crear nodo.sh"
    clean.run(*CREATE, "--guion", script)
    assert clean.nodes == []
    clean.call(Path(sys.executable).with_name("shellcheck"), script)
    for _ in range(2):
        told = clean.call("bash", script)
        assert "REMOTE=127.0.0.1:" in told.stdout
    by_script = json.loads(clean.run("show", "--json").stdout)
    assert by_script["exists"] == {"proceso": True}
    connection = (clean.state / "tunelab/nodos/local/nodo-ana/conexion.toml").read_text()
    clean.run("delete", "--si")
    clean.run(*CREATE)
    by_command = json.loads(clean.run("show", "--json").stdout)
    assert by_script.keys() == by_command.keys()
    assert by_script["steps"] == by_command["steps"]
    lines = (clean.state / "tunelab/nodos/local/nodo-ana/conexion.toml").read_text().splitlines()
    assert [line.split("=")[0] for line in connection.splitlines()] == [line.split("=")[0] for line in lines]
    clean.run("delete", "--si")


def test_a_taken_port_is_stepped_aside_from_and_the_plan_says_so(clean: Desk) -> None:
    other = Backend()
    plan = clean.run("create", "--provider", "local", "--plan", "--port", str(other.port)).stdout
    other.close()
    assert "Visitantes por el puerto" in plan
    assert f"puerto {other.port} " not in plan


def test_a_server_that_cannot_start_is_told_with_its_own_words(clean: Desk) -> None:
    node = json.loads(clean.run(*CREATE, "--json").stdout)
    kill(Path(node["connection_file"]).parent)
    intruder = Backend(port=int(node["remote"].rpartition(":")[2]))
    told = clean.run(*CREATE, code=3)
    intruder.close()
    assert "el servidor terminó apenas empezó" in told.stderr
    assert "otro programa ocupa ya el puerto" in told.stderr
    clean.run("delete", "--si")


def test_ssh_to_this_very_machine_is_refused_with_the_reason(clean: Desk) -> None:
    clean.run(*CREATE)
    assert "en esta misma máquina" in clean.run("ssh", code=2).stderr
    clean.run("delete", "--si")


# ── the process ──────────────────────────────────────────────────────────────────────────────────


def test_a_process_that_got_the_number_of_a_dead_one_is_never_signalled(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        assert detached.start(tmp_path, ["sleep", "60"])
        record = json.loads((tmp_path / "proceso.json").read_text())
        # Not of the same tick: two processes of one number never began at once.
        forged = {**record, "pid": bystander.pid, "started": f"{record['started']}0"}
        (tmp_path / "proceso.json").write_text(json.dumps(forged))
        os.kill(record["pid"], signal.SIGKILL)
        detached.stop(tmp_path)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_record_that_names_another_process_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached, "_KILL_S", 0.2)
    monkeypatch.setattr(detached, "_DRAIN_S", 0.2)
    bystander = subprocess.Popen(["sleep", "60"])
    assert detached.start(tmp_path, ["sleep", "60"])
    own = pid_of(tmp_path)
    record = json.loads((tmp_path / "proceso.json").read_text())
    try:
        # Not of the same tick: two processes of one number never began at once.
        forged = {**record, "pid": bystander.pid, "started": f"{record['started']}0"}
        (tmp_path / "proceso.json").write_text(json.dumps(forged))
        with pytest.raises(ProviderFailed, match="no se pudo terminar"):
            detached.stop(tmp_path)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
        (tmp_path / "proceso.json").write_text(json.dumps(record))
        detached.stop(tmp_path)
    assert not is_alive(own)


def test_of_many_who_start_it_at_once_one_does(tmp_path: Path) -> None:
    made: list[bool] = []
    threads = [
        threading.Thread(target=lambda: made.append(detached.start(tmp_path, ["sleep", "60"])))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]
    detached.stop(tmp_path)
    assert not detached.is_running(tmp_path)


def test_a_process_that_ignores_the_polite_signal_is_ended_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached, "_DRAIN_S", 0.2)
    assert detached.start(tmp_path, ["sh", "-c", "trap '' TERM; echo listo; while :; do sleep 1; done"])
    pid = pid_of(tmp_path)
    detached.stop(tmp_path)
    assert not is_alive(pid)


def test_a_command_that_does_not_exist_is_an_error_and_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        detached.start(tmp_path, ["no-existe-este-programa"])
    assert not detached.is_running(tmp_path)
