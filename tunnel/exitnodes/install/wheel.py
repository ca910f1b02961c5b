"""This very program as a wheel, so that a node runs what the student has, not what an index has.

It is made from the modules that are running, hence the same way in a checkout and where the kit is installed
without one (the laptop machine), with no build tool; the same files give the same bytes. Only the package
``tunnel`` goes in, without its pages for people: an exit node serves no to-do list and grades nobody.

Source: the binary distribution format,
https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import tunnel
from tunnel.exitnodes.errors import ExitNodeError

__all__ = ["LOCK", "Wheel", "make_wheel"]

# Beside the wheel, never in it: an installed kit has a copy in the package, for want of a checkout's top.
LOCK = "requirements.lock"

_DISTRIBUTION = "tunelab"
_ENTRY_POINTS = "[console_scripts]\ntunnel = tunnel.cli:entry_point\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: tunelab\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
# What stands in for a cloud has no use in one, and a machine's metadata are small.
_SIMULATION = "simulation"
# The oldest date that a zip can hold: the bytes depend on the contents alone.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel's file name and contents."""

    name: str
    data: bytes


def make_wheel() -> Wheel:
    """Return the wheel of the package ``tunnel`` as it runs here.

    Raises:
        ExitNodeError: the kit is not installed, only lies in a folder.
    """
    try:
        installed = distribution(_DISTRIBUTION)
    except PackageNotFoundError:
        raise ExitNodeError(
            "el curso no está instalado en este Python, y de lo instalado se hace lo que va al nodo. "
            "Use ./scripts/demo una vez (crea .venv), o «pip install -e .»."
        ) from None
    stem = f"{_DISTRIBUTION}-{installed.version}"
    info = f"{stem}.dist-info"
    root = Path(tunnel.__file__).parent
    files = {
        f"tunnel/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
        and not {"__pycache__", _SIMULATION} & set(path.relative_to(root).parts)
        and path.name != LOCK
        and path.suffix not in (".md", ".pyd", ".so")  # the compiled ones are for this machine
    }
    files[f"{info}/METADATA"] = (installed.read_text("METADATA") or "").encode()
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    files[f"{info}/entry_points.txt"] = _ENTRY_POINTS.encode()
    record = "".join(f"{name},{_digest(files[name])},{len(files[name])}\n" for name in sorted(files))
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return Wheel(f"{stem}-py3-none-any.whl", _zip(files))


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return "sha256=" + digest.rstrip(b"=").decode()


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    # Not compressed: the parcel's one compression over all of it is smaller than one for each file.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()
