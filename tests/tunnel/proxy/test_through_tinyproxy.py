"""Out through Debian's tinyproxy: the link, its TLS, and every way in which a proxy says no."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest
from support.own_service import free_port
from support.tinyproxy import tinyproxy
from support.tunnel_kit import TOKEN, Starter
from support.tunnel_process import COMMAND, Client, Server, TunnelProcess
from support.wire import Wire, eventually

from tests.tunnel.unit.kit import assert_spanish

MIB = 1024 * 1024
PASSWORD = "clave-del-proxy-93f1"
SPELLED = "127.1"  # inet(3): this machine, in a way that does not look like it


def password_file(folder: Path, password: str = PASSWORD) -> Path:
    file = folder / "clave.txt"
    file.touch(mode=0o600)
    file.write_text(password + "\n")
    return file


def client(start: Starter, *options: str, **environ: str) -> TunnelProcess:
    """Start an agent with whatever options; it may not be connected yet."""
    agent = Client.__new__(Client)
    TunnelProcess.__init__(agent, "client", "--json", *options, env=environ)
    start.processes.append(agent)
    return agent


def encrypted(start: Starter, tmp_path: Path) -> tuple[Server, Path]:
    folder = tmp_path / "estado"
    server = start.server("--auto-tls", f"--state-dir={folder}", "--auto-tls-san=127.0.0.1")
    return server, folder / "conexion.toml"


def connects(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if ": CONNECT " in line]


def test_an_encrypted_link_passes_through_and_is_verified_as_ever(start: Starter, tmp_path: Path) -> None:
    backend = start.backend()
    server, connection = encrypted(start, tmp_path)
    with tinyproxy(tmp_path) as (port, log):
        options = [f"--upstream={backend.url}", f"--proxy=http://127.0.0.1:{port}"]
        agent = client(start, *options, f"--conexion={connection}")
        agent.wait_for("connected")
        with server.visit() as wire:
            assert wire.ask("POST", "/", content=b"x" * MIB).content == b"hola"
        assert len(backend.requests[0].content) == MIB
        assert any(f"127.0.0.1:{server.control_port}" in line for line in connects(log))
        assert len(connects(log)) == 2  # for the CA, and for the link
        false_pin = client(
            start,
            *options,
            f"--url=wss://127.0.0.1:{server.control_port}",
            f"--token-file={start.token_file}",
            f"--ca-pin=sha256:{'0' * 64}",
        )
        assert false_pin.wait() == 1
        assert false_pin.wait_for("refused")["code"] == "bad-pin"
        agent.terminate()
        agent.wait()


def test_a_link_comes_back_through_a_proxy_that_was_away(start: Starter, tmp_path: Path) -> None:
    server = start.server()
    with tinyproxy(tmp_path) as (port, _):
        agent = start.client(server, start.backend(), options=(f"--proxy=http://127.0.0.1:{port}",))
        agent.wait_until_connected()
    lost = agent.wait_for("disconnected", after=agent.events.index(agent.wait_for("connected")))
    assert lost["reason"] in ("connection-lost", "proxy")
    down = eventually(
        lambda: next((e for e in agent.events if e.get("reason") == "proxy"), None), "the proxy is missed"
    )
    assert down["detail"].startswith(f"the proxy 127.0.0.1:{port} cannot be reached")
    assert "Connection refused" in down["detail"]


def test_the_environments_proxy_is_used_with_its_password_and_no_proxy_is_respected(
    start: Starter, tmp_path: Path
) -> None:
    server, backend = start.server(), start.backend()
    options = [
        f"--url=ws://{SPELLED}:{server.control_port}",
        f"--token-file={start.token_file}",
        f"--upstream={backend.url}",
        "--inseguro",
    ]
    with tinyproxy(tmp_path, login=f"ana {PASSWORD}") as (port, log):
        url = f"http://ana:{PASSWORD}@127.0.0.1:{port}"
        through = client(start, *options, "--log-level=debug", HTTP_PROXY=url, NO_PROXY="otro.example")
        through.wait_for("connected")
        assert len(connects(log)) == 1
        for more, environ in (
            ((), {"HTTP_PROXY": url, "NO_PROXY": f"otro.example,{SPELLED}"}),
            ((), {"HTTPS_PROXY": url}),
            (("--proxy=no",), {"HTTP_PROXY": url}),
        ):
            client(start, *options, *more, **environ).wait_for("connected")
        assert len(connects(log)) == 1
        word = base64.b64encode(f"ana:{PASSWORD}".encode()).decode()
        for process in start.processes:
            assert PASSWORD not in process.out + process.err
            assert word not in process.out + process.err


def test_a_password_from_a_file_opens_the_way_and_appears_nowhere(start: Starter, tmp_path: Path) -> None:
    server = start.server()
    with tinyproxy(tmp_path, login=f"ana {PASSWORD}") as (port, _):
        given = (f"--proxy=http://ana@127.0.0.1:{port}", f"--proxy-password-file={password_file(tmp_path)}")
        agent = start.connected_client(server, start.backend(), options=given)
        assert PASSWORD not in agent.command_line + agent.out + agent.err


@pytest.mark.parametrize("is_given", [False, True])
def test_a_proxy_that_wants_another_password_is_asked_once(
    start: Starter, tmp_path: Path, is_given: bool
) -> None:
    server = start.server()
    with tinyproxy(tmp_path, login=f"ana {PASSWORD}") as (port, log):
        given: tuple[str, ...] = (f"--proxy=http://127.0.0.1:{port}",)
        if is_given:
            file = password_file(tmp_path, "otra-clave")
            given = (f"--proxy=http://ana@127.0.0.1:{port}", f"--proxy-password-file={file}")
        agent = start.client(server, start.backend(), options=given)
        assert agent.wait() == 1
        assert agent.wait_for("refused")["code"] == ("proxy-denied" if is_given else "proxy-auth")
        assert ("no acepta" if is_given else "407") in agent.err
        assert_spanish(agent.err)
        assert "otra-clave" not in agent.out + agent.err
        assert len(connects(log)) <= 1


def test_a_port_that_the_proxy_does_not_allow_is_told(start: Starter, tmp_path: Path) -> None:
    server = start.server()
    with tinyproxy(tmp_path, ports=[443]) as (port, _):
        agent = start.client(server, start.backend(), options=(f"--proxy=http://127.0.0.1:{port}",))
        event = agent.wait_for("disconnected")
        assert (event["reason"], "does not allow the way" in event["detail"]) == ("proxy", True)
        assert "HTTP 403" in event["detail"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "no llega a"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "no permite salir hacia"),
        (b"HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 101 Switching\r\n", "no se porta como un proxy"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no habla HTTP"),
        (b"x" * 20000, "no habla HTTP"),
        (b"", "sin responder"),
    ],
)
def test_what_a_proxy_answers_is_told_in_spanish(start: Starter, answer: bytes, said: str) -> None:
    proxy = start.backend()
    proxy.play(lambda wire: _answers(wire, answer))
    words = told_to_a_person(start, proxy.port)
    assert said in words, words
    assert_spanish(words)


def _answers(wire: Wire, answer: bytes) -> None:
    wire.read_request()
    if answer:
        wire.send(answer)


def told_to_a_person(start: Starter, port: int) -> str:
    agent = TunnelProcess(
        "client",
        "--url=wss://nodo.example:8123",
        f"--token-file={start.token_file}",
        "--upstream=http://localhost:5000",
        f"--proxy=http://127.0.0.1:{port}",
    )
    start.processes.append(agent)
    return eventually(lambda: agent.out, "what it says")


# ── tunnel doctor ────────────────────────────────────────────────────────────────────────────────


def doctor(*options: str) -> dict[str, tuple[str, str]]:
    env = os.environ | {"TUNELAB_TOKEN": TOKEN}
    done = subprocess.run(
        [COMMAND, "doctor", *options, "--json"], env=env, capture_output=True, encoding="utf-8", timeout=60,
        check=False,
    )  # fmt: skip
    assert done.stderr == "", done.stderr
    findings = json.loads(done.stdout)
    for finding in findings:
        assert_spanish(f"{finding['title']} {finding['detail']} {finding['advice']}")
        assert PASSWORD not in json.dumps(finding)
    return {finding["code"]: (finding["verdict"], finding["detail"]) for finding in findings}


def test_the_doctor_looks_at_the_proxy_first(start: Starter, tmp_path: Path) -> None:
    server = start.server()
    url = f"--url=ws://127.0.0.1:{server.control_port}"
    with tinyproxy(tmp_path, login=f"ana {PASSWORD}") as (port, _):
        proxy = f"--proxy=http://ana@127.0.0.1:{port}"
        told = doctor(url, proxy, f"--proxy-password-file={password_file(tmp_path)}")
        assert next(iter(told)) == "proxy"
        verdicts = {hop: told[hop][0] for hop in ("proxy", "name", "port", "token")}
        assert verdicts == {"proxy": "bien", "name": "no se miró", "port": "bien", "token": "bien"}
        told = doctor(url, proxy, f"--proxy-password-file={password_file(tmp_path, 'otra')}")
        assert (told["proxy"][0], told["port"][0], told["token"][0]) == ("falla", "no se miró", "no se miró")
        assert "no acepta el usuario o la contraseña" in told["proxy"][1]


@pytest.mark.parametrize(
    ("ports", "is_there", "failing"), [([443], True, "proxy"), ([], False, "port"), ([], True, "")]
)
def test_the_doctor_tells_a_proxy_that_refuses_from_an_exit_node_that_is_away(
    start: Starter, tmp_path: Path, ports: list[int], is_there: bool, failing: str
) -> None:
    target = start.server().control_port if is_there else free_port()
    with tinyproxy(tmp_path, ports=ports) as (port, _):
        told = doctor(f"--url=ws://127.0.0.1:{target}", f"--proxy=http://127.0.0.1:{port}")
    assert [hop for hop, (verdict, _) in told.items() if verdict == "falla"] == ([failing] if failing else [])


def test_the_doctor_tells_that_the_proxy_is_down() -> None:
    gone = free_port()
    told = doctor("--url=wss://nodo.example:8123", f"--proxy=http://127.0.0.1:{gone}")
    assert told["proxy"] == ("falla", f"nada escucha en el proxy, 127.0.0.1:{gone}")
