"""What the commands share: options, and how events are shown."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tunnel.config import TOKEN_VARIABLE, Secret, load_token
from tunnel.events import Event, OnEvent

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = object

__all__ = [
    "Subparsers",
    "add_shared_options",
    "event_printer",
    "port_number",
    "positive_seconds",
    "read_token",
]


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that server and client have in common."""
    parser.add_argument(
        "--token-file",
        metavar="ARCHIVO",
        type=Path,
        help=f"archivo con el token, que solo usted pueda leer (o la variable {TOKEN_VARIABLE})",
    )
    parser.add_argument(
        "--drain-timeout",
        metavar="SEGUNDOS",
        type=positive_seconds,
        default=10.0,
        help="al detenerse, cuánto espera a las peticiones en curso (por omisión: 10)",
    )
    parser.add_argument(
        "--json", action="store_true", help="escribe cada suceso como una línea JSON, para otros programas"
    )


def port_number(text: str) -> int:
    """Parse a TCP port; 0 asks for a free one."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"«{text}» no es un puerto: va de 1 a 65535 (0: uno libre)")
    return int(text)


def positive_seconds(text: str) -> float:
    """Parse a time in seconds, more than 0 and finite."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 86400:
        raise argparse.ArgumentTypeError(
            f"«{text}» no es un tiempo en segundos mayor que 0 y menor que un día"
        )
    return value


def read_token(options: argparse.Namespace) -> Secret:
    """Return the token that the options or the environment give.  Raises ConfigError."""
    return load_token(options.token_file, os.environ)


def event_printer(as_json: bool, describe: Callable[[Event], str | None]) -> OnEvent:
    """Return what shows events on stdout: as JSON lines, or as ``describe`` words them."""

    def show(event: Event) -> None:
        if as_json:
            text = json.dumps({"event": event.name, **asdict(event)}, ensure_ascii=False)
        else:
            words = describe(event)
            if words is None:
                return
            text = f"[{time.strftime('%H:%M:%S')}] {words}"
        print(text, flush=True)

    return show


def fail(command: str, message: str) -> int:
    """Say on stderr that the environment failed; return the exit code for it."""
    print(f"tunnel {command}: {message}", file=sys.stderr)
    return 3
