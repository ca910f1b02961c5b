"""``vm``: the course's own virtual machine ``exit-node``, with no account and no cost.

On the host it is raised and asked by Vagrant.  Inside the machine ``laptop``, which has no Vagrant, the play
has left a connection file, and the node is simply there or not.  The machine belongs to the course, not to
the node: removing the node leaves it running.
"""

from __future__ import annotations

import os
import re
import socket
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import tunnel
from tunnel.config import Secret
from tunnel.exitnodes import process
from tunnel.exitnodes.errors import BadOrder, ProviderFailed, Unavailable
from tunnel.exitnodes.model import Announcement, Facts, FoundNode, Order, Query, Search, StepInfo
from tunnel.exitnodes.provider import Context, Provider, Step

__all__ = ["VmProvider"]

_MACHINE = "exit-node"
_UP_TIMEOUT_S = 3600.0  # the first time a box is downloaded
_CONNECT_TIMEOUT_S = 3.0
_ON_THE_NODE = "/var/lib/tunelab/conexion.toml"  # StateDirectory= of its unit
# What the play leaves in the laptop: the student's own copy, and root's.
_IN_THE_LAPTOP = (Path.home() / "conexion.toml", Path("/etc/tunelab/conexion.toml"))
_GET_VAGRANT = (
    "Instale Vagrant: https://developer.hashicorp.com/vagrant/install (docs/maquinas-virtuales.md)."
)


class VmProvider(Provider):
    """The virtual machine ``exit-node`` of the course."""

    name = "vm"
    title = "la máquina virtual exit-node del curso"
    brings_secret = True  # of the two machines, made by the Vagrantfile
    ready_timeout_s = 120.0

    def check(self, order: Order) -> None:
        if not _is_laptop():
            process.require("vagrant", _GET_VAGRANT)
            _address(_checkout(order))

    def settle(self, order: Order) -> Order:
        if order.is_shared:
            raise BadOrder(
                "la máquina virtual tiene un solo token, el del curso: con vm no hay --compartido."
            )
        if order.tcp_ports:
            raise BadOrder(
                "la máquina virtual solo abre los puertos 8000 y 8123: con vm no hay --tcp. Para probar "
                "puertos TCP use --provider local."
            )
        if _is_laptop():
            return replace(order, duration_s=0)
        options = {**dict(order.options), "carpeta": str(_checkout(order))}
        return replace(order, duration_s=0, options=tuple(options.items()))

    def steps(self, order: Order) -> Sequence[Step]:
        return [_SeenFromLaptop()] if _is_laptop() else [_Raised(order)]

    def notes(self, order: Order) -> tuple[str, ...]:
        return (
            "La primera vez tarda unos minutos, y descarga la caja de Debian.",
            "Al borrar el nodo la máquina virtual se queda encendida, porque es del curso: se apaga con "
            "«vagrant halt exit-node» y se borra con «vagrant destroy exit-node».",
        )

    def announcement(self, context: Context) -> Announcement | None:
        if _is_laptop():
            return _parse(_read_in_laptop(), "")
        folder = _checkout(context.order)
        told = process.run(_vagrant(folder, "ssh", _MACHINE, "-c", f"sudo cat {_ON_THE_NODE}"))
        return _parse(told.out, _address(folder)) if told.code == 0 else None

    def survivors(self, order: Order) -> Sequence[Query]:
        return []  # nothing was made for this node alone

    def found(self, search: Search) -> Sequence[FoundNode]:
        return []  # the machine has no labels; a node on it is only what is recorded here

    def ssh(self, context: Context, command: Sequence[str]) -> list[str]:
        if _is_laptop():
            raise BadOrder("desde la laptop no se entra al nodo. Hágalo en su equipo: vagrant ssh exit-node")
        there = ["-c", " ".join(command)] if command else []
        return [*_vagrant(_checkout(context.order), "ssh", _MACHINE), *there]

    def logs(self, context: Context, follow: bool) -> list[str]:
        if _is_laptop():
            raise BadOrder(
                "desde la laptop no se ve el registro del nodo. Véalo en su equipo: tunnel exit-node logs "
                "--provider vm, o vagrant ssh exit-node"
            )
        order = "sudo journalctl --unit tunnel-server --no-pager" + (" --follow" if follow else "")
        return self.ssh(context, [order])


class _Raised(Step):
    """The machine, raised by Vagrant on the host."""

    def __init__(self, order: Order) -> None:
        self.folder = _checkout(order)
        self.info = StepInfo(
            id="maquina",
            title="la máquina virtual exit-node",
            why="Hace de nodo de salida en una red de su propio equipo, con el servidor del túnel en marcha.",
            argv=_vagrant(self.folder, "up", _MACHINE),
            prices=("vm",),
            is_kept=True,
        )

    def find(self, context: Context) -> Facts | None:
        told = process.run(_vagrant(self.folder, "status", _MACHINE, "--machine-readable"))
        if told.code != 0:
            return None
        # "timestamp,target,type,data": https://developer.hashicorp.com/vagrant/docs/cli/machine-readable
        fields = [line.split(",") for line in told.out.splitlines()]
        states = [field[3] for field in fields if len(field) > 3 and field[1:3] == [_MACHINE, "state"]]
        return {} if "running" in states else None

    def make(self, context: Context) -> Facts:
        process.run(self.info.argv, timeout_s=_UP_TIMEOUT_S).check()
        return {}

    def remove(self, context: Context) -> None:
        raise AssertionError("it is kept")


class _SeenFromLaptop(Step):
    """The machine, as its neighbour sees it: there, or to be raised by whoever sits at the host."""

    def __init__(self) -> None:
        self.info = StepInfo(
            id="maquina",
            title="la máquina virtual exit-node",
            why="Hace de nodo de salida, al lado de esta; ya tiene el servidor del túnel en marcha.",
            call="vagrant up exit-node   # en su equipo, si no está encendida",
            script=(
                f"if ! (exec 3<>/dev/tcp/{_MACHINE}/8123) 2>/dev/null; then\n"
                f"  echo 'No contesta. En su equipo: vagrant up {_MACHINE}' >&2\n"
                "  exit 3\n"
                "fi"
            ),
            prices=("vm",),
            is_kept=True,
        )

    def find(self, context: Context) -> Facts | None:
        url = urlsplit(_parse(_read_in_laptop(), "").url)
        try:
            socket.create_connection((url.hostname or "", url.port or 443), _CONNECT_TIMEOUT_S).close()
        except OSError:
            return None
        return {}

    def make(self, context: Context) -> Facts:
        raise Unavailable("la máquina exit-node no contesta. Enciéndala en su equipo: vagrant up exit-node")

    def remove(self, context: Context) -> None:
        raise AssertionError("it is kept")


def _is_laptop() -> bool:
    """Whether this is the machine that the play has made the neighbour of the exit node."""
    return _IN_THE_LAPTOP[-1].exists()


def _read_in_laptop() -> str:
    for path in _IN_THE_LAPTOP:
        try:
            return path.read_text(encoding="utf-8")
        except OSError:
            continue
    raise ProviderFailed(f"no se puede leer {_IN_THE_LAPTOP[0]}. Corra la orden como el usuario vagrant.")


def _parse(text: str, address: str) -> Announcement:
    """Return what a connection file says, with the node at ``address`` if one is given."""
    try:
        told = {key: str(value) for key, value in tomllib.loads(text).items()}
        url, public = urlsplit(told["url"]), urlsplit(told["public_url"])
        host = address or url.hostname or ""
        return Announcement(
            url=f"wss://{host}:{url.port or 443}",
            public_url=f"http://{address or public.hostname}:{public.port or 80}",
            pin=told["pin"],
            token=Secret(told["token"]),
        )
    except (tomllib.TOMLDecodeError, KeyError, ValueError):
        raise ProviderFailed(
            "el archivo de conexión de la máquina exit-node está dañado. Rehágala."
        ) from None


def _checkout(order: Order) -> Path:
    """Return the folder of the Vagrantfile: the one that was given, one above this, this program's own.

    Raises:
        BadOrder: there is none.
    """
    given = order.option("carpeta")
    here = Path.cwd()
    near = [Path(given)] if given else [here, *here.parents, Path(tunnel.__file__).resolve().parents[1]]
    for folder in near:
        if (folder / "Vagrantfile").is_file() and _MACHINE in (folder / "Vagrantfile").read_text("utf-8"):
            return folder.resolve()
    raise BadOrder(
        f"{'en ' + given if given else 'aquí'} no está el Vagrantfile del curso. Vaya a la carpeta del "
        "proyecto, o dígala con --carpeta."
    )


def _address(folder: Path) -> str:
    """Return the machine's address, which the table at the top of the Vagrantfile has."""
    text = (folder / "Vagrantfile").read_text(encoding="utf-8")
    row = re.search(rf'name: "{_MACHINE}", address: "([0-9.]+)"', text)
    if row is None:
        raise ProviderFailed(f"el Vagrantfile de {folder} no dice la dirección de la máquina {_MACHINE}.")
    return row[1]


def _vagrant(folder: Path, *words: str) -> tuple[str, ...]:
    """Return a command of Vagrant's for the machines of ``folder``, wherever it is run."""
    # https://developer.hashicorp.com/vagrant/docs/other/environmental-variables#vagrant_cwd
    where = ("env", f"VAGRANT_CWD={folder}") if os.name == "posix" else ()
    return (*where, "vagrant", *words)
