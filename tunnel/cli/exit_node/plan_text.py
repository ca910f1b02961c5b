"""A plan, what it costs, and what comes of it, in words."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Sequence

from tunnel.cli.exit_node.orders import delete_arguments, duration_text
from tunnel.exitnodes.handover import connection_path, name_of
from tunnel.exitnodes.model import Plan
from tunnel.exitnodes.prices import HOURS_A_MONTH, Price, price_of, total
from tunnel.exitnodes.script import preparation
from tunnel.exitnodes.state import NodeState

__all__ = ["cost_lines", "outcome_text", "plan_document", "plan_text", "usd"]

_COLUMNS = 96
_MAX_SHOWN = 4
_WAIT_WHY = (
    "Espera a que el nodo conteste con el certificado que anunció, y escribe el archivo de conexión, que "
    "solo usted puede leer."
)
_ALONE_WHY = "El token que comparten los dos lados del túnel, en un archivo que solo usted puede leer."
_SHARED_WHY = "Un token y un nombre para cada alumno, en un archivo que solo usted puede leer."


def plan_text(plan: Plan, title: str, check: Sequence[str]) -> str:
    """Return the plan as a person reads it; ``check`` are the arguments of ``tunnel`` for its last step."""
    order = plan.order
    lines = [f"Plan del nodo de salida «{order.name}»: {title} (--provider {order.provider})", ""]
    first = 1
    if not plan.brings_secret:
        secrets = preparation(order)
        shown = secrets[:_MAX_SHOWN]
        lines += _step(first, _SHARED_WHY if order.is_shared else _ALONE_WHY, shown)
        if len(secrets) > len(shown):
            lines.append(f"     … y {len(secrets) - len(shown)} más")
        first += 1
    for number, step in enumerate(plan.steps, first):
        heading = step.title[:1].upper() + step.title[1:]
        lines += _step(number, f"{heading}. {step.why}", [step.command])
        for price in map(price_of, step.prices):
            if price.usd_hour:
                monthly = f"{usd(price.usd_hour)} por hora, {usd(price.usd_month)} por mes"
                lines.append(f"     Cuesta {monthly}: {price.title}")
    lines += _step(first + len(plan.steps), _WAIT_WHY, [shlex.join(["tunnel", *check])])
    lines += ["", *cost_lines((key for step in plan.steps for key in step.prices), order.duration_s)]
    for note in plan.notes:
        lines += textwrap.wrap(f"- {note}", _COLUMNS, subsequent_indent="  ", break_long_words=False)
    return "\n".join(lines)


def cost_lines(keys: Iterable[str], duration_s: int) -> list[str]:
    """Return what all of it costs, and where that was read."""
    keys = list(keys)
    hourly = total(keys)
    if not hourly:
        return ["Costo: ninguno; no usa ninguna cuenta."]
    lines = [f"Costo a precio de lista: {usd(hourly)} por hora; {usd(hourly * HOURS_A_MONTH)} por mes."]
    if duration_s:
        lines.append(f"  En las {duration_text(duration_s)} que dura: {usd(hourly * duration_s / 3600)}.")
    rows: dict[str, Price] = {price.source: price for price in map(price_of, keys) if price.usd_hour}
    lines.append("  Precios de lista, sin impuestos; no prometen nada. Verifíquelos:")
    lines += [f"  {price.source} (anotado el {price.noted_on}; verifíquelo ahí)" for price in rows.values()]
    return lines


def plan_document(plan: Plan) -> dict[str, object]:
    """Return the plan for --json."""
    return {
        "provider": plan.order.provider,
        "name": plan.order.name,
        "simulated": plan.is_simulated,
        "steps": [
            {
                "id": step.id,
                "why": step.why,
                "command": step.command,
                "usd_hour": total(step.prices),
            }
            for step in plan.steps
        ],
        "usd_hour": total(key for step in plan.steps for key in step.prices),
        "notes": list(plan.notes),
    }


def outcome_text(state: NodeState, tunnel: str) -> str:
    """Return what a person needs next, once the node is ready."""
    order = state.order
    remote = state.public_url.removeprefix("http://")
    lines = ["", f"El nodo de salida «{order.name}» está listo.", "", f"REMOTE={remote}", ""]
    if order.is_shared:
        lines.append(
            "Un archivo de conexión para cada alumno; entréguele a cada uno solo el suyo, es secreto:"
        )
        lines += [
            f"  {connection_path(order, student)}  {name_of(order, student)}" for student in order.students
        ]
        lines += ["", "Siguiente orden, donde corre el servicio del alumno:", ""]
        first = order.students[0]
        lines.append(
            f"  tunnel client --conexion {first.slug}.toml --upstream {name_of(order, first)}=http://localhost:5000"
        )
        lines += [
            "",
            f'Sus visitantes lo ven así: curl -H "Host: {name_of(order, first)}" {state.public_url}',
        ]
    else:
        path = shlex.quote(str(order.connection_file))
        lines += [
            f"Archivo de conexión, secreto: {path}",
            "",
            "Siguiente orden, donde corre el servicio:",
            "",
        ]
        lines.append(f"  {tunnel} client --conexion {path} --upstream http://localhost:5000")
        lines += ["", f"Sus visitantes llegan por: {state.public_url}"]
    lines += [f"Cuando termine, bórrelo:   {shlex.join(['tunnel', *delete_arguments(order)])}"]
    return "\n".join(lines)


def usd(amount: float) -> str:
    """Return an amount in dollars, with as many digits as tell something."""
    return f"USD {amount:.4f}" if 0 < amount < 0.1 else f"USD {amount:.2f}"


def _step(number: int, why: str, commands: list[str]) -> list[str]:
    lines = textwrap.wrap(
        f"{number}. {why}", _COLUMNS, subsequent_indent="   ", break_long_words=False, break_on_hyphens=False
    )
    # A command is one line, however long: so it can be copied.
    return [*lines, *(f"     $ {command}" for command in commands)]
