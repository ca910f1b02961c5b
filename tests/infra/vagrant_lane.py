"""A private place where the real `vagrant up` runs on podman, and from which nothing escapes.

    cache (kept between runs, keyed by what it is made from)
      store-<key>/     container storage with the guest's image, read-only for the runs
      paquete-<key>/   the offline bundle that scripts/empaquetar made for that image
    lane (one run's, removed at its end)
      a mount namespace    without the cgroup mount that crun refuses, where there is one
      a network namespace  loopback and podman's bridge 192.168.56.1/24, no way out: two runs, or a run and the
                           machine's own services, never see each other's ports or networks
      its own containers.conf, container storage, Vagrant home and copy of the checkout

Guests without a way out are the proof that the bundle makes the network unnecessary. `Lane(uplink=True)` gives them
one, through slirp4netns, for the runs that want to see the downloads.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]

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
}
HELPERS = {"/usr/lib/podman/netavark": "netavark", "/usr/lib/podman/aardvark-dns": "aardvark-dns"}

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

#: The cgroup mount of a machine that has both versions: crun 1.8 refuses it. Unmounted in our namespace only.
HYBRID_CGROUP = "/sys/fs/cgroup/unified"


class LaneError(Exception):
    """A command of the lane failed; carries what it printed."""


def missing() -> list[str]:
    """Return the Debian packages that this machine lacks for the lane, without duplicates."""
    packages = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    packages += [package for path, package in HELPERS.items() if not Path(path).exists()]
    return sorted(set(packages))


def cache_home() -> Path:
    """Return the folder whose content outlives a run."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tunelab"


def key_of(*parts: str | bytes) -> str:
    """Return a short hash of what something is made from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:12]


def image_key() -> str:
    """Return the key of the guest's image: its recipe, and the base under it."""
    recipe = [(ROOT / "docker" / name).read_bytes() for name in ("Dockerfile", "vagrant.pub")]
    return key_of(*recipe, *DEBIAN_SOURCES, os.uname().machine)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock, so that two runs at a time make a cached thing once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(slots=True)
class Podman:
    """podman with storage and configuration of its own, in a mount namespace of its own where one is needed."""

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

    def environment(self) -> dict[str, str]:
        """Return the environment in which `podman` and `docker` mean this one."""
        return {
            **os.environ,
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
        }

    def run(self, *arguments: str, stdout: IO[Any] | int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
        """Run one podman command with the host's network.

        Raises:
            LaneError: it failed.
        """
        script = f"if mountpoint -q {HYBRID_CGROUP}; then umount {HYBRID_CGROUP}; fi; exec podman \"$@\""
        command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "podman", *arguments]
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=self.environment())
        if done.returncode:
            raise LaneError(f"podman {' '.join(arguments)}\n{done.stderr[-3000:]}")
        return done


def guest_store() -> Path:
    """Return a container storage that holds the guest's image, making it if there is none (about 45 s).

    Its image is named `localhost/tunelab-guest:<image_key()>`, and beside it lies `dpkg-status`, what the image came
    with.
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
            command = ["mmdebstrap", "--variant=minbase", "--mode=root", "bookworm", str(tar), *DEBIAN_SOURCES]
            made = subprocess.run(command, capture_output=True, text=True)
            if made.returncode:
                raise LaneError(f"mmdebstrap\n{made.stderr[-3000:]}")
            podman.run("import", "--quiet", str(tar), BASE_IMAGE)
        image = f"localhost/tunelab-guest:{key}"
        podman.run(
            "build", "--network=host", f"--build-arg=BASE={BASE_IMAGE}", f"--tag={image}", str(ROOT / "docker")
        )
        with (store / "dpkg-status").open("w") as file:
            podman.run("run", "--rm", "--network=none", image, "cat", "/var/lib/dpkg/status", stdout=file)
        done.touch()
    return store


def bundle_for(store: Path) -> Path:
    """Return an offline bundle for the guests of a store, made by scripts/empaquetar if there is none (about 10 s)."""
    made_from = [(ROOT / name).read_bytes() for name in ("ansible/paquetes.txt", "requirements.lock")]
    maker = (ROOT / "scripts" / "_empaquetar.py").read_bytes()
    key = key_of(*made_from, maker, (store / "dpkg-status").read_bytes())
    bundle = cache_home() / f"paquete-{key}"
    with locked(cache_home() / f"paquete-{key}.lock"):
        if not bundle.exists():
            command = [str(ROOT / "scripts" / "empaquetar"), "--aqui", "--estado", str(store / "dpkg-status")]
            made = subprocess.run([*command, "--salida", str(bundle)], capture_output=True, text=True)
            if made.returncode:
                raise LaneError(f"empaquetar\n{made.stdout}{made.stderr}")
    return bundle


def copy_checkout(target: Path) -> None:
    """Copy what git knows of the checkout, changes included: a run writes beside the Vagrantfile."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


class Lane:
    """One run of the two machines: `open`, `vagrant("up")`, and `close`, which removes every trace.

    `commands` collects how long each Vagrant command took, in seconds, for the reports.
    """

    def __init__(self, *, uplink: bool = False, bundle: bool = True) -> None:
        self.uplink = uplink
        self.with_bundle = bundle
        self.folder = Path(tempfile.mkdtemp(prefix="tunelab-lane-"))
        self.checkout = self.folder / "curso"
        self.store = guest_store()
        self.podman = Podman(self.folder / "podman", (self.store / "storage",))
        self._holder: subprocess.Popen[str] | None = None
        self._slirp: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Lane:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Make the namespaces and the copy of the checkout."""
        copy_checkout(self.checkout)
        if self.with_bundle:
            shutil.copytree(bundle_for(self.store), self.checkout / "paquete")
        script = textwrap.dedent(
            f"""\
            if mountpoint -q {HYBRID_CGROUP}; then umount {HYBRID_CGROUP}; fi
            ip link set lo up
            echo ready
            exec sleep infinity
            """
        )
        command = ["unshare", "--mount", "--net", "--propagation", "slave", "sh", "-ec", script]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            raise LaneError("the namespaces could not be made: this needs root, or a machine that lets us")
        if self.uplink:
            self._open_uplink()

    def _open_uplink(self) -> None:
        assert self._holder is not None
        read, write = os.pipe()
        command = ["slirp4netns", "--configure", "--mtu=65520", f"--ready-fd={write}", str(self._holder.pid), "tap0"]
        self._slirp = subprocess.Popen(
            command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(write)
        with os.fdopen(read) as ready:
            if not ready.read(1):
                raise LaneError("slirp4netns did not start")

    def environment(self) -> dict[str, str]:
        """Return the environment of the commands of the lane."""
        return {
            **self.podman.environment(),
            "VAGRANT_HOME": str(self.folder / "vagrant"),
            "VAGRANT_DEFAULT_PROVIDER": "docker",
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "LAB_IMAGEN": f"localhost/tunelab-guest:{image_key()}",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }

    def enter(self) -> list[str]:
        """Return the words that, put before a command, run it inside the lane."""
        if self._holder is None:
            raise LaneError("the lane is not open")
        return ["nsenter", f"--target={self._holder.pid}", "--mount", "--net"]

    def run(
        self, *command: str, check: bool = True, timeout_s: float = 600, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the lane, in the copy of the checkout; stderr comes within stdout.

        Raises:
            LaneError: it failed and `check` is set; or it took longer than `timeout_s`.
        """
        try:
            done = subprocess.run(
                [*self.enter(), f"--wd={self.checkout}", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**self.environment(), **(env or {})},
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise LaneError(f"{' '.join(command)}: more than {timeout_s} s\n{error.stdout}") from error
        if check and done.returncode:
            raise LaneError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-12000:]}")
        return done

    def vagrant(self, *arguments: str, env: Mapping[str, str] | None = None, check: bool = True) -> str:
        """Run Vagrant as a person would, and return what it printed."""
        return self.run("vagrant", *arguments, "--no-color", env=env, check=check).stdout

    def ssh_config(self) -> Path:
        """Write and return an ssh configuration that reaches the guests from outside the lane."""
        text = self.run("vagrant", "ssh-config").stdout
        proxy = " ".join([*self.enter(), "nc", "%h", "%p"])
        text = text.replace("  User vagrant\n", f"  User vagrant\n  ProxyCommand {proxy}\n  ControlMaster no\n")
        path = self.folder / "ssh_config"
        path.write_text(text)
        return path

    def container(self, machine: str) -> str:
        """Return the id of a machine's container."""
        return (self.checkout / ".vagrant" / "machines" / machine / "docker" / "id").read_text()

    def host_port(self, machine: str, guest_port: int) -> int:
        """Return the port of the lane's loopback that leads to a guest's."""
        found = json.loads(self.run("podman", "inspect", self.container(machine)).stdout)
        return int(found[0]["NetworkSettings"]["Ports"][f"{guest_port}/tcp"][0]["HostPort"])

    def close(self) -> None:
        """Remove the containers, end the processes and remove the folder; each by its id, all of them ours."""
        with contextlib.suppress(LaneError):
            if self._holder is not None:
                # The storage is this run's, so --all are this run's containers.
                self.run("podman", "rm", "--all", "--force", "--time=0", check=False)
        for process in (self._slirp, self._holder):
            if process is not None:
                process.send_signal(signal.SIGKILL)
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
