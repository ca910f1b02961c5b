"""Amazon EC2, by Libcloud's driver.

Reference of the calls: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/.  Everything is made in the
account's default network (VPC) of the region.  No key pair is made in the account: cloud-init brings ours.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tunnel.exitnodes.clouds.adapter import (
    Cloud,
    Machine,
    check_region,
    load_driver_class,
    resource_name,
)
from tunnel.exitnodes.clouds.credentials import read_aws_credentials
from tunnel.exitnodes.clouds.ec2_group import GroupStep, RulesStep, find_groups
from tunnel.exitnodes.clouds.faults import code_of, translated
from tunnel.exitnodes.clouds.provider import CloudProvider
from tunnel.exitnodes.errors import (
    BadOrder,
    ExitNodeError,
    NameTaken,
    ProviderFailed,
    Unavailable,
    ZoneExhausted,
)
from tunnel.exitnodes.model import Order, Query
from tunnel.exitnodes.provider import Step

__all__ = ["Ec2", "Ec2Provider"]

SIZE = "t3.micro"  # 2 vCPU, 1 GB: the smallest whose memory holds an installation with room to spare
# Debian's own account, https://wiki.debian.org/Cloud/AmazonEC2Image/Bookworm
IMAGE_OWNER = "136693071363"
IMAGE_NAME = "debian-12-amd64-*"

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")

_GONE_TIMEOUT_S = 300.0
_LOOK_AGAIN_S = 2.0
_ASKED_AT_ONCE = 8  # regions
_STATES = {
    "pending": "arrancando",
    "running": "en marcha",
    "stopping": "apagándose",
    "stopped": "apagado",
    "shutting-down": "eliminándose",
}
_GOING = ("shutting-down", "terminated")
# What it answers to a class's nodes asked for at once; the call was not carried out, whichever it was.
_THROTTLED = "RequestLimitExceeded"
_THROTTLE_WAITS_S = (1.0, 2.0, 4.0, 8.0)
# What a region that the account has not enabled answers, where another one has accepted the credentials.
_REGION_NOT_ENABLED = ("AuthFailure", "OptInRequired", "UnrecognizedClientException")
_OTHER_PARTITIONS = ("cn-", "us-gov-")  # other accounts, other credentials


class Ec2(Cloud):
    """Amazon EC2."""

    name = "ec2"
    title = "Amazon EC2"
    default_region = "us-east-1"
    prices = ("ec2-t3-micro", "ec2-gp3-8gb", "ec2-ipv4")
    has_firewall = True
    ends_itself = True

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._located: dict[str, str] = {}  # node → region, of those whose state was lost

    def connect(self, region: str) -> Any:
        """See the base class."""
        driver_class = load_driver_class("ec2")
        credentials = read_aws_credentials(os.environ)
        token = credentials.session_token
        driver = driver_class(
            credentials.key_id,
            credentials.secret_key.reveal(),
            region=region,
            token=token.reveal() if token else None,
            signature_version="4",  # every region takes it; Libcloud's table has the older one for many
            **_endpoint(),
        )
        driver.connection.request = _patient(driver.connection.request)
        return driver

    def check(self, order: Order) -> None:
        """See the base class."""
        with translated(self.title):
            self.driver(self.region(order)).ex_get_security_groups(filters={"group-name": "default"})

    def settle_region(self, region: str) -> str:
        """See the base class."""
        region = (
            region
            or os.environ.get("AWS_REGION", "")
            or os.environ.get("AWS_DEFAULT_REGION", "")
            or self.default_region
        )
        return check_region(region, _regions(), self.title)

    def region(self, order: Order) -> str:
        """See the base class.  Where the state was lost, whatever has the order's name is looked for."""
        if order.region:
            return order.region
        with self._lock:
            if order.name not in self._located:
                own = self.settle_region("")
                self._has_any(own, order)  # one clear refusal, before so many regions
                holders = [region for region, has in self._everywhere(self._has_any, order) if has]
                self._located[order.name] = holders[0] if holders else own
            return self._located[order.name]

    def machine(self, order: Order) -> Machine | None:
        """See the base class."""
        with translated(self.title):
            nodes = self._nodes(self.region(order), {"tag:Name": resource_name(order)})
        ours = [node for node in nodes if _is_ours(node, order)]
        if nodes and not ours:
            raise NameTaken(
                f"en {self.title} ya hay una máquina llamada «{resource_name(order)}» que no es de este "
                "curso. Elija otro nombre con --nombre."
            )
        return _machine(ours[0], self.region(order)) if ours else None

    def start(self, order: Order, user_data: str, labels: Mapping[str, str], mark: str) -> Machine:
        """See the base class."""
        driver = self.driver(self.region(order))
        with translated(self.title):
            sizes = [size for size in driver.list_sizes() if size.id == SIZE]
            image = _newest(
                driver.list_images(
                    ex_owner=IMAGE_OWNER, ex_filters={"name": IMAGE_NAME, "state": "available"}
                )
            )
            zones = [None, *driver.list_locations()]
        if not sizes:
            raise BadOrder(f"en {order.region} no hay máquinas {SIZE}: elija otra --region.")
        if image is None:
            raise ProviderFailed(
                f"en {order.region} no se encontró la imagen de Debian 12 (cuenta {IMAGE_OWNER}): elija otra "
                "--region."
            )
        for zone in zones:  # Amazon chooses first
            try:
                with translated(self.title):
                    node = driver.create_node(
                        resource_name(order),
                        sizes[0],
                        image,
                        location=zone,
                        ex_userdata=user_data,
                        ex_security_groups=[resource_name(order)],
                        ex_metadata=dict(labels),
                        # Asked twice (a killed process missed the answer), Amazon gives the same machine.
                        # The zone is part of what is asked.
                        ex_clienttoken=f"{mark}-{zone.name}" if zone else mark,
                        ex_terminate_on_shutdown=True,
                        ex_blockdevicemappings=_disk(image),
                    )
                return _machine(node, order.region)
            except ZoneExhausted as full:
                reason = full
        raise reason

    def adopt(self, order: Order, machine: Machine) -> None:
        """See the base class."""
        driver = self.driver(self.region(order))
        with translated(self.title):
            for volume in _volumes(driver, {"attachment.instance-id": machine.id}):
                _tag(driver, volume.id, {"Name": resource_name(order), **order.labels})

    def end(self, order: Order, machine: Machine) -> None:
        """See the base class."""
        driver = self.driver(self.region(order))
        with translated(self.title):
            disks = [volume.id for volume in _volumes(driver, {"attachment.instance-id": machine.id})]
            driver.destroy_node(machine.native)
        deadline = time.monotonic() + _GONE_TIMEOUT_S
        while True:
            with translated(self.title):
                nodes = driver.list_nodes(ex_node_ids=[machine.id])
                going = [node for node in nodes if node.extra["status"] != "terminated"]
                volumes = _volumes(driver, {"volume-id": disks}) if disks else []
                if not going:
                    for volume in volumes:  # it should have gone with the machine, and is paid for
                        if volume.extra["state"] == "available":
                            driver.destroy_volume(volume)
            if not going and not volumes:
                return
            if time.monotonic() >= deadline:
                raise Unavailable(
                    f"{self.title} no terminó de eliminar la máquina {machine.id} en {_GONE_TIMEOUT_S:.0f} "
                    "segundos. Repita la orden."
                )
            time.sleep(_LOOK_AGAIN_S)

    def machines(self, course: str) -> Sequence[Machine]:
        """See the base class."""
        self._machines_in(self.settle_region(""), course)  # one clear refusal, before so many regions
        found = self._everywhere(self._machines_in, course)
        return [machine for _, machines in found for machine in machines]

    def steps_before(self, order: Order) -> Sequence[Step]:
        """See the base class."""
        return (GroupStep(self, order), RulesStep(self, order))

    def left(self, order: Order) -> Sequence[Query]:
        """See the base class."""
        driver, name = self.driver(self.region(order)), resource_name(order)
        with translated(self.title):
            nodes = self._nodes(self.region(order), {"tag:Name": name})
            volumes = _volumes(driver, {"tag:Name": name})
            groups = find_groups(driver, order)
        where = f"en {self.region(order)}"
        return (
            Query(
                f"DescribeInstances tag:Name={name} {where}",
                tuple(f"máquina {node.id} ({node.extra['status']})" for node in nodes),
            ),
            Query(
                f"DescribeVolumes tag:Name={name} {where}", tuple(f"disco {volume.id}" for volume in volumes)
            ),
            Query(
                f"DescribeSecurityGroups group-name={name} {where}",
                tuple(f"grupo de seguridad {group.id}" for group in groups),
            ),
        )

    def call(self, order: Order) -> str:
        """See the base class."""
        name = resource_name(order)
        return (
            f"RunInstances(InstanceType={SIZE}, ImageId={IMAGE_NAME} de la cuenta {IMAGE_OWNER}, "
            f"SecurityGroup={name}, InstanceInitiatedShutdownBehavior=terminate, Tag:Name={name}, "
            f"UserData=cloud-init) en {order.region}"
        )

    def notes(self, order: Order) -> tuple[str, ...]:
        """See the base class."""
        endpoint = _endpoint()
        if not endpoint:
            return ()
        return (f"Los pedidos van a {endpoint['host']}:{endpoint['port']} (AWS_ENDPOINT_URL), no a Amazon.",)

    def _nodes(self, region: str, filters: Mapping[str, str]) -> list[Any]:
        nodes = self.driver(region).list_nodes(ex_filters=dict(filters))
        return [node for node in nodes if node.extra["status"] not in _GOING]

    def _machines_in(self, region: str, course: str) -> list[Machine]:
        with translated(self.title):
            return [_machine(node, region) for node in self._nodes(region, {"tag:curso": course})]

    def _has_any(self, region: str, order: Order) -> list[Any]:
        with translated(self.title):
            nodes = self._nodes(region, {"tag:Name": resource_name(order)})
            return nodes or find_groups(self.driver(region), order)

    def _everywhere(
        self, ask: Callable[[str, _Asked], list[_Answer]], asked: _Asked
    ) -> list[tuple[str, list[_Answer]]]:
        """Ask in every region, and return what each answered."""

        def ask_in(region: str) -> tuple[str, list[_Answer]]:
            try:
                return region, ask(region, asked)
            except ExitNodeError as error:
                if code_of(error) in _REGION_NOT_ENABLED:  # so nothing of this account is there
                    return region, []
                raise

        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            return list(pool.map(ask_in, _regions()))


class Ec2Provider(CloudProvider):
    """Exit nodes on Amazon EC2."""

    name = "ec2"
    title = "una máquina t3.micro en Amazon EC2"
    cloud_class = Ec2


def _regions() -> list[str]:
    regions = load_driver_class("ec2").list_regions()
    return [region for region in regions if not region.startswith(_OTHER_PARTITIONS)]


def _endpoint() -> dict[str, Any]:
    """Return where the calls go, as the driver takes it; empty: to Amazon.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    url = os.environ.get("AWS_ENDPOINT_URL_EC2") or os.environ.get("AWS_ENDPOINT_URL", "")
    if not url:
        return {}
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadOrder(f"AWS_ENDPOINT_URL no es una URL: «{url}».")
    is_secure = parts.scheme == "https"
    return {"host": parts.hostname, "port": parts.port or (443 if is_secure else 80), "secure": is_secure}


def _patient(request: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``request`` as it is made again, later and later, while EC2 says that there were too many.

    Source: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
    """

    def ask(*values: Any, **named: Any) -> Any:
        for wait_s in _THROTTLE_WAITS_S:
            try:
                return request(*values, **named)
            except Exception as error:
                if code_of(error) != _THROTTLED:
                    raise
            # Half of it at random: those who were refused together do not come back together.
            time.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311
        return request(*values, **named)

    return ask


def _is_ours(node: Any, order: Order) -> bool:
    tags = node.extra["tags"]
    return bool(tags.get("curso") == order.course and tags.get("nodo") == order.name)


def _machine(node: Any, region: str) -> Machine:
    status = str(node.extra.get("status", ""))
    return Machine(
        id=node.id,
        name=node.name,
        region=region,
        state=_STATES.get(status, status),
        is_up=status == "running",
        address=node.public_ips[0] if node.public_ips else "",
        labels=dict(node.extra["tags"]),
        native=node,
    )


def _newest(images: Sequence[Any]) -> Any:
    # Debian dates them in their names: debian-12-amd64-20261018-2270.
    return max(images, key=lambda image: str(image.name), default=None)


def _disk(image: Any) -> list[dict[str, Any]]:
    """Return the root disk's settings: it goes with the machine, and is no larger than need be."""
    root = image.extra["block_device_mapping"][0]["device_name"]
    return [
        {"DeviceName": root, "Ebs": {"VolumeSize": 8, "VolumeType": "gp3", "DeleteOnTermination": "true"}}
    ]


def _volumes(driver: Any, filters: Mapping[str, Any]) -> list[Any]:
    volumes: list[Any] = driver.list_volumes(ex_filters=dict(filters))
    return volumes


def _tag(driver: Any, resource_id: str, tags: Mapping[str, str]) -> None:
    """Tag a resource.  Libcloud's ``ex_create_tags`` counts from 0, where EC2's reference counts from 1."""
    params = {"Action": "CreateTags", "ResourceId.1": resource_id}
    for number, (key, value) in enumerate(tags.items(), 1):
        params |= {f"Tag.{number}.Key": key, f"Tag.{number}.Value": value}
    driver.connection.request("/", params=params)
