"""Control plane and data plane on one port; each plane on an address of IPv6."""

from __future__ import annotations

import socket

import pytest
from support.requirements import refuse
from support.tunnel_kit import Starter
from support.tunnel_process import Server
from support.wire import Broken, Wire, request, response


def shared_server(start: Starter) -> Server:
    """Start an exit node with one port for both planes."""
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        try:  # somebody else may take it in between
            return start.server(port=port, control_port=port)
        except AssertionError:
            continue
    raise AssertionError("no free port in five attempts")


def test_link_and_visitors_share_one_port(start: Starter) -> None:
    server, backend = shared_server(start), start.backend()
    assert server.port == server.control_port
    client = start.connected_client(server, backend)
    assert client.wait_for("connected")["urls"] == [f"http://127.0.0.1:{server.port}"]
    with server.visit() as wire:
        for number in range(20):
            assert wire.ask("GET", f"/{number}").content == b"hola"
        content = bytes(300_000)
        backend.answer(lambda asked: response(200, asked.content))
        assert wire.ask("POST", content=content).content == content


def test_visitors_upgrade_on_a_shared_port_too(start: Starter) -> None:
    server, backend = shared_server(start), start.backend()
    start.connected_client(server, backend)

    def echo(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while data := wire.read_some():
            wire.send(data)

    backend.play(echo)
    with server.visit() as wire:
        assert wire.ask("GET", "/", "Connection: Upgrade", "Upgrade: websocket").status == 101
        wire.send(b"\x81\x04hola")
        assert wire.read_exactly(6) == b"\x81\x04hola"


@pytest.mark.parametrize("is_shared", [True, False], ids=["shared", "apart"])
def test_the_reserved_paths_never_reach_the_service(start: Starter, is_shared: bool) -> None:
    server = shared_server(start) if is_shared else start.server()
    backend = start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        assert wire.ask().content == b"hola"
        for target in ("/.tunelab/", "/.tunelab/otra", "/.tunelab/link", "http://a/.tunelab/link"):
            answer = wire.ask("GET", target)
            assert (answer.status, answer.code) == (404, "reserved-path"), target
        answer = wire.ask("POST", "/.tunelab/link", content=b"x")
        assert (answer.status, answer.code) == (404, "reserved-path")
        assert wire.ask("GET", "/.tunelab").content == b"hola"
    assert backend.targets == ["/", "/.tunelab"]


def test_a_visitor_who_knocks_at_the_control_path_is_sent_away(start: Starter) -> None:
    server, backend = shared_server(start), start.backend()
    start.connected_client(server, backend)
    knocks = (
        request("GET", "/.tunelab/link"),
        request("GET", "/.tunelab/linkx"),
        request("GET", "/.tunelab/link?x=1", "Connection: Upgrade", "Upgrade: websocket"),
        request(
            "GET",
            "/.tunelab/link",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ),
    )
    for knock in knocks:
        with server.visit() as wire:
            for position in range(len(knock)):  # as slowly as can be
                wire.send(knock[position : position + 1])
            assert 400 <= wire.read_response_head().status < 500, knock
            wire.read_to_end()
    with server.visit() as wire:
        wire.send(b"GET /.tunelab/link\r\n\r\n")
        assert wire.read_to_end() == b""
    with server.visit() as wire:
        assert wire.ask().content == b"hola"


def test_a_shared_port_heals_after_a_restart(start: Starter) -> None:
    server, backend = shared_server(start), start.backend()
    client = start.connected_client(server, backend)
    server.kill()
    again = start.server(port=server.port, control_port=server.port)
    client.wait_until_connected(2)
    with again.visit() as wire:
        assert wire.ask().content == b"hola"


UPGRADE_OF_A_LINK = request(
    "GET",
    "/.tunelab/link",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: tunelab.v1",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)

MISTAKES = {
    "another path": request("GET", "/"),
    "another path twice": request("GET", "/") * 2,
    "POST": request("POST", "/.tunelab/link", content=b"x"),
    "garbage": b"basura\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00",
    "a link and then HTTP": UPGRADE_OF_A_LINK + request("GET", "/"),
    "a link and then garbage": UPGRADE_OF_A_LINK + b"\xff" * 50,
    "a link and then no frame of ours": UPGRADE_OF_A_LINK + b"\x82\x89\0\0\0\0" + b"\x7f" * 9,
    "a link and then text": UPGRADE_OF_A_LINK + b"\x81\x84\0\0\0\0hola",
}


@pytest.mark.parametrize("sent", list(MISTAKES.values()), ids=list(MISTAKES))
def test_whoever_calls_the_control_port_by_mistake_is_sent_away(start: Starter, sent: bytes) -> None:
    server, backend = start.server(), start.backend()
    start.connected_client(server, backend)
    with Wire.to(server.control_port) as wire:
        wire.send(sent)
        wire.end()
        try:
            answer = wire.read_to_end()
        except Broken:
            answer = b""
        assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 101"))
    with server.visit() as wire:
        assert wire.ask().content == b"hola"


def test_a_client_that_calls_the_visitors_port_is_told_what_is_there(start: Starter) -> None:
    """The commonest slip: --url with the port of the data plane."""
    server, backend = start.server(), start.backend()
    client = start.client(server.port, backend)
    gone = client.wait_for("disconnected")
    assert (gone["reason"], gone["detail"]) == ("not-a-tunnel", "HTTP 404")


def test_everything_works_over_ipv6(start: Starter) -> None:
    try:
        backend = start.backend("::1")
    except OSError:
        refuse("esta máquina no tiene IPv6 / this machine has no IPv6")
    server = start.server(host="::1")
    client = start.connected_client(server, backend)
    assert client.wait_for("connected")["urls"] == [f"http://[::1]:{server.port}"]
    with server.visit() as wire:
        assert wire.ask("GET", "/", f"Host: [::1]:{server.port}").content == b"hola"
    seen = backend.requests[0].fields
    assert seen.get("X-Forwarded-For") == seen.get("X-Real-IP") == "::1"
    # RFC 7239, section 6: an address of IPv6 is bracketed and quoted.
    assert seen.get("Forwarded") == f'for="[::1]";host="[::1]:{server.port}";proto=http'
