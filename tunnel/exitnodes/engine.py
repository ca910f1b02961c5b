"""Runs a plan, continues it after an interruption, and removes what it made.

The package's docstring tells the life of a step.  What happens is told as events, at the very moments
between which a killed process must lose nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tunnel.exitnodes import handover, readiness
from tunnel.exitnodes.errors import ExitNodeError, NameTaken, NoSuchNode, SomethingLeft
from tunnel.exitnodes.model import Announcement, Facts, Order, StepInfo
from tunnel.exitnodes.provider import Context, Provider, Step
from tunnel.exitnodes.receipt import Receipt, write_receipt
from tunnel.exitnodes.state import DONE, INTENDED, READY, REMOVING, NodeState, Store, now

__all__ = [
    "Event",
    "Intended",
    "Made",
    "Observer",
    "Ready",
    "Recorded",
    "Removed",
    "Said",
    "StepBegun",
    "StepEnded",
    "Wait",
    "Waiting",
    "create",
    "delete",
    "existing",
]


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events."""

    node: str


@dataclass(frozen=True, slots=True)
class StepBegun(Event):
    """A step's turn has come: its thing is looked for, then made or removed."""

    number: int  # from 1
    total: int
    info: StepInfo
    is_removal: bool = False


@dataclass(frozen=True, slots=True)
class Intended(Event):
    """The intent to make it is on disk; nothing has been done."""

    info: StepInfo


@dataclass(frozen=True, slots=True)
class Made(Event):
    """The thing exists; that is not on disk yet."""

    info: StepInfo


@dataclass(frozen=True, slots=True)
class Recorded(Event):
    """The outcome is on disk."""

    info: StepInfo


@dataclass(frozen=True, slots=True)
class Removed(Event):
    """The thing is gone; that is not on disk yet."""

    info: StepInfo


@dataclass(frozen=True, slots=True)
class StepEnded(Event):
    """The step is over."""

    info: StepInfo
    is_changed: bool  # False: there already; in a removal: absent, or kept


@dataclass(frozen=True, slots=True)
class Said(Event):
    """A remark of the provider, in Spanish."""

    text: str


@dataclass(frozen=True, slots=True)
class Waiting(Event):
    """All the steps are done; the node has not answered yet."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Ready(Event):
    """The node answered with the certificate that it announced; its connection file is written."""

    public_url: str


Observer = Callable[[Event], None]
Wait = Callable[[Callable[[], Announcement | None], Order, float], Announcement]


def create(
    provider: Provider,
    order: Order,
    store: Store,
    tell: Observer,
    wait: Wait = readiness.wait,
    *,
    may_make: bool = True,
) -> NodeState:
    """Make what is missing of a settled order, wait for the node, write its connection file.

    Args:
        may_make: False where all should be there already, made by hand or by a script: what is missing is
            then an error.
        wait: returns the node's announcement once the node answers; another one where nodes do not boot.

    Raises:
        NodeBusy, StateDamaged: see :class:`~tunnel.exitnodes.state.Store`.
        ExitNodeError: a step failed.  What was done is recorded; calling again continues.
    """
    with store.locked(order.folder):
        state = _begin(store.load(order.folder), order)
        if may_make:  # or else nothing is recorded before something is found
            store.save(state)
            if not provider.brings_secret:
                handover.make_secret(order)
        context = _context(state, tell)
        steps = provider.steps(order)
        for number, step in enumerate(steps, 1):
            tell(StepBegun(order.name, number, len(steps), step.info))
            _do(step, context, state, store, tell, may_make=may_make)
        tell(Waiting(order.name, provider.ready_timeout_s))
        announcement = wait(lambda: provider.announcement(context), order, provider.ready_timeout_s)
        state.url, state.public_url = announcement.url, announcement.public_url
        handover.write_connections(order, announcement)
        provider.confirmed(context)
        state.phase, state.ready_at = READY, now()
        store.save(state)
        tell(Ready(order.name, state.public_url))
        return state


def delete(provider: Provider, order: Order, store: Store, tell: Observer) -> tuple[Receipt, Path]:
    """Remove what exists of an order, ask what is left, write the receipt; return it and its path.

    A step that fails does not keep the others from being removed.

    Raises:
        NoSuchNode: there is nothing of it, neither recorded nor at the provider.
        SomethingLeft: something survives, which the text lists.  Calling again continues.
    """
    with store.locked(order.folder):
        recorded = store.load(order.folder)
        state = recorded or NodeState(order, phase=REMOVING)
        state.phase = REMOVING
        if recorded is not None:
            store.save(state)
        context = _context(state, tell)
        steps = list(reversed(provider.steps(order)))
        removed: list[str] = []
        kept: list[str] = []
        faults: list[ExitNodeError] = []
        for number, step in enumerate(steps, 1):
            tell(StepBegun(order.name, number, len(steps), step.info, is_removal=True))
            is_changed = False
            try:
                if step.info.is_kept:
                    kept += [step.info.id] if _find(step, context) is not None else []
                else:
                    is_changed = _undo(step, context, tell)
            except ExitNodeError as fault:  # the dearest thing may be the next one
                faults.append(fault)
            else:
                removed += [step.info.id] if is_changed else []
                state.steps.pop(step.info.id, None)
                if recorded is not None:
                    store.save(state)
            tell(StepEnded(order.name, step.info, is_changed))
        queries = tuple(provider.survivors(order))
        receipt = Receipt(
            provider=provider.name,
            name=order.name,
            student=order.student,
            lab=order.lab,
            is_simulated=provider.is_simulated(order),
            created_at=recorded.created_at if recorded else "",
            removed_at=now(),
            removed=tuple(removed),
            kept=tuple(kept),
            queries=queries,
        )
        if recorded is None and not removed and not receipt.left and not faults:
            store.forget(order.folder)
            raise NoSuchNode(
                f"no hay ningún nodo «{order.name}» en «{provider.name}», ni anotado ni en el proveedor. "
                "Los que hay se ven con: tunnel exit-node list"
            )
        path = write_receipt(receipt, store.receipts)
        if receipt.left or faults:
            raise SomethingLeft(_what_is_left(receipt, faults, path))
        store.forget(order.folder)
        return receipt, path


def existing(provider: Provider, order: Order, facts: Mapping[str, str]) -> list[StepInfo]:
    """Ask which things of an order exist and would be removed, in the order of their removal."""
    context = Context(order, dict(facts))
    steps = [step for step in reversed(provider.steps(order)) if not step.info.is_kept]
    return [step.info for step in steps if _find(step, context) is not None]


def _begin(state: NodeState | None, order: Order) -> NodeState:
    if state is None:
        return NodeState(order)
    state.order, state.phase = order, NodeState(order).phase
    return state


def _context(state: NodeState, tell: Observer) -> Context:
    name = state.order.name
    return Context(state.order, state.facts, lambda text: tell(Said(name, text)))


def _do(
    step: Step, context: Context, state: NodeState, store: Store, tell: Observer, *, may_make: bool
) -> None:
    info, node = step.info, context.order.name
    facts = step.find(context)
    is_changed = facts is None
    if facts is None:
        if not may_make:
            raise NoSuchNode(f"falta {info.title} del nodo «{node}». Se hace con:\n  {info.command}")
        state.steps[info.id] = INTENDED
        store.save(state)
        tell(Intended(node, info))
        facts = step.make(context)
        tell(Made(node, info))
    state.steps[info.id] = DONE
    state.facts.update(facts)
    store.save(state)
    tell(Recorded(node, info))
    tell(StepEnded(node, info, is_changed))


def _undo(step: Step, context: Context, tell: Observer) -> bool:
    facts = _find(step, context)
    if facts is None:
        return False
    context.facts.update(facts)
    step.remove(context)
    tell(Removed(context.order.name, step.info))
    return True


def _find(step: Step, context: Context) -> Facts | None:
    try:
        return step.find(context)
    except NameTaken:  # somebody else's, and so not for us to remove
        return None


def _what_is_left(receipt: Receipt, faults: list[ExitNodeError], path: Path) -> str:
    lines = [f"después de borrar «{receipt.name}» todavía queda algo:"]
    lines += [f"  - {line}" for line in receipt.left]
    lines += [f"  - no se pudo: {fault}" for fault in faults]
    lines.append(f"Repita la orden; si persiste, bórrelo en la consola del proveedor. Comprobante: {path}")
    return "\n".join(lines)
