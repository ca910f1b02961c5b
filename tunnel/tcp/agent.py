"""The agent's side: a service for each port, and each TLS name, that was claimed."""

from __future__ import annotations

import asyncio
import logging

from tunnel.config import ProxyProtocol, TcpUpstream, TlsUpstream
from tunnel.protocol.errors import ResetCode
from tunnel.protocol.frames import Payload
from tunnel.protocol.stream import Stream
from tunnel.tcp.pipe import Pipe, PipeSink
from tunnel.tcp.proxy_protocol import proxy_header
from tunnel.tcp.wire import KIND_TCP, KIND_TLS, decode_open

__all__ = ["TcpServices"]

_log = logging.getLogger(__name__)

_KINDS = KIND_TCP, KIND_TLS


class TcpServices:
    """The services behind the ports and the TLS names of a claim, each in its order.

    Args:
        connect_timeout_s: how long a service may take to accept a connection.
    """

    def __init__(
        self,
        by_port: tuple[TcpUpstream, ...],
        by_name: tuple[TlsUpstream, ...],
        proxy_protocol: ProxyProtocol,
        connect_timeout_s: float,
    ) -> None:
        self._services: dict[int, tuple[TcpUpstream, ...] | tuple[TlsUpstream, ...]] = {
            KIND_TCP: by_port,
            KIND_TLS: by_name,
        }
        self._proxy_protocol = proxy_protocol
        self._connect_timeout_s = connect_timeout_s
        self._connecting: set[asyncio.Task[None]] = set()

    def is_for(self, payload: bytes) -> bool:
        """Whether an OPEN frame asks for a TCP stream."""
        return payload[0] in _KINDS if payload else False

    def open(self, stream: Stream, payload: bytes) -> PipeSink:
        """Answer a stream that the exit node opened."""
        pipe = _ServicePipe()
        pipe.stream = stream
        try:
            head = decode_open(payload)
            service = self._services[head.kind][head.index]
        except (ValueError, IndexError) as error:
            _log.warning("stream %d: %s", stream.id, error)
            pipe.refuse(ResetCode.INTERNAL, "malformed OPEN")
        else:
            pipe.write_early(proxy_header(self._proxy_protocol, head))
            task = asyncio.get_running_loop().create_task(self._connect(pipe, service))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        return pipe.sink

    async def close(self) -> None:
        """Give up what is being connected; what is connected ends with its stream."""
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    async def _connect(self, pipe: _ServicePipe, service: TcpUpstream | TlsUpstream) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await loop.create_connection(lambda: pipe, service.host, service.port)
        except TimeoutError:
            pipe.refuse(ResetCode.UPSTREAM_TIMEOUT, "no connection in time")
        except OSError as error:
            _log.warning("service %s: %s", service.address, error)
            pipe.refuse(ResetCode.UPSTREAM_REFUSED, type(error).__name__)


class _ServicePipe(Pipe):
    """A connection to a service; what comes before it is up waits, for at most one window."""

    def __init__(self) -> None:
        super().__init__()
        self._early: list[Payload] = []

    def write_early(self, data: bytes) -> None:
        """Say this to the service before all else."""
        if data:
            self._early.append(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: the service accepted."""
        super().connection_made(transport)
        if self.stream is None:  # the visitor did not wait
            self.abort()
            return
        early, self._early = self._early, []
        if early:
            assert self._transport is not None  # noqa: S101 - it was just set
            self._transport.write(b"".join(early))
        self._consume(0)
        if self._has_written_end:
            self.write_end()

    def write(self, data: Payload) -> None:
        """Write to the service, or keep it until there is one."""
        if self._transport is None and self.stream is not None:
            self._early.append(data)
            self._withheld += len(data)
        else:
            super().write(data)

    def refuse(self, code: ResetCode, detail: str) -> None:
        """Tell the exit node that there is no connection to be had."""
        stream, self.stream = self.stream, None
        self._early.clear()
        if stream is not None:
            stream.reset(code, detail)
