"""``--limit NAME=VALUE``: the limits of :mod:`tunnel.limits` as options."""

from __future__ import annotations

import argparse
import difflib
import math
from collections.abc import Iterable
from dataclasses import fields

from tunnel.limits import ClientLimits, VisitorLimits

__all__ = ["Setting", "add_limit_option", "client_limits", "visitor_limits"]

Setting = tuple[str, float]
"""A limit's field, and its value."""

_MAX_VALUE = 2**40
_MAY_BE_ZERO = ("max_body_bytes",)

_TYPES = {field.name: str(field.type) for kind in (VisitorLimits, ClientLimits) for field in fields(kind)}


def add_limit_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--limit``, which may be given several times."""
    parser.add_argument(
        "--limit",
        metavar="NOMBRE=VALOR",
        type=_parse,
        action="append",
        default=[],
        help="cambia un límite, por ejemplo max-body-bytes=10000000; pueden ser varios (los nombres están en "
        "docs/limites.md)",
    )


def visitor_limits(settings: Iterable[Setting]) -> VisitorLimits:
    """Return the limits for visitors, with those that ``settings`` change."""
    names = {field.name for field in fields(VisitorLimits)}
    return VisitorLimits(**{name: value for name, value in settings if name in names})  # type: ignore[arg-type]


def client_limits(settings: Iterable[Setting]) -> ClientLimits:
    """Return the limits for clients, with those that ``settings`` change."""
    names = {field.name for field in fields(ClientLimits)}
    return ClientLimits(**{name: value for name, value in settings if name in names})  # type: ignore[arg-type]


def _parse(text: str) -> Setting:
    name, _, value = text.partition("=")
    field = name.strip().replace("-", "_")
    if field not in _TYPES:
        known = [key.replace("_", "-") for key in _TYPES]
        near = difflib.get_close_matches(name, known, 1)
        meant = f"¿Quiso decir {near[0]}?" if near else f"Los hay: {', '.join(known)}"
        raise argparse.ArgumentTypeError(f"no hay un límite «{name}». {meant}")
    is_whole = _TYPES[field] == "int"
    try:
        number = int(value) if is_whole else float(value)
    except ValueError:
        number = math.nan
    low = 0 if field in _MAY_BE_ZERO else 1 if is_whole else 0.001
    if not low <= number <= _MAX_VALUE:
        kind = "un número entero" if is_whole else "un número"
        raise argparse.ArgumentTypeError(f"el límite {name} necesita {kind} desde {low:g}, no «{value}»")
    return field, number
