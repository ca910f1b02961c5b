"""Asks a server or a client for its status: on this machine, or an exit node's control plane with a token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from tunnel.config import ControlAddress
from tunnel.http.errors import BadMessage
from tunnel.http.head import HEAD_END, parse_response_head
from tunnel.metrics.model import (
    AgentStatus,
    ExitNodeStatus,
    LinkStatus,
    MemoryStatus,
    NameStatus,
    ServerStatus,
    TotalsStatus,
)
from tunnel.transport.asking import ask
from tunnel.transport.tls import Dialler

__all__ = ["NoStatus", "ask_exit_node", "ask_here"]

_PATH = "/status"
_MAX_BODY_BYTES = 16 * 1024 * 1024
_TIMEOUT_S = 15.0

T = TypeVar("T")


class NoStatus(Exception):  # noqa: N818 - what the caller tells
    """What answers has no status to show.  ``code`` is HTTP's status, or 0 where that says nothing."""

    def __init__(self, code: int) -> None:
        super().__init__(f"HTTP {code}")
        self.code = code


async def ask_here(address: ControlAddress) -> ServerStatus | AgentStatus:
    """Return the status that is shown on an address of this machine's.

    Raises:
        NoStatus: there is none to be had.
        TimeoutError, OSError: there is no answer.
    """
    async with asyncio.timeout(_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            host = f"[{address.host}]" if ":" in address.host else address.host
            lines = (f"GET {_PATH} HTTP/1.1", f"Host: {host}:{address.port}", "Connection: close", "\r\n")
            writer.write("\r\n".join(lines).encode())
            head = parse_response_head(await reader.readuntil(HEAD_END), b"GET")
            if head.status != 200 or not 0 < head.length <= _MAX_BODY_BYTES:
                raise NoStatus(head.status if head.status != 200 else 0)
            return _read(await reader.readexactly(head.length))
        except (BadMessage, EOFError, asyncio.LimitOverrunError):
            raise NoStatus(0) from None
        finally:
            writer.transport.abort()


async def ask_exit_node(dialler: Dialler) -> ServerStatus:
    """Return what an exit node shows to the holder of the dialler's token, which is proven and not sent, or
    of its certificate.

    Raises:
        NoStatus: what is proven to come from it is no status.
        AskError, and what :meth:`Dialler.connect` raises: see :func:`tunnel.transport.asking.ask`.
    """
    status = _read(await ask(dialler, _PATH))
    if not isinstance(status, ServerStatus):
        raise NoStatus(0)
    return status


def _read(content: bytes) -> ServerStatus | AgentStatus:
    try:
        return _decode(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NoStatus(0) from None


def _decode(found: Mapping[str, Any]) -> ServerStatus | AgentStatus:
    """Read a status; what it has beyond this version's fields is passed over."""
    memory = None if found["memory"] is None else _make(MemoryStatus, found["memory"])
    if found["role"] == "client":
        nodes = tuple(_make(ExitNodeStatus, one) for one in found["exit_nodes"])
        return _make(AgentStatus, found, memory=memory, exit_nodes=nodes)
    return _make(
        ServerStatus,
        found,
        memory=memory,
        links=tuple(_make(LinkStatus, one) for one in found["links"]),
        totals=tuple(_make(TotalsStatus, one) for one in found["totals"]),
        names=tuple(_make(NameStatus, one) for one in found["names"]),
    )


def _make(kind: type[T], found: Mapping[str, Any], **known: object) -> T:
    return kind(**{one.name: known.get(one.name, found[one.name]) for one in fields(kind)})  # type: ignore[arg-type]
