"""What cloud-init does at a machine's first boot: enough for one verified SSH connection, and no more.

It is a cloud-config in JSON, which YAML includes, so that nothing needs quoting by hand.  Modules used:
``users-groups``, ``ssh``, ``write-files``, ``runcmd``, ``package-update-upgrade-install``
(https://cloudinit.readthedocs.io/en/latest/reference/modules.html).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from tunnel.exitnodes.clouds.keys import NodeKeys
from tunnel.exitnodes.errors import ProviderFailed
from tunnel.exitnodes.model import Order

__all__ = ["LOGIN", "MAX_BYTES", "render_user_data"]

LOGIN = "tunelab"  # the same on every cloud, whatever its images call their first user

# EC2's limit, the smallest of all: 16 KB before it is encoded.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html
MAX_BYTES = 16 * 1024

_EXPIRY_SERVICE = """\
[Unit]
Description=tunelab: apaga esta máquina cuando vence

[Service]
Type=oneshot
ExecStart=/usr/bin/systemctl poweroff
"""

_EXPIRY_TIMER = """\
[Unit]
Description=tunelab: cuándo vence esta máquina

[Timer]
OnCalendar={expires}
# Also where it was off at that moment.
Persistent=true

[Install]
WantedBy=timers.target
"""

_FIREWALL = """\
#!/usr/sbin/nft -f
# Only what the tunnel needs comes in.
flush ruleset
table inet tunelab {{
  chain entrada {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "lo" accept
    meta l4proto {{ icmp, ipv6-icmp }} accept
    {sources}tcp dport {{ {ports} }} accept
  }}
}}
"""


def render_user_data(order: Order, keys: NodeKeys, expires: datetime, own_firewall: bool) -> str:
    """Return the user data of a node.

    Args:
        expires: when the machine turns itself off.
        own_firewall: the provider gives none, so the machine keeps its own.

    Raises:
        ProviderFailed: it does not fit (a great many source ranges).
    """
    files = [
        _file("/etc/systemd/system/tunelab-vence.service", _EXPIRY_SERVICE),
        _file("/etc/systemd/system/tunelab-vence.timer", _EXPIRY_TIMER.format(expires=_calendar(expires))),
    ]
    commands = [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "--now", "tunelab-vence.timer"],
    ]
    packages = ["python3-venv"]
    if own_firewall:
        files.append(_file("/etc/nftables.conf", _firewall(order)))
        commands.append(["systemctl", "enable", "nftables.service"])
        commands.append(["systemctl", "restart", "nftables.service"])
        packages.append("nftables")
    config = {
        "users": [
            {
                "name": LOGIN,
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [keys.login_public],
            }
        ],
        "disable_root": True,
        "ssh_pwauth": False,
        # One host key, and one that we know: none is believed on first use.
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": keys.first_host_private, "ed25519_public": keys.first_host_public},
        "package_update": True,
        "packages": packages,
        "write_files": files,
        "runcmd": commands,
    }
    text = "#cloud-config\n" + json.dumps(config, separators=(",", ":")) + "\n"
    if len(text.encode()) > MAX_BYTES:
        raise ProviderFailed(
            f"lo que la máquina lee al arrancar ocupa más de {MAX_BYTES // 1024} KB: dé menos rangos en "
            "--source-ranges."
        )
    return text


def _file(path: str, content: str) -> dict[str, str]:
    return {"path": path, "owner": "root:root", "permissions": "0644", "content": content}


def _calendar(moment: datetime) -> str:
    """Return a moment as systemd.time(7) writes calendar events."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _firewall(order: Order) -> str:
    ports: Sequence[int] = (22, order.control_port, order.data_port, *order.tcp_ports)
    sources = f"ip saddr {{ {', '.join(order.source_ranges)} }} " if order.source_ranges else ""
    return _FIREWALL.format(sources=sources, ports=", ".join(str(port) for port in sorted(set(ports))))
