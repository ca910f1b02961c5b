"""The connection file: all that a client needs to reach an exit node, in one file to hand over.

::

    version = 1
    url = "wss://192.0.2.10:8123"          # the exit node's control plane
    token = "…"                            # so only its owner may read it
    pin = "sha256:…"                       # of the CA; "token": the token proves it; none: the system
    public_url = "http://192.0.2.10:8000"  # where visitors come: for people, the client does not need it

In place of the token, ``certificate`` and ``key`` (PEM) are those that the client shows.

An exit node with ``--auto-tls`` writes it, and so may whatever made the exit node.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tunnel.config import ConfigError, ControlAddress, Secret, parse_control_url, parse_pin
from tunnel.identity import Identity, IdentityText
from tunnel.secret_files import check_token, read_secret_file, replace_private_file
from tunnel.toml_text import parse_toml, refuse_unknown_keys
from tunnel.trust import SYSTEM_TRUST, CaPin, SystemTrust, TokenProof

__all__ = [
    "CONNECTION_FILE",
    "Connection",
    "check_replaceable",
    "load_connection",
    "parse_connection",
    "write_connection",
]

CONNECTION_FILE = "conexion.toml"
"""What the file is called where nobody says otherwise."""

_VERSION = 1
_KEYS = ("version", "url", "token", "pin", "public_url", "certificate", "key")
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an exit node."""

    address: ControlAddress
    token: Secret | None  # or ``identity``
    trust: CaPin | TokenProof | SystemTrust = SYSTEM_TRUST
    public_url: str = ""
    identity: Identity | None = None  # an IdentityText where it is to be written

    def encode(self) -> str:
        """Return the file's text."""
        pins = {"pin": _pin_text(self.trust)} if self.trust != SYSTEM_TRUST else {}
        public = {"public_url": self.public_url} if self.public_url else {}
        proof = {} if self.token is None else {"token": self.token.reveal()}
        if isinstance(self.identity, IdentityText):
            proof |= {"certificate": self.identity.certificate, "key": self.identity.key}
        values = {"url": self.address.url, **proof, **pins, **public}
        # What JSON writes for a text is what TOML reads as the same one.
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        heading = "# Conexión con un nodo de salida: tunnel client --conexion ESTE_ARCHIVO --upstream URL"
        secret = "la llave" if self.token is None else "el token"
        warning = f"# Lleva {secret}, que es un secreto: cópielo solo a la máquina del servicio."
        return "\n".join([heading, warning, f"version = {_VERSION}", *lines, ""])


def load_connection(path: Path) -> Connection:
    """Return what a connection file says.

    Raises:
        ConfigError: others can read it, it is no TOML, or something in it is wrong.
    """
    advice = "Lo escribe «tunnel server --auto-tls» en el nodo de salida."
    return parse_connection(read_secret_file(path, "de conexión", "--conexion", advice, _MAX_BYTES), path)


def parse_connection(text: str, path: Path) -> Connection:
    """Return what ``text`` says; ``path`` is where it stands.

    Raises:
        ConfigError: it is no TOML, or something in it is wrong.
    """
    document = parse_toml(text, path)
    where = f"el archivo de conexión {path}"
    version = document.get("version")
    if type(version) is int and version > _VERSION:
        raise ConfigError(
            f"{where} es de la versión {version}, y este programa conoce hasta la {_VERSION}: actualícelo."
        )
    refuse_unknown_keys(document, _KEYS, where)
    if type(version) is not int or version != _VERSION:
        raise ConfigError(f"{where} necesita la línea «version = {_VERSION}».")
    has_identity = "certificate" in document or "key" in document
    required = ("url", "certificate", "key") if has_identity else ("url", "token")
    for key in _KEYS[1:]:
        if not isinstance(document.get(key, ""), str):
            raise ConfigError(f"en {where} el valor de {key} va entre comillas.")
        if key in required and key not in document:
            raise ConfigError(f"a {where} le falta la clave {key}.")
    if has_identity and "token" in document:
        raise ConfigError(f"{where} tiene un token y también un certificado: deje uno de los dos.")
    try:
        pin = document.get("pin")
        return Connection(
            address=parse_control_url(str(document["url"])),
            token=None if has_identity else check_token(str(document["token"]), f"del archivo {path}"),
            trust=SYSTEM_TRUST if pin is None else parse_pin(str(pin)),
            public_url=str(document.get("public_url", "")),
            identity=(
                IdentityText(str(document["certificate"]), str(document["key"])) if has_identity else None
            ),
        )
    except ConfigError as error:
        raise ConfigError(f"en {where}: {error}") from None


def check_replaceable(path: Path) -> None:
    """Raise ConfigError if ``path`` is anything but a connection file, or nothing at all."""
    if not path.exists():
        return
    try:
        load_connection(path)
    except ConfigError as error:
        raise ConfigError(
            f"ahí va el archivo de conexión, pero lo que hay no lo es, y no se sobrescribe: {error}\n"
            "Bórrelo, o elija otro nombre con --conexion."
        ) from None


def write_connection(path: Path, connection: Connection) -> None:
    """Write a connection file in one step, in the place of a former one if there is one.

    Raises:
        ConfigError: what is there is no connection file; it is left as it is.
        FileUnusable: it cannot be written.
    """
    check_replaceable(path)
    replace_private_file(path, connection.encode())


def _pin_text(trust: CaPin | TokenProof | SystemTrust) -> str:
    return f"sha256:{trust.sha256}" if isinstance(trust, CaPin) else "token"
