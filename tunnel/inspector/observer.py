"""The client's exchanges and sessions that take notes of what they do.

Each does all that the plain one does, and nothing else to the data.  A note is taken under the lock, and
never while the plain one works, which may lead to another note.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tunnel.http.head import ResponseHead
from tunnel.http.wire import OpenHead
from tunnel.inspector.exchanges import Content, Ending, Exchange
from tunnel.inspector.frames import FrameLog, LinkBook
from tunnel.inspector.news import News
from tunnel.inspector.options import InspectorOptions
from tunnel.inspector.store import Store
from tunnel.protocol.errors import CloseCode, ResetCode
from tunnel.protocol.frames import Frame, FrameDecoder, FrameType, Payload
from tunnel.protocol.handshake import AgentHandshake
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.session import Session, SessionHandler
from tunnel.protocol.stream import Stream
from tunnel.transport.agent import AgentExchange, AgentExchanges, Answering
from tunnel.transport.upstream import UpstreamConnection, UpstreamPool

__all__ = ["Inspector", "ObservedExchange", "ObservedSession"]


class Inspector:
    """What is known of the clients of this process: a ``ClientObserver``."""

    def __init__(self, options: InspectorOptions) -> None:
        self.options = options
        self.news = News()
        self.store = Store(options, self.news)
        self.frames = FrameLog(options.max_frames, self.news)

    def new_exchange(self, owner: AgentExchanges, stream: Answering) -> AgentExchange:
        """Return what answers a stream, and takes notes."""
        exchange = self.store.add(owner)
        # A replay's stream has no session: it never was on a link.
        session = stream._session if isinstance(stream, Stream) else None
        with self.news.lock:
            if isinstance(stream, Stream) and isinstance(session, ObservedSession):
                book = session.book
                exchange.link, exchange.stream_id = book.entry.number, stream.id
                exchange.round_trip_s = book.entry.round_trip_s
                book.opened(stream, exchange)
            else:
                exchange.replay_of = getattr(stream, "replay_of", 0)
        return ObservedExchange(owner, stream, self.store, exchange)

    def new_session(
        self,
        exit_node: str,
        handshake: AgentHandshake,
        handler: SessionHandler,
        on_output: Callable[[], None],
        now: float,
        memory: MemoryBudget | None,
    ) -> Session:
        """Return the session of a fresh link, which takes notes."""
        book = self.frames.new_link(exit_node)
        return ObservedSession(book, self.store, handshake, handler, on_output, now, memory)


class ObservedExchange(AgentExchange):
    """An exchange that tells the store what it does."""

    __slots__ = ("_store", "seen")

    def __init__(self, owner: AgentExchanges, stream: Answering, store: Store, seen: Exchange) -> None:
        super().__init__(owner, stream)
        self._store = store
        self.seen = seen

    def start(self, head: OpenHead, pool: UpstreamPool) -> None:
        """Note where the request goes, and whether a kept connection takes it there."""
        with self._store.news.lock:
            self.seen.request, self.seen.upstream = head, pool.upstream.url
            self._store.changed(self.seen, len(head.lines))
        super().start(head, pool)
        if self._connection is not None:
            self._note_connected(is_reused=True)

    def upstream_head(self, head: OpenHead) -> bytes:
        """Note the head that the service gets."""
        data = super().upstream_head(head)
        with self._store.news.lock:
            self.seen.sent_head = data
            self._store.changed(self.seen, len(data))
        return data

    def connected(self, connection: UpstreamConnection) -> None:
        """Note that a new connection is up, and the head written to it."""
        if not self._is_over:
            self._note_connected(is_reused=False)
        super().connected(connection)

    def data_received(self, data: bytes | memoryview) -> None:
        """Note content of the request."""
        self._note_content(self.seen.request_content, data)
        super().data_received(data)

    def end_received(self) -> None:
        """Note that the request is complete."""
        with self._store.news.lock:
            self.seen.moments.request_end = self._now()
            self._store.changed(self.seen)
        super().end_received()

    def reset_received(self, code: ResetCode, detail: str) -> None:
        """Note that the other side cut the exchange."""
        self._note_cut(code, detail, is_by_peer=True)
        super().reset_received(code, detail)

    def fail(self, code: ResetCode, detail: str) -> None:
        """Note that this side cuts the exchange."""
        if not self._is_over:
            self._note_cut(code, detail, is_by_peer=False)
        super().fail(code, detail)

    def response_head(self, head: ResponseHead) -> None:
        """Note an interim or the final head."""
        with self._store.news.lock:
            if head.status >= 200 or head.status == 101:
                self.seen.response = head
                self.seen.moments.first_byte = self._now()
                self._store.changed(self.seen, len(head.fields))
            else:
                self.seen.interims.append(head.status)
                self._store.changed(self.seen)
        super().response_head(head)

    def response_content(self, content: bytes) -> None:
        """Note content of the answer."""
        self._note_content(self.seen.response_content, content)
        super().response_content(content)

    def response_end(self) -> None:
        """Note that the answer is complete."""
        with self._store.news.lock:
            self.seen.moments.response_end = self._now()
            self._store.changed(self.seen)
        super().response_end()

    def note_payload(self, payload: bytes) -> None:
        """Note a head of the answer as it would have gone over the link: of a replay, which has none."""
        with self._store.news.lock:
            self.seen.response_payload = payload
            self._store.changed(self.seen, len(payload))

    def _finish(self) -> None:
        with self._store.news.lock:
            if self.seen.ending is Ending.PENDING:
                self.seen.ending = Ending.COMPLETE if self._is_answered else Ending.CUT
                self.seen.moments.over = self._now()
                self._store.changed(self.seen)
        super()._finish()

    def _now(self) -> float:
        return time.perf_counter() - self.seen.origin_s

    def _note_connected(self, *, is_reused: bool) -> None:
        with self._store.news.lock:
            self.seen.is_connection_reused = is_reused
            self.seen.moments.connected = self.seen.moments.head_sent = self._now()
            self._store.changed(self.seen)

    def _note_content(self, content: Content, data: bytes | memoryview) -> None:
        with self._store.news.lock:
            limit = 0 if self.seen.is_forgotten else self._store.options.max_body_bytes
            self._store.changed(self.seen, content.add(data, limit))

    def _note_cut(self, code: ResetCode, detail: str, *, is_by_peer: bool) -> None:
        with self._store.news.lock:
            seen = self.seen
            # A whole answer from the service may still wait for credit: then nobody gets the rest of it.
            is_delivered = not seen.link or seen.moments.link_end is not None
            if seen.ending is Ending.PENDING or (seen.ending is Ending.COMPLETE and not is_delivered):
                seen.ending = Ending.CUT
                seen.reset_code, seen.reset_detail, seen.is_cut_by_peer = code.name, detail, is_by_peer
                seen.moments.over = self._now()
                self._store.changed(seen)


class ObservedSession(Session):
    """A session that writes its frames down."""

    def __init__(
        self,
        book: LinkBook,
        store: Store,
        handshake: AgentHandshake,
        handler: SessionHandler,
        on_output: Callable[[], None],
        now: float,
        memory: MemoryBudget | None,
    ) -> None:
        self.book = book
        self._store = store
        super().__init__(handshake, handler, on_output, now, memory=memory)  # emits the first frame
        self._decoder = _ObservedDecoder(self._note_arrival)

    def _emit(self, kind: int, stream_id: int, payload: bytes | memoryview) -> None:
        super()._emit(kind, stream_id, payload)
        self.book.frame(True, kind, stream_id, payload, self._stream(stream_id))
        if kind == FrameType.HEAD or kind == FrameType.END or kind == FrameType.RESET:
            self._note_answer(kind, stream_id, payload)

    def _note_arrival(self, kind: int, stream_id: int, payload: Payload) -> None:
        self.book.frame(False, kind, stream_id, payload, self._stream(stream_id))
        if kind == FrameType.RESET:
            self.book.exchanges.pop(stream_id, None)

    def _note_answer(self, kind: int, stream_id: int, payload: bytes | memoryview) -> None:
        """Tell an exchange what of its answer went over the link."""
        exchange = self.book.exchanges.get(stream_id)
        if exchange is None:
            return
        with self._store.news.lock:
            if kind == FrameType.HEAD:
                exchange.response_payload = bytes(payload)
                self._store.changed(exchange, len(payload))
                return
            del self.book.exchanges[stream_id]
            if kind == FrameType.END:
                exchange.moments.link_end = time.perf_counter() - exchange.origin_s
                self._store.changed(exchange)

    def _stream(self, stream_id: int) -> Stream | None:
        # The first frame leaves while the session is still being made.
        return self._streams.get(stream_id) if stream_id else None

    def _finish(self, code: CloseCode, detail: str) -> None:
        was_closed = self.is_closed
        super()._finish(code, detail)
        if not was_closed:
            self.book.closed(code.name.lower().replace("_", "-"))


class _ObservedDecoder(FrameDecoder):
    """Shows each frame before it is acted upon, also of DATA the whole frame and not its pieces."""

    __slots__ = ("_note", "_pieces")

    def __init__(self, note: Callable[[int, int, Payload], None]) -> None:
        super().__init__(shares=False)
        self._note = note
        self._pieces: list[Payload] = []

    def receive_data(self, data: Payload) -> Iterator[Frame]:
        """Yield each frame that ``data`` completes."""
        for kind, stream_id, payload in super().receive_data(data):
            if self._left:
                self._pieces.append(payload)
                continue
            if self._pieces:
                payload = b"".join([*self._pieces, payload])
                self._pieces.clear()
            self._note(kind, stream_id, payload)
            yield kind, stream_id, payload
