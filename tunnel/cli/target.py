"""The options that say where an exit node is and how it is known, of every command that asks one."""

from __future__ import annotations

import argparse
from pathlib import Path

from tunnel.cli.common import read_token
from tunnel.cli.identity import IDENTITY_OPTIONS, read_identity
from tunnel.cli.proxy import add_proxy_options
from tunnel.config import ConfigError, parse_control_url, parse_pin
from tunnel.connection import Connection, load_connection
from tunnel.trust import SYSTEM_TRUST

__all__ = ["add_target_options", "read_connections"]


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
