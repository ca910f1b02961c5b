"""``/metrics`` and ``/status``: what is answered to whom."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Protocol

from tunnel.metrics.model import AgentStatus, ServerStatus
from tunnel.protocol.auth import answer_proof, key_id
from tunnel.transport.questions import Answer, Question, proven_holder

__all__ = ["EVERYTHING", "PATHS", "Pages", "Viewer", "Watch"]

PATHS = ("/metrics", "/status")

_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: the holder of a token or of a certificate."""

    key_id: str


EVERYTHING = Viewer("")
"""Whoever is on this machine, and the holder of a token for every name."""

Expose = Callable[[ServerStatus | AgentStatus, str], tuple[str, str]]
"""Given a status and an Accept field, the content type and the text for Prometheus."""


class Watch(Protocol):
    """What is looked at."""

    def find_token(self, key_id: str) -> str | None:
        """Return the token that ``key_id`` names, found in constant time; None for one that is not valid."""

    def viewer(self, key_id: str) -> Viewer:
        """Return what the holder of a token may see."""

    def status(self, viewer: Viewer) -> ServerStatus | AgentStatus:
        """Return what ``viewer`` may see now."""


class Pages:
    """The pages of one watch.

    Args:
        expose: None where ``prometheus_client`` is not installed.
    """

    def __init__(self, watch: Watch, expose: Expose | None) -> None:
        self._watch = watch
        self._expose = expose

    def answer(self, path: str, question: Question, *, is_trusted: bool = False) -> Answer:
        """Answer for one of ``PATHS``.

        Who asks proves to hold a token or a certificate, and the answer comes with a proof too (PROTOCOL.md,
        section 2.3); or sends a token, as monitoring systems do; or is trusted without one.
        """
        if is_trusted:
            return self._page(path, EVERYTHING, question.accept)
        holder = proven_holder(question, path, self._watch.find_token)
        if holder is not None:
            page = self._page(path, self._watch.viewer(holder.key_id), question.accept)
            return dataclasses.replace(
                page, proof=answer_proof(holder.token, path, question.nonce, page.text.encode())
            )
        sent = _bearer_token(question.authorization)
        if sent:
            token = self._watch.find_token(key_id(sent))
            if token is not None and compare_digest(token.encode(), sent.encode()):
                return self._page(path, self._watch.viewer(key_id(sent)), question.accept)
        return Answer(
            "Hace falta un token de este túnel: Authorization: Bearer, o «tunnel status».\n",
            _TEXT,
            status=401,
            challenge='Bearer realm="tunelab"',  # RFC 6750, section 3
        )

    def _page(self, path: str, viewer: Viewer, accept: str) -> Answer:
        status = self._watch.status(viewer)
        if path == "/status":
            return Answer(json.dumps(dataclasses.asdict(status), ensure_ascii=False), "application/json")
        if self._expose is None:
            return Answer("Falta prometheus-client: instale tunelab[metricas].\n", _TEXT, status=501)
        content_type, text = self._expose(status, accept)
        return Answer(text, content_type)


def _bearer_token(authorization: str) -> str:
    """Return the token of an Authorization field of the Bearer scheme (RFC 6750, section 2.1), or ""."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
