"""Who may begin a handshake: counted by source when they are accepted, before they cost anything.

asyncio's own server tells of a connection once its handshake is done.  Until then nobody would have counted
it, and who never ends one could hold all the descriptors there are.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
import sys
from collections.abc import Callable
from typing import Protocol

from tunnel.http.forwarded import Networks, is_within
from tunnel.limits import VisitorLimits
from tunnel.sources import SourceCount, source_of
from tunnel.transport.sockets import bound_sockets

__all__ = ["TlsDoor", "TlsListener"]

_log = logging.getLogger(__name__)

_ACCEPTED_AT_ONCE = 32  # then everybody else's turn comes
_RETRY_S = 1.0  # as asyncio's own, where the system has no descriptor left
_GOODBYE_S = 2.0  # how long a visitor may take to answer close_notify

# struct linger: on, for 0 seconds.
_LINGER_0 = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class TlsDoor(Protocol):
    """What the listener needs of the exit node."""

    limits: VisitorLimits
    trusted_proxies: Networks

    def welcomes(self, address: str) -> bool:
        """Whether visitors from an address may come at all."""


class TlsListener:
    """Listening sockets, and the handshakes that are under way.

    Args:
        make: makes the protocol of a visitor whose handshake went well.

    Raises:
        OSError: an address cannot be bound; none is.
    """

    def __init__(
        self,
        host: str,
        port: int,
        door: TlsDoor,
        context: ssl.SSLContext,
        make: Callable[[], asyncio.Protocol],
    ) -> None:
        self._door = door
        self._context = context
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._handshakes = SourceCount()
        sockets = bound_sockets(host, port)
        self.port: int = sockets[0].getsockname()[1]
        self._tasks = {self._loop.create_task(self._accept(sock)) for sock in sockets}

    def close(self) -> None:
        """Listen no more, and end the handshakes that are under way."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            count = 0
            while True:
                try:
                    sock, address = await self._loop.sock_accept(listener)
                except OSError as error:
                    # ECONNABORTED: the visitor is gone again; the rest are about descriptors and memory.
                    if not isinstance(error, ConnectionAbortedError):
                        _log.warning("no visitor can be accepted: %s", error)
                        await asyncio.sleep(_RETRY_S)
                    continue
                self._let_in(sock, address[0].partition("%")[0])
                count += 1
                if count % _ACCEPTED_AT_ONCE == 0:
                    await asyncio.sleep(0)

    def _let_in(self, sock: socket.socket, address: str) -> None:
        sock.setblocking(False)
        source = "" if is_within(address, self._door.trusted_proxies) else source_of(address)
        if source:
            is_one_too_many = self._handshakes.add(source) > self._door.limits.max_visitors_per_source
            if is_one_too_many or not self._door.welcomes(address):
                self._handshakes.remove(source)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
                sock.close()
                return
        task = self._loop.create_task(self._shake_hands(sock, source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _shake_hands(self, sock: socket.socket, source: str) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make,
                sock,
                ssl=self._context,
                ssl_handshake_timeout=self._door.limits.head_timeout_s,
                ssl_shutdown_timeout=_GOODBYE_S,
            )
        except OSError as error:  # ssl.SSLError, ConnectionError and TimeoutError are among them
            _log.debug("a handshake failed: %s", error)
        finally:
            if source:
                self._handshakes.remove(source)
