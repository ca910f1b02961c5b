"""A systemd unit for exactly the options that were given.

The shape and the sandbox are those of ``tunnel/units``, which the Ansible roles and the exit nodes in clouds
are installed from too.  What changes is the command line; what it may read, which systemd hands over by
``LoadCredential=`` and ``BindReadOnlyPaths=``; and what low ports and homes ask for.

Directives: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html and ``systemd.service``.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import ceil
from pathlib import Path

import tunnel
from tunnel.config import ConfigError
from tunnel.service.words import Given
from tunnel.unit_text import allow_low_ports, with_lines

__all__ = ["MARK", "Order", "Unit", "make_unit", "own_program"]

MARK = "# tunelab: lo hizo «tunnel --generate=systemd» o «tunnel service install»."
"""What the first line of our units is; no other unit is ever changed."""

STATE_NAME = "tunelab"
"""The state folder of the exit node under /var/lib, as in the template."""

_STEPS_SINCE = 254  # RestartSteps=, RestartMaxDelaySec=: systemd 254's NEWS
_HOMES = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - what ProtectHome and PrivateTmp hide
_STOP_MARGIN_S = 5
_PLAIN_WORD = re.compile(r"[\w@+=:,./*\[\]~^-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Order:
    """What the unit is to run."""

    command: str  # server, client or fileserver
    name: str  # of the unit, without .service
    given: Sequence[Given]
    folder: Path  # where relative paths begin
    ports: tuple[int, ...] = ()  # that it is to listen on
    drain_timeout_s: float = 10.0
    is_on_loopback: bool = False  # it listens there and speaks to nobody else
    beside: tuple[Path, ...] = ()  # secret files that one of its files names, and looks for in its own folder


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's file."""

    name: str
    text: str
    reads: tuple[Path, ...]  # what must be there when it starts
    warnings: tuple[str, ...]  # Spanish, for whoever installs it

    @property
    def file_name(self) -> str:
        """What the file is called under /etc/systemd/system."""
        return f"{self.name}.service"


def own_program() -> tuple[str, ...]:
    """Return the words that run this very installation's ``tunnel``."""
    script = Path(sys.prefix) / "bin" / "tunnel"
    return (str(script),) if script.is_file() else (sys.executable, "-m", "tunnel")


def make_unit(order: Order, program: Sequence[str], systemd_version: int) -> Unit:
    """Return the unit.

    Args:
        systemd_version: of the machine that it is for; 0 where it is not known.

    Raises:
        ConfigError: an option makes no sense in a service.
    """
    words = _Words(order)
    shown = words.visible + _hidden_places(program)
    template = (
        files("tunnel").joinpath("units", f"tunnel-{order.command}.service").read_text(encoding="utf-8")
    )
    text = re.sub(r"\A(#.*\n)+", f"{MARK}\n", template)
    line = " ".join([*map(_quoted, program), order.command, *words.arguments])
    text = with_lines(text, "ExecStart", [line])
    text = with_lines(
        text, "LoadCredential", [f"{name}:{_specifiers(str(path))}" for name, path in words.credentials]
    )
    text = with_lines(text, "BindReadOnlyPaths", [_in_quotes(str(path)) for path in shown])
    text = with_lines(text, "TimeoutStopSec", [str(ceil(order.drain_timeout_s) + _STOP_MARGIN_S)])
    if systemd_version >= _STEPS_SINCE:
        text = with_lines(text, "RestartSec", ["1\nRestartSteps=6\nRestartMaxDelaySec=60"])
    if any(path.is_relative_to(home) for path in shown for home in ("/home", "/root", "/run/user")):
        text = with_lines(text, "ProtectHome", ["tmpfs"])
    text = allow_low_ports(text, order.ports)
    if order.is_on_loopback:
        text = with_lines(text, "IPAddressDeny", ["any\nIPAddressAllow=localhost"])
    if order.command == "server" and order.name != "tunnel-server":
        text = with_lines(text, "StateDirectory", [order.name])
    reads = tuple(path for _, path in words.credentials) + tuple(words.visible)
    return Unit(order.name, text, reads, tuple(words.warnings))


class _Words:
    """The options, as the service is to be given them."""

    def __init__(self, order: Order) -> None:
        self.arguments: list[str] = []
        self.credentials: list[tuple[str, Path]] = []
        self.visible: list[Path] = []
        self.warnings: list[str] = []
        self._order = order
        for given in order.given:
            self._add(given)
        self.credentials += [(path.name, path) for path in order.beside]

    def _add(self, given: Given) -> None:
        if given.value is None:
            self.arguments.append(given.option)
        elif given.is_path and given.value:
            self.arguments += [given.option, self._path(given, self._order.folder / given.value)]
        else:
            self.arguments.append(_quoted(f"{given.option}={given.value}"))

    def _path(self, given: Given, path: Path) -> str:
        path = Path(*path.parts)  # «./a» is «a»
        if not str(path).isprintable() or ":" in str(path):  # one is a line's end, the other a separator
            raise ConfigError(
                f"{given.option}: en un servicio la ruta {str(path)!r} no puede llevar dos puntos ni saltos "
                "de línea. Cámbiele el nombre."
            )
        if given.dest == "state_dir" or (self._order.command == "server" and given.dest == "conexion"):
            raise ConfigError(
                f"{given.option} sobra en un servicio: su carpeta de estado es /var/lib/{self._state_name}, "
                "con el archivo de conexión adentro, y la crea systemd."
            )
        if path.is_dir() or (path.is_file() and os.access(path, os.X_OK)):  # a program runs where it is
            self.visible.append(path)
            if not path.stat().st_mode & stat.S_IXOTH:
                self.warnings.append(
                    f"el servicio corre con un usuario propio, que no podrá entrar a {path}. Deje que otros "
                    f"usuarios la lean: chmod -R o+rX {path}"
                )
            return _quoted(str(path))
        name = given.dest.replace("_", "-")
        taken = [known for known, _ in self.credentials]
        if name in taken:
            name = f"{name}-{sum(word.startswith(name) for word in taken) + 1}"
        if not path.exists():
            self.warnings.append(f"{given.option}: {path} no existe; el servicio no arranca sin él.")
        self.credentials.append((name, path))
        return f"%d/{name}"

    @property
    def _state_name(self) -> str:
        return STATE_NAME if self._order.name == "tunnel-server" else self._order.name


def _hidden_places(program: Sequence[str]) -> list[Path]:
    """Return the folders of this program that a service would not see in somebody's home."""
    package = Path(tunnel.__file__).parent
    interpreter = Path(sys.base_prefix)
    needed = [Path(sys.prefix), interpreter, package]
    hidden = [path for path in needed if any(path.is_relative_to(home) for home in _HOMES)]
    return [
        path for path in hidden if not any(path != other and path.is_relative_to(other) for other in hidden)
    ]


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """Return one word of a command line, so that systemd takes it for nothing else (systemd.service, "Command
    lines")."""
    return word if _PLAIN_WORD.fullmatch(word) else _in_quotes(word).replace("$", "$$")


def _in_quotes(text: str) -> str:
    """Return one word of a setting (systemd.syntax, "Quoting"; systemd.unit, "Specifiers")."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for character, name in (("\n", "n"), ("\r", "r"), ("\t", "t")):
        escaped = escaped.replace(character, f"\\{name}")
    return f'"{_specifiers(escaped)}"'
