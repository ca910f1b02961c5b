"""A certificate from files, and the context that handshakes take it from."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from cryptography import x509

from tunnel.certificate_files import Pair, PairOptions, WatchedPair
from tunnel.config import ConfigError
from tunnel.https_options import CertificateFiles

__all__ = ["NamedCertificate", "watch_certificate"]

_OPTIONS = PairOptions("--https-cert", "--https-key")


@dataclass(frozen=True, slots=True)
class NamedCertificate:
    """A certificate for handshakes, and the names and addresses that it is for."""

    context: ssl.SSLContext
    names: frozenset[str]


def watch_certificate(
    files: CertificateFiles, clock: Callable[[], float] = time.time
) -> WatchedPair[NamedCertificate]:
    """Return a certificate and its key, read again when their files change: no connection is lost by it.

    Args:
        clock: returns the Unix time.

    Raises:
        ConfigError: a file cannot be read, others can read the key, they do not fit together, or the
            certificate is for no name.
    """
    return WatchedPair(files, _OPTIONS, _named, "the visitors' certificate", clock)


def _named(pair: Pair) -> NamedCertificate:
    names = _names_of(pair.certificate)
    if not names:
        raise ConfigError(
            f"el certificado {pair.files.certificate} (--https-cert) no dice para qué nombre es "
            "(subjectAltName): ningún navegador lo aceptaría."
        )
    return NamedCertificate(pair.context, names)


def _names_of(certificate: x509.Certificate) -> frozenset[str]:
    """Return the names and addresses that a certificate is for (RFC 9525: the subject's name is none)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    hosts = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    addresses = [str(ip_address(str(each))) for each in names.get_values_for_type(x509.IPAddress)]
    return frozenset((*hosts, *addresses))
