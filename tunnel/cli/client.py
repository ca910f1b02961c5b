"""``tunnel client``: the agent beside the private service."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tunnel.cli import balance, inspector, sni
from tunnel.cli.common import (
    EventPrinter,
    Subparsers,
    add_shared_options,
    fail,
    positive_seconds,
    read_token,
    use_all_descriptors,
)
from tunnel.cli.config_file import add_config_option
from tunnel.cli.folder import add_folder_options, share_folder
from tunnel.cli.identity import IDENTITY_OPTIONS, add_identity_options, read_identity
from tunnel.cli.logs import EventStyle, event_style
from tunnel.cli.metrics import CannotListen, add_metrics_option, agents_watched, words_of_metrics
from tunnel.cli.proxy import PROXY_DETAILS, PROXY_REFUSALS, add_proxy_options, read_proxy
from tunnel.cli.service import add_generate_option
from tunnel.cli.tuning import tune_process
from tunnel.client import TunnelClient
from tunnel.config import (
    ClientConfig,
    ConfigError,
    ProxyProtocol,
    parse_control_url,
    parse_pin,
    parse_upstreams,
)
from tunnel.connection import Connection, load_connection
from tunnel.events import Connected, Disconnected, Event, HealthChanged, MetricsListening, Stopping
from tunnel.metrics.address import MetricsAddress
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.messages import Claim
from tunnel.service.notify import Notifier
from tunnel.transport.loop import StopSignals
from tunnel.transport.loop import run as run_in_loop
from tunnel.transport.observing import ClientObserver
from tunnel.trust import SYSTEM_TRUST, CaFile
from tunnel.upstream_options import parse_tcp_upstreams, parse_tls_upstreams, with_header_rules

__all__ = ["add_parser", "add_target_options", "read_connections", "words_of_detail", "words_of_refusal"]


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


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the exit node is and how it is known."""
    parser.add_argument(
        "--conexion",
        metavar="ARCHIVO",
        type=Path,
        action="append",
        help="archivo de conexión que escribió el nodo de salida: lleva la URL, el token y la huella; "
        "varios: un enlace con cada nodo",
    )
    parser.add_argument(
        "--url",
        metavar="URL",
        help="sin --conexion: puerto de control del nodo de salida, wss://192.0.2.10:8123",
    )
    parser.add_argument(
        "--ca-pin",
        metavar="HUELLA",
        help="con --url wss://…: acepta solo la CA con esta huella (sha256:…), o con «token» la que el nodo "
        "de salida demuestre suya con el token",
    )
    parser.add_argument(
        "--ca-file",
        metavar="ARCHIVO",
        type=Path,
        help="con --url wss://…: acepta solo la CA de este certificado PEM (por omisión: las que el sistema "
        "conoce)",
    )
    add_proxy_options(parser)


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


def read_connections(options: argparse.Namespace) -> list[Connection]:
    """Return how to reach each exit node, from the options.  Raises ConfigError."""
    if not options.conexion:
        return [_read_from_options(options)]
    for option in ("url", "token_file", "ca_pin", "ca_file", *IDENTITY_OPTIONS):
        if getattr(options, option, None):
            raise ConfigError(
                f"--conexion y --{option.replace('_', '-')} no van juntos: el archivo ya lo dice."
            )
    connections = [load_connection(path) for path in options.conexion]
    urls = [connection.address.url for connection in connections]
    for url in urls:
        if urls.count(url) > 1:  # with one token they would take each other's place for ever
            raise ConfigError(f"hay dos --conexion con el mismo nodo de salida, {url}: quite una.")
    return connections


def _read_from_options(options: argparse.Namespace) -> Connection:
    if options.url is None:
        raise ConfigError(
            "falta --conexion ARCHIVO, el archivo que escribió el nodo de salida, o si no --url."
        )
    if options.ca_pin and options.ca_file:
        raise ConfigError("--ca-pin y --ca-file no van juntos: cada uno dice qué CA es la buena. Quite uno.")
    address = parse_control_url(options.url)
    trust = parse_pin(options.ca_pin) if options.ca_pin is not None else SYSTEM_TRUST
    identity = read_identity(options)
    return Connection(address, None if identity else read_token(options), trust, identity=identity)


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
            _Describer(config, names_it=are_several),
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


class _Describer:
    """Words events in Spanish; says only once why an exit node cannot be reached."""

    def __init__(self, config: ClientConfig, *, names_it: bool = False) -> None:
        self._url, self._host = config.address.url, config.address.host
        self._urls = {upstream.name: upstream.url for upstream in config.upstreams}
        self._sick: set[str] = set()  # names that were not well at some time
        self._with = f" con {self._url}" if names_it else ""
        self._last = ("", "")

    def __call__(self, event: Event) -> str | None:
        if isinstance(event, Connected):
            self._last = ("", "")
            host = f"[{self._host}]" if ":" in self._host else self._host
            pairs = [*zip(event.urls, event.upstreams, strict=True)]
            pairs += [(f"tcp://{host}:{port}", to) for port, to in event.tcp]
            pairs += event.sni
            lines = [f"           {public}  →  {to}" for public, to in pairs]
            return "\n".join([f"Túnel abierto{self._with}.", *lines, "           (Ctrl-C para cerrarlo)"])
        if isinstance(event, Disconnected):
            if (event.reason, event.detail) == self._last:
                return None
            self._last = (event.reason, event.detail)
            reason = _REASONS.get(event.reason, event.reason)
            detail = f" ({words_of_detail(event.detail)})" if event.reason in _WITH_DETAIL else ""
            return f"Sin enlace con {self._url}: {reason}{detail}. Se reintenta sin parar…"
        if isinstance(event, HealthChanged):
            if event.is_up and event.upstream not in self._sick:
                return None  # well from the start: nothing to tell
            self._sick.add(event.upstream)
            return balance.words_of_health(
                self._urls.get(event.upstream, event.upstream), event.is_up, event.detail
            )
        if isinstance(event, MetricsListening):
            return words_of_metrics(event)
        if isinstance(event, Stopping):
            return f"Cerrando el túnel{self._with}; peticiones en curso: {event.open_requests}."
        return None


_WITH_DETAIL = ("unreachable", "not-a-tunnel", "tls", "proxy")

# What details say (in the system's or a library's words), and how it is told.
_DETAILS = tuple(
    (re.compile(pattern, re.IGNORECASE), said)
    for pattern, said in (
        *PROXY_DETAILS,
        (r"refused|Errno (61|111)\b|WinError 1225", "nada escucha en ese puerto"),
        (r"not known|nodename|getaddrinfo failed|No address", "ese nombre no existe"),
        (r"temporary failure in name", "el DNS no responde"),
        (r"in time|timed out", "no hubo respuesta a tiempo; ¿la descarta un cortafuegos?"),
        (r"no route to host", "no hay camino hasta esa máquina"),
        (r"unreachable", "no hay red hasta esa dirección"),
        (r"reset by peer", "el otro lado cortó la conexión"),
        (r"wrong version number|record layer|unknown protocol", "el otro lado no cifra: ¿es ws y no wss?"),
        (r"hung up in the TLS", "el otro lado cortó al empezar: ¿es ws y no wss?"),
        (r"offers no CA", "ahí no hay un nodo de salida con --auto-tls"),
        (r"(hostname|IP address) mismatch|doesn't match", "el certificado es de otro nombre"),
        (r"certificate has expired", "el certificado venció; ¿está bien el reloj?"),
        (r"not yet valid", "el certificado todavía no vale; ¿está bien el reloj?"),
        (r"certificate verify failed|self.signed", "el certificado no es de confianza"),
        (
            r"hung up on the certificate",
            "el nodo de salida cortó al ver el certificado: venció o es de otra CA",
        ),
        (r"it does not speak HTTP", "no habla HTTP"),
        (r"no subprotocol", "no conoce este protocolo"),
        (r"HTTP (\d+)", r"responde HTTP \1"),
    )
)


def words_of_refusal(code: str, message: str) -> str:
    """Return why an exit node said no, or why the link ended, in Spanish where the code is known."""
    return _REFUSALS.get(code) or _REASONS.get(code) or message


def words_of_detail(detail: str) -> str:
    """Return what the system or a library said of a fault, in Spanish where it is known."""
    for pattern, said in _DETAILS:
        if match := pattern.search(detail):
            return match.expand(said)
    return detail


_REASONS = {
    "connection-lost": "se cortó la conexión",
    "draining": "el nodo de salida se detuvo",
    "handshake-timeout": "no terminó el saludo a tiempo",
    "internal": "el nodo de salida tuvo una falla",
    "not-a-tunnel": "ahí responde otra cosa, no un nodo de salida; revise el puerto de --url",
    "ping-timeout": "el nodo de salida dejó de responder",
    "protocol-error": "el nodo de salida no habla este protocolo",
    "proxy": "el proxy no abre el camino",
    "refused": "el nodo de salida pide esperar",
    "tls": "falló el cifrado",
    "unreachable": "no se alcanza",
}

_REFUSALS = PROXY_REFUSALS | {
    "bad-claim": "el nodo de salida no acepta esos nombres. Revise --upstream.",
    "bad-exit-node": "el nodo de salida no pudo demostrar que conoce el token: puede ser falso, o tener otro "
    "token. No se le envió nada. Revise --url y el token.",
    "bad-pin": "la CA del nodo de salida no es la de la huella: puede haber alguien en el camino, o el nodo "
    "de salida se hizo de nuevo. No se le envió nada. Si se hizo de nuevo, pida su archivo de conexión.",
    "bad-proof": "el nodo de salida rechazó la prueba del token.",
    "certificate-refused": "el nodo de salida cortó al ver el certificado: venció o es de otra CA.",
    "unknown-certificate": "el nodo de salida no conoce este certificado: no está en su archivo de tokens "
    "(certificate), o no acepta certificados (--client-ca). Pregunte a quien lo administra.",
    "name-not-allowed": "su token no permite pedir ese nombre, o todos, que es lo que pide un --upstream sin "
    "nombre. Pida los suyos: --upstream NOMBRE=URL.",
    "name-taken": "otro cliente, con otro token, ya tiene ese nombre. Pida otro en --upstream.",
    "no-balance": "el nodo de salida es de una versión que no reparte entre varios clientes. Actualícelo, o "
    "quite --balance.",
    "no-health": "el nodo de salida es de una versión que no escucha revisiones de salud. Actualícelo, o "
    "quite --health.",
    "no-sni": "el nodo de salida es de una versión que no conoce los nombres TLS. Actualícelo, o "
    "quite --sni.",
    "no-ports": "el nodo de salida es de una versión que no conoce los puertos TCP. Actualícelo, o "
    "quite --tcp.",
    "port-in-use": "otro programa del nodo de salida ocupa ya un puerto de --tcp. Pida otro.",
    "port-not-allowed": "el nodo de salida no le da un puerto de --tcp: no está en --tcp-ports, o su "
    "token no lo permite.",
    "port-taken": "otro cliente, con otro token, ya tiene un puerto de --tcp. Pida otro.",
    "replaced": "otro cliente con este mismo token tomó su lugar. Si fue usted en otra terminal, no hay nada "
    "que hacer; si no, cambie el token.",
    "revoked": "el token fue revocado, venció o ya no permite esos nombres. Pregunte a quien administra el "
    "nodo de salida.",
    "sni-not-allowed": "el nodo de salida no tiene un puerto para servicios TLS. Arránquelo con --sni-port, "
    "o quite --sni.",
    "unknown-token": "el nodo de salida no conoce este token. Debe ser el mismo en ambos lados: revise el "
    "archivo de --token-file.",
}
