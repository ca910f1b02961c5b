"""``tunnel client``: the agent beside the private service."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from tunnel.cli import balance, inspector, sni
from tunnel.cli.client_words import Describer, words_of_refusal
from tunnel.cli.common import (
    EventPrinter,
    Subparsers,
    add_shared_options,
    fail,
    positive_seconds,
    use_all_descriptors,
)
from tunnel.cli.config_file import add_config_option
from tunnel.cli.folder import add_folder_options, share_folder
from tunnel.cli.identity import add_identity_options
from tunnel.cli.logs import EventStyle, event_style
from tunnel.cli.metrics import CannotListen, add_metrics_option, agents_watched
from tunnel.cli.proxy import read_proxy
from tunnel.cli.service import add_generate_option
from tunnel.cli.target import add_target_options, read_connections
from tunnel.cli.tuning import tune_process
from tunnel.client import TunnelClient
from tunnel.config import (
    ClientConfig,
    ConfigError,
    ProxyProtocol,
    parse_upstreams,
)
from tunnel.connection import Connection
from tunnel.metrics.address import MetricsAddress
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.messages import Claim
from tunnel.service.notify import Notifier
from tunnel.transport.loop import StopSignals
from tunnel.transport.loop import run as run_in_loop
from tunnel.transport.observing import ClientObserver
from tunnel.trust import CaFile
from tunnel.upstream_options import parse_tcp_upstreams, parse_tls_upstreams, with_header_rules

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "client",
        help="conecta un servicio local con el nodo de salida",
        description="Conecta un servicio de esta máquina con el nodo de salida. La conexión sale de "
        "aquí, por eso funciona detrás de NAT; si se corta, se reconecta solo.",
    )
    add_target_options(parser)
    add_identity_options(parser)
    parser.add_argument(
        "--upstream",
        metavar="URL",
        action="append",
        default=[],
        help="servicio local que se comparte: http://localhost:5000, o NOMBRE=URL para compartirlo solo con "
        "ese nombre (*.NOMBRE: con los que terminan así); pueden ser varios, separados por comas",
    )
    add_folder_options(parser)
    parser.add_argument(
        "--tcp",
        metavar="PUERTO=EQUIPO:PUERTO",
        action="append",
        default=[],
        help="servicio TCP que se comparte en un puerto del nodo de salida: 5432=localhost:5432; pueden ser "
        "varios, separados por comas",
    )
    parser.add_argument(
        "--proxy-protocol",
        choices=[version.value for version in ProxyProtocol if version.value],
        default=ProxyProtocol.NONE.value,
        help="con --tcp o --sni: dice al servicio quién es el visitante, con el protocolo PROXY de HAProxy; "
        "el servicio debe esperarlo",
    )
    parser.add_argument(
        "--host-header",
        metavar="VALOR",
        action="append",
        default=[],
        help="el nombre (Host) que ve el servicio: preserve, el del visitante (por omisión); rewrite, el del "
        "servicio; u otro. Con NOMBRE= antes, solo para ese --upstream",
    )
    for direction, which in (("request", "de las peticiones"), ("response", "de las respuestas")):
        parser.add_argument(
            f"--{direction}-header",
            metavar="REGLA",
            action="append",
            default=[],
            help=f"cambia las cabeceras {which}: 'X-Env: clase' la pone, '+X-Env: b' la agrega y '-X-Env' la "
            "quita; varias. Con NOMBRE= antes, solo para ese --upstream",
        )
    parser.add_argument(
        "--upstream-timeout",
        metavar="SEGUNDOS",
        type=positive_seconds,
        default=60.0,
        help="cuánto puede tardar el servicio en empezar a responder (por omisión: 60)",
    )
    parser.add_argument(
        "--inseguro",
        action="store_true",
        help="acepta un enlace sin cifrar (ws://) con otra máquina: quien esté en el camino puede leerlo y "
        "cambiarlo",
    )
    sni.add_client_options(parser)
    balance.add_options(parser)
    inspector.add_options(parser)
    add_metrics_option(parser)
    add_shared_options(parser)
    add_config_option(parser)
    add_generate_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Keep the tunnel up until a signal says stop or the exit node says no."""
    connections = read_connections(options)
    options.upstream = [*options.upstream, *share_folder(options)]
    configs = [_config(options, connection) for connection in connections]
    inspected = inspector.read_options(options)
    if options.inseguro and all(config.address.is_tls for config in configs):
        raise ConfigError(f"--inseguro no hace nada con «{configs[0].address.url}», que va cifrada. Quítelo.")
    for address in (config.address for config in configs):
        if not address.is_tls and not address.is_loopback:
            print(
                f"tunnel client: cuidado, el enlace con {address.url} va sin cifrar: quien esté en el camino "
                "puede leer y cambiar lo que pasa. Con --auto-tls en el nodo de salida no podría.",
                file=sys.stderr,
            )
    use_all_descriptors()
    tune_process()
    memory = MemoryBudget(options.memory_limit) if options.memory_limit else None
    try:
        with inspector.inspecting(inspected, style=event_style(options)) as observer:
            return run_in_loop(_connect(configs, event_style(options), memory, observer, options.metrics))
    except inspector.CannotInspect as error:
        return fail("client", str(error))


def _config(options: argparse.Namespace, connection: Connection) -> ClientConfig:
    upstreams = with_header_rules(
        parse_upstreams(options.upstream) if options.upstream else (),
        options.request_header,
        options.response_header,
        options.host_header,
    )
    tcp = parse_tcp_upstreams(options.tcp) if options.tcp else ()
    claim = Claim(tuple(upstream.name for upstream in upstreams), tuple(service.exit_port for service in tcp))
    return ClientConfig(
        address=connection.address,
        token=connection.token,
        upstreams=upstreams,
        tcp=tcp,
        sni=parse_tls_upstreams(options.sni, claim) if options.sni else (),
        proxy_protocol=ProxyProtocol(options.proxy_protocol),
        upstream_timeout_s=options.upstream_timeout,
        drain_timeout_s=options.drain_timeout,
        trust=CaFile(options.ca_file) if options.ca_file else connection.trust,
        allows_plain=options.inseguro,
        proxy=read_proxy(options, connection.address),
        is_balanced=options.balance,
        health=balance.read_health(options, upstreams),
        identity=connection.identity,
    )


async def _connect(
    configs: Sequence[ClientConfig],
    style: EventStyle,
    memory: MemoryBudget | None,
    observer: ClientObserver | None,
    metrics: MetricsAddress | None,
) -> int:
    """Keep a link to each exit node; end when all of them have refused, or when asked to."""
    stop = StopSignals()
    are_several = len(configs) > 1
    printers = [
        EventPrinter(
            style,
            Describer(config, names_it=are_several),
            stop.requested.set,
            {"exit_node": config.address.url} if are_several else {},
        )
        for config in configs
    ]
    notifier = Notifier.of_process()
    clients = [
        TunnelClient(config, notifier.beside(printer), memory, observer)
        for config, printer in zip(configs, printers, strict=True)
    ]
    try:
        async with agents_watched(clients, metrics):
            with stop.installed(), notifier.watched():
                return await _keep_all(clients, stop, printers)
    except CannotListen as error:
        return fail("client", str(error))


async def _keep_all(
    clients: Sequence[TunnelClient], stop: StopSignals, printers: Sequence[EventPrinter]
) -> int:
    are_several = len(clients) > 1
    runs = asyncio.gather(*(_keep(client, names_it=are_several) for client in clients))
    asked = asyncio.ensure_future(stop.requested.wait())
    await asyncio.wait((runs, asked), return_when=asyncio.FIRST_COMPLETED)
    if not runs.done():
        drain = asyncio.gather(*(client.stop(client.config.drain_timeout_s) for client in clients))
        hurry = asyncio.ensure_future(stop.repeated.wait())
        await asyncio.wait((drain, hurry), return_when=asyncio.FIRST_COMPLETED)
        for task in (drain, hurry, runs):
            task.cancel()
        await asyncio.gather(drain, hurry, runs, return_exceptions=True)
        if any(printer.is_lost for printer in printers):
            return 3
        return 130 if stop.is_interrupt else 0
    asked.cancel()
    runs.result()
    return int(any(client.refusal is not None for client in clients))


async def _keep(client: TunnelClient, *, names_it: bool) -> None:
    """Run a client to its end, and say why its exit node refused it, if it did."""
    await client.run()
    if client.refusal is not None:
        code = client.refusal.code
        if code == "unknown-token" and client.config.identity is not None:
            code = "unknown-certificate"
        said = words_of_refusal(code, client.refusal.message)
        if code.startswith("port-"):  # several were asked for
            said += f" (El nodo de salida dice: {client.refusal.message}.)"
        which = f"{client.config.address.url}: " if names_it else ""
        print(f"tunnel client: {which}{said}", file=sys.stderr)
