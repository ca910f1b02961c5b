"""``tunnel client --inspector``: its options, and what is not to be had."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.inspected import Inspected
from support.tunnel_kit import Starter
from support.wire import PATIENCE_S

from tunnel.cli import build_parser, main
from tunnel.cli.inspector import read_options
from tunnel.inspector.options import InspectorOptions

CLIENT = ("client", "--url=ws://127.0.0.1:1", "--upstream=http://127.0.0.1:1")


def test_there_is_none_unless_it_is_asked_for() -> None:
    assert read_options(build_parser().parse_args(list(CLIENT))) is None


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["--inspector"], InspectorOptions()),
        (["--inspector=4041"], InspectorOptions(4041)),
        (["--inspector=0", "--inspector-exchanges=9"], InspectorOptions(0, 9)),
        (
            ["--inspector", "--inspector-memory=1M", "--inspector-body=2K"],
            InspectorOptions(4040, 500, 1 << 20, 2048),
        ),
    ],
)
def test_the_options_say_what_is_kept(given: list[str], wanted: InspectorOptions) -> None:
    assert read_options(build_parser().parse_args([*CLIENT, *given])) == wanted


@pytest.mark.parametrize(("line", "port"), [("inspector = true", 4040), ("inspector = 4041", 4041)])
def test_a_file_may_ask_for_it_too(line: str, port: int, tmp_path: Path) -> None:
    file = tmp_path / "cliente.toml"
    file.write_text(f'{line}\ninspector-body = "2K"\n')
    options = build_parser().parse_command([*CLIENT, f"--config={file}"])
    assert read_options(options) == InspectorOptions(port, max_body_bytes=2048)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--inspector=99999"], "no es un puerto"),
        (["--inspector=abc"], "no es un puerto"),
        (["--inspector", "--inspector-exchanges=0"], "no es una cantidad"),
        (["--inspector", "--inspector-memory=mucha"], "no es un tamaño"),
        (["--inspector", "--inspector-memory=100K"], "el mínimo es 1M"),
        (["--inspector", "--inspector-body=0"], "no es un tamaño"),
        (["--inspector-body=1K"], "--inspector-body va con --inspector"),
    ],
)
def test_what_cannot_be_is_refused(
    given: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNELAB_TOKEN", "0123456789abcdef0123456789abcdef")
    assert main([*CLIENT, *given]) == 2
    assert words in capsys.readouterr().err


def test_a_port_that_is_taken_is_told_with_another(start: Starter) -> None:
    server, backend = start.server(), start.backend()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        client = start.client(server, backend, options=(f"--inspector={port}",))
        assert client.wait() == 3
    assert f"no se puede abrir el inspector en 127.0.0.1:{port}: otro programa ocupa" in client.err
    assert f"--inspector={port + 1}" in client.err
    assert "connected" not in client.out


@pytest.mark.parametrize("is_watched", [False, True])
def test_the_client_ends_as_it_does_without_and_leaves_nothing(
    inspected: Inspected, is_watched: bool
) -> None:
    inspected.visit()
    watcher = None
    if is_watched:
        watcher = socket.create_connection(("127.0.0.1", inspected.port), PATIENCE_S)
        watcher.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % inspected.port)
        assert watcher.recv(12) == b"HTTP/1.1 200"
    inspected.client.terminate()
    assert inspected.client.wait(10) == 0
    if watcher is not None:
        watcher.close()
    assert inspected.client.err == ""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", inspected.port), 5)


def test_without_it_a_client_loads_no_web_framework() -> None:
    program = (
        "import sys, tunnel.cli.client; "
        "sys.exit(any(n in sys.modules for n in ('flask', 'waitress', 'tunnel.inspector.observer')))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
