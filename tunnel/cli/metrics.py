"""``--metrics``: the option, and its beginning and end."""

from __future__ import annotations

import argparse
import contextlib
import errno
import re
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

from tunnel.events import MetricsListening, OnEvent
from tunnel.metrics.address import MetricsAddress
from tunnel.os_errors import describe_os_error

if TYPE_CHECKING:
    from tunnel.client import TunnelClient
    from tunnel.metrics.pages import Pages, Watch
    from tunnel.server import TunnelServer

__all__ = ["CannotListen", "add_metrics_option", "agents_watched", "server_watched", "words_of_metrics"]


class CannotListen(Exception):  # noqa: N818 - what the caller tells
    """The pages' address cannot be had.  The text is for the person who gave it."""


def add_metrics_option(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--metrics",
        metavar="[DIRECCIÓN:]PUERTO",
        type=_address,
        help="cuenta lo que pasa y lo muestra en http://127.0.0.1:PUERTO, /metrics para Prometheus y /status "
        "para «tunnel status»; en otra dirección, a quien tenga el token",
    )


@contextlib.asynccontextmanager
async def server_watched(server: TunnelServer, address: MetricsAddress | None) -> AsyncIterator[None]:
    """Show what a server does while the block lasts; on its control plane too, to holders of a token.

    Raises:
        CannotListen: nothing is left listening.
    """
    if address is None:
        yield
        return
    from tunnel.metrics.exit_node import ServerWatch
    from tunnel.metrics.pages import PATHS

    watch = ServerWatch(server)
    pages = _pages("server", watch)
    for path in PATHS:
        server.answerers[path] = partial(pages.answer, path)
    async with _listening(pages, address, server.on_event):
        yield


@contextlib.asynccontextmanager
async def agents_watched(
    clients: Sequence[TunnelClient], address: MetricsAddress | None
) -> AsyncIterator[None]:
    """Show what clients do while the block lasts.  Raises CannotListen."""
    if address is None:
        yield
        return
    from tunnel.metrics.agent import AgentWatch

    on_event = clients[0].on_event
    pages = _pages("client", AgentWatch(clients))
    async with _listening(pages, address, on_event):
        yield


def words_of_metrics(event: MetricsListening) -> str:
    """Return what a person is told."""
    return f"Se puede ver en {event.url}/status, y en /metrics con Prometheus."


@contextlib.asynccontextmanager
async def _listening(pages: Pages, address: MetricsAddress, on_event: OnEvent) -> AsyncIterator[None]:
    from tunnel.metrics.listener import MetricsListener

    listener = MetricsListener(pages, address)
    try:
        await listener.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = f"otro programa ocupa ya el puerto {address.port}. Elija otro con --metrics."
        elif error.errno == errno.EADDRNOTAVAIL:
            why = f"esta máquina no tiene la dirección {address.host}, de --metrics."
        else:
            why = (
                f"no se puede escuchar en {address.host}, puerto {address.port}: {describe_os_error(error)}."
            )
        raise CannotListen(why) from None
    try:
        on_event(MetricsListening(listener.url))
        yield
    finally:
        await listener.close()


def _pages(command: str, watch: Watch) -> Pages:
    from tunnel.metrics.pages import Expose, Pages

    expose: Expose | None = None
    try:
        from tunnel.metrics.exposition import expose  # Prometheus's library, which nobody else waits for
    except ImportError:
        print(
            f"tunnel {command}: falta prometheus-client (instale tunelab[metricas]): no habrá /metrics.",
            file=sys.stderr,
        )
    return Pages(watch, expose)


def _address(text: str) -> MetricsAddress:
    found = re.fullmatch(r"(?:(?P<host>[^\[\]]+|\[[^\[\]]+\]):)?(?P<port>\d{1,5})", text.strip(), re.ASCII)
    try:
        if found is None or int(found["port"]) > 65535:
            raise ValueError
        host = str(ip_address((found["host"] or "127.0.0.1").strip("[]")))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"«{text}» no es un puerto ni una dirección IP con puerto: 9180, 127.0.0.1:9180 o [::1]:9180"
        ) from None
    return MetricsAddress(host, int(found["port"]))
