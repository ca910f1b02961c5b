"""The options that lead out through a proxy, and how its refusals are told."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tunnel.config import ConfigError, ControlAddress, ProxyServer
from tunnel.proxy.settings import DIRECT, find_proxy, read_proxy_option

__all__ = ["PROXY_DETAILS", "PROXY_REFUSALS", "add_proxy_options", "read_proxy"]


def add_proxy_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--proxy",
        metavar="URL",
        help="sale por este proxy HTTP: http://usuario@proxy.example:3128; «no»: por ninguno (por omisión: "
        "el de HTTPS_PROXY, o HTTP_PROXY con ws, salvo lo que exceptúe NO_PROXY)",
    )
    parser.add_argument(
        "--proxy-password-file",
        metavar="ARCHIVO",
        type=Path,
        help="con un usuario en --proxy: archivo con su contraseña, que solo usted pueda leer",
    )


def read_proxy(options: argparse.Namespace, address: ControlAddress) -> ProxyServer | None:
    """Return the proxy that leads to ``address``, or None.  Raises ConfigError."""
    if options.proxy is None or options.proxy == DIRECT:
        if options.proxy_password_file is not None:
            raise ConfigError("--proxy-password-file va con --proxy http://USUARIO@proxy.example:3128.")
        return None if options.proxy == DIRECT else find_proxy(address, os.environ)
    return read_proxy_option(options.proxy, options.proxy_password_file)


# What the details of faults say, and how it is told; as in ``tunnel.cli.client_words``.
PROXY_DETAILS = (
    (r"the proxy (\S+) cannot be reached: .*(?:refused|Errno (?:61|111))", r"nada escucha en el proxy, \1"),
    (r"the proxy (\S+) cannot be reached: .*(?:not known|nodename|getaddrinfo|No address)",
     r"el nombre del proxy, \1, no existe"),
    (r"the proxy (\S+) cannot be reached: .*", r"no se llega al proxy, \1"),
    (r"the proxy (\S+) could not reach (\S+) \(HTTP (\d+)\)", r"el proxy \1 no llega a \2; responde HTTP \3"),
    (r"the proxy (\S+) does not allow the way to (\S+) \(HTTP (\d+)\)",
     r"el proxy \1 no permite salir hacia \2; responde HTTP \3"),
    (r"the proxy (\S+) does not speak HTTP", r"el proxy \1 no habla HTTP"),
    (r"the proxy (\S+) hung up", r"el proxy \1 cortó sin responder"),
    (r"the proxy (\S+) says more than it was asked", r"lo que hay en \1 no se porta como un proxy"),
)  # fmt: skip

PROXY_REFUSALS = {
    "proxy-auth": "el proxy pide usuario y contraseña (HTTP 407). Dígalos con --proxy "
    "http://USUARIO@proxy.example:3128 y --proxy-password-file.",
    "proxy-denied": "el proxy no acepta el usuario o la contraseña. No se insiste, para no bloquear su "
    "cuenta: revise los dos.",
}
