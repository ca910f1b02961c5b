"""A whole class: ``create --roster`` and ``delete --roster``, a node a student, several at a time."""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tunnel.cli.exit_node.console import Console, is_live
from tunnel.cli.exit_node.create import node_document
from tunnel.cli.exit_node.orders import arguments_of, new_order, provider_options, settled
from tunnel.cli.exit_node.plan_text import cost_lines, plan_document, plan_text
from tunnel.config import ConfigError
from tunnel.exitnodes import engine, handover, readiness
from tunnel.exitnodes.errors import BadOrder, ExitNodeError, NoSuchNode
from tunnel.exitnodes.model import Order, Student
from tunnel.exitnodes.naming import default_name
from tunnel.exitnodes.provider import Provider
from tunnel.exitnodes.registry import load_provider
from tunnel.exitnodes.state import Store
from tunnel.os_errors import describe_os_error

__all__ = ["create", "delete"]

_BAR_CHARACTERS = 24

Document = dict[str, object]


class _Stopped(Exception):  # noqa: N818
    """Ctrl-C was pressed while this node was being worked on."""


@dataclass(slots=True)
class _Job:
    """One node's turn."""

    order: Order
    provider: Provider
    work: Callable[[], Document]
    outcome: Document = field(default_factory=dict)
    error: str = ""
    code: int = 0


def create(options: argparse.Namespace, students: Sequence[Student]) -> int:
    """Make a node for each student; those that are there already are only checked."""
    for flag, value in (("--nombre", options.nombre), ("--guion", options.guion)):
        if value is not None:
            raise BadOrder(f"{flag} sobra con --roster: cada alumno tiene su nodo. O agregue --compartido.")
    provider, store = load_provider(options.provider), Store()
    orders = []
    for student in students:
        order = settled(new_order(options, store, student=student.slug), options, provider, store)
        orders.append(order)
    plans = [provider.plan(order) for order in orders]
    console = Console(is_simulated=plans[0].is_simulated, is_json=options.json)
    console.say(f"{len(orders)} nodos, uno para cada alumno de {options.roster}. El del primero:")
    console.say()
    console.say(plan_text(plans[0], provider.title, [*arguments_of(orders[0]), "--comprobar"]))
    console.say()
    console.say(f"Los {len(orders)} juntos:")
    keys = [key for plan in plans for step in plan.steps for key in step.prices]
    console.say("\n".join(cost_lines(keys, orders[0].duration_s)))
    if options.plan:
        console.give({"plans": [plan_document(plan) for plan in plans]})
        return 0
    provider.check(orders[0])  # what it asks is the same for all of them
    if not console.confirm(f"¿Creo los {len(orders)}?", options.si):
        console.say("No se creó nada.")
        return 1
    stop = threading.Event()

    def make(order: Order) -> Document:
        wait = functools.partial(readiness.wait, pause=functools.partial(_pause, stop))
        state = engine.create(provider, order, store, _observer(stop), wait, may_make=not options.comprobar)
        if options.conexion is not None:
            options.conexion.mkdir(mode=0o700, parents=True, exist_ok=True)
            handover.copy_connections(order, Path(options.conexion) / f"{order.student}.toml")
        return node_document(state)

    jobs = [_Job(order, provider, functools.partial(make, order)) for order in orders]
    _run(jobs, options.paralelo, stop, console, "listo")
    for job in jobs:
        if not job.error:
            console.say(f"{job.order.student}  {job.outcome['public_url']}  {job.outcome['connection_file']}")
    return _close(jobs, console)


def delete(options: argparse.Namespace, students: Sequence[Student]) -> int:
    """Delete each student's node; one that never was is as good as deleted."""
    if options.nombre is not None:
        raise BadOrder("NOMBRE sobra con --roster: se borra el nodo de cada alumno.")
    store = Store()
    orders: list[Order] = []
    for student in students:
        name = default_name(student.slug, options.lab or "")
        recorded = [
            state.order
            for state in store.all()
            if state.order.name == name and options.provider in (None, state.order.provider)
        ]
        if not recorded and options.provider:
            load_provider(options.provider)
            own = provider_options(options, options.provider)
            folder = store.folder(options.provider, name)
            recorded = [Order(options.provider, name, folder, student=student.slug, options=own)]
        orders += recorded
    if not orders:
        raise NoSuchNode(
            "aquí no hay anotado ningún nodo de esos alumnos. Si se perdió lo anotado, diga dónde están: "
            "--provider PROVEEDOR"
        )
    providers = {name: load_provider(name) for name in {order.provider for order in orders}}
    is_simulated = all(providers[order.provider].is_simulated(order) for order in orders)
    console = Console(is_simulated=is_simulated, is_json=options.json)
    console.say(f"Se van a borrar {len(orders)} nodos, con todo lo suyo:")
    for order in orders:
        console.say(f"  {order.name} ({order.provider})")
    for name, used in providers.items():
        used.check(next(order for order in orders if order.provider == name))
    if not console.confirm(f"¿Borro los {len(orders)}?", options.si):
        console.say("No se borró nada.")
        return 1
    stop = threading.Event()

    def remove(order: Order) -> Document:
        try:
            receipt, path = engine.delete(providers[order.provider], order, store, _observer(stop))
        except NoSuchNode:
            return {"provider": order.provider, "name": order.name, "clean": True, "receipt": ""}
        document: Document = json.loads(receipt.to_json())
        return {**document, "receipt": str(path)}

    jobs = [_Job(order, providers[order.provider], functools.partial(remove, order)) for order in orders]
    _run(jobs, options.paralelo, stop, console, "borrado")
    console.say(f"Comprobantes: {store.receipts}")
    return _close(jobs, console)


def _run(jobs: Sequence[_Job], at_once: int, stop: threading.Event, console: Console, done: str) -> None:
    """Do all the jobs.  On Ctrl-C those under way come to the end of their step; then it is raised."""
    board = _Board(len(jobs), console)
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        futures: dict[Future[None], _Job] = {pool.submit(_do, job, board): job for job in jobs}
        try:
            for future in as_completed(futures):
                future.result()
                job = futures[future]
                board.ended(job.order.name, f"falló: {job.error}" if job.error else done)
        except KeyboardInterrupt:
            stop.set()
            for future in futures:
                future.cancel()
            board.remark("Interrumpido. Los que van en curso terminan su paso; todo queda anotado…")
            pool.shutdown(wait=True)
            board.remark(
                "Para continuar, repita la orden. Para quitarlos todos: tunnel exit-node delete --roster …"
            )
            raise


def _do(job: _Job, board: _Board) -> None:
    board.begun()
    try:
        job.outcome = job.work()
    except _Stopped:
        job.error, job.code = "interrumpido", 130
    except ExitNodeError as error:
        job.error, job.code = str(error), error.exit_code
    except ConfigError as error:
        job.error, job.code = str(error), 2
    except OSError as error:
        job.error, job.code = f"falló el sistema: {describe_os_error(error)}", 3


def _close(jobs: Sequence[_Job], console: Console) -> int:
    failed = [job for job in jobs if job.error]
    console.give(
        {
            "nodes": [job.outcome for job in jobs if not job.error],
            "errors": [{"name": job.order.name, "message": job.error} for job in failed],
        }
    )
    if not failed:
        return 0
    console.note(f"\nDe {len(jobs)} nodos fallaron {len(failed)}:")
    for job in failed:
        console.note(f"  {job.order.name}: {job.error}")
    console.note("Corrija la causa y repita la orden: los que están bien no se tocan.")
    return max(job.code for job in failed)


def _observer(stop: threading.Event) -> engine.Observer:
    def observe(event: engine.Event) -> None:
        if isinstance(event, engine.StepBegun) and stop.is_set():
            raise _Stopped

    return observe


def _pause(stop: threading.Event, seconds: float) -> None:
    if stop.wait(seconds):
        raise _Stopped


class _Board:
    """How far the class is: a line for each node that ended and, on a terminal, a bar under them."""

    def __init__(self, total: int, console: Console) -> None:
        self._total = total
        self._console = console
        self._is_live = is_live()
        self._guard = threading.Lock()
        self._under_way = 0
        self._ended = 0

    def begun(self) -> None:
        """Count a node whose turn has come."""
        with self._guard:
            self._under_way += 1
            self._draw()

    def ended(self, name: str, outcome: str) -> None:
        """Tell of a node that is over."""
        with self._guard:
            self._under_way -= 1
            self._ended += 1
            self._wipe()
            self._console.note(f"[{self._ended}/{self._total}] {name}: {outcome.splitlines()[0]}")
            if self._ended < self._total:
                self._draw()

    def remark(self, text: str) -> None:
        """Say something between."""
        with self._guard:
            self._wipe()
            self._console.note(text)

    def _draw(self) -> None:
        if self._is_live:
            filled = _BAR_CHARACTERS * self._ended // self._total
            bar = "#" * filled + "." * (_BAR_CHARACTERS - filled)
            text = f"[{bar}] {self._ended} de {self._total}, {self._under_way} en curso"
            columns = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{self._console.mark}{text}"[: columns + 4])
            sys.stderr.flush()

    def _wipe(self) -> None:
        if self._is_live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
