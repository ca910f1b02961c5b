"""A provider whose things are files in a folder: quick, whole, and with faults that a test asks for.

The folder stands for the cloud: it outlives the process that works with it, and it can be looked at from
outside.  ``fallas/STEP`` in it makes that step fail, with the kind of error that the file names; or wait,
if it is a pipe, until somebody writes a byte there for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from support.killed import Scene

from tunnel.exitnodes import errors
from tunnel.exitnodes.model import Announcement, Facts, FoundNode, Order, Query, Search, StepInfo
from tunnel.exitnodes.provider import Context, Provider, Step
from tunnel.exitnodes.state import Store

__all__ = ["ScriptedProvider", "at_once", "scene"]

THINGS = ("red", "maquina", "regla")


class FileStep(Step):
    """A thing that is a file."""

    def __init__(self, cloud: Path, order: Order, thing: str) -> None:
        self.cloud, self.thing = cloud, thing
        self.path = cloud / f"{order.name}-{thing}"
        self.info = StepInfo(
            id=thing,
            title=f"la {thing}",
            why=f"Sin la {thing} nadie llega al nodo.",
            argv=("touch", str(self.path)),
            probe=("test", "-e", str(self.path)),
            undo=("rm", str(self.path)),
            prices=("gcp-e2-micro",) if thing == "maquina" else (),
        )

    def find(self, context: Context) -> Facts | None:
        if not self.path.exists():
            return None
        labels = json.loads(self.path.read_text() or "{}")
        if any(labels.get(key) != context.order.labels[key] for key in ("curso", "nodo")):
            raise errors.NameTaken(f"«{self.path.name}» es de otra persona. Elija otro nombre con --nombre.")
        return {f"{self.thing}_lista": "sí"}

    def make(self, context: Context) -> Facts:
        self._fail()
        with self.path.open("x") as file:  # made twice is a test's failure
            json.dump(context.order.labels, file)
        return {f"{self.thing}_lista": "sí"}

    def remove(self, context: Context) -> None:
        self._fail()
        self.path.unlink()

    def _fail(self) -> None:
        fault = self.cloud / "fallas" / self.thing
        if fault.is_fifo():
            with fault.open("rb", buffering=0) as pipe:
                pipe.read(1)  # until somebody writes, or for ever
        elif fault.exists():
            raise getattr(errors, fault.read_text().strip())("el proveedor dijo que no")


class ScriptedProvider(Provider):
    """See the module."""

    name = "guion"
    title = "una carpeta"

    def __init__(self, cloud: Path) -> None:
        self.cloud = cloud
        cloud.mkdir(parents=True, exist_ok=True)

    def steps(self, order: Order) -> Sequence[Step]:
        return [FileStep(self.cloud, order, thing) for thing in THINGS]

    def announcement(self, context: Context) -> Announcement | None:
        return Announcement("wss://192.0.2.10:8123", "http://192.0.2.10:8000", f"sha256:{'0' * 64}")

    def survivors(self, order: Order) -> Sequence[Query]:
        left = tuple(sorted(path.name for path in self.cloud.glob(f"{order.name}-*")))
        return [Query(f"ls {self.cloud}", left)]

    def found(self, search: Search) -> Sequence[FoundNode]:
        machines = self.cloud.glob("*-maquina")
        return [FoundNode(self.name, path.name.removesuffix("-maquina"), "en marcha") for path in machines]

    def logs(self, context: Context, follow: bool) -> list[str]:
        return ["cat", str(self.cloud / f"{context.order.name}-maquina")]


def at_once(
    announcement: Callable[[], Announcement | None], order: Order, timeout_s: float, **_: object
) -> Announcement:
    """Take the announcement for true: there is nothing behind it that could answer."""
    announced = announcement()
    assert announced is not None
    return announced


def scene(root: Path) -> Scene:
    """Return what ``support.killed`` walks through."""
    store = Store(root / "estado")
    order = Order("guion", "nodo-ana", store.folder("guion", "nodo-ana"), student="ana")
    return Scene(ScriptedProvider(root / "nube"), order, store, at_once)
