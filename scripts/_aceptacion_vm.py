"""`./scripts/aceptacion-vm`: the tests of the two machines, on whole virtual machines instead of containers.

The tests are the ones of every run (tests/infra/test_machines.py); the machines are libvirt's, with the
processor emulated by QEMU, made from nothing on a box of Debian's packages (tests/infra/libvirt_lane.py). It
takes the better part of an hour, and is meant for before a release.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import _bootstrap
from _terminal import Terminal

HELP = """\
uso: ./scripts/aceptacion-vm [--revisar] [argumentos de pytest]

Levanta las dos máquinas del curso como máquinas virtuales de verdad (libvirt y QEMU, sin KVM) y les corre las
mismas pruebas que ./scripts/test corre sobre contenedores. Necesita Debian 12, root y cerca de una hora.

opciones:
  --revisar   solo dice si este equipo puede, y qué le falta
  -h, --help  muestra esta ayuda y termina
"""

# What the run takes: the two guests, QEMU itself and the box being built.
MEMORY_MB = 3000
DISK_MB = 6000


def main(argv: list[str]) -> int:
    """Check this computer and run the tests: 0 passed, 1 a test failed, 3 this computer cannot."""
    terminal = Terminal(sys.stdout)
    if argv in (["-h"], ["--help"]):
        terminal.say(HELP.rstrip())
        return 0
    lacking = what_is_missing()
    for what in lacking:
        terminal.failed(what)
    if lacking:
        return 3
    terminal.passed("Este equipo puede levantar las máquinas virtuales.")
    if argv == ["--revisar"]:
        return 0
    return _bootstrap.guarded(_run, argv)


def _run(argv: list[str]) -> int:
    python = str(_bootstrap.prepare(_bootstrap.Level.TEST))
    started = time.monotonic()
    tests = str(_bootstrap.ROOT / "tests" / "infra" / "test_machines.py")
    status = _bootstrap.run_and_wait(
        [python, "-m", "pytest", tests, "-s", "--durations=10", *argv], {"TUNELAB_LUGAR": "libvirt"}
    )
    Terminal(sys.stdout).say(f"Duración: {(time.monotonic() - started) / 60:.0f} minutos.")
    return status


def what_is_missing() -> list[str]:
    """Return, in Spanish, what keeps this computer from running the tests."""
    infra = str(_bootstrap.ROOT / "tests" / "infra")
    if infra not in sys.path:
        sys.path.insert(0, infra)
    lacking = []
    if sys.platform != "linux":
        return ["Hace falta Linux (Debian 12)."]
    if os.geteuid() != 0:
        lacking.append("Hace falta root: sudo ./scripts/aceptacion-vm")
    # The lists of what is needed are the tests' own.
    import libvirt_lane  # type: ignore[import-not-found]
    import place  # type: ignore[import-not-found]

    packages = place.missing(libvirt_lane.NEEDED | {"slirp4netns": "slirp4netns"})
    if packages:
        lacking.append(
            f"Falta {', '.join(packages)}: apt install --no-install-recommends {' '.join(packages)}"
        )
    memory = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) // 1024
    if memory < MEMORY_MB:
        lacking.append(f"Quedan {memory} MB de memoria libres y hacen falta {MEMORY_MB}.")
    disk = shutil.disk_usage(_bootstrap.ROOT).free // 10**6
    if disk < DISK_MB:
        lacking.append(f"Quedan {disk} MB de disco y hacen falta {DISK_MB}.")
    return lacking
