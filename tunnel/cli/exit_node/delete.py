"""``tunnel exit-node delete``."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex

from tunnel.cli.exit_node.console import Console
from tunnel.cli.exit_node.orders import delete_arguments, the_node
from tunnel.cli.exit_node.progress import Progress
from tunnel.exitnodes import engine
from tunnel.exitnodes.naming import default_name, default_student
from tunnel.exitnodes.receipt import Receipt
from tunnel.exitnodes.roster import load_roster
from tunnel.exitnodes.state import Store

__all__ = ["receipt_text", "run"]


def run(options: argparse.Namespace) -> int:
    """Delete one node, or a class's."""
    if options.roster is not None and not options.compartido:
        from tunnel.cli.exit_node import classes

        return classes.delete(options, load_roster(options.roster))
    if options.nombre is None and options.compartido:
        options.nombre = default_name("curso", options.lab or "")
    if options.nombre is None and (options.alumno or options.lab):
        options.nombre = default_name(options.alumno or default_student(), options.lab or "")
    store = Store()
    provider, order, state = the_node(options, store)
    console = Console(is_simulated=provider.is_simulated(order), is_json=options.json)
    provider.check(order)
    things = engine.existing(provider, order, state.facts if state else {})
    if things:
        console.say(f"Se va a borrar del nodo «{order.name}» ({order.provider}), en este orden:")
        for number, info in enumerate(things, 1):
            command = f"\n     $ {info.undo_command}" if info.undo_command else ""
            console.say(f"{number}. {info.title}{command}")
    elif state is not None:
        console.say(f"Del nodo «{order.name}» ({order.provider}) solo queda lo anotado aquí.")
    if (things or state) and not console.confirm("¿Lo borro?", options.si):
        console.say("No se borró nada.")
        return 1
    try:
        with Progress(console) as progress:
            receipt, path = engine.delete(provider, order, store, progress)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            console.note("\nInterrumpido: quizá quede algo. Para seguir borrando, repita la orden:")
            console.note(f"  {shlex.join(['tunnel', *delete_arguments(order)])}")
        raise
    console.say(receipt_text(receipt))
    console.say(f"Comprobante: {path}")
    console.give({**json.loads(receipt.to_json()), "receipt": str(path)})
    return 0


def receipt_text(receipt: Receipt) -> str:
    """Return a receipt in words."""
    lines = [f"Nodo «{receipt.name}» borrado."]
    if receipt.queries:
        lines.append("Lo que se le preguntó después al proveedor:")
    for query in receipt.queries:
        lines.append(f"  $ {query.question}")
        lines += [f"    {line}" for line in query.answer] or ["    (nada)"]
    if receipt.kept:
        lines.append(f"Se conserva, porque no es solo de este nodo: {', '.join(receipt.kept)}.")
    return "\n".join(lines)
