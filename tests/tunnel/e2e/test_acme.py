"""Certificates for visitors from a real ACME issuer (pebble), proven over HTTP."""

from __future__ import annotations

import json
import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.https import Ca, client_context, shake_hands, visit_https
from support.pebble import Pebble, free_port, names_on_loopback, pebble
from support.tunnel_kit import Starter
from support.tunnel_process import COMMAND, Server
from support.wire import eventually

NAME = "ana.example"

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def dns_port() -> Iterator[int]:
    with names_on_loopback() as names:
        yield names.port


@pytest.fixture
def data_port() -> int:
    return free_port()


@pytest.fixture
def issuer(tmp_path: Path, dns_port: int, data_port: int) -> Iterator[Pebble]:
    with pebble(tmp_path / "pebble", http_port=data_port, dns_port=dns_port, refused="malo.example") as found:
        yield found


def start_server(start: Starter, port: int, issuer: Pebble, *options: str) -> Server:
    state = start.token_file.parent / "estado"
    return start.server("--https-port=0", f"--state-dir={state}", *issuer.options, *options, port=port)


def https_port(server: Server) -> int:
    return server.wait_for("listening")["https"]["port"]


def certificate_of(server: Server, name: str, root: str) -> dict:
    with shake_hands(https_port(server), name, client_context(root)) as tls:
        return tls.getpeercert() or {}


def test_a_certificate_is_obtained_proven_over_http_and_served(
    start: Starter, data_port: int, issuer: Pebble
) -> None:
    server = start_server(start, data_port, issuer, f"--acme-domain={NAME}", "--https-redirect", "--hsts=60")
    backend = start.backend()
    client = start.connected_client(server, backend)
    assert client.wait_for("connected")["urls"]
    obtained = server.wait_for("certificate_obtained", timeout_s=60)
    assert obtained["domain"] == NAME
    root = issuer.root
    with visit_https(https_port(server), NAME, root) as wire:
        answer = wire.ask("GET", "/", f"Host: {NAME}")
        assert (answer.content, answer.fields.get("Strict-Transport-Security")) == (b"hola", "max-age=60")
    with server.visit() as wire:
        assert wire.ask("GET", "/", f"Host: {NAME}").status == 308
        # The order is over: the path belongs to the service again, and is never sent elsewhere.
        assert wire.ask("GET", "/.well-known/acme-challenge/x", f"Host: {NAME}").content == b"hola"
    assert [asked.target for asked in backend.requests] == ["/", "/.well-known/acme-challenge/x"]
    with shake_hands(https_port(server), "", client_context(root), sni=False) as tls:
        assert NAME in str(tls.getpeercert())


def test_what_was_obtained_is_private_and_serves_again_after_a_restart(
    start: Starter, data_port: int, issuer: Pebble
) -> None:
    server = start_server(start, data_port, issuer, f"--acme-domain={NAME}")
    server.wait_for("certificate_obtained", timeout_s=60)
    root = issuer.root
    before = certificate_of(server, NAME, root)["serialNumber"]
    server.terminate()
    assert server.wait() == 0
    state = start.token_file.parent / "estado"
    files = [path for path in state.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"cuenta.pem", f"{NAME}.pem"}
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = start_server(start, data_port, issuer, f"--acme-domain={NAME}", "--acme-domain=luis.example")
    assert certificate_of(again, NAME, root)["serialNumber"] == before
    # What has none is asked for, by the same account, and what has one is not.
    assert again.wait_for("certificate_obtained", timeout_s=60)["domain"] == "luis.example"
    assert issuer.count("Added order") == 2
    assert (issuer.count("There are now 1 accounts"), issuer.count("There are now 2 accounts")) == (1, 0)


def test_it_is_renewed_while_connections_go_on(
    start: Starter, tmp_path: Path, dns_port: int, data_port: int
) -> None:
    with pebble(tmp_path / "breve", http_port=data_port, dns_port=dns_port, validity_s=12) as issuer:
        # The proof is asked for by HTTP although all else is sent to HTTPS by then.
        server = start_server(start, data_port, issuer, f"--acme-domain={NAME}", "--https-redirect")
        start.connected_client(server, start.backend())
        server.wait_for("certificate_obtained", timeout_s=60)
        root = issuer.root
        first = certificate_of(server, NAME, root)["serialNumber"]
        with visit_https(https_port(server), NAME, root) as wire:
            assert wire.ask("GET", "/", f"Host: {NAME}").content == b"hola"
            eventually(lambda: server.count("certificate_obtained") > 1, "it is renewed", 40)
            assert wire.ask("GET", "/", f"Host: {NAME}").content == b"hola"
        assert certificate_of(server, NAME, root)["serialNumber"] != first
        assert server.count("client_gone") == 0


def test_a_name_that_the_issuer_refuses_is_told_and_left_alone_and_others_go_on(
    start: Starter, data_port: int, issuer: Pebble
) -> None:
    server = start_server(start, data_port, issuer, "--acme-domain=a.malo.example", f"--acme-domain={NAME}")
    failed = server.wait_for("certificate_failed", timeout_s=60)
    assert (failed["domain"], failed["reason"], failed["is_served"]) == ("a.malo.example", "refused", False)
    assert "rejectedIdentifier" in failed["detail"]
    assert failed["retry_in_s"] > 200
    server.wait_for("certificate_obtained", timeout_s=60)
    assert certificate_of(server, NAME, issuer.root)
    with pytest.raises(ssl.SSLError):
        certificate_of(server, "a.malo.example", issuer.root)


def test_only_names_that_are_allowed_get_one_when_a_client_claims_them(
    start: Starter, data_port: int, issuer: Pebble
) -> None:
    server = start_server(start, data_port, issuer, "--acme-allow=*.clase.example")
    backend = start.backend()
    client = start.connected_client(
        server, f"todo.clase.example={backend.url}", f"ajeno.example={backend.url}"
    )
    urls = client.wait_for("connected")["urls"]
    port = https_port(server)
    assert urls == [f"https://todo.clase.example:{port}", f"http://ajeno.example:{server.port}"]
    server.wait_for("certificate_obtained", timeout_s=60)
    with visit_https(port, "todo.clase.example", issuer.root) as wire:
        assert wire.ask("GET", "/", "Host: todo.clase.example").content == b"hola"
    assert [each["domain"] for each in server.events if each["event"] == "certificate_obtained"] == [
        "todo.clase.example"
    ]
    assert "ajeno.example" not in issuer.log.read_text()
    assert "otro.clase.example" not in issuer.log.read_text()  # allowed, and claimed by nobody


def test_an_issuer_that_is_down_is_waited_for_and_what_there_is_goes_on(
    start: Starter, tmp_path: Path, dns_port: int, data_port: int
) -> None:
    port = free_port()
    folder = tmp_path / "pebble"
    with pebble(folder, http_port=data_port, dns_port=dns_port, port=port, validity_s=20) as issuer:
        server = start_server(start, data_port, issuer, f"--acme-domain={NAME}")
        backend = start.backend()
        start.connected_client(server, backend)
        server.wait_for("certificate_obtained", timeout_s=60)
        root = issuer.root
    failed = server.wait_for("certificate_failed", timeout_s=60)
    assert (failed["domain"], failed["reason"], failed["is_served"]) == (NAME, "unreachable", True)
    assert 5 < failed["retry_in_s"] < 20
    with visit_https(https_port(server), NAME, root) as wire:
        assert wire.ask("GET", "/", f"Host: {NAME}").content == b"hola"
    with pebble(folder, http_port=data_port, dns_port=dns_port, port=port) as issuer:
        # The CA of its own HTTPS is another one by now, and the file is read at each order.
        eventually(lambda: server.count("certificate_obtained") > 1, "it comes back", 60)
        assert certificate_of(server, NAME, issuer.root)


def test_an_issuer_that_asks_to_be_left_in_peace_is(start: Starter, tmp_path: Path) -> None:
    asked: list[str] = []

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = json.dumps(
                {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "demasiado\nseguido"}
            ).encode()
            self.send_response(429)
            self.send_header("Retry-After", "86400")
            self.send_header("Content-Type", "application/problem+json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            pass

    ca = Ca(tmp_path)
    certificate, key = ca.sign("localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as issuer:
        issuer.socket = context.wrap_socket(issuer.socket, server_side=True)
        thread = threading.Thread(target=issuer.serve_forever, args=(0.05,))
        thread.start()
        try:
            server = start.server(
                "--https-port=0",
                f"--state-dir={tmp_path / 'estado'}",
                f"--acme-issuer=https://localhost:{issuer.server_port}/dir",
                f"--acme-ca-file={ca.file}",
                f"--acme-domain={NAME}",
                "--acme-domain=luis.example",
            )
            failed = server.wait_for("certificate_failed", timeout_s=60)
            assert (failed["reason"], failed["detail"]) == ("rate-limited", "rateLimited: demasiado seguido")
            assert failed["retry_in_s"] == 86400
            with server.visit() as wire:  # it goes on by HTTP
                assert wire.ask().status == 503
            server.terminate()
            assert server.wait() == 0
        finally:
            issuer.shutdown()
            thread.join()
    assert asked == ["/dir"]  # not for the other name either
    assert server.count("certificate_failed") == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--acme-domain=ana.example"], "--acme-domain va con --https-port"),
        (["--https-port=0", "--acme-email=a@b.example"], "--acme-email va con --acme-domain"),
        (["--https-port=0", "--acme-domain=*.ana.example"], "demuestra que el DNS es suyo"),
        (["--https-port=0", "--acme-domain=192.0.2.1"], "no es un nombre de dominio"),
        (["--https-port=0", "--acme-allow=*"], "diga qué nombres pueden tener certificado"),
        (["--https-port=0", "--acme-domain=a.b", "--acme-issuer=http://ca.example/dir"], "con https"),
        (["--https-port=0", "--acme-domain=a.b", "--acme-ca-file=/nada"], "no se puede leer"),
        (["--https-port=0", "--acme-domain=a.b", "--acme-dns=rfc2136"], "hacen falta el servidor"),
        (
            [
                "--https-port=0",
                "--acme-domain=a.b",
                "--acme-dns=rfc2136",
                "--acme-dns-server=ns",
                "--acme-dns-zone=c",
                "--acme-dns-key=x",
            ],
            "no está en la zona c",
        ),
        (["--https-port=0", "--acme-domain=a.b", "--acme-dns-wait=1"], "va con --acme-dns"),
        (["--https-port=0", "--acme-domain=a.b", "--acme-dns-hook=/nada"], "chmod +x"),
        (["--https-port=0", "--acme-domain=a.b", "--acme-dns-zone=b"], "va con --acme-dns rfc2136"),
    ],
)
def test_what_does_not_fit_together_is_told(token_file: Path, options: list[str], complaint: str) -> None:
    outcome = subprocess.run(
        [
            COMMAND,
            "server",
            f"--token-file={token_file}",
            f"--state-dir={token_file.parent / 'estado'}",
            *options,
        ],
        capture_output=True,
        encoding="utf-8",
    )
    assert complaint in " ".join(outcome.stderr.split())
    assert (outcome.returncode, outcome.stdout) == (2, "")


def test_a_damaged_certificate_is_obtained_anew_and_a_damaged_account_is_told(
    start: Starter, data_port: int, issuer: Pebble
) -> None:
    server = start_server(start, data_port, issuer, f"--acme-domain={NAME}")
    server.wait_for("certificate_obtained", timeout_s=60)
    server.terminate()
    assert server.wait() == 0
    state = start.token_file.parent / "estado"
    (kept,) = state.rglob(f"{NAME}.pem")
    (account,) = state.rglob("cuenta.pem")
    kept.write_text("esto no es un certificado")
    again = start_server(start, data_port, issuer, f"--acme-domain={NAME}")
    again.wait_for("certificate_obtained", timeout_s=60)
    assert certificate_of(again, NAME, issuer.root)
    account.write_text("esto no es una llave")
    outcome = subprocess.run(
        [COMMAND, *again.arguments, "--port=0"], capture_output=True, encoding="utf-8", timeout=30
    )
    assert outcome.returncode == 2
    assert "Si lo borra se abrirá otra cuenta" in outcome.stderr
    assert account.read_text() == "esto no es una llave"


def test_an_issuer_that_never_answers_keeps_nobody_from_stopping(start: Starter, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = start.server(
            "--https-port=0",
            f"--state-dir={tmp_path / 'estado'}",
            f"--acme-issuer=https://localhost:{silent.getsockname()[1]}/dir",
            f"--acme-domain={NAME}",
        )
        silent.settimeout(30)
        asking, _ = silent.accept()
        with asking:
            server.terminate()
            assert server.wait() == 0
        assert (server.count("certificate_failed"), server.err) == (0, "")
