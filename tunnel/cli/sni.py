"""``tunnel server --sni-port`` and ``tunnel client --sni``: TLS services, told apart by their name."""

from __future__ import annotations

import argparse

from tunnel.cli.common import port_number

__all__ = ["add_client_options", "add_server_options"]


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Add the option of ``tunnel server``."""
    parser.add_argument(
        "--sni-port",
        metavar="PUERTO",
        type=port_number,
        help="puerto de los visitantes de servicios TLS (443): cada conexión va, sin descifrar, al cliente "
        "que pidió con --sni el nombre que lleva (por omisión: ninguno)",
    )


def add_client_options(parser: argparse.ArgumentParser) -> None:
    """Add the option of ``tunnel client``."""
    parser.add_argument(
        "--sni",
        metavar="NOMBRE=EQUIPO:PUERTO",
        action="append",
        default=[],
        help="servicio TLS que se comparte, sin descifrar, con ese nombre: ana.example=localhost:443; pueden "
        "ser varios, separados por comas",
    )
