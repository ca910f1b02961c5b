"""``tunnel exit-node show`` and ``cost``: what there is of a node, and what it costs."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from tunnel.cli.exit_node.console import Console
from tunnel.cli.exit_node.create import node_document
from tunnel.cli.exit_node.orders import the_node
from tunnel.cli.exit_node.plan_text import cost_lines, usd
from tunnel.exitnodes.errors import BadOrder, NoSuchNode
from tunnel.exitnodes.handover import connection_path
from tunnel.exitnodes.prices import prices, total
from tunnel.exitnodes.provider import Context
from tunnel.exitnodes.registry import load_provider
from tunnel.exitnodes.state import NodeState, Store

__all__ = ["run"]

_FIELDS = ("remote", "public_url", "url", "connection_file", "name", "provider")


def run(options: argparse.Namespace) -> int:
    """Look, as the verb says."""
    return {"show": _show, "cost": _cost}[options.verb](options)


def _show(options: argparse.Namespace) -> int:
    provider, order, state = the_node(options, Store())
    if options.solo is not None:
        return _show_field(options.solo, state or NodeState(order))
    context = Context(order, dict(state.facts) if state else {})
    things = []
    for step in provider.steps(order):
        facts = step.find(context)
        context.facts.update(facts or {})
        things.append((step.info, facts is not None))
    console = Console(is_simulated=provider.is_simulated(order), is_json=options.json)
    state = state or NodeState(order, phase="sin anotar")
    console.say(f"Nodo «{order.name}», {provider.title} (--provider {order.provider}): {state.phase}")
    for info, is_there in things:
        console.say(f"  {'sí' if is_there else 'NO'}  {info.title}")
    if state.public_url:
        console.say(f"Lado público:         {state.public_url}")
        console.say(f"Plano de control:     {state.url}")
    if order.is_shared:
        for student in order.students:
            console.say(f"Conexión de {student.slug}: {connection_path(order, student)}")
    elif order.connection_file.exists():
        console.say(f"Archivo de conexión:  {order.connection_file}")
    for name, value in sorted(context.facts.items()):
        console.say(f"  {name} = {value}")
    there = {info.id: is_there for info, is_there in things}
    console.give({**node_document(state), "facts": dict(context.facts), "exists": there})
    return 0 if things and all(there.values()) else 1


def _show_field(name: str, state: NodeState) -> int:
    """Print one thing that is recorded of a node; the provider is not asked."""
    document = node_document(state)
    if name not in _FIELDS:
        raise BadOrder(f"--solo: no hay un dato «{name}»; los hay: {', '.join(_FIELDS)}.")
    if not document[name]:
        raise NoSuchNode(f"el nodo «{state.order.name}» todavía no tiene {name}: no está listo.")
    print(document[name])
    return 0


def _cost(options: argparse.Namespace) -> int:
    store = Store()
    if options.nombre is None:
        states = [state for state in store.all() if options.provider in (None, state.order.provider)]
    else:
        _, order, found = the_node(options, store)
        states = [found or NodeState(order)]
    is_simulated = any(load_provider(state.order.provider).is_simulated(state.order) for state in states)
    console = Console(is_simulated=is_simulated, is_json=options.json)
    rows: list[dict[str, object]] = []
    for state in states:
        provider = load_provider(state.order.provider)
        keys = [key for info in provider.plan(state.order).steps for key in info.prices]
        hours = _hours_since(state.created_at)
        hourly = total(keys)
        console.say(
            f"{state.order.name} ({provider.name}): {usd(hourly)} por hora; lleva {hours:.1f} h: "
            f"{usd(hourly * hours)} a precio de lista, como máximo"
        )
        for line in cost_lines(keys, state.order.duration_s)[1:]:
            console.say(line)
        rows.append({"name": state.order.name, "usd_hour": hourly, "hours": hours, "usd": hourly * hours})
    if not states:
        console.say("No hay nodos anotados aquí. Precios de lista, sin impuestos; verifíquelos:")
        for price in prices().values():
            console.say(f"{price.title}: {usd(price.usd_hour)} por hora, {usd(price.usd_month)} por mes")
            console.say(f"  {price.source} (anotado el {price.noted_on}; verifíquelo ahí)")
    console.give({"nodes": rows})
    return 0


def _hours_since(moment: str) -> float:
    try:
        began = datetime.fromisoformat(moment)
    except ValueError:
        return 0.0
    return max(0.0, (datetime.now(UTC) - began).total_seconds() / 3600)
