"""The link: one websocket with a session inside.

The websockets library's sans-I/O protocol runs inside an ``asyncio.Protocol``; compression is off (what
passes is mostly compressed or small, and deflate costs more than the network).  Once the link is up,
binary messages go past the library (see ``ws_frames``).  All frames of one turn of the event loop leave
in one websocket message, which is worth a factor of two in CPU per request.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Side, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from tunnel.identity import Verified
from tunnel.protocol.errors import CloseCode
from tunnel.protocol.session import HANDSHAKE_TIMEOUT_S, Session
from tunnel.transport.questions import KEY_ID_FIELD, NONCE_FIELD, PROOF_FIELD, Answerer, Question
from tunnel.transport.sockets import hold_back_unsent
from tunnel.transport.ws_frames import FrameCutter, encode_binary

__all__ = [
    "CONTROL_PATH",
    "MAX_MESSAGE_BYTES",
    "SUBPROTOCOL",
    "AgentLink",
    "ExitNodeLink",
    "Link",
]

CONTROL_PATH = "/.tunelab/link"
SUBPROTOCOL = Subprotocol("tunelab.v1")

MAX_MESSAGE_BYTES = 1024 * 1024
"""One websocket message, received or sent."""

_BATCH_BYTES = 128 * 1024
"""How much of the session's output is taken at once; between 64 KiB and 1 MiB the speed is the same."""

_HIGH_WATER_BYTES = 64 * 1024
"""Unsent bytes in the transport above which the session keeps its output, so that streams take turns."""

_MAX_UNSENT_BYTES = 128 * 1024
"""The same in the kernel, which would take 4 MB by itself: a small answer waits behind all of it, which at
25 MB/s is 160 ms.  What the path itself has room for is not counted, so that speed does not suffer."""

_HEAD_END = b"\r\n\r\n"
_WS_OPEN = State.OPEN  # a name, for the hot path (see tunnel.protocol.frames)

_CLOSE_GRACE_S = 1.0
_ANSWER_GRACE_S = 10.0  # for an answer, which may be large

_UNWELCOME_S = 1.0
"""How long somebody who called too often may take to ask."""

_ws_log = logging.getLogger("tunnel.websocket")
_ws_log.setLevel(logging.WARNING)  # the library's DEBUG prints payloads


class Link(asyncio.Protocol):
    """What both ends of a link do alike.  ``session`` is set by the subclass before any data flows."""

    def __init__(self, ws: ClientProtocol | ServerProtocol) -> None:
        self._ws = ws
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._flush_scheduled = False
        self._write_paused = False
        self._close_grace_s = _CLOSE_GRACE_S
        self._timer: asyncio.TimerHandle | None = None
        self._is_up = False  # the websocket's own handshake is over
        self._is_masking = ws.side is Side.CLIENT  # RFC 6455, section 5.3
        self._cutter = FrameCutter(not self._is_masking, MAX_MESSAGE_BYTES)
        self._head_tail = b""  # the last bytes of the other side's head, so far
        self.session: Session
        self.closed: asyncio.Future[None] = self._loop.create_future()  # the connection is gone
        self.peer = "?"  # address of the other side, for logs

    # ── asyncio.Protocol ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: the TCP connection (or its TLS) is up."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        hold_back_unsent(self._transport, _MAX_UNSENT_BYTES)
        peer = transport.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if peer else "?"
        self._timer = self._loop.call_later(HANDSHAKE_TIMEOUT_S, self._tick)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: bytes of the websocket."""
        ws, transport = self._ws, self._transport
        if transport is None or transport.is_closing():
            return
        if not self._is_up:
            data = self._receive_handshake(data)
        elif ws.state is not _WS_OPEN:
            ws.receive_data(data)
            data = b""
        if data:
            session, now = self.session, self._loop.time()
            for is_ours, piece in self._cutter.cut(data):
                if is_ours:
                    session.receive_data(piece, now)
                else:
                    ws.receive_data(cast(bytes, piece))  # what is for the library is never a view
                    self._receive_events(now)
                    if ws.state is not _WS_OPEN or transport.is_closing():
                        break
        self._write_ws()
        if ws.close_expected():
            self.session.connection_lost("the websocket was closed")
            self._close_soon()

    def _receive_handshake(self, data: bytes) -> bytes:
        """Give the library the other side's head; return the frames that came behind it.

        The head ends at the first empty line (RFC 6455, section 4.1): were the library to read on, nobody
        would know where in the frames it is.
        """
        seen = self._head_tail + data
        end = seen.find(_HEAD_END)
        if end < 0:
            self._head_tail = seen[-len(_HEAD_END) + 1 :]
            self._ws.receive_data(data)
            self._receive_events(self._loop.time())
            return b""
        head_size = end + len(_HEAD_END) - len(self._head_tail)
        self._head_tail = b""
        self._ws.receive_data(data[:head_size])
        self._receive_events(self._loop.time())
        rest = data[head_size:]
        if self._is_up or not rest:
            return rest
        self._ws.receive_data(rest)  # of an answer that is no websocket: its content
        self._receive_events(self._loop.time())
        return b""

    def _receive_events(self, now: float) -> None:
        """Take what the library has understood."""
        for event in self._ws.events_received():
            if self._transport is None or self._transport.is_closing():
                return  # an earlier one was refused, and what follows it with it
            if not isinstance(event, Frame):
                self._http_received(event)
            elif event.opcode is Opcode.BINARY or event.opcode is Opcode.CONT:
                self.session.receive_data(cast(bytes, event.data), now)
            elif event.opcode is Opcode.TEXT:
                self.session.close(CloseCode.PROTOCOL_ERROR, "a text message")

    def eof_received(self) -> bool:
        """Called by asyncio: the peer ended the connection.

        asyncio closes our direction too, but only after all that is buffered has left, which a peer that
        does not read any more may put off for ever.
        """
        self._ws.receive_eof()
        self.session.connection_lost("the connection was closed")
        self._close_soon()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self.session.connection_lost(str(exc) if exc else "the connection was closed")
        self._transport = None
        if not self.closed.done():  # or cancelled, with the task that waited for it
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Called by asyncio: the socket takes no more for now."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Called by asyncio: there is room again."""
        self._write_paused = False
        self.schedule_flush()

    # ── the session's side ───────────────────────────────────────────────────────────────────────

    def schedule_flush(self) -> None:
        """Send what the session has, at the end of this turn of the event loop."""
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def abort(self) -> None:
        """Drop the connection without another word."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        self._flush_scheduled = False
        transport = self._transport
        if not self._is_up or transport is None or transport.is_closing():
            return
        session = self.session
        ws = self._ws
        while session.has_output and not self._write_paused and ws.state is _WS_OPEN:
            pieces = session.data_to_send(_BATCH_BYTES)
            transport.writelines(encode_binary(pieces, self._is_masking, MAX_MESSAGE_BYTES))
        if session.is_closed and not session.has_output:
            if ws.state is _WS_OPEN:
                ws.send_close(1002 if session.error else 1000)
                self._write_ws()
            self._close_soon()

    def _write_ws(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        for data in self._ws.data_to_send():
            if not data:  # the library's sign for the end of our direction
                self._close_soon()
                return
            transport.write(data)

    def _close_soon(self) -> None:
        """Close after what is buffered has left, or after a grace for a peer that does not read."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.close()
            self._loop.call_later(self._close_grace_s, transport.abort)

    def _session_up(self) -> None:
        """The websocket's handshake is over; the session's may begin."""
        self._is_up = True
        self.schedule_flush()
        self.reschedule_tick()

    def reschedule_tick(self) -> None:
        """Ask the session again when it wants to be called."""
        if self._timer is not None:
            self._timer.cancel()
        self._tick()

    def _tick(self) -> None:
        if not self._is_up:
            self.abort()  # the websocket's handshake took too long
            return
        deadline = self.session.tick(self._loop.time())
        if deadline != float("inf"):
            self._timer = self._loop.call_at(deadline, self._tick)
        elif self._write_paused:
            self.abort()  # nothing can be said to a peer that does not read
        else:
            self.schedule_flush()

    def _http_received(self, message: Request | Response) -> None:
        raise NotImplementedError


class ExitNodeLink(Link):
    """The exit node's end: answers the websocket's handshake.

    Args:
        admit: asked once, with the caller's address, whether it may try now.  Who may not is told to wait
            when it asks for the link, and has little time to ask.
        answerers: who answers the questions of which path.
        verify: returns whose certificate was shown here, where certificates are asked for.
    """

    _ws: ServerProtocol

    def __init__(
        self,
        admit: Callable[[str], bool],
        answerers: Mapping[str, Answerer] | None = None,
        verify: Callable[[ExitNodeLink], Verified | None] = lambda _: None,
    ) -> None:
        super().__init__(
            ServerProtocol(subprotocols=[SUBPROTOCOL], max_size=MAX_MESSAGE_BYTES, logger=_ws_log)
        )
        self._admit = admit
        self._is_welcome = False
        self._answerers = answerers or {}
        self._verify = verify
        self.dialled_host = ""  # what the agent called this exit node

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS that it runs in, or None."""
        return None if self._transport is None else self._transport.get_extra_info("ssl_object")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: somebody called."""
        super().connection_made(transport)
        self._is_welcome = self._admit(self.peer.rpartition(":")[0].partition("%")[0])
        if not self._is_welcome and self._timer is not None:
            # Counted here and not at the handshake: connections that say nothing are a flood too.
            self._timer.cancel()
            self._timer = self._loop.call_later(_UNWELCOME_S, self._tick)

    def _http_received(self, message: Request | Response) -> None:
        assert isinstance(message, Request)  # noqa: S101 - a server receives requests only
        ws = self._ws
        if ws.close_expected():  # what came behind the request made the library give up already
            self._close_soon()
            return
        path = message.path.partition("?")[0]
        answerer = self._answerers.get(path)
        if answerer is not None and self._is_welcome:
            response = self._answered(message, answerer)
        elif path != CONTROL_PATH and answerer is None:
            response = ws.reject(404, "Este es el puerto de control del túnel: aquí llama «tunnel client».\n")
        elif len(message.headers.get_all("Host")) != 1:  # RFC 9112, section 3.2
            response = ws.reject(400, "La petición lleva un solo campo Host.\n")
        elif not self._is_welcome:
            response = ws.reject(429, "Hay demasiados intentos desde su dirección: espere un momento.\n")
        else:
            response = ws.accept(message)
            if response.status_code == 101 and ws.subprotocol != SUBPROTOCOL:
                response = ws.reject(400, f"El subprotocolo de este nodo de salida es {SUBPROTOCOL}.\n")
        ws.send_response(response)
        if response.status_code == 101:
            self.dialled_host = message.headers["Host"]
            self._session_up()
        else:
            self._write_ws()
            self._close_soon()

    def _answered(self, request: Request, answerer: Answerer) -> Response:
        names = (KEY_ID_FIELD, NONCE_FIELD, PROOF_FIELD, "Authorization", "Accept")
        sent = (request.headers.get_all(name) for name in names)
        values = (values[0] if len(values) == 1 else "" for values in sent)
        answer = answerer(Question(*values, verified=self._verify(self)))
        self._close_grace_s = _ANSWER_GRACE_S
        response = self._ws.reject(answer.status, answer.text)  # the library's word for: this is no websocket
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = answer.content_type
        response.headers["Cache-Control"] = "no-store"
        if answer.proof:
            response.headers[PROOF_FIELD] = answer.proof
        if answer.challenge:
            response.headers["WWW-Authenticate"] = answer.challenge
        return response


class AgentLink(Link):
    """The agent's end: starts the websocket's handshake.

    Args:
        url: ``ws://HOST:PORT`` or ``wss://HOST:PORT``, without a path.
    """

    _ws: ClientProtocol

    def __init__(self, url: str) -> None:
        super().__init__(
            ClientProtocol(
                parse_uri(url + CONTROL_PATH),
                subprotocols=[SUBPROTOCOL],
                max_size=MAX_MESSAGE_BYTES,
                logger=_ws_log,
            )
        )

    @property
    def was_answered(self) -> bool:
        """Whether the far side said anything at all that is HTTP."""
        return self._is_up or isinstance(self._ws.handshake_exc, InvalidStatus)

    @property
    def not_a_tunnel(self) -> str:
        """What the far side is instead of an exit node, or "" while it may be one."""
        error = self._ws.handshake_exc
        if error is None:
            return "" if self._is_up or self._ws.state is State.CONNECTING else "no subprotocol was agreed on"
        if isinstance(error, InvalidStatus):
            return f"HTTP {error.response.status_code}"
        return "it does not speak HTTP" if isinstance(error, InvalidMessage) else str(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: the connection is up."""
        super().connection_made(transport)
        self._ws.send_request(self._ws.connect())
        self._write_ws()

    def _http_received(self, message: Request | Response) -> None:
        if self._ws.handshake_exc is None and self._ws.subprotocol == SUBPROTOCOL:
            self._session_up()
        else:
            self._close_soon()
