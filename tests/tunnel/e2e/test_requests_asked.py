"""``tunnel requests``: the exit node tells who holds a token what passed for it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path

import requests
from support.backend import Backend
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import COMMAND, Client, Server, TunnelProcess
from support.wire import eventually, response

from tests.tunnel.unit.kit import assert_spanish
from tunnel.passages import MAX_PASSAGES
from tunnel.protocol.auth import answer_proof, key_id, question_proof
from tunnel.transport.questions import CA_PATH, REQUESTS_PATH

NONCE = secrets.token_hex(32)


def asked(*options: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "TUNELAB_TOKEN"}
    return subprocess.run(
        [COMMAND, "requests", *options], capture_output=True, encoding="utf-8", timeout=60, env=env
    )


def told(*options: str) -> list[dict[str, object]]:
    done = asked(*options, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def traces(*options: str) -> list[str]:
    return [str(one["trace"]).lstrip("0") for one in told(*options)]


def parent(number: str) -> str:
    return f"traceparent: 00-{number:0>32}-00f067aa0ba902b7-01"


def place(server: Server, token_file: Path) -> tuple[str, str]:
    return f"--url=ws://127.0.0.1:{server.control_port}", f"--token-file={token_file}"


def question(server: Server, path: str = REQUESTS_PATH, **fields: str) -> requests.Response:
    names = {"key_id": "Tunelab-Key-Id", "nonce": "Tunelab-Nonce", "proof": "Tunelab-Proof"}
    headers = {names[name]: value for name, value in fields.items()}
    return requests.get(f"http://127.0.0.1:{server.control_port}{path}", headers=headers, timeout=10)


def test_the_tokens_holder_is_told_what_passed_the_oldest_first(start: Starter) -> None:
    server = start.server("--log-requests")
    where = place(server, start.token_file)
    assert told(*where) == []
    backend = start.backend()
    backend.answer(lambda asked: response(201 if asked.method == "POST" else 200))
    start.connected_client(server, backend)
    with server.visit() as wire:
        wire.ask("POST", "/secreto", parent("a1"), "Authorization: Bearer oculto", content=b"contenido")
        wire.ask("GET", "/")  # without a trace: who would know it again?
        wire.ask("GET", "/", parent("b2"))
    eventually(lambda: server.count("request") == 3, "all of them passed")
    first, second = told(*where)
    assert set(first) == {"at", "status", "trace"}
    assert [(one["status"], one["trace"]) for one in (first, second)] == [
        (201, f"{'a1':0>32}"),
        (200, f"{'b2':0>32}"),
    ]
    plain = asked(*where)
    assert plain.returncode == 0
    assert plain.stdout.splitlines()[0] == f"{first['at']}  201  traza {'a1':0>32}"
    assert not any(word in plain.stdout for word in ("secreto", "oculto", "contenido"))


def test_over_an_encrypted_link_the_connection_file_is_enough(start: Starter, tmp_path: Path) -> None:
    state = tmp_path / "state"
    server = start.server("--log-requests", "--auto-tls", f"--state-dir={state}", "--auto-tls-san=127.0.0.1")
    connection = f"--conexion={state / 'conexion.toml'}"
    agent = TunnelProcess("client", connection, f"--upstream={start.backend().url}", "--json")
    start.processes.append(agent)
    agent.wait_for("connected")
    with server.visit() as wire:
        wire.ask("GET", "/", parent("c3"))
    assert traces(connection) == ["c3"]
    by_proof = (f"--url=wss://127.0.0.1:{server.control_port}", f"--token-file={start.token_file}")
    assert traces(*by_proof, "--ca-pin=token") == ["c3"]
    false = asked(*by_proof, "--ca-pin=sha256:" + 64 * "0")
    assert (false.returncode, false.stdout) == (1, "")
    assert_spanish(false.stderr)


def test_nobody_is_told_of_anothers_requests(start: Starter, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    files = {label: tmp_path / f"{label}.txt" for label in ("ana", "luis")}
    for label, path in files.items():
        subprocess.run(
            [COMMAND, "token", f"--a={tokens}", f"--etiqueta={label}", f"--nombres={label}.example",
             f"--salida={path}"],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
    server = Server(None, f"--tokens-file={tokens}", "--log-requests")
    start.processes.append(server)
    backend = start.backend()
    for label, path in files.items():
        client = Client(path, f"{label}.example={backend.url}", server.control_port)
        start.processes.append(client)
        client.wait_until_connected()
    for label, trace in (("ana", "a1"), ("luis", "b2"), ("ana", "a3")):
        with server.visit() as wire:
            wire.ask("GET", "/", f"Host: {label}.example", parent(trace))
    assert traces(*place(server, files["ana"])) == ["a1", "a3"]
    assert traces(*place(server, files["luis"])) == ["b2"]
    subprocess.run([COMMAND, "token", f"--a={tokens}", "--etiqueta=ana", "--quitar"], check=True, timeout=30)
    server.wait_for("tokens_reloaded")
    assert asked(*place(server, files["ana"])).returncode == 1


def test_only_the_newest_are_kept(start: Starter, tmp_path: Path) -> None:
    server = start.server("--log-requests")
    start.connected_client(server, start.backend())
    with server.visit() as wire:
        for number in range(1, MAX_PASSAGES + 4):
            wire.ask("GET", "/", parent(f"{number:x}"))
    eventually(lambda: server.count("request") == MAX_PASSAGES + 3, "all of them passed")
    kept = traces(*place(server, start.token_file))
    assert (len(kept), kept[0], kept[-1]) == (MAX_PASSAGES, "4", f"{MAX_PASSAGES + 3:x}")


def test_who_proves_no_token_is_told_nothing(start: Starter) -> None:
    server = start.server("--log-requests")
    right = question_proof(TOKEN, REQUESTS_PATH, NONCE)
    named = key_id(TOKEN)
    good = question(server, key_id=named, nonce=NONCE, proof=right)
    assert (good.status_code, good.json()) == (200, {"requests": []})
    assert good.headers["Tunelab-Proof"] == answer_proof(TOKEN, REQUESTS_PATH, NONCE, good.content)
    for sent in (
        {},
        {"key_id": named, "nonce": NONCE},
        {"key_id": named, "nonce": NONCE, "proof": "0" * 64},
        {"key_id": named, "nonce": NONCE, "proof": "á"},
        {"key_id": named, "nonce": "f" * 64, "proof": right},
        {"key_id": named, "nonce": "corto", "proof": question_proof(TOKEN, REQUESTS_PATH, "corto")},
        {"key_id": named, "nonce": NONCE, "proof": question_proof(TOKEN, CA_PATH, NONCE)},
        {"key_id": "0" * 32, "nonce": NONCE, "proof": right},
    ):
        refused = question(server, **sent)
        assert refused.status_code == 403, sent
        assert "Tunelab-Proof" not in refused.headers


def test_an_answer_that_is_not_proven_is_not_believed(start: Starter, tmp_path: Path) -> None:
    forged = json.dumps({"requests": [{"at": "2026-01-01T00:00:00Z", "status": 201, "trace": "f" * 32}]})
    backend: Backend = start.backend()
    where = (f"--url=ws://127.0.0.1:{backend.port}", f"--token-file={start.token_file}")
    for fields in ((), (f"Tunelab-Proof: {answer_proof(TOKEN, REQUESTS_PATH, NONCE, forged.encode())}",)):
        backend.answer(lambda asked, fields=fields: response(200, forged.encode(), *fields))
        done = asked(*where)
        assert (done.returncode, done.stdout) == (1, "")
        assert_spanish(done.stderr)
        assert TOKEN not in str(backend.requests[-1])


def test_each_no_is_told_apart(start: Starter, tmp_path: Path) -> None:
    silent, logging = start.server(), start.server("--log-requests")
    stranger = write_token(tmp_path / "otro.txt", "otro-token-de-prueba-90210-abcdef")
    for where, words in (
        (place(silent, start.token_file), "se arranca con --log-requests"),
        (place(logging, stranger), "no conoce ese token"),
        ((f"--url=ws://127.0.0.1:{logging.port}", f"--token-file={start.token_file}"), "puerto de control"),
    ):
        done = asked(*where)
        assert (done.returncode, done.stdout) == (1, "")
        assert_spanish(done.stderr)
        assert words in done.stderr
    nobody = asked("--url=ws://127.0.0.1:9", f"--token-file={start.token_file}")
    assert (nobody.returncode, nobody.stdout) == (3, "")
    assert_spanish(nobody.stderr)
