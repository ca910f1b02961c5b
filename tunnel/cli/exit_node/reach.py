"""``tunnel exit-node ssh`` and ``logs``: other programs' terminals, handed over."""

from __future__ import annotations

import argparse
import shlex
import subprocess

from tunnel.cli.exit_node.console import Console
from tunnel.cli.exit_node.orders import the_node
from tunnel.exitnodes import process
from tunnel.exitnodes.errors import NoSuchNode
from tunnel.exitnodes.provider import Context
from tunnel.exitnodes.state import Store

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Hand the terminal over to the program that reaches the node; return its exit code."""
    provider, order, state = the_node(options, Store())
    Console(is_simulated=provider.is_simulated(order))  # marks the errors too
    context = Context(order, dict(state.facts) if state else {})
    missing = ""
    for step in provider.steps(order):
        facts = step.find(context)
        missing = missing or ("" if facts is not None else step.info.title)
        context.facts.update(facts or {})
    if options.verb == "ssh":
        if missing:
            raise NoSuchNode(f"del nodo «{order.name}» falta {missing}: no hay a dónde entrar.")
        argv = provider.ssh(context, shlex.split(options.orden) if options.orden else [])
    else:  # why it ended is in the logs: the thing itself need not be there any more
        argv = provider.logs(context, options.seguir)
    process.require(argv[0], "Instálelo con el gestor de paquetes de su sistema.")
    return subprocess.run(argv, check=False).returncode  # noqa: S603 - the provider's own command
