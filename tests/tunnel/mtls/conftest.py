"""An exit node that takes certificates, the CA behind them, and agents that show them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.backend import Backend
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import COMMAND, Server, TunnelProcess


@dataclass(slots=True)
class School:
    """A CA of ``tunnel cert``, a tokens file, and what is started with them."""

    folder: Path
    start: Starter

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens.toml"

    @property
    def client_ca(self) -> Path:
        return self.folder / "estado" / "ca-clientes.pem"

    def cert(self, *arguments: str | Path, code: int = 0) -> str:
        """Run ``tunnel cert``; return what it says."""
        state = f"--state-dir={self.folder / 'estado'}"
        own = [state] if arguments[0] != "show" else []
        done = subprocess.run(
            [COMMAND, "cert", *map(str, arguments), *own],
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def issue(self, label: str, *options: str) -> list[str]:
        """Make a certificate; return the options that show it."""
        self.cert("client", f"--etiqueta={label}", f"--salida={self.folder}", *options)
        return self.options(label)

    def options(self, label: str) -> list[str]:
        return [f"--cert={self.folder / f'{label}.pem'}", f"--key={self.folder / f'{label}-llave.pem'}"]

    def entry(self, label: str, certificate: str, names: str) -> None:
        """Add an entry to the tokens file, without the command."""
        with open(self.tokens, "a", encoding="utf-8") as file:
            file.write(
                f'[[token]]\nlabel = "{label}"\ncertificate = "{certificate}"\nnames = ["{names}"]\n\n'
            )
        self.tokens.chmod(0o600)

    def server(self, *options: str) -> Server:
        """Start an exit node with ``--auto-tls`` and ``--client-ca``."""
        server = Server(
            None,
            "--auto-tls",
            f"--state-dir={self.folder / 'estado'}",
            f"--client-ca={self.client_ca}",
            f"--tokens-file={self.tokens}",
            *options,
        )
        self.start.processes.append(server)
        return server

    def client(self, server: Server, upstream: str, *options: str, pin: str = "") -> TunnelProcess:
        """Start an agent that knows the exit node by its pin."""
        pin = pin or server.wait_for("listening")["pin"]
        client = TunnelProcess(
            "client",
            f"--url=wss://localhost:{server.control_port}",
            f"--ca-pin={pin}",
            f"--upstream={upstream}",
            "--json",
            *options,
        )
        self.start.processes.append(client)
        return client


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    with Starter(write_token(tmp_path / "token.txt", TOKEN)).running() as starter:
        yield starter


@pytest.fixture
def backend(start: Starter) -> Backend:
    return start.backend()


@pytest.fixture
def school(tmp_path: Path, start: Starter) -> School:
    school = School(tmp_path, start)
    school.cert("ca")
    return school
