"""What exists in the simulated cloud, in one file that one command at a time works on."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunnel.secret_files import replace_private_file

__all__ = ["Fault", "Machine", "Project", "Rule", "Settings", "World", "opened"]

_WORLD = "nube.json"
_SETTINGS = "ajustes.json"


@dataclass(slots=True)
class Project:
    """A project."""

    id: str
    labels: dict[str, str] = field(default_factory=dict)
    state: str = "ACTIVE"
    billing: str = ""  # the account that pays
    services: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Machine:
    """An instance."""

    project: str
    name: str
    zone: str
    labels: dict[str, str]
    metadata: dict[str, str]
    address: str = ""
    guest: str = ""  # the container; empty: none
    status: str = "RUNNING"


@dataclass(slots=True)
class Rule:
    """A firewall rule."""

    project: str
    name: str
    allowed: str
    source_ranges: str
    target_tags: str
    description: str


@dataclass(slots=True)
class World:
    """All of it.  At first: one account that is logged in, one project with billing and the API."""

    projects: list[Project] = field(
        default_factory=lambda: [
            Project("tunelab-simulado", billing="SIMULA-000000-000001", services=["compute.googleapis.com"])
        ]
    )
    machines: list[Machine] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    accounts: list[str] = field(default_factory=lambda: ["estudiante@example.com"])
    billing_accounts: list[str] = field(default_factory=lambda: ["SIMULA-000000-000001"])
    configured_project: str = "tunelab-simulado"
    fault_uses: dict[str, int] = field(default_factory=dict)  # by number in the settings


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure that is asked for."""

    command: str
    kind: str  # see ``faults``
    times: int = 1
    zone: str = ""  # only there
    after: bool = False  # what was asked is done, and the answer is lost


@dataclass(frozen=True, slots=True)
class Settings:
    """What the one who runs the simulation asks for, in ``ajustes.json``."""

    guests: str = "podman"  # or "ninguno": the machines are only entries
    image: str = "localhost/tunelab-nube:12"
    network: str = "podman"  # podman's own
    wheels: str = ""  # a folder of wheels, for guests without a way out
    latency_s: float = 0.3
    faults: tuple[Fault, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Settings:
        """Read the file; where there is none, the defaults."""
        try:
            values: dict[str, Any] = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        faults = tuple(Fault(**fault) for fault in values.pop("faults", []))
        return cls(**values, faults=faults)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[World]:
    """Give the world, alone; what was changed in it is on disk when the block ends, even by an error."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "candado", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        path = folder / _WORLD
        world = _parse(path.read_text(encoding="utf-8")) if path.exists() else World()
        before = json.dumps(dataclasses.asdict(world))
        try:
            yield world
        finally:
            after = json.dumps(dataclasses.asdict(world), ensure_ascii=False, indent=1)
            if json.dumps(dataclasses.asdict(world)) != before or not path.exists():
                replace_private_file(path, after + "\n")
    finally:
        os.close(descriptor)


def _parse(text: str) -> World:
    values: dict[str, Any] = json.loads(text)
    return World(
        projects=[Project(**item) for item in values.pop("projects")],
        machines=[Machine(**item) for item in values.pop("machines")],
        rules=[Rule(**item) for item in values.pop("rules")],
        **values,
    )
