"""The system's ``ssh``, held to the host keys that we know, and to nothing in the user's own settings.

Options: ssh_config(5).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunnel.exitnodes.clouds.keys import KNOWN_HOSTS
from tunnel.exitnodes.clouds.user_data import LOGIN
from tunnel.exitnodes.errors import MissingTool, ProviderFailed, Unavailable
from tunnel.exitnodes.process import require
from tunnel.secret_files import replace_private_file

__all__ = ["NoConnectionError", "Remote", "require_ssh"]

_ALIAS = "tunelab-nodo"  # what the host key is filed under: addresses come and go
_CONNECT_TIMEOUT_S = 10
_OWN_FAILURE = 255  # ssh's, not the remote command's
_MAX_WORDS = 2000


class NoConnectionError(Exception):
    """No connection came about; the text is ssh's.  A machine that is still starting is like that."""


def require_ssh() -> None:
    """Raise MissingTool where this system has no ``ssh``."""
    require(
        "ssh",
        "Es el cliente de OpenSSH: «apt install openssh-client» en Debian y Ubuntu; en Windows, "
        "Configuración → Características opcionales → Cliente OpenSSH.",
    )


@dataclass(frozen=True, slots=True)
class Remote:
    """A node's SSH server."""

    folder: Path  # the node's own
    login_file: Path
    address: str
    port: int = 22

    def know(self, *public_keys: str) -> None:
        """Accept these host keys from now on, and no other."""
        lines = "".join(f"{_ALIAS} {' '.join(key.split()[:2])}\n" for key in dict.fromkeys(public_keys))
        replace_private_file(self.folder / KNOWN_HOSTS, lines)

    def known(self) -> list[str]:
        """Return the host keys that are accepted."""
        path = self.folder / KNOWN_HOSTS
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return [line.partition(" ")[2] for line in lines]

    def argv(self, command: Sequence[str] = (), *, is_batch: bool = False) -> list[str]:
        """Return the command that opens a shell there, or runs ``command`` (words for the remote shell)."""
        options = [
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            f'UserKnownHostsFile="{self.folder / KNOWN_HOSTS}"',
            "GlobalKnownHostsFile=none",
            f"HostKeyAlias={_ALIAS}",
            "HostKeyAlgorithms=ssh-ed25519",
            "CheckHostIP=no",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
            "PasswordAuthentication=no",
            "KbdInteractiveAuthentication=no",
            f"ConnectTimeout={_CONNECT_TIMEOUT_S}",
            "ServerAliveInterval=15",
            *(["BatchMode=yes"] if is_batch else []),
        ]
        settings = [word for option in options for word in ("-o", option)]
        place = ["-i", str(self.login_file), "-p", str(self.port), f"{LOGIN}@{self.address}"]
        # None of ~/.ssh/config: a ControlMaster or a ProxyJump there would take another way.
        return ["ssh", "-F", "none", *settings, *place, *(["--", *command] if command else [])]

    def run(self, command: Sequence[str], data: bytes = b"", *, timeout_s: float = 60.0) -> str:
        """Run a command there with ``data`` on its stdin; return what it wrote to its stdout.

        Raises:
            NoConnectionError: no connection came about.
            ProviderFailed: the command failed; the text has its words.
            Unavailable: it did not end in time.
        """
        try:
            ended = subprocess.run(  # noqa: S603 - no shell on this side
                self.argv(command, is_batch=True),
                input=data,
                capture_output=True,
                timeout=timeout_s,
                env={**os.environ, "LC_ALL": "C"},
                check=False,
            )
        except FileNotFoundError:
            raise MissingTool("no se encontró el programa «ssh».") from None
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"el nodo no terminó su instalación en {timeout_s:.0f} segundos. Repita la orden: continuará."
            ) from None
        words = ended.stderr.decode("utf-8", "replace").strip()[-_MAX_WORDS:]
        if ended.returncode == _OWN_FAILURE:
            raise NoConnectionError(words.splitlines()[-1] if words else "ssh no dijo nada")
        if ended.returncode:
            raise ProviderFailed(f"la instalación en el nodo terminó con {ended.returncode}:\n{words}")
        return ended.stdout.decode("utf-8", "replace")
