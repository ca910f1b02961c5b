"""The command ``tunnel``: one module a command.

What a person reads is Spanish and goes to stdout; logs are English and go to stderr.  Exit codes: 0 done,
1 the answer is no (refused), 2 wrong usage, 3 the environment failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from typing import NoReturn

from tunnel import __version__
from tunnel.cli import client, server, token
from tunnel.config import TOKEN_VARIABLE, ConfigError

__all__ = ["entry_point", "main"]

_DESCRIPTION = """\
Comparte un servicio de una red privada por medio de un nodo de salida con dirección pública.

  tunnel token  --salida token.txt                       crea el token de ambos lados
  tunnel server --token-file token.txt                   en el nodo de salida
  tunnel client --url ws://DIRECCIÓN:8123 --token-file token.txt --upstream http://localhost:5000
"""


class _Parser(argparse.ArgumentParser):
    """argparse, in Spanish where its users read it."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong with the usage and leave with 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {_in_spanish(message)}\n")


_PHRASES = (
    ("the following arguments are required:", "faltan argumentos:"),
    ("unrecognized arguments:", "no se conocen estos argumentos:"),
    ("invalid choice:", "valor no válido:"),
    ("expected one argument", "necesita un valor"),
    ("not allowed with argument", "no se puede usar junto con"),
    ("argument ", "argumento "),
    ("choose from", "elija entre"),
    ("ambiguous option:", "opción ambigua:"),
    ("could match", "puede ser"),
)


def _in_spanish(message: str) -> str:
    for english, spanish in _PHRASES:
        message = message.replace(english, spanish)
    return message


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    parser = _Parser(
        prog="tunnel",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", help="muestra esta ayuda")
    parser.add_argument(
        "--version", action="version", version=f"tunnel {__version__}", help="muestra la versión"
    )
    commands = parser.add_subparsers(dest="command", metavar="ORDEN", title="órdenes", required=True)
    for module in (server, client, token):
        module.add_parser(commands)
    for command in commands.choices.values():
        command.add_argument("-h", "--help", action="help", help="muestra esta ayuda")
        command.add_argument(
            "--log-level",
            choices=("debug", "info", "warning", "error"),
            default="warning",
            help="detalle del registro en inglés que va a stderr (por omisión: %(default)s)",
        )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if any(argument == "--token" or argument.startswith("--token=") for argument in argv):
        # inlets takes it there; anyone on the machine reads it in the list of processes.
        print(
            "tunnel: el token no se pasa en la línea de órdenes, donde cualquiera en esta máquina puede "
            f"leerlo. Use --token-file ARCHIVO o la variable de entorno {TOKEN_VARIABLE}.",
            file=sys.stderr,
        )
        return 2
    parser = build_parser()
    try:
        options = parser.parse_args(argv)
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 2
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    try:
        return int(options.run(options))
    except ConfigError as error:
        print(f"tunnel {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of stdout is gone, as with «| head»
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 3


def entry_point() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a Windows console or a C locale must not break on «ñ»
            stream.reconfigure(errors="replace")
    sys.exit(main())
