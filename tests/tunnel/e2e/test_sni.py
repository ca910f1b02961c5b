"""TLS by name: several TLS services on one port of the exit node, decrypted only by themselves."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.https import Ca
from support.requirements import require_program
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import COMMAND, Client, Server
from support.wire import Broken, Wire, eventually

OTHER_TOKEN = "otro-token-de-prueba-90210-abcdef"
UNRECOGNIZED_NAME = bytes.fromhex("15030300020270")
INTERNAL_ERROR = bytes.fromhex("15030300020250")
ACCESS_DENIED = bytes.fromhex("15030300020231")
DECODE_ERROR = bytes.fromhex("15030300020232")


class TlsService:
    """A real TLS service with a certificate of its own; it says its name and what it was told."""

    def __init__(self, certificate: Path, key: Path, name: str) -> None:
        self.names_asked: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.sni_callback = lambda _, asked, __: self.names_asked.append(asked)
        self._context, self._name = context, name
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        sock.settimeout(20)
        try:
            with self._context.wrap_socket(sock, server_side=True) as tls:
                while told := tls.recv(65536):
                    tls.sendall(f"{self._name}: ".encode() + told)
        except OSError:
            pass  # the visitor left, or did not trust the certificate

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def ca(tmp_path: Path) -> Ca:
    return Ca(tmp_path)


Serve = Callable[[str], TlsService]


@pytest.fixture
def serve(ca: Ca, tmp_path: Path) -> Iterator[Serve]:
    """Starts a TLS service whose certificate is for a name."""
    services: list[TlsService] = []

    def start_one(name: str) -> TlsService:
        certificate, key = ca.sign(name, to=name)
        services.append(TlsService(certificate, key, name))
        return services[-1]

    yield start_one
    for service in services:
        service.close()


def sni_port(server: Server) -> int:
    port: int = server.wait_for("listening")["sni"]["port"]
    return port


def say(server: Server, ca: Ca, name: str, told: bytes = b"hola") -> bytes:
    """Say something to a name over TLS, its certificate verified; return what it answers."""
    context = ssl.create_default_context(cafile=ca.file)
    with (
        socket.create_connection(("127.0.0.1", sni_port(server)), 20) as sock,
        context.wrap_socket(sock, server_hostname=name) as tls,
    ):
        tls.sendall(told)
        return tls.recv(65536)


def hello(name: str | None) -> bytes:
    """Return the ClientHello that asks for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


# ── to whom ──────────────────────────────────────────────────────────────────────────────────────


def test_two_services_share_a_port_each_with_its_own_certificate(
    start: Starter, ca: Ca, serve: Serve
) -> None:
    server, ana, luis = start.server("--sni-port=0"), serve("ana.example"), serve("luis.example")
    options = (f"--sni=ana.example=127.0.0.1:{ana.port},luis.example=localhost:{luis.port}",)
    client = start.connected_client(server, options=options)
    public = f":{sni_port(server)}"
    assert client.wait_for("connected")["sni"] == [
        [f"https://ana.example{public}", f"127.0.0.1:{ana.port}"],
        [f"https://luis.example{public}", f"localhost:{luis.port}"],
    ]
    assert server.wait_for("client_connected")["sni"] == ["ana.example", "luis.example"]
    for name in ("ana.example", "luis.example", "ana.example"):
        assert say(server, ca, name) == f"{name}: hola".encode()
    assert ana.names_asked == ["ana.example"] * 2
    assert luis.names_asked == ["luis.example"]


def test_openssl_s_client_verifies_the_service_through_the_exit_node(
    start: Starter, ca: Ca, serve: Serve
) -> None:
    openssl = require_program("openssl", "apt install openssl")
    server, ana = start.server("--sni-port=0"), serve("ana.example")
    start.connected_client(server, options=(f"--sni=ana.example=127.0.0.1:{ana.port}",))
    address = f"127.0.0.1:{sni_port(server)}"
    command = [openssl, "s_client", "-connect", address, "-CAfile", str(ca.file), "-verify_return_error"]
    for version in ("-tls1_2", "-tls1_3"):
        asked = [*command, version, "-servername", "ana.example", "-verify_hostname", "ana.example"]
        told = subprocess.run(asked, input=b"", capture_output=True, timeout=30, check=False)
        assert b"Verify return code: 0 (ok)" in told.stdout, told.stderr
    for wrong in (["-noservername"], ["-servername", "nadie.example"]):
        told = subprocess.run([*command, *wrong], input=b"", capture_output=True, timeout=30, check=False)
        assert told.returncode == 1
        assert b"unrecognized name" in told.stderr


def test_names_for_http_and_for_tls_go_through_one_client(start: Starter, ca: Ca, serve: Serve) -> None:
    server, ana, http = start.server("--sni-port=0"), serve("ana.example"), start.backend()
    options = (f"--sni=ana.example=127.0.0.1:{ana.port}",)
    start.connected_client(server, f"ana.example={http.url}", options=options)
    assert say(server, ca, "ana.example") == b"ana.example: hola"
    with server.visit() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: ana.example\r\n\r\n")
        assert wire.read_response().content == b"hola"


def test_clients_that_share_a_tls_name_take_turns(start: Starter, ca: Ca, serve: Serve) -> None:
    server, both = start.server("--sni-port=0"), [serve("ana.example"), serve("ana.example")]
    for service in both:
        start.connected_client(server, options=(f"--sni=ana.example=127.0.0.1:{service.port}", "--balance"))
    for _ in range(6):
        assert say(server, ca, "ana.example") == b"ana.example: hola"
        eventually(lambda: abs(len(both[0].names_asked) - len(both[1].names_asked)) < 2, "turns to be taken")
    assert [len(service.names_asked) for service in both] == [3, 3]


def test_the_service_is_told_who_came_where_it_wants_to_know(start: Starter) -> None:
    server, service = start.server("--sni-port=0"), start.backend()
    service.play(lambda wire: wire.send(wire.read_until(b"\r\n")))
    options = (f"--sni=ana.example=127.0.0.1:{service.port}", "--proxy-protocol=v1")
    start.connected_client(server, options=options)
    with Wire.to(sni_port(server), "127.0.0.1", 0, "127.0.0.9") as wire:
        peer: int = wire.sock.getsockname()[1]
        wire.send(hello("ana.example"))
        told = b"PROXY TCP4 127.0.0.9 127.0.0.1 %d %d\r\n" % (peer, sni_port(server))
        assert wire.read_until(b"\r\n") == told


def test_the_hello_reaches_the_service_as_it_came_in_whatever_pieces(start: Starter) -> None:
    server, service, heard = start.server("--sni-port=0"), start.backend(), []
    data = hello("ana.example")
    fragmented = b"".join(
        b"\x16\3\1" + len(piece).to_bytes(2) + piece
        for piece in (data[5:][start_at : start_at + 40] for start_at in range(0, len(data) - 5, 40))
    )
    sent = fragmented + b"what follows"

    def play(wire: Wire) -> None:
        heard.append(wire.read_exactly(len(sent)))
        wire.send(b"oido")

    service.play(play)
    start.connected_client(server, options=(f"--sni=ana.example=127.0.0.1:{service.port}",))
    with Wire.to(sni_port(server)) as wire:
        wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for position in range(0, len(sent), 9):
            wire.send(sent[position : position + 9])
        assert wire.read_exactly(4) == b"oido"
    assert heard == [sent]


# ── to nobody ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sent", "alert"),
    [
        (hello("nadie.example"), UNRECOGNIZED_NAME),
        (hello(None), UNRECOGNIZED_NAME),
        (b"\x16\3\1\0\4\2\0\0\0", DECODE_ERROR),
        (b"\x16\3\1\0\0", DECODE_ERROR),
    ],
    ids=["an unknown name", "no name", "another message", "an empty record"],
)
def test_who_asks_for_nobody_is_told_with_an_alert(start: Starter, sent: bytes, alert: bytes) -> None:
    server = start.server("--sni-port=0")
    with Wire.to(sni_port(server)) as wire:
        wire.send(sent)
        assert wire.read_exactly(7) == alert
        wire.send(b"more that nobody reads")
        assert wire.read_to_end() == b""


def test_who_speaks_no_tls_is_cut_off(start: Starter) -> None:
    server = start.server("--sni-port=0")
    with Wire.to(sni_port(server)) as wire:
        wire.send(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(Broken):
            wire.read_to_end()


def test_who_does_not_finish_its_hello_is_cut_off_in_time(start: Starter) -> None:
    server = start.server("--sni-port=0", "--limit=head-timeout-s=0.3")
    for sent in (b"", hello("ana.example")[:20]):
        with Wire.to(sni_port(server)) as wire:
            wire.send(sent)
            with pytest.raises(Broken):
                wire.read_to_end()


def test_who_leaves_in_the_middle_of_its_hello_leaves_nothing_behind(start: Starter) -> None:
    server = start.server("--sni-port=0")
    before = server.descriptors
    for _ in range(20):
        with Wire.to(sni_port(server)) as wire:
            wire.send(hello("ana.example")[:20])
            wire.end()
            assert wire.read_to_end() == b""
    eventually(lambda: server.descriptors <= before, "the exit node to forget them")


def test_a_client_that_stops_takes_no_new_connections_and_finishes_its_own(
    start: Starter, ca: Ca, serve: Serve
) -> None:
    server, ana = start.server("--sni-port=0"), serve("ana.example")
    client = start.connected_client(server, options=(f"--sni=ana.example=127.0.0.1:{ana.port}",))
    context = ssl.create_default_context(cafile=ca.file)
    with (
        socket.create_connection(("127.0.0.1", sni_port(server)), 20) as sock,
        context.wrap_socket(sock, server_hostname="ana.example") as tls,
    ):
        client.terminate()
        client.wait_for("stopping")

        def is_refused() -> bool:
            with Wire.to(sni_port(server)) as wire:
                wire.send(hello("ana.example"))
                with suppress(ConnectionResetError):  # it came before the exit node knew
                    return wire.read_some()[:7] == INTERNAL_ERROR
            return False

        eventually(is_refused, "new visitors to be refused")
        tls.sendall(b"todavia")
        assert tls.recv(100) == b"ana.example: todavia"
    assert client.wait() == 0


def test_a_name_s_list_of_addresses_counts_here_too(start: Starter, serve: Serve, tmp_path: Path) -> None:
    sites = tmp_path / "sites.toml"
    sites.touch(mode=0o600)
    sites.write_text('[site."ana.example"]\ndeny = ["127.0.0.9"]\n')
    server, ana = start.server("--sni-port=0", f"--sites-file={sites}"), serve("ana.example")
    start.connected_client(server, options=(f"--sni=ana.example=127.0.0.1:{ana.port}",))
    for source, kind in (("127.0.0.9", ACCESS_DENIED), ("127.0.0.8", b"\x16")):
        with Wire.to(sni_port(server), "127.0.0.1", 0, source) as wire:
            wire.send(hello("ana.example"))
            assert wire.read_some()[: len(kind)] == kind


# ── whose ────────────────────────────────────────────────────────────────────────────────────────


def two_tokens(folder: Path) -> Path:
    path = folder / "tokens.toml"
    path.touch(mode=0o600)
    path.write_text(
        f'[[token]]\nlabel = "ana"\nsecret = "{TOKEN}"\nnames = ["ana.example", "comun.example"]\n'
        f'[[token]]\nlabel = "luis"\nsecret = "{OTHER_TOKEN}"\nnames = ["luis.example", "comun.example"]\n'
    )
    return path


def test_a_token_has_its_names_and_no_others(start: Starter, tmp_path: Path) -> None:
    server = Server(None, f"--tokens-file={two_tokens(tmp_path)}", "--sni-port=0")
    start.processes.append(server)
    start.connected_client(server, options=("--sni=comun.example=127.0.0.1:9",))
    for name, code in (("ana.example", "name-not-allowed"), ("comun.example", "name-taken")):
        file = write_token(tmp_path / "luis.txt", OTHER_TOKEN)
        luis = Client(file, [], server.control_port, f"--sni={name}=127.0.0.1:9")
        start.processes.append(luis)
        assert luis.wait() == 1
        assert luis.wait_for("refused")["code"] == code


def test_a_name_taken_from_a_token_ends_its_link(start: Starter, tmp_path: Path) -> None:
    path = two_tokens(tmp_path)
    server = Server(None, f"--tokens-file={path}", "--sni-port=0")
    start.processes.append(server)
    client = start.connected_client(server, options=("--sni=ana.example=127.0.0.1:9",))
    path.write_text(path.read_text().replace('"ana.example", ', ""))
    assert client.wait() == 1
    assert client.wait_for("refused")["code"] == "revoked"
    with Wire.to(sni_port(server)) as wire:
        wire.send(hello("ana.example"))
        assert wire.read_exactly(7) == UNRECOGNIZED_NAME


def test_an_exit_node_without_the_port_says_so(start: Starter) -> None:
    client = start.client(start.server(), options=("--sni=ana.example=localhost:443",))
    assert client.wait() == 1
    assert client.wait_for("refused")["code"] == "sni-not-allowed"
    assert "--sni-port" in client.err


def test_a_port_that_is_taken_is_told_with_its_option(token_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [COMMAND, "server", "--host=127.0.0.1", "--port=0", "--control-port=0", f"--sni-port={port}"]
        told = subprocess.run(
            [*words, f"--token-file={token_file}"],
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )
    assert told.returncode == 3
    assert f"ya el puerto {port}" in told.stderr
    assert "--sni-port" in told.stderr


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("localhost:443", "le falta el nombre"),
        ("*=localhost:443", "no es un nombre de dominio"),
        ("ana.example=https://localhost:443", "sobra el esquema"),
        ("ana.example=localhost", "no es un servicio TLS"),
        ("ana.example=localhost:1,ana.example=localhost:2", "hay dos --sni"),
    ],
)
def test_what_cannot_be_shared_is_refused_in_clear_words(token_file: Path, value: str, said: str) -> None:
    words = [COMMAND, "client", "--url=ws://127.0.0.1:9", f"--token-file={token_file}", f"--sni={value}"]
    told = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=30, check=False)
    assert told.returncode == 2
    assert said in told.stderr
