"""The benchmark's program; scripts/bench prepares the machine and runs it in namespaces of its own.

The map: ``peers`` (what is measured), ``load`` (visitors), ``scenarios`` (what is done to each peer),
``results`` and ``report`` (what is made of it), ``procs`` (processes and their cost), ``school`` (a class of
sixty, graded); ``sink``, ``far_away`` and ``crowd`` are programs of their own.

Everything is interleaved: each thing is done to every peer before the next thing, in another order in each
round, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import report
import scenarios
import school
from peers import PEERS, Backend, Direct, Peer, Tunnel, TunnelCompiled
from procs import BenchError
from results import Results

from tunnel.cli.arguments import Parser

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # support/

from support.compiled import build_wheel, install


def main(argv: list[str]) -> int:
    """Run the benchmark: 0 done, 2 wrong usage, 3 something did not work."""
    parser = Parser(prog="./scripts/bench")
    parser.add_argument("--rapido", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--clase", action="store_true")
    parser.add_argument("--compilado", action="store_true")
    options = parser.parse_command(argv)
    settings = scenarios.QUICK if options.rapido else scenarios.FULL
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if options.clase:
        return school.run(out=options.json)
    folder = Path(tempfile.mkdtemp(prefix="tunelab-bench-"))
    peers = PEERS
    try:
        if options.compilado:
            TunnelCompiled.python = _compile(folder)
            peers = (PEERS[0], TunnelCompiled, *PEERS[1:])
        results, about = _run(folder, settings, peers)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 3
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n" + "\n".join(report.table(results, peers)))
    print("\nDe cada proceso:\n" + "\n".join(report.processes(results, peers)))
    print("\nRazones entre medianas:\n" + "\n".join(report.verdicts(results, Tunnel.name)))
    print("\nCómo crece:")
    for point in results.growth:
        print("  " + "   ".join(f"{name} {value:,.1f}" for name, value in point.items()))
    print(
        f"\n{len(results.returns)} clientes vuelven a un nodo de salida que estuvo caído; "
        f"el último, {results.returns[-1]:.1f} s después de que atiende:"
    )
    print("\n".join(report.histogram(results.returns)))
    print("\n" + _caption(about))
    if options.json:
        options.json.write_text(results.to_json(about), encoding="utf-8")
    if options.svg:
        options.svg.write_text(report.plot(results, peers, _caption(about)), encoding="utf-8")
    return 0


def _compile(folder: Path) -> Path:
    """Return the Python of an environment where the data path is compiled.  Raises BenchError."""
    _tell("se compila")
    try:
        return install(build_wheel(folder / "wheel"), folder / "compiled")
    except RuntimeError as error:
        raise BenchError(f"no se pudo compilar (hacen falta gcc y python3-dev): {error}") from error


def _run(
    folder: Path, settings: scenarios.Settings, kinds: tuple[type[Peer], ...]
) -> tuple[Results, dict[str, object]]:
    results = Results()
    started, load_before = time.monotonic(), os.getloadavg()[0]
    backend = Backend(folder, settings.down_bytes)
    try:
        _rounds(folder, settings, results, kinds)
        for kind in kinds:
            _tell(f"memoria: {kind.title}")
            scenarios.memory(kind(folder), settings, results)
        for kind in kinds:
            _tell(f"a 50 ms: {kind.title}")
            scenarios.far(kind(folder), settings, results, folder)
        _small_packets()
        for kind in kinds:
            _tell(f"con pérdidas: {kind.title}")
            scenarios.lossy(kind(folder), settings, results)
        subprocess.run(["ip", "link", "set", "lo", "mtu", "65536"], check=True)
        _tell("cada vez más clientes")
        scenarios.clients_grow(folder, settings, results)
        _tell("todos los clientes vuelven a la vez")
        scenarios.come_back(folder, settings, results)
        _tell("cada vez más peticiones a la vez")
        scenarios.streams_grow(Tunnel(folder), settings, results)
    finally:
        backend.close()
    about: dict[str, object] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_before": load_before,
        "seconds": round(time.monotonic() - started),
        "rounds": settings.rounds,
    }
    return results, about


def _rounds(
    folder: Path, settings: scenarios.Settings, results: Results, kinds: tuple[type[Peer], ...]
) -> None:
    peers: list[Peer] = [kind(folder) for kind in kinds]
    try:
        for peer in peers:
            peer.start()
        for number in range(1, settings.rounds + 1):
            for title, measure in scenarios.ROUND.items():
                order = peers[:]
                random.shuffle(order)
                for peer in order:
                    _tell(f"ronda {number} de {settings.rounds}, {title}: {peer.title}")
                    measure(peer, settings, results, folder)
    finally:
        for peer in peers:
            if not isinstance(peer, Direct):
                peer.stop()


def _small_packets() -> None:
    """Let packets on loopback be as large as on a wire, one by one, so that losing one loses so much."""
    subprocess.run(["ip", "link", "set", "lo", "mtu", "1500"], check=True)
    subprocess.run(["ethtool", "-K", "lo", "tso", "off", "gso", "off"], check=True, capture_output=True)


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _caption(about: dict[str, object]) -> str:
    return (
        f"{about['date']}; {about['processors']} procesadores {about['machine']}, Python {about['python']}; "
        f"{about['rounds']} rondas, {about['seconds']} s; carga al empezar {about['load_before']:.2f}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
