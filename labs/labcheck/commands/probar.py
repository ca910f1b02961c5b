"""``lab probar``: is this public address a tunnel to this local application?"""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from labcheck.arguments import SpanishParser, http_address
from labcheck.hops import Fault, Hop
from labcheck.proof import Outcome, Proof, is_same_place
from labcheck.report import explain
from labcheck.terminal import Console

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[SpanishParser]


def add_to(verbs: "Verbs") -> None:
    parser = verbs.add_parser(
        "probar",
        help="comprueba que un túnel lleva a la aplicación local",
        description="Crea una tarea por el lado público y la busca en la aplicación local. Si algo falla, "
        "dice en qué tramo. Al final borra la tarea que creó. No corta el túnel.",
    )
    parser.add_argument(
        "--local",
        metavar="URL",
        type=http_address,
        required=True,
        help="la aplicación: http://localhost:5000",
    )
    parser.add_argument(
        "--remoto", metavar="URL", type=http_address, required=True, help="el lado público: http://IP:8000"
    )
    parser.add_argument("--conservar", action="store_true", help="deja la tarea creada en vez de borrarla")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the part of the proof that cuts nothing: 0 when it holds, 1 when it does not."""
    console = Console(sys.stdout)
    if is_same_place(options.local, options.remoto):
        fault = Fault(
            Hop.EXIT_NODE,
            f"{options.local} y {options.remoto} son la misma dirección: la aplicación, sin túnel en medio.",
            "Dé en --remoto la dirección del nodo de salida, donde escucha «tunnel server».",
        )
        console.failed("Las dos direcciones son distintas")
        explain(console, fault)
        return 1
    proof = Proof(options.local, options.remoto)
    try:
        return _prove(console, proof, keep=options.conservar)
    finally:
        proof.close()


def _prove(console: Console, proof: Proof, *, keep: bool) -> int:
    steps: list[tuple[str, Callable[[], Outcome]]] = [
        (f"La aplicación responde en {proof.local_url}", proof.read_local),
        (f"Una tarea nueva se crea por {proof.remote_url}", proof.post_through_public_side),
        (f"La tarea «{proof.title}» está en la aplicación local", proof.find_locally),
    ]
    if not keep:
        steps.append(("La tarea de esta prueba se borró", proof.remove_task))
    for claim, step in steps:
        outcome = step()
        if outcome.fault is not None:
            console.failed(claim)
            explain(console, outcome.fault)
            return 1
        console.passed(claim)
    console.say(f"El túnel funciona: lo que entra por {proof.remote_url} llega a {proof.local_url}.")
    return 0
