"""How the commands start and stop: drains, interrupts, ports that are taken."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from support.backend import Backend
from support.tunnel_kit import TOKEN, Starter
from support.tunnel_process import COMMAND
from support.wire import Broken, Response, Wire, eventually, request, response

WAIT_S = 20


class SlowAnswer:
    """A service that begins its answer and ends it when it is told to."""

    def __init__(self, backend: Backend) -> None:
        self.may_end = threading.Event()
        backend.play(self._play)

    def begin(self, wire: Wire) -> None:
        """Ask, and read what there is of the answer."""
        wire.send(request())
        assert wire.read_response_head().status == 200
        assert wire.read_exactly(2) == b"an"

    def _play(self, wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nan")
        assert self.may_end.wait(WAIT_S)
        wire.send(b"tes")
        wire.read_some()


def is_listening(port: int) -> bool:
    """Whether a connection to ``port`` is taken."""
    try:
        Wire.to(port).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_server_that_is_asked_to_stop_finishes_what_is_under_way(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    client = start.connected_client(server, backend)
    slow = SlowAnswer(backend)
    with server.visit() as idle, server.visit() as wire:
        slow.begin(wire)
        server.terminate()
        assert server.wait_for("stopping")["open_requests"] == 1
        eventually(lambda: not is_listening(server.port), "new visitors are refused")
        assert not is_listening(server.control_port)
        assert idle.read_to_end() == b"", "an idle visitor is sent home"
        slow.may_end.set()
        assert wire.read_exactly(3) == b"tes"
        assert wire.read_to_end() == b""
    assert server.wait() == 0
    gone = client.wait_for("disconnected")
    assert gone["reason"] == "draining"


def test_a_server_that_stops_says_to_the_visitor_that_the_connection_ends(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    start.connected_client(server, backend)
    asked, go_on = threading.Event(), threading.Event()

    def play(wire: Wire) -> None:
        wire.read_request()
        asked.set()
        assert go_on.wait(WAIT_S)
        wire.send(response(200, b"ultima"))

    backend.play(play)
    with server.visit() as wire:
        wire.send(request())
        assert asked.wait(WAIT_S)
        server.terminate()
        server.wait_for("stopping")
        go_on.set()
        answer = wire.read_response()
        assert (answer.content, answer.fields.get("Connection")) == (b"ultima", "close")
    assert server.wait() == 0


def test_a_server_does_not_wait_longer_than_its_drain_timeout(start: Starter) -> None:
    backend, server = start.backend(), start.server("--drain-timeout=0.5")
    start.connected_client(server, backend)
    slow = SlowAnswer(backend)
    try:
        with server.visit() as wire:
            slow.begin(wire)
            server.terminate()
            assert server.wait() == 0
            with pytest.raises(Broken):
                wire.read_exactly(1)
    finally:
        slow.may_end.set()


def test_a_client_that_is_asked_to_stop_finishes_what_is_under_way(start: Starter) -> None:
    backend, server = start.backend(), start.server()
    client = start.connected_client(server, backend)
    slow = SlowAnswer(backend)
    with server.visit() as wire, server.visit() as other:
        slow.begin(wire)
        client.terminate()
        assert client.wait_for("stopping")["open_requests"] == 1
        answer = eventually(lambda: refused(other), "new requests are refused")
        assert (answer.status, answer.code) == (503, "draining")
        assert int(answer.fields.get("Retry-After") or 0) > 0
        asked = backend.connections  # those that crossed the client's word were taken
        slow.may_end.set()
        assert wire.read_exactly(3) == b"tes"
        assert client.wait() == 0
        assert server.wait_for("client_gone")["reason"] == "draining"
        answer = other.ask()
        assert (answer.status, answer.code) == (503, "no-client")
    assert backend.connections == asked


def refused(wire: Wire) -> Response | None:
    """Return the answer when it is a refusal; the client's word may still be on its way to the server."""
    answer = wire.ask("HEAD")
    return answer if answer.status == 503 else None


def test_a_client_that_takes_over_from_one_that_stops_does_not_cut_its_answers(start: Starter) -> None:
    """How an agent is replaced without a visitor noticing."""
    backend, server = start.backend(), start.server()
    former = start.connected_client(server, backend)
    slow = SlowAnswer(backend)
    with server.visit() as wire, server.visit() as other:
        slow.begin(wire)
        former.terminate()
        former.wait_for("stopping")
        fresh = start.backend()
        start.connected_client(server, fresh)
        assert other.ask().content == b"hola"
        slow.may_end.set()
        assert wire.read_exactly(3) == b"tes"
    assert former.wait() == 0
    assert fresh.connections == 1


@pytest.mark.parametrize("which", ["server", "client"])
def test_ctrl_c_ends_with_130(start: Starter, which: str) -> None:
    backend, server = start.backend(), start.server()
    client = start.connected_client(server, backend)
    process = server if which == "server" else client
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert process.count("stopping") == 1


@pytest.mark.parametrize("which", ["server", "client"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_second_signal_ends_at_once(start: Starter, which: str, number: signal.Signals, code: int) -> None:
    options = "--drain-timeout=3600"
    backend, server = start.backend(), start.server(options)
    client = start.connected_client(server, backend, options=(options,))
    process = server if which == "server" else client
    slow = SlowAnswer(backend)
    try:
        with server.visit() as wire:
            slow.begin(wire)
            process.signal(number)
            process.wait_for("stopping")
            process.signal(number)
            assert process.wait() == code
            with pytest.raises(Broken):
                wire.read_exactly(1)
    finally:
        slow.may_end.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_client_without_a_server_stops_when_asked(start: Starter, number: signal.Signals) -> None:
    server = start.server()
    server.kill()
    client = start.client(server.control_port, "http://127.0.0.1:9")
    client.wait_for("disconnected")
    client.signal(number)
    assert client.wait() == (130 if number == signal.SIGINT else 0)


def test_a_client_stops_while_a_silent_server_keeps_it_waiting(start: Starter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = start.client(silent.getsockname()[1], "http://127.0.0.1:9")
        peer, _ = silent.accept()
        with peer:
            client.terminate()
            assert client.wait() == 0


def test_a_port_that_is_taken_ends_with_3_and_its_number(start: Starter, token_file: Path) -> None:
    backend = start.backend()
    for options in (
        [f"--port={backend.port}", "--control-port=0"],
        ["--port=0", f"--control-port={backend.port}"],
    ):
        result = subprocess.run(
            [COMMAND, "server", "--host=127.0.0.1", "--control-host=127.0.0.1", *options],
            env=os.environ | {"TUNELAB_TOKEN": TOKEN},
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )
        assert result.returncode == 3
        assert str(backend.port) in result.stderr
        assert "Traceback" not in result.stderr


def test_what_a_person_reads_is_spanish_and_names_where_to_go(start: Starter, token_file: Path) -> None:
    backend, server = start.backend(), start.server()
    process = subprocess.Popen(
        [COMMAND, "client", f"--url=ws://127.0.0.1:{server.control_port}", f"--upstream={backend.url}",
         f"--token-file={token_file}"],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )  # fmt: skip
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        assert "Túnel abierto" in lines[0]
        assert f"http://127.0.0.1:{server.port}" in lines[1]
        assert backend.url in lines[1]
        assert "Ctrl-C" in lines[2]
        server.terminate()
        assert "el nodo de salida se detuvo" in process.stdout.readline()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
