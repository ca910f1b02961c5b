"""The steps that every cloud shares: rent a machine that knows our key, install the exit node over SSH."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import ClassVar

from tunnel.config import DATA_PORT
from tunnel.exitnodes.clouds.adapter import ADDRESS_WORD, PREFIX, Cloud, Machine
from tunnel.exitnodes.clouds.delivery import deliver
from tunnel.exitnodes.clouds.keys import NodeKeys, forget_keys, load_keys, make_keys
from tunnel.exitnodes.clouds.ssh import Remote, require_ssh
from tunnel.exitnodes.clouds.user_data import LOGIN, render_user_data
from tunnel.exitnodes.errors import BadOrder, NoSuchNode, NotReady, ProviderFailed
from tunnel.exitnodes.install import INSTALLER
from tunnel.exitnodes.model import Announcement, Facts, FoundNode, Order, Query, Search, StepInfo
from tunnel.exitnodes.provider import Context, Provider, Step
from tunnel.secret_files import replace_private_file

__all__ = ["CloudProvider"]

_ADDRESS_TIMEOUT_S = 300.0
_LOOK_AGAIN_S = 2.0
_DELIVERED = "entrega"  # in the node's folder: the machine's id and its pin
_EXPIRY = "vence"  # in the node's folder: when the machine that was last asked for ends
_SAME_ATTEMPT = timedelta(minutes=10)
_EXPIRES = "%Y-%m-%dT%H:%M:%SZ"


class MachineStep(Step):
    """The rented machine."""

    def __init__(self, cloud: Cloud, order: Order) -> None:
        self._cloud = cloud
        self.info = StepInfo(
            id="maquina",
            title=f"la máquina en {cloud.title}",
            why="En una máquina alquilada, con dirección pública, recibirá el nodo de salida a los "
            "visitantes; nace con una llave SSH que ya conocemos, y sin el token.",
            call=cloud.call(order),
            prices=cloud.prices,
        )

    def find(self, context: Context) -> Facts | None:
        """See the base class."""
        machine = self._cloud.machine(context.order)
        return None if machine is None else _facts(machine)

    def make(self, context: Context) -> Facts:
        """See the base class."""
        order = context.order
        keys, expires = _attempt(order)
        marks = {"vence": expires.strftime(_EXPIRES), "llave": keys.mark}
        labels = {key: value for key, value in {**order.labels, **marks}.items() if value}
        user_data = render_user_data(order, keys, expires, own_firewall=not self._cloud.has_firewall)
        return _facts(self._cloud.start(order, user_data, labels, keys.mark))

    def remove(self, context: Context) -> None:
        """See the base class."""
        machine = self._cloud.machine(context.order)
        if machine is not None:
            self._cloud.end(context.order, machine)
        # Keys are a machine's own: the next one, if there is one, gets others.
        forget_keys(context.order.folder)


class DeliveryStep(Step):
    """The exit node, installed in the machine."""

    def __init__(self, cloud: Cloud, order: Order) -> None:
        self._cloud = cloud
        self.info = StepInfo(
            id="instalacion",
            title="el nodo de salida, instalado en la máquina",
            why="Por SSH, comprobando la llave de la máquina desde la primera conexión, van el programa y el "
            "token; vuelve la huella de su certificado.",
            call=f"ssh {LOGIN}@{ADDRESS_WORD} sudo bash {INSTALLER} < paquete.tar.gz",
        )

    def find(self, context: Context) -> Facts | None:
        """See the base class."""
        try:
            machine, pin = (context.order.folder / _DELIVERED).read_text(encoding="ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        # Of a machine that went meanwhile, as all of them do when their time is over.
        return {"pin": pin} if machine == context.facts.get("machine") else None

    def make(self, context: Context) -> Facts:
        """See the base class."""
        order = context.order
        machine = self._up(context)
        keys = load_keys(order.folder)
        if keys is None or (machine.labels or {}).get("llave") != keys.mark:
            raise ProviderFailed(
                f"la máquina «{machine.name}» existe, pero la llave para entrar en ella ya no está en "
                f"{order.folder}. Bórrela con «tunnel exit-node delete {order.name} --provider "
                f"{order.provider}» y cree otra."
            )
        self._cloud.adopt(order, machine)
        remote = Remote(order.folder, keys.login_file, machine.address, machine.ssh_port)
        pin = deliver(order, remote, keys, context.tell)
        replace_private_file(order.folder / _DELIVERED, f"{machine.id} {pin}\n")
        return {**_facts(machine), "pin": pin}

    def remove(self, context: Context) -> None:
        """See the base class."""
        (context.order.folder / _DELIVERED).unlink(missing_ok=True)

    def _up(self, context: Context) -> Machine:
        deadline = time.monotonic() + _ADDRESS_TIMEOUT_S
        while True:
            machine = self._cloud.machine(context.order)
            if machine is not None and machine.is_up and machine.address:
                return machine
            if time.monotonic() >= deadline:
                state = "no aparece" if machine is None else f"está «{machine.state}»"
                raise NotReady(
                    f"{self._cloud.title} no puso la máquina en marcha en {_ADDRESS_TIMEOUT_S:.0f} segundos "
                    f"({state}). Repita la orden para seguir esperando, o bórrela."
                )
            time.sleep(_LOOK_AGAIN_S)


def _attempt(order: Order) -> tuple[NodeKeys, datetime]:
    """Return the keys of a machine to be rented and when it ends.

    What was asked a moment ago, by a process that was killed before it knew the answer, is asked again in the
    same words, so that a provider that can tell gives the same machine; what is older is asked anew.
    """
    keys, path = load_keys(order.folder), order.folder / _EXPIRY
    now = datetime.now(UTC).replace(microsecond=0)
    length = timedelta(seconds=order.duration_s)
    if keys is not None and path.is_file():
        expires = datetime.strptime(path.read_text(encoding="ascii").strip(), _EXPIRES).replace(tzinfo=UTC)
        if timedelta(0) <= now + length - expires < _SAME_ATTEMPT:
            return keys, expires
    keys, expires = make_keys(order.folder), now + length
    replace_private_file(path, f"{expires.strftime(_EXPIRES)}\n")
    return keys, expires


def _facts(machine: Machine) -> Facts:
    facts = {
        "machine": machine.id,
        "region": machine.region,
        "address": machine.address,
        "ssh_port": str(machine.ssh_port),
        "expires": (machine.labels or {}).get("vence", ""),
    }
    return {key: value for key, value in facts.items() if value}


class CloudProvider(Provider):
    """Exit nodes on the machines of a cloud.  Each cloud's own class says which."""

    cloud_class: ClassVar[type[Cloud]]
    has_script = False  # an API has no command that could be copied
    ready_timeout_s = 120.0

    def __init__(self, cloud: Cloud | None = None) -> None:
        self.cloud = cloud or self.cloud_class()

    def check(self, order: Order) -> None:
        """See the base class."""
        require_ssh()
        self.cloud.check(order)

    def settle(self, order: Order) -> Order:
        """See the base class."""
        ranges = []
        for text in order.source_ranges:
            try:
                network = ip_network(text, strict=False)
            except ValueError:
                raise BadOrder(
                    f"«{text}» no es un rango de direcciones. Ejemplo: --source-ranges 203.0.113.0/24"
                ) from None
            if network.version != 4:
                raise BadOrder(
                    f"«{text}» es un rango IPv6, y los nodos de {self.cloud.title} se crean solo con IPv4."
                )
            ranges.append(str(network))  # as the providers tell it: a plan is compared with what they say
        return replace(order, region=self.cloud.settle_region(order.region), source_ranges=tuple(ranges))

    def steps(self, order: Order) -> Sequence[Step]:
        """See the base class."""
        return [
            *self.cloud.steps_before(order),
            MachineStep(self.cloud, order),
            DeliveryStep(self.cloud, order),
        ]

    def notes(self, order: Order) -> tuple[str, ...]:
        """See the base class."""
        hours = f"{order.duration_s / 3600:g} h"
        if self.cloud.ends_itself:
            end = f"Si nadie la borra antes, la máquina se elimina sola a las {hours}."
        else:
            end = (
                f"A las {hours} la máquina se apaga sola, pero {self.cloud.title} sigue cobrando una máquina "
                "apagada: bórrela usted con «tunnel exit-node delete»."
            )
        never = (
            f"Este camino se ha probado sin cuenta de {self.cloud.title}, nunca contra la nube real: revise "
            "al terminar que en su consola no quede nada."
        )
        return (end, *self.cloud.notes(order), never)

    def announcement(self, context: Context) -> Announcement | None:
        """See the base class."""
        order, facts = context.order, context.facts
        if not facts.get("pin") or not facts.get("address"):
            return None
        address = facts["address"]
        return Announcement(
            f"wss://{address}:{order.control_port}", f"http://{address}:{order.data_port}", facts["pin"]
        )

    def survivors(self, order: Order) -> Sequence[Query]:
        """See the base class."""
        return self.cloud.left(order)

    def found(self, search: Search) -> Sequence[FoundNode]:
        """See the base class."""
        return [self._found(machine) for machine in self.cloud.machines(search.course)]

    def ssh(self, context: Context, command: Sequence[str]) -> list[str]:
        """See the base class."""
        return self._remote(context).argv(command)

    def logs(self, context: Context, follow: bool) -> list[str]:
        """See the base class."""
        tail = ["--follow"] if follow else ["--no-pager"]
        return self._remote(context).argv(
            ["sudo", "journalctl", "--unit", "tunnel-server.service", "--lines", "200", *tail]
        )

    def _remote(self, context: Context) -> Remote:
        keys = load_keys(context.order.folder)
        address = context.facts.get("address")
        if keys is None or not address:
            raise NoSuchNode(
                f"del nodo «{context.order.name}» no están aquí la llave SSH y la dirección: se creó en otro "
                "equipo, o no llegó a crearse. Desde aquí se puede borrar."
            )
        port = int(context.facts.get("ssh_port", "22"))
        return Remote(context.order.folder, keys.login_file, address, port)

    def _found(self, machine: Machine) -> FoundNode:
        labels = machine.labels or {}
        name = labels.get("nodo") or machine.name.removeprefix(PREFIX)
        return FoundNode(
            provider=self.name,
            name=name,
            state=machine.state,
            student=labels.get("alumno", ""),
            lab=labels.get("laboratorio", ""),
            region=machine.region,
            # The usual port: which one was asked is in the state, where there is one.
            public_url=f"http://{machine.address}:{DATA_PORT}" if machine.address else "",
            expires=labels.get("vence", ""),
            prices=self.cloud.prices,
            facts=_facts(machine),
        )
