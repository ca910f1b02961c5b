"""This machine's systemd, through systemctl."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunnel.os_errors import describe_os_error
from tunnel.service.unit import MARK, Unit

__all__ = [
    "UNITS",
    "HostError",
    "NotOurs",
    "Service",
    "check_host",
    "installed",
    "put",
    "show",
    "systemd_version",
    "take_away",
]

UNITS = Path("/etc/systemd/system")
_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_TIMEOUT_S = 180.0
_SHOWN = ("ActiveState", "SubState", "StatusText", "NRestarts", "MainPID", "UnitFileState", "StateDirectory")


class HostError(Exception):
    """This machine cannot do it.  The text (Spanish) says why and what to do."""


class NotOurs(Exception):  # noqa: N818 - what the caller tells
    """A unit of that name is there, and was not made by this program; or none is."""


@dataclass(frozen=True, slots=True)
class Service:
    """How an installed service is."""

    name: str
    active: str  # active, activating, failed…: systemctl(1)
    detail: str  # running, auto-restart…
    status: str  # what the program says of itself
    restarts: int
    pid: int  # 0: none
    is_enabled: bool
    state_folder: str  # empty: it keeps no state

    @property
    def is_active(self) -> bool:
        """Whether it runs."""
        return self.active == "active"


def systemd_version() -> int:
    """Return the version of this machine's systemd; 0 where there is none."""
    try:
        said = _run(["systemctl", "--version"], dict(os.environ))
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"systemd (\d+)", said.stdout)
    return int(found[1]) if found else 0


def check_host(is_root_needed: bool = True) -> None:
    """Raise HostError unless this machine runs systemd and lets us speak to it."""
    if sys.platform != "linux":
        raise HostError(
            "los servicios se instalan en Linux con systemd. En Windows use el Programador de tareas, y en "
            "macOS launchd, con la misma orden."
        )
    if not _BOOTED.is_dir():
        raise HostError(
            "esta máquina no arrancó con systemd (¿un contenedor?, ¿WSL sin systemd?). La unidad se puede "
            "ver con --dry-run y llevar a otra máquina."
        )
    if is_root_needed and os.geteuid() != 0:
        raise HostError("hace falta ser root: repita la orden con sudo adelante.")


def put(unit: Unit) -> bool:
    """Put the unit in place, enable it and start it; wait until the program says that it is ready.

    Returns:
        Whether the file is new or changed; one that was the same is only started.

    Raises:
        HostError: it did not start, or cannot be written.
        NotOurs: another program's unit has that name.
    """
    path = UNITS / unit.file_name
    if path.exists() and not _is_ours(path):
        raise NotOurs(unit.name)
    is_changed = not path.exists() or path.read_text(encoding="utf-8") != unit.text
    if is_changed:
        scratch = path.with_name(f".{path.name}.nuevo")
        try:
            scratch.write_text(unit.text, encoding="utf-8")
            scratch.chmod(0o644)  # no secret is in it, and systemd-analyze reads it for anybody
            scratch.replace(path)
        except OSError as error:
            raise HostError(f"no se puede escribir {path}: {describe_os_error(error)}.") from None
        _systemctl("daemon-reload")
    _systemctl("enable", "--quiet", unit.file_name)
    try:
        _systemctl("restart" if is_changed else "start", unit.file_name)
    except HostError:
        raise HostError(
            f"{unit.name} quedó instalado y no arrancó. Por qué: journalctl --unit {unit.name} --lines 20"
        ) from None
    return is_changed


def take_away(name: str, *, with_state: bool) -> str:
    """Stop a service and remove its unit.

    Returns:
        The state folder that is left; empty if none is.

    Raises:
        HostError: systemd refused.
        NotOurs: there is no such unit of ours.
    """
    path = UNITS / f"{name}.service"
    if not path.exists() or not _is_ours(path):
        raise NotOurs(name)
    state = show(name).state_folder
    _systemctl("disable", "--quiet", "--now", path.name)
    if state and with_state:
        _systemctl("clean", "--what=state", path.name)
    path.unlink()
    _systemctl("daemon-reload")
    _systemctl("reset-failed", path.name, may_fail=True)  # it may not have failed
    return "" if with_state or not state or not Path(state).exists() else state


def installed() -> list[str]:
    """Return the names of our services on this machine."""
    try:
        return sorted(path.stem for path in UNITS.glob("*.service") if path.is_file() and _is_ours(path))
    except OSError:
        return []


def show(name: str) -> Service:
    """Return how a service is.  Raises HostError."""
    said = _systemctl("show", f"--property={','.join(_SHOWN)}", f"{name}.service")
    facts = dict(line.partition("=")[::2] for line in said.splitlines())
    state = facts.get("StateDirectory", "")
    return Service(
        name,
        facts.get("ActiveState", ""),
        facts.get("SubState", ""),
        facts.get("StatusText", ""),
        int(facts.get("NRestarts") or 0),
        int(facts.get("MainPID") or 0),
        facts.get("UnitFileState", "") == "enabled",
        f"/var/lib/{state}" if state else "",
    )


def _is_ours(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip("\n") == MARK


def _systemctl(*words: str, may_fail: bool = False) -> str:
    command = ["systemctl", "--no-ask-password", *words]
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
    try:
        done = _run(command, environ)
    except (OSError, subprocess.SubprocessError) as error:
        raise HostError(f"no se pudo correr {' '.join(command)}: {error}") from None
    if done.returncode and not may_fail:
        raise HostError(f"falló «{' '.join(command)}»: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _run(command: Sequence[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, env=environ, timeout=_TIMEOUT_S, check=False
    )
