"""The links' frames as they passed, and what they say of the streams' windows.

No payload is kept here: what is content is in the exchange, and the handshake's proofs are nobody's business.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from struct import Struct

from tunnel.http.wire import KIND_HTTP
from tunnel.inspector.exchanges import Exchange
from tunnel.inspector.news import News
from tunnel.protocol.frames import CONTROL_STREAM, HEADER_BYTES, FrameType
from tunnel.protocol.stream import Stream

__all__ = ["FrameEntry", "FrameLog", "LinkBook", "LinkEntry", "StreamEntry"]

_MAX_LINKS = 20
_MAX_STREAMS = 300  # of one link, those that are over
_MAX_PINGS = 8

_CREDIT = Struct("!I")
_CODE = Struct("!H")
_HEALTH = Struct("!HB")


@dataclass(frozen=True, slots=True)
class FrameEntry:
    """One frame."""

    number: int
    at: float  # seconds since the epoch
    link: int
    is_outgoing: bool  # from the client to the exit node
    kind: str
    stream_id: int
    size_bytes: int  # of the payload; the header has eight more
    left_bytes: int | None  # what may still be sent in the direction that the frame's bytes count for
    window_bytes: int | None  # our window for that stream, where the direction is towards us
    detail: str


@dataclass(slots=True)
class StreamEntry:
    """A stream, as its frames tell of it."""

    stream_id: int
    is_tcp: bool  # bytes of a port or of a TLS service, not HTTP
    exchange: int  # its number; 0 where there is none
    opened_at: float
    frames: int = 0
    bytes_in: int = 0  # content, from the exit node
    bytes_out: int = 0
    credit_bytes: int = 0  # what we may still send
    left_bytes: int = 0  # what the exit node may still send
    window_bytes: int = 0
    largest_window_bytes: int = 0
    has_ended_in: bool = False
    has_ended_out: bool = False
    is_open: bool = True


@dataclass(slots=True)
class LinkEntry:
    """A link with an exit node."""

    number: int
    exit_node: str
    opened_at: float
    closed_at: float | None = None
    reason: str = ""
    round_trip_s: float = 0.0  # the least so far
    last_round_trip_s: float = 0.0
    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0  # headers and payloads
    bytes_out: int = 0


class FrameLog:
    """The newest frames of all links."""

    def __init__(self, max_frames: int, news: News) -> None:
        self.news = news
        self._frames: deque[FrameEntry] = deque(maxlen=max_frames)
        self._links: deque[LinkBook] = deque(maxlen=_MAX_LINKS)
        self._newest_frame = 0
        self._newest_link = 0

    def new_link(self, exit_node: str) -> LinkBook:
        """Begin the book of a link."""
        with self.news.lock:
            self._newest_link += 1
            book = LinkBook(self, LinkEntry(self._newest_link, exit_node, time.time()))
            self._links.append(book)
            self.news.count()
        return book

    def append(
        self,
        link: int,
        is_outgoing: bool,
        kind: int,
        stream_id: int,
        size: int,
        left: int | None,
        window: int | None,
        detail: str,
    ) -> None:
        """Note a frame, with the lock held."""
        self._newest_frame += 1
        self._frames.append(
            FrameEntry(
                self._newest_frame,
                time.time(),
                link,
                is_outgoing,
                FrameType(kind).name,
                stream_id,
                size,
                left,
                window,
                detail,
            )
        )
        self.news.count()

    def frames(self, since: int, limit: int, link: int = 0, stream_id: int | None = None) -> list[FrameEntry]:
        """Return the newest ``limit`` frames after the one numbered ``since``, the oldest first."""
        found: list[FrameEntry] = []
        with self.news.lock:
            for frame in reversed(self._frames):
                if frame.number <= since or len(found) >= limit:
                    break
                if (not link or frame.link == link) and (stream_id is None or frame.stream_id == stream_id):
                    found.append(frame)
        return found[::-1]

    def links(self) -> list[tuple[LinkEntry, list[StreamEntry]]]:
        """Return copies of the links and their streams, the newest first."""
        with self.news.lock:
            return [
                (replace(book.entry), [replace(stream) for stream in reversed(book.streams.values())])
                for book in reversed(self._links)
            ]

    def clear(self) -> None:
        """Throw the frames away; of the links, those that are closed."""
        with self.news.lock:
            self._frames.clear()
            open_links = [book for book in self._links if book.entry.closed_at is None]
            self._links.clear()
            self._links.extend(open_links)
            for book in open_links:
                book.forget_closed(0)
            self.news.count()


class LinkBook:
    """What is noted of one link, in the client's event loop."""

    def __init__(self, log: FrameLog, entry: LinkEntry) -> None:
        self._log = log
        self.entry = entry
        self.streams: OrderedDict[int, StreamEntry] = OrderedDict()
        self.exchanges: dict[int, Exchange] = {}  # those under way, by stream
        self._pings: dict[bytes, float] = {}  # those without an answer, and when they left

    def frame(
        self,
        is_outgoing: bool,
        kind: int,
        stream_id: int,
        payload: bytes | memoryview,
        stream: Stream | None,
    ) -> None:
        """Note a frame that passes.

        Args:
            stream: as it is before a frame that arrives, and after one that leaves; None where it is over.
        """
        size = len(payload)
        with self._log.news.lock:
            entry = self.entry
            if is_outgoing:
                entry.frames_out += 1
                entry.bytes_out += HEADER_BYTES + size
            else:
                entry.frames_in += 1
                entry.bytes_in += HEADER_BYTES + size
            left = window = None
            if stream_id != CONTROL_STREAM:
                left, window = self._count(is_outgoing, kind, stream_id, payload, stream)
            detail = _detail(kind, payload) or self._time_ping(is_outgoing, kind, payload)
            self._log.append(entry.number, is_outgoing, kind, stream_id, size, left, window, detail)

    def opened(self, stream: Stream, exchange: Exchange) -> None:
        """Note, with the lock held, which exchange a stream is."""
        self.exchanges[stream.id] = exchange
        if (entry := self.streams.get(stream.id)) is not None:
            entry.exchange = exchange.number

    def _time_ping(self, is_outgoing: bool, kind: int, payload: bytes | memoryview) -> str:
        """Measure the round trip; the session's own clock may tell whole milliseconds only."""
        if kind == FrameType.PING and is_outgoing:
            self._pings[bytes(payload)] = time.perf_counter()
            if len(self._pings) > _MAX_PINGS:
                del self._pings[next(iter(self._pings))]
        elif kind == FrameType.PONG and not is_outgoing:
            sent_s = self._pings.pop(bytes(payload), None)
            if sent_s is not None:
                entry = self.entry
                entry.last_round_trip_s = time.perf_counter() - sent_s
                entry.round_trip_s = min(
                    entry.round_trip_s or entry.last_round_trip_s, entry.last_round_trip_s
                )
                return f"{entry.last_round_trip_s * 1000:.1f} ms".replace(".", ",")
        return ""

    def closed(self, reason: str) -> None:
        """Note that the link is over."""
        with self._log.news.lock:
            self.entry.closed_at, self.entry.reason = time.time(), reason
            self.exchanges.clear()
            for stream in self.streams.values():
                stream.is_open = False
            self._log.news.count()

    def forget_closed(self, keep: int) -> None:
        """Throw away the oldest streams that are over, with the lock held, until ``keep`` are left."""
        over = [number for number, stream in self.streams.items() if not stream.is_open]
        for number in over[: max(len(over) - keep, 0)]:
            del self.streams[number]

    def _count(
        self,
        is_outgoing: bool,
        kind: int,
        stream_id: int,
        payload: bytes | memoryview,
        stream: Stream | None,
    ) -> tuple[int | None, int | None]:
        """Keep the book of one stream; return what its frame leaves to be sent, and our window."""
        if kind == FrameType.OPEN:
            is_tcp = payload[:1] != bytes((KIND_HTTP,))
            self.streams[stream_id] = StreamEntry(stream_id, is_tcp, 0, time.time())
            if len(self.streams) > 2 * _MAX_STREAMS:
                self.forget_closed(_MAX_STREAMS)
        entry = self.streams.get(stream_id)
        if entry is None:
            return None, None
        entry.frames += 1
        size = len(payload)
        if kind == FrameType.END and is_outgoing:
            entry.has_ended_out = True
        elif kind == FrameType.END:
            entry.has_ended_in = True
        if kind == FrameType.RESET or (entry.has_ended_in and entry.has_ended_out):
            entry.is_open = False
        if stream is not None:
            entry.credit_bytes, entry.left_bytes = stream.credit, stream.window.left
            entry.window_bytes = stream.window.size
            entry.largest_window_bytes = max(entry.largest_window_bytes, stream.window.size)
        if kind == FrameType.DATA:
            if is_outgoing:
                entry.bytes_out += size
                return entry.credit_bytes, None
            entry.bytes_in += size
            entry.left_bytes -= size  # it is about to be counted
            return entry.left_bytes, entry.window_bytes
        if kind == FrameType.CREDIT:
            if is_outgoing:
                return entry.left_bytes, entry.window_bytes
            entry.credit_bytes += _CREDIT.unpack(payload)[0] if size == _CREDIT.size else 0
            return entry.credit_bytes, None
        return None, None


def _detail(kind: int, payload: bytes | memoryview) -> str:
    """Return what a frame says beside its content: credit, a code."""
    size = len(payload)
    if kind == FrameType.CREDIT and size == _CREDIT.size:
        return f"+{_CREDIT.unpack(payload)[0]} B"
    if kind in (FrameType.RESET, FrameType.GOAWAY) and size >= _CODE.size:
        return f"{_CODE.unpack_from(payload)[0]} {_printable(payload[_CODE.size :])}"
    if kind == FrameType.HEALTH and size >= _HEALTH.size:
        index, is_up = _HEALTH.unpack_from(payload)
        words = "listo" if is_up else f"no está listo: {_printable(payload[_HEALTH.size :])}"
        return f"nombre {index + 1}: {words}"
    return ""


def _printable(data: bytes | memoryview) -> str:
    return "".join(c if c.isprintable() else "?" for c in bytes(data).decode("utf-8", "replace"))
