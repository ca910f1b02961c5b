"""``tunnel`` with one provider more, ``guion``, which is that of ``support.scripted``.

``python -m support.scripted_command CLOUD WORDS…``: the folder that stands for the cloud, then what is
written after ``tunnel``.  Nodes do not boot there, and so nobody waits for them to answer.
"""

from __future__ import annotations

import sys
from pathlib import Path

from support.scripted import ScriptedProvider, at_once

from tunnel.cli import main
from tunnel.exitnodes import engine, readiness, registry

_cloud = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()


class Provider(ScriptedProvider):
    """The provider, in the folder of the command line."""

    def __init__(self) -> None:
        super().__init__(_cloud)


if __name__ == "__main__":
    registry.PROVIDERS["guion"] = f"{__name__}:Provider"
    engine.create.__defaults__ = (at_once,)
    readiness.wait = at_once
    sys.exit(main(sys.argv[2:]))
