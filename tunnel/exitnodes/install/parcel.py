"""The folder that the installer works from, as an archive that is the same for the same contents."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import tunnel
from tunnel.exitnodes.errors import ExitNodeError
from tunnel.exitnodes.install.wheel import LOCK, make_wheel
from tunnel.exitnodes.model import Order
from tunnel.unit_text import allow_low_ports

__all__ = ["INSTALLER", "ROTATION", "Parcel", "archive", "make_parcel"]

INSTALLER = "install-exit-node.sh"
ROTATION = "rotate-host-key.sh"
_UNIT = "tunnel-server.service"
_SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Parcel:
    """Files by name, without folders.  No secret is among them."""

    files: Mapping[str, bytes]

    def tar_gz(self) -> bytes:
        """Return the archive, to be unpacked in an empty folder that only root can enter."""
        return archive(self.files)

    def tar_xz(self) -> bytes:
        """Return it a fifth smaller, for where the size counts; Debian's cloud images have xz."""
        return lzma.compress(gzip.decompress(self.tar_gz()), preset=9)


def make_parcel(order: Order) -> Parcel:
    """Return what a machine needs to become this very program's exit node.

    Raises:
        ExitNodeError: the kit is not installed, or is not whole.
    """
    wheel = make_wheel()
    own = files("tunnel.exitnodes.install")
    contents = {
        INSTALLER: own.joinpath(INSTALLER).read_bytes(),
        ROTATION: own.joinpath(ROTATION).read_bytes(),
        LOCK: _read_lock(),
        _UNIT: _unit(order).encode(),
        "settings": f"{order.secret_file.name} {order.control_port}\n".encode(),
        wheel.name: wheel.data,
    }
    sums = "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
    return Parcel({**contents, _SUMS: sums.encode()})


def archive(contents: Mapping[str, bytes]) -> bytes:
    """Return the files as a ``.tar.gz``, closed to all but their owner; same files, same bytes."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,  # gzip would write down the hour
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in sorted(contents):
            entry = tarfile.TarInfo(name)
            entry.size = len(contents[name])
            entry.mode = 0o600
            tar.addfile(entry, io.BytesIO(contents[name]))
    return buffer.getvalue()


def _unit(order: Order) -> str:
    """Return the unit with this order's ports and kind of secret; the rest is filled in on the node."""
    text = files("tunnel").joinpath("units", _UNIT).read_text(encoding="utf-8")
    text = text.replace("@PORT@", str(order.data_port)).replace("@CONTROL_PORT@", str(order.control_port))
    if order.tcp_ports:
        text = text.replace(" --token-file", f" --tcp-ports {order.tcp_ports_text} --token-file")
    text = allow_low_ports(text, (order.data_port, order.control_port, *order.tcp_ports))
    return text.replace("--token-file", "--tokens-file") if order.is_shared else text


def _read_lock() -> bytes:
    """Return the lock with hashes: beside this module where the kit is installed, at a checkout's top."""
    for path in (Path(__file__).with_name(LOCK), Path(tunnel.__file__).parents[1] / LOCK):
        if path.is_file():
            return path.read_bytes()
    raise ExitNodeError(f"falta {LOCK}, la lista de lo que se instala en el nodo. Reinstale el curso.")
