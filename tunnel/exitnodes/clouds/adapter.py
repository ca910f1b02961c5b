"""What differs from one cloud to the next."""

from __future__ import annotations

import difflib
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tunnel.exitnodes.errors import BadOrder, MissingTool
from tunnel.exitnodes.model import Order, Query
from tunnel.exitnodes.provider import Step

__all__ = ["ADDRESS_WORD", "PREFIX", "Cloud", "Machine", "check_region", "load_driver_class", "resource_name"]

ADDRESS_WORD = "DIRECCIÓN"  # in the plan, for what is known only once the machine exists


PREFIX = "tunelab-"


def resource_name(order: Order) -> str:
    """Return what everything of an order is called at a provider."""
    return PREFIX + order.name


def check_region(region: str, known: Iterable[str], title: str) -> str:
    """Return ``region`` if it is among the known ones.

    Raises:
        BadOrder: it is not; the text has the nearest, or all.
    """
    names = sorted(known)
    if region in names:
        return region
    near = difflib.get_close_matches(region, names, 1)
    hint = f"¿Quiso decir {near[0]}?" if near else f"Las hay: {', '.join(names)}."
    raise BadOrder(f"{title} no tiene una región «{region}». {hint}")


@dataclass(frozen=True, slots=True)
class Machine:
    """A rented machine, as a provider tells of it."""

    id: str
    name: str  # as at the provider
    region: str
    state: str  # Spanish, for people
    is_up: bool  # running, as far as the provider can know
    address: str = ""  # public IPv4; empty: none yet
    labels: Mapping[str, str] | None = None
    ssh_port: int = 22
    native: Any = None  # Libcloud's own node


class Cloud(ABC):
    """One provider of machines.  Each method asks it, and raises the kinds of ``errors``."""

    name: ClassVar[str]  # as --provider takes it
    title: ClassVar[str]  # for people
    default_region: ClassVar[str]
    prices: ClassVar[tuple[str, ...]]  # keys of prices.toml: what a machine costs while it exists
    has_firewall: ClassVar[bool] = False  # of its own, outside the machine
    ends_itself: ClassVar[bool] = False  # a machine that turns itself off is gone, and no longer paid for

    def __init__(self) -> None:
        self._drivers = threading.local()

    @abstractmethod
    def connect(self, region: str) -> Any:
        """Return a new Libcloud driver.  Raises NotLoggedIn, MissingTool."""

    def driver(self, region: str = "") -> Any:
        """Return the Libcloud driver of this thread (a driver holds one connection) for a region."""
        region = region or self.default_region
        kept: dict[str, Any] = self._drivers.__dict__.setdefault("by_region", {})
        if region not in kept:
            kept[region] = self.connect(region)
        return kept[region]

    def region(self, order: Order) -> str:
        """Return the region of an order: what was settled, or what is found where that was lost."""
        return order.region or self.default_region

    @abstractmethod
    def check(self, order: Order) -> None:
        """Refuse early what cannot work: no credentials, or refused ones."""

    def settle_region(self, region: str) -> str:
        """Return the region to use.  Raises BadOrder where there is no such one."""
        return region or self.default_region

    @abstractmethod
    def machine(self, order: Order) -> Machine | None:
        """Return the order's machine, or None.

        Raises:
            NameTaken: there is one of its name that is not ours.
        """

    @abstractmethod
    def start(self, order: Order, user_data: str, labels: Mapping[str, str], mark: str) -> Machine:
        """Rent the machine.

        Args:
            mark: a word of this machine alone: with it, asking twice gives one machine where the provider can
                tell.
        """

    def adopt(self, order: Order, machine: Machine) -> None:  # noqa: B027 - most clouds have nothing to do
        """Label what came with a running machine.  May be called again."""

    @abstractmethod
    def end(self, order: Order, machine: Machine) -> None:
        """Give the machine back, and return when it is gone."""

    @abstractmethod
    def machines(self, course: str) -> Sequence[Machine]:
        """Return the machines of a course, in every region."""

    def steps_before(self, order: Order) -> Sequence[Step]:
        """Return the steps that come before the machine."""
        return ()

    @abstractmethod
    def left(self, order: Order) -> Sequence[Query]:
        """Ask what is left of an order."""

    @abstractmethod
    def call(self, order: Order) -> str:
        """Return the call that rents the machine, as a person reads it."""

    def notes(self, order: Order) -> tuple[str, ...]:
        """Return what is this cloud's alone to tell before anybody says yes."""
        return ()


def load_driver_class(name: str) -> Any:
    """Return Libcloud's driver class for a provider, by Libcloud's name for it.

    Raises:
        MissingTool: Libcloud is not installed.
    """
    try:
        from libcloud.compute.providers import get_driver
    except ImportError:
        raise MissingTool(
            "para las nubes que no son Google hace falta Apache Libcloud, que no viene con el curso. "
            "Instálelo en el Python del curso con «pip install 'tunelab[nube]'» (desde su carpeta, "
            "«pip install -e '.[nube]'»). Sin él funcionan --provider local, vm y gcp."
        ) from None
    return get_driver(name)
