"""What a provider must implement.  The package's docstring tells how these are used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tunnel.exitnodes.errors import BadOrder
from tunnel.exitnodes.model import Announcement, Facts, FoundNode, Order, Plan, Query, Search, StepInfo

__all__ = ["Context", "Provider", "Step"]


def _say_nothing(text: str) -> None:
    pass


@dataclass(slots=True)
class Context:
    """What a step works with."""

    order: Order
    facts: dict[str, str] = field(default_factory=dict)  # of all the steps so far
    tell: Callable[[str], None] = _say_nothing  # one line in Spanish, for whoever waits


class Step(ABC):
    """One thing that a plan makes, and that the provider can be asked about."""

    info: StepInfo

    @abstractmethod
    def find(self, context: Context) -> Facts | None:
        """Return what is known of the thing, or None where it does not exist.

        By name, derived from ``context.order``: facts may be lost.

        Raises:
            NameTaken: there is such a thing, and it is not ours.
            ExitNodeError: the provider did not answer the question.
        """

    @abstractmethod
    def make(self, context: Context) -> Facts:
        """Make the thing and return its facts.  Called only after ``find`` returned None."""

    @abstractmethod
    def remove(self, context: Context) -> None:
        """Remove the thing, and return when it is gone.  Called only after ``find`` found it."""


class Provider(ABC):
    """Where exit nodes are made."""

    name: ClassVar[str]  # as --provider takes it
    title: ClassVar[str]  # Spanish, for people: "un proceso en esta máquina"
    has_script: ClassVar[bool] = True  # whether --guion works: every step has an argv or a script
    brings_secret: ClassVar[bool] = False  # no token is made here: ``announcement`` brings the node's own
    ready_timeout_s: ClassVar[float] = 60.0  # from the last step to the first answer

    def check(self, order: Order) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse early what cannot work.

        Raises:
            ExitNodeError: the tool is missing, nobody is logged in, there is no billing account, …
        """

    def settle(self, order: Order) -> Order:
        """Return the order with every choice made that was left open: region, ports, project.

        Called once for a new node, before ``check``; what it returns is recorded.  It also serves to show
        a plan to somebody who has no account yet: it asks nobody what needs one.

        Raises:
            BadOrder: what is asked cannot be had from this provider.
        """
        return order

    @abstractmethod
    def steps(self, order: Order) -> Sequence[Step]:
        """Return the steps for a settled order, in the order in which they are made.  Asks nobody."""

    def notes(self, order: Order) -> tuple[str, ...]:
        """Return what a person should know before saying yes, as sentences in Spanish."""
        return ()

    def is_simulated(self, order: Order) -> bool:
        """Whether nothing of this is real: then each line that a person reads says so."""
        return False

    def plan(self, order: Order) -> Plan:
        """Return what will be done for a settled order."""
        return Plan(
            order,
            tuple(step.info for step in self.steps(order)),
            self.notes(order),
            self.is_simulated(order),
            self.brings_secret,
        )

    @abstractmethod
    def announcement(self, context: Context) -> Announcement | None:
        """Return what the node says of itself, or None while it says nothing.

        Raises:
            ExitNodeError: it never will (its start failed).
        """

    def confirmed(self, context: Context) -> None:  # noqa: B027
        """Do what remains once the node has answered with the certificate that it announced.

        The place to take a secret out of where only the node's start needed it.  May be called again.
        """

    @abstractmethod
    def survivors(self, order: Order) -> Sequence[Query]:
        """Ask the provider, by label and by name, what is left of an order."""

    @abstractmethod
    def found(self, search: Search) -> Sequence[FoundNode]:
        """Return the nodes of a course that the provider knows, by label; no state is needed.

        One that was shut down or stopped but still exists, or still costs, is one of them.
        """

    def ssh(self, context: Context, command: Sequence[str]) -> list[str]:
        """Return the argv that opens a shell on the node, or runs ``command`` there.

        Raises:
            BadOrder: there is no such thing with this provider.
        """
        raise BadOrder(f"a un nodo de «{self.name}» no se entra por SSH.")

    @abstractmethod
    def logs(self, context: Context, follow: bool) -> list[str]:
        """Return the argv that shows what the node's server wrote."""
