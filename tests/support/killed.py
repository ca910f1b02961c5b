"""Kills the making, and the removal, of an exit node at each moment, and looks what is left of it.

A *scene* is a provider with an order, made anew in each process by a function ``scene(root: Path) -> Scene``
that a test names as ``"module:function"`` (of ``tests/``, or of any package); all it makes is under
``root``, or is what ``left`` looks for.  A *moment* is one of the engine's events: ``Intended`` (recorded,
nothing done), ``Made`` (done, not recorded), ``Recorded``, ``Removed`` and so on; at that event the process
ends itself by SIGKILL, as a power cut would.  A step that does several things makes moments of its own by
``context.tell``.  Use::

    walk("support.scripted:scene", tmp_path, left=lambda root: list((root / "nube").iterdir()))
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunnel.exitnodes import engine
from tunnel.exitnodes.errors import ExitNodeError
from tunnel.exitnodes.model import Order
from tunnel.exitnodes.provider import Provider
from tunnel.exitnodes.readiness import wait as wait_until_ready
from tunnel.exitnodes.state import Store

__all__ = ["Scene", "walk"]

NEVER = -1
TESTS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Scene:
    """What is made and removed."""

    provider: Provider
    order: Order  # settled
    store: Store
    wait: engine.Wait = wait_until_ready


def walk(scene: str, root: Path, left: Callable[[Path], Sequence[object]]) -> None:
    """Kill at each moment; then continue and delete, or delete at once: nothing may be left."""
    whole = root / "entera"
    create_moments = _run(scene, whole, "create")
    assert len(create_moments) > 4, create_moments
    assert left(whole), "nothing was made that could be left"
    delete_moments = _run(scene, whole, "delete")
    assert any(moment.startswith("Removed") for moment in delete_moments), delete_moments
    assert not left(whole)

    for number, moment in enumerate(create_moments):
        continued = root / f"continua-{number}"
        _run(scene, continued, "create", kill_at=number)
        _run(scene, continued, "create")
        _run(scene, continued, "delete")
        assert not left(continued), f"killed at {moment}, continued, deleted"

        dropped = root / f"abandona-{number}"
        _run(scene, dropped, "create", kill_at=number)
        _run(scene, dropped, "delete")
        assert not left(dropped), f"killed at {moment}, deleted"

    for number, moment in enumerate(delete_moments):
        again = root / f"borra-{number}"
        _run(scene, again, "create")
        _run(scene, again, "delete", kill_at=number)
        _run(scene, again, "delete")
        assert not left(again), f"deletion killed at {moment}, deleted again"


def _run(scene: str, root: Path, verb: str, kill_at: int = NEVER) -> list[str]:
    """Run this module in a process of its own; return the moments that it passed."""
    ended = subprocess.run(
        [sys.executable, __file__, scene, str(root), verb, str(kill_at)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        timeout=120,
    )
    expected = 0 if kill_at == NEVER else -signal.SIGKILL
    assert ended.returncode == expected, f"{verb}, killed at {kill_at}:\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout.splitlines()


def _main(scene: str, root: str, verb: str, kill_at: str) -> int:
    module, _, function = scene.partition(":")
    Path(root).mkdir(parents=True, exist_ok=True)
    made: Scene = getattr(importlib.import_module(module), function)(Path(root))
    passed = 0

    def observe(event: engine.Event) -> None:
        nonlocal passed
        if passed == int(kill_at):
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1
        moment = f"{type(event).__name__} {getattr(getattr(event, 'info', None), 'id', '')}"
        sys.stdout.write(f"{moment.rstrip()}\n")
        sys.stdout.flush()

    try:
        if verb == "create":
            engine.create(made.provider, made.order, made.store, observe, made.wait)
        else:
            engine.delete(made.provider, made.order, made.store, observe)
    except ExitNodeError as error:
        sys.stderr.write(f"{error.kind}: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
