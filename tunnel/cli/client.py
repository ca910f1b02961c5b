"""``tunnel client``: the agent beside the private service."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys

from tunnel.cli.common import EventPrinter, Subparsers, add_shared_options, positive_seconds, read_token
from tunnel.client import TunnelClient
from tunnel.config import ClientConfig, parse_control_url, parse_upstreams
from tunnel.events import Connected, Disconnected, Event, Stopping
from tunnel.transport.loop import StopSignals
from tunnel.transport.loop import run as run_in_loop

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "client",
        help="conecta un servicio local con el nodo de salida",
        description="Conecta un servicio de esta máquina con el nodo de salida. La conexión sale de "
        "aquí, por eso funciona detrás de NAT; si se corta, se reconecta solo.",
    )
    parser.add_argument(
        "--url",
        metavar="URL",
        required=True,
        help="puerto de control del nodo de salida: ws://192.0.2.10:8123",
    )
    parser.add_argument(
        "--upstream",
        metavar="URL",
        action="append",
        required=True,
        help="servicio local que se comparte: http://localhost:5000, o NOMBRE=URL para compartirlo solo con "
        "ese nombre; pueden ser varios, separados por comas",
    )
    parser.add_argument(
        "--upstream-timeout",
        metavar="SEGUNDOS",
        type=positive_seconds,
        default=60.0,
        help="cuánto puede tardar el servicio en empezar a responder (por omisión: 60)",
    )
    add_shared_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Keep the tunnel up until a signal says stop or the exit node says no."""
    config = ClientConfig(
        address=parse_control_url(options.url),
        token=read_token(options),
        upstreams=parse_upstreams(options.upstream),
        upstream_timeout_s=options.upstream_timeout,
        drain_timeout_s=options.drain_timeout,
    )
    return run_in_loop(_connect(config, options.json))


async def _connect(config: ClientConfig, as_json: bool) -> int:
    stop = StopSignals()
    printer = EventPrinter(as_json, _Describer(config), stop.requested.set)
    client = TunnelClient(config, printer)
    with stop.installed():
        run = asyncio.ensure_future(client.run())
        asked = asyncio.ensure_future(stop.requested.wait())
        await asyncio.wait((run, asked), return_when=asyncio.FIRST_COMPLETED)
        if not run.done():
            drain = asyncio.ensure_future(client.stop(config.drain_timeout_s))
            hurry = asyncio.ensure_future(stop.repeated.wait())
            await asyncio.wait((drain, hurry), return_when=asyncio.FIRST_COMPLETED)
            for task in (drain, hurry, run):
                task.cancel()
            await asyncio.gather(drain, hurry, run, return_exceptions=True)
            if printer.is_lost:
                return 3
            return 130 if stop.is_interrupt else 0
        asked.cancel()
        run.result()
    if client.refusal is not None:
        code = client.refusal.code
        print(f"tunnel client: {_REFUSALS.get(code, client.refusal.message)}", file=sys.stderr)
        return 1
    return 0


class _Describer:
    """Words events in Spanish; says only once why an exit node cannot be reached."""

    def __init__(self, config: ClientConfig) -> None:
        self._url = config.address.url
        self._last = ("", "")

    def __call__(self, event: Event) -> str | None:
        if isinstance(event, Connected):
            self._last = ("", "")
            pairs = (
                f"           {url}  →  {to}" for url, to in zip(event.urls, event.upstreams, strict=True)
            )
            return "Túnel abierto.\n" + "\n".join(pairs) + "\n           (Ctrl-C para cerrarlo)"
        if isinstance(event, Disconnected):
            if (event.reason, event.detail) == self._last:
                return None
            self._last = (event.reason, event.detail)
            reason = _REASONS.get(event.reason, event.reason)
            detail = f" ({_in_spanish(event.detail)})" if event.reason in _WITH_DETAIL else ""
            return f"Sin enlace con {self._url}: {reason}{detail}. Se reintenta sin parar…"
        if isinstance(event, Stopping):
            return f"Cerrando el túnel; peticiones en curso: {event.open_requests}."
        return None


_WITH_DETAIL = ("unreachable", "not-a-tunnel", "tls")

# What details say (in the system's or a library's words), and how it is told.
_DETAILS = tuple(
    (re.compile(pattern, re.IGNORECASE), said)
    for pattern, said in (
        (r"refused|Errno (61|111)\b|WinError 1225", "nada escucha en ese puerto"),
        (r"not known|nodename|getaddrinfo failed|No address", "ese nombre no existe"),
        (r"temporary failure in name", "el DNS no responde"),
        (r"in time|timed out", "no hubo respuesta a tiempo; ¿la descarta un cortafuegos?"),
        (r"no route to host", "no hay camino hasta esa máquina"),
        (r"unreachable", "no hay red hasta esa dirección"),
        (r"reset by peer", "el otro lado cortó la conexión"),
        (r"wrong version number|record layer|unknown protocol", "el otro lado no cifra: ¿es ws y no wss?"),
        (r"hostname mismatch|doesn't match", "el certificado es de otro nombre"),
        (r"certificate has expired", "el certificado venció"),
        (r"certificate verify failed|self.signed", "el certificado no es de confianza"),
        (r"it does not speak HTTP", "no habla HTTP"),
        (r"no subprotocol", "no conoce este protocolo"),
        (r"HTTP (\d+)", r"responde HTTP \1"),
    )
)


def _in_spanish(detail: str) -> str:
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
    "refused": "el nodo de salida pide esperar",
    "tls": "falló el cifrado",
    "unreachable": "no se alcanza",
}

_REFUSALS = {
    "bad-claim": "el nodo de salida no acepta esos nombres. Revise --upstream.",
    "bad-exit-node": "el nodo de salida no pudo demostrar que conoce el token: puede ser falso, o tener otro "
    "token. No se le envió nada. Revise --url y el token.",
    "bad-proof": "el nodo de salida rechazó la prueba del token.",
    "name-not-allowed": "su token no permite pedir ese nombre, o todos, que es lo que pide un --upstream sin "
    "nombre. Pida los suyos: --upstream NOMBRE=URL.",
    "name-taken": "otro cliente, con otro token, ya tiene ese nombre. Pida otro en --upstream.",
    "replaced": "otro cliente con este mismo token tomó su lugar. Si fue usted en otra terminal, no hay nada "
    "que hacer; si no, cambie el token.",
    "revoked": "el token fue revocado, venció o ya no permite esos nombres. Pregunte a quien administra el "
    "nodo de salida.",
    "unknown-token": "el nodo de salida no conoce este token. Debe ser el mismo en ambos lados: revise el "
    "archivo de --token-file.",
}
