"""What is changed in the text of a systemd unit (``tunnel/units``), line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["allow_low_ports", "with_lines"]

_PRIVILEGED_PORTS = range(1, 1024)


def with_lines(text: str, key: str, values: Iterable[str]) -> str:
    """Return the unit with these lines for ``key`` in the place of its own, or at ``[Service]``'s end."""
    lines = "".join(f"{key}={value}\n" for value in values)
    pattern = re.compile(rf"(?:^{key}=.*\n)+", re.MULTILINE)
    if pattern.search(text):
        return pattern.sub(lambda _: lines, text, count=1)
    return text.replace("\n[Install]", f"{lines}\n[Install]")


def allow_low_ports(text: str, ports: Iterable[int]) -> str:
    """Return the unit with the one capability that ports under 1024 need (capabilities(7)), if any is one."""
    if not any(port in _PRIVILEGED_PORTS for port in ports):
        return text
    # In a user namespace of its own the capability would be worth nothing outside.
    text = with_lines(text, "PrivateUsers", ["no"])
    text = with_lines(text, "CapabilityBoundingSet", ["CAP_NET_BIND_SERVICE"])
    return with_lines(text, "AmbientCapabilities", ["CAP_NET_BIND_SERVICE"])
