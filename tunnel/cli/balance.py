"""``tunnel client --balance`` and ``--health``: several clients for one name, and who of them is well."""

from __future__ import annotations

import argparse
import re

from tunnel.balance.options import HealthOptions
from tunnel.cli.common import positive_seconds
from tunnel.config import ConfigError, Upstream

__all__ = ["add_options", "read_health", "words_of_health"]

_DEFAULT_INTERVAL_S = 5.0

_PATH = re.compile(r"/[!-~]*")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``tunnel client``."""
    parser.add_argument(
        "--balance",
        action="store_true",
        help="comparte sus nombres y puertos con otros clientes de este mismo token que también lleven "
        "--balance, en lugar de tomar su lugar: cada visitante va al menos ocupado",
    )
    parser.add_argument(
        "--health",
        metavar="RUTA",
        action="append",
        default=[],
        help="revisa el servicio con un GET a esta ruta (/healthz): mientras no responda de 200 a 399, el "
        "nodo de salida no le envía visitantes. Con NOMBRE= antes, solo ese --upstream",
    )
    parser.add_argument(
        "--health-interval",
        metavar="SEGUNDOS",
        type=positive_seconds,
        help="con --health: cada cuánto se revisa (por omisión: 5)",
    )


def read_health(options: argparse.Namespace, upstreams: tuple[Upstream, ...]) -> HealthOptions | None:
    """Return which path of each upstream is asked, or None where none is.

    Raises:
        ConfigError: a path is none, its name has no ``--upstream``, or there is nothing to ask.
    """
    if not options.health:
        if options.health_interval is not None:
            raise ConfigError("--health-interval va con --health, que dice qué ruta se revisa.")
        return None
    if not upstreams:
        raise ConfigError("--health va con --upstream: por TCP no hay una ruta que revisar.")
    names = [upstream.name for upstream in upstreams]
    paths = dict.fromkeys(names, "")
    for text in options.health:
        name, separator, path = text.rpartition("=") if not text.startswith("/") else ("", "", text)
        name = name.strip().lower().rstrip(".")
        if not _PATH.fullmatch(path):
            raise ConfigError(f"«{text}» no es una ruta: empieza con /, como --health /healthz")
        if separator and name not in paths:
            raise ConfigError(f"--health «{text}»: no hay un --upstream para el nombre «{name}».")
        paths.update({name: path} if separator else dict.fromkeys(names, path))
    return HealthOptions(tuple(paths[name] for name in names), options.health_interval or _DEFAULT_INTERVAL_S)


def words_of_health(where: str, is_up: bool, detail: str) -> str:
    """Return what is told of a service that is well, or not any more."""
    if is_up:
        return f"{where} pasa su revisión de salud: recibe visitantes."
    said = next((match.expand(said) for what, said in _DETAILS if (match := what.search(detail))), detail)
    return f"{where} no pasa su revisión de salud ({said}): no recibe visitantes."


# What details say, in the system's words or ours, and how it is told.
_DETAILS = (
    (re.compile(r"refused|Errno (61|111)\b|1225", re.IGNORECASE), "no acepta conexiones"),
    (re.compile(r"no answer within (\S+) s"), r"no respondió en \1 s"),
    (re.compile(r"^HTTP (\d+)$"), r"respondió HTTP \1"),
    (re.compile(r"clos|lost|reset", re.IGNORECASE), "cortó sin responder"),
)
