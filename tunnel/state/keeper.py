"""The CA in its file, and a certificate in the TLS context that is always in date."""

from __future__ import annotations

import contextlib
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from tunnel.config import ConfigError
from tunnel.os_errors import describe_os_error
from tunnel.secret_files import (
    FileUnusable,
    create_private_file,
    read_secret_file,
    replace_private_file,
    scratch_file,
)
from tunnel.state.certificates import LEAF_S, Authority, Leaf, make_authority, make_leaf, read_authority
from tunnel.state.folder import prepare_state_folder

__all__ = ["CertificateKeeper"]

_log = logging.getLogger(__name__)

_AUTHORITY_FILE = "autoridad.pem"
_CERTIFICATE_FILE = "ca.pem"
_MAX_BYTES = 64 * 1024
_RETRY_S = 600.0  # a certificate that could not be renewed is good for weeks yet


class CertificateKeeper:
    """Puts a certificate for ``names`` into ``context``, and another one before the first one ends.

    A context's certificate is that of the handshakes to come: links that are up do not notice.

    Args:
        folder: the state folder, made if it is not there.
        clock: returns the Unix time.

    Raises:
        ConfigError: what is in the folder cannot be used; it is left as it is.
        FileUnusable: the folder cannot be made or written.
    """

    def __init__(
        self,
        folder: Path,
        names: tuple[str, ...],
        context: ssl.SSLContext,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._names = names
        self._context = context
        self._clock = clock
        self._retry_s = 0.0
        prepare_state_folder(folder)
        self.authority = _keep_authority(folder, clock())
        _publish(folder / _CERTIFICATE_FILE, self.authority)
        try:
            self._leaf = self._install()
        except OSError as error:
            reason = describe_os_error(error)
            raise FileUnusable(f"no se puede escribir en la carpeta {folder}: {reason}.") from None

    def poll(self) -> bool:
        """Renew the certificate if it is time; return whether it was.  To be called now and then."""
        now_s = self._clock()
        # A wait that is longer than any means that the clock was set back since.
        if not self._leaf.is_due(now_s) or now_s < self._retry_s <= now_s + _RETRY_S:
            return False
        self._retry_s = now_s + _RETRY_S  # whatever comes of it: near the CA's own end a new one is due too
        try:
            self._leaf = self._install()
        except (OSError, FileUnusable) as error:
            _log.warning("the certificate was not renewed and will be tried again: %s", error)
            return False
        _log.info("the certificate was renewed; the new one ends at %.0f", self._leaf.ends_s)
        return True

    def _install(self) -> Leaf:
        leaf = make_leaf(self.authority, self._names, self._clock())
        # ssl reads certificates from files alone.
        with scratch_file(self._folder / "servidor.pem", leaf.pem) as path:
            self._context.load_cert_chain(path)
        return leaf


def _keep_authority(folder: Path, now_s: float) -> Authority:
    path = folder / _AUTHORITY_FILE
    if not path.exists():
        create_private_file(path, make_authority(now_s).encode())  # or somebody else's is there by now
    text = read_secret_file(path, "de la CA", "--state-dir", "", _MAX_BYTES)
    remedy = (
        "No se tocó. Si no es suyo, elija otra carpeta con --state-dir; si lo es, bórrelo y se hará otra CA: "
        "los clientes necesitarán el nuevo archivo de conexión."
    )
    try:
        authority = read_authority(text)
    except ValueError as error:
        _log.info("%s: %s", path, error)
        raise ConfigError(
            f"el archivo {path} no es el de la CA de un nodo de salida, o está dañado. {remedy}"
        ) from None
    if not authority.starts_s <= now_s < authority.ends_s:
        raise ConfigError(
            f"la CA del archivo {path} vale desde el {_date(authority.starts_s)} hasta el "
            f"{_date(authority.ends_s)}, y en esta máquina es {_date(now_s)}. Revise el reloj. {remedy}"
        )
    if authority.ends_s - now_s < LEAF_S:
        _log.warning(
            "the CA in %s ends on %s, and with it every connection file", path, _date(authority.ends_s)
        )
    return authority


def _publish(path: Path, authority: Authority) -> None:
    """Put the certificate where it can be copied from without the key."""
    former = b""
    with contextlib.suppress(FileNotFoundError):
        former = path.read_bytes()
    if former == authority.pem.encode():
        return
    if former and not former.startswith(b"-----BEGIN CERTIFICATE-----"):
        raise ConfigError(
            f"el archivo {path} no es un certificado, y ahí va el de la CA. No se tocó: quítelo de ahí, o "
            "elija otra carpeta con --state-dir."
        )
    replace_private_file(path, authority.pem)


def _date(time_s: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time_s))
