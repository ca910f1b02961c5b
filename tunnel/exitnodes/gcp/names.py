"""What everything of a node is called at Google, and where a node may be."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from tunnel.exitnodes.errors import BadOrder
from tunnel.exitnodes.model import Order

__all__ = [
    "DEFAULT_REGION",
    "ZONES",
    "check_region",
    "expiry_label",
    "last_word",
    "parse_expiry_label",
    "project_of",
    "resource_name",
    "rule_mark",
]

# The regions whose e2-micro is in the free tier (https://cloud.google.com/free/docs/free-cloud-features), and
# their zones (https://cloud.google.com/compute/docs/regions-zones), in the order in which they are tried.
ZONES: dict[str, tuple[str, ...]] = {
    "us-central1": ("us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"),
    "us-east1": ("us-east1-b", "us-east1-c", "us-east1-d"),
    "us-west1": ("us-west1-a", "us-west1-b", "us-west1-c"),
}
DEFAULT_REGION = "us-central1"

_EXPIRY = "%Y%m%dt%H%Mz"  # a label has no capitals and no colons


def check_region(region: str) -> str:
    """Return the region, or the default one for none.  Raises BadOrder."""
    if not region or region in ZONES:
        return region or DEFAULT_REGION
    near = difflib.get_close_matches(region, ZONES, 1)
    hint = f"¿Quiso decir {near[0]}?" if near else f"Las hay: {', '.join(ZONES)}."
    raise BadOrder(f"«{region}» no es una región con nivel gratuito para e2-micro. {hint}")


def resource_name(order: Order) -> str:
    """Return the name of the machine, of its firewall rule and of its network tag."""
    return f"tunelab-{order.name}"


def project_of(order: Order) -> str:
    """Return the id of the project."""
    return order.option("proyecto")


def rule_mark(order: Order) -> str:
    """Return the description of the firewall rule: rules have no labels."""
    return f"curso={order.course} nodo={order.name}"


def expiry_label(duration_s: int) -> str:
    """Return when a machine that is made now removes itself, as a label's value."""
    return (datetime.now(UTC) + timedelta(seconds=duration_s)).strftime(_EXPIRY)


def parse_expiry_label(value: str) -> str:
    """Return a label's value as an RFC 3339 time; empty where it is none."""
    try:
        return datetime.strptime(value, _EXPIRY).replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return ""


def last_word(url: str) -> str:
    """Return the last part of a resource's URL: the API names zones by their URLs."""
    return urlsplit(url).path.rpartition("/")[2]
