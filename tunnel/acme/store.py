"""The account's key and the certificates, each with its key in one file that only its owner can read.

``STATE/acme/ISSUER/cuenta.pem`` and ``STATE/acme/ISSUER/certificados/NAME.pem``: what one issuer gave is not
taken for another's.  One file for both makes a new certificate one step: it is there whole, or the former is.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tunnel.config import ConfigError
from tunnel.secret_files import (
    FileUnusable,
    create_private_file,
    read_secret_file,
    replace_private_file,
    scratch_file,
)
from tunnel.state.folder import prepare_state_folder
from tunnel.transport.tls import server_context

__all__ = ["Certificate", "Store"]

_log = logging.getLogger(__name__)

_ACCOUNT_FILE = "cuenta.pem"
_MAX_BYTES = 256 * 1024
_WILDCARD, _WILDCARD_IN_FILES = "*.", "+."  # no name has a plus sign, and Windows has no asterisk in a file's


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that can be served."""

    context: ssl.SSLContext
    starts_s: float  # Unix time
    ends_s: float

    @property
    def renewal_s(self) -> float:
        """When to ask for the next: with a third of its life left, as issuers advise."""
        return self.ends_s - (self.ends_s - self.starts_s) / 3


class Store:
    """What is kept of one issuer.

    Raises:
        ConfigError: what is in the state folder cannot be used; it is left as it is.
        FileUnusable: the folder cannot be made or written.
    """

    def __init__(self, state_folder: Path, directory: str) -> None:
        digest = hashlib.sha256(directory.encode()).hexdigest()[:8]
        self._folder = state_folder / "acme" / f"{urlsplit(directory).hostname}-{digest}"
        self._certificates = self._folder / "certificados"
        for folder in (state_folder, self._folder.parent, self._folder, self._certificates):
            prepare_state_folder(folder)
        self.account_key = self._keep_account_key()

    def names(self) -> list[str]:
        """Return the names that there is a certificate for."""
        stems = [path.name.removesuffix(".pem") for path in self._certificates.glob("[!.]*.pem")]
        return [stem.replace(_WILDCARD_IN_FILES, _WILDCARD, 1) for stem in sorted(stems)]

    def load(self, name: str) -> Certificate | None:
        """Return the certificate for ``name``, or None: there is none, or what is there is none.

        Raises:
            ConfigError: others can read it.
        """
        path = self._path(name)
        if not path.exists():
            return None
        text = read_secret_file(path, "del certificado", "--state-dir", "", _MAX_BYTES)
        try:
            return _read(path, text)
        except (ValueError, OSError) as error:
            _log.warning("%s is damaged, and will be obtained anew: %s", path, error)
            return None

    def check(self) -> None:
        """Make sure that a certificate can be kept, before one is asked for: issuers count them.

        Raises:
            FileUnusable: it cannot.
        """
        try:
            with scratch_file(self._path("prueba"), "x" * 4096):
                pass
        except OSError as error:
            raise FileUnusable(str(error)) from None

    def keep(self, name: str, pem: str) -> Certificate:
        """Put a certificate and its key in the place of the former one.

        Raises:
            FileUnusable: it cannot be written.
            ValueError: it is no certificate, or that of another key.
        """
        path = self._path(name)
        try:
            with scratch_file(path, pem) as scratch:
                certificate = _read(scratch, pem)
        except ssl.SSLError as error:
            raise ValueError(str(error)) from None
        except OSError as error:
            raise FileUnusable(str(error)) from None
        replace_private_file(path, pem)
        return certificate

    def _path(self, name: str) -> Path:
        return self._certificates / f"{name.replace(_WILDCARD, _WILDCARD_IN_FILES, 1)}.pem"

    def _keep_account_key(self) -> ec.EllipticCurvePrivateKey:
        path = self._folder / _ACCOUNT_FILE
        if not path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            create_private_file(path, pem.decode())  # or somebody else's is there by now
        text = read_secret_file(path, "de la cuenta con el emisor", "--state-dir", "", _MAX_BYTES)
        with contextlib.suppress(ValueError, TypeError):
            kept = load_pem_private_key(text.encode(), None)
            if isinstance(kept, ec.EllipticCurvePrivateKey):
                return kept
        raise ConfigError(
            f"el archivo {path} no es la llave de la cuenta con el emisor de certificados, o está dañado. "
            "No se tocó. Si lo borra se abrirá otra cuenta, y no se pierde nada más."
        )


def _read(path: Path, pem: str) -> Certificate:
    leaf = x509.load_pem_x509_certificates(pem.encode())[0]
    context = server_context()
    context.load_cert_chain(path)
    return Certificate(context, leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp())
