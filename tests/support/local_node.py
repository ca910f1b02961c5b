"""An exit node of the provider ``local``, for ``support.killed`` to walk through."""

from __future__ import annotations

from pathlib import Path

from support.killed import Scene

from tunnel.exitnodes.local import detached
from tunnel.exitnodes.local.provider import LocalProvider
from tunnel.exitnodes.model import Order
from tunnel.exitnodes.state import Store

__all__ = ["left", "scene"]

NAME = "nodo-ana"


def scene(root: Path) -> Scene:
    """Return a node of which all is kept under ``root``, as recorded there or new."""
    store, provider = Store(root), LocalProvider()
    folder = store.folder("local", NAME)
    state = store.load(folder)
    order = state.order if state else provider.settle(Order("local", NAME, folder, student="ana"))
    return Scene(provider, order, store)


def left(root: Path) -> list[str]:
    """Return what there is of the node."""
    folder = Store(root).folder("local", NAME)
    return [
        what
        for what, is_there in (("proceso", detached.is_running(folder)), ("carpeta", folder.exists()))
        if is_there
    ]
