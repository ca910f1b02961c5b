"""HTTPS for visitors with certificates that somebody else keeps in date."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support.https import Ca, client_context, shake_hands, visit_https
from support.requirements import require_program
from support.tunnel_kit import Starter, linux_only
from support.tunnel_process import COMMAND, Server
from support.wire import Wire, eventually, request, response

NAME = "ana.example"


@pytest.fixture
def ca(tmp_path: Path) -> Ca:
    folder = tmp_path / "ca"
    folder.mkdir()
    return Ca(folder)


def https_port(server: Server) -> int:
    return server.wait_for("listening")["https"]["port"]


def visitor(server: Server, ca: Ca, name: str = NAME) -> Wire:
    return visit_https(https_port(server), name, ca.authority.pem)


def certificate_at(server: Server, ca: Ca, name: str = NAME) -> bytes:
    with shake_hands(https_port(server), name, client_context(ca.authority.pem)) as tls:
        return tls.getpeercert(binary_form=True) or b""


def test_a_visitor_comes_by_https_and_the_service_is_told(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", *ca.options(NAME))
    backend = start.backend()
    client = start.connected_client(server, f"{NAME}={backend.url}")
    port = https_port(server)
    assert client.wait_for("connected")["urls"] == [f"https://{NAME}:{port}"]
    with visitor(server, ca) as wire:
        assert wire.sock.selected_alpn_protocol() == "http/1.1"
        for _ in range(2):
            assert wire.ask("POST", "/a?b", f"Host: {NAME}:{port}", content=b"x" * 70_000).content == b"hola"
    asked = backend.requests[-1]
    assert (asked.target, len(asked.content)) == ("/a?b", 70_000)
    assert asked.fields.get("X-Forwarded-Proto") == "https"
    assert asked.fields.get("X-Forwarded-For") == "127.0.0.1"
    with server.visit() as wire:  # plain HTTP goes on beside it
        assert wire.ask("GET", "/", f"Host: {NAME}").content == b"hola"
    assert backend.requests[-1].fields.get("X-Forwarded-Proto") == "http"


def test_each_name_gets_its_certificate_and_an_unknown_name_none(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", *ca.options(NAME), *ca.options("*.luis.example", "luis.example"))
    for name in (NAME, "luis.example", "todo.luis.example", "TODO.Luis.Example"):
        assert certificate_at(server, ca, name)
    assert certificate_at(server, ca) != certificate_at(server, ca, "luis.example")
    for name in ("eva.example", "a.b.luis.example"):
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name|EOF"):
            certificate_at(server, ca, name)
    context = client_context(ca.authority.pem)
    with shake_hands(https_port(server), "", context, sni=False) as tls:  # by address, as old programs do
        assert tls.getpeercert(binary_form=True) == certificate_at(server, ca)


def test_a_new_certificate_is_for_new_connections_and_no_other_notices(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", *ca.options(NAME))
    start.connected_client(server, start.backend())
    before = certificate_at(server, ca)
    with visitor(server, ca) as wire:
        assert wire.ask().content == b"hola"
        ca.sign(NAME)
        eventually(lambda: certificate_at(server, ca) != before, "the new certificate is served")
        assert wire.ask().content == b"hola"
        (ca.folder / f"{NAME}.key").write_text("esto no es una llave")
        renewed = certificate_at(server, ca)
        with visitor(server, ca) as other:
            assert other.ask().content == b"hola"
    eventually(lambda: "was not read again" in server.err, "the bad file is told of")
    assert certificate_at(server, ca) == renewed


def test_a_redirect_leads_to_https_and_keeps_method_path_and_query(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", "--https-redirect", *ca.options(NAME))
    backend = start.backend()
    start.connected_client(server, backend)
    port = https_port(server)
    with server.visit() as wire:
        for method in ("GET", "POST", "HEAD"):
            answer = wire.ask(method, "/a/b?c=%C3%A1&d", f"Host: {NAME}:{server.port}", content=b"")
            assert (answer.status, answer.fields.get("Location")) == (
                308,
                f"https://{NAME}:{port}/a/b?c=%C3%A1&d",
            )
        answer = wire.ask("POST", "//otro.example/", f"Host: {NAME}", content=b"contenido")
        assert answer.fields.get("Location") == f"https://{NAME}:{port}//otro.example/"
        # A name without a certificate has nowhere to be sent.
        assert wire.ask("GET", "/", "Host: luis.example").content == b"hola"
    with visitor(server, ca) as wire:
        assert wire.ask("GET", "/", f"Host: {NAME}").content == b"hola"
    assert len(backend.requests) == 2


def test_who_came_by_https_to_a_trusted_proxy_is_not_sent_in_circles(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", "--https-redirect", "--trust-proxy=127.0.0.1", *ca.options(NAME))
    start.connected_client(server, start.backend())
    with server.visit() as wire:
        assert wire.ask("GET", "/", f"Host: {NAME}", "X-Forwarded-Proto: https").content == b"hola"
        assert wire.ask("GET", "/", f"Host: {NAME}", "X-Forwarded-Proto: http").status == 308


def test_browsers_are_told_to_come_back_by_https_only(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", "--hsts=300", *ca.options(NAME))
    backend = start.backend()
    start.connected_client(server, f"{NAME}={backend.url}")
    with visitor(server, ca) as wire:
        for host in (NAME, "nadie.example"):  # an answer of the service's, and an error page
            answer = wire.ask("GET", "/", f"Host: {host}")
            assert answer.fields.get("Strict-Transport-Security") == "max-age=300"
        backend.answer(lambda _: response(200, b"x", "Strict-Transport-Security: max-age=0"))
        answer = wire.ask("GET", "/", f"Host: {NAME}")
        assert answer.fields.get("Strict-Transport-Security") == "max-age=0"
    backend.reset()
    with server.visit() as wire:  # RFC 6797, section 7.2: never over plain HTTP
        assert "strict-transport-security" not in wire.ask("GET", "/", f"Host: {NAME}").fields.names


@pytest.mark.parametrize("options", [[], ["--memory-limit=16M"]])
def test_megabytes_pass_whole_in_both_directions(start: Starter, ca: Ca, options: list[str]) -> None:
    server = start.server("--https-port=0", *options, *ca.options(NAME))
    backend = start.backend()
    start.connected_client(server, backend)
    content = os.urandom(8 << 20)
    backend.answer(lambda asked: response(200, asked.content))
    with visitor(server, ca) as wire:
        answer = wire.ask("POST", "/", content=content)
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(content).digest()


def test_a_visitor_who_never_reads_is_cut(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", "--limit=write-timeout-s=1", *ca.options(NAME))
    backend = start.backend()
    start.connected_client(server, backend)
    backend.answer(lambda _: response(200, bytes(32 << 20)))
    with visitor(server, ca) as silent:
        silent.send(request())
        eventually(lambda: backend.requests, "the request is there")
        eventually(lambda: backend.open_connections == 0, "the service is let go", 30)
        assert server.count("client_gone") == 0


def test_an_upgraded_connection_ends_with_its_service(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", *ca.options(NAME))
    backend = start.backend()
    start.connected_client(server, backend)

    def echo_once(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 101 Cambia\r\nConnection: Upgrade\r\nUpgrade: eco\r\n\r\n")
        wire.send(wire.read_exactly(4))

    backend.play(echo_once)
    with visitor(server, ca) as wire:
        assert wire.ask("GET", "/", "Connection: Upgrade", "Upgrade: eco").status == 101
        wire.send(b"ping")
        assert wire.read_exactly(4) == b"ping"
        assert wire.read_to_end() == b""


def test_an_answer_that_comes_early_is_read_although_the_visitor_still_sends(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", "--limit=max-body-bytes=1000", *ca.options(NAME))
    with visitor(server, ca) as wire:
        wire.send(request("POST", "/", "Content-Length: 10000000"))
        answer = wire.read_response()
        assert (answer.status, answer.code) == (413, "content-too-large")
        wire.read_nothing_more()


def test_a_stop_lets_answers_end_and_closes_in_order(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", *ca.options(NAME))
    backend = start.backend()
    start.connected_client(server, backend)
    with visitor(server, ca) as idle, visitor(server, ca) as wire:
        assert idle.ask().content == b"hola"

        def slowly(upstream: Wire) -> None:
            upstream.read_request()
            upstream.send(b"HTTP/1.1 200 Bien\r\nContent-Length: 8\r\n\r\nhola")
            server.terminate()
            assert idle.read_to_end() == b""
            upstream.send(b"hola")

        backend.play(slowly)
        assert wire.ask().content == b"holahola"
    assert server.wait() == 0


def test_curl_is_content_with_it(start: Starter, ca: Ca) -> None:
    curl = require_program("curl", "Debian: sudo apt install curl")
    server = start.server("--https-port=0", "--https-redirect", "--hsts=300", *ca.options(NAME))
    start.connected_client(server, start.backend())
    outcome = subprocess.run(
        [
            curl, "--silent", "--show-error", "--location", "--cacert", str(ca.file),
            "--resolve", f"{NAME}:{server.port}:127.0.0.1",
            "--resolve", f"{NAME}:{https_port(server)}:127.0.0.1",
            "--write-out", " %{scheme} %{num_redirects}", f"http://{NAME}:{server.port}/",
        ],
        capture_output=True, encoding="utf-8", timeout=30,
    )  # fmt: skip
    assert (outcome.stderr, outcome.stdout.upper()) == ("", "HOLA HTTPS 1")


def test_old_ciphers_are_not_spoken(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", *ca.options(NAME))
    context = client_context(ca.authority.pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with shake_hands(https_port(server), NAME, context) as tls:
        assert tls.version() == "TLSv1.2"
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256")  # CBC
    with pytest.raises(OSError, match=r"(?i)handshake|EOF|reset"):
        shake_hands(https_port(server), NAME, context)


def test_what_speaks_no_tls_and_what_is_silent_are_hung_up_on(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", "--limit=head-timeout-s=0.5", *ca.options(NAME))
    with Wire.to(https_port(server)) as wire:
        wire.send(request())
        wire.read_nothing_more()
    with Wire.to(https_port(server)) as wire:
        wire.read_nothing_more()
    assert certificate_at(server, ca)
    assert server.err == ""


@linux_only
def test_handshakes_that_never_end_hold_up_their_own_source_and_no_other(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", "--limit=max-visitors-per-source=3", *ca.options(NAME))
    start.connected_client(server, start.backend())
    port = https_port(server)
    with ExitStack() as silent:
        for _ in range(3):
            silent.enter_context(Wire.to(port, source="127.0.0.9"))
        for _ in range(50):
            # The reset may come before the connection is even looked at.
            with suppress(ConnectionResetError), Wire.to(port, source="127.0.0.9") as fourth:
                fourth.read_nothing_more()
        with visitor(server, ca) as wire:
            assert wire.ask().content == b"hola"
        held = server.descriptors
    eventually(lambda: server.descriptors <= held - 3, "they are gone")
    sock = socket.create_connection(("127.0.0.1", port), 10, source_address=("127.0.0.9", 0))
    with Wire(client_context(ca.authority.pem).wrap_socket(sock, server_hostname=NAME)) as wire:
        assert wire.ask().content == b"hola"


def test_many_visitors_at_once_are_all_let_in(start: Starter, ca: Ca) -> None:
    server = start.server("--https-port=0", *ca.options(NAME))
    start.connected_client(server, start.backend())
    with ThreadPoolExecutor(16) as pool:

        def visit(_: int) -> bytes:
            with visitor(server, ca) as wire:
                return wire.ask().content

        assert list(pool.map(visit, range(96))) == [b"hola"] * 96


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--https-port=0"], "hace falta un certificado"),
        (["--https-redirect"], "--https-redirect va con --https-port"),
        (["--hsts=300"], "--hsts va con --https-port"),
        (["--https-port=0", "--https-cert=x"], "van juntos"),
        (["--https-port=0", "--https-cert=/nada", "--https-key=/nada"], "/nada no existe"),
        (["--port=8000", "--https-port=8000", "--https-cert=x", "--https-key=x"], "ya es de otro"),
    ],
)
def test_what_does_not_fit_together_is_told(token_file: Path, options: list[str], complaint: str) -> None:
    outcome = subprocess.run(
        [COMMAND, "server", f"--token-file={token_file}", *options], capture_output=True, encoding="utf-8"
    )
    assert complaint in " ".join(outcome.stderr.split())
    assert (outcome.returncode, outcome.stdout) == (2, "")


def test_a_key_that_others_can_read_and_that_of_another_certificate_are_refused(
    token_file: Path, ca: Ca
) -> None:
    certificate, key = ca.sign(NAME)
    _, other = ca.sign("luis.example")

    def refusal(key: Path) -> str:
        outcome = subprocess.run(
            [COMMAND, "server", f"--token-file={token_file}", "--https-port=0", f"--https-cert={certificate}",
             f"--https-key={key}"],
            capture_output=True, encoding="utf-8",
        )  # fmt: skip
        assert outcome.returncode == 2
        return outcome.stderr

    assert "la llave es de otro certificado" in refusal(other)
    key.chmod(0o644)
    assert "chmod 600" in refusal(key)


def test_a_port_that_is_taken_is_named(start: Starter, ca: Ca) -> None:
    taken = https_port(start.server("--https-port=0", *ca.options(NAME)))
    outcome = subprocess.run(
        [COMMAND, "server", f"--token-file={start.token_file}", "--port=0", "--control-port=0",
         "--host=127.0.0.1", f"--https-port={taken}", *ca.options(NAME)],
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert outcome.returncode == 3
    assert f"el puerto {taken}" in outcome.stderr
    assert "--https-port" in outcome.stderr
