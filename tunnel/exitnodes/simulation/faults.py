"""Failures that are asked for, in gcloud's words.

https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-vm-creation,
https://cloud.google.com/compute/docs/resource-error,
https://cloud.google.com/sdk/docs/troubleshooting
"""

from __future__ import annotations

from collections.abc import Sequence

from tunnel.exitnodes.simulation.grammar import Invocation
from tunnel.exitnodes.simulation.world import Fault, World

__all__ = ["KINDS", "GcloudError", "due", "words_of"]

KINDS: dict[str, str] = {
    "quota": "Could not fetch resource:\n - Quota 'CPUS' exceeded.  Limit: 8.0 in region us-central1.",
    "permission": "Could not fetch resource:\n - Required 'compute.instances.create' permission for "
    "'projects/{project}/zones/{zone}/instances/x'",
    "billing": "Could not fetch resource:\n - This API method requires billing to be enabled. "
    "BILLING_DISABLED",
    "taken": "Could not fetch resource:\n - The resource 'projects/{project}' already exists",
    "exhausted": "Could not fetch resource:\n - The zone 'projects/{project}/zones/{zone}' does not "
    "have enough "
    "resources available to fulfill the request. '(resource type:compute)'. ZONE_RESOURCE_POOL_EXHAUSTED",
    "api": "Could not fetch resource:\n - Compute Engine API has not been used in project {project} "
    "before or it is disabled. reason: SERVICE_DISABLED",
    "network": "gcloud crashed (ConnectionError): HTTPSConnectionPool: Max retries exceeded",
    "login": "You do not currently have an active account selected.\nPlease run:\n\n  $ gcloud auth login",
}


class GcloudError(Exception):
    """What gcloud writes after the name of the command; it ends with 1."""


def words_of(kind: str, invocation: Invocation) -> str:
    """Return gcloud's words."""
    return KINDS[kind].format(project=invocation.flag("--project"), zone=invocation.flag("--zone"))


def due(faults: Sequence[Fault], invocation: Invocation, world: World) -> Fault | None:
    """Return the failure that this command's turn has come for, and count it."""
    for number, fault in enumerate(faults):
        key = str(number)
        if fault.command != invocation.command.words or world.fault_uses.get(key, 0) >= fault.times:
            continue
        if fault.zone and fault.zone != invocation.flag("--zone"):
            continue
        world.fault_uses[key] = world.fault_uses.get(key, 0) + 1
        return fault
    return None
