"""An exchange once more: as it was, or edited.

A replay goes to the service as a new exchange, by the very code that answers a visitor; only its stream is
not one of a link's, and what is answered goes nowhere but into the store.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from tunnel.http.errors import BadMessage
from tunnel.http.head import NO_CONTENT, RequestHead
from tunnel.http.wire import OpenHead, decode_open, encode_open
from tunnel.inspector.exchanges import Exchange
from tunnel.inspector.masking import Mask, UnknownMark
from tunnel.inspector.observer import Inspector, ObservedExchange
from tunnel.inspector.views import editable
from tunnel.protocol.errors import ResetCode
from tunnel.transport.agent import AgentExchanges

__all__ = ["MAX_REPLAYS", "CannotReplay", "Edit", "Replays"]

MAX_REPLAYS = 8
_TIMEOUT_S = 60.0
_START_S = 5.0  # how long the event loop may take to begin one

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"(?:/[\x21-\x7e]*|\*)")
_FIELD = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_FRAMING = ("content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade")


class CannotReplay(Exception):  # noqa: N818 - named for what it is
    """A replay that cannot be done; the text (Spanish) says why.  ``status`` is what the page is answered."""

    def __init__(self, text: str, status: int = 409) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Edit:
    """A request as somebody edited it; marks stand for the secrets of the one that it comes from."""

    method: str
    target: str
    fields: str  # a line each
    content: str | None  # None: as it was


class Replays:
    """Sends exchanges again.  Called by the page's threads; each runs in the event loop of its client."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._running = 0  # changed in the event loop only

    def repeat(self, exchange: Exchange, edit: Edit | None = None) -> int:
        """Send ``exchange`` again; return the number of the new one.

        Raises:
            CannotReplay: it cannot be, and why.
        """
        request = exchange.request
        if request is None:
            raise CannotReplay("Esta petición llegó dañada y no se puede repetir.")
        if editable(exchange, Mask()).is_upgrade:
            raise CannotReplay("Esta petición pidió cambiar de protocolo (WebSocket): no se puede repetir.")
        is_same = edit is None or edit.content is None
        if is_same and not exchange.is_request_whole:
            raise CannotReplay(
                "El contenido de esta petición no llegó entero o se guardó recortado, y repetirla así no "
                "sería repetirla. Edítela y escriba el contenido, o guarde más con --inspector-body."
            )
        content = bytes(exchange.request_content.kept)
        if edit is None:
            length = len(content) if request.length >= 0 else request.length
            target, _, fields = request.lines.removeprefix(request.method + b" ").partition(b"\r\n")
            payload = encode_open(_request_head(request.method, length, target), request.index, fields)
        else:
            payload, content = _edited(exchange, request, edit, content)
        owner = exchange.owner
        start = self._start(owner, exchange.number, payload, content)
        try:
            future = asyncio.run_coroutine_threadsafe(start, owner.loop)
        except RuntimeError:  # the loop is closed
            start.close()
            raise CannotReplay("El cliente del túnel se está cerrando.", 503) from None
        try:
            return future.result(_START_S)
        except TimeoutError:
            future.cancel()
            raise CannotReplay("El cliente del túnel está ocupado. Intente de nuevo.", 503) from None

    async def _start(self, owner: AgentExchanges, number: int, payload: bytes, content: bytes) -> int:
        if self._running >= MAX_REPLAYS:
            raise CannotReplay("Hay demasiadas repeticiones en curso. Espere a que terminen.", 503)
        self._running += 1
        stream = _ReplayStream(number, self._over)
        exchange = owner.open(stream, payload)
        assert isinstance(exchange, ObservedExchange)  # noqa: S101 - the inspector makes no other
        stream.begin(exchange, owner.loop)
        if content:
            exchange.data_received(content)
        exchange.end_received()
        return exchange.seen.number

    def _over(self) -> None:
        self._running -= 1


class _ReplayStream:
    """What an exchange takes for its stream: it is always ready for more, and keeps nothing.

    It is an :class:`tunnel.transport.agent.Answering` that is on no link.
    """

    id = 0

    def __init__(self, replay_of: int, on_over: Callable[[], None]) -> None:
        self.replay_of = replay_of
        self._on_over = on_over
        self._exchange: ObservedExchange | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def begin(self, exchange: ObservedExchange, loop: asyncio.AbstractEventLoop) -> None:
        """Give the exchange its time."""
        self._exchange = exchange
        if not self._is_over:
            self._timer = loop.call_later(_TIMEOUT_S, self._time_out)

    def send_head(self, payload: bytes) -> None:
        """Called by the exchange: a head as it would have gone over the link."""
        if self._exchange is not None:
            self._exchange.note_payload(payload)

    def send_data(self, data: bytes) -> bool:
        """Called by the exchange: content, which it has noted itself."""
        return True

    def send_end(self) -> None:
        """Called by the exchange: the answer is complete."""
        self._end()

    def reset(self, code: ResetCode, detail: str = "") -> None:
        """Called by the exchange: there is no (complete) answer."""
        self._end()

    def consume(self, size: int, now: float) -> None:
        """Called by the exchange: the service has taken some of the request."""

    def _time_out(self) -> None:
        if self._exchange is not None:
            self._exchange.fail(ResetCode.CANCELLED, f"a replay ends after {_TIMEOUT_S:g} s")

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_over()
            if self._timer is not None:
                self._timer.cancel()


def _edited(exchange: Exchange, request: OpenHead, edit: Edit, content: bytes) -> tuple[bytes, bytes]:
    """Return the payload of an OPEN frame and the content that an edit stands for."""
    mask = Mask()
    editable(exchange, mask)
    try:
        target, lines = mask.reveal(edit.target.strip()), mask.reveal(edit.fields)
        text = None if edit.content is None else mask.reveal(edit.content)
    except UnknownMark as error:
        raise CannotReplay(f"{error} no está en lugar de ningún valor: escriba el que sea.", 400) from None
    method = edit.method.strip()
    if not _METHOD.fullmatch(method):
        raise CannotReplay(f"«{method}» no es un método de HTTP.", 400)
    if not _TARGET.fullmatch(target):
        raise CannotReplay("La ruta empieza con «/» y no lleva espacios ni letras con tilde.", 400)
    fields = _parse_fields(lines)
    if text is not None:
        content = text.encode()
    length = len(content) if content or request.length != NO_CONTENT else NO_CONTENT
    head = _request_head(method.encode(), length, target.encode())
    payload = encode_open(head, request.index, fields)
    try:
        decode_open(payload)
    except BadMessage:
        raise CannotReplay("Esa petición no cumple HTTP: revise la ruta y las cabeceras.", 400) from None
    return payload, content


def _parse_fields(text: str) -> bytes:
    """Return field lines, Host first, as the client's rules expect it."""
    hosts: list[bytes] = []
    others: list[bytes] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        match = _FIELD.fullmatch(line)
        if match is None:
            raise CannotReplay(f"«{line}» no es una cabecera. Se escribe así: Nombre: valor", 400)
        name, lower = match[1], match[1].lower()
        if lower in _FRAMING or lower.startswith("tunelab-"):
            raise CannotReplay(f"La cabecera {name} la pone el cliente del túnel: quítela.", 400)
        where = hosts if lower == "host" else others
        where.append(f"{name}: {match[2]}\r\n".encode("latin-1"))
    if len(hosts) != 1:
        raise CannotReplay("Hace falta una cabecera Host, y solo una (RFC 9112, 3.2).", 400)
    return b"".join(hosts + others)


def _request_head(method: bytes, length: int, target: bytes) -> RequestHead:
    return RequestHead(
        method,
        target,
        is_http_11=True,
        fields=b"",
        passed=b"",
        host=b"",
        length=length,
        keep_alive=True,
        upgrade=b"",
        expects_continue=False,
    )
