"""``tunnel server``: who may visit, as options."""

from __future__ import annotations

import argparse
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from tunnel.cli.common import network
from tunnel.events import Event, SitesRejected, SitesReloaded

__all__ = ["add_options", "describe", "read_options"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of ``tunnel server``."""
    parser.add_argument(
        "--sites-file",
        metavar="ARCHIVO",
        type=Path,
        help="archivo TOML que dice, para cada nombre, quién lo puede visitar; si cambia, se vuelve a leer "
        "(docs/visitantes.md)",
    )
    for option, what in (
        ("--allow", "solo se admiten visitantes que vienen de esta red o dirección (192.0.2.0/24)"),
        (
            "--deny",
            "no se admiten visitantes que vienen de esta red o dirección, tampoco si están en --allow",
        ),
    ):
        parser.add_argument(
            option,
            metavar="RED",
            type=network,
            action="append",
            default=[],
            help=f"{what}; pueden ser varias",
        )


def read_options(
    options: argparse.Namespace,
) -> tuple[Path | None, tuple[IPv4Network | IPv6Network, ...], tuple[IPv4Network | IPv6Network, ...]]:
    """Return the sites file and the networks that are allowed and denied."""
    return options.sites_file, tuple(options.allow), tuple(options.deny)


def describe(event: Event) -> str | None:
    """Return what is told of an event of the sites file's, or None for any other."""
    if isinstance(event, SitesRejected):
        return f"El archivo de los sitios cambió y no sirve; sigue lo de antes: {event.message}"
    if not isinstance(event, SitesReloaded):
        return None
    parts = [
        f"{what}: {', '.join(patterns)}."
        for what, patterns in (
            ("Nuevos", event.added),
            ("Quitados", event.removed),
            ("Cambiados", event.changed),
        )
        if patterns
    ]
    return f"Sitios leídos otra vez; ahora hay {event.sites}. {' '.join(parts) or 'Ninguno cambió.'}"
