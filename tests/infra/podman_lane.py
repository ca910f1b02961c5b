"""The real `vagrant up` on podman: containers that run systemd, in a place of their own (see place.py).

What is kept between runs, under the cache folder, keyed by what it is made from:

    store-<key>/     container storage with the guests' image, which the runs only read
    paquete-<key>/   the offline bundle that scripts/empaquetar made for that image
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from place import HYBRID_CGROUP, ROOT, Place, PlaceError, bundle_for, cache_home, key_of, locked

#: Programs that the lane needs, and the Debian package of each.
NEEDED = {
    "vagrant": "vagrant",
    "podman": "podman",
    "crun": "crun",
    "conmon": "conmon",
    "mmdebstrap": "mmdebstrap",
    "iptables": "iptables",
    "nft": "nftables",
    "ssh": "openssh-client",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "nc": "netcat-openbsd",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}

#: The base that docker/Dockerfile starts from where there is no registry of images to ask.
BASE_IMAGE = "localhost/debian:12-slim"
DEBIAN_SOURCES = (
    "deb http://deb.debian.org/debian bookworm main",
    "deb http://deb.debian.org/debian bookworm-updates main",
    "deb http://deb.debian.org/debian-security bookworm-security main",
)

#: crun cannot raise limits that a container of our own withholds, and journald is not there to log to.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"

[network]
network_backend = "netavark"
network_config_dir = "{networks}"
"""

STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{root}"
runroot = "{runroot}"

[storage.options]
additionalimagestores = [{stores}]
"""


def image_key() -> str:
    """Return the key of the guest's image: its recipe, and the base under it."""
    recipe = [(ROOT / "docker" / name).read_bytes() for name in ("Dockerfile", "vagrant.pub")]
    return key_of(*recipe, *DEBIAN_SOURCES, os.uname().machine)


@dataclass(slots=True)
class Podman:
    """podman with storage and configuration of its own, and a mount namespace of its own."""

    folder: Path
    stores: tuple[Path, ...] = ()
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.folder / "storage"
        networks = self.folder / "networks"
        for path in (self.root, self.folder / "run", networks, self.folder / "bin"):
            path.mkdir(parents=True, exist_ok=True)
        (self.folder / "containers.conf").write_text(CONTAINERS_CONF.format(networks=networks))
        stores = ", ".join(f'"{store}"' for store in self.stores)
        storage = STORAGE_CONF.format(root=self.root, runroot=self.folder / "run", stores=stores)
        (self.folder / "storage.conf").write_text(storage)
        # Vagrant's provider runs `docker`; a real Docker client on PATH would have no engine to talk to.
        docker = self.folder / "bin" / "docker"
        docker.write_text('#!/bin/sh\nexec podman "$@"\n')
        docker.chmod(0o755)

    def settings(self) -> dict[str, str]:
        """Return the variables with which `podman` and `docker` mean this one."""
        return {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
        }

    def run(
        self, *arguments: str, stdout: IO[Any] | int = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        """Run one podman command with the host's network.

        Raises:
            PlaceError: it failed.
        """
        script = f'if mountpoint -q {HYBRID_CGROUP}; then umount {HYBRID_CGROUP}; fi; exec podman "$@"'
        command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "podman", *arguments]
        done = subprocess.run(
            command, stdout=stdout, stderr=subprocess.PIPE, text=True, env={**os.environ, **self.settings()}
        )
        if done.returncode:
            raise PlaceError(f"podman {' '.join(arguments)}\n{done.stderr[-3000:]}")
        return done


def guest_store() -> Path:
    """Return a container storage that holds the guest's image, making it if there is none (about 45 s).

    Its image is named `localhost/tunelab-guest:<image_key()>`; beside it `dpkg-status`, what it came with.
    """
    key = image_key()
    store = cache_home() / f"store-{key}"
    done = store / "complete"
    with locked(cache_home() / f"store-{key}.lock"):
        if done.exists():
            return store
        shutil.rmtree(store, ignore_errors=True)
        podman = Podman(store)
        with tempfile.TemporaryDirectory(prefix="tunelab-base-") as folder:
            tar = Path(folder, "base.tar")
            options = ["--variant=minbase", "--mode=root"]
            command = ["mmdebstrap", *options, "bookworm", str(tar), *DEBIAN_SOURCES]
            made = subprocess.run(command, capture_output=True, text=True)
            if made.returncode:
                raise PlaceError(f"mmdebstrap\n{made.stderr[-3000:]}")
            podman.run("import", "--quiet", str(tar), BASE_IMAGE)
        image = f"localhost/tunelab-guest:{key}"
        options = ["--network=host", f"--build-arg=BASE={BASE_IMAGE}", f"--tag={image}"]
        podman.run("build", *options, str(ROOT / "docker"))
        with (store / "dpkg-status").open("w") as file:
            podman.run("run", "--rm", "--network=none", image, "cat", "/var/lib/dpkg/status", stdout=file)
        done.touch()
    return store


class PodmanPlace(Place):
    """Vagrant's docker provider on podman. `bundle`: whether the checkout holds the offline bundle."""

    provider = "docker"

    def __init__(self, *, uplink: bool = False, bundle: bool = True) -> None:
        super().__init__(uplink=uplink)
        self.with_bundle = bundle
        self.store = guest_store()
        self.podman = Podman(self.folder / "podman", (self.store / "storage",))

    def prepare(self) -> None:
        """Put the bundle where an instructor's stick would."""
        if self.with_bundle:
            shutil.copytree(bundle_for(self.store / "dpkg-status"), self.checkout / "paquete")

    def dismantle(self) -> None:
        """Remove the containers: the storage is this run's alone, and so are all of them."""
        self.run("podman", "rm", "--all", "--force", "--time=0", check=False)

    def environment(self) -> dict[str, str]:
        """Return the environment of the commands: podman's configuration on top."""
        image = f"localhost/tunelab-guest:{image_key()}"
        return {**super().environment(), **self.podman.settings(), "LAB_IMAGEN": image}


def make() -> PodmanPlace:
    """Return the place of an ordinary run: no way out, and the bundle instead."""
    return PodmanPlace()
