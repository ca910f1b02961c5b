"""What a tunnel's two programs load: a library that nobody asked for is memory that everybody pays."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import pytest
from support.tunnel_kit import Starter
from support.tunnel_process import TunnelProcess

# What a switch, another command or a mistake in the usage brings.
OF_NEITHER = [
    "acme",
    "authlib",
    "cryptography",
    "dns",
    "flask",
    "html",
    "http.client",
    "http.server",
    "importlib.resources.readers",
    "jinja2",
    "joserfc",
    "logging.config",
    "logging.handlers",
    "multiprocessing",
    "prometheus_client",
    "requests",
    "tomlkit",
    "urllib.request",
    "urllib3",
    "waitress",
    "websockets.asyncio",
    "websockets.legacy",
    "websockets.sync",
    "werkzeug",
    "tunnel.acme",
    "tunnel.doctor",
    "tunnel.exitnodes",
    "tunnel.fileserver",
    "tunnel.health",
    "tunnel.https",
    "tunnel.inspector.observer",
    "tunnel.metrics.books",
    "tunnel.metrics.listener",
    "tunnel.metrics.pages",
    "tunnel.mtls.guests",
    "tunnel.quotas.paced",
    "tunnel.sites.gate",
    "tunnel.tcp",
]


def loaded(program: TunnelProcess) -> set[str]:
    """Return the modules that it imported, by what Python wrote of each (PYTHONPROFILEIMPORTTIME)."""
    program.terminate()
    assert program.wait() == 0, program.description
    lines = [line for line in program.err.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def needless(modules: set[str], unwanted: Iterable[str]) -> set[str]:
    return {name for name in modules for room in unwanted if name == room or name.startswith(f"{room}.")}


def test_a_tunnel_with_nothing_switched_on_loads_nothing_that_it_does_not_use(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)  # who measures a program loads more into it
    server = start.server()
    client = start.connected_client(server, start.backend())
    with server.visit() as visitor:
        assert visitor.ask().status == 200
    of_client, of_server = loaded(client), loaded(server)
    assert "tunnel.client" in of_client, sys.version  # or what was read is something else
    assert "tunnel.server" in of_server
    assert (
        needless(of_client, [*OF_NEITHER, "tunnel.server", "tunnel.connected", "tunnel.access.keeper"])
        == set()
    )
    assert (
        needless(of_server, [*OF_NEITHER, "tunnel.client", "tunnel.transport.agent", "tunnel.proxy"]) == set()
    )
