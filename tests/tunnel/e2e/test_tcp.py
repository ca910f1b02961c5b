"""TCP mode: ports of the exit node that lead, byte by byte, to services beside the agent."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.backend import Backend
from support.own_service import free_port, redis_server, ssh_server
from support.requirements import require_program
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import COMMAND, Client, Server
from support.wire import Broken, Wire, eventually

OTHER_TOKEN = "otro-token-de-prueba-90210-abcdef"
MEGABYTE = 1024 * 1024


@dataclass(slots=True)
class TcpTunnel:
    """An exit node, a port of it, an agent and the service that the port leads to."""

    server: Server
    client: Client
    service: Backend
    port: int

    def visit(self, *, receive_buffer: int = 0, source: str = "") -> Wire:
        return Wire.to(self.port, "127.0.0.1", receive_buffer, source)


Opened = Callable[..., TcpTunnel]


@pytest.fixture
def opened(start: Starter) -> Opened:
    """Opens a tunnel from a free port to a service of sockets."""

    def open_one(*options: str, limits: tuple[str, ...] = ()) -> TcpTunnel:
        port, service = free_port(), start.backend()
        server = start.server(f"--tcp-ports={port}", *limits)
        tcp = f"--tcp={port}=127.0.0.1:{service.port}"
        client = start.connected_client(server, options=(tcp, *options))
        return TcpTunnel(server, client, service, port)

    return open_one


def is_open(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────


def test_bytes_pass_as_they_are_in_both_directions(opened: Opened) -> None:
    tunnel = opened()
    sizes = (8 * MEGABYTE + 7, 6 * MEGABYTE + 3)
    up, down = (random.Random(size).randbytes(size) for size in sizes)
    received: list[str] = []

    def play(wire: Wire) -> None:
        sender = threading.Thread(target=wire.send, args=(down,))
        sender.start()
        received.append(hashlib.sha256(wire.read_exactly(len(up))).hexdigest())
        sender.join()

    tunnel.service.play(play)
    with tunnel.visit() as wire:
        sender = threading.Thread(target=wire.send, args=(up,))
        sender.start()
        assert wire.read_exactly(len(down)) == down
        sender.join()
        wire.read_to_end()
    assert received == [hashlib.sha256(up).hexdigest()]


def test_a_service_that_speaks_first_is_heard(opened: Opened) -> None:
    tunnel = opened()
    tunnel.service.play(lambda wire: wire.send(b"220 hola\r\n"))
    with tunnel.visit() as wire:
        assert wire.read_to_end() == b"220 hola\r\n"


def test_a_visitor_that_ends_its_direction_still_hears_the_answer(opened: Opened) -> None:
    tunnel = opened()

    def play(wire: Wire) -> None:
        wire.send(b"%d bytes" % len(wire.read_to_end()))

    tunnel.service.play(play)
    with tunnel.visit() as wire:
        wire.send(b"x" * 300_000)
        wire.end()
        assert wire.read_to_end() == b"300000 bytes"


def test_a_service_that_ends_its_direction_still_hears_the_visitor(opened: Opened) -> None:
    tunnel, heard = opened(), []

    def play(wire: Wire) -> None:
        wire.send(b"no hay mas")
        wire.end()
        heard.append(len(wire.read_to_end()))

    tunnel.service.play(play)
    with tunnel.visit() as wire:
        assert wire.read_to_end() == b"no hay mas"
        wire.send(b"y" * 3 * MEGABYTE)
    eventually(lambda: heard == [3 * MEGABYTE], "all that the visitor sent after the service's end")


def test_what_a_visitor_sent_before_it_left_in_order_arrives_whole(opened: Opened) -> None:
    tunnel, heard = opened(), []
    ready = threading.Event()

    def play(wire: Wire) -> None:
        ready.wait(20)  # more than a window waits on the way by now
        heard.append(len(wire.read_to_end()))

    tunnel.service.play(play)
    with tunnel.visit() as wire:
        sender = threading.Thread(target=lambda: (wire.send(b"z" * 2 * MEGABYTE), wire.end()))
        sender.start()
        ready.set()
        sender.join()
        wire.read_to_end()
    assert heard == [2 * MEGABYTE]


@pytest.mark.parametrize("who", ["visitor", "service"])
def test_a_broken_connection_is_broken_on_the_other_side_too(opened: Opened, who: str) -> None:
    tunnel, outcome = opened(), []
    came = threading.Event()

    def play(wire: Wire) -> None:
        wire.read_exactly(4)
        came.set()
        if who == "service":
            wire.reset()
            return
        try:
            wire.read_to_end()
            outcome.append("in order")
        except Broken:
            outcome.append("broken")

    tunnel.service.play(play)
    with tunnel.visit() as wire:
        wire.send(b"hola")
        assert came.wait(20)
        if who == "visitor":
            wire.reset()
            eventually(lambda: outcome == ["broken"], "the service to see that the visitor broke off")
        else:
            with pytest.raises(Broken):
                wire.read_to_end()


def test_a_visitor_that_reads_nothing_holds_one_window_and_nobody_else(opened: Opened) -> None:
    tunnel, sent = opened(), []

    def play(wire: Wire) -> None:
        if wire.read_exactly(1) == b"1":
            wire.send(b"!")
            return
        block = b"." * 65536
        for number in range(1024):  # 64 MiB, should anybody take them
            wire.send(block)
            sent.append(number)

    tunnel.service.play(play)
    with tunnel.visit(receive_buffer=4096) as stuck:
        stuck.send(b"0")
        size = -1
        while size != len(sent):  # until no more goes
            size = len(sent)
            with tunnel.visit() as other:
                other.send(b"1")
                assert other.read_to_end() == b"!"
        assert len(sent) < 1024
        stuck.reset()


# ── who, where and when ──────────────────────────────────────────────────────────────────────────


def test_a_service_that_refuses_breaks_the_visitors_connection(start: Starter) -> None:
    port, nobody = free_port(), free_port()
    server = start.server(f"--tcp-ports={port}")
    start.connected_client(server, options=(f"--tcp={port}=127.0.0.1:{nobody}",))
    with Wire.to(port) as wire, pytest.raises(Broken):
        wire.read_to_end()


def test_a_port_listens_while_its_client_is_there_and_at_no_other_time(start: Starter) -> None:
    port, service = free_port(), start.backend()
    server = start.server(f"--tcp-ports={port}")
    assert not is_open(port)
    client = start.connected_client(server, options=(f"--tcp={port}=127.0.0.1:{service.port}",))
    eventually(lambda: is_open(port), "the port")
    client.kill()
    server.wait_for("client_gone")
    eventually(lambda: not is_open(port), "the port to be closed")


def test_names_and_ports_go_through_one_client(start: Starter) -> None:
    port, http, raw = free_port(), start.backend(), start.backend()
    raw.play(lambda wire: wire.send(b"raw"))
    server = start.server(f"--tcp-ports={port}")
    client = start.connected_client(server, http, options=(f"--tcp={port}=127.0.0.1:{raw.port}",))
    assert client.wait_for("connected")["tcp"] == [[port, f"127.0.0.1:{raw.port}"]]
    assert server.wait_for("client_connected")["ports"] == [port]
    with server.visit() as wire:
        assert wire.ask().content == b"hola"
    with Wire.to(port) as wire:
        assert wire.read_to_end() == b"raw"


def test_the_same_token_takes_its_port_over_with_no_moment_closed(start: Starter, opened: Opened) -> None:
    tunnel, second = opened(), start.backend()
    tunnel.service.play(lambda wire: wire.send(b"1"))
    second.play(lambda wire: wire.send(b"2"))
    start.connected_client(tunnel.server, options=(f"--tcp={tunnel.port}=127.0.0.1:{second.port}",))
    assert is_open(tunnel.port)
    with tunnel.visit() as wire:
        assert wire.read_to_end() == b"2"
    assert tunnel.client.wait() == 1
    assert tunnel.client.wait_for("refused")["code"] == "replaced"


def test_an_agent_comes_back_to_its_port_after_the_exit_node_was_killed(start: Starter) -> None:
    port, service = free_port(), start.backend()
    service.play(lambda wire: wire.send(b"aqui"))
    server = start.server(f"--tcp-ports={port}")
    client = start.connected_client(server, options=(f"--tcp={port}=127.0.0.1:{service.port}",))
    server.kill()
    again = start.server(f"--tcp-ports={port}", control_port=server.control_port)
    client.wait_until_connected(2)
    again.wait_for("client_connected")
    with Wire.to(port) as wire:
        assert wire.read_to_end() == b"aqui"


def refused(start: Starter, server: Server, port: int, token_file: Path | None = None) -> Client:
    client = Client(token_file or start.token_file, [], server.control_port, f"--tcp={port}=127.0.0.1:9")
    start.processes.append(client)
    assert client.wait() == 1
    return client


def test_a_port_that_the_exit_node_does_not_give_away_is_refused(start: Starter) -> None:
    wanted, given = free_port(), free_port()
    for server in (start.server(), start.server(f"--tcp-ports={given}")):
        client = refused(start, server, wanted)
        assert client.wait_for("refused")["code"] == "port-not-allowed"
        assert "--tcp-ports" in client.err
    assert not is_open(wanted)


def test_a_port_that_another_program_has_is_refused_and_named(start: Starter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        client = refused(start, start.server(f"--tcp-ports={port}"), port)
    assert client.wait_for("refused")["code"] == "port-in-use"
    assert str(port) in client.err


def tokens_file(folder: Path, *entries: tuple[str, str, str]) -> Path:
    text = "".join(
        f'[[token]]\nlabel = "{label}"\nsecret = "{secret}"\nports = [{ports}]\n'
        for label, secret, ports in entries
    )
    path = folder / "tokens.toml"
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_a_token_has_its_ports_and_no_others(start: Starter, tmp_path: Path) -> None:
    hers, his = free_port(), free_port()
    path = tokens_file(tmp_path, ("ana", TOKEN, str(hers)), ("luis", OTHER_TOKEN, f'{hers}, "{his}"'))
    server = Server(None, f"--tokens-file={path}", f"--tcp-ports={hers},{his}")
    start.processes.append(server)
    assert refused(start, server, his).wait_for("refused")["code"] == "port-not-allowed"
    start.connected_client(server, options=(f"--tcp={hers}=127.0.0.1:9",))
    luis = refused(start, server, hers, write_token(tmp_path / "luis.txt", OTHER_TOKEN))
    assert luis.wait_for("refused")["code"] == "port-taken"


def test_a_port_taken_from_a_token_ends_its_link(start: Starter, tmp_path: Path) -> None:
    port = free_port()
    path = tokens_file(tmp_path, ("ana", TOKEN, f'"{port}"'))
    server = Server(None, f"--tokens-file={path}", f"--tcp-ports={port}")
    start.processes.append(server)
    client = start.connected_client(server, options=(f"--tcp={port}=127.0.0.1:9",))
    tokens_file(tmp_path, ("ana", TOKEN, f'"{port + 1 if port < 65535 else 1}"'))
    assert client.wait() == 1
    assert client.wait_for("refused")["code"] == "revoked"
    eventually(lambda: not is_open(port), "the port to be closed")


def test_one_source_has_so_many_connections_and_no_more(opened: Opened) -> None:
    tunnel = opened(limits=("--limit=max-visitors-per-source=2",))
    tunnel.service.play(lambda wire: wire.send(wire.read_exactly(1)))
    with tunnel.visit(source="127.0.0.7") as first, tunnel.visit(source="127.0.0.7") as second:
        with tunnel.visit(source="127.0.0.7") as third, pytest.raises(Broken):
            third.read_to_end()
        for wire in (first, second):
            wire.send(b"a")
            assert wire.read_to_end() == b"a"


def test_a_stopping_exit_node_lets_a_connection_finish(opened: Opened) -> None:
    tunnel = opened()
    tunnel.service.play(lambda wire: wire.send(b"%d" % len(wire.read_to_end())))
    with tunnel.visit() as wire:
        wire.send(b"abc")
        eventually(lambda: tunnel.service.connections, "the service to be reached")
        tunnel.server.terminate()
        tunnel.server.wait_for("stopping")
        eventually(lambda: not is_open(tunnel.port), "the port to be closed")
        wire.send(b"def")
        wire.end()
        assert wire.read_to_end() == b"6"
    assert tunnel.server.wait() == 0


# ── who came ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_service_is_told_who_came_where_it_wants_to_know(opened: Opened, version: str) -> None:
    tunnel = opened(f"--proxy-protocol={version}")
    tunnel.service.play(lambda wire: wire.send(wire.read_to_end()))
    with tunnel.visit(source="127.0.0.9") as wire:
        peer: int = wire.sock.getsockname()[1]
        wire.send(b"hola")
        wire.end()
        told = wire.read_to_end()
    if version == "v1":
        assert told == b"PROXY TCP4 127.0.0.9 127.0.0.1 %d %d\r\nhola" % (peer, tunnel.port)
    else:
        ports = peer.to_bytes(2, "big") + tunnel.port.to_bytes(2, "big")
        signature = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"
        assert told == signature + bytes((127, 0, 0, 9, 127, 0, 0, 1)) + ports + b"hola"


# ── real services ────────────────────────────────────────────────────────────────────────────────


def test_a_real_redis_is_used_through_a_port(start: Starter, tmp_path: Path) -> None:
    cli = require_program("redis-cli", "apt install redis-server")
    with redis_server(tmp_path) as service:
        port = free_port()
        server = start.server(f"--tcp-ports={port}")
        start.connected_client(server, options=(f"--tcp={port}=localhost:{service}",))
        value = random.Random(5).randbytes(3 * MEGABYTE)
        base = [cli, "-h", "127.0.0.1", "-p", str(port)]
        subprocess.run([*base, "-x", "SET", "foto"], input=value, check=True, capture_output=True, timeout=30)
        told = subprocess.run([*base, "--raw", "GET", "foto"], check=True, capture_output=True, timeout=30)
        assert told.stdout == value + b"\n"
        pipe = b"".join(b"SET clave:%d %d\r\n" % (number, number) for number in range(20_000))
        told = subprocess.run([*base, "--pipe"], input=pipe, check=True, capture_output=True, timeout=60)
        assert b"errors: 0, replies: 20000" in told.stdout


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="sshd needs root here")
def test_a_real_ssh_session_goes_through_a_port(start: Starter, tmp_path: Path) -> None:
    with ssh_server(tmp_path) as (service, ssh):
        port = free_port()
        server = start.server(f"--tcp-ports={port}")
        start.connected_client(server, options=(f"--tcp={port}=127.0.0.1:{service}",))
        there = [*ssh, "-p", str(port), "root@127.0.0.1"]
        data = random.Random(6).randbytes(4 * MEGABYTE)
        told = subprocess.run([*there, "cat"], input=data, check=True, capture_output=True, timeout=60)
        assert told.stdout == data
        told = subprocess.run([*there, "exit 7"], check=False, capture_output=True, timeout=60)
        assert told.returncode == 7


def test_a_long_session_of_small_pieces_both_ways_stays_in_order(opened: Opened) -> None:
    """As a remote desktop is: for a long time, small pieces from both sides at once."""
    tunnel = opened()
    count = 4000
    sizes = random.Random(7)
    pieces = [bytes((number % 251,)) * sizes.randint(1, 900) for number in range(count)]
    whole = b"".join(pieces)

    def play(wire: Wire) -> None:
        sender = threading.Thread(target=lambda: [wire.send(piece) for piece in reversed(pieces)])
        sender.start()
        assert wire.read_exactly(len(whole)) == whole
        sender.join()

    tunnel.service.play(play)
    with tunnel.visit() as wire:
        sender = threading.Thread(target=lambda: [wire.send(piece) for piece in pieces])
        sender.start()
        assert wire.read_exactly(len(whole)) == b"".join(reversed(pieces))
        sender.join()
    assert tunnel.client.count("connected") == 1


# ── the command line ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "falta qué compartir"),
        (("--tcp", "0"), "«0» no es un servicio TCP"),
        (("--tcp", "70000=localhost:1"), "no es un puerto del nodo de salida"),
        (("--tcp", "5432=tcp://localhost:5432"), "sobra el esquema"),
        (("--tcp", "5432=localhost"), "no es un servicio TCP"),
        (("--tcp", "5432", "--tcp", "5432=localhost:9"), "hay dos --tcp para el puerto 5432"),
        (("--upstream", "http://localhost:1", "--proxy-protocol", "v1"), "--proxy-protocol va con --tcp"),
    ],
)
def test_what_cannot_be_shared_is_refused_in_clear_words(options: tuple[str, ...], said: str) -> None:
    env = {**os.environ, "TUNELAB_TOKEN": TOKEN}
    words = [COMMAND, "client", "--url", "ws://127.0.0.1:9", *options]
    told = subprocess.run(words, env=env, capture_output=True, encoding="utf-8", timeout=30, check=False)
    assert told.returncode == 2
    assert said in told.stderr
