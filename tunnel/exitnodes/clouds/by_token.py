"""DigitalOcean, Linode and Vultr: an API token, a machine with a name and tags, and nothing else to make.

None has a firewall that Libcloud knows, so the machine keeps its own.  A machine that is off is still paid
for, says each of them, so turning itself off is not its end.  References of their calls:
https://docs.digitalocean.com/reference/api/, https://techdocs.akamai.com/linode-api/,
https://www.vultr.com/api/.
"""

from __future__ import annotations

import os
import secrets
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tunnel.exitnodes.clouds.adapter import (
    PREFIX,
    Cloud,
    Machine,
    check_region,
    load_driver_class,
    resource_name,
)
from tunnel.exitnodes.clouds.credentials import read_token
from tunnel.exitnodes.clouds.faults import translated
from tunnel.exitnodes.clouds.provider import CloudProvider
from tunnel.exitnodes.errors import NameTaken, Unavailable
from tunnel.exitnodes.model import Order, Query

__all__ = [
    "DigitalOcean",
    "DigitalOceanProvider",
    "Linode",
    "LinodeProvider",
    "TokenCloud",
    "Vultr",
    "VultrProvider",
]

_GONE_TIMEOUT_S = 180.0
_LOOK_AGAIN_S = 2.0
_STATES = {
    "pending": "arrancando",
    "running": "en marcha",
    "stopped": "apagado",
    "stopping": "apagándose",
}


class TokenCloud(Cloud):
    """What the three have in common.  Labels travel as tags: ``nodo:nodo-ana``."""

    variables: ClassVar[tuple[str, ...]]  # where the token is, the first being the provider's own tool's
    token_page: ClassVar[str]
    size: ClassVar[str]
    image: ClassVar[str]

    @abstractmethod
    def create(self, driver: Any, name: str, region: str, user_data: str, tags: Sequence[str]) -> Any:
        """Call the driver's ``create_node``."""

    @abstractmethod
    def tags(self, node: Any) -> Sequence[str]:
        """Return a node's tags."""

    def nodes(self, driver: Any) -> list[Any]:
        """Return all the nodes of the account."""
        nodes: list[Any] = driver.list_nodes()
        return nodes

    def region_of(self, node: Any) -> str:
        """Return where a node is."""
        return str(node.extra.get("location") or node.extra.get("region") or "")

    def connect(self, region: str) -> Any:
        """See the base class."""
        driver_class = load_driver_class(self.name)
        token = read_token(os.environ, self.variables, self.title, self.token_page)
        return driver_class(token.reveal())

    def check(self, order: Order) -> None:
        """See the base class."""
        with translated(self.title):
            regions = [location.id for location in self.driver().list_locations()]
        check_region(order.region or self.default_region, regions, self.title)

    def machine(self, order: Order) -> Machine | None:
        """See the base class."""
        named = self._named(order)
        ours = [node for node in named if _is_ours(self._labels(node), order)]
        if named and not ours:
            raise NameTaken(
                f"en {self.title} ya hay una máquina llamada «{resource_name(order)}» que no es de este "
                "curso. Elija otro nombre con --nombre."
            )
        return self._machine(ours[0]) if ours else None

    def start(self, order: Order, user_data: str, labels: Mapping[str, str], mark: str) -> Machine:
        """See the base class."""
        tags = [f"{key}:{value}" for key, value in labels.items()]
        with translated(self.title):
            node = self.create(
                self.driver(), resource_name(order), order.region or self.default_region, user_data, tags
            )
        return self._machine(node)

    def end(self, order: Order, machine: Machine) -> None:
        """See the base class."""
        driver = self.driver()
        with translated(self.title):
            driver.destroy_node(machine.native)
        deadline = time.monotonic() + _GONE_TIMEOUT_S
        while any(str(node.id) == machine.id for node in self._named(order)):
            if time.monotonic() >= deadline:
                raise Unavailable(
                    f"{self.title} no terminó de eliminar la máquina {machine.id} en {_GONE_TIMEOUT_S:.0f} "
                    "segundos. Repita la orden."
                )
            time.sleep(_LOOK_AGAIN_S)

    def machines(self, course: str) -> Sequence[Machine]:
        """See the base class."""
        with translated(self.title):
            nodes = self.nodes(self.driver())
        return [self._machine(node) for node in nodes if self._labels(node).get("curso") == course]

    def left(self, order: Order) -> Sequence[Query]:
        """See the base class."""
        with translated(self.title):
            nodes = self.nodes(self.driver())
        left = tuple(
            f"máquina {node.id} ({node.name})"
            for node in nodes
            if node.name == resource_name(order) or _is_ours(self._labels(node), order)
        )
        return (Query(f"list_nodes: name={resource_name(order)} o etiqueta nodo:{order.name}", left),)

    def call(self, order: Order) -> str:
        """See the base class."""
        return (
            f"create_node(name={resource_name(order)}, size={self.size}, image={self.image}, "
            f"location={order.region}, tags=curso:{order.course}…, user_data=cloud-init)"
        )

    def _named(self, order: Order) -> list[Any]:
        with translated(self.title):
            return [node for node in self.nodes(self.driver()) if node.name == resource_name(order)]

    def _labels(self, node: Any) -> dict[str, str]:
        pairs = [tag.partition(":") for tag in self.tags(node)]
        return {key: value for key, separator, value in pairs if separator}

    def _machine(self, node: Any) -> Machine:
        state = str(node.state)
        return Machine(
            id=str(node.id),
            name=node.name,
            region=self.region_of(node),
            state=_STATES.get(state, state),
            is_up=state == "running",
            address=next((ip for ip in node.public_ips if ":" not in ip and ip != "0.0.0.0"), ""),
            labels=self._labels(node),
            native=node,
        )


class DigitalOcean(TokenCloud):
    """DigitalOcean."""

    name = "digitalocean"
    title = "DigitalOcean"
    default_region = "nyc3"
    prices = ("digitalocean-s-1vcpu-1gb",)
    variables = ("DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_TOKEN")
    token_page = "https://cloud.digitalocean.com/account/api/tokens"  # noqa: S105 - a page
    size = "s-1vcpu-1gb"
    image = "debian-12-x64"

    def create(self, driver: Any, name: str, region: str, user_data: str, tags: Sequence[str]) -> Any:
        """See the base class."""
        # The driver sends the size's name and the image's id: slugs, in this provider's API.
        return driver.create_node(
            name,
            _size(driver, self.size),
            _image(driver, self.image),
            _location(driver, region),
            ex_create_attr={"tags": list(tags)},
            ex_user_data=user_data,
        )

    def tags(self, node: Any) -> Sequence[str]:
        """See the base class."""
        return list(node.extra.get("tags") or ())


class Linode(TokenCloud):
    """Linode, now Akamai's."""

    name = "linode"
    title = "Linode"
    default_region = "us-east"
    prices = ("linode-g6-nanode-1",)
    variables = ("LINODE_CLI_TOKEN", "LINODE_TOKEN")
    token_page = "https://cloud.linode.com/profile/tokens"  # noqa: S105 - a page
    size = "g6-nanode-1"
    image = "linode/debian12"

    def create(self, driver: Any, name: str, region: str, user_data: str, tags: Sequence[str]) -> Any:
        """See the base class."""
        return driver.create_node(
            _location(driver, region),
            name,
            _size(driver, self.size),
            _image(driver, self.image),
            # The API wants one; the machine takes no password over SSH, and nobody is told this one.
            root_pass=secrets.token_urlsafe(48),
            # A tag holds 50 characters, which a node's name with its key would pass; the label has the name.
            ex_tags=[tag for tag in tags if not tag.startswith("nodo:")],
            ex_userdata=user_data,  # the driver encodes it, whatever its docstring says
        )

    def tags(self, node: Any) -> Sequence[str]:
        """See the base class."""
        tags = list(node.extra.get("tags") or ())
        own = [f"nodo:{node.name.removeprefix(PREFIX)}"] if node.name.startswith(PREFIX) else []
        return [*tags, *own]


class Vultr(TokenCloud):
    """Vultr."""

    name = "vultr"
    title = "Vultr"
    default_region = "ewr"
    prices = ("vultr-vc2-1c-1gb",)
    variables = ("VULTR_API_KEY",)
    token_page = "https://my.vultr.com/settings/#settingsapi"  # noqa: S105 - a page
    size = "vc2-1c-1gb"
    image = "2136"  # Debian 12 x64, https://api.vultr.com/v2/os

    def create(self, driver: Any, name: str, region: str, user_data: str, tags: Sequence[str]) -> Any:
        """See the base class."""
        return driver.create_node(
            name,
            _size(driver, self.size),
            _location(driver, region),
            image=_image(driver, self.image),
            ex_userdata=user_data,
            ex_hostname=name,
            ex_tag=" ".join(tags),  # the driver knows one tag only
        )

    def nodes(self, driver: Any) -> list[Any]:
        """See the base class."""
        nodes: list[Any] = driver.list_nodes(ex_list_bare_metals=False)
        return nodes

    def tags(self, node: Any) -> Sequence[str]:
        """See the base class."""
        return str(node.extra.get("tag") or "").split()


class DigitalOceanProvider(CloudProvider):
    """Exit nodes on DigitalOcean."""

    name = "digitalocean"
    title = "una máquina en DigitalOcean"
    cloud_class = DigitalOcean


class LinodeProvider(CloudProvider):
    """Exit nodes on Linode."""

    name = "linode"
    title = "una máquina en Linode"
    cloud_class = Linode


class VultrProvider(CloudProvider):
    """Exit nodes on Vultr."""

    name = "vultr"
    title = "una máquina en Vultr"
    cloud_class = Vultr


def _is_ours(labels: Mapping[str, str], order: Order) -> bool:
    return labels.get("curso") == order.course and labels.get("nodo") == order.name


# The drivers take objects of their own, of which they send the id (DigitalOcean: of a size, the name).


def _size(driver: Any, slug: str) -> Any:
    from libcloud.compute.base import NodeSize

    return NodeSize(slug, slug, 0, 0, 0, 0.0, driver)


def _image(driver: Any, slug: str) -> Any:
    from libcloud.compute.base import NodeImage

    return NodeImage(slug, slug, driver)


def _location(driver: Any, slug: str) -> Any:
    from libcloud.compute.base import NodeLocation

    return NodeLocation(slug, slug, "", driver)
