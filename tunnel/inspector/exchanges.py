"""An exchange as it is kept: what was asked and answered at each hop, and when."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from enum import Enum

from tunnel.http.head import NO_CONTENT, ResponseHead
from tunnel.http.wire import OpenHead
from tunnel.transport.agent import AgentExchanges

__all__ = ["Content", "Ending", "Exchange", "Moments"]

_OVERHEAD_BYTES = 2048
"""What an exchange takes beside its heads and contents, roughly: its objects."""


class Ending(Enum):
    """How an exchange stands."""

    PENDING = "pending"
    COMPLETE = "complete"
    CUT = "cut"


@dataclass(slots=True)
class Content:
    """The content of one direction: its beginning, and how long it was."""

    kept: bytearray = field(default_factory=bytearray)
    total_bytes: int = 0

    @property
    def is_truncated(self) -> bool:
        """Whether more passed than was kept."""
        return self.total_bytes > len(self.kept)

    def add(self, data: bytes | memoryview, limit_bytes: int) -> int:
        """Keep what there is room for; return how many bytes that was."""
        kept = 0
        if len(self.kept) == self.total_bytes:  # nothing was left out so far
            kept = min(len(data), max(limit_bytes - self.total_bytes, 0))
            self.kept += data[:kept]
        self.total_bytes += len(data)
        return kept


@dataclass(slots=True)
class Moments:
    """When things happened, in seconds since the stream was opened; None for what has not (yet)."""

    connected: float | None = None  # a connection to the service was had
    head_sent: float | None = None  # the request's head was written to it
    request_end: float | None = None  # the last byte of the request came over the link
    first_byte: float | None = None  # the final head of the answer was read from the service
    response_end: float | None = None  # the last byte of the answer was read from the service
    link_end: float | None = None  # the last byte of the answer was given to the link
    over: float | None = None  # nothing more happens


@dataclass(slots=True, eq=False)
class Exchange:
    """One exchange.  Written in the client's event loop only, under the lock."""

    number: int
    started_at: float  # seconds since the epoch
    origin_s: float  # the same moment on the clock of ``Moments``
    owner: AgentExchanges  # who answered it, and would again
    link: int = 0  # the number of its link; 0 for a replay
    stream_id: int = 0
    replay_of: int = 0  # the number of the exchange that this one repeats
    round_trip_s: float = 0.0  # of its link, when it began
    upstream: str = ""  # the service, as a URL
    is_connection_reused: bool = False
    request: OpenHead | None = None  # as it came over the link
    sent_head: bytes = b""  # as the service got it
    interims: list[int] = field(default_factory=list)  # 1xx statuses
    response: ResponseHead | None = None  # as the service sent it
    response_payload: bytes = b""  # as it went over the link: a HEAD frame's payload
    request_content: Content = field(default_factory=Content)
    response_content: Content = field(default_factory=Content)
    moments: Moments = field(default_factory=Moments)
    ending: Ending = Ending.PENDING
    reset_code: str = ""  # of one that was cut
    reset_detail: str = ""
    is_cut_by_peer: bool = False  # the visitor or the exit node cut it, or the link was lost
    size_bytes: int = _OVERHEAD_BYTES
    version: int = 0  # the last change, as ``News`` counts
    is_forgotten: bool = False  # thrown away: what still happens to it is not kept

    @property
    def status(self) -> int:
        """The answer's status; 0 where there is none (yet)."""
        return 0 if self.response is None else self.response.status

    @property
    def is_request_whole(self) -> bool:
        """Whether all of the request came, and is kept."""
        if self.request is None or self.request_content.is_truncated:
            return False
        return self.moments.request_end is not None or self.request.length == NO_CONTENT

    def snapshot(self, *, with_contents: bool = True) -> Exchange:
        """Return a copy that nobody changes; to be called with the lock held.

        ``with_contents=False`` leaves the contents out and only says how long they were.
        """
        twin = copy.copy(self)
        twin.moments = copy.copy(self.moments)
        twin.interims = list(self.interims)
        for name in ("request_content", "response_content"):
            content: Content = getattr(self, name)
            kept = bytearray(content.kept) if with_contents else bytearray()
            setattr(twin, name, Content(kept, content.total_bytes))
        return twin
