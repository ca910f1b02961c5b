"""The parcel and the secret, sent over SSH; the pin, and the node's own host key, taken home.

Each call may be repeated, and is, after an interruption: the installer changes nothing that is as it should
be, and at each moment the node shows a host key that is already in our file.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Sequence

from tunnel.exitnodes.clouds.keys import NodeKeys
from tunnel.exitnodes.clouds.ssh import NoConnectionError, Remote
from tunnel.exitnodes.errors import NotReady, ProviderFailed, UntrustedNode
from tunnel.exitnodes.install.parcel import INSTALLER, ROTATION, archive, make_parcel
from tunnel.exitnodes.model import Order

__all__ = ["deliver", "receive_command", "rotate_command"]

_FOLDER = "/root/tunelab"
_BOOT_TIMEOUT_S = 420.0  # a slow cloud boots in two minutes, and then updates its package lists
_INSTALL_TIMEOUT_S = 900.0
_LOOK_AGAIN_S = 3.0
_PIN = re.compile(r"sha256:[0-9a-f]{64}")
_PUBLIC_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]+")

# cloud-init still works on the machine when SSH answers first, and apt has one lock.
_RECEIVE = f"""\
set -euo pipefail
umask 077
if command -v cloud-init >/dev/null; then cloud-init status --wait >/dev/null 2>&1 || true; fi
rm -rf {_FOLDER}
mkdir {_FOLDER}
tar --extract --gzip --no-same-owner --directory {_FOLDER}
bash {_FOLDER}/{INSTALLER} {_FOLDER} "$1"
"""


def receive_command(address: str) -> Sequence[str]:
    """Return what runs on the node, with the archive on its stdin."""
    return _as_root(_RECEIVE, "tunelab-recibir", address)


def rotate_command(verb: str) -> Sequence[str]:
    """Return what runs on the node to make a host key of its own (``make``), or to use it (``activate``)."""
    return _as_root(f'exec bash {_FOLDER}/{ROTATION} "$1"', "tunelab-llave", verb)


def deliver(
    order: Order,
    remote: Remote,
    keys: NodeKeys,
    tell: Callable[[str], None],
    *,
    boot_timeout_s: float = _BOOT_TIMEOUT_S,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Install the exit node and return the pin of its certificate authority.

    Raises:
        NotReady: its SSH server does not answer in time.
        UntrustedNode: it answers, with another host key.
        ProviderFailed, Unavailable: the installation failed, or did not end.
    """
    # Without a file of known keys, this is the first visit; after one, the key may have changed already.
    if not remote.known():
        remote.know(keys.first_host_public)
    _wait(remote, tell, boot_timeout_s, clock, pause)
    tell("La máquina responde por SSH con la llave esperada. Instalando el túnel en ella…")
    contents = {**make_parcel(order).files, order.secret_file.name: order.secret_file.read_bytes()}
    pin = _only(
        _PIN, _run(remote, receive_command(remote.address), archive(contents), timeout_s=_INSTALL_TIMEOUT_S)
    )
    own = _only(_PUBLIC_KEY, _run(remote, rotate_command("make")))
    remote.know(*remote.known(), own)  # both: whichever the node shows after an interruption
    _run(remote, rotate_command("activate"))
    remote.know(own)
    _run(remote, ("true",))  # the new one is what it shows, and the only one that is taken
    return pin


def _as_root(script: str, name: str, argument: str) -> Sequence[str]:
    # ssh joins its words with spaces for the remote shell: the script is one word there only if it is quoted.
    return ("sudo", "-n", "bash", "-c", shlex.quote(script), name, shlex.quote(argument))


def _wait(
    remote: Remote,
    tell: Callable[[str], None],
    timeout_s: float,
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> None:
    """Return when the machine lets us in.  Until then nothing was sent that anybody could take."""
    tell(f"Esperando a que la máquina arranque ({remote.address})…")
    deadline = clock() + timeout_s
    while True:
        try:
            remote.run(("true",))
            return
        except NoConnectionError as reason:
            if clock() >= deadline:
                raise _not_ready(remote, str(reason), timeout_s) from None
        pause(_LOOK_AGAIN_S)


def _not_ready(remote: Remote, reason: str, timeout_s: float) -> NotReady | UntrustedNode:
    if "Host key verification failed" in reason:
        return UntrustedNode(
            f"en {remote.address} contesta por SSH una máquina que no tiene la llave que se le dio a la "
            "suya. No se le envió nada: bórrela y créela de nuevo, desde otra red si puede."
        )
    return NotReady(
        f"la máquina no dejó entrar por SSH en {timeout_s:.0f} segundos ({reason}). ¿Permite su red salir al "
        f"puerto {remote.port}, y está usted dentro de --source-ranges? Repita la orden para seguir "
        "esperando, o borre el nodo."
    )


def _run(remote: Remote, command: Sequence[str], data: bytes = b"", *, timeout_s: float = 60.0) -> str:
    try:
        return remote.run(command, data, timeout_s=timeout_s)
    except NoConnectionError as reason:
        raise NotReady(
            f"se cortó la conexión SSH con el nodo ({reason}). Repita la orden: continuará."
        ) from None


def _only(pattern: re.Pattern[str], text: str) -> str:
    found = [match[0] for line in text.splitlines() if (match := pattern.match(line.strip()))]
    if len(found) != 1:
        raise ProviderFailed(
            "el nodo respondió algo que no se esperaba. Mire qué pasó con «tunnel exit-node logs»."
        )
    return found[0]
