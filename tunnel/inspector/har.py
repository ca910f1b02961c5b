"""Exchanges as an HTTP Archive 1.2, which browsers' developer tools open.

The format is the one of http://www.softwareishard.com/blog/har-12-spec/; what is not known is -1 or empty,
as it asks.  Fields whose names begin with an underscore are ours, as it allows.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tunnel import __version__
from tunnel.inspector.contents import ShownContent, decoded_text
from tunnel.inspector.exchanges import Content, Exchange
from tunnel.inspector.masking import Field, Mask
from tunnel.inspector.views import Detail, show

__all__ = ["to_har"]

Har = dict[str, Any]


def to_har(exchanges: Iterable[Exchange]) -> Har:
    """Return the archive of exchanges, their secrets hidden."""
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "tunelab", "version": __version__},
            "comment": "Los valores secretos están ocultos.",
            "entries": [_entry(exchange) for exchange in exchanges if exchange.request is not None],
        }
    }


def _entry(exchange: Exchange) -> Har:
    detail = show(exchange)
    summary, at = detail.summary, exchange.moments
    start = datetime.fromtimestamp(exchange.started_at, UTC)

    def span(begin: float | None, end: float | None) -> float:
        return -1 if begin is None or end is None else round(max(end - begin, 0) * 1000, 3)

    sent = at.head_sent if at.request_end is None else max(at.request_end, at.head_sent or 0)
    if sent is not None and at.first_byte is not None:
        sent = min(sent, at.first_byte)
    timings = {
        "blocked": -1,
        "dns": -1,
        "connect": -1 if exchange.is_connection_reused else span(0, at.connected),
        "ssl": -1,
        "send": max(span(at.head_sent, sent), 0),  # these three must be given
        "wait": max(span(sent, at.first_byte), 0),
        "receive": max(span(at.first_byte, at.response_end), 0),
    }
    comments = [detail.fault] if detail.fault else []
    if summary.replay_of:
        comments.append(f"repetición de la petición {summary.replay_of}")
    return {
        "startedDateTime": start.isoformat(timespec="milliseconds"),
        "time": round(sum(value for value in timings.values() if value > 0), 3),
        "request": _request(exchange, detail),
        "response": _response(exchange, detail),
        "cache": {},
        "timings": timings,
        "connection": str(exchange.stream_id),
        "comment": "; ".join(comments),
        "_number": summary.number,
        "_upstream": summary.upstream,
    }


def _request(exchange: Exchange, detail: Detail) -> Har:
    summary, edit = detail.summary, detail.edit
    fields = [
        (name, value.strip()) for line in edit.fields.split("\n") for name, _, value in [line.partition(":")]
    ]
    fields = [(name, value) for name, value in fields if name]
    request: Har = {
        "method": summary.method,
        "url": detail.url,
        "httpVersion": "HTTP/1.1",
        "cookies": _cookies(fields, "cookie"),
        "headers": _pairs(fields),
        "queryString": _pairs(parse_qsl(urlsplit(detail.url).query, keep_blank_values=True)),
        "headersSize": -1,
        "bodySize": summary.request_bytes,
    }
    if summary.request_bytes:
        shown = detail.request_content
        request["postData"] = {
            "mimeType": shown.media_type,
            "params": [],
            "text": edit.content or "",
            "comment": _remark(shown) or ("no es texto" if edit.content is None else ""),
        }
    return request


def _response(exchange: Exchange, detail: Detail) -> Har:
    summary, shown = detail.summary, detail.response_content
    fields = list(detail.response_fields)
    redirect = next((value for name, value in fields if name.lower() == "location"), "")
    content: Har = {"size": shown.total_bytes, "mimeType": shown.media_type, "comment": _remark(shown)}
    content |= _text_of(exchange.response_content, detail)
    return {
        "status": summary.status,
        "statusText": summary.reason if summary.status else "",
        "httpVersion": "HTTP/1.1",
        "cookies": _cookies(fields, "set-cookie"),
        "headers": _pairs(fields),
        "content": content,
        "redirectURL": redirect,
        "headersSize": -1,
        "bodySize": summary.response_bytes,
    }


def _text_of(content: Content, detail: Detail) -> Har:
    """Return content as text with its secrets hidden or, where it is none, in base64."""
    shown = detail.response_content
    if shown.kind in ("json", "text"):
        if shown.coding:
            return {"text": shown.text}
        content_type = next((v for n, v in detail.response_fields if n.lower() == "content-type"), "")
        text = decoded_text(content, content_type)
        if text is not None:
            return {"text": Mask().content(text, shown.media_type)}
    if shown.kind == "binary":
        return {"text": base64.b64encode(bytes(content.kept)).decode(), "encoding": "base64"}
    return {"text": shown.text}


def _remark(shown: ShownContent) -> str:
    if shown.is_truncated:
        return f"recortado: se guardaron {shown.kept_bytes} de {shown.total_bytes} bytes"
    return ""


def _pairs(fields: Iterable[Field]) -> list[Har]:
    return [{"name": name, "value": value} for name, value in fields]


def _cookies(fields: Iterable[Field], wanted: str) -> list[Har]:
    """Return the cookies of the fields called ``wanted``; their values are hidden already."""
    cookies = []
    for name, value in fields:
        if name.lower() == wanted:
            pairs = value.split(";")[: 1 if wanted == "set-cookie" else None]
            for pair in pairs:
                key, _, held = pair.strip().partition("=")
                if key:
                    cookies.append({"name": key, "value": held})
    return cookies
