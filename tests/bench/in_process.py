"""What a request costs in Python alone: both sides of the tunnel in one process, and no socket.

``in_process.py [--visitors N] [--requests N] [--repeat N]`` prints the µs of CPU that a request takes, both
sides together, as the least of several runs: what the machine does meanwhile only ever adds to them.  Under
``valgrind --tool=callgrind`` the same program counts instructions, which do not vary at all.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

from tunnel.client import TunnelClient, _Attempt
from tunnel.config import ClientConfig, Secret, ServerConfig, parse_control_url, parse_upstreams
from tunnel.server import TunnelServer
from tunnel.transport.agent import AgentExchanges
from tunnel.transport.loop import run
from tunnel.transport.upstream import UpstreamConnection, UpstreamPool
from tunnel.transport.visitor import VisitorConnection

# What a browser asks, and what an API answers.
REQUEST = (
    b"GET /api/tareas?pagina=2 HTTP/1.1\r\n"
    b"Host: todo.example\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: application/json, text/plain, */*\r\n"
    b"Accept-Language: es-CO,es;q=0.8,en-US;q=0.5,en;q=0.3\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Connection: keep-alive\r\n"
    b"Referer: http://todo.example/\r\n"
    b"Cookie: sesion=0123456789abcdef0123456789abcdef\r\n"
    b"Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n"
    b"\r\n"
)
PLAIN_REQUEST = b"GET /small.json HTTP/1.1\r\nHost: todo.example\r\n\r\n"  # what wrk asks
ANSWER = (
    b"HTTP/1.1 200 OK\r\n"
    b"Server: nginx/1.22.1\r\n"
    b"Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: 300\r\n"
    b"Last-Modified: Sat, 21 Nov 2026 11:00:00 GMT\r\n"
    b"Connection: keep-alive\r\n"
    b'ETag: "6741f2c0-12c"\r\n'
    b"Accept-Ranges: bytes\r\n"
    b"\r\n" + b"x" * 300
)


class Wire(asyncio.Transport):
    """A transport without a socket: what is written is handed to ``on_write`` in the loop's next turn."""

    def __init__(self, on_write: Callable[[bytes], None]) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000)})
        self._on_write = on_write
        self._soon = asyncio.get_running_loop().call_soon

    def write(self, data: Any) -> None:
        self._soon(self._on_write, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self._soon(self._on_write, b"".join(list_of_data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """Nobody writes more than is read."""

    resume_reading = close = abort = pause_reading


async def measure(visitors: int, requests: int, request: bytes) -> float:
    """Return the µs of CPU a request took."""
    secret = Secret("x" * 43)
    server = TunnelServer(ServerConfig(port=0, control_port=0, token=secret))
    config = ClientConfig(
        parse_control_url("ws://127.0.0.1:1"), secret, parse_upstreams(["http://127.0.0.1:2"])
    )
    client = TunnelClient(config)
    pool = UpstreamPool(config.upstreams[0], asyncio.get_running_loop())
    client._exchanges = AgentExchanges([pool], 60, asyncio.get_running_loop())

    client._exchanges._timer.cancel()  # or a slow run (valgrind's) drops the connections below as stale

    attempt = _Attempt(client)
    near, far = server._new_link(), attempt._new_link()
    near.connection_made(Wire(far.data_received))
    far.connection_made(Wire(near.data_received))
    for _ in range(20):
        await asyncio.sleep(0)
    assert client._link is not None, "the link did not open"

    for _ in range(visitors):
        service = UpstreamConnection(pool)
        service.connection_made(Wire(lambda data, service=service: service.data_received(ANSWER)))
        pool.keep(service)

    left = requests
    is_over = asyncio.Event()

    def visit() -> None:
        visitor = VisitorConnection(server)

        def answered(data: bytes) -> None:
            nonlocal left
            assert data.startswith(b"HTTP/1.1 200"), data
            left -= 1
            if left > 0:
                visitor.data_received(request)
            else:
                is_over.set()

        visitor.connection_made(Wire(answered))
        visitor.data_received(request)

    started = time.process_time()
    for _ in range(visitors):
        visit()
    await is_over.wait()
    spent = time.process_time() - started
    await client._exchanges.close()
    return spent / requests * 1e6


def main() -> None:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    request = PLAIN_REQUEST if options.plain else REQUEST
    values = []
    for _ in range(options.repeat):
        gc.collect()
        values.append(run(measure(options.visitors, options.requests, request)))
    print(f"{min(values):.2f} µs a request (of {', '.join(f'{value:.2f}' for value in values)})")


if __name__ == "__main__":
    main()
