"""Which client serves which name.

A name is a host name in lower case, ``*.name`` for all those under one, or ``*`` for every name.  The most
precise that somebody claimed decides: ``ana.example`` before ``*.example``, and that before ``*``.  The table
also remembers the names that were served once: a visitor is then told that the client is away (503)
rather than that the name is wrong (404).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tunnel.balance.group import Group
from tunnel.config import CATCH_ALL

__all__ = ["MAX_KNOWN_NAMES", "Holder", "Route", "RoutingTable", "normalize_host"]

MAX_KNOWN_NAMES = 10_000
"""Names that were served once and are remembered; beyond it the oldest is forgotten (503 becomes 404)."""


class Holder(Protocol):
    """A client, as the table sees it."""

    @property
    def key_id(self) -> str:
        """The key id of the token that it proved to hold."""


H = TypeVar("H", bound=Holder)


@dataclass(frozen=True, slots=True)
class Route(Generic[H]):
    """Who serves a name, and the name's index in that client's claim.

    Where clients share the name ``group`` has them all, and ``holder`` is one of them.
    """

    holder: H
    index: int
    group: Group[H] | None = None

    def rivals(self, holder: H, instance: str) -> list[H]:
        """Return those that have to go where ``holder`` comes, as :meth:`Group.rivals` does."""
        if self.group is not None:
            return self.group.rivals(holder, instance)
        return [] if self.holder is holder else [self.holder]


class RoutingTable(Generic[H]):
    """Names to clients.  Each name has one holder; its token may move it to another link.

    Clients of one token that all say so share a name instead.
    """

    def __init__(self) -> None:
        self._routes: dict[str, Route[H]] = {}
        self._has_wildcards = False
        self._known: dict[str, None] = {}  # in the order in which they were claimed last

    def __len__(self) -> int:
        return len(self._routes)

    def held_by_others(self, names: tuple[str, ...], key_id: str) -> str | None:
        """Return the first of ``names`` that a client with another token holds, or None."""
        for name in names:
            route = self._routes.get(name)
            if route is not None and route.holder.key_id != key_id:
                return name
        return None

    def is_held_by(self, names: tuple[str, ...], key_id: str) -> bool:
        """Whether a client with this token holds one of ``names``, itself and not by ``*``."""
        routes = map(self._routes.get, names)
        return any(route is not None and route.holder.key_id == key_id for route in routes)

    def claim(self, names: tuple[str, ...], holder: H, shared_as: str = "") -> list[H]:
        """Give ``names`` to ``holder``.

        Args:
            shared_as: its instance, where it shares them with others that do; "" where it does not.

        Returns:
            The holders that lost a name by it; each has lost all of its names.
        """
        replaced: dict[int, H] = {}
        for name in names:
            route = self._routes.get(name)
            if route is not None:
                replaced.update((id(rival), rival) for rival in route.rivals(holder, shared_as))
        for former in replaced.values():
            self.release(former)
        for index, name in enumerate(names):
            group: Group[H] | None = None
            if shared_as:
                route = self._routes.get(name)  # of those that share it too, all others are gone
                group = Group() if route is None or route.group is None else route.group
                group.join(holder, index, shared_as)
            self._routes[name] = Route(holder, index, group)
            self._has_wildcards = self._has_wildcards or name.startswith("*.")
            self._known.pop(name, None)
            self._known[name] = None
        while len(self._known) > MAX_KNOWN_NAMES:
            del self._known[next(iter(self._known))]
        return list(replaced.values())

    def release(self, holder: H) -> None:
        """Take every name from ``holder``."""
        for name, route in list(self._routes.items()):
            if route.group is None:
                if route.holder is holder:
                    del self._routes[name]
            elif route.group.leave(holder):
                first = route.group.first
                if first is None:
                    del self._routes[name]
                else:
                    self._routes[name] = Route(first.holder, first.index, route.group)

    def find(self, name: str) -> Route[H] | None:
        """Return who serves ``name`` (normalized), or None."""
        route = self._routes.get(name)
        if route is None and self._has_wildcards:
            route = next((found for over in _names_over(name) if (found := self._routes.get(over))), None)
        return route or self._routes.get(CATCH_ALL)

    def is_claimed(self, name: str) -> bool:
        """Whether a client holds ``name`` itself now, and not by ``*``."""
        return name in self._routes

    def is_known(self, name: str) -> bool:
        """Whether ``name`` was served once, or nothing was yet, so that nobody can say."""
        if not self._known or name in self._known or CATCH_ALL in self._known:
            return True
        return self._has_wildcards and any(over in self._known for over in _names_over(name))


def _names_over(name: str) -> Iterator[str]:
    """Yield the wildcards that cover ``name``, the most precise first."""
    while (dot := name.find(".")) >= 0:
        name = name[dot + 1 :]
        yield f"*.{name}"


def normalize_host(host: bytes) -> str:
    """Return the name in a Host field: lower case, without the port and the root's dot."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0].rstrip(".")
