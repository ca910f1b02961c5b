"""The two key pairs of a node's SSH, as files of OpenSSH's own kinds in the node's private folder.

``llave``             what we log in with
``llave-de-arranque`` what the node shows at its first boot: it reaches the node in its user data, and is
                      replaced as soon as the node has made its own (see ``delivery``)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from tunnel.exitnodes.errors import StateDamaged
from tunnel.secret_files import replace_private_file

__all__ = ["KNOWN_HOSTS", "NodeKeys", "forget_keys", "load_keys", "make_keys"]

KNOWN_HOSTS = "known_hosts"  # of the node alone: which host keys are accepted (see ``ssh``)
_LOGIN = "llave"
_FIRST_HOST = "llave-de-arranque"


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The pairs of one node."""

    login_file: Path  # the private key that ``ssh -i`` reads
    login_public: str  # "ssh-ed25519 AAAA…", one line without an end
    first_host_private: str
    first_host_public: str

    @property
    def mark(self) -> str:
        """A word that tells this node's keys from any other's: 32 hexadecimal digits, no secret."""
        return hashlib.sha256(self.login_public.encode()).hexdigest()[:32]


def make_keys(folder: Path) -> NodeKeys:
    """Make both pairs anew in the folder, in place of those that may be there."""
    # What a former machine showed, which ended with its time, this one does not have.
    (folder / KNOWN_HOSTS).unlink(missing_ok=True)
    # The host's first: the login key tells load_keys that both are there.
    for name in (_FIRST_HOST, _LOGIN):
        key = Ed25519PrivateKey.generate()
        text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii")
        replace_private_file(folder / name, text)
    return _read(folder)


def forget_keys(folder: Path) -> None:
    """Remove both pairs, and what is known of the host: they are one machine's own."""
    for name in (_LOGIN, _FIRST_HOST, KNOWN_HOSTS):
        (folder / name).unlink(missing_ok=True)


def load_keys(folder: Path) -> NodeKeys | None:
    """Return the pairs in the folder, or None where there are none.

    Raises:
        StateDamaged: a file is there and holds no key.
    """
    return _read(folder) if (folder / _LOGIN).is_file() else None


def _read(folder: Path) -> NodeKeys:
    login, first_host = folder / _LOGIN, folder / _FIRST_HOST
    public = _public(first_host)
    return NodeKeys(login, _public(login), first_host.read_text(encoding="ascii"), public)


def _public(path: Path) -> str:
    try:
        key = load_ssh_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError):
        raise StateDamaged(
            f"el archivo {path} no contiene la llave SSH que debía. Sin ella no se puede entrar al nodo: "
            "bórrelo con «tunnel exit-node delete» y créelo de nuevo."
        ) from None
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
