"""Which events a service manager is told, and in which words."""

from __future__ import annotations

import time

from tunnel.events import (
    ClientConnected,
    ClientGone,
    Connected,
    Disconnected,
    Event,
    Listening,
    Refused,
    Stopping,
    TokensRejected,
    TokensReloaded,
)

__all__ = ["Story"]

States = tuple[str, ...]
"""States of one datagram, each ``NAME=value`` (sd_notify(3))."""


class Story:
    """Follows a server's or a client's events.

    A server is ready once it listens.  A client is ready after its first attempt, whatever came of it: an
    exit node that is away may come back at any time, and one that refuses ends the program before.
    """

    def __init__(self) -> None:
        self._clients = 0
        self._links: list[bool] = []  # of a client's: whether each is up

    def new_link(self) -> int:
        """Return the number of one more link, which is not up."""
        self._links.append(False)
        return len(self._links) - 1

    def states(self, event: Event, link: int) -> tuple[States, ...]:
        """Return what to tell of an event on a link, in order; nothing for most."""
        match event:
            case Listening():
                return (("READY=1", f"STATUS=Visitantes en el puerto {event.data.port}; {self._who()}."),)
            case ClientConnected():
                self._clients += 1
                return ((f"STATUS=En marcha; {self._who()}.",),)
            case ClientGone():
                self._clients -= 1
                return ((f"STATUS=En marcha; {self._who()}.",),)
            case TokensReloaded() | TokensRejected():
                is_good = isinstance(event, TokensReloaded)
                said = "" if is_good else " El archivo de los tokens cambió y no sirve; siguen los de antes."
                now_us = time.monotonic_ns() // 1000  # CLOCK_MONOTONIC on Linux
                reloading = ("RELOADING=1", f"MONOTONIC_USEC={now_us}")
                return reloading, ("READY=1", f"STATUS=En marcha; {self._who()}.{said}")
            case Connected():
                self._links[link] = True
                return (("READY=1", f"STATUS={self._how_many_links()}"),)
            case Disconnected():
                self._links[link] = False
                return (("READY=1", f"STATUS={self._how_many_links(event.reason)}"),)
            case Refused():
                self._links[link] = False
                return ((f"STATUS=El nodo de salida dijo que no ({event.code}).",),)
            case Stopping():
                return (("STOPPING=1", f"STATUS=Deteniendo; peticiones en curso: {event.open_requests}."),)
            case _:
                return ()

    def _who(self) -> str:
        if self._clients == 0:
            return "espera a un cliente"
        return "1 cliente conectado" if self._clients == 1 else f"{self._clients} clientes conectados"

    def _how_many_links(self, reason: str = "") -> str:
        why = f" ({reason}); se reintenta sin parar." if reason else "."
        if len(self._links) == 1:
            return "Túnel abierto." if self._links[0] else f"Sin enlace con el nodo de salida{why}"
        return f"Enlaces abiertos: {sum(self._links)} de {len(self._links)}{why}"
