"""``tunnel fileserver``: a folder as a service that a tunnel can share."""

from __future__ import annotations

import argparse
import ipaddress
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tunnel.cli.common import Subparsers, add_token_option
from tunnel.cli.config_file import add_config_option
from tunnel.cli.service import add_generate_option
from tunnel.config import ConfigError
from tunnel.secret_files import load_token

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "fileserver",
        help="sirve una carpeta, solo para leerla",
        description="Sirve una carpeta por HTTP, solo para leerla, a quien conozca el token: usuario admin, "
        "contraseña el token. Compártala con «tunnel client --upstream http://127.0.0.1:8080».",
    )
    parser.add_argument("--webroot", metavar="CARPETA", type=Path, required=True, help="la carpeta")
    parser.add_argument(
        "--allow-browsing", action="store_true", help="muestra la lista de los archivos de cada carpeta"
    )
    parser.add_argument(
        "--host", metavar="IP", default="127.0.0.1", help="dónde escuchar (por omisión: 127.0.0.1)"
    )
    parser.add_argument(
        "--port", metavar="PUERTO", type=int, default=8080, help="puerto (por omisión: 8080); 0: uno libre"
    )
    add_token_option(parser)
    add_config_option(parser)
    add_generate_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM (0) or Ctrl-C (130)."""
    token = load_token(options.token_file, os.environ)
    try:
        is_exposed = not ipaddress.ip_address(options.host).is_loopback
    except ValueError:
        raise ConfigError(f"--host: «{options.host}» no es una dirección IP, como 127.0.0.1.") from None
    if not 0 <= options.port <= 65535:
        raise ConfigError(f"--port: {options.port} no está entre 0 y 65535.")
    if not options.webroot.is_dir():
        raise ConfigError(f"--webroot: {options.webroot} no es una carpeta que exista.")
    # Here, so that no other command waits for a web framework to load.
    from waitress.server import create_server

    from tunnel.fileserver.app import create_app
    from tunnel.service.notify import Notifier

    if is_exposed:
        print(
            f"tunnel fileserver: cuidado, con --host {options.host} se llega a la carpeta desde la red, y la "
            "contraseña va sin cifrar. Por el túnel no hace falta: quite --host.",
            file=sys.stderr,
        )
    app = create_app(options.webroot, token, allow_browsing=options.allow_browsing)
    server = create_server(app, host=options.host, port=options.port, ident=None)
    notifier = Notifier.of_process()
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        notifier.tell("STOPPING=1")
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    host = f"[{options.host}]" if ":" in options.host else options.host
    try:
        url = f"http://{host}:{server.effective_port}"  # type: ignore[union-attr]
        print(f"Carpeta compartida en {url}", flush=True)
        notifier.tell("READY=1", f"STATUS=Carpeta compartida en {url}.")
        _call_at_each_turn(server, notifier.alive)
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
    return 130 if signal.SIGINT in received else 0


def _call_at_each_turn(server: Any, called: Callable[[], None]) -> None:
    """Have the server's loop, which turns at least once a second, call a function at each turn."""
    is_readable = server.readable

    def call_and_look() -> bool:
        called()
        return bool(is_readable())

    server.readable = call_and_look
