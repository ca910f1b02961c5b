"""What waits in line ahead of a small request, counted in bytes: no clock is asked."""

from __future__ import annotations

import threading

import pytest
from support.raw_agent import RawAgent
from support.tunnel_kit import Starter, linux_only
from support.wire import Wire, eventually, request, unread_bytes

from tunnel.protocol.frames import FrameType

KIB = 1024

RECEIVE_BUFFER = 16 * KIB

MAX_AHEAD_BYTES = 640 * KIB
"""What the kernel holds unsent (128 KiB), the transport (64 and a batch of 128) and the session (64 and a
frame of 64), with the agent's own buffer and room for how a kernel counts.  Without a bound the kernel alone
takes 4 MB."""


class Bulk(threading.Thread):
    """A visitor who uploads for as long as anything is taken."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire
        self.sent_bytes = 0

    def run(self) -> None:
        """Send until the connection is closed."""
        piece = bytes(64 * KIB)
        try:
            while True:
                self.sent_bytes += self.wire.sock.send(piece)
        except OSError:
            return


def wait_until_nothing_moves(bulks: list[Bulk]) -> None:
    """Wait until no upload has got any further for a while: everything on the way is full."""
    seen, still = 0, 0

    def is_still() -> bool:
        nonlocal seen, still
        sent = sum(bulk.sent_bytes for bulk in bulks)
        still = still + 1 if sent == seen else 0
        seen = sent
        return still >= 60

    eventually(is_still, "everything on the way is full", 15.0)


@linux_only
@pytest.mark.timeout(60)
def test_little_waits_ahead_of_a_small_request_while_four_uploads_fill_the_link(start: Starter) -> None:
    server = start.server("--ping-interval=20")
    with RawAgent(server.control_port, RECEIVE_BUFFER) as agent:
        bulks = [Bulk(server.visit()) for _ in range(4)]
        try:
            for bulk in bulks:
                bulk.wire.send(request("POST", "/bulk", "Content-Length: 1000000000"))
                bulk.start()
            wait_until_nothing_moves(bulks)
            with server.visit() as visitor:
                visitor.send(request("GET", "/small"))
                own_port = visitor.sock.getsockname()[1]
                eventually(lambda: not unread_bytes(server.port, own_port), "the request was read")
                ahead, opened = 0, 0
                while True:
                    frame = agent.receive()
                    if frame.kind is FrameType.OPEN:
                        opened += 1
                        if b"GET /small" in frame.payload:
                            break
                    ahead += len(frame.payload)
        finally:
            for bulk in bulks:
                bulk.wire.wake()
                bulk.join()
                bulk.wire.close()
    assert opened == 5
    print(f"{ahead / KIB:.0f} KiB ahead of a small request")  # noqa: T201
    assert 0 < ahead <= MAX_AHEAD_BYTES
