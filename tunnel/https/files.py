"""A certificate from files, and the context that handshakes take it from."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from ipaddress import ip_address

from cryptography import x509

from tunnel.config import ConfigError
from tunnel.https_options import CertificateFiles
from tunnel.os_errors import describe_os_error
from tunnel.secret_files import read_secret_file
from tunnel.transport.tls import server_context
from tunnel.watching import FileWatch

__all__ = ["FileCertificate"]

_log = logging.getLogger(__name__)

_MAX_PEM_BYTES = 64 * 1024


class FileCertificate:
    """A certificate and its key, read again when their files change: no connection is lost by it.

    Args:
        clock: returns the Unix time.

    Raises:
        ConfigError: a file cannot be read, others can read the key, or they do not fit together.
    """

    def __init__(self, files: CertificateFiles, clock: Callable[[], float] = time.time) -> None:
        self._files = files
        self._clock = clock
        self._watch = FileWatch((files.certificate, files.key), clock)
        self.context, self.names = self._load()

    def poll(self) -> None:
        """Read the files once they have changed and look the same twice; bad ones change nothing."""
        if not self._watch.is_due(is_urgent=False):
            return
        try:
            self.context, self.names = self._load()
        except ConfigError as error:
            _log.warning("the visitors' certificate was not read again, the former one goes on: %s", error)
        else:
            _log.info("the visitors' certificate was read again from %s", self._files.certificate)

    def _load(self) -> tuple[ssl.SSLContext, frozenset[str]]:
        files = self._files
        read_secret_file(files.key, "de la llave del certificado", "--https-key", "", _MAX_PEM_BYTES)
        context = server_context()
        try:
            context.load_cert_chain(files.certificate, files.key, password=_refuse_passphrase)
            certificate = x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
        except (ssl.SSLError, ValueError):
            raise ConfigError(
                f"{files.certificate} (--https-cert) y {files.key} (--https-key) no son un certificado y su "
                "llave, en PEM, o la llave es de otro certificado. Con certbot son fullchain.pem y "
                "privkey.pem."
            ) from None
        except OSError as error:
            reason = describe_os_error(error)
            raise ConfigError(
                f"no se puede leer el certificado {files.certificate} (--https-cert): {reason}."
            ) from None
        names = _names_of(certificate)
        if not names:
            raise ConfigError(
                f"el certificado {files.certificate} (--https-cert) no dice para qué nombre es "
                "(subjectAltName): ningún navegador lo aceptaría."
            )
        now_s = self._clock()
        if now_s < certificate.not_valid_before_utc.timestamp():
            _log.warning("%s is not valid yet; is the clock right?", files.certificate)
        if now_s >= certificate.not_valid_after_utc.timestamp():
            _log.warning("%s has expired: no browser will take it", files.certificate)
        return context, names


def _names_of(certificate: x509.Certificate) -> frozenset[str]:
    """Return the names and addresses that a certificate is for (RFC 9525: the subject's name is none)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    hosts = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    addresses = [str(ip_address(str(each))) for each in names.get_values_for_type(x509.IPAddress)]
    return frozenset((*hosts, *addresses))


def _refuse_passphrase() -> str:
    """Give none: without this OpenSSL would ask whoever sits at the terminal."""
    return ""
