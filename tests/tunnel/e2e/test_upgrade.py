"""Upgrades: websockets through the tunnel in both directions, and raw bytes after any other 101."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.backend import Backend
from support.tunnel_kit import Starter, Tunnel, Visit, linux_only
from support.wire import Wire, eventually, request, response
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

UPGRADE = ("Connection: Upgrade", "Upgrade: prueba")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: prueba\r\n\r\n"
MIB = 1024 * 1024
WAIT_S = 20


@contextmanager
def websocket_tunnel(
    start: Starter, handler: Callable[[ServerConnection], None]
) -> Iterator[Callable[[], ClientConnection]]:
    """A tunnel to a real websocket server; yields what connects a websocket through it."""
    with serve(handler, "127.0.0.1", 0, max_size=4 * MIB, compression=None) as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        try:
            server = start.server()
            start.connected_client(server, f"http://127.0.0.1:{service.socket.getsockname()[1]}")
            url = f"ws://127.0.0.1:{server.port}/eco"
            yield lambda: connect(url, max_size=4 * MIB, compression=None, proxy=None)
        finally:
            service.shutdown()
            thread.join()


def test_websocket_messages_pass_both_ways_whatever_their_kind_and_size(start: Starter) -> None:
    def echo(peer: ServerConnection) -> None:
        for message in peer:
            peer.send(message)

    with websocket_tunnel(start, echo) as connect_one, connect_one() as peer:
        messages = ["hola", "ñandú 🦤", b"\x00\xff\x81", "", b"", "t" * MIB, bytes(range(256)) * (MIB // 256)]
        for message in messages:
            peer.send(message)
            assert peer.recv(WAIT_S) == message
        for message in messages:  # all on the way at once
            peer.send(message)
        for message in messages:
            assert peer.recv(WAIT_S) == message


def test_the_service_may_speak_first_and_unasked_on_a_websocket(start: Starter) -> None:
    def push(peer: ServerConnection) -> None:
        for number in range(100):
            peer.send(str(number))

    with websocket_tunnel(start, push) as connect_one, connect_one() as peer:
        assert [peer.recv(WAIT_S) for _ in range(100)] == [str(number) for number in range(100)]


@pytest.mark.parametrize("closer", ["visitor", "service"])
def test_a_websockets_close_code_and_reason_arrive_at_the_other_side(start: Starter, closer: str) -> None:
    seen: list[tuple[int, str]] = []

    def note(peer: ServerConnection | ClientConnection) -> None:
        with pytest.raises(ConnectionClosed) as closed:
            peer.recv(WAIT_S)
        assert closed.value.rcvd is not None
        seen.append((closed.value.rcvd.code, closed.value.rcvd.reason))

    def handle(peer: ServerConnection) -> None:
        peer.close(4321, "adiós") if closer == "service" else note(peer)

    with websocket_tunnel(start, handle) as connect_one, connect_one() as peer:
        peer.close(4321, "adiós") if closer == "visitor" else note(peer)
    assert seen == [(4321, "adiós")]


def test_a_websocket_that_the_service_refuses_is_an_ordinary_answer(tunnel: Tunnel, backend: Backend) -> None:
    backend.answer(lambda _: response(403, b"no", "X-Motivo: prueba"))
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{tunnel.server.port}/", proxy=None)
    assert refused.value.response.status_code == 403
    assert refused.value.response.headers["X-Motivo"] == "prueba"


def test_the_connection_goes_on_after_an_upgrade_was_refused(visit: Visit, backend: Backend) -> None:
    with visit() as wire:
        answer = wire.ask("GET", "/", *UPGRADE)
        assert (answer.status, answer.content, answer.fields.get("Connection")) == (200, b"hola", None)
        assert wire.ask("GET", "/otra").content == b"hola"
    assert [seen.fields.get("Upgrade") for seen in backend.requests] == ["prueba", None]


def test_an_upgrade_is_asked_for_and_granted_with_its_fields(visit: Visit, backend: Backend) -> None:
    asked = []

    def switch(wire: Wire) -> None:
        asked.append(wire.read_request())
        wire.send(SWITCH)
        wire.read_to_end()

    backend.play(switch)
    with visit() as wire:
        wire.send(request("GET", "/", "Connection: keep-alive, Upgrade", "Upgrade: Prueba", "Sec-Cosa: 1"))
        answer = wire.read_response()
        assert (answer.status, answer.reason) == (101, "Switching Protocols")
        assert answer.fields.get("Connection") == "Upgrade"
        assert answer.fields.get("Upgrade") == "prueba"
        assert "transfer-encoding" not in answer.fields.names
        assert "content-length" not in answer.fields.names
    assert asked[0].fields.get("Connection") == "Upgrade"
    assert (asked[0].fields.get("Upgrade") or "").lower() == "prueba"
    assert asked[0].fields.get("Sec-Cosa") == "1"


def test_bytes_right_behind_the_upgrade_on_either_side_are_not_lost(visit: Visit, backend: Backend) -> None:
    got = []

    def switch(wire: Wire) -> None:
        wire.read_request()
        wire.send(SWITCH + b"servicio")
        got.append(wire.read_exactly(9))
        wire.send(b"!")

    backend.play(switch)
    with visit() as wire:
        wire.send(request("GET", "/", *UPGRADE) + b"visitante")
        assert wire.read_response().status == 101
        assert wire.read_exactly(9) == b"servicio!"
    assert got == [b"visitante"]


def test_what_follows_a_refused_upgrade_is_the_next_request(visit: Visit, backend: Backend) -> None:
    with visit() as wire:
        wire.send(request("GET", "/uno", *UPGRADE) + request("GET", "/dos"))
        assert wire.read_response().content == b"hola"
        assert wire.read_response().content == b"hola"
    assert backend.targets == ["/uno", "/dos"]


def test_raw_bytes_that_look_like_http_are_not_touched(visit: Visit, backend: Backend) -> None:
    payload = request("POST", "/", "X-Forwarded-For: 1.2.3.4", "Transfer-Encoding: chunked") + b"zz\n\0\r\n"

    def switch(wire: Wire) -> None:
        wire.read_request()
        wire.send(SWITCH + response(200, b"esto no es una respuesta"))
        wire.send(wire.read_exactly(len(payload)))

    backend.play(switch)
    with visit() as wire:
        wire.send(request("GET", "/", *UPGRADE))
        wire.read_response()
        expected = response(200, b"esto no es una respuesta")
        assert wire.read_exactly(len(expected)) == expected
        wire.send(payload)
        assert wire.read_exactly(len(payload)) == payload


def test_each_direction_of_an_upgraded_connection_ends_by_itself(visit: Visit, backend: Backend) -> None:
    def answer_after_the_end(wire: Wire) -> None:
        wire.read_request()
        wire.send(SWITCH)
        received = wire.read_to_end()
        wire.send(b"%d bytes" % len(received))

    backend.play(answer_after_the_end)
    with visit() as wire:
        wire.send(request("GET", "/", *UPGRADE))
        wire.read_response()
        wire.send(b"x" * 1000)
        wire.end()
        assert wire.read_to_end() == b"1000 bytes"


def test_a_service_that_ends_its_direction_still_hears_the_visitor(visit: Visit, backend: Backend) -> None:
    heard = []
    over = threading.Event()

    def end_first(wire: Wire) -> None:
        wire.read_request()
        wire.send(SWITCH + b"fin")
        wire.end()
        heard.append(wire.read_to_end())
        over.set()

    backend.play(end_first)
    with visit() as wire:
        wire.send(request("GET", "/", *UPGRADE))
        wire.read_response()
        assert wire.read_to_end() == b"fin"
        wire.send(b"sigo aqui")
        wire.end()
        assert over.wait(WAIT_S)
    assert heard == [b"sigo aqui"]


@linux_only
def test_a_half_close_behind_a_slow_reader_loses_nothing(visit: Visit, backend: Backend) -> None:
    """The visitor has ended its direction while the exit node, out of credit, does not read it."""
    stalled, ended, go_on = threading.Event(), threading.Event(), threading.Event()

    def slow(wire: Wire) -> None:
        wire.read_request()
        wire.send(SWITCH)
        size = 0
        assert stalled.wait(WAIT_S)
        while not ended.wait(0.02):  # until there is room for the visitor's end, and not much further
            size += len(wire.read_some())
        assert go_on.wait(WAIT_S)
        wire.send(b"%d" % (size + len(wire.read_to_end())))

    backend.play(slow)
    try:
        with visit() as wire:
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            assert wire.ask("GET", "/", *UPGRADE).status == 101
            sent = send_until_stalled(wire)
            wire.end()
            stalled.set()
            # Out of FIN_WAIT1 (include/net/tcp_states.h): the exit node's kernel has all, the end included.
            eventually(lambda: tcp_state(wire) != 4, "the visitor's end arrived")
            ended.set()
            # Time for the exit node to look, four times a second, after visitors that it does not read.
            go_on.wait(0.6)
            go_on.set()
            assert wire.read_to_end() == b"%d" % sent
    finally:
        for event in (stalled, ended, go_on):
            event.set()


def send_until_stalled(wire: Wire) -> int:
    """Send until nothing has been taken for a while; return how many bytes were."""
    wire.sock.settimeout(0.5)
    sent = 0
    try:
        while True:
            sent += wire.sock.send(bytes(64 * 1024))
    except TimeoutError:
        wire.sock.settimeout(WAIT_S)
        return sent


def tcp_state(wire: Wire) -> int:
    """Return the connection's state as the kernel numbers it."""
    return wire.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def test_an_upgraded_visitor_that_leaves_ends_the_services_connection(visit: Visit, backend: Backend) -> None:
    over = threading.Event()

    def switch(wire: Wire) -> None:
        wire.read_request()
        wire.send(SWITCH)
        try:
            wire.read_to_end()
        finally:
            over.set()

    backend.play(switch)
    with visit() as wire:
        wire.send(request("GET", "/", *UPGRADE))
        wire.read_response()
        wire.reset()
        assert over.wait(WAIT_S)


def test_an_upgraded_connection_that_breaks_at_the_service_breaks_at_the_visitor(
    visit: Visit, backend: Backend
) -> None:
    def switch(wire: Wire) -> None:
        wire.read_request()
        wire.send(SWITCH)
        wire.read_exactly(1)
        wire.reset()

    backend.play(switch)
    with visit() as wire:
        wire.send(request("GET", "/", *UPGRADE))
        wire.read_response()
        wire.send(b"x")
        with pytest.raises(ConnectionResetError):
            wire.read_some()


def test_an_upgrade_to_another_version_of_http_is_not_taken(visit: Visit, backend: Backend) -> None:
    """h2c is how requests are smuggled past proxies that pass it on."""
    with visit() as wire:
        for protocol in ("h2c", "h2", "HTTP/2.0", "TLS/1.2"):
            answer = wire.ask(
                "GET", "/", "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: A"
            )
            assert answer.content == b"hola"
    for seen in backend.requests:
        assert not seen.fields.names & {"upgrade", "http2-settings", "connection"}


def test_a_101_that_nobody_asked_for_is_refused(visit: Visit, backend: Backend) -> None:
    def switch(wire: Wire) -> None:
        wire.read_request()
        wire.send(SWITCH)
        wire.read_to_end()

    backend.play(switch)
    with visit() as wire:
        answer = wire.ask()
        assert (answer.status, answer.code) == (502, "upstream-protocol")


def test_many_upgraded_connections_live_side_by_side(tunnel: Tunnel, backend: Backend) -> None:
    def echo(wire: Wire) -> None:
        wire.read_request()
        wire.send(SWITCH)
        while data := wire.read_some():
            wire.send(data)

    backend.play(echo)
    wires = [tunnel.server.visit() for _ in range(100)]
    try:
        for wire in wires:
            wire.send(request("GET", "/", *UPGRADE))
        for wire in wires:
            assert wire.read_response().status == 101
        for number, wire in enumerate(wires):
            wire.send(b"soy %d." % number)
        for number, wire in enumerate(wires):
            assert wire.read_until(b".") == b"soy %d." % number
    finally:
        for wire in wires:
            wire.close()
