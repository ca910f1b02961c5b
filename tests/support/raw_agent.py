"""An agent that reads its link only when told to, to see what an exit node has put in line meanwhile."""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple

from support.tunnel_kit import TOKEN
from support.wire import Wire
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from tunnel.protocol.auth import key_id
from tunnel.protocol.frames import FrameDecoder, FrameType
from tunnel.protocol.handshake import AgentHandshake
from tunnel.protocol.messages import Claim, Grant, Hello
from tunnel.transport.link import CONTROL_PATH, SUBPROTOCOL

__all__ = ["RawAgent", "RawFrame"]

_HEADER_BYTES = 8
_WINDOW_BYTES = 2**30


class RawFrame(NamedTuple):
    """A frame of the link's."""

    kind: FrameType
    stream_id: int
    payload: bytes


class RawAgent:
    """A session for every name, whose streams may be sent as much as the exit node likes.

    Args:
        receive_buffer: of its socket, in bytes: as little as that is under way unread.
    """

    def __init__(self, control_port: int, receive_buffer: int) -> None:
        self._wire = Wire.to(control_port, receive_buffer=receive_buffer)
        self._ws = ClientProtocol(
            parse_uri(f"ws://127.0.0.1:{control_port}{CONTROL_PATH}"), subprotocols=[SUBPROTOCOL]
        )
        self._decoder = FrameDecoder()
        self._frames: list[RawFrame] = []
        self._ws.send_request(self._ws.connect())
        hello = Hello(key_id(TOKEN), "0" * 64, "0" * 16, "raw/1", _WINDOW_BYTES, 1024)
        handshake = AgentHandshake(TOKEN, hello, Claim(("*",)))
        self._flush()
        while not self._ws.events_received():
            self._read()
        for kind, payload in handshake.start():
            self.send(kind, 0, payload)
        while handshake.outcome is None:
            frame = self.receive()
            for kind, payload in handshake.receive_frame(frame.kind, frame.payload):
                self.send(kind, 0, payload)
        assert isinstance(handshake.outcome, Grant), handshake.outcome

    def __enter__(self) -> RawAgent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.close()

    def send(self, kind: int, stream_id: int, payload: bytes) -> None:
        """Send one frame, in a message of its own."""
        self._ws.send_binary(
            (kind << 24 | len(payload)).to_bytes(4, "big") + stream_id.to_bytes(4, "big") + payload
        )
        self._flush()

    def receive(self) -> RawFrame:
        """Return the next frame, reading on where that takes it; pings are answered on the way."""
        while True:
            while not self._frames:
                self._read()
                for event in self._ws.events_received():
                    assert isinstance(event, Frame), event
                    assert event.opcode in (Opcode.BINARY, Opcode.CONT), event
                    for kind, stream_id, payload in self._decoder.receive_data(bytes(event.data)):
                        self._frames.append(RawFrame(FrameType(kind), stream_id, bytes(payload)))
            frame = self._frames.pop(0)
            if frame.kind is not FrameType.PING:
                return frame
            self.send(FrameType.PONG, 0, frame.payload)

    def _read(self) -> None:
        data = self._wire.read_some()
        assert data, "the exit node closed the link"
        self._ws.receive_data(data)

    def _flush(self) -> None:
        for data in self._ws.data_to_send():
            self._wire.send(data)
