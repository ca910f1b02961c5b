"""``./scripts/bench --rapido`` measures every peer and leaves nothing behind.  No time is judged."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from support.requirements import refuse, require_program

ROOT = Path(__file__).resolve().parents[2]
BENCH = [sys.executable, str(ROOT / "scripts" / "bench")]

PEERS = {"tunel", "tunel-comp", "tunel-tls", "tunel-tcp", "nginx", "ssh", "directo"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it measures in namespaces of Linux's")


def namespaces() -> set[str]:
    """Return the network namespaces that some process is in."""
    links = set()
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            links.add(os.readlink(path))
        except OSError:
            continue
    return links


@pytest.mark.timeout(600)
def test_a_quick_run_measures_every_peer_and_draws_the_plot(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        refuse("el banco de pruebas necesita root: sudo ./scripts/test tests/bench")
    require_program("gcc", "En Debian: sudo apt install gcc python3-dev")
    before = namespaces()
    values, plot = tmp_path / "valores.json", tmp_path / "medianas.svg"
    done = subprocess.run(
        [*BENCH, "--rapido", "--compilado", "--json", values, "--svg", plot],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    told = json.loads(values.read_text())
    measured: dict[str, set[str]] = {}
    for row in told["results"]:
        measured.setdefault(row["peer"], set()).add(row["measure"])
        assert all(value > 0 for value in row["values"]), row
    assert set(measured) == PEERS
    assert all(measured[peer] == measured["tunel"] for peer in PEERS - {"directo"})
    assert len(measured["tunel"]) == 20
    assert {"clients", "streams"} <= {name for point in told["growth"] for name in point}
    assert len(told["returns"]) == 20

    text = plot.read_text()
    ET.fromstring(text)
    assert "ssh -R" in text
    split = {(row["peer"], row["program"]) for row in told["processes"]}
    assert {("tunel", "servidor"), ("tunel", "cliente"), ("ssh", "cliente"), ("nginx", "nginx")} <= split
    for words in (
        "De cada proceso:",
        "Razones entre medianas:",
        "bajada con el enlace a 50 ms",
        "meta ≥ 5.0",
        "20 clientes vuelven",
    ):
        assert words in done.stdout
    assert namespaces() <= before


def test_an_option_that_there_is_not_is_wrong_usage() -> None:
    if os.geteuid() != 0:
        refuse("el banco de pruebas necesita root: sudo ./scripts/test tests/bench")
    done = subprocess.run([*BENCH, "--rapid"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "no existe la opción --rapid" in done.stderr
