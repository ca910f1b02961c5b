"""The pages over HTTP, on an address of their own: for everybody on loopback, with a token elsewhere."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from ipaddress import ip_address

from tunnel.http.error_pages import reason_phrase
from tunnel.http.errors import BadMessage
from tunnel.http.fields import find_fields
from tunnel.http.head import HEAD_END, RequestHead, parse_request_head
from tunnel.metrics.address import MetricsAddress
from tunnel.metrics.pages import PATHS, Pages
from tunnel.routing import normalize_host
from tunnel.transport.questions import KEY_ID_FIELD, NONCE_FIELD, PROOF_FIELD, Answer, Question

__all__ = ["MetricsListener"]

_MAX_HEAD_BYTES = 16 * 1024
_MAX_CONNECTIONS = 32
_TIMEOUT_S = 10.0
_FIELDS = (KEY_ID_FIELD, NONCE_FIELD, PROOF_FIELD, "Authorization", "Accept")
_TEXT = "text/plain; charset=utf-8"


class MetricsListener:
    """Answers GET and HEAD, one request a connection.

    On loopback a page in somebody's browser could ask in their name, if a name of its own led here (DNS
    rebinding): the Host must be an address, or ``localhost``.
    """

    def __init__(self, pages: Pages, address: MetricsAddress) -> None:
        self._pages = pages
        self._address = address
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where the pages are."""
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen.  Raises OSError."""
        self._server = await asyncio.start_server(
            self._serve, self._address.host, self._address.port, limit=_MAX_HEAD_BYTES
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and cut whoever asks now."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        if len(self._open) >= _MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._open.add(task)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                page, method = await self._page(reader)
                writer.write(_encode(page, method))
                writer.close()
                await writer.wait_closed()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _page(self, reader: asyncio.StreamReader) -> tuple[Answer, bytes]:
        try:
            head = parse_request_head(await reader.readuntil(HEAD_END))
        except BadMessage as error:
            return Answer("La petición no es HTTP válido.\n", _TEXT, status=error.status), b"GET"
        if head.method not in (b"GET", b"HEAD"):
            return Answer("Aquí solo se lee.\n", _TEXT, status=405), b"GET"
        if self._address.is_loopback and not _is_own(head):
            return Answer("Pregunte por la dirección IP, o por localhost.\n", _TEXT, status=421), head.method
        path = head.target.partition(b"?")[0].decode("latin-1")
        if path not in PATHS:
            return Answer("Aquí hay /metrics y /status.\n", _TEXT, status=404), head.method
        sent = (find_fields(head.fields, name.lower().encode()) for name in _FIELDS)
        question = Question(*(values[0].decode("latin-1") if len(values) == 1 else "" for values in sent))
        return self._pages.answer(path, question, is_trusted=self._address.is_loopback), head.method


def _is_own(head: RequestHead) -> bool:
    host = normalize_host(head.host).strip("[]")
    if host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _encode(page: Answer, method: bytes) -> bytes:
    body = page.text.encode()
    lines = [
        f"HTTP/1.1 {page.status} {reason_phrase(page.status).decode()}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
        *([f"WWW-Authenticate: {page.challenge}"] if page.challenge else []),
        *([f"{PROOF_FIELD}: {page.proof}"] if page.proof else []),
        *(["Allow: GET, HEAD"] if page.status == 405 else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if method == b"HEAD" else body)
