"""``tunnel cert``: what it writes, what it shows, and what it refuses to do."""

from __future__ import annotations

import os
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.tunnel.mtls.conftest import School
from tunnel.mtls.facts import read_facts
from tunnel.mtls.guests import names_in
from tunnel.state.certificates import make_authority, make_client_leaf, read_authority


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_ca_is_made_once_and_its_key_is_its_owners_alone(school: School) -> None:
    key = school.folder / "estado" / "autoridad-clientes.pem"
    before = key.read_text()
    assert read_facts(school.client_ca.read_text()).is_ca
    assert "PRIVATE KEY" not in school.client_ca.read_text()
    assert os.name != "posix" or mode(key) == 0o600
    assert "no se sobrescribe" in school.cert("ca", code=1)
    assert key.read_text() == before


def test_a_clients_certificate_says_who_it_is_and_until_when(school: School) -> None:
    school.issue("ana", "--dias=10")
    certificate, key = school.folder / "ana.pem", school.folder / "ana-llave.pem"
    facts = read_facts(certificate.read_text())
    assert (facts.names, facts.is_for_clients, facts.is_ca) == (("ana",), True, False)
    assert 9.9 < (facts.ends_s - time.time()) / 86400 <= 10
    assert os.name != "posix" or mode(key) == 0o600
    shown = school.cert("show", certificate)
    assert "un cliente" in shown
    assert facts.digest in shown
    assert "una CA" in school.cert("show", school.client_ca)


def test_nothing_is_overwritten_unless_it_is_to_be_renewed(school: School) -> None:
    school.issue("ana")
    before = (school.folder / "ana.pem").read_text()
    refused = school.cert("client", "--etiqueta=ana", f"--salida={school.folder}", code=1)
    assert "--renovar" in refused
    assert (school.folder / "ana.pem").read_text() == before
    school.issue("ana", "--renovar")
    assert (school.folder / "ana.pem").read_text() != before


def test_what_could_not_be_written_leaves_no_right_behind(school: School) -> None:
    school.issue("ana")
    right = (f"--a={school.tokens}", "--nombres=ana.example")
    school.cert("client", "--etiqueta=ana", f"--salida={school.folder}", *right, code=1)
    for conexion, url, code in (("c.toml", "ws://localhost", 2), ("no/hay.toml", "wss://localhost", 3)):
        connection = (f"--conexion={conexion}", f"--url={url}")
        school.cert("client", "--etiqueta=ana", *connection, *right, code=code)
    assert "ana" not in school.tokens.read_text()
    taken = (f"--a={school.tokens}", "--nombres=luis.example")
    school.issue("luis", *taken)
    again = school.cert("client", "--etiqueta=luis", "--salida=.", *taken, code=1)
    assert "ya hay un token «luis»" in again
    assert "luis" in school.tokens.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--nombres=a.example"], "van con --a"),
        (["--a=t.toml"], "falta --nombres"),
        (["--a=t.toml", "--nombres=a.example", "--renovar"], "quite --a"),
        (["--url=wss://a"], "van con --conexion"),
        (["--conexion=c.toml"], "falta --url"),
        (["--conexion=c.toml", "--url=ws://localhost"], "con certificados es wss"),
        (["--conexion=c.toml", "--url=wss://a", "--ca-pin=token"], "sha256:"),
        (["--conexion=c.toml", "--url=wss://a", "--salida=."], "no van juntos"),
        (["--dias=0"], "de 1 a"),
    ],
)
def test_what_is_wrong_with_the_options_is_said(school: School, options: list[str], said: str) -> None:
    assert said in school.cert("client", "--etiqueta=ana", *options, code=2)
    assert not (school.folder / "ana.pem").exists()
    assert not (school.folder / "c.toml").exists()


def test_without_a_ca_it_is_told_how_to_make_one(school: School) -> None:
    (school.folder / "estado" / "autoridad-clientes.pem").unlink()
    assert "tunnel cert ca" in school.cert("client", "--etiqueta=ana", code=2)


def test_an_expired_certificate_is_shown_and_is_a_no(school: School) -> None:
    old = make_client_leaf(make_authority(time.time() - 10 * 86400), "ana", 1, time.time() - 5 * 86400)
    path = school.folder / "vieja.pem"
    path.write_text(old.pem)
    assert "ya venció" in school.cert("show", path, code=1)
    path.write_text("nada")
    assert "PEM" in school.cert("show", path, code=2)


def named(school: School, *names: x509.GeneralName) -> str:
    """Return a client's certificate (PEM) of the CA's with these alternative names."""
    authority = read_authority((school.folder / "estado" / "autoridad-clientes.pem").read_text())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "el nombre común")]))
        .issuer_name(authority.certificate.subject)
        .public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), ("el nombre común",)),
        ((x509.DNSName("laptop.example"),), ("laptop.example",)),
        (
            (x509.RFC822Name("ana@example.org"), x509.UniformResourceIdentifier("spiffe://a/ana")),
            ("ana@example.org", "spiffe://a/ana"),
        ),
    ],
)
def test_the_command_and_the_exit_node_call_a_certificate_alike(
    school: School, names: tuple[x509.GeneralName, ...], expected: tuple[str, ...]
) -> None:
    path = school.folder / "otra.pem"
    path.write_text(named(school, *names))
    assert read_facts(path.read_text()).names == expected
    # The standard library has no public way to a certificate's facts but a link that showed it; this is what
    # getpeercert() itself calls.
    assert names_in(ssl._ssl._test_decode_cert(str(path))) == expected  # type: ignore[attr-defined]
