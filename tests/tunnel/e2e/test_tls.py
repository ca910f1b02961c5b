"""The link over TLS: who is believed, who is found out, and that visitors notice nothing of it."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.backend import Backend
from support.impostor import Impostor
from support.tunnel_kit import TOKEN, Starter, linux_only, write_token
from support.tunnel_process import COMMAND, Client, Server, TunnelProcess
from support.wire import Wire, eventually, response

from tunnel.config import AutoTls, Secret, ServerConfig
from tunnel.connection import load_connection
from tunnel.limits import ClientLimits
from tunnel.protocol.auth import ca_proof, key_id
from tunnel.server import TunnelServer

MIB = 1024 * 1024
NONCE = "0123456789abcdef" * 4


class Agent(Client):
    """``tunnel client`` with whatever options; not connected yet when made."""

    def __init__(self, *options: str) -> None:
        TunnelProcess.__init__(self, "client", "--json", *options)


@dataclass(slots=True)
class Course:
    """An exit node with a CA of its own, and what is to reach it."""

    start: Starter
    folder: Path
    stack: ExitStack
    token_file: Path
    servers: list[Server] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "estado"

    @property
    def connection_file(self) -> Path:
        return self.state / "conexion.toml"

    def server(self, *options: str, port: int = 0, control_port: int = 0) -> Server:
        """Start an exit node on this state; it listens when this returns."""
        server = self.start.server(
            "--auto-tls", f"--state-dir={self.state}", *options, port=port, control_port=control_port
        )
        self.servers.append(server)
        return server

    def restarted(self, *options: str) -> Server:
        """Start the last exit node again on its ports."""
        last = self.servers[-1]
        return self.server(*options, port=last.port, control_port=last.control_port)

    def agent(self, backend: Backend | None, *options: str) -> Agent:
        """Start an agent; it may not be connected yet."""
        upstream = "http://127.0.0.1:9" if backend is None else backend.url
        agent = Agent(f"--upstream={upstream}", *options)
        self.start.processes.append(agent)
        return agent

    def by_url(self, port: int, *options: str, host: str = "localhost") -> Agent:
        """Start an agent that knows the URL and the token."""
        return self.agent(None, f"--url=wss://{host}:{port}", f"--token-file={self.token_file}", *options)

    def with_file(self, backend: Backend | None = None) -> Agent:
        """Start an agent that has the connection file."""
        return self.agent(backend, f"--conexion={self.connection_file}")

    def impostor(self) -> Impostor:
        """Put a man in the middle, before the last exit node, who passes on what he is told."""
        impostor = Impostor(self.folder, self.servers[-1].control_port)
        self.stack.callback(impostor.close)
        return impostor

    def in_process_config(self, **changes: Any) -> ServerConfig:
        """Return the configuration of an exit node that is to run in the test's own process."""
        return ServerConfig(
            Secret(TOKEN), "127.0.0.1", 0, "127.0.0.1", 0, auto_tls=AutoTls(self.state), **changes
        )

    @property
    def pin(self) -> str:
        return str(self.servers[-1].wait_for("listening")["pin"])


@pytest.fixture
def course(start: Starter, tmp_path: Path, token_file: Path) -> Iterator[Course]:
    with ExitStack() as stack:
        yield Course(start, tmp_path, stack, token_file)
        for process in start.processes:
            assert TOKEN not in process.out + process.err


def refused(agent: Agent) -> str:
    """Return the code of a refusal for good, once the agent has ended with 1."""
    assert agent.wait() == 1, agent.description
    assert agent.count("connected") == 0
    return str(agent.wait_for("refused")["code"])


def distrusted(agent: Agent) -> str:
    """Return why an agent that goes on trying does not believe the exit node."""
    event = agent.wait_for("disconnected")
    assert event["reason"] == "tls", agent.description
    assert agent.count("connected") == 0
    return str(event["detail"])


# ── it works ─────────────────────────────────────────────────────────────────────────────────────


def test_one_file_and_nothing_else_makes_a_tunnel(course: Course) -> None:
    backend = course.start.backend()
    server = course.server()
    listening = server.wait_for("listening")
    assert listening["connection_file"] == str(course.connection_file)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", listening["pin"])
    connection = load_connection(course.connection_file)
    assert connection.address.url == f"wss://127.0.0.1:{server.control_port}"
    assert connection.public_url == f"http://127.0.0.1:{server.port}"
    course.with_file(backend).wait_until_connected()
    with server.visit() as wire:
        assert wire.ask().content == b"hola"


def test_an_exit_node_with_no_token_makes_one_and_hands_it_over(course: Course) -> None:
    folder = course.folder / "otra"
    server = Server(None, "--auto-tls", f"--state-dir={folder}")
    course.start.processes.append(server)
    agent = course.agent(None, f"--conexion={folder / 'conexion.toml'}")
    agent.wait_until_connected()
    token = (folder / "token.txt").read_text().strip()
    assert load_connection(folder / "conexion.toml").token.reveal() == token
    for process in (server, agent):
        assert token not in process.out + process.err + process.command_line


def test_the_line_that_the_server_prints_is_the_one_that_works(course: Course) -> None:
    printed = TunnelProcess(
        "server", "--auto-tls", f"--state-dir={course.state}", "--host=127.0.0.1", "--control-host=127.0.0.1",
        "--port=0", "--control-port=0", f"--token-file={course.token_file}",
    )  # fmt: skip
    course.start.processes.append(printed)
    eventually(lambda: "Esperando al cliente" in printed.out, "the server tells that it is ready")
    found = re.search(r"^ +tunnel (client .*)$", printed.out, re.MULTILINE)
    assert found is not None, printed.out
    agent = TunnelProcess(*found[1].split(), "--json")
    course.start.processes.append(agent)
    agent.wait_for("connected")
    assert "wss://127.0.0.1:" in printed.out
    assert str(load_connection(course.connection_file).trust.sha256) in printed.out  # type: ignore[union-attr]


@pytest.mark.parametrize("trust", ["pin", "upper", "file", "token"])
def test_each_way_of_trust_lets_the_right_exit_node_in(course: Course, trust: str) -> None:
    server = course.server()
    options = {
        "pin": f"--ca-pin={course.pin}",
        "upper": f"--ca-pin=sha256:{course.pin.removeprefix('sha256:').upper()}",
        "file": f"--ca-file={course.state / 'ca.pem'}",
        "token": "--ca-pin=token",
    }
    course.by_url(server.control_port, options[trust]).wait_until_connected()


def test_tokens_from_a_file_prove_the_ca_too(course: Course) -> None:
    tokens = course.folder / "tokens.toml"
    secrets = {}
    for label in ("ana", "luis"):
        secrets[label] = course.folder / f"{label}.txt"
        subprocess.run(
            [COMMAND, "token", f"--a={tokens}", f"--etiqueta={label}", f"--nombres={label}.example",
             f"--salida={secrets[label]}"],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
    server = Server(None, "--auto-tls", f"--state-dir={course.state}", f"--tokens-file={tokens}")
    course.start.processes.append(server)
    assert server.wait_for("listening")["connection_file"] == ""
    assert not course.connection_file.exists()
    for label, secret in secrets.items():
        agent = Agent(
            f"--upstream={label}.example=http://127.0.0.1:9", f"--token-file={secret}", "--ca-pin=token",
            f"--url=wss://localhost:{server.control_port}",
        )  # fmt: skip
        course.start.processes.append(agent)
        agent.wait_until_connected()


@pytest.mark.timeout(120)
def test_large_contents_pass_whole_in_both_directions_at_once(course: Course) -> None:
    content = bytes((number * number // 7) % 251 for number in range(MIB)) * 32
    backend = course.start.backend()
    backend.answer(lambda asked: response(content=asked.content[::-1]))
    server = course.server()
    course.with_file(backend).wait_until_connected()
    with server.visit() as wire:
        assert wire.ask("POST", "/", content=content).content == content[::-1]
    assert server.count("client_gone") == 0


# ── who is not believed ──────────────────────────────────────────────────────────────────────────


def test_a_wrong_pin_is_refused_for_good_and_told(course: Course) -> None:
    server = course.server()
    agent = course.by_url(server.control_port, "--ca-pin=sha256:" + "00" * 32)
    assert refused(agent) == "bad-pin"
    assert "la CA del nodo de salida no es la de la huella" in agent.err
    assert server.count("client_connected") == 0


def test_an_exit_node_without_the_token_cannot_prove_its_ca(course: Course) -> None:
    server = course.server()
    other = write_token(course.folder / "otro.txt", "otro-token-de-prueba-4d7e91")
    agent = course.agent(
        None, f"--url=wss://localhost:{server.control_port}", f"--token-file={other}", "--ca-pin=token"
    )
    assert refused(agent) == "bad-exit-node"


def test_the_system_s_cas_do_not_know_it(course: Course) -> None:
    server = course.server()
    assert "certificate verify failed" in distrusted(course.by_url(server.control_port))


def test_another_ca_s_file_does_not_do(course: Course) -> None:
    server = course.server()
    impostor = course.impostor()
    (course.folder / "otra.pem").write_text(impostor.authority.pem)
    agent = course.by_url(server.control_port, f"--ca-file={course.folder / 'otra.pem'}")
    assert "certificate verify failed" in distrusted(agent)


@linux_only
@pytest.mark.parametrize("trust", ["pin", "file", "token"])
def test_a_certificate_for_another_address_is_not_taken(course: Course, trust: str) -> None:
    server = course.server("--control-host=0.0.0.0", "--auto-tls-san=exit.example")
    options = {
        "pin": f"--ca-pin={course.pin}",
        "file": f"--ca-file={course.state / 'ca.pem'}",
        "token": "--ca-pin=token",
    }
    course.by_url(server.control_port, options[trust]).wait_until_connected()
    agent = course.by_url(server.control_port, options[trust], host="127.0.0.2")
    assert "mismatch" in distrusted(agent)


@pytest.mark.parametrize(("trust", "code"), [("pin", "bad-pin"), ("token", "bad-exit-node")])
def test_a_man_in_the_middle_with_a_ca_of_its_own_is_found_out(course: Course, trust: str, code: str) -> None:
    course.server()
    impostor = course.impostor()
    impostor.offer_own_ca()
    option = "--ca-pin=token" if trust == "token" else f"--ca-pin={course.pin}"
    assert refused(course.by_url(impostor.port, option)) == code
    assert_only_the_ca_was_asked_for(impostor)


@pytest.mark.parametrize("trust", ["pin", "token", "file", "system"])
def test_a_man_in_the_middle_who_passes_the_true_ca_on_is_found_out(course: Course, trust: str) -> None:
    server = course.server()
    impostor = course.impostor()
    options = {
        "pin": [f"--ca-pin={course.pin}"],
        "token": ["--ca-pin=token"],
        "file": [f"--ca-file={course.state / 'ca.pem'}"],
        "system": [],
    }
    agent = course.by_url(impostor.port, *options[trust])
    assert "certificate verify failed" in distrusted(agent)
    eventually(lambda: impostor.handshakes_refused, "the agent turned its certificate down")
    if trust in ("pin", "token"):
        assert_only_the_ca_was_asked_for(impostor)
    else:
        assert not impostor.heard
    assert server.count("client_connected") == 0


def assert_only_the_ca_was_asked_for(impostor: Impostor) -> None:
    assert impostor.heard.startswith(b"GET /.tunelab/ca HTTP/1.1\r\n")
    for word in (TOKEN.encode(), b"websocket", b"Upgrade", b"nonce", b"todo"):
        assert word not in impostor.heard.replace(b"Tunelab-Nonce", b"")


def test_an_exit_node_in_plain_text_is_told_apart(course: Course) -> None:
    plain = course.start.server()
    for options in (["--ca-pin=token"], []):
        agent = course.by_url(plain.control_port, *options)
        assert re.search("hung up in the TLS handshake|wrong version", distrusted(agent))
    # And the other way round: a client in plain text at a port that speaks TLS.
    server = course.server()
    agent = course.start.client(server, "http://127.0.0.1:9")
    assert agent.wait_for("disconnected")["reason"] in ("not-a-tunnel", "connection-lost")
    assert agent.count("connected") == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "offers no CA (HTTP 404)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhola", "offers no CA"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhola", "offers no CA"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 16385\r\n\r\n" + b"x" * 16385, "offers no CA"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "offers no CA"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40000, "offers no CA"),
        (b"220 smtp.example ESMTP\r\n\r\n", "offers no CA"),
        (b"", "offers no CA"),
    ],
    ids=["404", "no certificate", "cut off", "too long", "chunked", "long head", "SMTP", "nothing"],
)
def test_a_tls_server_that_is_no_exit_node_offers_no_ca(course: Course, answer: bytes, words: str) -> None:
    course.server()
    impostor = course.impostor()
    impostor.answer = answer
    agent = course.by_url(impostor.port, "--ca-pin=token")
    assert words in distrusted(agent)
    assert not impostor.handshakes_refused  # it was not even dialled


@linux_only
def test_a_plain_link_to_another_machine_warns_when_it_is_asked_for(course: Course) -> None:
    server = course.start.server()
    # Linux takes it for this machine; the client cannot know.
    url = f"--url=ws://0.0.0.0:{server.control_port}"
    agent = course.agent(None, url, f"--token-file={course.token_file}", "--inseguro")
    agent.wait_until_connected()
    assert "sin cifrar" in agent.err


# ── restarts and renewals ────────────────────────────────────────────────────────────────────────


def test_the_agent_comes_back_to_an_exit_node_that_restarts(course: Course) -> None:
    backend = course.start.backend()
    server = course.server()
    agent = course.with_file(backend)
    agent.wait_until_connected()
    server.kill()
    course.restarted()
    agent.wait_until_connected(2)
    with course.servers[-1].visit() as wire:
        assert wire.ask().content == b"hola"


@pytest.mark.parametrize("trust", ["pin", "token"])
def test_an_exit_node_that_was_made_anew_is_known_by_the_token_and_not_by_the_pin(
    course: Course, trust: str
) -> None:
    server = course.server()
    option = "--ca-pin=token" if trust == "token" else f"--ca-pin={course.pin}"
    agent = course.by_url(server.control_port, option)
    agent.wait_until_connected()
    server.kill()
    (course.state / "autoridad.pem").unlink()
    course.restarted()
    if trust == "token":
        agent.wait_until_connected(2)
    else:
        assert agent.wait() == 1
        assert agent.wait_for("refused")["code"] == "bad-pin"


@dataclass(slots=True)
class Clock:
    """The real time, moved."""

    shift_s: float

    def __call__(self) -> float:
        return time.time() + self.shift_s


def served_certificate(port: int, ca: Path) -> bytes:
    """Return the certificate (DER) that a fresh handshake shows, verified as a client would."""
    context = ssl.create_default_context(cafile=str(ca))
    with (
        socket.create_connection(("127.0.0.1", port), 10) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def test_a_certificate_is_renewed_while_the_link_goes_on(course: Course) -> None:
    backend = course.start.backend()
    clock = Clock(-61 * 24 * 3600.0)  # so that the first certificate has 29 days left, today

    async def run() -> None:
        server = TunnelServer(course.in_process_config(), clock=clock)
        await server.start()
        try:
            ca = course.state / "ca.pem"
            first = await asyncio.to_thread(served_certificate, server.control_port, ca)
            agent = course.with_file(backend)
            await asyncio.to_thread(agent.wait_until_connected)
            clock.shift_s = 0.0
            await asyncio.to_thread(
                eventually,
                lambda: served_certificate(server.control_port, ca) != first,
                "new handshakes show another certificate",
            )
            with await asyncio.to_thread(Wire.to, server.data_port) as wire:
                assert (await asyncio.to_thread(wire.ask)).content == b"hola"
            second = course.with_file(backend)
            await asyncio.to_thread(second.wait_until_connected)
            assert agent.count("disconnected") == 0
        finally:
            await server.close()

    asyncio.run(run())


# ── what the control plane answers ───────────────────────────────────────────────────────────────


def insecure(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a client's context that takes any certificate, and offers only ``version``."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that is what is tested
            context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def ask_for_ca(port: int) -> int:
    """Return the status of the answer to who asks for the CA."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as sock,
        Wire(insecure().wrap_socket(sock)) as wire,
    ):
        return wire.ask("GET", "/.tunelab/ca").status


def tls_wire(course: Course, context: ssl.SSLContext | None = None) -> Wire:
    """Connect to the control plane as some other program may."""
    sock = socket.create_connection(("127.0.0.1", course.servers[-1].control_port), 10)
    course.stack.callback(sock.close)
    wire = Wire((context or insecure()).wrap_socket(sock))
    course.stack.callback(wire.close)
    return wire


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
def test_old_versions_of_tls_are_refused(course: Course, version: ssl.TLSVersion) -> None:
    course.server()
    with pytest.raises(ssl.SSLError, match=r"ALERT_PROTOCOL_VERSION|UNEXPECTED_EOF"):
        tls_wire(course, insecure(version))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_current_versions_of_tls_and_http_1_are_agreed_on(course: Course, version: ssl.TLSVersion) -> None:
    course.server()
    context = insecure(version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    sock = tls_wire(course, context).sock
    assert isinstance(sock, ssl.SSLSocket)
    assert sock.selected_alpn_protocol() == "http/1.1"
    assert sock.version() == f"TLSv1.{version.name[-1]}"


def test_anybody_may_have_the_ca_s_certificate_and_who_knows_a_token_a_proof(course: Course) -> None:
    course.server()
    answer = tls_wire(course).ask("GET", "/.tunelab/ca")
    assert (answer.status, answer.fields.get("Tunelab-Proof")) == (200, None)
    assert answer.fields.all("Content-Type") == ["application/pem-certificate-chain"]
    assert answer.content == (course.state / "ca.pem").read_bytes()
    asked = (f"Tunelab-Key-Id: {key_id(TOKEN)}", f"Tunelab-Nonce: {NONCE}")
    answer = tls_wire(course).ask("GET", "/.tunelab/ca", *asked)
    der = ssl.PEM_cert_to_DER_cert(answer.content.decode())
    assert answer.fields.get("Tunelab-Proof") == ca_proof(TOKEN, NONCE, der)


@pytest.mark.parametrize(
    "lines",
    [
        ("Tunelab-Key-Id: " + "0" * 32, f"Tunelab-Nonce: {NONCE}"),
        (f"Tunelab-Key-Id: {key_id(TOKEN)}",),
        (f"Tunelab-Key-Id: {key_id(TOKEN)}", "Tunelab-Nonce: 00"),
        (f"Tunelab-Key-Id: {key_id(TOKEN)}", f"Tunelab-Nonce: {NONCE.upper()}"),
        (f"Tunelab-Key-Id: {key_id(TOKEN)}", f"Tunelab-Nonce: {NONCE}", f"Tunelab-Nonce: {NONCE}"),
        ("Tunelab-Key-Id: ñandú", f"Tunelab-Nonce: {NONCE}"),
        ("Tunelab-Key-Id:", f"Tunelab-Nonce: {NONCE}"),
    ],
    ids=["unknown key", "no nonce", "short nonce", "upper case", "two nonces", "no ASCII", "empty key"],
)
def test_no_proof_is_made_for_a_question_that_is_not_one(course: Course, lines: tuple[str, ...]) -> None:
    course.server()
    answer = tls_wire(course).ask("GET", "/.tunelab/ca", *lines)
    assert (answer.status, answer.fields.get("Tunelab-Proof")) == (200, None)


def test_an_exit_node_without_tls_has_no_ca_to_show(course: Course) -> None:
    server = course.start.server()
    with Wire.to(server.control_port) as wire:
        assert wire.ask("GET", "/.tunelab/ca").status == 404


def test_who_calls_too_often_waits_for_the_ca_too(course: Course) -> None:
    async def run() -> None:
        config = course.in_process_config(client_limits=ClientLimits(handshakes_per_s=0.4))
        server = TunnelServer(config)
        await server.start()
        try:
            assert await asyncio.to_thread(ask_for_ca, server.control_port) == 200
            await asyncio.to_thread(
                eventually, lambda: ask_for_ca(server.control_port) == 429, "it has had enough"
            )
            agent = course.by_url(server.control_port, "--ca-pin=token")
            told = await asyncio.to_thread(agent.wait_for, "disconnected")
            assert (told["reason"], told["detail"]) == ("refused", "HTTP 429")
            await asyncio.to_thread(agent.wait_until_connected)
        finally:
            await server.close()

    asyncio.run(run())


def test_who_says_nothing_or_nonsense_bothers_nobody_and_does_not_delay_the_end(course: Course) -> None:
    server = course.server()
    with ExitStack() as stack:
        for data in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\0" * 1000):
            wire = stack.enter_context(Wire.to(server.control_port))
            wire.send(data)
        course.with_file().wait_until_connected()
        server.terminate()
        assert server.wait() == 0
    assert server.err == ""


@linux_only
def test_a_server_without_tls_does_not_load_what_makes_certificates(course: Course) -> None:
    plain, encrypted = course.start.server(), course.server()
    maps = [Path(f"/proc/{server.pid}/maps").read_text() for server in (plain, encrypted)]
    assert ["cryptography" in text for text in maps] == [False, True]


def test_a_connection_that_is_cut_is_opened_again(course: Course) -> None:
    backend = course.start.backend()
    server = course.server()
    relay = course.start.relay(server.control_port)
    text = course.connection_file.read_text().replace(f":{server.control_port}", f":{relay.port}")
    course.connection_file.write_text(text)
    agent = course.with_file(backend)
    agent.wait_until_connected()
    relay.cut()
    agent.wait_until_connected(2)
    with server.visit() as wire:
        assert wire.ask().content == b"hola"
