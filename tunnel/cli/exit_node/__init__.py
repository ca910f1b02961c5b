"""``tunnel exit-node``: exit nodes, made, listed and removed.

Map
    ``orders``     from options, and from what is recorded, to the order that a provider understands
    ``create``     one node; ``delete``: its end; ``classes``: both of them for a whole roster
    ``parcel``     ``paquete``: what a machine at Google reads at its start
    ``listing``    ``list``; ``look``: ``show`` and ``cost``; ``reach``: ``ssh`` and ``logs``
    ``plan_text``  a plan, and what comes of it, in words
    ``progress``   what happens while it happens; ``console``: where words go

Each verb's module is imported when the verb is used: the rest of ``tunnel`` starts without them.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path

from tunnel.cli.arguments import Parser
from tunnel.cli.common import Subparsers, port_number
from tunnel.exitnodes.registry import OPTIONS, PROVIDERS

__all__ = ["add_parser"]

_DESCRIPTION = """\
Crea y borra nodos de salida: máquinas con dirección pública por las que sus visitantes llegan.

  tunnel exit-node create --provider local     en esta máquina, sin cuenta ni costo
  tunnel exit-node create --provider vm        en la máquina virtual exit-node del curso
  tunnel exit-node create --provider gcp       en Google Cloud (con --simulada: sin cuenta)

Antes de hacer nada muestra el plan: cada paso con su porqué, su orden y su precio de lista.
Si se interrumpe, la misma orden continúa donde iba.
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command, with its verbs, to the parser."""
    parser = commands.add_parser(
        "exit-node", help="crea, muestra y borra nodos de salida", description=_DESCRIPTION
    )
    verbs = parser.add_subparsers(
        dest="verb", metavar="ORDEN", title="órdenes", required=True, parser_class=Parser
    )
    _add_create(verbs)
    _add_delete(verbs)
    listing = _add(
        verbs,
        "list",
        "listing",
        "muestra los nodos que hay",
        "Muestra los nodos anotados aquí y los que el proveedor conoce por sus etiquetas, aunque lo anotado "
        "se haya perdido.",
    )
    listing.add_argument("--provider", metavar="PROVEEDOR", help="solo los de este; se le pregunta a él")
    _add_provider_options(listing)
    listing.add_argument("--json", action="store_true", help="la lista en JSON, para otros programas")
    show = _add(
        verbs,
        "show",
        "look",
        "muestra todo sobre un nodo",
        "Muestra lo que se sabe de un nodo: sus pasos, sus direcciones, su archivo de conexión. Termina con "
        "1 si le falta algo.",
    )
    _add_node(show)
    show.add_argument(
        "--solo",
        metavar="CAMPO",
        help="solo ese dato, para otros programas: remote, public_url, url, connection_file, name, provider",
    )
    show.add_argument("--json", action="store_true", help="lo mismo en JSON, para otros programas")
    cost = _add(
        verbs,
        "cost",
        "look",
        "dice cuánto llevan costando",
        "Dice cuánto cuesta cada nodo a precio de lista y cuánto lleva. Sin nodos, muestra la tabla de "
        "precios con su fecha y su fuente. No es su factura.",
    )
    _add_node(cost)
    cost.add_argument("--json", action="store_true", help="lo mismo en JSON, para otros programas")
    ssh = _add(
        verbs,
        "ssh",
        "reach",
        "abre una sesión en el nodo",
        "Abre una sesión en el nodo, o corre allí una orden.",
    )
    _add_node(ssh)
    ssh.add_argument("--orden", metavar="ORDEN", help="la corre allí, en lugar de abrir una sesión")
    logs = _add(
        verbs,
        "logs",
        "reach",
        "muestra lo que escribió el servidor",
        "Muestra lo que escribió el servidor del túnel en el nodo.",
    )
    _add_node(logs)
    logs.add_argument("--seguir", action="store_true", help="sigue mostrando lo que escriba, hasta Ctrl-C")
    _add_parcel(verbs)
    parser.commands = dict(verbs.choices)


def _add(verbs: Subparsers, name: str, module: str, brief: str, description: str) -> Parser:
    parser = verbs.add_parser(name, help=brief, description=description)
    parser.set_defaults(run=_later(module))
    return parser


def _later(module: str) -> Callable[[argparse.Namespace], int]:
    """Return a function that imports the verb's module and runs it, with its errors told as they should."""

    def run(options: argparse.Namespace) -> int:
        from tunnel.cli.exit_node import console

        verb = importlib.import_module(f"tunnel.cli.exit_node.{module}")
        return console.guarded(verb.run, options)

    return run


def _add_create(verbs: Subparsers) -> None:
    parser = _add(
        verbs,
        "create",
        "create",
        "crea un nodo de salida",
        "Muestra el plan, pregunta, crea el nodo, espera a que conteste con el certificado que anunció y "
        "escribe el archivo de conexión. Repetir la orden continúa un trabajo interrumpido.",
    )
    parser.add_argument(
        "--provider", metavar="PROVEEDOR", required=True, help=f"dónde: {', '.join(PROVIDERS)}"
    )
    parser.add_argument("--nombre", metavar="NOMBRE", help="cómo se llama (por omisión: según alumno y lab)")
    _add_whose(parser)
    parser.add_argument("--region", metavar="REGIÓN", help="la del proveedor (por omisión: la más barata)")
    parser.add_argument(
        "--source-ranges",
        metavar="CIDR",
        type=_later_parsed("parse_ranges"),
        help="desde qué redes se puede llegar al nodo, separadas por comas (por omisión: desde todas)",
    )
    parser.add_argument(
        "--duracion",
        metavar="TIEMPO",
        type=_later_parsed("parse_duration"),
        help="el nodo se borra solo después de este tiempo, si el proveedor sabe hacerlo: 90m, 4h, 2d "
        "(por omisión: 4h)",
    )
    parser.add_argument(
        "--tcp",
        metavar="PUERTOS",
        type=_later_parsed("parse_ports"),
        help="los puertos TCP que los clientes pueden pedir, separados por comas; se abren en el cortafuegos",
    )
    parser.add_argument(
        "--port", metavar="PUERTO", type=port_number, help="puerto de los visitantes (por omisión: 8000)"
    )
    parser.add_argument(
        "--control-port",
        metavar="PUERTO",
        type=port_number,
        help="puerto del cliente del túnel (por omisión: 8123)",
    )
    _add_provider_options(parser, is_create=True)
    parser.add_argument(
        "--conexion",
        metavar="ARCHIVO",
        type=Path,
        help="escribe aquí también el archivo de conexión (por omisión: solo en la carpeta del nodo, donde "
        "«scripts/correr-cliente.sh» lo encuentra)",
    )
    parser.add_argument("--plan", action="store_true", help="muestra el plan y termina, sin hacer nada")
    parser.add_argument(
        "--guion",
        metavar="ARCHIVO",
        help="escribe el plan como un programa de bash que usted puede leer y correr (-: lo muestra)",
    )
    parser.add_argument(
        "--comprobar",
        action="store_true",
        help="no crea nada: comprueba lo que otro hizo, espera al nodo y escribe el archivo de conexión; es "
        "lo último que hace un guion",
    )
    _add_roster(parser)
    parser.add_argument(
        "--dominio",
        metavar="DOMINIO",
        help="con --compartido: el nombre de cada alumno es CÓDIGO.DOMINIO (por omisión: example)",
    )
    parser.add_argument("--si", action="store_true", help="no pregunta: hágalo")
    parser.add_argument("--json", action="store_true", help="el resultado en JSON, para otros programas")


def _add_parcel(verbs: Subparsers) -> None:
    parser = _add(
        verbs,
        "paquete",
        "parcel",
        "escribe lo que una máquina de Google lee al arrancar",
        "Escribe en una carpeta el programa y el guion de arranque que viajan en los metadatos de una "
        "máquina "
        "de Google. Ninguno lleva el token. Es el primer paso de un guion de --provider gcp.",
    )
    parser.add_argument("carpeta_destino", metavar="CARPETA", type=Path, help="se crea si no existe")
    parser.add_argument(
        "--port", metavar="PUERTO", type=port_number, help="el de los visitantes (por omisión: 8000)"
    )
    parser.add_argument(
        "--control-port", metavar="PUERTO", type=port_number, help="el del cliente (por omisión: 8123)"
    )
    parser.add_argument(
        "--tcp",
        metavar="PUERTOS",
        type=_later_parsed("parse_ports"),
        help="los puertos TCP que los clientes pueden pedir, separados por comas",
    )
    parser.add_argument("--compartido", action="store_true", help="el nodo lee tokens.toml, no token")


def _add_delete(verbs: Subparsers) -> None:
    parser = _add(
        verbs,
        "delete",
        "delete",
        "borra un nodo y todo lo suyo",
        "Muestra lo que va a borrar, pregunta, lo borra en el orden debido y le pregunta al proveedor qué "
        "queda: si queda algo, lo muestra y termina con 1. Guarda un comprobante en JSON.",
    )
    _add_node(parser)
    _add_whose(parser)
    _add_roster(parser)
    parser.add_argument("--si", action="store_true", help="no pregunta: bórrelo")
    parser.add_argument("--json", action="store_true", help="el comprobante en JSON, para otros programas")


def _add_node(parser: Parser) -> None:
    parser.add_argument("nombre", metavar="NOMBRE", nargs="?", help="el nodo; sobra si solo hay uno")
    parser.add_argument(
        "--provider", metavar="PROVEEDOR", help="el de ese nodo; hace falta si se perdió lo anotado"
    )
    _add_provider_options(parser)


def _add_whose(parser: Parser) -> None:
    parser.add_argument("--alumno", metavar="CÓDIGO", help="de quién es (por omisión: su usuario)")
    parser.add_argument("--lab", metavar="LAB", help="para qué laboratorio")


def _add_roster(parser: Parser) -> None:
    parser.add_argument(
        "--roster",
        metavar="ALUMNOS.CSV",
        type=Path,
        help="para cada alumno de una lista con las columnas codigo, nombre y correo",
    )
    parser.add_argument(
        "--compartido",
        action="store_true",
        help="con --roster: un solo nodo para todos, con un nombre y un token para cada alumno",
    )
    parser.add_argument(
        "--paralelo",
        metavar="N",
        type=_later_parsed("parse_count"),
        default=4,
        help="con --roster: cuántos nodos a la vez (por omisión: 4)",
    )


def _add_provider_options(parser: Parser, *, is_create: bool = False) -> None:
    for option in OPTIONS:
        if is_create or option.is_for_all_verbs:
            told = f"{option.help} (solo {', '.join(option.providers)})"
            if option.metavar:
                parser.add_argument(option.flag, metavar=option.metavar, help=told)
            else:
                parser.add_argument(option.flag, action="store_true", help=told)


def _later_parsed(function: str) -> Callable[[str], object]:
    def parse(text: str) -> object:
        from tunnel.cli.exit_node import orders

        return getattr(orders, function)(text)

    return parse
