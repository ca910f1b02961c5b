"""``tunnel client --inspector``: its options, and the page for as long as the client runs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager

from tunnel.cli.common import EventPrinter, port_number
from tunnel.cli.logs import EventStyle
from tunnel.config import ConfigError
from tunnel.events import InspectorReady
from tunnel.inspector.options import INSPECTOR_PORT, InspectorOptions
from tunnel.os_errors import describe_os_error
from tunnel.transport.observing import ClientObserver

__all__ = ["CannotInspect", "add_options", "inspecting", "read_options"]

_DEFAULT = InspectorOptions()
_MIN_MEMORY_BYTES = 1 << 20


class CannotInspect(Exception):  # noqa: N818 - named for what it is
    """The page cannot be served; the text (Spanish) says why."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the inspector."""
    parser.add_argument(
        "--inspector",
        metavar="PUERTO",
        nargs="?",
        type=port_number,
        const=INSPECTOR_PORT,
        default=None,
        help="muestra lo que pasa por el túnel en una página de esta máquina, http://127.0.0.1:4040, o en "
        "otro puerto: --inspector=4041",
    )
    parser.add_argument(
        "--inspector-exchanges",
        metavar="CANTIDAD",
        type=_count,
        default=None,
        help=f"con --inspector: cuántas peticiones guarda (por omisión: {_DEFAULT.max_exchanges})",
    )
    parser.add_argument(
        "--inspector-memory",
        metavar="TAMAÑO",
        type=_memory,
        default=None,
        help="con --inspector: cuánta memoria ocupan, todas juntas (por omisión: 64M)",
    )
    parser.add_argument(
        "--inspector-body",
        metavar="TAMAÑO",
        type=_size,
        default=None,
        help="con --inspector: cuánto guarda del contenido de cada petición y de cada respuesta (por "
        "omisión: 64K)",
    )


def read_options(options: argparse.Namespace) -> InspectorOptions | None:
    """Return what the options ask for; None where no inspector is wanted.  Raises ConfigError."""
    if options.inspector is None:
        for name in ("inspector_exchanges", "inspector_memory", "inspector_body"):
            if getattr(options, name) is not None:
                raise ConfigError(f"--{name.replace('_', '-')} va con --inspector, que no se pidió.")
        return None
    return InspectorOptions(
        options.inspector,
        options.inspector_exchanges or _DEFAULT.max_exchanges,
        options.inspector_memory or _DEFAULT.max_bytes,
        _DEFAULT.max_body_bytes if options.inspector_body is None else options.inspector_body,
    )


@contextmanager
def inspecting(wanted: InspectorOptions | None, *, style: EventStyle) -> Iterator[ClientObserver | None]:
    """Serve the page while the block lasts; yield who watches the client, or None where nobody does.

    Raises:
        CannotInspect: the port cannot be had.
    """
    if wanted is None:
        yield None
        return
    # Here, so that nobody else waits for a web framework to load.
    from tunnel.inspector.observer import Inspector
    from tunnel.inspector.service import InspectorService

    inspector = Inspector(wanted)
    try:
        service = InspectorService(inspector)
    except OSError as error:
        raise CannotInspect(
            f"no se puede abrir el inspector en 127.0.0.1:{wanted.port}: {describe_os_error(error)}. "
            f"Elija otro puerto: --inspector={wanted.port + 1 if wanted.port < 65535 else 4041}"
        ) from None
    try:
        printer = EventPrinter(style, lambda _: f"Inspector en {service.url}", lambda: None)
        printer(InspectorReady(service.url))
        yield inspector
    finally:
        service.close()


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= len(text) <= 6 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"«{text}» no es una cantidad: es un número entero desde 1")
    return int(text)


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d{1,12})([KMG]?)(?:i?B)?", text.strip(), re.ASCII | re.IGNORECASE)
    if found is None or not int(found[1]):
        raise argparse.ArgumentTypeError(f"«{text}» no es un tamaño: 64K son 64 KiB, 1M es 1 MiB")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]


def _memory(text: str) -> int:
    size = _size(text)
    if size < _MIN_MEMORY_BYTES:  # one large exchange alone would push itself out
        raise argparse.ArgumentTypeError(f"«{text}» es muy poca memoria: el mínimo es 1M")
    return size
