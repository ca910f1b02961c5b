"""The machines of the simulation: systemd guests on podman, or none at all.

A guest and the simulation share one folder: the machine's metadata go in, its guest attributes and its
console come out.  The metadata server itself runs inside the guest (``agente/``), and so ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from tunnel.exitnodes.errors import MissingTool
from tunnel.exitnodes.simulation.faults import GcloudError
from tunnel.exitnodes.simulation.world import Machine, Settings

__all__ = ["Guests", "NoGuests", "PodmanGuests", "make_guests", "require_guests"]

LABEL = "tunelab-simulacion"  # of each container: how a person, and a test, finds them
_METADATA_ADDRESS = "169.254.169.254"  # https://cloud.google.com/compute/docs/metadata/overview
_PIP_CONF = "[global]\nno-index = true\nfind-links = /srv/ruedas\n"
_AGENT = Path(__file__).parent / "agente"

Attributes = Mapping[tuple[str, str], str]  # (namespace, key) → value


class Guests(ABC):
    """Where machines run."""

    @abstractmethod
    def start(self, machine: Machine, number: int) -> None:
        """Start a machine, and note its address and its container in it."""

    @abstractmethod
    def end(self, machine: Machine) -> None:
        """End a machine and forget all it left."""

    def write_metadata(self, machine: Machine) -> None:  # noqa: B027 - where there is no machine, nobody reads
        """Make a running machine see its metadata as they are now."""

    def attributes(self, machine: Machine) -> Attributes:
        """Return what the machine has published of itself."""
        return {}

    def console(self, machine: Machine) -> str:
        """Return what its start wrote."""
        return ""

    def enter(self, machine: Machine, command: str) -> None:
        """Open a shell on it, or run a command there.  Raises GcloudError where that cannot be."""
        raise GcloudError("this simulated machine is only an entry: nobody can enter it")


class NoGuests(Guests):
    """Machines that are only entries: for what is not about machines."""

    def start(self, machine: Machine, number: int) -> None:
        """See the base class.  Addresses: RFC 5737, section 3."""
        machine.address = f"192.0.2.{10 + number % 200}"

    def end(self, machine: Machine) -> None:
        """See the base class."""


class PodmanGuests(Guests):
    """Machines that are containers with systemd."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder

    def start(self, machine: Machine, number: int) -> None:
        """See the base class."""
        shared = self._shared(machine)
        self.end(machine)  # of a start that was cut short
        (shared / "atributos").mkdir(mode=0o700, parents=True)
        self.write_metadata(machine)
        name = self._container(machine)
        mounts = ["--volume", f"{shared}:/srv/nube"]
        if self._settings.wheels:
            # What a cloud's machine gets from an index, one without a way out gets from a folder.
            (self._folder / "pip.conf").write_text(_PIP_CONF, encoding="utf-8")
            mounts += ["--volume", f"{self._folder / 'pip.conf'}:/etc/pip.conf:ro"]
            mounts += ["--volume", f"{self._settings.wheels}:/srv/ruedas:ro"]
        _podman(
            *("run", "--detach", "--name", name, "--hostname", machine.name, "--label", LABEL),
            *("--systemd=always", "--privileged", f"--network={self._settings.network}"),
            *("--add-host", f"metadata.google.internal:{_METADATA_ADDRESS}", *mounts),
            *(self._settings.image, "/lib/systemd/systemd"),
        )
        machine.guest = name
        seen = json.loads(_podman("inspect", "--format", "{{json .NetworkSettings.Networks}}", name))
        machine.address = next(iter(seen.values()))["IPAddress"]

    def end(self, machine: Machine) -> None:
        """See the base class."""
        _podman("rm", "--force", "--ignore", "--time=0", self._container(machine))
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._shared(machine))

    def write_metadata(self, machine: Machine) -> None:
        """See the base class."""
        folder = self._shared(machine) / "metadatos"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.name not in machine.metadata:
                path.unlink()
        for key, value in machine.metadata.items():
            path = folder / key
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(value)

    def attributes(self, machine: Machine) -> Attributes:
        """See the base class."""
        folder = self._shared(machine) / "atributos"
        return {
            (path.parent.name, path.name): path.read_text(encoding="utf-8") for path in folder.glob("*/*")
        }

    def console(self, machine: Machine) -> str:
        """See the base class."""
        path = self._shared(machine) / "consola.txt"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def enter(self, machine: Machine, command: str) -> None:
        """See the base class."""
        words = ["sh", "-c", command] if command else ["bash"]
        terminal = [] if command else ["--tty"]
        argv = ["podman", "exec", "--interactive", *terminal, self._container(machine), *words]
        ended = subprocess.run(argv, check=False)  # noqa: S603 - the simulation's own
        if ended.returncode:
            raise GcloudError(f"[/usr/bin/ssh] exited with return code [{ended.returncode}].")

    def _container(self, machine: Machine) -> str:
        return f"{LABEL}-{machine.project}-{machine.zone}-{machine.name}"

    def _shared(self, machine: Machine) -> Path:
        return self._folder / "maquinas" / self._container(machine)


def make_guests(settings: Settings, folder: Path) -> Guests:
    """Return where the machines of a simulation run."""
    return NoGuests() if settings.guests == "ninguno" else PodmanGuests(settings, folder)


def require_guests(folder: Path) -> None:
    """Refuse early where no machine could be started.

    Raises:
        MissingTool: podman is missing, or the image, or the rights.
    """
    settings = Settings.load(folder)
    if settings.guests == "ninguno":
        return
    if shutil.which("podman") is None:
        raise MissingTool(
            "--simulada pone en marcha la máquina simulada con podman, que no está: «apt install "
            "podman». Para ver solo el plan agregue --plan; un nodo sin máquinas ni cuenta: --provider local."
        )
    if os.geteuid() != 0:
        raise MissingTool("--simulada necesita root, porque pone en marcha una máquina con red: use sudo.")
    query = ["podman", "image", "exists", settings.image]
    if subprocess.run(query, check=False, capture_output=True).returncode:  # noqa: S603
        raise MissingTool(
            f"falta la imagen de la máquina simulada, {settings.image}. Hágala, una vez y con red:\n"
            "  podman build --tag localhost/tunelab-guest:12 docker\n"
            f"  podman build --build-arg BASE=localhost/tunelab-guest:12 --tag {settings.image} {_AGENT}"
        )


def _podman(*arguments: str) -> str:
    argv: Sequence[str] = ["podman", *arguments]
    try:
        ended = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise GcloudError("podman is not on PATH: no simulated machine can be started") from None
    if ended.returncode:
        raise GcloudError(f"podman {arguments[0]} failed: {ended.stderr.strip()[-800:]}")
    return ended.stdout
