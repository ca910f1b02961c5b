"""What section 2 of PROTOCOL.md says of the websocket, asked of the real exit node by a foreign library."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import Server
from support.wire import Wire
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

HELLO, CHALLENGE, CLAIM, GRANT, REFUSE, PING, PONG, GOAWAY, DATA = 1, 2, 3, 4, 5, 6, 7, 8, 18
PROTOCOL_ERROR, DRAINING = 2, 0
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Starter(write_token(tmp_path_factory.mktemp("exit-node") / "token.txt")).running() as starter:
        yield starter.server()


def dial(server: Server, path: str = "/.tunelab/link", **options: object) -> ClientConnection:
    """Open a websocket as section 2 says, but for ``options``."""
    arguments: dict[str, object] = {"subprotocols": ["tunelab.v1"], "compression": None} | options
    return connect(f"ws://127.0.0.1:{server.control_port}{path}", **arguments)  # type: ignore[arg-type]


def frame(kind: int, payload: bytes = b"", stream_id: int = 0) -> bytes:
    return bytes([kind]) + len(payload).to_bytes(3, "big") + stream_id.to_bytes(4, "big") + payload


def receive(link: ClientConnection) -> list[tuple[int, bytes]]:
    """Return the frames of the next message; this exit node cuts none in the middle while they are few."""
    data, frames = link.recv(10), []
    assert isinstance(data, bytes)
    while data:
        size = int.from_bytes(data[1:4], "big")
        frames.append((data[0], data[8 : 8 + size]))
        data = data[8 + size :]
    return frames


def mac(*parts: bytes) -> str:
    return hmac.new(TOKEN.encode(), b"".join(parts), hashlib.sha256).hexdigest()


def hello() -> bytes:
    return json.dumps(
        {
            "key_id": mac(b"tunelab.v1 key id")[:32],
            "nonce": "0" * 64,
            "instance": "a",
            "agent": "b",
            "initial_window": 1,
            "max_streams": 1,
        }
    ).encode()


def claim(challenge: bytes) -> bytes:
    names = json.dumps({"names": ["transporte.example"]}).encode()
    parts = (b"tunelab.v1 agent", hello(), challenge, names)
    return mac(*(hashlib.sha256(part).digest() for part in parts)).encode() + names


def open_session(link: ClientConnection) -> None:
    link.send(frame(HELLO, hello()))
    [(kind, challenge)] = receive(link)
    assert kind == CHALLENGE
    link.send(frame(CLAIM, claim(challenge)))
    assert [kind for kind, _ in receive(link)] == [GRANT, PING]


def closed_with(link: ClientConnection) -> int:
    """Wait until the exit node closes the websocket; return its code."""
    try:
        while True:
            link.recv(10)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd is not None else 1006  # RFC 6455: without a close frame


@pytest.mark.parametrize("path", ["/", "/link", "/.tunelab", "/.tunelab/link/", "/.tunelab/linked"])
def test_another_path_is_answered_404(server: Server, path: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        dial(server, path)
    assert caught.value.response.status_code == 404


@pytest.mark.parametrize(
    "subprotocols", [None, ["tunelab.v2"], ["chat"]], ids=["none", "a later one", "another"]
)
def test_an_agent_that_does_not_offer_the_subprotocol_is_answered_400(
    server: Server, subprotocols: list[str] | None
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        dial(server, subprotocols=subprotocols)
    assert caught.value.response.status_code == 400


def test_the_subprotocol_is_chosen_among_several(server: Server) -> None:
    with dial(server, subprotocols=["tunelab.v9", "tunelab.v1"]) as link:
        assert link.subprotocol == "tunelab.v1"
        open_session(link)


def test_compression_is_not_negotiated_with_an_agent_that_offers_it(server: Server) -> None:
    with dial(server, compression="deflate") as link:
        assert link.protocol.extensions == []
        open_session(link)


def test_the_boundaries_of_messages_mean_nothing(server: Server) -> None:
    with dial(server) as link:
        for byte in frame(HELLO, hello()):
            link.send(b"")
            link.send(bytes([byte]))
        [(_, challenge)] = receive(link)
        link.send(frame(CLAIM, claim(challenge)))
        assert [kind for kind, _ in receive(link)] == [GRANT, PING]
        pings = [frame(PING, b"ping %03d" % number) for number in range(100)]
        link.send([b"".join(pings)[:777], b"".join(pings)[777:]])  # one message in two websocket frames
        answers: list[tuple[int, bytes]] = []
        while len(answers) < 100:
            answers += receive(link)
        assert answers == [(PONG, b"ping %03d" % number) for number in range(100)]


def test_a_message_of_a_mebibyte_is_taken_and_one_byte_more_is_not(server: Server) -> None:
    with dial(server) as link:
        open_session(link)
        # A thousand frames of no known stream, all of them late but for the last, a PING.
        filler = frame(DATA, b"x" * 1016, 2**31) * 1024
        ping = frame(PING, b"12345678")
        link.send(filler[:-1024] + frame(DATA, b"x" * (1024 - 8 - len(ping)), 2**31) + ping)
        assert receive(link) == [(PONG, b"12345678")]
        link.send(b"x" * (MIB + 1))
        assert closed_with(link) == 1009


def test_a_text_message_is_a_violation(server: Server) -> None:
    with dial(server) as link:
        open_session(link)
        link.send("hola")
        [(kind, payload)] = receive(link)
        assert (kind, int.from_bytes(payload[:2], "big")) == (GOAWAY, PROTOCOL_ERROR)
        assert closed_with(link) in (1000, 1002)


def test_a_violation_is_told_in_both_languages(server: Server) -> None:
    with dial(server) as link:
        link.send(frame(99))
        [(kind, payload)] = receive(link)
        assert (kind, payload) == (GOAWAY, b"\0\2unknown frame type 99")
        assert closed_with(link) == 1002


def test_a_refusal_is_told_and_the_websocket_closed_in_order(server: Server) -> None:
    with dial(server) as link:
        link.send(frame(HELLO, hello().replace(mac(b"tunelab.v1 key id")[:32].encode(), b"0" * 32)))
        [(kind, payload)] = receive(link)
        assert kind == REFUSE
        assert json.loads(payload)["code"] == "unknown-token"
        assert json.loads(payload)["retry"] is False
        assert closed_with(link) == 1000


def test_a_websocket_ping_is_answered(server: Server) -> None:
    with dial(server) as link:
        assert link.ping().wait(10)


def test_an_exit_node_that_stops_says_so(tmp_path: Path) -> None:
    with Starter(write_token(tmp_path / "token.txt")).running() as starter:
        stopping = starter.server()
        with dial(stopping) as link:
            open_session(link)
            stopping.terminate()
            [(kind, payload)] = receive(link)
            assert (kind, int.from_bytes(payload[:2], "big")) == (GOAWAY, DRAINING)
            assert closed_with(link) == 1000
        assert stopping.wait() == 0


@pytest.mark.parametrize("hosts", [(), ("a.example", "b.example")], ids=["none", "two"])
def test_a_call_without_one_host_is_answered_400(server: Server, hosts: tuple[str, ...]) -> None:
    # RFC 9112, section 3.2.
    lines = [
        "GET /.tunelab/link HTTP/1.1",
        *(f"Host: {host}" for host in hosts),
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: tunelab.v1",
    ]
    with Wire.to(server.control_port) as wire:
        wire.send("\r\n".join([*lines, "", ""]).encode())
        assert wire.read_response().status == 400
    assert "Traceback" not in server.err
