"""Exit nodes on an EC2 whose machines are on the loopback.

The calls go to moto (:mod:`support.ec2_process`), whose machines boot nothing and have addresses of
strangers: those are never contacted.  In their place stands a machine (:mod:`support.rented_node`) that was
given, as a real one is, the user data that EC2 holds for it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from support.killed import Scene
from support.rented_node import end_node, start_node
from support.scripted import at_once

from tunnel.exitnodes.clouds.adapter import Machine
from tunnel.exitnodes.clouds.ec2 import Ec2, Ec2Provider
from tunnel.exitnodes.model import Announcement, Order
from tunnel.exitnodes.provider import Context, Step
from tunnel.exitnodes.state import Store

__all__ = ["ApiOnlyProvider", "LoopbackEc2", "LoopbackProvider", "client", "left_of", "scene"]

MACHINES = "TUNELAB_TEST_MACHINES"  # the folder of the machines, in the environment


def client(region: str = "us-east-1") -> Any:
    """Return boto3's client of the same EC2: it tells what is there apart from the code under test."""
    return boto3.client(
        "ec2",
        region_name=region,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        aws_access_key_id="otra",
        aws_secret_access_key="otra",
    )


def left_of(name: str, region: str = "us-east-1") -> list[str]:
    """Return whatever of a node still exists, in boto3's words."""
    ec2 = client(region)
    found = [
        f"{instance['InstanceId']} {instance['State']['Name']}"
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] not in ("terminated", "shutting-down")
        and {"Key": "nodo", "Value": name} in instance.get("Tags", [])
    ]
    found += [
        volume["VolumeId"]
        for volume in ec2.describe_volumes()["Volumes"]
        if {"Key": "nodo", "Value": name} in volume.get("Tags", [])
    ]
    found += [
        group["GroupId"]
        for group in ec2.describe_security_groups()["SecurityGroups"]
        if name in group["GroupName"]
    ]
    found += [pair["KeyName"] for pair in ec2.describe_key_pairs()["KeyPairs"]]
    return found


class LoopbackEc2(Ec2):
    """See the module."""

    def start(self, order: Order, user_data: str, labels: Mapping[str, str], mark: str) -> Machine:
        machine = super().start(order, user_data, labels, mark)
        held = client(order.region).describe_instance_attribute(InstanceId=machine.id, Attribute="userData")
        start_node(self._folder(machine), base64.b64decode(held["UserData"]["Value"]).decode())
        return self._here(machine)

    def machine(self, order: Order) -> Machine | None:
        machine = super().machine(order)
        return None if machine is None else self._here(machine)

    def end(self, order: Order, machine: Machine) -> None:
        super().end(order, machine)
        end_node(self._folder(machine))

    def _folder(self, machine: Machine) -> Path:
        return Path(os.environ[MACHINES]) / machine.id

    def _here(self, machine: Machine) -> Machine:
        port = self._folder(machine) / "port"
        return (
            replace(machine, address="127.0.0.1", ssh_port=int(port.read_text()))
            if port.exists()
            else machine
        )


class LoopbackProvider(Ec2Provider):
    """See the module."""

    cloud_class = LoopbackEc2


class ApiOnlyProvider(Ec2Provider):
    """EC2 as far as its API goes: nothing is installed, nothing is waited for."""

    def steps(self, order: Order) -> Sequence[Step]:
        return super().steps(order)[:-1]

    def announcement(self, context: Context) -> Announcement | None:
        return Announcement("wss://192.0.2.10:8123", "http://192.0.2.10:8000", f"sha256:{'0' * 64}")


def scene(root: Path) -> Scene:
    """Return what ``support.killed`` walks through."""
    store = Store(root / "estado")
    name = f"nodo-{root.name}"
    provider = ApiOnlyProvider()
    order = provider.settle(Order("ec2", name, store.folder("ec2", name), student="ana"))
    return Scene(provider, order, store, at_once)
