"""What a transport does not offer and its socket does."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress

__all__ = ["reset"]

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
