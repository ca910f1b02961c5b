"""Debian's slowhttptest in each of its modes: the other visitors are served, and nothing of it stays."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import pytest
from support.requirements import require_program
from support.tunnel_kit import Starter, linux_only
from support.wire import eventually, response

CONNECTIONS = 200
LENGTH_S = 3
CONTENT = bytes(range(256)) * 16 * 1024  # 4 MiB: more than the sockets on the way take

MODES = {
    "slow headers": ("-H", "-i", "1", "-x", "24"),
    "slow body": ("-B", "-i", "1", "-s", "100000", "-x", "10"),
    "ranges": ("-R", "-a", "5", "-b", "2000"),
    "slow read": ("-X", "-w", "256", "-y", "512", "-n", "1", "-z", "16", "-k", "3"),
}
SHORT = ("head-timeout-s=2", "body-timeout-s=2", "idle-timeout-s=2", "write-timeout-s=2")


@linux_only
@pytest.mark.parametrize(
    ("mode", "is_bounded"),
    [*((mode, False) for mode in MODES), ("slow headers", True), ("slow read", True)],
    ids=lambda value: value if isinstance(value, str) else "bounded" if value else "not bounded",
)
def test_a_slow_attack_leaves_the_other_visitors_served(
    start: Starter, tmp_path: Path, mode: str, is_bounded: bool
) -> None:
    program = require_program("slowhttptest", "Debian: sudo apt install slowhttptest")
    limits = [*SHORT, *(["max-visitors-per-source=60"] if is_bounded else [])]
    backend, server = start.backend(), start.server(*(f"--limit={limit}" for limit in limits))
    backend.answer(lambda asked: response(200, b"hola" if asked.target == "/otro" else CONTENT))
    client = start.connected_client(server, backend)
    calm = server.descriptors
    report = tmp_path / "report"
    target = f"http://127.0.0.1:{server.port}/"
    size = (f"-c{CONNECTIONS}", "-r200", f"-l{LENGTH_S}", "-p10")
    attack = subprocess.Popen(
        [program, *MODES[mode], *size, "-u", target, "-g", "-o", report],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    served = peak_bytes = 0
    try:
        while attack.poll() is None:
            with server.visit(source="127.0.0.2") as wire:
                answer = wire.ask("GET", "/otro")
                assert (answer.status, answer.content) == (200, b"hola")
            served += 1
            peak_bytes = max(peak_bytes, server.resident_bytes + client.resident_bytes)
        assert attack.returncode == 0
    finally:
        attack.kill()
        attack.wait()
    assert served >= LENGTH_S
    with report.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert max(int(row["Connected"]) + int(row["Closed"]) for row in rows) > 50, "there was no attack"
    # What waits for those who read slowly is bounded by credit, not by how much they ask for.
    assert peak_bytes < 600 * 1024 * 1024, peak_bytes
    eventually(lambda: server.descriptors <= calm + 2, "the connections of the attack are gone")
    assert client.count("disconnected") == 0
