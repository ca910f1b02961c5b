"""``tunnel exit-node list``: what is recorded here, and what the providers know by their labels."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from tunnel.cli.exit_node.console import Console
from tunnel.cli.exit_node.orders import lasting_options, provider_options
from tunnel.exitnodes.errors import ExitNodeError
from tunnel.exitnodes.model import FoundNode, Search
from tunnel.exitnodes.registry import load_provider
from tunnel.exitnodes.state import READY, NodeState, Store

__all__ = ["run"]

_TITLES = ("NODO", "PROVEEDOR", "ESTADO", "LADO PÚBLICO")
_ALWAYS_ASKED = "local"  # it costs nothing to ask, and needs no account


@dataclass(frozen=True, slots=True)
class _Row:
    """One node; the names are those of --json."""

    provider: str
    name: str
    student: str
    lab: str
    state: str
    public_url: str
    expires: str
    recorded: bool

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.name, self.provider, self.state, self.public_url or "-")


@dataclass(slots=True)
class _Answers:
    """What the providers said."""

    nodes: dict[tuple[str, str], FoundNode] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def run(options: argparse.Namespace) -> int:
    """List the nodes; 3 where a provider could not be asked."""
    states = [state for state in Store().all() if options.provider in (None, state.order.provider)]
    answers = _ask(_searches(options, states))
    is_simulated = any(node.is_simulated for node in answers.nodes.values())
    is_simulated |= any(load_provider(state.order.provider).is_simulated(state.order) for state in states)
    rows = [
        _recorded(state, answers.nodes.pop((state.order.provider, state.order.name), None))
        for state in states
    ]
    rows += [_unrecorded(node) for node in answers.nodes.values()]
    console = Console(is_simulated=is_simulated, is_json=options.json)
    if rows:
        console.say(_table(rows))
    else:
        console.say("No hay nodos anotados aquí." if answers.faults else "No hay nodos de salida.")
    for fault in answers.faults:
        console.note(fault)
    console.give({"nodes": [asdict(row) for row in rows], "errors": answers.faults})
    return 3 if answers.faults else 0


def _searches(options: argparse.Namespace, states: Sequence[NodeState]) -> set[tuple[str, Search]]:
    """Return whom to ask, and with what: each project, say, in which something is recorded."""
    if options.provider:
        given = provider_options(options, options.provider)
        if given or not states:
            return {(options.provider, Search(options=given))}
    searches = {(state.order.provider, Search(options=lasting_options(state.order))) for state in states}
    return searches if options.provider else searches | {(_ALWAYS_ASKED, Search())}


def _ask(searches: set[tuple[str, Search]]) -> _Answers:
    answers = _Answers()
    for name, search in sorted(searches, key=lambda pair: (pair[0], pair[1].options)):
        try:
            for node in load_provider(name).found(search):
                answers.nodes[node.provider, node.name] = node
        except ExitNodeError as error:
            answers.faults.append(f"no se pudo preguntar a «{name}»: {error}")
    return answers


def _recorded(state: NodeState, found: FoundNode | None) -> _Row:
    order = state.order
    if found is None:  # some providers know no labels, or did not answer: that says nothing about the node
        seen = f"{state.phase}, según lo anotado"
    else:
        seen = found.state if state.phase == READY else f"{found.state}, {state.phase}"
    return _Row(
        order.provider,
        order.name,
        order.student,
        order.lab,
        seen,
        state.public_url,
        found.expires if found else "",
        recorded=True,
    )


def _unrecorded(node: FoundNode) -> _Row:
    return _Row(
        node.provider,
        node.name,
        node.student,
        node.lab,
        node.state,
        node.public_url,
        node.expires,
        recorded=False,
    )


def _table(rows: Sequence[_Row]) -> str:
    lines = [_TITLES, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    remarks = ["", *("" if row.recorded else "  (no está anotado aquí)" for row in rows)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + remark
        for line, remark in zip(lines, remarks, strict=True)
    )
