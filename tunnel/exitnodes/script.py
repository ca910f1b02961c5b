"""A plan as a bash script that a student can read, run by hand, interrupt and run again."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence

from tunnel.exitnodes.errors import BadOrder
from tunnel.exitnodes.handover import name_of
from tunnel.exitnodes.model import Order, Plan, StepInfo

__all__ = ["preparation", "render"]

_COLUMNS = 100

_HEAD = """\
#!/usr/bin/env bash
# Nodo de salida «{name}», proveedor «{provider}»: lo mismo que hace
#
#   {same}
#
# Puede interrumpirse y repetirse: lo que ya está hecho no se hace otra vez. No contiene ningún secreto.
# Para quitarlo todo:
#
#   {undo}
set -euo pipefail
umask 077  # los archivos que se crean aquí son solo suyos

# Muestra cada orden antes de correrla.
correr() {{
  {{ printf '+' && printf ' %q' "$@" && echo; }} >&2
  "$@"
}}

tunel=${{TUNEL:-{tunnel}}}
if ! command -v "$tunel" >/dev/null; then
  echo "No se encontró el programa «tunnel». Active el entorno, o diga dónde está: TUNEL=RUTA" >&2
  exit 3
fi
"""


def render(plan: Plan, tunnel: str, same: Sequence[str], check: Sequence[str], undo: Sequence[str]) -> str:
    """Return the script.

    Args:
        tunnel: the path of the command ``tunnel``.
        same: the arguments of ``tunnel`` that have the same result.
        check: those that check what the script made, and write the connection file.
        undo: those that remove it.

    Raises:
        BadOrder: a step is no command, but a call to a provider's API.
    """
    head = _HEAD.format(
        name=plan.order.name,
        provider=plan.order.provider,
        same=shlex.join(["tunnel", *same]),
        undo=shlex.join(["tunnel", *undo]),
        tunnel=shlex.quote(tunnel),
    )
    if plan.is_simulated:
        head = head.replace("printf '+'", "printf 'SIMULACIÓN | +'")
    parts = [head]
    if plan.is_simulated:
        parts.append('echo "SIMULACIÓN: nada de esto es real ni cuesta." >&2\n')
    pieces = [] if plan.brings_secret else [(_FIRST_WHY, _secret(plan.order))]
    pieces += [(f"{_capitalized(step.title)}. {step.why}", _body(step)) for step in plan.steps]
    pieces.append((_LAST_WHY, _call(check)))
    parts += [_part(number, len(pieces), why, body) for number, (why, body) in enumerate(pieces, 1)]
    return "\n".join(parts)


_FIRST_WHY = (
    "El secreto que comparten los dos lados del túnel. Queda en un archivo que solo usted puede leer."
)
_LAST_WHY = (
    "La espera. Comprueba que el nodo contesta con el certificado que anunció, lo anota y escribe el archivo "
    "de conexión."
)


def preparation(order: Order) -> list[str]:
    """Return the commands, for people to copy, that make the node's folder and its secret."""
    folder = shlex.join(["mkdir", "-p", "-m", "700", str(order.folder)])
    if not order.is_shared:
        return [folder, shlex.join(["tunnel", "token", "--salida", str(order.secret_file)])]
    tokens = [shlex.join(["tunnel", *_token_of(order, index)]) for index in range(len(order.students))]
    return [folder, *tokens]


def _token_of(order: Order, index: int) -> list[str]:
    student = order.students[index]
    where = ["--a", str(order.secret_file), "--etiqueta", student.slug]
    return ["token", *where, "--nombres", name_of(order, student)]


def _secret(order: Order) -> str:
    folder, path = shlex.quote(str(order.folder)), shlex.quote(str(order.secret_file))
    lines = [f"correr mkdir -p {folder}", f"chmod 700 {folder}"]
    if not order.is_shared:
        lines += [
            f"if [[ ! -e {path} ]]; then",
            f"  {_call(['token', '--salida', str(order.secret_file)])}",
            "fi",
        ]
    for index, student in enumerate(order.students):
        label = shlex.quote(f'label = "{student.slug}"')
        make = _call(_token_of(order, index))
        # With no --salida the token itself goes to stdout: nobody is to see it.
        lines += [f"if ! grep -qsxF {label} {path}; then", f"  {make} >/dev/null", "fi"]
    return "\n".join(lines)


def _body(step: StepInfo) -> str:
    if step.script:
        return step.script.rstrip("\n")
    if not step.argv:
        raise BadOrder(
            f"{step.title} se hace con una llamada a la API del proveedor, no con una orden: de este plan no "
            "hay guion. Con --plan se ve cada llamada."
        )
    command = f"correr {shlex.join(step.argv)}"
    if not step.probe:
        return command
    return "\n".join([f"if ! {shlex.join(step.probe)} >/dev/null 2>&1; then", f"  {command}", "fi"])


def _call(arguments: Sequence[str]) -> str:
    return f'correr "$tunel" {shlex.join(arguments)}'


def _part(number: int, total: int, why: str, body: str) -> str:
    comment = textwrap.wrap(f"{number}/{total}. {why}", _COLUMNS, break_long_words=False)
    return "\n".join([*(f"# {line}" for line in comment), body, ""])


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
