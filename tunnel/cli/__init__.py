"""The command ``tunnel``: one module a command.

What a person reads is Spanish and goes to stdout; logs are English and go to stderr.  Exit codes: 0 done,
1 the answer is no (refused), 2 wrong usage, 3 the environment failed, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
from importlib import import_module

from tunnel import __version__
from tunnel.cli.arguments import Parser
from tunnel.cli.common import fail, log_level
from tunnel.cli.logs import configure_logging
from tunnel.config import TOKEN_VARIABLE, ConfigError
from tunnel.os_errors import describe_os_error
from tunnel.secret_files import FileUnusable

__all__ = ["build_parser", "entry_point", "main"]

_log = logging.getLogger(__name__)

_DESCRIPTION = """\
Comparte un servicio de una red privada por medio de un nodo de salida con dirección pública.

  tunnel server --auto-tls --auto-tls-san 192.0.2.10
      en el nodo de salida, con su dirección; crea lo que necesita y escribe conexion.toml
  tunnel client --conexion conexion.toml --upstream http://localhost:5000
      en la máquina del servicio, con ese archivo
"""

# Each is a module here.
_COMMANDS = (
    "server",
    "client",
    "token",
    "cert",
    "password",
    "status",
    "doctor",
    "requests",
    "fileserver",
    "exit-node",
    "service",
    "completion",
)

_TOKEN_OPTIONS = ("--token", "-token")


def build_parser(only: str = "") -> Parser:
    """Return the parser of the whole command, or of that with one of its commands alone.

    Each command brings what it needs along; who asks for one waits for no other and keeps none in memory.
    """
    parser = Parser(prog="tunnel", description=_DESCRIPTION)
    parser.add_argument(
        "--version", action="version", version=f"tunnel {__version__}", help="muestra la versión"
    )
    commands = parser.add_subparsers(
        dest="command", metavar="ORDEN", title="órdenes", required=True, parser_class=Parser
    )
    for name in (only,) if only in _COMMANDS else _COMMANDS:
        import_module(f"{__name__}.{name.replace('-', '_')}").add_parser(commands)
    parser.commands = dict(commands.choices)
    for command in parser.leaves():
        command.add_argument(
            "--log-level",
            metavar="NIVEL",
            type=log_level,
            default=logging.WARNING,
            help="registro en inglés, a stderr: debug, info, warning o error (por omisión: warning)",
        )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if any(word.partition("=")[0] in _TOKEN_OPTIONS for word in argv):
        # inlets takes it there; anyone on the machine reads it in the list of processes.
        print(
            "tunnel: el token no se pasa en la línea de órdenes, donde cualquiera en esta máquina puede "
            f"leerlo. Use --token-file ARCHIVO o la variable de entorno {TOKEN_VARIABLE}.",
            file=sys.stderr,
        )
        return 2
    command = ""
    try:
        options = build_parser(argv[0] if argv else "").parse_command(argv)
        command = options.command
        configure_logging(options)
        options.words = argv
        if getattr(options, "generate", None) is not None:  # a unit, instead of the program itself
            from tunnel.cli.service import generate

            return generate(options)
        return int(options.run(options))
    except SystemExit as leave:  # after the help (0), or wrong usage (2)
        return leave.code if isinstance(leave.code, int) else 2
    except ConfigError as error:
        print(f"tunnel {command}: {error}", file=sys.stderr)
        return 2
    except FileUnusable as error:
        return fail(command, str(error))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        return _system_failed(command, error)


def _system_failed(command: str, error: OSError) -> int:
    _log.debug("the system refused", exc_info=error)
    if error.errno == errno.EPIPE:  # the reader of stdout is gone, as with «| head»; it wants no complaint
        return 3
    return fail(command, f"falló el sistema: {describe_os_error(error)}.")


def entry_point() -> None:
    """The console script, and ``python -m tunnel``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a Windows console or a C locale must not break on «ñ»
            stream.reconfigure(errors="replace")
    code = main()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        code = _system_failed("", error)
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python tries once more, and complains
    sys.exit(code)
