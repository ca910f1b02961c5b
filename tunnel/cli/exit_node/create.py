"""``tunnel exit-node create``."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from pathlib import Path

from tunnel.cli.exit_node.console import Console
from tunnel.cli.exit_node.orders import arguments_of, delete_arguments, new_order, settled
from tunnel.cli.exit_node.plan_text import outcome_text, plan_document, plan_text
from tunnel.cli.exit_node.progress import Progress
from tunnel.exitnodes import engine, handover, script
from tunnel.exitnodes.errors import BadOrder
from tunnel.exitnodes.model import Order, Student
from tunnel.exitnodes.provider import Provider
from tunnel.exitnodes.registry import load_provider
from tunnel.exitnodes.roster import load_roster
from tunnel.exitnodes.state import NodeState, Store
from tunnel.os_errors import describe_os_error

__all__ = ["node_document", "run"]


def run(options: argparse.Namespace) -> int:
    """Create one node, or a class's."""
    students: tuple[Student, ...] = ()
    alone = [flag for flag in ("plan", "guion", "comprobar") if getattr(options, flag)]
    if len(alone) > 1:
        raise BadOrder(f"--{alone[0]} y --{alone[1]} no van juntos: cada uno hace otra cosa con el plan.")
    if options.roster is not None:
        if options.alumno:
            raise BadOrder("--alumno sobra con --roster: los alumnos son los de la lista.")
        if not options.compartido:
            from tunnel.cli.exit_node import classes

            return classes.create(options, load_roster(options.roster))
        students = load_roster(options.roster)
    elif options.compartido:
        raise BadOrder("--compartido va con --roster ALUMNOS.CSV: la lista de quienes lo comparten.")
    provider, store = load_provider(options.provider), Store()
    order = settled(new_order(options, store, students=students), options, provider, store)
    console = Console(is_simulated=provider.is_simulated(order), is_json=options.json)
    if options.guion is not None:
        return _write_script(options, provider, order, console)
    if not options.comprobar:
        plan = provider.plan(order)
        if options.plan and options.json:
            console.give(plan_document(plan))
            return 0
        console.say(plan_text(plan, provider.title, [*_same(options, order), "--comprobar"]))
        if options.plan:
            return 0
    provider.check(order)
    if not options.comprobar:
        console.say()
        if not console.confirm("¿Lo creo?", options.si):
            console.say("No se creó nada.")
            return 1
    state = _create(options, provider, order, store, console)
    if options.conexion is not None:
        handover.copy_connections(order, options.conexion)
    console.say(outcome_text(state, _tunnel()))
    console.give(node_document(state))
    return 0


def node_document(state: NodeState) -> dict[str, object]:
    """Return a node for --json."""
    order = state.order
    return {
        "provider": order.provider,
        "name": order.name,
        "student": order.student,
        "lab": order.lab,
        "phase": state.phase,
        "url": state.url,
        "public_url": state.public_url,
        "remote": state.public_url.removeprefix("http://"),
        "connection_file": "" if order.is_shared else str(order.connection_file),
        "students": [
            {
                "code": student.code,
                "name": handover.name_of(order, student),
                "connection_file": str(handover.connection_path(order, student)),
            }
            for student in order.students
        ],
        "created_at": state.created_at,
        "ready_at": state.ready_at,
        "steps": state.steps,
        "facts": state.facts,
    }


def _create(
    options: argparse.Namespace, provider: Provider, order: Order, store: Store, console: Console
) -> NodeState:
    try:
        with Progress(console) as progress:
            return engine.create(provider, order, store, progress, may_make=not options.comprobar)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            console.note("\nInterrumpido. Lo hecho quedó anotado y no se pierde.")
            console.note(f"Para continuar:      {shlex.join(['tunnel', *_same(options, order)])}")
            console.note(f"Para quitarlo todo:  {shlex.join(['tunnel', *delete_arguments(order)])}")
        raise


def _same(options: argparse.Namespace, order: Order) -> list[str]:
    words = arguments_of(order)
    if order.is_shared:
        words += ["--roster", str(options.roster.absolute()), "--compartido"]
    return words


def _write_script(options: argparse.Namespace, provider: Provider, order: Order, console: Console) -> int:
    if not provider.has_script:
        raise BadOrder(
            f"«{provider.name}» no se maneja con órdenes sino con su API: de él no hay guion. Con --plan se "
            "ve cada llamada."
        )
    same = _same(options, order)
    check = [*same, "--comprobar"]
    if options.conexion is not None:
        check += ["--conexion", str(options.conexion.absolute())]
    text = script.render(provider.plan(order), _tunnel(), same, check, delete_arguments(order))
    if options.guion == "-":
        sys.stdout.write(text)
        return 0
    path = Path(options.guion)
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
        path.chmod(0o755)
    except OSError as error:
        raise BadOrder(f"no se puede escribir {path}: {describe_os_error(error)}.") from None
    console.say(f"Guion escrito en {path}. Léalo y córralo: bash {shlex.quote(str(path))}")
    return 0


def _tunnel() -> str:
    """Return how the command is called here, or the word itself where it is on PATH."""
    beside = Path(sys.executable).with_name("tunnel")
    on_path = any(
        Path(folder or ".").joinpath("tunnel").exists()
        for folder in os.environ.get("PATH", "").split(os.pathsep)
    )
    return "tunnel" if on_path or not beside.exists() else shlex.quote(str(beside))
