"""Real services for a test of its own: a program on a free port of loopback, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.requirements import require_program
from support.wire import eventually

__all__ = ["POSTGRES_PASSWORD", "free_port", "postgres_server", "redis_server", "running", "ssh_server"]

_READY_S = 20.0

POSTGRES_PASSWORD = "clave-de-prueba"


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """Run a Redis that keeps nothing; yields its port."""
    program = require_program("redis-server", "apt install redis-server")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with running(command, port):
        yield port


@contextmanager
def postgres_server() -> Iterator[int]:
    """Run a PostgreSQL whose user ``tunel`` has POSTGRES_PASSWORD; yields its port.

    It has a folder and, where the tests are root's, a user of its own: it refuses to run as root.
    """
    user = "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="tunelab-postgres-"))
    try:
        (folder / "password").write_text(POSTGRES_PASSWORD)
        if user is not None:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        make = [
            *_postgres_program("initdb"), "--pgdata", str(folder / "data"), "--username", "tunel",
            "--auth", "scram-sha-256", "--pwfile", str(folder / "password"), "--no-sync",
        ]  # fmt: skip
        subprocess.run(make, check=True, capture_output=True, cwd=folder, user=user, timeout=60)
        port = free_port()
        command = [
            *_postgres_program("postgres"), "-D", str(folder / "data"), "-p", str(port), "-F",
            "-h", "127.0.0.1", "-k", "",
        ]  # fmt: skip
        with running(command, port, user):
            yield port
    finally:
        shutil.rmtree(folder)


def _postgres_program(name: str) -> list[str]:
    # Debian keeps them out of PATH, a folder for each version.
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return [str(found[-1]) if found else require_program(name, "apt install postgresql")]


@contextmanager
def ssh_server(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """Run an sshd that lets in one key; yields its port, and the ``ssh`` command without port and host."""
    ssh = require_program("ssh", "apt install openssh-client")
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin") or require_program(
        "sshd", "apt install openssh-server"
    )
    for name in ("host", "user"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    Path("/run/sshd").mkdir(exist_ok=True)  # Debian's sshd asks for it
    port = free_port()
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\nPermitRootLogin prohibit-password\n"
    )
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    command = [ssh, "-F", "none", "-i", str(folder / "user"), *(f"-o{option}" for option in options)]
    with running([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], port):
        yield port, command


@contextmanager
def running(command: list[str], port: int, user: str | None = None) -> Iterator[None]:
    """Run a server; it answers on ``port`` when the block begins, and is gone after it."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=user,
        cwd="/" if user is not None else None,
    )

    def answers() -> bool:
        assert process.poll() is None, process.communicate()[0]
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(answers, f"{command[0]} on port {port}", _READY_S)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=_READY_S)
