"""What a certificate says, for those who decide whom to let in by it.  No I/O, no clock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Facts", "read_facts"]

T = TypeVar("T", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says."""

    names: tuple[str, ...]  # what a tokens file may call it by
    digest: str  # of its DER, SHA-256: ``sha256:…``
    issuer: str  # RFC 4514
    starts_s: float  # Unix time
    ends_s: float
    is_ca: bool
    is_for_clients: bool  # an exit node may take it


def read_facts(text: str) -> Facts:
    """Return what the first certificate of a PEM text says.

    Raises:
        ValueError: there is none.
    """
    certificate = x509.load_pem_x509_certificates(text.encode())[0]
    der = certificate.public_bytes(Encoding.DER)
    constraints = _extension(certificate, x509.BasicConstraints)
    is_ca = constraints is not None and constraints.ca
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    return Facts(
        names=_names(certificate),
        digest=f"sha256:{hashlib.sha256(der).hexdigest()}",
        issuer=certificate.issuer.rfc4514_string(),
        starts_s=certificate.not_valid_before_utc.timestamp(),
        ends_s=certificate.not_valid_after_utc.timestamp(),
        is_ca=is_ca,
        is_for_clients=not is_ca and (usage is None or ExtendedKeyUsageOID.CLIENT_AUTH in usage),
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return what :func:`tunnel.mtls.guests.names_in` will find in it."""
    alternative = _extension(certificate, x509.SubjectAlternativeName)
    kinds = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier)
    named = [name.value for name in alternative or () if isinstance(name, kinds)]
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return tuple(named or (str(attribute.value) for attribute in common))


def _extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
