"""What a service manager hears: a socket in its place takes the datagrams of the real programs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.tunnel_process import COMMAND, LOOPBACK, TunnelProcess, ended

from tunnel.service.notify import Notifier

TOKEN = "un-token-de-al-menos-32-caracteres-para-las-pruebas"
PATIENCE_S = 20.0


class Manager:
    """Stands where systemd listens."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(PATIENCE_S)

    def environ(self, watchdog_s: float = 0.0) -> dict[str, str]:
        """What systemd puts into the environment of its service."""
        environ = {"NOTIFY_SOCKET": self.address.replace("\0", "@", 1)}
        return environ | ({"WATCHDOG_USEC": str(int(watchdog_s * 1e6))} if watchdog_s else {})

    def hear(self, wanted: str) -> str:
        """Return the first datagram, from now on, that has ``wanted`` in it."""
        while True:
            said = self._socket.recv(65536).decode()
            self.heard.append(said)
            if wanted in said:
                return said

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token.txt"
    path.touch(0o600)
    path.write_text(TOKEN)
    return path


@pytest.fixture
def start() -> Iterator[Callable[..., TunnelProcess]]:
    started: list[TunnelProcess] = []

    def run(*words: str, environ: dict[str, str]) -> TunnelProcess:
        started.append(TunnelProcess(*words, env=environ))
        return started[-1]

    with ended(started):
        yield run


def server_words(token_file: Path) -> list[str]:
    hosts = [f"--host={LOOPBACK}", f"--control-host={LOOPBACK}", "--port=0", "--control-port=0"]
    return ["server", "--json", *hosts, f"--token-file={token_file}"]


def test_a_server_is_ready_when_it_listens_counts_its_clients_and_says_that_it_stops(
    manager: Manager, token_file: Path, start: Callable[..., TunnelProcess], tmp_path: Path
) -> None:
    server = start(*server_words(token_file), environ=manager.environ())
    ready = manager.hear("READY=1")
    listening = server.wait_for("listening")
    assert f"STATUS=Visitantes en el puerto {listening['data']['port']}; espera a un cliente." in ready
    other = Manager(str(tmp_path / "del-cliente"))
    client = start(
        "client",
        "--json",
        f"--url=ws://{LOOPBACK}:{listening['control']['port']}",
        "--upstream=http://127.0.0.1:9",
        f"--token-file={token_file}",
        environ=other.environ(),
    )
    assert other.hear("READY=1") == "READY=1\nSTATUS=Túnel abierto."
    assert manager.hear("STATUS=") == "STATUS=En marcha; 1 cliente conectado."
    server.terminate()
    assert manager.hear("STOPPING=1").startswith("STOPPING=1\nSTATUS=Deteniendo; peticiones en curso: 0")
    assert server.wait() == 0
    # The exit node is away: the client goes on, and says so.
    assert "STATUS=Sin enlace con el nodo de salida (" in other.hear("Sin enlace")
    client.terminate()
    assert client.wait() == 0
    other.close()


def test_a_client_whose_exit_node_is_away_is_ready_after_its_first_attempt(
    manager: Manager, token_file: Path, start: Callable[..., TunnelProcess]
) -> None:
    words = [
        "client",
        "--url=ws://127.0.0.1:9",
        "--upstream=http://127.0.0.1:9",
        f"--token-file={token_file}",
    ]
    start(*words, environ=manager.environ())
    assert manager.hear("READY=1") == (
        "READY=1\nSTATUS=Sin enlace con el nodo de salida (unreachable); se reintenta sin parar."
    )


def test_the_signs_of_life_come_twice_as_often_as_they_must_and_end_with_the_program_stopped(
    manager: Manager, token_file: Path, start: Callable[..., TunnelProcess]
) -> None:
    server = start(*server_words(token_file), environ=manager.environ(watchdog_s=0.2))
    for _ in range(5):
        manager.hear("WATCHDOG=1")
    server.signal(signal.SIGSTOP)
    try:
        manager._socket.settimeout(0.6)
        with contextlib.suppress(TimeoutError):
            while True:  # what was on its way when it stopped, and no more
                manager._socket.recv(65536)
    finally:
        server.signal(signal.SIGCONT)
    manager._socket.settimeout(PATIENCE_S)
    manager.hear("WATCHDOG=1")


def test_the_folder_server_is_ready_lives_and_stops(
    manager: Manager, token_file: Path, start: Callable[..., TunnelProcess], tmp_path: Path
) -> None:
    words = ["fileserver", f"--webroot={tmp_path}", "--port=0", f"--token-file={token_file}"]
    fileserver = start(*words, environ=manager.environ(watchdog_s=1.0))
    assert "STATUS=Carpeta compartida en http://127.0.0.1:" in manager.hear("READY=1")
    manager.hear("WATCHDOG=1")
    manager.hear("WATCHDOG=1")
    fileserver.terminate()
    manager.hear("STOPPING=1")
    assert fileserver.wait() == 0


def test_a_tokens_file_that_is_read_again_is_a_reload(
    manager: Manager, start: Callable[..., TunnelProcess], tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens.toml"
    make = [COMMAND, "token", "--a", str(tokens), "--nombres", "a.example", "--etiqueta"]
    assert os.spawnv(os.P_WAIT, COMMAND, [*make, "ana", "--salida", str(tmp_path / "ana.txt")]) == 0
    hosts = [f"--host={LOOPBACK}", f"--control-host={LOOPBACK}", "--port=0", "--control-port=0"]
    server = start("server", "--json", *hosts, f"--tokens-file={tokens}", environ=manager.environ())
    manager.hear("READY=1")
    tokens.write_text("esto no es TOML")
    server.signal(signal.SIGHUP)
    assert manager.hear("RELOADING=1").partition("MONOTONIC_USEC=")[2].isdigit()
    assert "El archivo de los tokens cambió y no sirve" in manager.hear("READY=1")


def test_an_abstract_socket_is_spoken_to() -> None:
    manager = Manager(f"\0tunelab-prueba-{os.getpid()}")
    Notifier.of_process(manager.environ()).tell("READY=1", "STATUS=dos\nlíneas")
    assert manager.hear("READY=1") == "READY=1\nSTATUS=dos líneas"
    manager.close()


@pytest.mark.parametrize(
    "environ",
    [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}, {"NOTIFY_SOCKET": "relativa"}],
)
def test_where_nobody_asked_the_listener_is_the_very_one_that_was_there(environ: dict[str, str]) -> None:
    seen: list[object] = []
    assert Notifier.of_process(environ).beside(seen.append) == seen.append


def test_a_manager_that_is_gone_is_no_fault_of_the_programs(tmp_path: Path) -> None:
    Notifier(str(tmp_path / "nadie")).tell("READY=1")


def test_the_signs_of_life_of_another_process_are_not_given(manager: Manager) -> None:
    environ = manager.environ(watchdog_s=1.0) | {"WATCHDOG_PID": "1"}
    with Notifier.of_process(environ).watched():  # no event loop runs here: it must not want one
        pass
