"""The command line of ``gtd-app``, in Spanish.

argparse writes its own words in English and offers no other way than to put the Spanish ones over them.
"""

import argparse
import re
from collections.abc import Iterable
from typing import NoReturn

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000

# argparse's complaints (Python 3.11 to 3.14), and what is told instead.
COMPLAINTS = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (r"unrecognized arguments: (.*)", r"no se entiende: \1"),
        (r"the following arguments are required: (.*)", r"falta: \1"),
        (r"argument (.*?): expected one argument", r"\1 necesita un valor"),
        (r"argument (.*?): ignored explicit argument (.*)", r"\1 no lleva un valor: \2"),
        (r"argument (.*?): not allowed with argument (.*)", r"\1 y \2 no van juntas: deje una"),
        (
            r"argument (.*?): invalid choice: (.*?) \(choose from (.*)\)",
            r"\2 no es una orden. Las órdenes son: \3",
        ),
        (r"ambiguous option: (.*?) could match (.*)", r"\1 puede ser \2: escríbala completa"),
        (r"argument (.*?): (.*)", r"\1: \2"),
    )
)


class SpanishFormatter(argparse.HelpFormatter):
    """Help that begins with "uso:"."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, "uso: " if prefix is None else prefix)


class SpanishParser(argparse.ArgumentParser):
    """An argument parser that speaks Spanish and ends with code 2 on wrong usage."""

    def __init__(self, **kwargs: object) -> None:
        kwargs |= {"add_help": False, "allow_abbrev": False, "formatter_class": SpanishFormatter}
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self._positionals.title = "órdenes"
        self._optionals.title = "opciones"
        self.add_argument("-h", "--help", "--ayuda", action="help", help="muestra esta ayuda")

    def error(self, message: str) -> NoReturn:
        for pattern, replacement in COMPLAINTS:
            if match := pattern.fullmatch(message):
                message = match.expand(replacement)
                break
        self.exit(2, f"{self.prog}: {message}\nAyuda: {self.prog} --ayuda\n")


def build_parser(version: str) -> argparse.ArgumentParser:
    """Return the parser; its namespace has ``command`` (serve or reiniciar) and the command's options."""
    parser = SpanishParser(
        prog="gtd-app",
        description="La API de tareas del curso: el servicio que se comparte a través del túnel.",
        epilog="Sin orden, gtd-app hace lo mismo que gtd-app serve.",
    )
    parser.add_argument(
        "--version", action="version", version=f"gtd-app {version}", help="muestra la versión"
    )
    commands = parser.add_subparsers(dest="command", metavar="ORDEN", required=True)

    serve = commands.add_parser(
        "serve",
        help="atiende la API hasta que usted la termine con Ctrl-C",
        description="Atiende la API de tareas. Las tareas se guardan en su carpeta personal.",
    )
    serve.add_argument(
        "--host",
        metavar="DIRECCIÓN",
        default=DEFAULT_HOST,
        help="dirección en la que escucha (por defecto, %(default)s)",
    )
    serve.add_argument(
        "--port",
        metavar="PUERTO",
        type=parse_port,
        default=DEFAULT_PORT,
        help="puerto en el que escucha; 0 elige uno libre (por defecto, %(default)s)",
    )
    place = serve.add_mutually_exclusive_group()
    _add_database_option(place)
    place.add_argument(
        "--en-memoria", action="store_true", help="no guarda nada: las tareas se pierden al terminar"
    )
    serve.add_argument(
        "--verbose", action="store_true", help="muestra también las consultas repetidas de la página"
    )

    reset = commands.add_parser(
        "reiniciar",
        help="vuelve a las dos tareas del comienzo",
        description="Quita todas las tareas y vuelve a las dos del comienzo; la siguiente tendrá el id 3. "
        "Puede hacerse mientras gtd-app atiende.",
    )
    _add_database_option(reset)
    return parser


def _add_database_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--db", metavar="RUTA", type=parse_path, help="archivo de las tareas (se crea si no existe)"
    )


def parse_port(text: str) -> int:
    """Read a TCP port, 0 to 65535."""
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} no es un puerto; es un número de 0 a 65535")
    return int(text[:6])


def parse_path(text: str) -> str:
    """Read the path of a database."""
    if not text.strip():
        raise argparse.ArgumentTypeError("la ruta está vacía")
    if "\0" in text:
        raise argparse.ArgumentTypeError("la ruta lleva un carácter nulo")
    if text.startswith(":memory:"):
        raise argparse.ArgumentTypeError("para no guardar nada use --en-memoria")
    return text
