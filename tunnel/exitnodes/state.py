"""What is known of a node, on disk: each step's intent before it acts, its outcome before the next begins.

One folder a node, private, with ``estado.json`` in it.  A file that cannot be read is never overwritten: it
is an error that names it, and what to do.  Losing it loses no node: names are deterministic and the
provider is asked before anything is made or removed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tunnel.exitnodes import locks
from tunnel.exitnodes.errors import NodeBusy, StateDamaged
from tunnel.exitnodes.files import home, make_private_folder
from tunnel.exitnodes.model import Order, Student
from tunnel.exitnodes.naming import check_name
from tunnel.os_errors import describe_os_error
from tunnel.secret_files import replace_private_file

__all__ = ["DONE", "INTENDED", "READY", "REMOVING", "WORKING", "NodeState", "Store", "now"]

_VERSION = 1
_FILE = "estado.json"
_LOCK = "candado"

# A node's phases, and a step's.
WORKING, READY, REMOVING = "creando", "listo", "borrando"
INTENDED, DONE = "intentado", "hecho"


def now() -> str:
    """Return the time, UTC, to the second (RFC 3339)."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(slots=True)
class NodeState:
    """One node: what was asked, how far it is, what was learned."""

    order: Order
    phase: str = WORKING
    steps: dict[str, str] = field(default_factory=dict)  # id → INTENDED or DONE, in order
    facts: dict[str, str] = field(default_factory=dict)
    created_at: str = field(default_factory=now)
    ready_at: str = ""
    url: str = ""
    public_url: str = ""

    def to_json(self) -> str:
        """Return the state as the text of its file."""
        values = dataclasses.asdict(self)
        values["order"]["folder"] = str(self.order.folder)
        return json.dumps({"version": _VERSION, **values}, ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, folder: Path) -> NodeState:
        """Parse the text of a file that stands in ``folder``.

        Raises:
            ValueError: it is not the text of such a file.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or values.pop("version", None) != _VERSION:
            raise ValueError("not a state of this version")
        order = _parse_order(_checked(values.pop("order"), dict), folder)
        fields = _strings(values, {"phase", "created_at", "ready_at", "url", "public_url"})
        state = cls(order, steps=_facts(values.pop("steps")), facts=_facts(values.pop("facts")), **fields)
        known = {"phase": {WORKING, READY, REMOVING}, "step": {INTENDED, DONE}}
        if values or state.phase not in known["phase"] or not set(state.steps.values()) <= known["step"]:
            raise ValueError("unknown keys or values")
        return state


class Store:
    """The folders of all nodes."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = home() if root is None else root

    def folder(self, provider: str, name: str) -> Path:
        """Return the private folder of a node.  It need not exist."""
        return self.root / "nodos" / provider / check_name(name)

    @property
    def receipts(self) -> Path:
        """Where receipts are kept, which outlive the nodes."""
        return self.root / "recibos"

    def load(self, folder: Path) -> NodeState | None:
        """Return what is recorded of a node, or None where nothing is.

        Raises:
            StateDamaged: the file cannot be read.
        """
        path = folder / _FILE
        try:
            return NodeState.from_json(path.read_text(encoding="utf-8"), folder)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StateDamaged(f"no se puede leer {path}: {describe_os_error(error)}.") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise StateDamaged(
                f"el archivo {path} está dañado, o lo escribió otra versión de tunelab. Cámbiele el nombre y "
                "repita la orden: el nodo se busca de nuevo por su nombre y no se pierde nada."
            ) from None

    def save(self, state: NodeState) -> None:
        """Record ``state``; on return it is on disk."""
        replace_private_file(state.order.folder / _FILE, state.to_json())

    def all(self) -> list[NodeState]:
        """Return every recorded node.  Raises StateDamaged."""
        folders = sorted((self.root / "nodos").glob("*/*"))
        return [state for folder in folders if (state := self.load(folder)) is not None]

    @contextlib.contextmanager
    def locked(self, folder: Path) -> Iterator[None]:
        """Make the node's folder, and keep others from working on it during the block.

        Raises:
            NodeBusy: another process does.
        """
        make_private_folder(self.root)
        make_private_folder(folder)
        try:
            with locks.locked(folder / _LOCK):
                yield
        except locks.Taken:
            raise NodeBusy(
                f"otra orden está trabajando ahora mismo en el nodo «{folder.name}». Espere a que termine."
            ) from None

    def forget(self, folder: Path) -> None:
        """Remove a node's folder.  Call it with the lock held, after the node is gone."""
        with contextlib.suppress(FileNotFoundError):
            # Windows keeps the lock, which is held; a folder without a state is no node.
            shutil.rmtree(folder, ignore_errors=os.name == "nt")
        for parent in (folder.parent, folder.parent.parent):
            with contextlib.suppress(OSError):  # others are in there
                parent.rmdir()


def _parse_order(values: dict[str, Any], folder: Path) -> Order:
    values["folder"] = folder  # where the file is, wherever it was moved to
    students = tuple(
        Student(**_strings(dict(_checked(student, dict)), {"code", "name", "email", "slug"}))
        for student in _checked(values.pop("students"), list)
    )
    ports = tuple(_checked(port, int) for port in _checked(values.pop("tcp_ports"), list))
    ranges = tuple(_checked(item, str) for item in _checked(values.pop("source_ranges"), list))
    options = tuple(
        (_checked(key, str), _checked(value, str)) for key, value in _checked(values.pop("options"), list)
    )
    del values["folder"]
    duration_s = _checked(values.pop("duration_s"), int)
    data_port, control_port = (_checked(values.pop(name), int) for name in ("data_port", "control_port"))
    texts = _strings(values, {"provider", "name", "student", "lab", "course", "region"})
    if values:
        raise ValueError("unknown keys")
    return Order(
        folder=folder,
        students=students,
        tcp_ports=ports,
        source_ranges=ranges,
        options=options,
        duration_s=duration_s,
        data_port=data_port,
        control_port=control_port,
        **texts,
    )


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(kind)
    return value


def _strings(values: dict[str, Any], names: set[str]) -> dict[str, str]:
    return {name: _checked(values.pop(name), str) for name in names}


def _facts(values: Any) -> dict[str, str]:
    return {_checked(key, str): _checked(value, str) for key, value in _checked(values, dict).items()}
