"""The agent's certificate: read, held to fit its key, and put into the TLS context of each dial."""

from __future__ import annotations

import contextlib
import logging
import re
import ssl
import tempfile
from pathlib import Path

from tunnel.config import ConfigError
from tunnel.identity import Identity, IdentityFiles
from tunnel.os_errors import describe_os_error
from tunnel.protocol.auth import certificate_token
from tunnel.secret_files import read_secret_file

__all__ = ["ShownCertificate", "shown_by"]

_log = logging.getLogger(__name__)

_MAX_PEM_BYTES = 64 * 1024
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class ShownCertificate:
    """A certificate and its key, for an agent to show.  Files are read again for each dial.

    Raises:
        ConfigError: a file cannot be read, others can read the key, or the two do not fit together.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._certificate, self._key = self._read()
        self._token = self._check(self._certificate, self._key)

    @property
    def token(self) -> str:
        """What takes a token's place in the handshake of a link where it was shown."""
        return self._token

    def prepare(self, context: ssl.SSLContext) -> None:
        """Put the certificate, as it is now, into a context that is about to dial.

        Files that cannot be used (their keeper may be half way through) leave the former pair in use.
        """
        with contextlib.suppress(ConfigError):
            self.look_again()
        _load(context, self._certificate, self._key)

    def look_again(self) -> bool:
        """Read the files again; return whether there is another certificate now.

        Raises:
            ConfigError: they cannot be used; the former pair stays.
        """
        certificate, key = self._read()
        if (certificate, key) == (self._certificate, self._key):
            return False
        try:
            token = self._check(certificate, key)
        except ConfigError as error:
            _log.warning("the client certificate was not read again, the former one goes on: %s", error)
            raise
        self._certificate, self._key, self._token = certificate, key, token
        _log.info("another client certificate was read")
        return True

    def _read(self) -> tuple[str, str]:
        identity = self._identity
        if not isinstance(identity, IdentityFiles):
            return identity.certificate, identity.key
        advice = "Se hacen con «tunnel cert client» en el nodo de salida."
        key = read_secret_file(identity.key, "de la llave", "--key", advice, _MAX_PEM_BYTES)
        try:
            return identity.certificate.read_text(encoding="ascii"), key
        except OSError as error:
            raise ConfigError(
                f"no se puede leer el certificado {identity.certificate} (--cert): "
                f"{describe_os_error(error)}. {advice}"
            ) from None
        except UnicodeDecodeError:
            raise ConfigError(f"{identity.certificate} (--cert) no es un certificado en PEM.") from None

    def _check(self, certificate: str, key: str) -> str:
        """Return what takes the token's place."""
        found = _CERTIFICATE.search(certificate)
        try:
            if found is None:
                raise ValueError("no certificate")
            _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, key)
            return certificate_token(ssl.PEM_cert_to_DER_cert(found[0]))
        except (ssl.SSLError, ValueError):  # the reason may quote what is in the files
            what = "el certificado y la llave del archivo de conexión"
            if isinstance(self._identity, IdentityFiles):
                what = f"{self._identity.certificate} (--cert) y {self._identity.key} (--key)"
            raise ConfigError(
                f"{what} no son un certificado y su llave sin contraseña, en PEM, o la llave es de otro "
                "certificado."
            ) from None


def shown_by(identity: Identity | None) -> ShownCertificate | None:
    """Return the certificate of an agent that has one.  Raises ConfigError."""
    return None if identity is None else ShownCertificate(identity)


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a pair into a context, which takes files alone."""
    descriptor, name = tempfile.mkstemp(suffix=".pem")  # its owner's alone
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{certificate}\n{key}")
        context.load_cert_chain(name, password=_refuse_passphrase)
    finally:
        Path(name).unlink()


def _refuse_passphrase() -> str:
    """Give none: without this OpenSSL would ask whoever sits at the terminal."""
    return ""
