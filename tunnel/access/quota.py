"""How much a token may take of the exit node: ``max_streams`` and ``bandwidth`` in the tokens file."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from tunnel.config import ConfigError

__all__ = ["NO_QUOTA", "TokenQuota", "parse_quota"]

_MIN_BYTES_PER_S = 10_000
"""Below this one frame of 64 KiB would wait for longer than visitors do."""

_BANDWIDTH = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([KMG]?)(i?)(B|bit)/s", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3}


@dataclass(frozen=True, slots=True)
class TokenQuota:
    """What all clients of one token may take together; 0 is no limit of its own."""

    max_streams: int = 0  # requests and connections at once
    bytes_per_s: float = 0.0  # of content, in each direction


NO_QUOTA = TokenQuota()


def parse_quota(table: dict[str, object], where: str) -> TokenQuota:
    """Return the quota in an entry of the tokens file.

    Raises:
        ConfigError: a value is not as it must be.
    """
    streams = table.get("max_streams", 0)
    if type(streams) is not int or ("max_streams" in table and streams < 1):
        raise ConfigError(f"{where} lleva max_streams como un número entero desde 1: max_streams = 50.")
    return TokenQuota(streams, _parse_bandwidth(table["bandwidth"], where) if "bandwidth" in table else 0.0)


def _parse_bandwidth(value: object, where: str) -> float:
    match = _BANDWIDTH.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ConfigError(
            f'{where} tiene un ancho de banda (bandwidth) que no se entiende. Sirven bandwidth = "10MB/s", '
            '"500KB/s", "2MiB/s" o "100Mbit/s".'
        )
    number, prefix, binary, unit = match.groups()
    base = 1024.0 if binary else 1000.0
    size: float = float(number) * math.pow(base, _POWERS[prefix.upper()])
    size /= 8 if unit.lower() == "bit" else 1
    if size < _MIN_BYTES_PER_S:
        raise ConfigError(f"{where} tiene muy poco ancho de banda («{value}»): el mínimo es 10KB/s.")
    return size
