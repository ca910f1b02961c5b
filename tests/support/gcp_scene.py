"""A scene for ``support.killed``: the real provider against the stand-in, whose machines are only entries."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from support.killed import Scene

from tunnel.exitnodes import process
from tunnel.exitnodes.gcp import files
from tunnel.exitnodes.gcp.provider import GcpProvider
from tunnel.exitnodes.install import Parcel
from tunnel.exitnodes.model import Announcement, Order
from tunnel.exitnodes.simulation import __main__ as simulation
from tunnel.exitnodes.state import Store

__all__ = ["ACCOUNT", "inventory", "order_in", "scene", "settings"]

ACCOUNT = "SIMULA-000000-000001"


def settings(root: Path, **values: object) -> Path:
    """Write what the simulation is to do, and return its folder; without machines unless told otherwise."""
    folder = root / "estado" / "tunelab" / "simulacion"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {"guests": "ninguno", "latency_s": 0, **values}
    (folder / "ajustes.json").write_text(json.dumps(chosen), encoding="utf-8")
    return folder


def order_in(root: Path, **options: str) -> Order:
    """Return an order whose node is kept under ``root``; not settled."""
    folder = Store(root / "estado" / "tunelab").folder("gcp", "nodo-ana")
    own = {"simulada": "sí", **options}
    return Order("gcp", "nodo-ana", folder, student="ana", options=tuple(own.items()))


def scene(root: Path) -> Scene:
    """Return a node in a project of its own: every step is made, and every one is removed."""
    os.environ["XDG_STATE_HOME"] = str(root / "estado")
    settings(root)
    process.run = _run_here
    # What goes into the parcel is not what is walked here, and packing it is most of a run's time.
    files.make_parcel = lambda order: Parcel({"settings": b"token 8123\n"})
    provider = GcpProvider()
    own = {"proyecto": "tunelab-nodo-ana-0", "proyecto-nuevo": "sí", "cuenta-facturacion": ACCOUNT}
    return Scene(provider, provider.settle(order_in(root, **own)), Store(), answer_at_once)


def _run_here(argv: Sequence[str], **_: object) -> process.Completed:
    """Run the stand-in within this process: the walk asks it some thousands of times."""
    out, err = io.StringIO(), io.StringIO()
    folder = Path(argv[0]).parents[1]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = simulation.main([str(folder), *argv[1:]])
    return process.Completed(tuple(argv), code, out.getvalue(), err.getvalue())


def answer_at_once(
    announcement: Callable[[], Announcement | None], order: Order, timeout_s: float
) -> Announcement:
    """Stand for a node that boots, where there is no machine that could."""
    return Announcement("wss://192.0.2.10:8123", "http://192.0.2.10:8000", "sha256:" + "0" * 64)


def inventory(root: Path) -> list[str]:
    """Return what is in the simulated cloud beyond what it begins with, by the cloud's own file."""
    path = root / "estado" / "tunelab" / "simulacion" / "nube.json"
    if not path.exists():
        return []
    world = json.loads(path.read_text(encoding="utf-8"))
    projects = [item["id"] for item in world["projects"] if item["state"] == "ACTIVE"]
    names = [f"{kind}/{item['name']}" for kind in ("machines", "rules") for item in world[kind]]
    return names + [f"projects/{name}" for name in projects if name != "tunelab-simulado"]
