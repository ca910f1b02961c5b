"""What is asked of a provider, planned, found and answered: data, with no behaviour of its own."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tunnel.config import Secret

__all__ = [
    "Announcement",
    "Facts",
    "FoundNode",
    "Order",
    "Plan",
    "Query",
    "Search",
    "StepInfo",
    "Student",
]

# What a step learned, by name: ``address``, ``zone``…  Strings only; recorded as they are.
Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Student:
    """One line of a roster."""

    code: str  # as in the roster
    name: str
    email: str = ""
    slug: str = ""  # lower case letters, digits, hyphens: fits a label, a name, a host name


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked: one exit node.  Everything that a plan depends on is in here."""

    provider: str
    name: str  # lower case letters, digits, hyphens; at most 50 characters; unique for its provider
    folder: Path  # the node's own, private: made before the first step
    student: str = ""  # slug
    lab: str = ""  # slug
    course: str = "tunelab"
    region: str = ""  # the provider's name for it; empty: its default
    source_ranges: tuple[str, ...] = ()  # CIDR; empty: from anywhere
    duration_s: int = 4 * 3600  # how long until the node removes itself, where the provider can do that
    tcp_ports: tuple[int, ...] = ()  # that clients may ask for, besides the two of the tunnel
    data_port: int = 8000
    control_port: int = 8123
    students: tuple[Student, ...] = ()  # those who share the node; empty: it is one student's
    options: tuple[tuple[str, str], ...] = ()  # the provider's own, by the name of their flag without "--"

    def option(self, name: str, default: str = "") -> str:
        """Return the provider's own option ``name``."""
        return dict(self.options).get(name, default)

    @property
    def is_shared(self) -> bool:
        """Whether several students share the node, each with a token and a name."""
        return bool(self.students)

    @property
    def secret_file(self) -> Path:
        """What ``tunnel server`` reads, by ``--tokens-file`` if shared, by ``--token-file`` if not."""
        return self.folder / ("tokens.toml" if self.is_shared else "token")

    @property
    def connection_file(self) -> Path:
        """What ``tunnel client --conexion`` reads.  A shared node has one for each student beside it."""
        return self.folder / "conexion.toml"

    @property
    def tcp_ports_text(self) -> str:
        """Its TCP ports as ``tunnel server`` takes them; empty where there are none."""
        return ",".join(map(str, self.tcp_ports))

    @property
    def labels(self) -> dict[str, str]:
        """The labels of everything that the provider makes, in the order in which they are shown."""
        return {"curso": self.course, "alumno": self.student, "laboratorio": self.lab, "nodo": self.name}


@dataclass(frozen=True, slots=True)
class StepInfo:
    """What a person sees of a step before it is done, and what the script does in its place."""

    id: str  # stable: it is in the state file
    title: str  # what is made, as a noun: "la regla del cortafuegos"
    why: str  # one sentence, in Spanish
    argv: tuple[str, ...] = ()  # the exact command, or
    call: str = ""  # the call, where the provider is an API
    probe: tuple[str, ...] = ()  # a command that ends with 0 if the thing exists already
    undo: tuple[str, ...] = ()  # the exact command that removes it
    prices: tuple[str, ...] = ()  # keys of prices.toml
    script: str = ""  # bash, in place of what is derived from probe and argv
    is_kept: bool = False  # removal leaves it alone: it was there before, or serves others

    @property
    def command(self) -> str:
        """The command as a person copies it into a shell, or the call."""
        return shlex.join(self.argv) if self.argv else self.call

    @property
    def undo_command(self) -> str:
        """The command that removes it, as a person copies it."""
        return shlex.join(self.undo)


@dataclass(frozen=True, slots=True)
class Search:
    """What nodes are looked for, wherever they were made from."""

    course: str = "tunelab"
    options: tuple[tuple[str, str], ...] = ()  # the provider's own, as in an order

    def option(self, name: str, default: str = "") -> str:
        """Return the provider's own option ``name``."""
        return dict(self.options).get(name, default)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of an order, in the order in which they are made, and what a person should know first."""

    order: Order
    steps: tuple[StepInfo, ...]
    notes: tuple[str, ...] = ()  # sentences in Spanish, shown under the plan
    is_simulated: bool = False  # every line says so
    brings_secret: bool = False  # no token is made here: the node has one already


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a node says of itself, over a channel that the provider vouches for."""

    url: str  # of the control plane: wss://192.0.2.10:8123
    public_url: str  # of the data plane: http://192.0.2.10:8000
    pin: str  # of the certificate authority: "sha256:" and 64 hex digits, or "token"
    token: Secret | None = None  # where the node made it; None: the one of ``order.secret_file``


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the provider, and its answer."""

    question: str  # the command, or the call
    answer: tuple[str, ...] = ()  # what is there, one a line; empty: nothing


@dataclass(frozen=True, slots=True)
class FoundNode:
    """A node that the provider knows, found by its labels."""

    provider: str
    name: str
    state: str  # Spanish: "en marcha", "detenido", "a medias"
    student: str = ""
    lab: str = ""
    region: str = ""
    public_url: str = ""
    expires: str = ""  # ISO 8601, UTC
    prices: tuple[str, ...] = ()  # keys of prices.toml of what it holds now
    is_simulated: bool = False
    facts: Facts = field(default_factory=dict)
