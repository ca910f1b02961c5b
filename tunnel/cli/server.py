"""``tunnel server``: the exit node."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from tunnel.cli.common import (
    EventPrinter,
    Subparsers,
    add_shared_options,
    fail,
    port_number,
    positive_seconds,
    read_token,
)
from tunnel.config import ANY_HOST, CATCH_ALL, CONTROL_PORT, DATA_PORT, ServerConfig
from tunnel.events import (
    ClientConnected,
    ClientGone,
    Event,
    Listening,
    Stopping,
    TokensRejected,
    TokensReloaded,
)
from tunnel.os_errors import describe_os_error
from tunnel.server import TunnelServer
from tunnel.transport.loop import StopSignals
from tunnel.transport.loop import run as run_in_loop

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "server",
        help="arranca el nodo de salida",
        description="Arranca el servidor del túnel en el nodo de salida: recibe a los visitantes en un "
        "puerto y al cliente del túnel en otro.",
    )
    parser.add_argument(
        "--port",
        metavar="PUERTO",
        type=port_number,
        default=DATA_PORT,
        help="puerto de los visitantes, el plano de datos (por omisión: %(default)s; 0: uno libre)",
    )
    parser.add_argument(
        "--control-port",
        metavar="PUERTO",
        type=port_number,
        default=CONTROL_PORT,
        help="puerto del cliente del túnel, el plano de control (por omisión: %(default)s; el mismo de "
        "--port: comparten uno)",
    )
    parser.add_argument(
        "--host",
        metavar="DIRECCIÓN",
        default=ANY_HOST,
        help="dirección donde escucha a los visitantes (por omisión: %(default)s, todas)",
    )
    parser.add_argument(
        "--control-host",
        metavar="DIRECCIÓN",
        help="dirección donde escucha al cliente (por omisión: 0.0.0.0, todas; la de --host cuando comparten "
        "puerto)",
    )
    parser.add_argument(
        "--ping-interval",
        metavar="SEGUNDOS",
        type=positive_seconds,
        default=5.0,
        help="cada cuánto se comprueba el enlace; dos intervalos en silencio lo dan por muerto "
        "(por omisión: 5)",
    )
    parser.add_argument(
        "--tokens-file",
        metavar="ARCHIVO",
        type=Path,
        help="archivo TOML con un token para cada cliente y los nombres que puede pedir, en lugar de "
        "--token-file; si cambia, se vuelve a leer",
    )
    add_shared_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal says stop."""
    # Beside a file of tokens, one from the environment that may claim every name would go unnoticed.
    token = None if options.tokens_file and not options.token_file else read_token(options)
    is_shared = options.port == options.control_port != 0
    config = ServerConfig(
        token=token,
        tokens_file=options.tokens_file,
        host=options.host,
        port=options.port,
        control_host=options.control_host or (options.host if is_shared else ANY_HOST),
        control_port=options.control_port,
        ping_interval_s=options.ping_interval,
        drain_timeout_s=options.drain_timeout,
    )
    return run_in_loop(_serve(config, options.json))


async def _serve(config: ServerConfig, as_json: bool) -> int:
    stop = StopSignals()
    printer = EventPrinter(as_json, _describe, stop.requested.set)
    server = TunnelServer(config, printer)
    with stop.installed(), _reloaded_on_hangup(server):
        try:
            await server.start()
        except OSError as error:
            return fail("server", _why_not_listening(config, error, is_data_up=server.data_port != 0))
        await stop.requested.wait()
        drain = asyncio.ensure_future(server.drain(config.drain_timeout_s))
        hurry = asyncio.ensure_future(stop.repeated.wait())
        await asyncio.wait((drain, hurry), return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not drain.done():
            drain.cancel()
            await server.close()
    if printer.is_lost:
        return 3
    return 130 if stop.is_interrupt else 0


@contextlib.contextmanager
def _reloaded_on_hangup(server: TunnelServer) -> Iterator[None]:
    """Read the tokens file again on SIGHUP, as services do.

    Not in a terminal: there the signal says that its window was closed, and is the end.
    """
    in_terminal = sys.stdin is not None and sys.stdin.isatty()
    if server.config.tokens_file is None or sys.platform == "win32" or in_terminal:
        yield
        return
    loop = asyncio.get_running_loop()
    former = signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(server.reload_tokens))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, former)


def _why_not_listening(config: ServerConfig, error: OSError, is_data_up: bool) -> str:
    """Return why; ``is_data_up`` says that the visitors' plane was bound, so that it is the other's fault."""
    option, port, host = "--port", config.port, config.host
    if is_data_up:
        option, port, host = "--control-port", config.control_port, config.control_host
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"esta máquina no tiene la dirección {host}."
    if error.errno == errno.EADDRINUSE:
        return (
            f"otro programa ocupa ya el puerto {port}. Deténgalo (¿otro «tunnel server»?) o elija otro con "
            f"{option}."
        )
    if error.errno == errno.EACCES:
        return (
            f"no tiene permiso para escuchar en el puerto {port}: los menores de 1024 son del sistema. Elija "
            f"otro con {option}."
        )
    return f"no se puede escuchar en {host}, puerto {port}: {describe_os_error(error)}."


def _describe(event: Event) -> str | None:
    if isinstance(event, Listening):
        return (
            "Nodo de salida en marcha.\n"
            f"           Visitantes:         http://{event.data.host}:{event.data.port}\n"
            f"           Cliente del túnel:  ws://{event.control.host}:{event.control.port}\n"
            "           Esperando al cliente… (Ctrl-C para detener)"
        )
    if isinstance(event, ClientConnected):
        return f"Cliente{_label(event.label)} conectado desde {event.peer}. Atiende {_names(event.names)}."
    if isinstance(event, ClientGone):
        reason = _REASONS.get(event.reason, event.reason)
        return f"Se fue el cliente{_label(event.label)} {event.peer} ({reason})."
    if isinstance(event, TokensReloaded):
        return _reloaded(event)
    if isinstance(event, TokensRejected):
        return f"El archivo de los tokens cambió y no sirve; siguen los de antes: {event.message}"
    if isinstance(event, Stopping):
        return f"Deteniendo; peticiones en curso: {event.open_requests}."
    return None


def _label(label: str) -> str:
    return f" «{label}»" if label else ""


def _reloaded(event: TokensReloaded) -> str:
    parts = [
        f"{what}: {', '.join(labels)}"
        for what, labels in (
            ("nuevos", event.added),
            ("quitados", event.removed),
            ("cambiados", event.changed),
        )
        if labels
    ]
    return f"Tokens leídos otra vez ({event.tokens}). {'; '.join(parts) or 'Sin cambios'}."


def _names(names: tuple[str, ...]) -> str:
    return "todos los nombres" if CATCH_ALL in names else ", ".join(names)


_REASONS = {
    "bad-exit-node": "no reconoció a este nodo de salida",
    "connection-lost": "se cortó la conexión",
    "draining": "se detuvo",
    "handshake-timeout": "no terminó el saludo a tiempo",
    "internal": "tuvo una falla",
    "ping-timeout": "dejó de responder",
    "protocol-error": "no respetó el protocolo",
    "refused": "no fue aceptado",
    "replaced": "lo reemplazó otro con el mismo token",
    "revoked": "su token fue revocado, venció o ya no permite esos nombres",
}
