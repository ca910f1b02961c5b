"""A CA and what it signs: every field that a strict verifier looks at, and when another one is due."""

from __future__ import annotations

import hashlib
import ssl
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from tunnel.state.certificates import (
    AUTHORITY_S,
    LEAF_S,
    RENEWAL_S,
    Authority,
    Leaf,
    make_authority,
    make_leaf,
    read_authority,
)

NOW_S = 1_800_000_000.0
DAY_S = 24 * 3600


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority(NOW_S)


def certificate(leaf: Leaf) -> x509.Certificate:
    return x509.load_pem_x509_certificate(leaf.pem.encode())


def test_the_ca_may_sign_servers_and_no_other_ca(authority: Authority) -> None:
    extensions = authority.certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign) == (True, True)
    assert not usage.value.digital_signature
    assert isinstance(authority.key.curve, ec.SECP256R1)
    assert authority.certificate.issuer == authority.certificate.subject


def test_the_ca_lasts_ten_years_and_is_valid_for_a_clock_that_is_late(authority: Authority) -> None:
    assert authority.ends_s == NOW_S + AUTHORITY_S
    assert 9.9 < AUTHORITY_S / DAY_S / 365 < 10.1
    assert authority.starts_s == NOW_S - DAY_S


def test_the_pin_is_the_digest_of_the_certificate_in_der(authority: Authority) -> None:
    der = ssl.PEM_cert_to_DER_cert(authority.pem)
    assert der == authority.der
    assert authority.pin == f"sha256:{hashlib.sha256(der).hexdigest()}"


def test_a_server_s_certificate_is_for_servers_and_signs_nothing(authority: Authority) -> None:
    leaf = certificate(make_leaf(authority, ("192.0.2.10",), NOW_S))
    constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, False)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign, usage.crl_sign) == (True, False, False)
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_server_s_certificate_has_the_given_names_and_this_machine_s_own_once_each(
    authority: Authority,
) -> None:
    names = ("exit.example", "192.0.2.10", "2001:db8::1", "localhost", "exit.example")
    leaf = certificate(make_leaf(authority, names, NOW_S))
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["exit.example", "localhost"]
    expected = [ip_address(text) for text in ("192.0.2.10", "2001:db8::1", "127.0.0.1", "::1")]
    assert found.get_values_for_type(x509.IPAddress) == expected


def test_a_strict_verifier_takes_the_chain(authority: Authority) -> None:
    leaf = certificate(make_leaf(authority, ("exit.example",), NOW_S))
    policy = PolicyBuilder().store(Store([authority.certificate])).time(datetime.fromtimestamp(NOW_S, UTC))
    chain = policy.build_server_verifier(x509.DNSName("exit.example")).verify(leaf, [])
    assert chain == [leaf, authority.certificate]
    with pytest.raises(x509.verification.VerificationError):
        policy.build_server_verifier(x509.DNSName("other.example")).verify(leaf, [])


def test_each_certificate_has_a_key_and_a_number_of_its_own(authority: Authority) -> None:
    one, other = (certificate(make_leaf(authority, (), NOW_S)) for _ in range(2))
    assert one.public_key() != other.public_key()
    assert len({one.serial_number, other.serial_number, authority.certificate.serial_number}) == 3


def test_a_certificate_is_due_a_month_before_its_end_and_not_before(authority: Authority) -> None:
    leaf = make_leaf(authority, (), NOW_S)
    assert leaf.ends_s == NOW_S + LEAF_S
    assert not leaf.is_due(NOW_S)
    assert not leaf.is_due(leaf.ends_s - RENEWAL_S - 1)
    assert leaf.is_due(leaf.ends_s - RENEWAL_S)
    assert leaf.is_due(leaf.ends_s + DAY_S)


def test_a_certificate_is_due_when_the_clock_was_set_back_to_before_it(authority: Authority) -> None:
    leaf = make_leaf(authority, (), NOW_S + 40 * DAY_S)
    assert not leaf.is_due(NOW_S + 39 * DAY_S)
    assert leaf.is_due(NOW_S + 39 * DAY_S - 1)


def test_no_certificate_outlives_its_ca(authority: Authority) -> None:
    leaf = make_leaf(authority, (), authority.ends_s - 5 * DAY_S)
    assert leaf.ends_s == authority.ends_s
    assert make_leaf(authority, (), NOW_S - 10 * DAY_S).starts_s == authority.starts_s


def test_a_ca_is_read_as_it_was_written(authority: Authority) -> None:
    again = read_authority(authority.encode())
    assert (again.pem, again.pin) == (authority.pem, authority.pin)
    leaf = certificate(make_leaf(again, (), NOW_S))
    leaf.verify_directly_issued_by(authority.certificate)


def _foreign(authority: Authority) -> dict[str, str]:
    other = make_authority(NOW_S)
    key = rsa.generate_private_key(65537, 2048)
    rsa_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    ec_key = authority.encode().removeprefix(authority.pem)
    return {
        "nothing": "",
        "no PEM": "hola\n",
        "the certificate alone": authority.pem,
        "the key alone": ec_key,
        "cut in the middle": authority.encode()[:-60],
        "another CA's key": authority.pem + other.encode().removeprefix(other.pem),
        "a key of another kind": authority.pem + rsa_key,
        "two certificates": authority.pem + other.encode(),
        "a server's certificate": make_leaf(authority, (), NOW_S).pem,
    }


@pytest.mark.parametrize(
    "kind",
    [
        "nothing", "no PEM", "the certificate alone", "the key alone", "cut in the middle",
        "another CA's key", "a key of another kind", "two certificates", "a server's certificate",
    ],
)  # fmt: skip
def test_what_is_no_ca_is_refused(authority: Authority, kind: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_authority(_foreign(authority)[kind])
