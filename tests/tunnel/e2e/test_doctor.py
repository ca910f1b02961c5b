"""``tunnel doctor``: each hop that fails is told apart, and a client that runs is not disturbed."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.backend import Backend
from support.own_service import free_port
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import COMMAND, Server, TunnelProcess
from support.wire import response

from tests.tunnel.unit.kit import assert_spanish

OTHER_TOKEN = "otro-token-de-prueba-90210-abcdef"
HOPS = ["name", "port", "tls", "token", "service", "public", "clock", "speed"]


@dataclass(frozen=True, slots=True)
class Told:
    """What the doctor said: verdicts by hop, all its words, and how it ended."""

    verdicts: dict[str, str]
    details: dict[str, str]
    code: int

    @property
    def failing(self) -> list[str]:
        return [hop for hop, verdict in self.verdicts.items() if verdict == "falla"]


def ask(*options: str, token: str | None = TOKEN) -> Told:
    env = {key: value for key, value in os.environ.items() if key != "TUNELAB_TOKEN"}
    if token is not None:
        env["TUNELAB_TOKEN"] = token
    done = subprocess.run(
        [COMMAND, "doctor", *options, "--json"],
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.stderr == "", done.stderr
    findings = json.loads(done.stdout)
    for finding in findings:
        assert_spanish(f"{finding['title']} {finding['detail']} {finding['advice']}")
        assert (finding["verdict"] in ("falla", "aviso")) == bool(finding["advice"]), finding
    return Told(
        {finding["code"]: finding["verdict"] for finding in findings},
        {finding["code"]: finding["detail"] for finding in findings},
        done.returncode,
    )


def options_for(server: Server, backend: Backend | None = None) -> list[str]:
    found = [f"--url=ws://127.0.0.1:{server.control_port}", f"--publico=http://127.0.0.1:{server.port}"]
    return found + ([f"--upstream={backend.url}"] if backend is not None else [])


def test_a_whole_way_is_good_and_its_client_goes_on_undisturbed(start: Starter) -> None:
    server, backend = start.server(), start.backend()
    client = start.connected_client(server, backend)
    for _ in range(3):
        told = ask(*options_for(server, backend))
        assert told.code == 0
        assert told.verdicts == dict.fromkeys(HOPS, "bien")
    with server.visit() as wire:
        assert wire.ask().content == b"hola"
    assert (client.count("connected"), client.count("disconnected")) == (1, 0)
    assert server.count("client_gone") == 0


def test_with_no_client_the_public_side_is_a_warning_that_says_what_to_start(start: Starter) -> None:
    server = start.server()
    told = ask(*options_for(server))
    assert (told.verdicts["public"], told.verdicts["speed"], told.code) == ("aviso", "no se miró", 0)
    assert "no-client" in told.details["public"]


def test_something_else_on_the_public_side_is_told_from_an_exit_node(start: Starter) -> None:
    server, other = start.server(), start.backend()
    told = ask(f"--url=ws://127.0.0.1:{server.control_port}", f"--publico={other.url}")
    assert told.failing == ["public"]
    assert "no es un nodo de salida" in told.details["public"]


def test_a_service_that_is_not_there_is_what_fails(start: Starter) -> None:
    server = start.server()
    told = ask(*options_for(server), f"--upstream=http://127.0.0.1:{free_port()}")
    assert (told.failing, told.code) == (["service"], 1)
    assert "nada escucha en ese puerto" in told.details["service"]


def test_a_service_with_a_fault_of_its_own_is_a_warning(start: Starter) -> None:
    server, backend = start.server(), start.backend()
    backend.answer(lambda _: response(500))
    told = ask(*options_for(server), f"--upstream={backend.url}")
    assert (told.verdicts["service"], told.code) == ("aviso", 0)


def test_a_wrong_token_is_what_fails(start: Starter) -> None:
    told = ask(*options_for(start.server()), token=OTHER_TOKEN)
    assert (told.failing, told.code) == (["token"], 1)


def test_a_closed_port_is_what_fails_and_what_stands_on_it_is_not_looked_at() -> None:
    told = ask(f"--url=ws://127.0.0.1:{free_port()}")
    assert (told.failing, told.code) == (["port"], 1)
    assert {told.verdicts[hop] for hop in ("tls", "token")} == {"no se miró"}


def test_a_name_that_does_not_exist_is_what_fails() -> None:
    told = ask("--url=wss://nadie.invalid:8123")  # RFC 6761, section 6.4
    assert (told.failing, told.verdicts["port"]) == (["name"], "no se miró")


def test_something_else_on_the_port_is_told_from_an_exit_node(start: Starter) -> None:
    told = ask(f"--url=ws://127.0.0.1:{start.backend().port}")
    assert told.failing == ["tls"]
    assert "otra cosa" in told.details["tls"]


def test_a_connection_file_is_all_that_it_needs(start: Starter, tmp_path: Path) -> None:
    backend = start.backend()
    folder = tmp_path / "estado"
    server = Server(start.token_file, "--auto-tls", f"--state-dir={folder}", "--auto-tls-san=127.0.0.1")
    start.processes.append(server)
    connection = folder / "conexion.toml"
    client = TunnelProcess("client", f"--conexion={connection}", f"--upstream={backend.url}", "--json")
    start.processes.append(client)
    client.wait_for("connected")
    told = ask(f"--conexion={connection}", f"--upstream={backend.url}", token=None)
    assert told.verdicts == dict.fromkeys(HOPS, "bien")
    assert "la de la huella" in told.details["tls"]


def test_the_wrong_pin_is_what_fails(start: Starter, tmp_path: Path) -> None:
    folder = tmp_path / "estado"
    server = Server(start.token_file, "--auto-tls", f"--state-dir={folder}", "--auto-tls-san=127.0.0.1")
    start.processes.append(server)
    told = ask(f"--url=wss://127.0.0.1:{server.control_port}", f"--ca-pin=sha256:{'0' * 64}")
    assert told.failing == ["tls"]
    assert "no es la de la huella" in told.details["tls"]


def test_a_tcp_service_is_looked_at_too(start: Starter) -> None:
    server, service = start.server(), start.backend()
    told = ask(*options_for(server), f"--tcp=5432=127.0.0.1:{service.port}")
    assert told.verdicts["service"] == "bien"
    told = ask(*options_for(server), f"--tcp=5432=127.0.0.1:{free_port()}")
    assert told.failing == ["service"]


@pytest.mark.parametrize("is_good", [True, False])
def test_a_person_reads_a_line_for_each_hop(start: Starter, tmp_path: Path, is_good: bool) -> None:
    server, backend = start.server(), start.backend()
    start.connected_client(server, backend)
    token = start.token_file if is_good else write_token(tmp_path / "otro.txt", OTHER_TOKEN)
    command = [COMMAND, "doctor", *options_for(server, backend), f"--token-file={token}"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == (0 if is_good else 1)
    assert ("Ningún tramo de los que se miraron falla." in done.stdout) is is_good
    assert ("✗ el token (falla)" in done.stdout) is not is_good
    assert_spanish(done.stdout)
    assert TOKEN not in done.stdout + done.stderr
