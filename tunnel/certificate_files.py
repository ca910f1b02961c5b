"""A certificate and its key in files that somebody else keeps in date: read, held to fit, read again.

For the control plane (``--tls-cert``) and for visitors (``--https-cert``).
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cryptography import x509

from tunnel.config import ConfigError
from tunnel.https_options import CertificateFiles
from tunnel.os_errors import describe_os_error
from tunnel.secret_files import read_secret_file
from tunnel.transport.tls import server_context
from tunnel.watching import FileWatch, Unusable

__all__ = ["Pair", "PairOptions", "WatchedPair"]

_log = logging.getLogger(__name__)

_MAX_PEM_BYTES = 64 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PairOptions:
    """Which options named the files, for the words of what is wrong with them."""

    certificate: str  # "--tls-cert"
    key: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate whose key fits."""

    files: CertificateFiles
    certificate: x509.Certificate
    context: ssl.SSLContext  # of its own, with both

    def load_into(self, context: ssl.SSLContext) -> None:
        """Put both, as they are in the files now, into a context that handshakes are made with.

        Raises:
            OSError: the files have changed since; ssl.SSLError for a pair that does not fit.
        """
        _load(context, self.files)


class WatchedPair(Generic[T]):
    """A pair that is read again when its files change; ``value`` is what ``take`` made of it.

    Args:
        take: returns what is to be had of a pair, or raises ConfigError for one that cannot be used.
        whose: for the log: ``"the visitors' certificate"``.
        clock: returns the Unix time.

    Raises:
        ConfigError: a file cannot be read, others can read the key, they do not fit together, or ``take``
            refuses them.
    """

    def __init__(
        self,
        files: CertificateFiles,
        options: PairOptions,
        take: Callable[[Pair], T],
        whose: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files, self._options = files, options
        self._take = take
        self._whose = whose
        self._clock = clock
        self._watch = FileWatch((files.certificate, files.key), clock)
        self.value = self._read()

    def poll(self) -> None:
        """Read the files once they have changed and look the same twice; bad ones change nothing."""
        found = self._watch.read_again(self._read)
        if isinstance(found, Unusable):
            _log.warning("%s was not read again, the former one goes on: %s", self._whose, found.complaint)
        elif found is not None:
            self.value = found.value
            _log.info("%s was read again from %s", self._whose, self._files.certificate)

    def _read(self) -> T:
        files, options = self._files, self._options
        read_secret_file(files.key, "de la llave del certificado", options.key, "", _MAX_PEM_BYTES)
        context = server_context()
        try:
            _load(context, files)
            certificate = x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
            value = self._take(Pair(files, certificate, context))
        except (ssl.SSLError, ValueError):
            raise ConfigError(
                f"{files.certificate} ({options.certificate}) y {files.key} ({options.key}) no son un "
                "certificado y su llave, en PEM, o la llave es de otro certificado. Con certbot son "
                "fullchain.pem y privkey.pem."
            ) from None
        except OSError as error:
            raise ConfigError(
                f"no se puede leer el certificado {files.certificate} ({options.certificate}): "
                f"{describe_os_error(error)}."
            ) from None
        now_s = self._clock()
        if now_s < certificate.not_valid_before_utc.timestamp():
            _log.warning("%s, %s, is not valid yet; is the clock right?", self._whose, files.certificate)
        if now_s >= certificate.not_valid_after_utc.timestamp():
            _log.warning("%s, %s, has expired: nobody will take it", self._whose, files.certificate)
        return value


def _load(context: ssl.SSLContext, files: CertificateFiles) -> None:
    context.load_cert_chain(files.certificate, files.key, password=_refuse_passphrase)


def _refuse_passphrase() -> str:
    """Give none: without this OpenSSL would ask whoever sits at the terminal."""
    return ""
