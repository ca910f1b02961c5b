"""``tunnel server``: the exit node."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from tunnel.cli import sites, sni
from tunnel.cli.acme import uses_state
from tunnel.cli.common import (
    EventPrinter,
    Subparsers,
    add_shared_options,
    fail,
    network,
    port_number,
    port_ranges,
    positive_seconds,
    read_token,
    use_all_descriptors,
)
from tunnel.cli.config_file import add_config_option
from tunnel.cli.https import add_https_options, read_https_options
from tunnel.cli.identity import add_client_ca_option
from tunnel.cli.limits import add_limit_option, client_limits, visitor_limits
from tunnel.cli.logs import EventStyle, event_style
from tunnel.cli.metrics import CannotListen, add_metrics_option, server_watched
from tunnel.cli.server_words import describe, why_not_listening
from tunnel.cli.service import add_generate_option
from tunnel.cli.tuning import tune_process
from tunnel.config import (
    ANY_HOST,
    CONTROL_PORT,
    DATA_PORT,
    TOKEN_VARIABLE,
    AutoTls,
    ConfigError,
    Secret,
    ServerConfig,
    parse_san,
)
from tunnel.https_options import CertificateFiles
from tunnel.metrics.address import MetricsAddress
from tunnel.port_ranges import NO_PORT
from tunnel.server import TunnelServer
from tunnel.service.notify import Notifier
from tunnel.state.folder import default_state_folder, prepare_state_folder
from tunnel.state.own_token import keep_token
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
    parser.add_argument(
        "--auto-tls",
        action="store_true",
        help="cifra el enlace con un certificado propio, que se renueva solo, y escribe el archivo de "
        "conexión para el cliente; si no se le da un token, crea uno",
    )
    parser.add_argument(
        "--auto-tls-san",
        metavar="IP_O_NOMBRE",
        type=_san,
        action="append",
        help="con --auto-tls: la dirección con la que los clientes llegan a este nodo; pueden ser varias, y "
        "el archivo de conexión lleva la primera",
    )
    parser.add_argument(
        "--tls-cert",
        metavar="ARCHIVO",
        type=Path,
        help="cifra el enlace con este certificado PEM, en lugar de --auto-tls: el de certbot, por ejemplo "
        "(fullchain.pem); se vuelve a leer cuando cambia",
    )
    parser.add_argument(
        "--tls-key", metavar="ARCHIVO", type=Path, help="con --tls-cert: su llave (privkey.pem)"
    )
    add_client_ca_option(parser)
    parser.add_argument(
        "--state-dir",
        metavar="CARPETA",
        type=Path,
        help="con --auto-tls o --acme-domain: dónde guarda la CA, los certificados y lo demás (por omisión: "
        "tunelab, en la carpeta de estado de su usuario o del servicio)",
    )
    parser.add_argument(
        "--conexion",
        metavar="ARCHIVO",
        type=Path,
        help="con --auto-tls: dónde escribe el archivo de conexión (por omisión: conexion.toml en la carpeta "
        "anterior)",
    )
    parser.add_argument(
        "--trust-proxy",
        metavar="RED",
        type=network,
        action="append",
        default=[],
        help="red o dirección de un proxy que está delante del nodo de salida (10.0.0.0/8): se le cree quién "
        "es el visitante; pueden ser varias",
    )
    parser.add_argument(
        "--tcp-ports",
        metavar="PUERTOS",
        type=port_ranges,
        default=NO_PORT,
        help="los puertos TCP que los clientes pueden pedir: 5432,6000-6010 (por omisión: ninguno)",
    )
    parser.add_argument(
        "--log-requests",
        action="store_true",
        help="dice de cada petición que un cliente respondió el código y, si lo trae, el identificador de su "
        "traceparent; nunca la ruta ni el contenido",
    )
    add_https_options(parser)
    sites.add_options(parser)
    sni.add_server_options(parser)
    add_metrics_option(parser)
    add_limit_option(parser)
    add_shared_options(parser)
    add_config_option(parser)
    add_generate_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal says stop."""
    auto_tls = _auto_tls(options)
    is_shared = options.port == options.control_port != 0
    sites_file, allowed, denied = sites.read_options(options)
    config = ServerConfig(
        token=_token(options, auto_tls),
        tokens_file=options.tokens_file,
        host=options.host,
        port=options.port,
        control_host=options.control_host or (options.host if is_shared else ANY_HOST),
        control_port=options.control_port,
        ping_interval_s=options.ping_interval,
        drain_timeout_s=options.drain_timeout,
        auto_tls=auto_tls,
        tls_files=_tls_files(options),
        trusted_proxies=tuple(options.trust_proxy),
        tcp_ports=options.tcp_ports,
        logs_requests=options.log_requests,
        limits=visitor_limits(options.limit),
        client_limits=client_limits(options.limit),
        sites_file=sites_file,
        allowed_networks=allowed,
        denied_networks=denied,
        memory_limit_bytes=options.memory_limit,
        https=read_https_options(options),
        client_ca=options.client_ca,
        sni_port=options.sni_port,
    )
    if auto_tls is not None and not auto_tls.names and config.control_host == ANY_HOST and config.token:
        print(
            "tunnel server: sin --auto-tls-san, el archivo de conexión solo sirve en esta máquina.",
            file=sys.stderr,
        )
    use_all_descriptors()
    tune_process()
    return run_in_loop(_serve(config, event_style(options), options.metrics))


def _auto_tls(options: argparse.Namespace) -> AutoTls | None:
    if not options.auto_tls:
        for option in ("auto_tls_san", "state_dir", "conexion"):
            if getattr(options, option) and not (option == "state_dir" and uses_state(options)):
                raise ConfigError(f"--{option.replace('_', '-')} va con --auto-tls, que cifra el enlace.")
        return None
    folder = options.state_dir or default_state_folder(os.environ)
    return AutoTls(folder, tuple(options.auto_tls_san or ()), options.conexion)


def _tls_files(options: argparse.Namespace) -> CertificateFiles | None:
    if (options.tls_cert is None) != (options.tls_key is None):
        raise ConfigError("--tls-cert y --tls-key van juntos: el certificado y su llave.")
    return None if options.tls_cert is None else CertificateFiles(options.tls_cert, options.tls_key)


def _token(options: argparse.Namespace, auto_tls: AutoTls | None) -> Secret | None:
    # Beside a file of tokens, one from the environment that may claim every name would go unnoticed.
    if options.tokens_file and not options.token_file:
        return None
    if auto_tls is not None and not options.token_file and TOKEN_VARIABLE not in os.environ:
        prepare_state_folder(auto_tls.state_folder)
        return keep_token(auto_tls.state_folder)
    return read_token(options)


def _san(text: str) -> str:
    try:
        return parse_san(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def _serve(config: ServerConfig, style: EventStyle, metrics: MetricsAddress | None) -> int:
    stop = StopSignals()
    printer = EventPrinter(style, describe, stop.requested.set)
    notifier = Notifier.of_process()
    server = TunnelServer(config, notifier.beside(printer))
    try:
        async with server_watched(server, metrics):
            with stop.installed(), notifier.watched(), _reloaded_on_hangup(server):
                return await _serve_until_stopped(server, stop, printer)
    except CannotListen as error:
        return fail("server", str(error))


async def _serve_until_stopped(server: TunnelServer, stop: StopSignals, printer: EventPrinter) -> int:
    config = server.config
    try:
        await server.start()
    except OSError as error:
        return fail("server", why_not_listening(config, error, is_data_up=server.data_port != 0))
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
    """Read the tokens file and the sites file again on SIGHUP, as services do.

    Not in a terminal: there the signal says that its window was closed, and is the end.
    """
    in_terminal = sys.stdin is not None and sys.stdin.isatty()
    has_files = server.config.tokens_file is not None or server.config.sites_file is not None
    if not has_files or sys.platform == "win32" or in_terminal:
        yield
        return
    loop = asyncio.get_running_loop()
    former = signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(server.reload))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, former)
