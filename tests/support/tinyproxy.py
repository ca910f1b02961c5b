"""Debian's tinyproxy, a forward proxy as companies have one, on a free port of loopback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.own_service import free_port, running
from support.requirements import require_program

__all__ = ["tinyproxy"]


@contextmanager
def tinyproxy(folder: Path, *, login: str = "", ports: Sequence[int] = ()) -> Iterator[tuple[int, Path]]:
    """Run one; yields its port and its log.

    Args:
        login: ``USER PASSWORD`` that it asks for; "" for nobody in particular.
        ports: where CONNECT may lead; anywhere when there are none.
    """
    program = require_program("tinyproxy", "apt install tinyproxy-bin")
    port, log = free_port(), folder / "tinyproxy.log"
    lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "Allow 127.0.0.1", "LogLevel Connect"]
    lines += [f'LogFile "{log}"', *(f"ConnectPort {number}" for number in ports)]
    lines += [f"BasicAuth {login}"] if login else []
    config = folder / "tinyproxy.conf"
    config.write_text("\n".join([*lines, ""]))
    with running([program, "-d", "-c", str(config)], port):
        yield port, log
