"""Visitors: wrk for requests, curl for large files, plain sockets for those who do nothing."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from procs import BenchError, resident_bytes

__all__ = ["Requests", "download", "idle_visitors", "peak_while_read_slowly", "requests", "upload"]

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_RATE_LIMIT_BYTES_PER_S = 50_000_000


@dataclass(frozen=True, slots=True)
class Requests:
    """What wrk saw."""

    per_s: float
    p50_ms: float
    p99_ms: float
    count: int


def requests(
    url: str, connections: int, seconds: float, *, keep_alive: bool = True, host: str = ""
) -> Requests:
    """Ask for the small answer without a pause.

    Raises:
        BenchError: some were not answered with 200, or none was.
    """
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={max(1, round(seconds))}s"]
    command += ["--latency", "--timeout=10s"]
    command += [] if keep_alive else ["--header=Connection: close"]
    command += [f"--header=Host: {host}"] if host else []
    said = subprocess.run([*command, f"{url}/small.json"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+) requests in", said)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    # wrk counts as a read error each connection that ends as was asked.
    is_broken = errors is not None and any(int(errors[n]) for n in ((1, 2, 3, 4) if keep_alive else (1, 4)))
    if found is None or not int(found[1]) or bad or is_broken:
        raise BenchError(f"wrk {url}, {connections} conexiones:\n{said}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rate is not None
    return Requests(float(rate[1]), _percentile(said, 50), _percentile(said, 99), int(found[1]))


def _percentile(said: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", said, re.MULTILINE)
    if found is None:
        raise BenchError(f"wrk no dio el percentil {percent}:\n{said}")
    return float(found[1]) * _UNITS_MS[found[2]]


def download(url: str, size: int, *, host: str = "") -> float:
    """Fetch the first ``size`` bytes of the large file; return MB/s.  Raises BenchError."""
    options = ["--range", f"0-{size - 1}", *(["--header", f"Host: {host}"] if host else [])]
    return _curl([*options, f"{url}/large.bin"], size, "%{size_download}")


def upload(url: str, file: Path) -> float:
    """Send a file to the sink; return MB/s.  Raises BenchError."""
    size = file.stat().st_size
    return _curl(["--header", "Expect:", "--upload-file", str(file), f"{url}/sink"], size, "%{size_upload}")


def _curl(arguments: list[str], size: int, what: str) -> float:
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "300", "--output", "/dev/null"]
    command += ["--write-out", what + " %{time_total} %{time_pretransfer}"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    if done.returncode or int(words[0]) != size:
        raise BenchError(f"curl {arguments[-1]}: {done.stdout} {done.stderr}")
    return size / 1e6 / (float(words[1]) - float(words[2]))


@contextlib.contextmanager
def idle_visitors(url: str, count: int) -> Iterator[None]:
    """Keep ``count`` connections open during the block; each has asked once and been answered."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    assert host is not None
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            visitor = stack.enter_context(socket.create_connection((host, port or 80), 20))
            visitor.sendall(f"GET /small.json HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            answer = visitor.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise BenchError(f"un visitante recibió {answer[:80]!r}")
        yield


def peak_while_read_slowly(url: str, size: int, pids: Callable[[], list[int]]) -> int:
    """Fetch ``size`` bytes at 50 MB/s; return the most memory that the processes held, in bytes."""
    peak = 0
    is_over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_over.is_set():
            peak = max(peak, resident_bytes(pids()))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        limit = ["--limit-rate", str(_RATE_LIMIT_BYTES_PER_S), "--range", f"0-{size - 1}"]
        _curl([*limit, f"{url}/large.bin"], size, "%{size_download}")
    finally:
        is_over.set()
        watcher.join()
    return peak
