"""After a mixed load everything is as it was: streams, sockets, tasks, memory."""

from __future__ import annotations

import http.client
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.backend import Backend
from support.tunnel_in_process import in_process_tunnel
from support.tunnel_kit import Starter, linux_only
from support.wire import Broken, Wire, eventually, request, response

WAIT_S = 20
MIB = 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    """A service as the standard library makes it: HTTP/1.1, kept connections."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, content: bytes) -> None:
        """Send an answer with a length."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_GET(self) -> None:
        self.answer(200, self.path.encode() * 10)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        if self.headers["Transfer-Encoding"] == "chunked":
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            content = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201, content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def standard_server() -> Iterator[str]:
    """Run the service; yields its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def ask_as_libraries_do(port: int, draw: random.Random, rounds: int) -> None:
    """Ask through ``http.client``: kept connections, bodies with a length and in chunks, HEAD."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        for number in range(rounds):
            kind = draw.randrange(4)
            content = draw.randbytes(draw.choice((0, 1, 1000, 70_000, 300_000)))
            if kind == 0:
                connection.request("GET", f"/{number}")
                answer = connection.getresponse()
                assert answer.read() == f"/{number}".encode() * 10
            elif kind == 1:
                connection.request("POST", "/", body=content)
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (201, content)
            elif kind == 2:
                pieces = [content[start : start + 9999] for start in range(0, len(content), 9999)]
                connection.request("POST", "/", body=iter(pieces), encode_chunked=True)
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (201, content)
            else:
                connection.request("HEAD", f"/{number}")
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (200, b"")
    finally:
        connection.close()


def misbehave(connect: Wire, draw: random.Random) -> None:
    """Do one of the things that visitors do when they do not behave."""
    with connect as wire, suppress(Broken, OSError):
        kind = draw.randrange(7)
        if kind == 0:
            wire.send(request("POST", "/", "Content-Length: 1000000") + bytes(draw.randrange(200_000)))
            wire.reset()
        elif kind == 1:
            wire.send(request() * 30)
            wire.read_some()
        elif kind == 2:
            wire.send(b"\0" * 100)
            wire.read_to_end()
        elif kind == 3:
            wire.send(request()[: draw.randrange(1, 20)])
        elif kind == 4:
            wire.send(request("POST", "/", "Transfer-Encoding: chunked") + b"5\r\nhola!\r\nzz\r\n")
            wire.read_to_end()
        elif kind == 5:
            wire.send(request("GET", "/", "Connection: Upgrade", "Upgrade: websocket"))
            wire.read_response()
        else:
            wire.send(request("GET", "/" + "x" * 20_000))
            wire.read_to_end()


@linux_only
def test_descriptors_and_memory_come_back_after_a_mixed_load(start: Starter) -> None:
    server = start.server()
    with standard_server() as url:
        client = start.connected_client(server, url)
        ask_as_libraries_do(server.port, random.Random(0), 20)  # what is made once is made

        # Connections to the service rest for a moment before they are closed.  The link stays, and the two
        # ends of what wakes the event loop.
        eventually(lambda: len(sockets(client.pid)) <= 3, "the pool is empty")
        before = server.descriptors, client.descriptors
        resident = server.resident_bytes, client.resident_bytes
        failures: list[BaseException] = []

        def work(seed: int) -> None:
            draw = random.Random(seed)
            try:
                for _ in range(4):
                    ask_as_libraries_do(server.port, draw, 15)
                    for _ in range(10):
                        misbehave(server.visit(), draw)
            except BaseException as error:
                failures.append(error)

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 9)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures, failures
        eventually(
            lambda: (server.descriptors, client.descriptors) == before, f"descriptors are back at {before}"
        )
        growth = server.resident_bytes - resident[0], client.resident_bytes - resident[1]
        assert max(growth) < 48 * MIB, growth
        ask_as_libraries_do(server.port, random.Random(0), 10)


def sockets(pid: int) -> list[str]:
    """Return what the process's descriptors that are sockets point to."""
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            links.append(os.readlink(entry))
    return [link for link in links if link.startswith("socket:")]


def test_streams_and_tasks_come_back_after_a_mixed_load() -> None:
    with standard_server() as url, in_process_tunnel(url) as tunnel:
        ask_as_libraries_do(tunnel.server.data_port, random.Random(0), 5)
        before = tunnel.tasks
        assert before == {"TunnelClient.run"}
        failures: list[BaseException] = []

        def work(seed: int) -> None:
            draw = random.Random(seed)
            try:
                for _ in range(3):
                    ask_as_libraries_do(tunnel.server.data_port, draw, 8)
                    for _ in range(8):
                        misbehave(tunnel.visit(), draw)
            except BaseException as error:
                failures.append(error)

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 5)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures, failures
        eventually(lambda: tunnel.open_requests == 0, "no stream is open at the exit node")
        eventually(lambda: tunnel.answers_under_way == 0, "no stream is open at the agent")
        assert tunnel.tasks == before
        assert tunnel.free_growth_bytes == (64 * MIB, 64 * MIB), "a window's growth was not given back"


@pytest.mark.parametrize("fault", ["refused", "silent", "garbage", "half"])
def test_faults_of_the_service_leave_nothing_behind(fault: str) -> None:
    backend = Backend()

    def play(wire: Wire) -> None:
        wire.read_request()
        if fault == "silent":
            wire.read_some()
        elif fault == "garbage":
            wire.send(b"\0\0\0\0")
        else:
            wire.send(response(200, b"x" * 100)[:-50])

    backend.play(play)
    if fault == "refused":
        backend.close()
    with in_process_tunnel(backend.url, upstream_timeout_s=0.3) as tunnel:
        before = tunnel.tasks

        def ask() -> None:
            with tunnel.visit() as wire, suppress(Broken):
                for _ in range(3):
                    assert wire.ask().status >= 500

        askers = [threading.Thread(target=ask) for _ in range(8)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        eventually(lambda: tunnel.open_requests == 0, "no stream is open at the exit node")
        eventually(lambda: tunnel.answers_under_way == 0, "no stream is open at the agent")
        eventually(lambda: tunnel.tasks == before, "no task is left")
    backend.close()
