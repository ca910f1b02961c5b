"""A visitor who leaves ends its request at the service; one who stops reading stalls nobody else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from support.backend import Backend
from support.tunnel_kit import Tunnel, Visit, linux_only
from support.wire import Request, Wire, eventually, request, response, unread_bytes

WAIT_S = 20
BLOCK = bytes(256 * 1024)
MIB = 1024 * 1024

ESTABLISHED = 1

LEAVE_S = 5.0
"""What is promised is a second; what is asserted leaves room for a busy machine."""


@contextmanager
def gone_in_time(backend: Backend, what: str) -> Iterator[None]:
    """Check that no connection of ``backend`` outlives the block for long; print how long it was."""
    yield
    started = time.monotonic()
    backend.wait_until_idle(LEAVE_S)
    print(f"{what}: the service knew after {time.monotonic() - started:.3f} s")  # noqa: T201


def endless_download(wire: Wire) -> None:
    """Answer, and never stop."""
    wire.read_request()
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        wire.send(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))


def never_reads(wire: Wire) -> None:
    """Take the head of a request and not a byte of its content, until the connection is over."""
    wire.read_request_head()
    quiet = threading.Event()
    while tcp_state(wire) == ESTABLISHED:
        quiet.wait(0.01)


def tcp_state(wire: Wire) -> int:
    """Return the connection's state as the kernel numbers it (include/net/tcp_states.h)."""
    return wire.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_visitor_who_leaves_before_the_head_ends_the_request(
    visit: Visit, backend: Backend, how: str
) -> None:
    asked = threading.Event()

    def wait(wire: Wire) -> None:
        wire.read_request()
        asked.set()
        wire.read_some()

    backend.play(wait)
    with visit() as wire:
        wire.send(request())
        assert asked.wait(WAIT_S)
        with gone_in_time(backend, "waiting for the head"):
            wire.reset() if how == "reset" else wire.close()


def test_a_visitor_who_leaves_in_mid_download_ends_the_request(visit: Visit, backend: Backend) -> None:
    backend.play(endless_download)
    with visit() as wire:
        wire.send(request())
        for _ in range(50):
            wire.read_some()
        with gone_in_time(backend, "in mid download"):
            wire.close()


def test_a_visitor_who_leaves_after_it_stopped_reading_ends_the_request(
    tunnel: Tunnel, visit: Visit, backend: Backend
) -> None:
    sent = []

    def count(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            wire.send(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))
            sent.append(len(BLOCK))

    backend.play(count)
    with tunnel.server.visit(receive_buffer=4096) as wire:
        wire.send(request())
        wire.read_exactly(1000)
        wait_until_stalled(sent)
        with gone_in_time(backend, "stalled in mid download"):
            wire.close()


def wait_until_stalled(sent: list[int]) -> None:
    """Wait until ``sent`` has not grown for a while."""
    known = -1
    quiet = threading.Event()
    while len(sent) != known:
        known = len(sent)
        quiet.wait(0.3)


def test_a_visitor_who_leaves_in_mid_upload_ends_the_request(visit: Visit, backend: Backend) -> None:
    got = threading.Event()

    def read_all(wire: Wire) -> None:
        wire.read_request_head()
        wire.read_exactly(1000)
        got.set()
        while wire.read_some():
            pass

    backend.play(read_all)
    with visit() as wire:
        wire.send(request("POST", "/", "Content-Length: 1000000") + bytes(1000))
        assert got.wait(WAIT_S)
        with gone_in_time(backend, "in mid upload"):
            wire.close()


@linux_only
def test_a_visitor_who_closes_a_stalled_upload_ends_the_request(
    tunnel: Tunnel, visit: Visit, backend: Backend
) -> None:
    """The service does not read, so the exit node does not either: it must notice all the same."""
    backend.play(never_reads)
    with visit() as wire:
        wire.send(request("POST", "/", "Content-Length: 1000000000"))
        send_until_unread(wire, tunnel.server.port)
        with gone_in_time(backend, "closed in a stalled upload"):
            wire.close()


def send_until_unread(wire: Wire, port: int) -> None:
    """Send until the exit node reads no more, and not so much that its kernel takes no more either."""
    quiet = threading.Event()
    peer_port = wire.sock.getsockname()[1]
    for _ in range(1000):
        wire.send(bytes(64 * 1024))
        for _ in range(10):
            if not unread_bytes(port, peer_port):
                break
            quiet.wait(0.03)
        else:
            return
    raise AssertionError("the exit node goes on reading what nobody takes")


@linux_only
def test_a_visitor_who_resets_a_stalled_upload_ends_the_request(visit: Visit, backend: Backend) -> None:
    backend.play(never_reads)
    with visit() as wire:
        wire.send(request("POST", "/", "Content-Length: 1000000000"))
        fill(wire)
        with gone_in_time(backend, "reset in a stalled upload"):
            wire.reset()


def fill(wire: Wire) -> None:
    """Send until nothing has been taken for a while."""
    wire.sock.settimeout(0.4)
    with suppress(TimeoutError):
        while True:
            wire.sock.send(BLOCK)


def test_requests_behind_the_one_that_a_visitor_left_never_reach_the_service(
    visit: Visit, backend: Backend
) -> None:
    seen: list[Request] = []
    asked = threading.Event()

    def wait(wire: Wire) -> None:
        seen.append(wire.read_request())
        asked.set()
        wire.read_some()

    backend.play(wait)
    with visit() as wire:
        wire.send(request("GET", "/uno") + request("POST", "/dos", content=b"x"))
        assert asked.wait(WAIT_S)
        with gone_in_time(backend, "with one pipelined"):
            wire.close()
    assert [one.target for one in seen] == ["/uno"]


def test_a_hundred_visitors_who_leave_at_once_leave_nothing_behind(tunnel: Tunnel, backend: Backend) -> None:
    def wait(wire: Wire) -> None:
        wire.read_request()
        wire.read_some()

    backend.play(wait)
    wires = [tunnel.server.visit() for _ in range(100)]
    for wire in wires:
        wire.send(request())
    eventually(lambda: backend.open_connections == 100, "all requests arrived")
    with gone_in_time(backend, "a hundred"):
        for wire in wires:
            wire.close()


# ── nobody is stalled ────────────────────────────────────────────────────────────────────────────


@linux_only
def test_readers_and_services_that_stop_stall_nobody_else(tunnel: Tunnel, backend: Backend) -> None:
    """Downloads that nobody reads and uploads that nobody takes, and everybody else is answered."""
    stop = threading.Event()

    def mixed(wire: Wire) -> None:
        asked = wire.read_request_head()
        if asked.target == "/baja":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while True:
                wire.send(BLOCK)
        elif asked.target == "/sube":
            stop.wait(60)
        else:
            while True:
                size = int(asked.fields.get("Content-Length") or 0)
                wire.send(response(200, wire.read_exactly(size) or asked.target.encode()))
                asked = wire.read_request_head()

    backend.play(mixed)
    before = tunnel.server.resident_bytes, tunnel.client.resident_bytes
    try:
        with ExitStack() as stack:
            for _ in range(8):
                down = stack.enter_context(tunnel.server.visit(receive_buffer=4096))
                down.send(request("GET", "/baja"))
                assert down.read_response_head().status == 200
                up = stack.enter_context(tunnel.server.visit())
                up.send(request("POST", "/sube", "Content-Length: 1000000000"))
                fill(up)
            with tunnel.server.visit() as wire:
                for number in range(200):
                    assert wire.ask("GET", f"/{number}").content == f"/{number}".encode()
                big = bytes(range(256)) * 16384
                for _ in range(3):
                    assert wire.ask("POST", "/eco", content=big).content == big
            held = tunnel.server.resident_bytes - before[0], tunnel.client.resident_bytes - before[1]
            # 16 stalled streams: a window, what the transports buffer, and what windows have grown by.
            assert max(held) < 128 * MIB, held
    finally:
        stop.set()
    backend.wait_until_idle(LEAVE_S)


def test_a_reader_that_goes_on_after_a_pause_gets_every_byte(tunnel: Tunnel, backend: Backend) -> None:
    blocks = [bytes([number]) * 100_000 for number in range(200)]

    def send_all(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % sum(map(len, blocks)))
        for block in blocks:
            wire.send(block)
            sent.append(1)
        wire.read_some()

    sent: list[int] = []
    backend.play(send_all)
    with tunnel.server.visit(receive_buffer=4096) as wire:
        wire.send(request())
        wire.read_response_head()
        wait_until_stalled(sent)
        assert len(sent) < len(blocks), "nothing was held back"
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
        for block in blocks:
            assert wire.read_exactly(len(block)) == block


def test_a_service_that_goes_on_after_a_pause_gets_every_byte(visit: Visit, backend: Backend) -> None:
    blocks = [bytes([number]) * 100_000 for number in range(200)]
    go_on = threading.Event()

    def read_late(wire: Wire) -> None:
        wire.read_request_head()
        assert go_on.wait(WAIT_S)
        for block in blocks:
            assert wire.read_exactly(len(block)) == block
        wire.send(response(200, b"todo"))

    backend.play(read_late)
    with visit() as wire:
        wire.send(request("POST", "/", f"Content-Length: {sum(map(len, blocks))}"))
        uploader = threading.Thread(target=wire.send, args=(b"".join(blocks),))
        uploader.start()
        uploader.join(0.5)
        go_on.set()
        uploader.join()
        assert wire.read_response().content == b"todo"
