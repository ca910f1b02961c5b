"""The provider ``local``."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tunnel.exitnodes import process
from tunnel.exitnodes.errors import BadOrder, ProviderFailed, Unavailable
from tunnel.exitnodes.files import home
from tunnel.exitnodes.local import detached
from tunnel.exitnodes.model import Announcement, Facts, FoundNode, Order, Query, Search, StepInfo
from tunnel.exitnodes.provider import Context, Provider, Step

__all__ = ["LocalProvider"]

_HOST = "127.0.0.1"
_LOG_TAIL_CHARACTERS = 1500
_TRIES = 20


class LocalProvider(Provider):
    """``tunnel server`` as a process of this machine, which visitors of this machine can reach."""

    name = "local"
    title = "un proceso en esta máquina"
    ready_timeout_s = 30.0

    def __init__(self) -> None:
        self._promised: set[int] = set()  # to the nodes of a class, of which none listens yet

    def check(self, order: Order) -> None:
        if os.name != "posix":
            raise BadOrder(
                "el proveedor «local» necesita Linux, macOS o WSL. En Windows use --provider vm, o "
                "«python scripts/demo»."
            )

    def settle(self, order: Order) -> Order:
        # A taken one is stepped aside from, unless the node itself has it; the plan tells.
        own = dict(word.split("=", 1) for word in detached.running_command(order.folder) if "=" in word)
        data_port = int(own.get("--port", 0)) or self._free_port(order.data_port)
        control_port = int(own.get("--control-port", 0)) or self._free_port(order.control_port)
        return replace(order, data_port=data_port, control_port=control_port, duration_s=0)

    def steps(self, order: Order) -> Sequence[Step]:
        return [_ProcessStep(order)]

    def notes(self, order: Order) -> tuple[str, ...]:
        ports = f"Visitantes por el puerto {order.data_port}, cliente por el {order.control_port}"
        notes = [
            f"{ports}; todo, solo desde esta máquina.",
            "Sigue en marcha hasta que lo borre o apague la máquina.",
        ]
        if order.source_ranges:
            notes.append("En esta máquina no hay cortafuegos que abrir: --source-ranges sobra.")
        return tuple(notes)

    def announcement(self, context: Context) -> Announcement | None:
        folder = context.order.folder
        if not detached.is_running(folder):
            raise ProviderFailed(
                f"el servidor terminó apenas empezó. Lo último que escribió:\n{_tail(folder)}"
            )
        try:
            pem = (_state_folder(context.order) / "ca.pem").read_text(encoding="ascii")
            digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        except (FileNotFoundError, ValueError):  # not yet, or not yet whole
            return None
        return Announcement(
            url=f"wss://{_HOST}:{context.order.control_port}",
            public_url=f"http://{_HOST}:{context.order.data_port}",
            pin=f"sha256:{digest}",
        )

    def survivors(self, order: Order) -> Sequence[Query]:
        lock = order.folder / "candado-proceso"
        running = (f"un proceso de {order.folder}",) if detached.is_running(order.folder) else ()
        return [Query(f"flock --nonblock {lock} true", running)]

    def found(self, search: Search) -> Sequence[FoundNode]:
        return [
            FoundNode(
                self.name,
                folder.name,
                "en marcha" if detached.is_running(folder) else "detenido",
                prices=("local",),
            )
            for folder in sorted((home() / "nodos" / self.name).glob("*"))
            if detached.log_path(folder).exists()
        ]

    def _free_port(self, wanted: int) -> int:
        """Return ``wanted`` if it is free, or else one that is."""
        for port in (wanted, *[0] * _TRIES):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((_HOST, port))
                except OSError:
                    continue
                found: int = probe.getsockname()[1]
            if found not in self._promised:
                self._promised.add(found)
                return found
        raise Unavailable("en esta máquina no se encontró un puerto libre.")

    def ssh(self, context: Context, command: Sequence[str]) -> list[str]:
        raise BadOrder("un nodo «local» corre en esta misma máquina: no hay a dónde entrar.")

    def logs(self, context: Context, follow: bool) -> list[str]:
        how = ["-n", "+1", *(["-f"] if follow else [])]
        return ["tail", *how, str(detached.log_path(context.order.folder))]


class _ProcessStep(Step):
    def __init__(self, order: Order) -> None:
        self.order = order
        secret = "--tokens-file" if order.is_shared else "--token-file"
        self.info = StepInfo(
            id="proceso",
            title="el servidor del túnel",
            why="Hace de nodo de salida: recibe a los visitantes en un puerto y a su cliente, cifrado, en "
            "otro; sigue en marcha al cerrar esta terminal.",
            argv=(
                _python(),
                "-m",
                "tunnel.exitnodes.local.detached",
                str(order.folder),
                *_tunnel(),
                "server",
                f"--host={_HOST}",
                f"--control-host={_HOST}",
                f"--port={order.data_port}",
                f"--control-port={order.control_port}",
                *([f"--tcp-ports={order.tcp_ports_text}"] if order.tcp_ports else []),
                "--auto-tls",
                f"--state-dir={_state_folder(order)}",
                f"{secret}={order.secret_file}",
                *([] if order.is_shared else [f"--conexion={order.connection_file}"]),
            ),
            prices=("local",),
        )

    def find(self, context: Context) -> Facts | None:
        return {} if detached.is_running(self.order.folder) else None

    def make(self, context: Context) -> Facts:
        process.run(self.info.argv).check()
        return {}

    def remove(self, context: Context) -> None:
        detached.stop(self.order.folder)


def _state_folder(order: Order) -> Path:
    return order.folder / "servidor"


def _tunnel() -> tuple[str, ...]:
    beside = Path(sys.executable).with_name("tunnel")
    return (str(beside),) if beside.exists() else (sys.executable, "-m", "tunnel")


def _python() -> str:
    """Return this Python, by the plain name that its environment has for it."""
    plain = Path(sys.executable).with_name("python")
    return str(plain) if plain.exists() else sys.executable


def _tail(folder: Path) -> str:
    try:
        text = detached.log_path(folder).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(nada)"
    return text[-_LOG_TAIL_CHARACTERS:].strip() or "(nada)"
