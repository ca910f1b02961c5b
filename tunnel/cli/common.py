"""What the commands share: options, and how events are shown."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import math
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING

from tunnel.cli.logs import EventStyle, add_log_format_option, log_line
from tunnel.config import TOKEN_VARIABLE, ConfigError, Secret, parse_network
from tunnel.events import Event
from tunnel.port_ranges import PortRanges, parse_port_ranges
from tunnel.protocol.memory import MIN_MEMORY_BYTES
from tunnel.secret_files import load_token

if TYPE_CHECKING:
    from tunnel.cli.arguments import Parser

    Subparsers = argparse._SubParsersAction[Parser]
else:
    Subparsers = object

__all__ = [
    "EventPrinter",
    "Subparsers",
    "add_shared_options",
    "add_token_option",
    "fail",
    "log_level",
    "memory_size",
    "network",
    "port_number",
    "port_ranges",
    "positive_seconds",
    "read_token",
    "use_all_descriptors",
]


def add_token_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the token is."""
    parser.add_argument(
        "--token-file",
        metavar="ARCHIVO",
        type=Path,
        help=f"archivo con el token, que solo usted pueda leer (o la variable {TOKEN_VARIABLE})",
    )


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that server and client have in common."""
    add_token_option(parser)
    parser.add_argument(
        "--drain-timeout",
        metavar="SEGUNDOS",
        type=positive_seconds,
        default=10.0,
        help="al detenerse, cuánto espera a las peticiones en curso (por omisión: 10)",
    )
    parser.add_argument(
        "--memory-limit",
        metavar="TAMAÑO",
        type=memory_size,
        default=0,
        help="memoria para lo que espera a lectores lentos: 64M, 1G (por omisión: la que necesite)",
    )
    parser.add_argument(
        "--json", action="store_true", help="escribe cada suceso como una línea JSON, para otros programas"
    )
    add_log_format_option(parser)


def port_number(text: str) -> int:
    """Parse a TCP port; 0 asks for a free one."""
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"«{text}» no es un puerto: va de 1 a 65535 (0: uno libre)")
    return int(text)


def port_ranges(text: str) -> PortRanges:
    """Parse a set of ports: ``5432,6000-6010``."""
    try:
        return parse_port_ranges([text])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def memory_size(text: str) -> int:
    """Parse a size in bytes: a whole number, with K, M or G for powers of 1024."""
    found = re.fullmatch(r"(\d{1,15})([KMG]?)(?:i?B)?", text.strip(), re.ASCII | re.IGNORECASE)
    if found is None:
        raise argparse.ArgumentTypeError(f"«{text}» no es un tamaño: 64M son 64 MiB, 1G es 1 GiB")
    size = int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]
    if size < MIN_MEMORY_BYTES:
        raise argparse.ArgumentTypeError(
            f"«{text}» es muy poca memoria: el mínimo es {MIN_MEMORY_BYTES >> 20}M"
        )
    return size


def network(text: str) -> IPv4Network | IPv6Network:
    """Parse an address or a network: ``10.0.0.0/8``."""
    try:
        return parse_network(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


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


class EventPrinter:
    """Shows events on stdout: as lines of JSON, or as ``describe`` words them (None: not at all).

    Once nobody reads stdout any more nothing else is written; ``on_lost`` is called, and ``is_lost`` set.

    Args:
        more: members that each JSON line has besides the event's own.
    """

    def __init__(
        self,
        style: EventStyle,
        describe: Callable[[Event], str | None],
        on_lost: Callable[[], None],
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._style = style
        self._more = more or {}
        self._describe = describe
        self._on_lost = on_lost
        self.is_lost = False

    def __call__(self, event: Event) -> None:
        """Show one event, at once."""
        if self._style is not EventStyle.WORDS:
            # In ASCII: a pipe's encoding is anybody's guess on Windows.
            members = {"event": event.name, **self._more, **asdict(event)}
            text = log_line(members) if self._style is EventStyle.LOG else json.dumps(members)
        else:
            words = self._describe(event)
            if words is None:
                return
            text = f"[{time.strftime('%H:%M:%S')}] {words}"
        if self.is_lost:
            return
        try:
            print(text, flush=True)
        except OSError:
            # An error raised here would end whatever happened to have an event to tell of.
            self.is_lost = True
            self._on_lost()


def log_level(text: str) -> int:
    """Parse the name of a level of logging."""
    names = ("debug", "info", "warning", "error")
    if text.lower() not in names:
        raise argparse.ArgumentTypeError(f"«{text}» no es un nivel: elija entre {', '.join(names)}")
    return logging.getLevelNamesMapping()[text.upper()]


def fail(command: str, message: str) -> int:
    """Say on stderr that the environment failed; return the exit code for it."""
    print(f"{f'tunnel {command}'.rstrip()}: {message}", file=sys.stderr)
    return 3


def use_all_descriptors() -> None:
    """Let this process have as many connections as it may; systems start programs with far fewer."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
