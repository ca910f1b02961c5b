"""``tunnel exit-node list``, ``show`` and ``cost``: what there is, and what it costs."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from tunnel.cli.exit_node.console import Console
from tunnel.cli.exit_node.create import node_document
from tunnel.cli.exit_node.orders import provider_options, the_node
from tunnel.cli.exit_node.plan_text import cost_lines, usd
from tunnel.exitnodes.errors import BadOrder, ExitNodeError, NoSuchNode
from tunnel.exitnodes.handover import connection_path
from tunnel.exitnodes.model import FoundNode, Search
from tunnel.exitnodes.prices import prices, total
from tunnel.exitnodes.provider import Context
from tunnel.exitnodes.registry import load_provider
from tunnel.exitnodes.state import NodeState, Store

__all__ = ["run"]

_FIELDS = ("remote", "public_url", "url", "connection_file", "name", "provider")


def run(options: argparse.Namespace) -> int:
    """Look, as the verb says."""
    return {"list": _list, "show": _show, "cost": _cost}[options.verb](options)


def _list(options: argparse.Namespace) -> int:
    states = [state for state in Store().all() if options.provider in (None, state.order.provider)]
    names = {options.provider} if options.provider else {state.order.provider for state in states} | {"local"}
    found: dict[tuple[str, str], FoundNode] = {}
    faults: list[str] = []
    is_simulated = False
    for name in sorted(names):
        own = provider_options(options, name)
        own = own or next((state.order.options for state in states if state.order.provider == name), ())
        provider = load_provider(name)
        try:
            for node in provider.found(Search(options=own)):
                found[node.provider, node.name] = node
                is_simulated = is_simulated or bool(node.facts.get("simulado"))
        except ExitNodeError as error:
            faults.append(f"no se pudo preguntar a «{name}»: {error}")
    console = Console(is_simulated=is_simulated, is_json=options.json)
    rows = [_row(state, found.pop((state.order.provider, state.order.name), None)) for state in states]
    rows += [
        {
            "provider": node.provider,
            "name": node.name,
            "student": node.student,
            "lab": node.lab,
            "state": node.state,
            "public_url": node.public_url,
            "expires": node.expires,
            "recorded": False,
        }
        for node in found.values()
    ]
    if not rows:
        console.say("No hay nodos de salida." if not faults else "No hay nodos anotados aquí.")
    else:
        titles = {"name": "NODO", "provider": "PROVEEDOR", "state": "ESTADO", "public_url": "LADO PÚBLICO"}
        table = [list(titles.values()), *([str(row[key]) or "-" for key in titles] for row in rows)]
        widths = [max(len(line[column]) for line in table) for column in range(len(titles))]
        for line, row in zip(table, [None, *rows], strict=True):
            text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            console.say(text + ("" if row is None or row["recorded"] else "  (no está anotado aquí)"))
    for fault in faults:
        console.note(fault)
    console.give({"nodes": rows, "errors": faults})
    return 3 if faults else 0


def _row(state: NodeState, found: FoundNode | None) -> dict[str, object]:
    order = state.order
    # A provider that was not asked, or does not answer, says nothing about what is recorded.
    seen = found.state if found else f"{state.phase}, según lo anotado"
    return {
        "provider": order.provider,
        "name": order.name,
        "student": order.student,
        "lab": order.lab,
        "state": seen if state.phase == "listo" or found is None else f"{seen}, {state.phase}",
        "public_url": state.public_url,
        "expires": found.expires if found else "",
        "recorded": True,
    }


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
    console = Console(is_json=options.json)
    if options.nombre is None:
        states = [state for state in store.all() if options.provider in (None, state.order.provider)]
    else:
        _, order, found = the_node(options, store)
        states = [found or NodeState(order)]
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
            console.say(f"  {price.source} (anotado el {price.read_on})")
    console.give({"nodes": rows})
    return 0


def _hours_since(moment: str) -> float:
    try:
        began = datetime.fromisoformat(moment)
    except ValueError:
        return 0.0
    return max(0.0, (datetime.now(UTC) - began).total_seconds() / 3600)
