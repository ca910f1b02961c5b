"""`./scripts/bench`: the tunnel beside nginx's reverse proxy and `ssh -R`, on this machine.

It prepares the machine and runs tests/bench/main.py in network, mount and process namespaces of its own: no
port of the machine is taken, and whatever happens nothing of it stays.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import _bootstrap
from _terminal import Terminal

HELP = """\
uso: ./scripts/bench [--rapido | --clase] [--compilado] [--json ARCHIVO] [--svg ARCHIVO]

Mide el túnel junto a nginx como proxy inverso y a «ssh -R», hacia el mismo servicio, por turnos. Necesita
Debian, root y unos 15 minutos en un equipo que no haga nada más. Instala con apt lo que le falte, y lo dice.

opciones:
  --rapido             una sola ronda y archivos pequeños, en menos de 2 minutos: dice si el banco funciona
  --clase              en vez de eso, califica a un grupo de 60 alumnos simulados y dice cuánto tomó
  --compilado          mide además el túnel compilado (necesita gcc y python3-dev)
  --json ARCHIVO       guarda todos los valores
  --svg ARCHIVO        dibuja las medianas
  -h, --help, --ayuda  muestra esta ayuda y termina
"""

# Program → Debian package.
NEEDED = {
    "curl": "curl",
    "ethtool": "ethtool",
    "ip": "iproute2",
    "nft": "nftables",
    "nginx": "nginx",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "unshare": "util-linux",
    "wrk": "wrk",
}
PLACES = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


def main(argv: list[str]) -> int:
    """Prepare this machine and measure: 0 done, 2 wrong usage, 3 this machine cannot."""
    terminal = Terminal(sys.stdout)
    if argv in (["-h"], ["--help"], ["--ayuda"]):
        terminal.say(HELP.rstrip())
        return 0
    return _bootstrap.guarded(_run, argv)


def missing() -> list[str]:
    """Return the Debian packages that this machine lacks."""
    return sorted(
        package for program, package in NEEDED.items() if shutil.which(program, path=PLACES) is None
    )


def _run(argv: list[str]) -> int:
    if sys.platform != "linux":
        raise _bootstrap.BootstrapError("El banco de pruebas necesita Linux: usa sus espacios de nombres.")
    if os.geteuid() != 0:
        raise _bootstrap.BootstrapError("El banco de pruebas necesita root: sudo ./scripts/bench")
    lacking = missing()
    if lacking:
        _install(lacking)
    # What compiles is what the tests use.
    level = _bootstrap.Level.TEST if "--compilado" in argv else _bootstrap.Level.RUN
    python = _bootstrap.prepare(level)
    # sshd keeps a folder under /run.
    script = 'mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "$@"'
    namespaces = [
        "--net",
        "--mount",
        "--propagation",
        "slave",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    program = str(_bootstrap.ROOT / "tests" / "bench" / "main.py")
    command = ["unshare", *namespaces, "sh", "-c", script, "sh", str(python), "-B", program, *argv]
    return _bootstrap.run_and_wait(command)


def _install(packages: list[str]) -> None:
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise _bootstrap.BootstrapError(f"Faltan programas, que en Debian traen los paquetes: {names}")
    terminal = Terminal(sys.stdout)
    terminal.say(f"Se instala con apt: {names}")
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    for step in (["apt-get", "update"], command):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(step, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise _bootstrap.BootstrapError(f"{' '.join(step)}\n{done.stderr[-2000:]}")
    if {"nginx", "openssh-server"} & set(packages):
        terminal.say("Debian arranca nginx y ssh como servicios al instalarlos; si no los quiere:")
        terminal.say("  sudo systemctl disable --now nginx ssh")
