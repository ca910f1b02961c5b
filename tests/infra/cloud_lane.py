"""The simulated cloud's machine on podman, in a place of its own (see place.py and podman_lane.py).

Kept between runs beside the guests' image: ``store-nube-<key>/``, container storage with the machine's image.
The wheels come from the same offline bundle as those of the virtual machines.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from place import ROOT, Place, bundle_for, cache_home, key_of, locked
from podman_lane import Podman, guest_store, image_key

#: What of podman_lane.NEEDED this lane does without.
NOT_NEEDED = ("vagrant", "ssh", "nc")

IMAGE = "localhost/tunelab-nube:12"
AGENT = ROOT / "tunnel" / "exitnodes" / "simulation" / "agente"


def cloud_store() -> Path:
    """Return a container storage that holds the machine's image, making it if there is none (about 20 s)."""
    guests = guest_store()
    recipe = [path.read_bytes() for path in sorted(AGENT.iterdir()) if path.is_file()]
    key = key_of(image_key(), *recipe)
    store = cache_home() / f"store-nube-{key}"
    done = store / "complete"
    with locked(cache_home() / f"store-nube-{key}.lock"):
        if not done.exists():
            shutil.rmtree(store, ignore_errors=True)
            podman = Podman(store, (guests / "storage",))
            base = f"localhost/tunelab-guest:{image_key()}"
            podman.run(
                "build",
                "--network=host",
                f"--build-arg=BASE={base}",
                f"--tag={IMAGE}",
                "--squash",
                str(AGENT),
            )
            done.touch()
    return store


class CloudPlace(Place):
    """A place where the simulation's machines run; without a way out."""

    provider = "docker"

    def __init__(self) -> None:
        super().__init__()
        guests = guest_store()
        self.podman = Podman(self.folder / "podman", (cloud_store() / "storage", guests / "storage"))
        self.wheels = bundle_for(guests / "dpkg-status") / "wheels"

    def dismantle(self) -> None:
        """Remove the containers: the storage is this run's alone, and so are all of them."""
        self.run("podman", "rm", "--all", "--force", "--time=0", check=False)

    def environment(self) -> dict[str, str]:
        """Return the environment of the commands: podman's configuration, and the state of this run alone."""
        found = {**os.environ, **self.podman.settings(), "LC_ALL": "C.UTF-8"}
        return {**found, "XDG_STATE_HOME": str(self.folder / "estado")}
