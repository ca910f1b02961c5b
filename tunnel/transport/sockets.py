"""What a transport does not offer and its socket does."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

__all__ = ["read_what_is_left", "reset"]

_READ_BYTES = 64 * 1024

# struct linger: on, for 0 seconds.
_LINGER_0 = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Close at once and with a RST; what is still unsent is dropped.

    ``transport.abort()`` alone ends the connection in order where the kernel has nothing left to send.  A
    peer that reads up to the end of the connection would take half a message for the whole of it.
    """
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):  # the connection is gone already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
    transport.abort()


def read_what_is_left(transport: asyncio.Transport) -> Iterator[bytes]:
    """Yield what had arrived on a connection that has just broken; to be called in ``connection_lost``.

    When a write fails the event loop gives the connection up at once, with the peer's last words unread.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or os.name != "posix":
        return
    with suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as twin:
        twin.setblocking(False)
        while data := twin.recv(_READ_BYTES):
            yield data
