"""``tunnel requests``: what the exit node noted of the requests that passed to this client."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from tunnel.cli.client_words import words_of_detail, words_of_refusal
from tunnel.cli.common import Subparsers, add_token_option, fail
from tunnel.cli.identity import add_identity_options
from tunnel.cli.proxy import read_proxy
from tunnel.cli.target import add_target_options, read_connections
from tunnel.config import ConfigError
from tunnel.mtls.showing import shown_by
from tunnel.proxy.connect import ProxyDenied
from tunnel.transport.asking import AskError, CertificateRefusedError, ask
from tunnel.transport.questions import REQUESTS_PATH
from tunnel.transport.tls import Dialler, Unverifiable, WrongCa
from tunnel.trust import CaFile, Trust

__all__ = ["add_parser"]

_NO = {
    403: "el nodo de salida no conoce ese token, o ese certificado.",
    404: "ahí nadie anota las peticiones: el nodo de salida se arranca con --log-requests, y --url lleva su "
    "puerto de control.",
    429: "el nodo de salida pide esperar: hay demasiados intentos desde su dirección.",
}


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "requests",
        help="muestra qué peticiones anotó el nodo de salida",
        description="Le pregunta al nodo de salida qué peticiones pasaron por él hacia el cliente de este "
        "token, o certificado: la hora, el código y el identificador de su traceparent; las que no lo "
        "traían no se anotan, y lo que decían tampoco. El nodo debe haberse arrancado con --log-requests.",
    )
    add_target_options(parser)
    add_identity_options(parser)
    add_token_option(parser)
    parser.add_argument("--json", action="store_true", help="cada petición como una línea JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print them, the oldest first: 0, or 1 where the exit node says no."""
    connections = read_connections(options)
    if len(connections) > 1:
        raise ConfigError("se le pregunta a un nodo de salida a la vez: dé una sola --conexion.")
    connection = connections[0]
    trust: Trust = CaFile(options.ca_file) if options.ca_file else connection.trust
    proxy = read_proxy(options, connection.address)
    dialler = Dialler(connection.address, trust, connection.token, proxy, shown_by(connection.identity))
    try:
        content = asyncio.run(ask(dialler, REQUESTS_PATH))
    except CertificateRefusedError as error:
        print(f"tunnel requests: {words_of_refusal('certificate-refused', str(error))}", file=sys.stderr)
        return 1
    except AskError as error:
        said = _NO.get(error.status, "lo que responde no es un nodo de salida que tenga ese token.")
        print(f"tunnel requests: {said}", file=sys.stderr)
        return 1
    except (ProxyDenied, WrongCa) as error:
        print(f"tunnel requests: {words_of_refusal(error.code, str(error))}", file=sys.stderr)
        return 1
    except (OSError, Unverifiable) as error:
        detail = words_of_detail(str(error) or "timed out")
        return fail("requests", f"no se alcanza {connection.address.url}: {detail}.")
    for passage in json.loads(content)["requests"]:
        if options.json:
            print(json.dumps(passage))
        else:
            print(f"{passage['at']}  {passage['status']}  traza {passage['trace']}")
    return 0
