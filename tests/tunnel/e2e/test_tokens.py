"""Tokens: where they come from, who is refused, and that they show themselves nowhere."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import COMMAND, Client, TunnelProcess
from support.wire import Wire
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

OTHER_TOKEN = "otro-token-de-prueba-90210-abcdef"
URL = "ws://127.0.0.1:9"


def run(*arguments: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    env = {key: value for key, value in os.environ.items() if key != "TUNELAB_TOKEN"}
    if token is not None:
        env["TUNELAB_TOKEN"] = token
    return subprocess.run(
        [COMMAND, *arguments], env=env, capture_output=True, encoding="utf-8", timeout=30, check=False
    )


def run_client(*options: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run an agent that cannot even start."""
    return run("client", f"--url={URL}", "--upstream=http://127.0.0.1:9", *options, token=token)


# ── refused ──────────────────────────────────────────────────────────────────────────────────────


def test_a_wrong_token_is_refused_once_in_clear_words_and_with_exit_code_1(
    start: Starter, tmp_path: Path
) -> None:
    server = start.server()
    relay = start.relay(server.control_port)
    wrong = write_token(tmp_path / "otro.txt", OTHER_TOKEN)
    client = Client(wrong, "http://127.0.0.1:9", relay.port)
    start.processes.append(client)
    assert client.wait() == 1
    assert client.wait_for("refused")["code"] == "unknown-token"
    assert "no conoce este token" in client.err
    assert "--token-file" in client.err
    assert relay.connections == 1, "it tried again"
    assert client.count("disconnected") == 0
    assert server.count("client_connected") == 0


def test_a_wrong_token_changes_nothing_for_the_client_that_is_served(start: Starter, tmp_path: Path) -> None:
    server, backend = start.server(), start.backend()
    start.connected_client(server, backend)
    wrong = Client(write_token(tmp_path / "otro.txt", OTHER_TOKEN), "http://127.0.0.1:9", server.control_port)
    start.processes.append(wrong)
    assert wrong.wait() == 1
    with server.visit() as wire:
        assert wire.ask().content == b"hola"


class FalseExitNode:
    """Listens where an exit node would and does not know the token: it answers with a proof it made up."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []  # the frames that an agent sent it
        self.attempts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    @contextmanager
    def running(self) -> Iterator[FalseExitNode]:
        """Answer the agents that call during the block."""
        self._thread.start()
        try:
            yield self
        finally:
            with socket.create_connection(("127.0.0.1", self.port)):
                pass  # it waits for a caller, and takes one that says nothing for the end
            self._thread.join()
            self._listener.close()

    def _serve(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            with Wire(sock) as wire:
                try:
                    first = wire.read_some()
                except OSError:
                    first = b""
                if not first:
                    return
                self.attempts += 1
                self._talk(wire, first)

    def _talk(self, wire: Wire, data: bytes) -> None:
        ws = ServerProtocol(subprotocols=[Subprotocol("tunelab.v1")])
        frames = b""
        while data:
            ws.receive_data(data)
            for event in ws.events_received():
                if isinstance(event, Request):
                    ws.send_response(ws.accept(event))
                elif event.opcode is Opcode.BINARY:
                    frames += bytes(event.data)
            while len(frames) >= 8 and len(frames) >= 8 + (size := int.from_bytes(frames[1:4], "big")):
                self.heard.append((frames[0], frames[8 : 8 + size]))
                frames = frames[8 + size :]
                if self.heard[-1][0] == 1:  # HELLO
                    body = json.dumps({"nonce": "ab" * 32, "proof": "cd" * 32}).encode()
                    ws.send_binary(bytes([2]) + len(body).to_bytes(3, "big") + bytes(4) + body)
            try:
                for piece in ws.data_to_send():
                    wire.send(piece) if piece else wire.end()
                data = wire.read_some()
            except OSError:
                return


def test_a_false_exit_node_is_found_out_and_learns_nothing(start: Starter, tmp_path: Path) -> None:
    with FalseExitNode().running() as false:
        client = start.client(false.port, "secreto.example=http://127.0.0.1:9")
        assert client.wait() == 1
    assert client.wait_for("refused")["code"] == "bad-exit-node"
    assert "puede ser falso" in client.err
    assert false.attempts == 1
    # HELLO and then GOAWAY: no proof, no claim and so none of its names.
    assert [kind for kind, _ in false.heard] == [1, 8]
    hello = json.loads(false.heard[0][1])
    assert set(hello) == {"key_id", "nonce", "instance", "agent", "initial_window", "max_streams"}
    everything = b"".join(payload for _, payload in false.heard)
    assert TOKEN.encode() not in everything
    assert b"secreto.example" not in everything


# ── where tokens come from ───────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(os.name != "posix", reason="Windows has access lists instead of these bits")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_token_file_that_others_can_reach_is_refused_with_the_way_to_close_it(
    tmp_path: Path, mode: int
) -> None:
    path = write_token(tmp_path / "token.txt")
    path.chmod(mode)
    for result in (run_client(f"--token-file={path}"), run("server", f"--token-file={path}")):
        assert result.returncode == 2
        assert f"chmod 600 {path}" in result.stderr
        assert TOKEN not in result.stderr + result.stdout


@pytest.mark.parametrize("token", ["", "corto", "quince-letras--"])
def test_a_token_under_sixteen_characters_is_refused(tmp_path: Path, token: str) -> None:
    path = write_token(tmp_path / "token.txt", token)
    for result in (run_client(f"--token-file={path}"), run_client(token=token)):
        assert result.returncode == 2
        assert "al menos 16" in result.stderr
        assert f"{len(token)} caracteres" in result.stderr


def test_a_token_of_sixteen_characters_opens_the_tunnel(start: Starter, token_file: Path) -> None:
    token_file.write_text("diez-y-seis-1234")
    backend, server = start.backend(), start.server()
    start.connected_client(server, backend)
    with server.visit() as wire:
        assert wire.ask().content == b"hola"


def test_the_token_may_come_from_the_environment(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    client = Client(None, backend.url, server.control_port, env={"TUNELAB_TOKEN": TOKEN})
    start.processes.append(client)
    client.wait_until_connected()
    with server.visit() as wire:
        assert wire.ask().content == b"hola"


def test_without_a_token_nothing_starts() -> None:
    for result in (run_client(), run("server")):
        assert result.returncode == 2
        assert "falta el token" in result.stderr
        assert "tunnel token" in result.stderr


@pytest.mark.parametrize("command", ["client", "server"])
@pytest.mark.parametrize("shape", [("--token", TOKEN), (f"--token={TOKEN}",)], ids=["two words", "one"])
def test_a_token_in_the_command_line_is_refused(command: str, shape: tuple[str, ...]) -> None:
    result = run(command, *shape)
    assert result.returncode == 2
    assert "--token-file" in result.stderr
    assert TOKEN not in result.stdout + result.stderr


def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "no-existe.txt"
    result = run_client(f"--token-file={missing}")
    assert result.returncode == 2
    assert str(missing) in result.stderr
    binary = tmp_path / "binario"
    binary.touch(mode=0o600)
    binary.write_bytes(b"\x80\x81" * 20)
    result = run_client(f"--token-file={binary}")
    assert result.returncode == 2
    assert f"{binary} no es texto" in result.stderr


def test_the_token_command_makes_one_that_both_sides_take(start: Starter, token_file: Path) -> None:
    token_file.unlink()
    result = run("token", f"--salida={token_file}")
    assert result.returncode == 0
    if os.name == "posix":
        assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    token = token_file.read_text().strip()
    assert len(token) >= 32
    assert token not in result.stdout + result.stderr
    backend, server = start.backend(), start.server()
    start.connected_client(server, backend)
    with server.visit() as wire:
        assert wire.ask().content == b"hola"
    again = run("token", f"--salida={token_file}")
    assert again.returncode == 1
    assert token_file.read_text().strip() == token


def test_tokens_are_never_alike() -> None:
    tokens = {run("token").stdout.strip() for _ in range(3)}
    assert len(tokens) == 3


# ── where tokens show themselves: nowhere ────────────────────────────────────────────────────────


def test_the_token_is_in_no_command_line_no_output_no_log_and_on_no_wire(start: Starter) -> None:
    """A whole life at debug level: connected, cut, reconnected, faults, refused, stopped."""
    backend = start.backend()
    server = start.server("--log-level=debug")
    relay = start.relay(server.control_port, is_recording=True)
    client = start.connected_client(relay, backend, options=("--log-level=debug",))
    with server.visit() as wire:
        assert wire.ask().content == b"hola"
        wire.send(b"basura\r\n\r\n")
        assert wire.read_response().status == 400
    relay.cut()
    client.wait_until_connected(2)
    processes: list[TunnelProcess] = [server, client]
    for process in processes:
        if sys.platform == "linux":
            assert TOKEN not in process.command_line
            # An environment is inherited and read by the same user's programs; a file is not.
            assert TOKEN.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes()
    client.terminate()
    assert client.wait() == 0
    server.terminate()
    assert server.wait() == 0
    wire_bytes = bytes(relay.to_target) + bytes(relay.from_target)
    assert b"tunelab.v1" in wire_bytes
    assert TOKEN.encode() not in wire_bytes
    # A websocket client masks what it sends, and so would hide it.
    assert TOKEN.encode() not in unmasked(bytes(relay.to_target))
    assert "malformed request line" in server.err, "nothing was logged"
    for process in processes:
        assert TOKEN not in process.out + process.err


def unmasked(data: bytes) -> bytes:
    """Return the payloads of the websocket frames in what clients sent (RFC 6455, section 5.2)."""
    payloads = []
    for stream in data.split(b"GET /.tunelab/link")[1:]:
        rest = stream.partition(b"\r\n\r\n")[2]
        while len(rest) >= 6:
            size, start = rest[1] & 0x7F, 2
            if size == 126:
                size, start = int.from_bytes(rest[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(rest[2:10], "big"), 10
            mask, body = rest[start : start + 4], rest[start + 4 : start + 4 + size]
            payloads.append(bytes(byte ^ mask[index % 4] for index, byte in enumerate(body)))
            rest = rest[start + 4 + size :]
    assert any(b"key_id" in payload for payload in payloads), "no HELLO was found"
    return b"".join(payloads)
