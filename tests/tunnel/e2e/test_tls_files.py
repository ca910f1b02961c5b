"""TLS on the link with a certificate that somebody else keeps in date."""

from __future__ import annotations

import os
import socket
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.tunnel_kit import Starter
from support.tunnel_process import Client, Server, TunnelProcess
from support.wire import eventually

from tunnel.state.certificates import LEAF_S, Authority, make_authority, make_leaf

KEY_MARK = "-----BEGIN PRIVATE KEY-----"


@dataclass(slots=True)
class Issuer:
    """A CA, and the files in which an exit node finds what it issued last."""

    folder: Path
    authority: Authority = field(default_factory=lambda: make_authority(time.time()))

    @property
    def options(self) -> list[str]:
        return [f"--tls-cert={self.folder / 'fullchain.pem'}", f"--tls-key={self.folder / 'privkey.pem'}"]

    @property
    def ca_file(self) -> Path:
        path = self.folder / "ca.pem"
        path.write_text(self.authority.pem)
        return path

    def issue(self, *, at_s: float | None = None) -> None:
        """Put a new certificate in the place of the last one, a file after the other, as certbot does."""
        leaf = make_leaf(self.authority, (), time.time() if at_s is None else at_s).pem
        certificate, key = leaf[: leaf.index(KEY_MARK)], leaf[leaf.index(KEY_MARK) :]
        for name, text, mode in (("fullchain.pem", certificate, 0o644), ("privkey.pem", key, 0o600)):
            new = self.folder / f"{name}.new"
            new.touch(mode=mode)
            new.write_text(text)
            new.replace(self.folder / name)


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    folder = tmp_path / "letsencrypt"
    folder.mkdir()
    issuer = Issuer(folder)
    issuer.issue()
    return issuer


def served_certificate(server: Server, issuer: Issuer) -> bytes:
    """Return the certificate (DER) that a fresh handshake shows, verified."""
    context = ssl.create_default_context(cafile=str(issuer.ca_file))
    with (
        socket.create_connection(("127.0.0.1", server.control_port), 10) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def client_of(start: Starter, server: Server, *options: str, env: dict[str, str] | None = None) -> Client:
    backend = start.backend()
    client = TunnelProcess(
        "client",
        f"--url=wss://localhost:{server.control_port}",
        f"--upstream={backend.url}",
        f"--token-file={start.token_file}",
        "--json",
        *options,
        env=env,
    )
    start.processes.append(client)
    return client  # type: ignore[return-value]


def test_who_trusts_its_ca_gets_in_and_no_connection_file_is_needed(start: Starter, issuer: Issuer) -> None:
    server = start.server(*issuer.options)
    listening = server.wait_for("listening")
    assert (listening["is_encrypted"], listening["pin"], listening["connection_file"]) == (True, "", "")
    client = client_of(start, server, f"--ca-file={issuer.ca_file}")
    client.wait_for("connected")
    with server.visit() as wire:
        assert wire.ask().content == b"hola"


def test_a_ca_that_the_system_trusts_is_enough(start: Starter, issuer: Issuer) -> None:
    server = start.server(*issuer.options)
    # OpenSSL's own variable puts the test's CA in the place of the system's.
    client = client_of(start, server, env={"SSL_CERT_FILE": str(issuer.ca_file)})
    client.wait_for("connected")
    distrustful = client_of(start, server)
    assert distrustful.wait_for("disconnected")["reason"] == "tls"


def test_a_renewed_certificate_is_served_and_no_link_is_lost(start: Starter, issuer: Issuer) -> None:
    server = start.server(*issuer.options)
    client = client_of(start, server, f"--ca-file={issuer.ca_file}")
    client.wait_for("connected")
    first = served_certificate(server, issuer)
    issuer.issue()
    eventually(lambda: served_certificate(server, issuer) != first, "the new certificate")
    with server.visit() as wire:
        assert wire.ask().content == b"hola"
    assert client.count("disconnected") == 0


def test_files_that_do_not_fit_leave_the_former_certificate_in_force(start: Starter, issuer: Issuer) -> None:
    server = start.server(*issuer.options)
    first = served_certificate(server, issuer)
    (issuer.folder / "fullchain.pem").write_text("-----BEGIN nothing\n")
    eventually(lambda: "not read again" in server.err, "the warning")
    assert served_certificate(server, issuer) == first
    issuer.issue()
    eventually(lambda: served_certificate(server, issuer) != first, "the next good one")


def test_a_certificate_that_has_expired_is_told_in_the_log(start: Starter, issuer: Issuer) -> None:
    issuer.authority = make_authority(time.time() - 2 * LEAF_S)
    issuer.issue(at_s=time.time() - 1.5 * LEAF_S)
    server = start.server(*issuer.options)
    eventually(lambda: "has expired" in server.err, "the warning")


def wrong(*options: str) -> str:
    own = {"TUNELAB_TOKEN": "x" * 32}
    process = TunnelProcess("server", "--port=0", "--control-port=0", *options, env=own)
    code = process.wait()
    process.close()
    assert code == 2, process.description
    return process.err


def test_what_cannot_be_used_is_named(issuer: Issuer, tmp_path: Path) -> None:
    certificate, key = issuer.options
    assert "van juntos" in wrong(certificate)
    assert "elija uno" in wrong(certificate, key, "--auto-tls", f"--state-dir={tmp_path / 'estado'}")
    assert "no existe" in wrong(f"--tls-cert={tmp_path / 'nada.pem'}", key)
    assert "no existe" in wrong(certificate, f"--tls-key={tmp_path / 'nada.pem'}")
    assert "o la llave es de otro" in wrong(f"--tls-cert={issuer.ca_file}", key)
    assert "no pueden ser el mismo puerto" in wrong(certificate, key, "--port=9", "--control-port=9")


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX / los modos son de POSIX")
def test_a_key_that_others_can_read_is_refused(issuer: Issuer) -> None:
    (issuer.folder / "privkey.pem").chmod(0o644)
    assert "chmod 600" in wrong(*issuer.options)
