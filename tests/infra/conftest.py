"""The two machines, raised once a session for every test that looks at them.

TUNELAB_LUGAR chooses where: `podman` (the default, every run) or `libvirt` (scripts/aceptacion-vm).
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra

HERE = Path(__file__).resolve().parent
for folder in (str(HERE), str(HERE.parent)):  # the modules of this folder, and support.*
    if folder not in sys.path:
        sys.path.insert(0, folder)

from support.requirements import refuse  # noqa: E402

if os.name == "posix":
    import libvirt_lane
    import podman_lane
    from machines import Machines
    from place import Place, missing
else:
    # Namespaces and the tools that these tests drive are Linux's.
    collect_ignore_glob = ["test_*.py"]


def make_place() -> "Place":
    """Return the place that TUNELAB_LUGAR names, or skip (under CI: fail) for what this machine lacks."""
    lane: Any = libvirt_lane if os.environ.get("TUNELAB_LUGAR") == "libvirt" else podman_lane
    if os.name != "posix" or os.geteuid() != 0:
        refuse("las máquinas de prueba necesitan root: sudo ./scripts/test tests/infra")
    lacking = missing(lane.NEEDED)
    if lacking:
        refuse(f"falta {', '.join(lacking)}: sudo apt install --no-install-recommends {' '.join(lacking)}")
    place: Place = lane.make()
    return place


@pytest.fixture(scope="session")
def machines() -> "Iterator[Machines]":
    """Both machines, up, with port 5000 of the host taken beforehand (as AirPlay does on a Mac)."""
    with make_place() as place:
        machines = Machines(place)
        with machines.port_taken(5000):
            started = time.monotonic()
            machines.up_output = place.vagrant("up", timeout_s=3600)
            machines.seconds["up"] = time.monotonic() - started
        yield machines
        machines.report()


@pytest.fixture(scope="session")
def laptop(machines: "Machines") -> Any:
    """testinfra's host for the laptop, over SSH, as root."""
    return testinfra.get_host(
        "ssh://laptop", ssh_config=str(machines.ssh_config()), sudo=True, controlpersist=0
    )


@pytest.fixture(scope="session")
def exit_node(machines: "Machines") -> Any:
    """testinfra's host for the exit node, over SSH, as root."""
    return testinfra.get_host(
        "ssh://exit-node", ssh_config=str(machines.ssh_config()), sudo=True, controlpersist=0
    )


@pytest.fixture(scope="session")
def guests(laptop: Any, exit_node: Any) -> dict[str, Any]:
    """Both hosts by their names."""
    return {"laptop": laptop, "exit-node": exit_node}
