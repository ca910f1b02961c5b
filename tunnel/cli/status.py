"""``tunnel status``: what an exit node or a client is doing, as a table or in JSON."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import ssl
import sys
import time
from urllib.parse import urlsplit

from tunnel.cli.client_words import words_of_detail, words_of_refusal
from tunnel.cli.common import Subparsers, add_token_option, fail, positive_seconds
from tunnel.cli.identity import add_identity_options
from tunnel.cli.proxy import read_proxy
from tunnel.cli.status_table import render
from tunnel.cli.target import add_target_options, read_connections
from tunnel.config import ConfigError, ControlAddress
from tunnel.metrics.asking import NoStatus, ask_exit_node, ask_here
from tunnel.metrics.model import AgentStatus, ServerStatus
from tunnel.mtls.showing import shown_by
from tunnel.proxy.connect import ProxyDenied
from tunnel.transport.asking import AskError, CertificateRefusedError
from tunnel.transport.tls import Dialler, Unverifiable, WrongCa
from tunnel.trust import CaFile

__all__ = ["add_parser"]

_HERE = "http://127.0.0.1:9180"
_CLEAR = "\x1b[H\x1b[J"


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "status",
        help="muestra qué hace un nodo de salida o un cliente",
        description="Muestra quién está conectado, cuánto pasa y cómo responde, de un nodo de salida o de un "
        f"cliente que se arrancó con --metrics: el de esta máquina ({_HERE}), el que diga --url, o el "
        "nodo de salida del archivo de conexión, que a cada token, o certificado, le muestra lo suyo.",
    )
    add_target_options(parser)
    add_identity_options(parser)
    parser.add_argument(
        "--watch",
        metavar="SEGUNDOS",
        type=positive_seconds,
        nargs="?",
        const=2.0,
        help="lo muestra una y otra vez, hasta Ctrl-C (cada 2 segundos, o los que se digan)",
    )
    parser.add_argument("--json", action="store_true", help="lo mismo en JSON, para otros programas")
    add_token_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask and show: 0; 1 where the answer is no; 3 without an answer."""
    return asyncio.run(_show(_place(options), options))


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where to ask: this machine, or an exit node's control plane."""

    url: str
    here: ControlAddress | None = None
    dialler: Dialler | None = None

    async def ask(self) -> ServerStatus | AgentStatus:
        if self.dialler is not None:
            return await ask_exit_node(self.dialler)
        assert self.here is not None  # noqa: S101 - one of the two
        return await ask_here(self.here)


def _place(options: argparse.Namespace) -> _Place:
    url = options.url
    if url is None and not options.conexion:
        url = _HERE
    if url is not None and url.startswith("http://"):
        return _Place(url, here=_local(url))
    connections = read_connections(options)
    if len(connections) > 1:
        raise ConfigError("se mira un nodo de salida a la vez: dé una sola --conexion.")
    connection = connections[0]
    trust = CaFile(options.ca_file) if options.ca_file else connection.trust
    proxy = read_proxy(options, connection.address)
    dialler = Dialler(connection.address, trust, connection.token, proxy, shown_by(connection.identity))
    return _Place(connection.address.url, dialler=dialler)


def _local(url: str) -> ControlAddress:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        raise ConfigError(f"la URL «{url}» no es válida. Ejemplo: --url {_HERE}") from None
    address = ControlAddress(url, host, port, is_tls=False)
    if not address.is_loopback:
        raise ConfigError(
            f"«{url}» es de otra máquina: pregunte a su plano de control, con --conexion, o con --url "
            "wss://… y el token o el certificado."
        )
    return address


async def _show(place: _Place, options: argparse.Namespace) -> int:
    before: ServerStatus | AgentStatus | None = None
    read_s = 0.0
    while True:
        code, status, why = await _ask(place)
        if status is None:
            if options.watch is None or before is None:
                if code == 3:
                    return fail("status", why)
                print(f"tunnel status: {why}", file=sys.stderr)
                return code
            print(why, file=sys.stderr)
        else:
            now_s = time.monotonic()
            _print(status, before, now_s - read_s, options)
            before, read_s = status, now_s
        if options.watch is None:
            return 0
        await asyncio.sleep(options.watch)


def _print(
    status: ServerStatus | AgentStatus,
    before: ServerStatus | AgentStatus | None,
    seconds: float,
    options: argparse.Namespace,
) -> None:
    if options.json:
        indent = None if options.watch is not None else 2
        print(json.dumps(dataclasses.asdict(status), ensure_ascii=False, indent=indent), flush=True)
        return
    text = render(status, before, seconds)
    if options.watch is None:
        print(text)
    elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        print(f"{_CLEAR}{time.strftime('%H:%M:%S')}  {text}", flush=True)
    else:
        print(f"{time.strftime('%H:%M:%S')}  {text}\n", flush=True)


async def _ask(place: _Place) -> tuple[int, ServerStatus | AgentStatus | None, str]:
    """Return the exit code, the status if there is one, and why there is none."""
    where = place.url
    try:
        return 0, await place.ask(), ""
    except CertificateRefusedError as error:
        return 1, None, words_of_refusal("certificate-refused", str(error))
    except (NoStatus, AskError) as error:
        code = error.code if isinstance(error, NoStatus) else error.status
        said = _ANSWERS.get(code, f"ahí responde otra cosa (HTTP {code}).")
        return 1, None, f"{where}: {said}"
    except (WrongCa, ProxyDenied) as error:
        return 1, None, words_of_refusal(error.code, str(error))
    except TimeoutError:
        return 3, None, f"{where} no contesta: {words_of_detail('no connection in time')}."
    except (Unverifiable, ssl.SSLError) as error:
        return 3, None, f"{where}: falló el cifrado ({words_of_detail(str(error))})."
    except OSError as error:
        detail = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        hint = "" if place.here is None else " ¿Se arrancó con --metrics?"
        return 3, None, f"{where} no contesta: {words_of_detail(detail)}.{hint}"


_ANSWERS = {
    0: "ahí responde otra cosa, o es de otra versión.",
    401: "no conoce este token, o este certificado, o ya venció.",
    404: "no muestra lo que hace: arránquelo con --metrics.",
    429: "pide esperar un momento, son demasiados intentos.",
}
