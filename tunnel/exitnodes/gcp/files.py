"""What the machine reads in its metadata, as files of the node's private folder.

Limits: 256 KB a value and 512 KB in all,
https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#limitations.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from tunnel.exitnodes.errors import ProviderFailed
from tunnel.exitnodes.install import make_parcel
from tunnel.exitnodes.model import Order, Student
from tunnel.secret_files import replace_private_file

__all__ = [
    "MAX_ALL_BYTES",
    "MAX_VALUE_BYTES",
    "PARCELS",
    "STARTUP",
    "are_written",
    "make_files",
    "write_files",
]

MAX_VALUE_BYTES = 256 * 1024
MAX_ALL_BYTES = 512 * 1024
STARTUP = "arranque.sh"
# In two halves, because one value may not hold all of it.
PARCELS = ("paquete-1.b64", "paquete-2.b64")
# What the secret, labels and our own keys may still take of all.
_RESERVED_BYTES = 64 * 1024


def make_files(order: Order) -> Mapping[str, str]:
    """Return the texts by the names of their files.  No secret is among them.

    Raises:
        ProviderFailed: they do not fit in a machine's metadata.
        ExitNodeError: see :func:`tunnel.exitnodes.install.make_parcel`.
    """
    return _made(order.data_port, order.control_port, order.tcp_ports, order.is_shared)


@functools.cache
def _made(
    data_port: int, control_port: int, tcp_ports: tuple[int, ...], is_shared: bool
) -> Mapping[str, str]:
    order = Order("gcp", "nodo", Path(), data_port=data_port, control_port=control_port, tcp_ports=tcp_ports)
    if is_shared:
        order = replace(order, students=(Student("1", "1"),))
    parcel = base64.b64encode(make_parcel(order).tar_xz()).decode("ascii")
    middle = len(parcel) // 2
    texts = {
        STARTUP: files("tunnel.exitnodes.gcp").joinpath(STARTUP).read_text(encoding="utf-8"),
        **dict(zip(PARCELS, (parcel[:middle], parcel[middle:]), strict=True)),
    }
    check_sizes({name: len(text.encode()) for name, text in texts.items()})
    return texts


def check_sizes(sizes: Mapping[str, int]) -> None:
    """Refuse what does not fit.

    Args:
        sizes: in bytes, by name.

    Raises:
        ProviderFailed: something is too large.
    """
    for name, size in sizes.items():
        if size > MAX_VALUE_BYTES:
            raise ProviderFailed(
                f"{name} ocupa {size} bytes, y un metadato de Google admite {MAX_VALUE_BYTES}. Es un "
                "error del curso, no suyo: avise a quien lo mantiene."
            )
    if sum(sizes.values()) > MAX_ALL_BYTES - _RESERVED_BYTES:
        raise ProviderFailed("los archivos del nodo no caben en los metadatos de una máquina de Google.")


def write_files(order: Order) -> None:
    """Write them into the node's folder."""
    for name, text in make_files(order).items():
        replace_private_file(order.folder / name, text)


def are_written(order: Order) -> bool:
    """Whether the folder holds them, as they would be made now."""
    try:
        return all(
            (order.folder / name).read_text(encoding="utf-8") == text
            for name, text in make_files(order).items()
        )
    except (OSError, ValueError):
        return False
