"""``tunnel completion``: what a shell needs to complete the command's words."""

from __future__ import annotations

import argparse
from pathlib import Path

from tunnel.cli.arguments import Parser
from tunnel.cli.common import Subparsers

__all__ = ["add_parser"]

_SHELLS = ("bash", "zsh", "fish")


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "completion",
        help="para que la terminal complete las órdenes con Tab",
        description="Muestra lo que bash, zsh o fish necesitan para completar órdenes, opciones y "
        "archivos con la tecla Tab. En bash: source <(tunnel completion bash)",
    )
    parser.add_argument("shell", metavar="TERMINAL", choices=_SHELLS, help=f"la suya: {', '.join(_SHELLS)}")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    import shtab  # here, so that no other command waits for it

    from tunnel.cli import build_parser

    parser = build_parser()
    _complete_paths(parser, shtab.FILE, shtab.DIRECTORY)
    print(shtab.complete(parser, shell=options.shell))
    return 0


def _complete_paths(parser: Parser, file: object, folder: object) -> None:
    for action in parser._actions:
        if action.type is Path:
            action.complete = folder if action.metavar == "CARPETA" else file  # type: ignore[attr-defined]
    for command in parser.commands.values():
        _complete_paths(command, file, folder)
