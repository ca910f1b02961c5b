"""Many clients of one exit node in one process: ``crowd.py CONTROL_PORT TOKEN_FILE COUNT UPSTREAM``.

Each claims a name of its own, ``c0.example`` and so on.  It writes ``ready`` once all are connected, and from
then on, for each that comes back, ``back`` and when: seconds of CLOCK_MONOTONIC, which all processes share.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import uvloop

from tunnel.client import TunnelClient
from tunnel.config import ClientConfig, Secret, parse_control_url, parse_upstreams
from tunnel.events import Connected, Event

_AT_A_TIME = 50


async def _run(port: int, token: Secret, count: int, upstream: str) -> None:
    all_connected = asyncio.Event()
    connected = 0
    room = asyncio.Semaphore(_AT_A_TIME)

    def on_event(event: Event) -> None:
        nonlocal connected
        if isinstance(event, Connected):
            connected += 1
            if connected > count:
                print(f"back {time.monotonic():.3f}", flush=True)
                return
            room.release()
            if connected == count:
                all_connected.set()

    address = parse_control_url(f"ws://127.0.0.1:{port}")
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await room.acquire()
            upstreams = parse_upstreams([f"c{number}.example={upstream}"])
            client = TunnelClient(ClientConfig(address, token, upstreams), on_event)
            group.create_task(client.run())
        await all_connected.wait()
        print("ready", flush=True)


if __name__ == "__main__":
    _, port, token_file, count, upstream = sys.argv
    secret = Secret(Path(token_file).read_text().strip())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(int(port), secret, int(count), upstream))
