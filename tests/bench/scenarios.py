"""What is done to each peer, one thing at a time."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import load
from peers import BACKEND_PORT, HERE, Peer, Tunnel
from procs import Cost, Program, cost_of, resident_bytes, wait_for_port
from results import Results

__all__ = [
    "FULL",
    "QUICK",
    "ROUND",
    "Settings",
    "clients_grow",
    "come_back",
    "far",
    "lossy",
    "memory",
    "streams_grow",
]

_RELAY_PORT = 9400


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how much."""

    rounds: int
    seconds: float  # of each load of requests
    down_bytes: int
    up_bytes: int
    far_bytes: int
    slow_bytes: int
    idle: int  # visitors
    clients: tuple[int, ...]
    streams: tuple[int, ...]
    returning: int  # clients whose exit node restarts
    down_s: float  # how long it is away


FULL = Settings(
    3, 3, 1 << 30, 256 << 20, 256 << 20, 1 << 30, 1000, (1, 10, 100, 1000), (1, 10, 100, 1000), 500, 3
)
QUICK = Settings(1, 1, 64 << 20, 32 << 20, 16 << 20, 32 << 20, 100, (1, 20), (1, 100), 20, 0.5)


def _costs(peer: Peer) -> dict[str, Cost]:
    return {name: cost_of(program.pids) for name, program in peer.programs.items()}


def _spent(peer: Peer, before: dict[str, Cost]) -> dict[str, float]:
    """Return the CPU seconds that each program has spent since."""
    return {name: cost.since(before[name]).total_s for name, cost in _costs(peer).items()}


def _requests(connections: int) -> Callable[[Peer, Settings, Results, Path], None]:
    def measure(peer: Peer, settings: Settings, results: Results, folder: Path) -> None:
        before = _costs(peer)
        seen = load.requests(peer.url, connections, settings.seconds)
        spent = _spent(peer, before)
        results.add(peer.name, f"rps-{connections}", seen.per_s)
        results.add(peer.name, f"p50-{connections}", seen.p50_ms)
        results.add(peer.name, f"p99-{connections}", seen.p99_ms)
        if connections == 100 and peer.programs:
            each = {name: seconds / seen.count * 1e6 for name, seconds in spent.items()}
            results.add_processes(peer.name, "cpu-request", each)

    return measure


def _one_each(peer: Peer, settings: Settings, results: Results, folder: Path) -> None:
    seen = load.requests(peer.url, 10, settings.seconds, keep_alive=False)
    results.add(peer.name, "rps-close", seen.per_s)


def _download(peer: Peer, settings: Settings, results: Results, folder: Path) -> None:
    before = _costs(peer)
    results.add(peer.name, "down", load.download(peer.url, settings.down_bytes))
    if peer.programs:
        gib = settings.down_bytes / (1 << 30)
        each = {name: seconds / gib for name, seconds in _spent(peer, before).items()}
        results.add_processes(peer.name, "cpu-gib", each)


def _upload(peer: Peer, settings: Settings, results: Results, folder: Path) -> None:
    file = folder / "upload.bin"
    if not file.exists():
        with file.open("wb") as out:
            out.truncate(settings.up_bytes)
    results.add(peer.name, "up", load.upload(peer.url, file))


def _busy(peer: Peer, settings: Settings, results: Results, folder: Path) -> None:
    with _downloads(peer, 4):
        results.add(peer.name, "p99-busy", load.requests(peer.url, 1, settings.seconds).p99_ms)


@contextlib.contextmanager
def _downloads(peer: Peer, count: int) -> Iterator[None]:
    """Keep ``count`` downloads under way during the block."""
    is_over = threading.Event()

    def fetch() -> None:
        while not is_over.is_set():
            command = ["curl", "--silent", "--output", "/dev/null", f"{peer.url}/large.bin"]
            with subprocess.Popen(command) as curl:
                while curl.poll() is None:
                    if is_over.wait(0.02):
                        curl.terminate()
                        break

    threads = [threading.Thread(target=fetch) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


ROUND: dict[str, Callable[[Peer, Settings, Results, Path], None]] = {
    "1 conexión": _requests(1),
    "10 conexiones": _requests(10),
    "100 conexiones": _requests(100),
    "una petición por conexión": _one_each,
    "bajada": _download,
    "subida": _upload,
    "peticiones junto a 4 bajadas": _busy,
}


def memory(peer: Peer, settings: Settings, results: Results) -> None:
    """A fresh start, visitors who do nothing, one who reads slowly.  The peer must not be running."""
    if peer.public_port == BACKEND_PORT:
        return
    peer.start()
    try:
        results.add(peer.name, "rss-fresh", resident_bytes(peer.pids) / 1e6)
        with load.idle_visitors(peer.url, settings.idle):
            results.add(peer.name, "rss-idle", resident_bytes(peer.pids) / 1e6)
        peak = load.peak_while_read_slowly(peer.url, settings.slow_bytes, lambda: peer.pids)
        results.add(peer.name, "rss-slow", peak / 1e6)
    finally:
        peer.stop()


def far(peer: Peer, settings: Settings, results: Results, folder: Path) -> None:
    """A download whose link is 50 ms long.  The peer must not be running."""
    if not peer.link_port:
        return
    script = str(HERE / "far_away.py")
    relay = Program(
        [sys.executable, script, str(_RELAY_PORT), str(peer.link_port), "25"], folder / "relay.log"
    )
    try:
        wait_for_port(_RELAY_PORT, relay)
        peer.start(_RELAY_PORT)
        results.add(peer.name, "down-50ms", load.download(peer.url, settings.far_bytes))
    finally:
        peer.stop()
        relay.end()


@contextlib.contextmanager
def _losing_packets(port: int) -> Iterator[None]:
    """Lose one packet in a hundred, both ways, on a port of this namespace's loopback."""
    rules = f"""
    table inet bench {{
      chain in {{
        type filter hook input priority 0;
        tcp dport {port} numgen random mod 100 == 0 drop
        tcp sport {port} numgen random mod 100 == 0 drop
      }}
    }}
    """
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "bench"], check=True)


def lossy(peer: Peer, settings: Settings, results: Results) -> None:
    """A download whose link loses packets.  The peer must not be running."""
    if not peer.link_port:
        return
    peer.start()
    try:
        with _losing_packets(peer.link_port):
            results.add(peer.name, "down-loss", load.download(peer.url, settings.far_bytes))
    finally:
        peer.stop()


def clients_grow(folder: Path, settings: Settings, results: Results) -> None:
    """More and more clients on one exit node: its memory, and what a request to one of them costs it."""
    for count in settings.clients:
        peer = Tunnel(folder)
        peer.start_server()
        try:
            _start_crowd(peer, count)
            server = peer.programs["servidor"].pids
            held = resident_bytes(server)
            before = cost_of(server)
            seen = load.requests(peer.url, 10, settings.seconds, host=f"c{count - 1}.example")
            spent = cost_of(server).since(before)
            results.growth.append(
                {
                    "clients": count,
                    "server_rss_mb": held / 1e6,
                    "rps": seen.per_s,
                    "server_us_per_request": spent.total_s / seen.count * 1e6,
                }
            )
        finally:
            peer.stop()


_RETURN_S = 30.0


def come_back(folder: Path, settings: Settings, results: Results) -> None:
    """An exit node is killed and comes back after a while: when do its clients?"""
    peer = Tunnel(folder)
    peer.start_server()
    try:
        crowd = _start_crowd(peer, settings.returning)
        server = peer.programs.pop("servidor")
        server.end(is_killed=True)
        server.log.unlink()  # where it says that it listens, once
        time.sleep(settings.down_s)
        peer.start_server()
        listening_s = time.monotonic()
        deadline = listening_s + _RETURN_S
        while crowd.log.read_text().count("back") < settings.returning:
            crowd.check(deadline)
            time.sleep(0.1)
        times = re.findall(r"^back ([\d.]+)$", crowd.log.read_text(), re.MULTILINE)
        results.returns = sorted(max(0.0, float(moment) - listening_s) for moment in times)
    finally:
        peer.stop()


def _start_crowd(peer: Tunnel, count: int) -> Program:
    script = [sys.executable, str(HERE / "crowd.py"), str(peer.link_port), str(peer.token_file)]
    upstream = f"http://127.0.0.1:{BACKEND_PORT}"
    crowd = Program([*script, str(count), upstream], peer.folder / f"crowd-{count}.log")
    peer.programs["clientes"] = crowd
    crowd.wait_for("ready")
    return crowd


def streams_grow(peer: Peer, settings: Settings, results: Results) -> None:
    """More and more requests at once on one link: what each costs.  The peer must not be running."""
    peer.start()
    try:
        for count in settings.streams:
            before = cost_of(peer.pids)
            seen = load.requests(peer.url, count, settings.seconds)
            spent = cost_of(peer.pids).since(before)
            results.growth.append(
                {
                    "streams": count,
                    "rps": seen.per_s,
                    "p99_ms": seen.p99_ms,
                    "us_per_request": spent.total_s / seen.count * 1e6,
                }
            )
    finally:
        peer.stop()
