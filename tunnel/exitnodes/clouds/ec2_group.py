"""The security group of a node on EC2, and its rules: what may come in, and from where."""

from __future__ import annotations

import time
from typing import Any

from tunnel.exitnodes.clouds.adapter import Cloud, resource_name
from tunnel.exitnodes.clouds.faults import code_of, translated
from tunnel.exitnodes.errors import ExitNodeError, NameTaken, ProviderFailed
from tunnel.exitnodes.model import Facts, Order, StepInfo
from tunnel.exitnodes.provider import Context, Step

__all__ = ["GroupStep", "RulesStep", "find_groups"]

_ANYWHERE = ("0.0.0.0/0",)
_SSH_PORT = 22
_GONE_TIMEOUT_S = 120.0
_LOOK_AGAIN_S = 2.0


def find_groups(driver: Any, order: Order) -> list[Any]:
    """Return the groups of the order's name, ours or not."""
    groups: list[Any] = driver.ex_get_security_groups(filters={"group-name": resource_name(order)})
    return groups


class GroupStep(Step):
    """The group.  Its description says whose it is: it is given at its birth, where tags would come later."""

    def __init__(self, cloud: Cloud, order: Order) -> None:
        self._cloud = cloud
        self.info = StepInfo(
            id="grupo",
            title="el grupo de seguridad",
            why="Es el cortafuegos de la máquina en Amazon: lo que no permita no llega a ella.",
            call=f"CreateSecurityGroup(GroupName={resource_name(order)}) en {order.region}",
        )

    def find(self, context: Context) -> Facts | None:
        """See the base class."""
        group = _ours(self._cloud, context.order)
        return None if group is None else {"security_group": group.id}

    def make(self, context: Context) -> Facts:
        """See the base class."""
        order = context.order
        with translated(self._cloud.title):
            made = self._cloud.driver(self._cloud.region(order)).ex_create_security_group(
                resource_name(order), _description(order)
            )
        return {"security_group": made["group_id"]}

    def remove(self, context: Context) -> None:
        """See the base class."""
        driver = self._cloud.driver(self._cloud.region(context.order))
        deadline = time.monotonic() + _GONE_TIMEOUT_S
        while True:
            group = _ours(self._cloud, context.order)
            if group is None:
                return
            try:
                with translated(self._cloud.title):
                    driver.ex_delete_security_group_by_id(group.id)
                return
            except ExitNodeError as error:
                # A machine that has just gone still holds it for some seconds.
                if code_of(error) != "DependencyViolation" or time.monotonic() >= deadline:
                    raise
            time.sleep(_LOOK_AGAIN_S)


class RulesStep(Step):
    """The group's rules."""

    def __init__(self, cloud: Cloud, order: Order) -> None:
        self._cloud = cloud
        ports = ", ".join(str(port) for port in _ports(order))
        sources = ", ".join(order.source_ranges or _ANYWHERE)
        self.info = StepInfo(
            id="reglas",
            title="las reglas del grupo",
            why="Dejan entrar al túnel (control y visitantes) y a SSH, por donde se instala, solo desde los "
            "rangos que usted pida.",
            call=f"AuthorizeSecurityGroupIngress(tcp: {ports}; desde: {sources})",
        )

    def find(self, context: Context) -> Facts | None:
        """See the base class."""
        group = _ours(self._cloud, context.order)
        wanted = _wanted(context.order)
        return {} if group is not None and wanted <= _present(group) else None

    def make(self, context: Context) -> Facts:
        """See the base class."""
        order = context.order
        group = _ours(self._cloud, order)
        if group is None:
            raise ProviderFailed(
                f"el grupo de seguridad «{resource_name(order)}» desapareció. Repita la orden."
            )
        driver = self._cloud.driver(self._cloud.region(order))
        with translated(self._cloud.title):
            for port, source in sorted(_wanted(order) - _present(group)):
                driver.ex_authorize_security_group_ingress(group.id, port, port, cidr_ips=[source])
                context.tell(f"Abierto el puerto {port} a {source}.")
        return {}

    def remove(self, context: Context) -> None:
        """See the base class."""
        group = _ours(self._cloud, context.order)
        if group is None:
            return
        driver = self._cloud.driver(self._cloud.region(context.order))
        with translated(self._cloud.title):
            for port, source in sorted(_wanted(context.order) & _present(group)):
                driver.ex_revoke_security_group_ingress(group.id, port, port, cidr_ips=[source])


def _ours(cloud: Cloud, order: Order) -> Any:
    with translated(cloud.title):
        groups = find_groups(cloud.driver(cloud.region(order)), order)
    if not groups:
        return None
    ours = [group for group in groups if group.extra.get("description") == _description(order)]
    if not ours:
        raise NameTaken(
            f"en {cloud.title} ya hay un grupo de seguridad «{resource_name(order)}» que no es de este "
            "curso. Elija otro nombre con --nombre."
        )
    return ours[0]


def _description(order: Order) -> str:
    return f"tunelab: curso={order.course} nodo={order.name}"


def _ports(order: Order) -> list[int]:
    return sorted({_SSH_PORT, order.control_port, order.data_port, *order.tcp_ports})


def _wanted(order: Order) -> set[tuple[int, str]]:
    return {(port, source) for port in _ports(order) for source in order.source_ranges or _ANYWHERE}


def _present(group: Any) -> set[tuple[int, str]]:
    return {
        (int(rule["from_port"]), source)
        for rule in group.ingress_rules
        if rule["protocol"] == "tcp" and rule["from_port"] == rule["to_port"]
        for source in rule["cidr_ips"]
    }
