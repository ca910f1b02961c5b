"""A CA and the certificates that it signs.  No I/O, no clock: times are Unix times, in seconds.

Both are X.509 version 3 with the extensions that RFC 5280 asks of them (sections 4.2.1.1 to 4.2.1.12), so
that strict verifiers (OpenSSL's X509_STRICT, on in Python 3.13) take them too.  The keys are on P-256.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = [
    "AUTHORITY_S",
    "LEAF_S",
    "RENEWAL_S",
    "Authority",
    "Leaf",
    "make_authority",
    "make_client_leaf",
    "make_leaf",
    "read_authority",
]

_DAY_S = 24 * 3600

AUTHORITY_S = 3650 * _DAY_S
"""How long a CA lasts.  Clients hold its digest: another CA means to hand the connection file over again."""

LEAF_S = 90 * _DAY_S
"""How long a server's certificate lasts, as Let's Encrypt's do."""

RENEWAL_S = 30 * _DAY_S
"""It is renewed when it has less than this left: a third, as ACME clients do."""

_BACKDATED_S = _DAY_S  # a virtual machine that slept, or has not asked for the time yet, is late

_ALWAYS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: its certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        """Its certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        """Its certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def pin(self) -> str:
        """What a client holds to know it again: ``sha256:`` and 64 hexadecimal digits."""
        return f"sha256:{hashlib.sha256(self.der).hexdigest()}"

    @property
    def starts_s(self) -> float:
        """From when it is valid."""
        return self.certificate.not_valid_before_utc.timestamp()

    @property
    def ends_s(self) -> float:
        """Until when it is valid."""
        return self.certificate.not_valid_after_utc.timestamp()

    def encode(self) -> str:
        """Return certificate and key in PEM, for :func:`read_authority`."""
        return self.pem + _encode_key(self.key)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A server's certificate, or a client's."""

    pem: str  # with its key
    starts_s: float
    ends_s: float

    def is_due(self, now_s: float) -> bool:
        """Whether it is time for another one; also when the clock was set back to before this one."""
        return not self.starts_s <= now_s < self.ends_s - RENEWAL_S


def make_authority(now_s: float, common_name: str = "tunelab, CA de un nodo de salida") -> Authority:
    """Make a CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_time(now_s - _BACKDATED_S))
        .not_valid_after(_time(now_s + AUTHORITY_S))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(is_ca=True), critical=True)
        .add_extension(subject_key, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def read_authority(text: str) -> Authority:
    """Read what :meth:`Authority.encode` wrote.

    Raises:
        ValueError: it is anything else, with the reason in English.
    """
    certificates = x509.load_pem_x509_certificates(text.encode())
    key = load_pem_private_key(text.encode(), None)
    if len(certificates) != 1:
        raise ValueError("more than one certificate")
    (certificate,) = certificates
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("the key is not the certificate's")
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise ValueError("not a CA") from None
    if not constraints.ca:
        raise ValueError("not a CA")
    return Authority(certificate, key)


def make_leaf(authority: Authority, names: tuple[str, ...], now_s: float) -> Leaf:
    """Make a server's certificate for ``names`` (host names and IP addresses) and for this machine's own."""
    key = ec.generate_private_key(ec.SECP256R1())
    starts_s = max(now_s - _BACKDATED_S, authority.starts_s)
    ends_s = min(now_s + LEAF_S, authority.ends_s)
    unsigned = _unsigned_leaf(authority, key.public_key(), "tunelab, nodo de salida", starts_s, ends_s)
    certificate = (
        unsigned.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_general_names((*names, *_ALWAYS))), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Leaf(certificate.public_bytes(Encoding.PEM).decode() + _encode_key(key), starts_s, ends_s)


def make_client_leaf(authority: Authority, name: str, days: float, now_s: float) -> Leaf:
    """Make a client's certificate, with ``name`` as its common name; it ends no later than the CA does."""
    key = ec.generate_private_key(ec.SECP256R1())
    starts_s = max(now_s - _BACKDATED_S, authority.starts_s)
    ends_s = min(now_s + days * _DAY_S, authority.ends_s)
    certificate = (
        _unsigned_leaf(authority, key.public_key(), name, starts_s, ends_s)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Leaf(certificate.public_bytes(Encoding.PEM).decode() + _encode_key(key), starts_s, ends_s)


def _unsigned_leaf(
    authority: Authority, key: ec.EllipticCurvePublicKey, name: str, starts_s: float, ends_s: float
) -> x509.CertificateBuilder:
    issuer_key = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_time(starts_s))
        .not_valid_after(_time(ends_s))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(is_ca=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False
        )
    )


def _general_names(names: tuple[str, ...]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in dict.fromkeys(names)]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _encode_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _time(time_s: float) -> datetime:
    return datetime.fromtimestamp(int(time_s), UTC)
