"""The whole path as a student runs it: application, exit node and client, each a process of its own."""

import json
import re
import shutil
import subprocess
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ExitNode:
    """Where a running exit node listens, for visitors and for clients."""

    public_url: str
    control_url: str


def program(name: str) -> str:
    """Return the path of a console script of this environment."""
    path = shutil.which(name, path=sysconfig.get_path("scripts"))
    assert path is not None, f"{name} is not installed"
    return path


def make_token(folder: Path) -> Path:
    """Return a new token's file."""
    token = folder / "token.txt"
    subprocess.run(
        [program("tunnel"), "token", "--salida", str(token)], check=True, stdout=subprocess.DEVNULL
    )
    return token


@contextmanager
def running_app() -> Iterator[str]:
    """Run the application with its two first tasks; yield its address."""

    def ready(line: str) -> str | None:
        found = re.search(r"Escuchando en (http://\S+)", line)
        return found and found[1]

    with _running(["gtd-app", "serve", "--en-memoria", "--port", "0"], ready) as url:
        yield url


@contextmanager
def running_exit_node(token: Path) -> Iterator[ExitNode]:
    """Run an exit node on two free ports."""
    command = ["tunnel", "server", "--host", "127.0.0.1", "--port", "0", "--control-host", "127.0.0.1"]
    command += ["--control-port", "0", "--token-file", str(token), "--json"]
    with _running(command, lambda line: _event(line, "listening")) as listening:
        yield ExitNode(
            f"http://127.0.0.1:{listening['data']['port']}", f"ws://127.0.0.1:{listening['control']['port']}"
        )


@contextmanager
def running_client(exit_node: ExitNode, upstream: str, token: Path) -> Iterator[None]:
    """Run a client that is connected to `exit_node` and takes every name."""
    command = ["tunnel", "client", "--url", exit_node.control_url, "--upstream", upstream]
    command += ["--token-file", str(token), "--json"]
    with _running(command, lambda line: _event(line, "connected")):
        yield


def _event(line: str, name: str) -> dict[str, Any] | None:
    event = json.loads(line)
    return event if event["event"] == name else None


@contextmanager
def _running(command: list[str], ready: Callable[[str], Any]) -> Iterator[Any]:
    """Run a program until the block ends, and yield what `ready` made of one of its first lines."""
    process = subprocess.Popen(
        [program(command[0]), *command[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    drain = threading.Thread(target=process.stdout.read)
    try:
        found = next((told for line in process.stdout if (told := ready(line))), None)
        assert found, f"{command} ended before it was ready"
        drain.start()
        yield found
    finally:
        process.terminate()
        process.wait(20)
        if drain.ident is not None:
            drain.join()
        process.stdout.close()
