"""``tunnel status``: asked as a person asks it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.own_service import free_port
from support.tinyproxy import tinyproxy
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import COMMAND, TunnelProcess
from support.wire import eventually

from tests.tunnel.unit.kit import assert_spanish
from tunnel.cli.status_table import render
from tunnel.metrics.model import BUCKETS_S, AgentStatus, LinkStatus, MemoryStatus, NameStatus, ServerStatus


@dataclass(frozen=True, slots=True)
class Told:
    out: str
    err: str
    code: int


def ask(*options: str, token: str = "") -> Told:
    env = {key: value for key, value in os.environ.items() if key != "TUNELAB_TOKEN"}
    done = subprocess.run(
        [COMMAND, "status", *options],
        env=env | ({"TUNELAB_TOKEN": token} if token else {}),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert TOKEN not in done.stdout + done.stderr
    assert_spanish(done.stderr)
    return Told(done.stdout, done.stderr, done.returncode)


def url_of(process: TunnelProcess) -> str:
    return f"--url={process.wait_for('metrics')['url']}"


def test_a_person_reads_who_is_connected_and_what_passes(start: Starter) -> None:
    server, backend = start.server("--metrics=0"), start.backend()
    client = start.connected_client(server, f"ana.example={backend.url}", options=("--metrics=0",))
    with server.visit() as wire:
        wire.ask("GET", "/", "Host: ana.example")
        wire.ask("GET", "/", "Host: nadie.example")
    told = ask(url_of(server))
    lines = [line.split() for line in told.out.splitlines() if line]
    assert (told.code, told.err) == (0, "")
    assert lines[0][:3] == ["Nodo", "de", "salida,"]
    assert "1 cliente" in told.out
    (row,) = [line for line in lines if line[0] == "ana.example"]
    assert row[1:7] == ["1", "1", "0", "0", "0", "0"]
    (row,) = [line for line in lines if line[0] == "otros,"]
    assert "1" in row
    assert_spanish(told.out)
    other = ask(url_of(client))
    assert "abierto" in other.out
    assert f"http://ana.example:{server.port}  →  {backend.url}" in other.out
    assert_spanish(other.out)


def test_with_the_connection_file_an_exit_node_far_away_is_asked_over_tls(
    start: Starter, tmp_path: Path
) -> None:
    folder = tmp_path / "estado"
    options = ("--auto-tls", f"--state-dir={folder}", "--auto-tls-san=127.0.0.1", "--metrics=0")
    server = start.server(*options)
    connection = f"--conexion={folder / 'conexion.toml'}"
    told = ask(connection, "--json")
    assert (told.code, json.loads(told.out)["sees_all"]) == (0, True)
    with tinyproxy(tmp_path) as (port, log):
        assert ask(connection, f"--proxy=http://127.0.0.1:{port}").code == 0
        assert f"CONNECT 127.0.0.1:{server.control_port}" in log.read_text()
    wrong = ask(f"--url=wss://127.0.0.1:{server.control_port}", f"--ca-pin=sha256:{'0' * 64}", token="x" * 20)
    assert wrong.code == 1
    assert "no es la de la huella" in wrong.err


def test_why_there_is_no_status_is_told_with_its_exit_code(start: Starter, tmp_path: Path) -> None:
    server, silent, other = start.server("--metrics=0"), start.server(), start.backend()
    url = f"--url=ws://127.0.0.1:{server.control_port}"
    wrong = write_token(tmp_path / "otro.txt", "otro-token-0123456789")
    for options, token, code, said in (
        ((url,), TOKEN, 0, ""),
        ((url, f"--token-file={wrong}"), "", 1, "no conoce este token"),
        ((f"--url=ws://127.0.0.1:{silent.control_port}",), TOKEN, 1, "--metrics"),
        ((f"--url={other.url}",), "", 1, "otra cosa"),
        ((f"--url=http://127.0.0.1:{free_port()}",), "", 3, "nada escucha"),
        (("--url=http://192.0.2.1:9180",), "", 2, "es de otra máquina"),
        ((url,), "", 2, "falta el token"),
    ):
        told = ask(*options, token=token)
        assert told.code == code, (options, told)
        assert said in told.err
        assert bool(told.err) is (code != 0)


def test_it_can_be_watched_until_ctrl_c_and_goes_on_while_nobody_answers(start: Starter) -> None:
    server = start.server("--metrics=0", port=0)
    watch = TunnelProcess("status", url_of(server), "--watch", "0.2", "--json")
    start.processes.append(watch)
    eventually(lambda: watch.out.count('"role": "server"') >= 3, "three readings")
    server.kill()
    eventually(lambda: "no contesta" in watch.err, "it says that nobody answers")
    watch.signal(signal.SIGINT)
    assert watch.wait() == 130


def test_what_others_wrote_moves_no_cursor_in_the_table() -> None:
    link = LinkStatus("s", "a\x1b[2Jb", "1.2.3.4:5", ("x\ny",), (5432,), "\x07", 1, 9, 1_234_567, 999, 0.2, 0)
    counts = (0, 3) + (0,) * (len(BUCKETS_S) - 1)
    name = NameStatus("*", {"2xx": 3}, {"no-client": 1}, counts, 0.02)
    status = ServerStatus(
        "server", "1", 90061.0, True, True, 1, 9, MemoryStatus(64 << 20, 1000), (link,), 0, (), (name,)
    )
    text = render(status, None, 0)
    assert all(line.isprintable() for line in text.splitlines())
    for said in (
        "1 d 1 h",
        "deteniéndose",
        "1,2 MB",
        "999 B",
        "puerto 5432",
        "todos los demás",
        "8 ms",
        "0 MiB libres de 64 MiB",
    ):
        assert said in text
    assert "POR SEGUNDO" not in text
    later = render(status, status, 2.0)
    assert later.splitlines()[-1].endswith("0,0")
    assert render(AgentStatus("client", "1", 5, None, ()), None, 0).startswith("Cliente")


@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_a_wrong_interval_is_told(value: str) -> None:
    assert ask(f"--watch={value}").code == 2


def test_a_connection_whose_certificate_is_none_is_told(tmp_path: Path) -> None:
    lines = ("version = 1", 'url = "wss://192.0.2.1:8123"', 'certificate = "x"', 'key = "x"', "")
    file = write_token(tmp_path / "conexion.toml", "\n".join(lines))
    told = ask(f"--conexion={file}")
    assert told.code == 2
    assert "no son un certificado y su llave" in told.err
