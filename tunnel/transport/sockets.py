"""What a transport does not offer and its socket does."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress

if sys.platform == "linux":
    import fcntl
    import termios

__all__ = ["StallClock", "bound_sockets", "hold_back_unsent", "read_what_is_left", "reset"]

_READ_BYTES = 64 * 1024

_BACKLOG = 1024

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


def hold_back_unsent(transport: asyncio.Transport, max_bytes: int) -> None:
    """Let the kernel take no more than ``max_bytes`` that it cannot put on the wire yet.

    Where it can be told so (tcp(7), TCP_NOTSENT_LOWAT: Linux and macOS); elsewhere this does nothing.
    """
    sock = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if sock is not None and option is not None:
        with suppress(OSError):  # the connection is gone already
            sock.setsockopt(socket.IPPROTO_TCP, option, max_bytes)


class StallClock:
    """Tells a peer that reads slowly from one that does not read at all."""

    __slots__ = ("_deadline", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._deadline = float("inf")

    def is_over(self, transport: asyncio.Transport, now: float, timeout_s: float) -> bool:
        """Whether bytes wait for the peer and it has read none for ``timeout_s``; to be asked often."""
        if not transport.get_write_buffer_size():
            self._deadline = float("inf")
            return False
        size = _bytes_on_the_way(transport)
        if size != self._size or self._deadline == float("inf"):
            self._size, self._deadline = size, now + timeout_s
        return now >= self._deadline


def _bytes_on_the_way(transport: asyncio.Transport) -> int:
    """Return how many bytes were written and have not reached the peer, as far as this system tells.

    On Linux the kernel counts those that it holds too (tcp(7), SIOCOUTQ): megabytes, which a slow reader
    takes minutes to read while the transport's own buffer does not move.
    """
    size = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if sock is not None and sys.platform == "linux":
        count = bytearray(4)
        with suppress(OSError):
            fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, count)
            size += int.from_bytes(count, sys.byteorder)
    return size


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


def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets, one for each address of ``host``.

    Raises:
        OSError: an address cannot be bound; none is.
    """
    with ExitStack() as opened:
        sockets = []
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sock = opened.enter_context(socket.socket(family, kind, protocol))
            if os.name == "posix":  # elsewhere it lets others take the port
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
            sock.listen(_BACKLOG)
            sock.setblocking(False)
            sockets.append(sock)
        opened.pop_all()
    return sockets
