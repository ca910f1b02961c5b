"""A stand-in for gcloud and for the machines that it makes: ``--provider gcp --simulada``, and the tests.

Map
    ``grammar``   the commands and flags that it knows, each with its reference page; it refuses every other
    ``query``     ``--filter`` and ``--format``, as much as the provider uses of them
    ``world``     what exists in the cloud, in a file; what is asked of the simulation, in another
    ``commands``  what each command does to the world
    ``faults``    failures that are asked for, in gcloud's words
    ``guests``    the machines: systemd guests on podman, which run the real startup script; or none at all
    ``agente/``   what Google brings to a machine, in small: metadata, startup script
    ``__main__``  the program ``gcloud``

It imports nothing of the provider, and the provider nothing of it but the two functions here: what one
believes of gcloud the other must believe on its own.  Each line that is for a person begins
with ``SIMULACIÓN``.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from tunnel.exitnodes.errors import MissingTool
from tunnel.exitnodes.files import home, make_private_folder

__all__ = ["FOLDER", "install", "require_guests"]

FOLDER = "simulacion"


def install() -> Path:
    """Write the program ``gcloud`` into a folder of its own, to be put first on PATH; return its path.

    Raises:
        MissingTool: on Windows, which has neither podman's network nor a shell.
    """
    if os.name == "nt":
        raise MissingTool("--simulada no funciona en Windows: úsela en la máquina virtual laptop del curso.")
    folder = make_private_folder(make_private_folder(make_private_folder(home()) / FOLDER) / "bin")
    path = folder / "gcloud"
    module = "tunnel.exitnodes.simulation"
    words = shlex.join([sys.executable, "-P", "-m", module, str(folder.parent)])
    text = f'#!/bin/sh\nexec {words} "$@"\n'
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        temporary = path.with_suffix(".nuevo")
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(0o700)
        temporary.replace(path)
    return path


def require_guests(folder: Path) -> None:
    """Refuse early where the simulation in ``folder`` could start no machine.  Raises MissingTool."""
    from tunnel.exitnodes.simulation import guests

    guests.require_guests(folder)
