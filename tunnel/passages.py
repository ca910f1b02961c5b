"""Exit node: which requests passed, kept for whoever holds the token of the client that answered them.

What a request said is not kept: when it passed, the answer's status, and the trace id that its visitor gave
it (https://www.w3.org/TR/trace-context/), by which the visitor knows it again.
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from tunnel.http.fields import find_field
from tunnel.http.head import RequestHead
from tunnel.protocol.auth import answer_proof
from tunnel.transport.questions import REQUESTS_PATH, Answer, FindToken, Question, proven_holder

__all__ = ["MAX_PASSAGES", "Passage", "PassageLog", "trace_of"]

MAX_PASSAGES = 400
"""How many are kept for one token, the newest ones."""

_MAX_TOKENS = 1000
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Passage:
    """One request that a client answered; ``at`` is a time in UTC (RFC 3339)."""

    at: str
    status: int
    trace: str


def trace_of(head: RequestHead) -> str:
    """Return the trace id of a request's ``traceparent`` (W3C Trace Context, section 3.2), or ""."""
    match = _TRACEPARENT.fullmatch(find_field(head.fields, b"traceparent"))
    return "" if match is None else match[1].decode()


class PassageLog:
    """The newest passages of each token.

    Args:
        find_token: given a key id, the token it names, or None.
        clock: returns the Unix time.
    """

    def __init__(self, find_token: FindToken, clock: Callable[[], float] = time.time) -> None:
        self._find_token = find_token
        self._clock = clock
        self._kept: OrderedDict[str, deque[Passage]] = OrderedDict()

    def add(self, key_id: str, status: int, trace: str) -> None:
        """Keep one; without a trace nobody could know it again."""
        if not trace:
            return
        kept = self._kept.setdefault(key_id, deque(maxlen=MAX_PASSAGES))
        self._kept.move_to_end(key_id)
        if len(self._kept) > _MAX_TOKENS:
            self._kept.popitem(last=False)
        at = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        kept.append(Passage(at, status, trace))

    def answer(self, question: Question) -> Answer:
        """Tell who proves to hold a token or a certificate what passed for it, and nothing of others'."""
        holder = proven_holder(question, REQUESTS_PATH, self._find_token)
        if holder is None:
            return Answer("Eso se le dice a quien tiene el token: tunnel requests.\n", _TEXT, status=403)
        told = [asdict(passage) for passage in self._kept.get(holder.key_id, ())]
        text = json.dumps({"requests": told})
        return Answer(text, _JSON, answer_proof(holder.token, REQUESTS_PATH, question.nonce, text.encode()))
