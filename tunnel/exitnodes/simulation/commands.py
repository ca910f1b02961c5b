"""What each command does to the world.  A handler returns the resources that gcloud would show."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tunnel.exitnodes.simulation.faults import GcloudError
from tunnel.exitnodes.simulation.grammar import Invocation
from tunnel.exitnodes.simulation.guests import Guests
from tunnel.exitnodes.simulation.query import Resource
from tunnel.exitnodes.simulation.world import Machine, Project, Rule, World

__all__ = ["HANDLERS", "Desk"]

_MAX_VALUE_BYTES, _MAX_ALL_BYTES = 256 * 1024, 512 * 1024
_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_PROJECT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
_ZONES = re.compile(r"us-(central1-[abcf]|east1-[bcd]|west1-[abc])")
_API = "compute.googleapis.com"
_ZONE_URL = "https://www.googleapis.com/compute/v1/projects/{}/zones/{}"


class Desk:
    """A command, the world, and the machines."""

    def __init__(self, asked: Invocation, world: World, guests: Guests) -> None:
        self.asked, self.world, self.guests = asked, world, guests

    @property
    def name(self) -> str:
        """The first positional argument."""
        return self.asked.positionals[0]

    def project(self, project_id: str = "") -> Project:
        """Return an active project: the one that --project names, or the configured one."""
        wanted = project_id or self.asked.flag("--project") or self.world.configured_project
        for project in self.world.projects:
            if project.id == wanted and project.state == "ACTIVE":
                return project
        raise GcloudError(
            f"[{''.join(self.world.accounts)}] does not have permission to access projects instance "
            f"[{wanted}] (or it may not exist): PERMISSION_DENIED"
        )

    def compute(self) -> Project:
        """Return the project, if it may use Compute Engine."""
        project = self.project()
        if _API not in project.services:
            raise GcloudError(
                f"Compute Engine API has not been used in project {project.id} before or it is disabled. "
                "reason: SERVICE_DISABLED"
            )
        return project

    def machine(self) -> Machine:
        """Return the named machine of the zone."""
        project, zone = self.compute(), self.asked.flag("--zone")
        for machine in self.world.machines:
            if (machine.project, machine.zone, machine.name) == (project.id, zone, self.name):
                return machine
        raise GcloudError(
            f"Could not fetch resource:\n - The resource 'projects/{project.id}/zones/{zone}/instances/"
            f"{self.name}' was not found"
        )


# ── the account ──────────────────────────────────────────────────────────────────────────────────


def _auth_list(desk: Desk) -> list[Resource]:
    return [{"account": account, "status": "ACTIVE"} for account in desk.world.accounts]


def _config_get(desk: Desk) -> list[Resource]:
    return [{"": desk.world.configured_project or "(unset)"}]


def _project_resource(project: Project) -> Resource:
    return {"projectId": project.id, "labels": project.labels, "lifecycleState": project.state}


def _create_project(desk: Desk) -> list[Resource]:
    if not _PROJECT_ID.fullmatch(desk.name):
        raise GcloudError(
            f"argument PROJECT_ID: Bad value [{desk.name}]: 6 to 30 lowercase letters, digits and hyphens"
        )
    if any(project.id == desk.name for project in desk.world.projects):  # ids are never used again
        raise GcloudError(f"Project creation failed. The project ID [{desk.name}] is already in use.")
    desk.world.projects.append(Project(desk.name, _labels(desk)))
    return []


def _describe_project(desk: Desk) -> list[Resource]:
    return [_project_resource(desk.project(desk.name))]


def _list_projects(desk: Desk) -> list[Resource]:
    return [_project_resource(project) for project in desk.world.projects if project.state == "ACTIVE"]


def _delete_project(desk: Desk) -> list[Resource]:
    project = desk.project(desk.name)
    for machine in [item for item in desk.world.machines if item.project == project.id]:
        desk.guests.end(machine)
        desk.world.machines.remove(machine)
    desk.world.rules = [rule for rule in desk.world.rules if rule.project != project.id]
    project.state, project.billing, project.services = "DELETE_REQUESTED", "", []
    return []


def _list_accounts(desk: Desk) -> list[Resource]:
    return [{"name": f"billingAccounts/{name}", "open": True} for name in desk.world.billing_accounts]


def _describe_billing(desk: Desk) -> list[Resource]:
    project = desk.project(desk.name)
    account = f"billingAccounts/{project.billing}" if project.billing else ""
    return [{"billingAccountName": account, "billingEnabled": bool(project.billing)}]


def _link_billing(desk: Desk) -> list[Resource]:
    account = desk.asked.flag("--billing-account").removeprefix("billingAccounts/")
    if account not in desk.world.billing_accounts:
        raise GcloudError("The caller does not have permission: PERMISSION_DENIED")
    desk.project(desk.name).billing = account
    return _describe_billing(desk)


def _enable_service(desk: Desk) -> list[Resource]:
    project = desk.project()
    if not project.billing:
        raise GcloudError(f"Billing account for project '{project.id}' is not found. BILLING_DISABLED")
    if desk.name not in project.services:
        project.services.append(desk.name)
    return []


def _list_services(desk: Desk) -> list[Resource]:
    return [{"config": {"name": name}, "state": "ENABLED"} for name in desk.project().services]


# ── the network ──────────────────────────────────────────────────────────────────────────────────


def _rule_resource(rule: Rule) -> Resource:
    return {
        "name": rule.name,
        "description": rule.description,
        "direction": "INGRESS",
        "sourceRanges": rule.source_ranges.split(","),
        "targetTags": rule.target_tags.split(","),
        "allowed": rule.allowed,
    }


def _create_rule(desk: Desk) -> list[Resource]:
    project, asked = desk.compute(), desk.asked
    _check_name(desk.name)
    if any((rule.project, rule.name) == (project.id, desk.name) for rule in desk.world.rules):
        raise GcloudError(
            f"Could not fetch resource:\n - The resource "
            f"'projects/{project.id}/global/firewalls/{desk.name}' "
            "already exists"
        )
    if not asked.flag("--rules") or asked.flag("--action") != "ALLOW":
        raise GcloudError("Must specify --rules with --action.")
    desk.world.rules.append(
        Rule(
            project.id,
            desk.name,
            asked.flag("--rules"),
            asked.flag("--source-ranges", "0.0.0.0/0"),
            asked.flag("--target-tags"),
            asked.flag("--description"),
        )
    )
    return [_rule_resource(desk.world.rules[-1])]


def _rules(desk: Desk) -> list[Rule]:
    project = desk.compute()
    return [rule for rule in desk.world.rules if rule.project == project.id]


def _list_rules(desk: Desk) -> list[Resource]:
    return [_rule_resource(rule) for rule in _rules(desk)]


def _the_rule(desk: Desk) -> Rule:
    for rule in _rules(desk):
        if rule.name == desk.name:
            return rule
    raise GcloudError(
        f"Could not fetch resource:\n - The resource 'projects/{desk.project().id}/global/firewalls/"
        f"{desk.name}' was not found"
    )


def _describe_rule(desk: Desk) -> list[Resource]:
    return [_rule_resource(_the_rule(desk))]


def _delete_rule(desk: Desk) -> list[Resource]:
    desk.world.rules.remove(_the_rule(desk))
    return []


# ── the machines ─────────────────────────────────────────────────────────────────────────────────


def _machine_resource(machine: Machine) -> Resource:
    return {
        "name": machine.name,
        "zone": _ZONE_URL.format(machine.project, machine.zone),
        "status": machine.status,
        "labels": machine.labels,
        "networkInterfaces": [{"accessConfigs": [{"natIP": machine.address}]}],
        "metadata": {"items": [{"key": key} for key in machine.metadata]},
    }


def _create_machine(desk: Desk) -> list[Resource]:
    project, asked = desk.compute(), desk.asked
    zone = asked.flag("--zone")
    _check_name(desk.name)
    if not _ZONES.fullmatch(zone):
        raise GcloudError(f"Could not fetch resource:\n - Invalid value for field 'zone': '{zone}'.")
    if not project.billing:
        raise GcloudError("Could not fetch resource:\n - This API method requires billing. BILLING_DISABLED")
    place = (project.id, zone, desk.name)
    if any((item.project, item.zone, item.name) == place for item in desk.world.machines):
        raise GcloudError(
            f"Could not fetch resource:\n - The resource 'projects/{project.id}/zones/{zone}/instances/"
            f"{desk.name}' already exists"
        )
    machine = Machine(project.id, desk.name, zone, _labels(desk), _metadata(desk))
    desk.guests.start(machine, len(desk.world.machines))
    desk.world.machines.append(machine)
    return [_machine_resource(machine)]


def _metadata(desk: Desk) -> dict[str, str]:
    values = desk.asked.pairs("--metadata")
    for key, path in desk.asked.pairs("--metadata-from-file").items():
        try:
            values[key] = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise GcloudError(f"Unable to read file [{path}]: {error.strerror}") from None
    sizes = [len(value.encode()) for value in values.values()]
    if max(sizes, default=0) > _MAX_VALUE_BYTES or sum(sizes) > _MAX_ALL_BYTES:
        raise GcloudError("Could not fetch resource:\n - Value for field 'metadata.items' is too large")
    return values


def _list_machines(desk: Desk) -> list[Resource]:
    project = desk.compute()
    return [_machine_resource(machine) for machine in desk.world.machines if machine.project == project.id]


def _describe_machine(desk: Desk) -> list[Resource]:
    return [_machine_resource(desk.machine())]


def _delete_machine(desk: Desk) -> list[Resource]:
    machine = desk.machine()
    desk.guests.end(machine)
    desk.world.machines.remove(machine)
    return []


def _list_disks(desk: Desk) -> list[Resource]:
    project = desk.compute()  # each machine's own, of its name, goes with it
    return [{"name": machine.name} for machine in desk.world.machines if machine.project == project.id]


def _remove_metadata(desk: Desk) -> list[Resource]:
    machine = desk.machine()
    for key in filter(None, desk.asked.flag("--keys").split(",")):
        machine.metadata.pop(key, None)
    desk.guests.write_metadata(machine)
    return []


def _guest_attributes(desk: Desk) -> list[Resource]:
    machine = desk.machine()
    namespace, _, key = desk.asked.flag("--query-path").partition("/")
    found = desk.guests.attributes(machine)
    items: list[Resource] = [
        {"namespace": space, "key": name, "value": value}
        for (space, name), value in sorted(found.items())
        if namespace in ("", space) and key in ("", name)
    ]
    if machine.metadata.get("enable-guest-attributes", "").upper() != "TRUE" or not items:
        raise GcloudError(f"The resource '{namespace}/{key}' of type 'Guest Attribute' was not found.")
    return items


def _console(desk: Desk) -> list[Resource]:
    return [{"": desk.guests.console(desk.machine())}]


def _ssh(desk: Desk) -> list[Resource]:
    desk.guests.enter(desk.machine(), desk.asked.flag("--command"))
    return []


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise GcloudError(f"Could not fetch resource:\n - Invalid value for field 'resource.name': '{name}'.")


def _labels(desk: Desk) -> dict[str, str]:
    labels = desk.asked.pairs("--labels")
    for key, value in labels.items():
        if not (_LABEL.fullmatch(key) and _LABEL.fullmatch(value)):
            raise GcloudError(f"argument --labels: Bad value [{value}]: lowercase letters, digits, _ and -")
    return labels


HANDLERS: dict[str, Callable[[Desk], list[Resource]]] = {
    "auth list": _auth_list,
    "config get-value": _config_get,
    "projects create": _create_project,
    "projects describe": _describe_project,
    "projects list": _list_projects,
    "projects delete": _delete_project,
    "billing accounts list": _list_accounts,
    "billing projects describe": _describe_billing,
    "billing projects link": _link_billing,
    "services enable": _enable_service,
    "services list": _list_services,
    "compute firewall-rules create": _create_rule,
    "compute firewall-rules describe": _describe_rule,
    "compute firewall-rules list": _list_rules,
    "compute firewall-rules delete": _delete_rule,
    "compute disks list": _list_disks,
    "compute instances create": _create_machine,
    "compute instances list": _list_machines,
    "compute instances describe": _describe_machine,
    "compute instances delete": _delete_machine,
    "compute instances remove-metadata": _remove_metadata,
    "compute instances get-guest-attributes": _guest_attributes,
    "compute instances get-serial-port-output": _console,
    "compute instances tail-serial-port-output": _console,
    "compute ssh": _ssh,
}
